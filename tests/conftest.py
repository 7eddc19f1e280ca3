"""What all tests share."""

from __future__ import annotations

import os

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("fastgd", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("fastgd")

JIT_IS_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_260)


@pytest.fixture(scope="session")
def many() -> int:
    """Rows for a test that wants several runs of blocks: fewer where kernels run as Python."""
    return 10_000 if JIT_IS_OFF else 300_000

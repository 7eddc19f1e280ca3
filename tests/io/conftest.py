"""A file of values."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgd.io import npz
from tests.io.written import ARRAYS


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.npz"


@pytest.fixture
def written(path) -> bytes:
    npz.write(path, "fit", {"epoch": 3} | ARRAYS)
    return path.read_bytes()

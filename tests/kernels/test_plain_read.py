"""A read that does nothing but add."""

from __future__ import annotations

import pytest

from fastgd.kernels import plain_read


def test_the_plain_read_reads_all(rng):
    X, y = rng.standard_normal(1000), rng.standard_normal(1000)
    assert plain_read.run(X, y)[0] == pytest.approx(X.sum() + y.sum(), abs=1e-10)

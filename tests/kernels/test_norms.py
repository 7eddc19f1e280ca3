"""The longest row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd.kernels import norms


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("d", [1, 3, 100])
def test_the_longest_row(rng, d, dtype):
    X = rng.standard_normal((30, d)).astype(dtype)
    expected = np.max(np.sum(X.astype(float) ** 2, axis=1))
    assert norms.largest_square(X) == pytest.approx(expected, rel=1e-13)
    X[17, d - 1] = np.nan
    assert math.isnan(norms.largest_square(X))
    X[17, d - 1] = np.inf
    assert norms.largest_square(X) == math.inf

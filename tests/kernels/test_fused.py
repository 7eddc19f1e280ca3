"""Cost and gradient in one read, against exact sums."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import accurate, fused
from tests.conftest import JIT_IS_OFF


@pytest.mark.parametrize("d", [1, 2, 5, 7, 8, 17, 24, 25, 100, 129, 403, 1030])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 127, 128, 129, 700])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_the_fused_kernels_sum_every_row_once(rng, n, d, dtype):
    n = min(n, 20) if JIT_IS_OFF else n
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal(n).astype(dtype)
    w = rng.standard_normal(d)
    residual = X.astype(float) @ w - y
    expected = np.array([residual @ residual, *(X.astype(float).T @ residual)])
    tolerance = 1e-12 * np.abs(expected).max()
    np.testing.assert_allclose(fused.run(X, y, w, 128), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(accurate.run(X, y, w, 128, False), expected, rtol=0, atol=tolerance)
    if d <= 7:
        few = fused.run_few(X.reshape(-1), y, tuple(w), 512)
        np.testing.assert_allclose(few, expected, rtol=0, atol=tolerance)

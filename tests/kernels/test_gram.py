"""The kernel of the sums Σ z zᵀ."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import gram
from tests.conftest import JIT_IS_OFF
from tests.kernels.rows import data


@pytest.mark.parametrize("d", [1, 2, 3, 4, 7, 8, 10, 11, 12, 13, 23, 24, 64, 257])
@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 4095, 4096, 4097])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_gram_sums_every_product_once(rng, n, d, dtype):
    n = min(n, 6) if JIT_IS_OFF else min(n, 400_000 // (d * d) + 300)
    X, y, w_ref = data(rng, n, d, dtype)
    size = gram.lines(d)
    sums = gram.run(X, y, w_ref, 1024).reshape(size, size)
    Z = np.column_stack([X.astype(float), y - X.astype(float) @ w_ref])
    lower = np.tril_indices(d + 1)
    np.testing.assert_allclose(sums[: d + 1, : d + 1][lower], (Z.T @ Z)[lower], rtol=0, atol=1e-12 * n)
    if d == 1:
        x = X.reshape(-1)
        squares, products, rest = gram.run_1d(x, y, w_ref[0])
        np.testing.assert_allclose(
            [squares, products, rest], [sums[0, 0], sums[1, 0], sums[1, 1]], rtol=1e-12, atol=1e-13 * n
        )


@pytest.mark.parametrize("d", [1, 5, 30])
def test_a_runs_length_changes_no_bit_of_a_block(rng, d):
    """Aligned runs are nodes of one tree: two runs of two blocks add up to one of four."""
    X, y, w_ref = data(rng, 4 * 16, d)
    whole = gram.run(X, y, w_ref, 16)
    halves = gram.run(X[:32], y[:32], w_ref, 16) + gram.run(X[32:], y[32:], w_ref, 16)
    assert whole.tobytes() == halves.tobytes()

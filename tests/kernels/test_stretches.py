"""Statistics that come with the maps. For the maps see `test_maps.py`."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import gram, maps, stretches
from tests.conftest import JIT_IS_OFF
from tests.kernels.rows import data


def sums_of(X, y, w_ref, block_rows, kernel=stretches.run):
    n, d = X.shape
    n_blocks, rates = -(-n // block_rows), np.array([1e-3])
    if kernel is maps.run_1d:
        out = (np.empty((1, n_blocks)) for _ in range(3))
        return kernel(X[:, 0].copy(), y, w_ref[0], rates, block_rows, *out)
    out = np.empty((1, n_blocks, d, d)), np.empty((1, n_blocks, d)), np.empty((1, n_blocks))
    return kernel(X.reshape(-1), y, w_ref, rates, block_rows, *out)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize(
    ("kernel", "d"), [(maps.run_1d, 1), *((stretches.run, d) for d in [1, 2, 3, 4, 5, 8, 13])]
)
@pytest.mark.parametrize("n", [1, 128, 300, 1700])
def test_sums_are_the_products_of_the_rows_and_residuals(rng, n, kernel, d, dtype):
    n = min(n, 20) if JIT_IS_OFF else n
    X, y, w_ref = data(rng, n, d, dtype)
    sums = sums_of(X, y, w_ref, 7 if JIT_IS_OFF else 400, kernel)
    x = X.astype("f8")
    z = np.column_stack([x, y - x @ w_ref])
    np.testing.assert_allclose(sums, (z.T @ z)[np.tri(d + 1, dtype=bool)], rtol=0, atol=1e-13 * n)
    np.testing.assert_allclose(sums, gram.run(X.reshape(-1), y, w_ref, 400), rtol=1e-13, atol=1e-12 * n)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("column", [0, 4])
def test_a_number_that_is_not_finite_reaches_its_sums(rng, bad, column):
    X, y, w_ref = data(rng, 30, 5)
    X[17, column] = bad
    is_finite = np.zeros((6, 6), bool)
    is_finite[np.tri(6, dtype=bool)] = np.isfinite(sums_of(X, y, w_ref, 10))
    others = [j for j in range(5) if j != column]
    assert not is_finite[column, : column + 1].any()
    assert not is_finite[5].any()
    assert is_finite[np.ix_(others, others)][np.tri(4, dtype=bool)].all()

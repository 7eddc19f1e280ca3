"""The sums Σ z zᵀ of folds."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import gram_of_folds
from tests.conftest import JIT_IS_OFF
from tests.kernels.rows import NONE, data

NO_NUMBERS = np.empty(0, np.intp)


def run(X, y, weights, numbers, start, rows_of_a_run, k, shift, w_ref):
    arrays = X.reshape(-1), y, weights, numbers
    return gram_of_folds.run(*arrays, start, rows_of_a_run, k, shift, w_ref)


@pytest.mark.parametrize("d", [1, 2, 5, 6, 7, 8, 9, 15, 16, 30, 118, 119, 120, 121, 130, 241])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(("dtype", "has_numbers"), [("f8", False), ("f8", True), ("f4", False)])
def test_every_row_counts_in_its_fold_once(rng, d, is_weighted, dtype, has_numbers):
    n, start, k = (9, 4, 3) if JIT_IS_OFF else (1111, 77, 5)
    X, y, _ = data(rng, n, d, dtype)
    weights = rng.integers(0, 3, n).astype(float) if is_weighted else NONE
    shift, w_ref = rng.standard_normal(d), rng.standard_normal(d + 1)
    of_row = rng.integers(0, k, n) if has_numbers else np.arange(start, start + n) // 32 % k
    sums = run(X, y, weights, of_row if has_numbers else NO_NUMBERS, start, 32, k, shift, w_ref)
    s = weights if is_weighted else np.ones(n)
    A = np.column_stack([X.astype(float) - shift, np.ones(n)])
    Z = np.column_stack([A, y - A @ w_ref])
    for fold in range(k):
        Z_k, s_k = Z[of_row == fold], s[of_row == fold]
        expected = np.einsum("i,ij,ik->jk", s_k, Z_k, Z_k)[np.tril_indices(d + 2)]
        np.testing.assert_allclose(sums[fold, :-1], expected, rtol=0, atol=1e-12 * n * d)
        assert sums[fold, -1] == np.count_nonzero(s_k)


def test_a_fold_without_rows_is_zero(rng):
    X, y, _ = data(rng, 3, 4)
    sums = run(X, y, NONE, np.array([2, 0, 2]), 0, 1, 3, np.zeros(4), np.zeros(5))
    assert not sums[1].any()
    assert sums[:, -1].tolist() == [1.0, 0.0, 2.0]


@pytest.mark.parametrize(("start", "rows_of_a_run"), [(0, 1), (5, 1), (64, 32), (70, 32)])
def test_runs_of_rows_go_to_folds_in_turn(start, rows_of_a_run):
    n, k = 100, 3
    order, ends = gram_of_folds.by_fold(NO_NUMBERS, start, rows_of_a_run, k, n)
    of_row = np.arange(start, start + n) // rows_of_a_run % k
    assert order.tolist() == np.argsort(of_row, kind="stable").tolist()
    assert ends.tolist() == np.cumsum(np.bincount(of_row, minlength=k)).tolist()

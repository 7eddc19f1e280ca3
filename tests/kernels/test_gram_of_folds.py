"""The sums Σ z zᵀ of folds."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import gram_of_folds
from tests.conftest import JIT_IS_OFF
from tests.kernels.rows import NONE, data


def run(X, y, weights, of_row, k, shift, w_ref, block_rows=256):
    return gram_of_folds.run(X.reshape(-1), y, weights, of_row, k, shift, w_ref, block_rows, True)


@pytest.mark.parametrize("d", [1, 2, 5, 6, 7, 8, 9, 15, 16, 30, 118, 119, 120, 121, 130, 241])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(("dtype", "is_mixed"), [("f8", False), ("f8", True), ("f4", False)])
def test_every_row_counts_in_its_fold_once(rng, d, is_weighted, dtype, is_mixed):
    n, k = (9, 3) if JIT_IS_OFF else (1111, 5)
    X, y, _ = data(rng, n, d, dtype)
    weights = rng.integers(0, 3, n).astype(float) if is_weighted else NONE
    shift, w_ref = rng.standard_normal(d), rng.standard_normal(d + 1)
    of_row = rng.integers(0, k, n) if is_mixed else np.arange(n) // 32 % k
    sums = run(X, y, weights, of_row, k, shift, w_ref)
    s = weights if is_weighted else np.ones(n)
    A = np.column_stack([X.astype(float) - shift, np.ones(n)])
    Z = np.column_stack([A, y - A @ w_ref])
    for fold in range(k):
        Z_k, s_k = Z[of_row == fold], s[of_row == fold]
        expected = np.einsum("i,ij,ik->jk", s_k, Z_k, Z_k)[np.tril_indices(d + 2)]
        np.testing.assert_allclose(sums[fold, :-3], expected, rtol=0, atol=1e-12 * n * d)
        t = y[of_row == fold] - w_ref[-1]
        np.testing.assert_allclose(sums[fold, -3:-1], [s_k @ t, s_k @ t**2], rtol=0, atol=1e-12 * n)
        assert sums[fold, -1] == np.count_nonzero(s_k)


@pytest.mark.parametrize("d", [1, 3, 7, 8, 20])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_without_an_intercept_there_is_no_column_of_ones(rng, d, is_weighted):
    n = 9 if JIT_IS_OFF else 700
    X, y, w_ref = data(rng, n, d)
    weights, shift = rng.integers(0, 3, n).astype(float) if is_weighted else NONE, rng.standard_normal(d)
    A = X - shift
    Z = np.column_stack([A, y - A @ w_ref])
    s = weights if is_weighted else np.ones(n)
    expected = np.einsum("i,ij,ik->jk", s, Z, Z)[np.tril_indices(d + 1)]
    sums = run(X, y, weights, np.empty(0, np.intp), 1, shift, w_ref)
    np.testing.assert_allclose(sums[0, :-3], expected, rtol=0, atol=1e-12 * n * d)
    assert sums[0, -1] == np.count_nonzero(s)


def test_a_fold_without_rows_is_zero(rng):
    X, y, _ = data(rng, 3, 4)
    sums = run(X, y, NONE, np.array([2, 0, 2]), 3, np.zeros(4), np.zeros(5))
    assert not sums[1].any()
    assert sums[:, -1].tolist() == [1.0, 0.0, 2.0]


@pytest.mark.parametrize("k", [1, 3])
def test_a_runs_length_changes_no_bit_of_a_block(rng, k):
    """Aligned runs are nodes of one tree: two runs of two blocks add up to one of four."""
    X, y, w_ref = data(rng, 4 * 16, 5)
    of_row, shift = rng.integers(0, k, 64), rng.standard_normal(4)
    part = lambda rows: run(X[rows, :4], y[rows], NONE, of_row[rows], k, shift, w_ref, 16)  # noqa: E731
    halves = part(slice(0, 32)) + part(slice(32, 64))
    assert part(slice(0, 64)).tobytes() == halves.tobytes()


def test_the_rows_of_a_fold_keep_their_order(rng):
    of_row, order, ends = rng.integers(0, 4, 100), np.empty(100, np.int64), np.empty(4, np.int64)
    gram_of_folds.by_fold(of_row, order, ends)
    assert order.tolist() == np.argsort(of_row, kind="stable").tolist()
    assert ends.tolist() == np.cumsum(np.bincount(of_row, minlength=4)).tolist()

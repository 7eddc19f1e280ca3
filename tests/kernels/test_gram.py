"""The kernels of the sums Σ z zᵀ."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import gram
from tests.conftest import JIT_IS_OFF
from tests.kernels.rows import NONE, data


def run_few(X, y, w_ref):
    return gram.run_few(X.reshape(-1), y, NONE, (), tuple(w_ref), (0.0,) * gram.size(len(w_ref)))


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 23, 24, 64, 119, 120, 257])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 257, 4095, 4096, 4097])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_gram_sums_every_product_once(rng, n, d, dtype):
    n = min(n, 6) if JIT_IS_OFF else min(n, 400_000 // (d * d) + 300)
    X, y, w_ref = data(rng, n, d, dtype)
    Z = np.column_stack([X.astype(float), y - X.astype(float) @ w_ref])
    expected = (Z.T @ Z)[np.tril_indices(d + 1)]
    sums = gram.run(X.reshape(-1), y, w_ref, 1024)
    np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-12 * n)
    if d <= gram.FEW:
        np.testing.assert_allclose(run_few(X, y, w_ref), expected, rtol=0, atol=1e-12 * n)


@pytest.mark.parametrize("d", [1, 5, 30])
def test_a_runs_length_changes_no_bit_of_a_block(rng, d):
    """Aligned runs are nodes of one tree: two runs of two blocks add up to one of four."""
    X, y, w_ref = data(rng, 4 * 16, d)
    run = lambda X, y: gram.run(X.reshape(-1), y, w_ref, 16)  # noqa: E731
    assert run(X, y).tobytes() == (run(X[:32], y[:32]) + run(X[32:], y[32:])).tobytes()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_runs_length_changes_no_bit_of_a_leaf_with_few_columns(rng, d):
    leaf = gram.LEAF_FEW
    X, y, w_ref = data(rng, 4 * leaf, d)
    halves = run_few(X[: 2 * leaf], y[: 2 * leaf], w_ref) + run_few(X[2 * leaf :], y[2 * leaf :], w_ref)
    assert run_few(X, y, w_ref).tobytes() == halves.tobytes()


@pytest.mark.parametrize(("columns", "has_ones"), [(1, False), (1, True), (2, False), (2, True), (3, False)])
@pytest.mark.parametrize("n", [1, 511, 512, 513, 1300])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_few_columns_are_centred_and_weighted(rng, n, columns, has_ones, is_weighted, dtype):
    n = min(n, 6) if JIT_IS_OFF else n
    X, y, _ = data(rng, n, columns, dtype)
    weights = rng.integers(0, 3, n).astype(float) if is_weighted else NONE
    shift, w_ref = rng.standard_normal(columns), rng.standard_normal(columns + has_ones)
    A = np.column_stack([X.astype(float) - shift, *[np.ones(n)] * has_ones])
    Z = np.column_stack([A, y - A @ w_ref])
    expected = np.einsum("i,ij,ik->jk", weights if is_weighted else np.ones(n), Z, Z)
    zeros = (0.0,) * gram.size(len(w_ref))
    sums = gram.run_few(X.reshape(-1), y, weights, tuple(shift), tuple(w_ref), zeros)
    np.testing.assert_allclose(sums, expected[np.tril_indices(len(Z.T))], rtol=0, atol=1e-12 * n)

"""Kernels of groups: the sort of rows, the pivoted factor, and its solutions."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import groups


def test_rows_are_counted_and_sorted_by_code():
    codes = np.random.default_rng(0).integers(-2, 7, 500)
    y = np.random.default_rng(1).normal(size=500).astype(np.float32)
    counts, order, targets = np.zeros(9, np.int64), np.empty(500, np.int64), np.empty(500)
    groups.count(codes, -2, counts)
    assert counts.tolist() == [np.count_nonzero(codes == code) for code in range(-2, 7)]
    places = np.cumsum(counts) - counts
    groups.sort_rows(codes[:200], -2, y[:200], 0, places, order, targets)
    groups.sort_rows(codes[200:], -2, y[200:], 200, places, order, targets)
    assert order.tolist() == np.argsort(codes, kind="stable").tolist()
    assert targets.tolist() == y[order].tolist()


@pytest.mark.parametrize("rank", range(6))
def test_the_factor_knows_the_rank_and_solves(rank):
    rng = np.random.default_rng(rank)
    X = rng.normal(size=(20, rank)) @ rng.normal(size=(rank, 5)) * 10.0 ** np.arange(-4, 6, 2)
    G = X.T @ X
    L, order, left = np.zeros((5, 5)), np.empty(5, np.int64), np.empty(5)
    assert (
        groups.factorize(G, 1e-13, L, order, left)
        == rank
        == np.linalg.matrix_rank(X / (np.abs(X).max(axis=0) + 1e-300))
    )
    pivots = order[:rank]
    np.testing.assert_allclose(
        np.tril(L)[:rank, :rank] @ np.tril(L)[:rank, :rank].T, G[np.ix_(pivots, pivots)], rtol=1e-9
    )
    c, v = X.T @ rng.normal(size=20), np.full(5, np.nan)
    groups.solve(L, order, rank, c, v)
    units = np.sqrt(np.diag(G)) + 1e-300
    assert (np.abs(G @ v - c) <= 1e-8 * units * np.linalg.norm(c / units)).all()
    assert np.count_nonzero(v) <= rank


def test_ranks_and_inverses_of_tables():
    X = np.random.default_rng(0).normal(size=(3, 9, 4))
    X[1, :, 2] = X[1, :, 0] - X[1, :, 3]
    X[2, 2:] = 0.0
    G = np.ascontiguousarray(np.swapaxes(X, 1, 2) @ X)
    ranks, inverses = np.empty(3, np.int64), np.zeros((3, 4, 4))
    groups.invert(G, 1e-13, ranks, inverses)
    assert ranks.tolist() == np.linalg.matrix_rank(X).tolist() == [4, 3, 2]
    np.testing.assert_allclose(inverses[0] @ G[0], np.eye(4), atol=1e-12)
    assert not inverses[1:].any()

"""The optima of many penalties."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.solver import penalty_paths
from fastgd.solver.penalty_paths import Table
from tests.solver import long_way

L2 = np.array([1e4, 1.0, 1e-3, 1e-9, 0.0])


def rows(rng, units=1.0, d=6, n=300):
    X = (rng.standard_normal((n, d)) + 2.0) * units
    return X, X @ (rng.standard_normal(d) / units) + rng.standard_normal(n) + 1.0


def weights(X, y, l1, l2, fit_intercept):
    table = Table.of(fastgd.summarize(X, y).products, fit_intercept)
    v, missed = table.optima(np.asarray(l1), np.asarray(l2))
    assert missed == 0
    return table.w_ref + v


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("units", [1.0, 10.0 ** np.arange(-6, 6, 2)], ids=["like units", "unlike units"])
def test_all_l2_from_one_decomposition_are_least_squares_with_more_rows(rng, fit_intercept, units):
    X, y = rows(rng, units)
    w = weights(X, y, np.zeros(len(L2)), L2, fit_intercept)
    for k, l2 in enumerate(L2):
        expected, _ = long_way.fit(X, y, np.ones(len(y)), 0.0, l2, fit_intercept)
        np.testing.assert_allclose(w[k] * units, expected * units, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("l2", [0.0, 1e-18])
def test_weights_that_are_not_unique_are_the_shortest(rng, l2):
    X, y = rows(rng)
    X[:, 3] = X[:, 0] + X[:, 1]
    w = weights(X, y, [0.0], [l2], True)
    A = X - X.mean(axis=0)
    np.testing.assert_allclose(w[0], np.linalg.pinv(A) @ (y - y.mean()), rtol=1e-8)


def test_the_automatic_l1_begins_where_the_first_weight_appears(rng):
    X, y = rows(rng)
    for fit_intercept in (False, True):
        l1 = penalty_paths.automatic_l1(fastgd.summarize(X, y).products, fit_intercept)
        assert len(l1) == 100
        assert l1[-1] == pytest.approx(1e-3 * l1[0])
        w = weights(X, y, [l1[0] * (1 + 1e-9), l1[0] * 0.999], [0.0, 0.0], fit_intercept)
        assert np.count_nonzero(w, axis=1).tolist() == [0, 1]


def test_the_automatic_l2_reaches_from_strong_to_none(rng):
    X, y = rows(rng)
    l2 = penalty_paths.automatic_l2(fastgd.summarize(X, y).products, True)
    w = weights(X, y, [0.0, 0.0, 0.0], [l2[0], l2[-1], 0.0], True)
    assert len(l2) == 100
    assert np.linalg.norm(w[0]) <= 0.5 * np.linalg.norm(w[2])
    assert np.linalg.norm(w[1] - w[2]) <= 1e-3 * np.linalg.norm(w[2])


def test_automatic_penalties_of_nothing_are_tiny_and_not_0():
    products = fastgd.summarize(np.ones((5, 2)), np.ones(5)).products
    for automatic in (penalty_paths.automatic_l1, penalty_paths.automatic_l2):
        assert 0.0 < automatic(products, True, 3)[0] < 1e-12

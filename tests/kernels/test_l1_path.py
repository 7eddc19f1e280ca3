"""The optima of l1 penalties: their conditions, from the rows."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import l1_path
from tests.conftest import JIT_IS_OFF
from tests.solver import long_way


def problem(rng, n, d, mixing=0.0):
    """Rows whose columns have a part in common, and weights of reference near the optimum."""
    X = np.sqrt(mixing) * rng.standard_normal((n, 1)) + np.sqrt(1.0 - mixing) * rng.standard_normal((n, d))
    w = rng.standard_normal(d) * (rng.random(d) < 0.5)
    return X, X @ w + rng.standard_normal(n), w + 0.1 * rng.standard_normal(d)


def optima(X, y, w_ref, l1, l2):
    out = np.empty((len(l1), X.shape[1]))
    missed = l1_path.optima(X.T @ X, X.T @ (y - X @ w_ref), float(len(y)), w_ref, l1, l2, out)
    return w_ref + out, missed


def violation(X, y, w, l1, l2):
    """How far the optimality conditions are from true, relative to the largest l1 that leaves a weight."""
    gradient = -2.0 / len(y) * X.T @ (y - X @ w) + l2 * w
    off = np.where(w != 0.0, np.abs(gradient + l1 * np.sign(w)), np.maximum(0.0, np.abs(gradient) - l1))
    return off.max() / largest(X, y)


def largest(X, y):
    return 2.0 / len(y) * np.abs(X.T @ y).max()


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_an_optimum_is_the_best_of_all_patterns_of_signs(rng, d, l2):
    X, y, w_ref = problem(rng, 30, d, 0.5)
    l1 = largest(X, y) * np.array([1.1, 0.7, 0.4, 0.1, 1e-3])
    w, missed = optima(X, y, w_ref, l1, np.full(5, l2))
    assert missed == 0
    assert not w[0].any()
    for k in range(5):
        expected = long_way.with_l1(X, y, 0.5 * 30 * l2, 0.5 * 30 * l1[k])
        np.testing.assert_allclose(w[k], expected, rtol=1e-11, atol=1e-13)
        assert ((w[k] == 0.0) == (expected == 0.0)).all()


@pytest.mark.parametrize("mixing", [0.0, 0.9, 0.9999])
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize(("n", "d"), [(400, 30), (25, 40)])
def test_a_path_meets_its_conditions_to_rounding(rng, n, d, l2, mixing):
    m = 5 if JIT_IS_OFF else 60
    X, y, w_ref = problem(rng, n, d, mixing)
    l1 = largest(X, y) * np.geomspace(1.0, 1e-4, m)
    w, missed = optima(X, y, w_ref, l1, np.full(m, l2))
    assert missed == 0
    assert max(violation(X, y, w[k], l1[k], l2) for k in range(m)) < 1e-12
    assert np.count_nonzero(w[-1]) > np.count_nonzero(w[0])


def test_dependent_columns_have_an_optimum_too(rng):
    """Groups of ones and zeros, which add up to a constant, and columns that are there twice."""
    groups = np.eye(6)[rng.integers(0, 6, 300)]
    more = rng.standard_normal((300, 3))
    X = np.column_stack([groups, more, -2.0 * more, more[:, :1] + more[:, 1:2]])
    X -= X.mean(axis=0)
    y = X @ rng.standard_normal(X.shape[1]) + rng.standard_normal(300)
    l1 = largest(X, y - y.mean()) * np.geomspace(1.0, 1e-6, 20)
    w, missed = optima(X, y - y.mean(), rng.standard_normal(X.shape[1]), l1, np.zeros(20))
    assert missed == 0
    assert max(violation(X, y - y.mean(), w[k], l1[k], 0.0) for k in range(20)) < 1e-12


def test_pairs_in_any_order_have_their_own_optimum(rng):
    X, y, w_ref = problem(rng, 100, 8, 0.5)
    l1 = largest(X, y) * np.array([0.01, 0.5, 0.1, 0.1, 2.0, 0.01])
    l2 = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    w, missed = optima(X, y, w_ref, l1, l2)
    assert missed == 0
    assert max(violation(X, y, w[k], l1[k], l2[k]) for k in range(6)) < 1e-13


def test_a_cholesky_factor_ends_before_a_dependent_column(rng):
    X = rng.standard_normal((20, 5))
    X[:, 3] = X[:, 0] - 2.0 * X[:, 2]
    S, L = X.T @ X, np.zeros((5, 5))
    assert l1_path.factorise(S, 0.0, np.arange(5), L) == 3
    assert l1_path.factorise(S, 0.0, np.array([4, 0, 1, 2]), L) == 4
    x = rng.standard_normal(4)
    solved = x.copy()
    l1_path.solve(L[:4, :4], solved)
    chosen = [4, 0, 1, 2]
    np.testing.assert_allclose(S[np.ix_(chosen, chosen)] @ solved, x, rtol=1e-9)

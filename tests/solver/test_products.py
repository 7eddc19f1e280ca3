"""Products: references, statistics, costs, and what no rows can have."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastgd
from fastgd.solver.products import Products
from tests.conftest import JIT_IS_OFF
from tests.problems import linear_problem

N = 12 if JIT_IS_OFF else 60


def exact_cost(X, y, w, intercept, weights):
    rows = zip(X.tolist(), y.tolist(), weights.tolist(), strict=True)
    total = cost = Fraction(0)
    for x, target, s in rows:
        score = sum(
            (Fraction(a) * Fraction(b) for a, b in zip(x, w.tolist(), strict=True)), Fraction(intercept)
        )
        cost += Fraction(s) * (score - Fraction(target)) ** 2
        total += Fraction(s)
    return float(cost / total)


@pytest.fixture
def rows(rng):
    X, y, w = linear_problem(rng, N, 3)
    return X, y, w, rng.uniform(0.5, 2.0, N)


def test_costs_and_gradients_at_any_weights(rows):
    X, y, w, s = rows
    products = fastgd.summarize(X, y, sample_weight=s).products
    for about in (w, -w, 100.0 * w):
        cost, gradient, error = products.cost_and_gradient(about, 0.5)
        exact = exact_cost(X, y, about, 0.5, s)
        assert abs(cost - exact) <= 1e-13 * exact
        assert abs(cost - exact) <= 16.0 * error
        residual = X @ about + 0.5 - y
        expected = 2.0 * (X.T @ (s * residual)) / s.sum()
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_a_reference_changes_no_cost(rows):
    X, y, w, s = rows
    products = fastgd.summarize(X, y, sample_weight=s).products
    moved = products.about(np.array([1.0, -2.0, 3.0]), -4.0, w + 1.0)
    assert moved.s > products.s
    for about in (products.near_mean(), moved, moved.near_mean()):
        np.testing.assert_allclose(about.mean, products.mean, rtol=1e-13)
        assert about.y_mean == pytest.approx(products.y_mean, rel=1e-13)
        assert about.cost_and_gradient(w, 0.5)[0] == pytest.approx(exact_cost(X, y, w, 0.5, s), rel=1e-12)


def test_weights_far_from_the_optimum_are_left(rows):
    X, _, w, _ = rows
    exact = fastgd.summarize(X, X @ w).products
    far = exact.about(exact.x_ref, exact.y_ref, exact.w_ref + 1.0)
    near = far.near_optimum()
    np.testing.assert_allclose(near.w_ref, w, rtol=1e-12)
    assert near.s < 1e-12 * far.s
    assert exact.near_optimum() is exact


@pytest.mark.parametrize("has_intercept", [False, True])
def test_statistics_are_sums_over_the_rows(rows, has_intercept):
    X, y, _, s = rows
    statistics = fastgd.summarize(X, y, sample_weight=s).products.statistics(has_intercept)
    Z = X - statistics.x_ref
    Z = np.column_stack([Z, np.ones(N)]) if has_intercept else Z
    r = y - Z @ statistics.w_ref
    np.testing.assert_allclose(statistics.G, Z.T @ (s[:, None] * Z), rtol=0, atol=1e-12 * N)
    np.testing.assert_allclose(statistics.c, Z.T @ (s * r), rtol=0, atol=1e-12 * N)
    assert statistics.s == pytest.approx(float(s @ (r * r)), rel=1e-12)
    assert statistics.n == pytest.approx(s.sum(), rel=1e-14)


def test_few_rows_move_along_directions_without_data_with_all_digits(rng):
    X = rng.normal(size=(3, 5))
    products = fastgd.summarize(X, X @ np.arange(1.0, 6.0)).products
    null = np.linalg.svd(X - X.mean(axis=0))[2][-1]
    moved = products.about(products.x_ref, products.y_ref, products.w_ref + 10.0 * null)
    assert moved.s <= 1e-28 * products.squares_of_y


def test_a_constant_column_has_no_products(rng):
    X = np.column_stack([np.full(N, 0.1), rng.normal(size=N)])
    products = fastgd.summarize(X, X[:, 1]).products
    assert products.S[0].tolist() == [0.0, 0.0]
    assert products.mean[0] == 0.1


def test_products_of_no_rows():
    none = Products.none(2)
    assert (none.total, none.s, none.S.tolist()) == (0.0, 0.0, [[0.0, 0.0], [0.0, 0.0]])
    assert none.merged(none) is none


def test_what_is_not_positive_semidefinite_has_no_rows(rng):
    X, y, _ = linear_problem(rng, N, 2)
    whole = fastgd.summarize(X, y).products
    turned = np.column_stack([X[:, 0], -X[:, 0]])  # the same variances, another correlation
    part = fastgd.summarize(turned[: N - 2], y[: N - 2]).products
    assert whole.without(part) is None
    assert whole.without(fastgd.summarize(X[:5], y[:5]).products) is not None

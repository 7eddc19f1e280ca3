"""Products: references, statistics, costs, and what no rows can have."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastgd
from fastgd.solver.linalg import EPS
from fastgd.solver.products import Products
from tests.conftest import JIT_IS_OFF
from tests.law import exact_products
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


# Squares of the targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [1.0, 1e-3, 1e-6])
def test_squares_of_targets_keep_their_digits_beside_like_columns(rng, apart):
    """They are sums of their own, whatever the weights of reference, through all operations."""
    x, s = rng.normal(size=N), rng.uniform(0.5, 2.0, N)
    X, y = np.column_stack([x, x + apart * rng.normal(size=N), rng.normal(size=N)]), rng.normal(size=N) + 9.0

    def of(rows):
        return fastgd.summarize(X[rows], y[rows], sample_weight=s[rows])

    half = N // 2
    parts = [of(slice(0, 5)), of(slice(5, half)), of(slice(half, None))]
    whole = sum(parts)
    first = slice(0, half)
    mean, squares = (exact[-1] for exact in exact_products(X, y, s)[1:])
    of_half = exact_products(X[first], y[first], s[first])[2][-1, -1]
    of_x = exact_products(X, X[:, 1], s)[2][-1, -1]
    far = whole.products.about(np.zeros(3), 0.0, np.array([1e6, -1e6, 1.0]))
    for found, expected in [
        (of(slice(None)), squares[-1]),
        (whole, squares[-1]),
        (0.25 * whole, squares[-1] / 4),
        (whole - parts[2], of_half),
        (whole[[2, 0]], squares[-1]),
        (whole.with_target(1), of_x),
        (whole.with_target(1).with_target("y"), squares[-1]),
    ]:
        assert found.products.y_squares == pytest.approx(expected, rel=1e-14)
    assert far.near_mean().y_squares == whole.products.y_squares
    assert whole.target_mean == pytest.approx(mean, rel=1e-15)


# Roundings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("excess", "is_refused"), [(1e-11, False), (9e-11, False), (1e-9, True)])
def test_an_eigenvalue_below_that_of_roundings_has_no_rows(excess, is_refused):
    """The column is constant in the rows that are left, and those taken out have a little more of it."""
    x, y = np.array([[1.0], [-1.0], [0.0], [0.0]]), np.array([1.0, -2.0, 0.5, 3.0])
    whole, part = (fastgd.summarize(x[:n], y[:n]).products for n in (4, 2))
    more = part._replace(S=part.S + excess * whole.S)
    assert (whole.without(more) is None) == is_refused
    assert (part.without(more) is None) == is_refused


def test_a_column_that_is_constant_in_what_is_left_has_no_products(rng):
    """What roundings leave of it is no variance, and 1e-12 of it is one."""
    left = []
    for _ in range(50):
        X, y = rng.normal(size=(9, 2)), rng.normal(size=9)
        X[6:, 0] = X[6, 0]
        parts = [fastgd.summarize(X[rows], y[rows]).products for rows in (slice(0, 6), slice(6, 9))]
        whole = parts[0].merged(parts[1])
        left.append(whole.S[0, 0] - parts[0].S[0, 0])
        rest = whole.without(parts[0])
        assert not rest.S[0].any()
        assert not rest.c[0]
        assert rest.S[1, 1] > 0.0
        X[6:, 0] += 1e-6 * np.array([1.0, 0.0, -1.0]) * np.sqrt(parts[0].S[0, 0])
        later = fastgd.summarize(X[6:], y[6:]).products
        kept = parts[0].merged(later).without(parts[0])
        assert kept.S[0, 0] == pytest.approx(later.S[0, 0], rel=0.05)
    assert np.count_nonzero(left) > 25


def test_the_error_of_a_sum_counts_the_distance_of_its_parts(rng):
    """Two rows, each with an exact fit: all squares are those between them."""
    worst = 0.0
    for _ in range(200):
        y = rng.normal(size=2) + 3.0
        a, b = (fastgd.summarize(np.zeros((1, 1)), y[k : k + 1]).products for k in range(2))
        joined = a.joined(b, a)
        exact = (Fraction(y[0]) - Fraction(y[1])) ** 2 / 2
        off = float(abs(Fraction(joined.s) - exact))
        assert off <= joined.error <= 8.0 * EPS * joined.s + 1e-28
        worst = max(worst, off / joined.error)
    assert worst > 0.2

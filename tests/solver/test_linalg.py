"""Symmetric problems: against NumPy's LAPACK, cases known by hand, and exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.solver import linalg

EPS = np.finfo(float).eps
SIZES = [1, 2, 3, 4, 5, 7, 64, 200, 512]
TOLERANCE = 1e-12


def solve(G, c, tolerance=TOLERANCE):
    before, c_before = G.copy(), c.copy()
    factor = linalg.factor(G, tolerance)
    x = factor.solve(c)
    np.testing.assert_array_equal(G, before)
    np.testing.assert_array_equal(c, c_before)
    return factor.rank, x


def assert_solves(G, c, x):
    bound = 100 * len(c) * EPS * np.linalg.norm(G, 2) * np.linalg.norm(x)
    assert np.linalg.norm(G @ x - c) <= bound


def reduced(rows):
    """The reduced echelon form of fractions, without its rows of zeros."""
    rows, done = [list(row) for row in rows], 0
    for j in range(len(rows[0])):
        found = next((i for i in range(done, len(rows)) if rows[i][j]), None)
        if found is None:
            continue
        rows[done], rows[found] = rows[found], rows[done]
        rows[done] = [entry / rows[done][j] for entry in rows[done]]
        for i in range(len(rows)):
            if i != done and rows[i][j]:
                rows[i] = [p - rows[i][j] * q for p, q in zip(rows[i], rows[done], strict=True)]
        done += 1
    return rows[:done]


def shortest(G, c):
    """The exact shortest solution: Mᵀ (M Mᵀ)⁻¹ z, [M z] the echelon form of [G c]."""
    M = reduced([[*map(Fraction, row), Fraction(b)] for row, b in zip(G.tolist(), c.tolist(), strict=True)])
    square = [[sum(p * q for p, q in zip(m[:-1], n[:-1], strict=True)) for n in M] + [m[-1]] for m in M]
    weights = [row[-1] for row in reduced(square)] if M else []
    return [sum((w * m[j] for w, m in zip(weights, M, strict=True)), Fraction()) for j in range(len(c))]


def gram(rng, n, d):
    X = rng.standard_normal((n, d))
    return X.T @ X


@pytest.mark.parametrize("d", SIZES)
def test_solve_of_full_rank(rng, d):
    G, x0 = gram(rng, 2 * d, d), rng.standard_normal(d)
    rank, x = solve(G, G @ x0)
    assert rank == d
    assert_solves(G, G @ x0, x)
    np.testing.assert_allclose(x, np.linalg.lstsq(G, G @ x0)[0], rtol=0, atol=1e-10 * np.abs(x0).max())


@pytest.mark.parametrize("d", [d for d in SIZES if d > 1])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("decades", [0, 3])
def test_solve_of_lower_rank_is_the_shortest_solution(rng, d, part, decades):
    """In one unit, and where the columns' units are up to so many decades apart."""
    rows = max(1, int(part * d))
    X = rng.standard_normal((rows, d)) * 10 ** rng.uniform(0, decades, d)
    w = X.T @ rng.standard_normal(rows)  # in the row space: the shortest of its kind
    w /= np.linalg.norm(w)
    rank, x = solve(X.T @ X, X.T @ (X @ w))
    assert rank == rows
    accuracy = EPS * 10 * d * np.linalg.cond(X) ** 2
    np.testing.assert_allclose(x, w, rtol=0, atol=accuracy)
    np.testing.assert_allclose(x, np.linalg.lstsq(X, X @ w)[0], rtol=0, atol=accuracy)
    np.testing.assert_allclose(x, np.linalg.pinv(X) @ (X @ w), rtol=0, atol=accuracy)
    np.testing.assert_allclose(X @ x, X @ w, rtol=0, atol=1e-12 * np.linalg.norm(X @ w))


small_problems = (
    st.integers(1, 4).flatmap(
        lambda d: st.lists(st.lists(st.integers(-5, 5), min_size=d, max_size=d), min_size=1, max_size=6)
    ),
    st.lists(st.integers(-9, 9), min_size=4, max_size=4),
)


@given(*small_problems, st.integers(-200, 200))
def test_solve_of_small_integers(rows, x0, exponent):
    """The rank is exact, x the exact shortest; and no bit depends on a unit that all columns share."""
    X = np.array(rows, float)
    d = X.shape[1]
    G = X.T @ X
    c = G @ np.array(x0[:d], float)
    rank, x = solve(G, c)
    assert rank == np.linalg.matrix_rank(X)
    expected = np.array([float(value) for value in shortest(G, c)])
    assert np.linalg.norm(x - expected) <= 1e-11 * np.linalg.norm(expected)
    assert not x[np.diag(G) == 0].any()
    unit = 2.0**exponent
    other_rank, other = solve(G * unit * unit, c * unit)
    assert other_rank == rank
    np.testing.assert_array_equal(other * unit, x)


@given(*small_problems, st.lists(st.integers(-200, 200), min_size=4, max_size=4))
def test_solve_of_small_integers_in_any_units(rows, x0, exponents):
    """Of full rank no bit depends on the columns' units. Else which x is shortest does, but not its fit."""
    X = np.array(rows, float)
    d = X.shape[1]
    G = X.T @ X
    c = G @ np.array(x0[:d], float)
    rank, x = solve(G, c)
    units = 2.0 ** np.array(exponents[:d])
    other_rank, other = solve(G * units * units[:, None], c * units)
    assert other_rank == rank
    if rank == d:
        np.testing.assert_array_equal(other * units, x)
    # By fractions: products with weights that cancel are exact.
    y = [sum(Fraction(a) * b for a, b in zip(row, x0[:d], strict=True)) for row in X.tolist()]
    fit = [
        sum(Fraction(a) * Fraction(b) for a, b in zip(row, other * units, strict=True)) for row in X.tolist()
    ]
    assert max(abs(p - q) for p, q in zip(fit, y, strict=True)) <= 1e-11 * max(1, *map(abs, y), *map(abs, x0))


@pytest.mark.parametrize(
    ("X", "exponents"),
    [
        ([[-2, 3, 1], [-1, 0, 0]], [0, 60, 60]),
        ([[-1, -2, -3, 1], [-2, -2, 0, 0]], [0, 0, 60, 60]),
        ([[2, 1, 3, -3], [-3, -1, 3, 3]], [0, 60, 0, 60]),
        ([[3, -3, 1, 0], [-1, -3, 1, 1]], [0, 60, 60, 0]),
    ],
)
def test_rounding_in_a_large_unit_explains_nothing(X, exponents):
    """What should be 0 in K is about 1e-17, times the ratio of two units: no reason to exchange columns."""
    X, units = np.array(X, float), 2.0 ** np.array(exponents)
    G, w = X.T @ X, np.array([-1.0, 2.0, 3.0, -3.0])[: len(units)]
    rank, x = solve(G * units * units[:, None], G @ w * units)
    assert rank == 2
    np.testing.assert_allclose(X @ (x * units), X @ w, rtol=0, atol=1e-13)


def test_units_whose_ratio_is_no_number_leave_the_basic_solution():
    units = np.array([2.0**-537, 2.0**511])
    rank, x = solve(np.outer(units, units), units * 2.0**-500)
    assert (rank, x.tolist()) == (1, [2.0**37, 0.0])


@pytest.mark.parametrize("d", [2, 5, 257])
@pytest.mark.parametrize("first", [1.0, 1e-3, 0.0])
def test_one_row_gives_a_multiple_of_it(rng, d, first):
    row = rng.standard_normal(d)
    row[0] *= first
    rank, x = solve(np.outer(row, row), 3.0 * row)
    assert rank == 1
    np.testing.assert_allclose(x, 3.0 * row / (row @ row), rtol=8 * EPS, atol=0)


def test_columns_that_say_the_same_share_the_weight():
    def solved(X, w):
        X = np.array(X, float)
        rank, x = solve(X.T @ X, X.T @ (X @ np.array(w, float)))
        assert rank == np.linalg.matrix_rank(X / np.abs(X).max(0))
        return x

    # The same column twice: equal halves, to the bit.
    assert solved([[1, 1], [2, 2]], [3, 0]).tolist() == [1.5, 1.5]
    assert solved([[1, 0, 1], [0, 1, 0]], [6, 5, 0]).tolist() == [3.0, 5.0, 3.0]
    x = solved([[1.1, 0.3, 1.1], [-0.7, 0.9, -0.7], [0.2, 0.4, 0.2]], [1, 2, 3])
    assert x[0] == x[2] == pytest.approx(2, rel=1e-14)
    # One s times the other: weights as 1 : s, whichever comes first.
    for s in (2.0, -3.0, 1e3, 1e8, 2.0**90, 1e-8, 2.0**-90):
        for X, w in (([[1, s]], [1, 0]), ([[1, s, 0], [1, s, 1]], [1, 0, 7])):
            expected = np.array([1, s, *w[2:]]) / [1 + s * s, 1 + s * s, *[1] * len(w[2:])]
            np.testing.assert_allclose(solved(X, w), expected, rtol=1e-14, atol=EPS / abs(s))
    # The third is the sum of two, of 1 : 1 : 1 along the null space (1, 1, −1), in its own unit too.
    np.testing.assert_allclose(solved([[1, 0, 1], [0, 1, 1]], [1, 1, 0]), [1 / 3, 1 / 3, 2 / 3], rtol=4 * EPS)
    for s in (1e4, 1e9, 2.0**100):  # all of its weight that it can, (1/s)(1, 1) to the first order
        x = solved([[1, 0, s], [0, 1, s]], [1, 3, 0])
        np.testing.assert_allclose(x, [-1.0, 1.0, 2 / s], rtol=1e-7)
    # A constant and the indicators of two groups.
    x = solved([[1, 1, 0], [1, 1, 0], [1, 0, 1]], [0, 1, 2])
    np.testing.assert_allclose(x, [1, 0, 1], atol=4 * EPS)


@given(st.floats(1e-300, 1e300), st.floats(-1e100, 1e100))
def test_solve_of_one_column_is_the_quotient_rounded_once(g, c):
    expected = c / g if c == 0 or 1e-290 < abs(c / g) < 1e290 else None
    rank, x = solve(np.array([[g]]), np.array([c]))
    assert rank == 1
    assert expected is None or x[0] == expected


def test_solve_known_by_hand():
    hilbert = np.array([[1 / (i + j + 1) for j in range(5)] for i in range(5)])
    rank, x = solve(hilbert, hilbert @ np.ones(5), 1e-15)
    assert rank == 5
    assert_solves(hilbert, hilbert @ np.ones(5), x)
    np.testing.assert_allclose(x, 1, rtol=1e-10)
    assert solve(np.eye(3), np.array([1.0, -2.0, 3.0]))[1].tolist() == [1.0, -2.0, 3.0]
    assert solve(np.diag([3.0, 7.0, 1e-300]), np.array([6.0, 21.0, 5e-300]))[1].tolist() == [2.0, 3.0, 5.0]
    rank, x = solve(np.zeros((3, 3)), np.zeros(3))
    assert (rank, x.tolist()) == (0, [0.0, 0.0, 0.0])
    rank, x = solve(np.diag([2.0, 0.0, 4.0]), np.array([2.0, 0.0, 8.0]))
    assert (rank, x.tolist()) == (2, [1.0, 0.0, 2.0])
    rank, x = solve(np.ones((2, 2)), np.ones(2), 0.0)  # the same column twice
    assert (rank, x.tolist()) == (1, [0.5, 0.5])
    entries = np.array([5e-324, 0.0, 1e308])
    assert solve(np.diag(entries), entries)[1].tolist() == [1.0, 0.0, 1.0]
    assert solve(np.ones((2, 2)), np.ones(2), -1.0)[0] == 1  # nothing is divided by zero


@pytest.mark.parametrize("size", [1.0, 1.9, 2.0, 3.9, 1e-200])
def test_the_tolerance_is_relative_to_the_column(size):
    units = np.array([1.0, math.sqrt(size)])
    G = np.array([[1.0, 0.9], [0.9, 1.0]]) * units * units[:, None]  # 1 − 0.9² of a column is its own
    assert solve(G, units, 0.1901)[0] == 1
    assert solve(G, units, 0.1899)[0] == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(bad):
    G, c = np.eye(3), np.ones(3)
    G[2, 0] = bad
    rank, x = solve(G, c)
    assert (rank, x.tolist()) == (0, [0.0, 0.0, 0.0])
    c[1] = bad
    assert solve(np.eye(3), c)[1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("rows_per_column", [2, 0.5])
def test_the_same_bits_again_and_wherever_the_matrix_lies(rng, rows_per_column):
    d = 101
    G = gram(rng, int(rows_per_column * d), d)
    c = G @ rng.standard_normal(d)
    x = solve(G, c)[1]
    for offset in range(4):
        room = np.empty(d * d + offset)
        moved = room[offset:].reshape(d, d)
        moved[:] = G
        np.testing.assert_array_equal(solve(moved, c)[1], x)


# Rank, order, dependent columns


def test_dependent_columns_are_named_and_told_as_sums(rng):
    X = rng.standard_normal((50, 6))
    X[:, 1], X[:, 4] = 2.0 * X[:, 0] - 1e6 * X[:, 2], 0.0
    factor = linalg.factor(X.T @ X)
    assert factor.rank == 4
    assert sorted(factor.order) == list(range(6))
    assert 4 in factor.dependent
    (other,) = set(factor.dependent) - {4}
    assert other in (0, 1, 2)
    sums = X[:, factor.chosen] @ factor.sums
    np.testing.assert_allclose(sums, X[:, factor.dependent], rtol=0, atol=1e-7 * np.abs(X[:, other]).max())


def test_a_basic_solution_leaves_dependent_columns_out(rng):
    X = rng.standard_normal((30, 4))[:, [0, 1, 2, 3, 0, 2]]
    factor = linalg.factor(X.T @ X)
    y = X @ rng.standard_normal(6)
    basic, shortest = (factor.solve(X.T @ y, basic=is_basic) for is_basic in (True, False))
    np.testing.assert_allclose(X @ basic, y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(X @ shortest, y, rtol=0, atol=1e-12)
    assert not basic[factor.dependent].any()
    assert np.linalg.norm(shortest) < np.linalg.norm(basic)


@pytest.mark.parametrize("rows", [3, 40])
def test_several_right_sides_are_solved_together(rng, rows):
    X = rng.standard_normal((rows, 5))
    C = X.T @ X @ rng.standard_normal((5, 3))
    factor = linalg.factor(X.T @ X)
    together = factor.solve(C)
    one_by_one = np.column_stack([factor.solve(c) for c in C.T])
    np.testing.assert_allclose(together, one_by_one, rtol=0, atol=1e-12 * np.abs(together).max())


@pytest.mark.parametrize("d", [1, 2, 5, 60])
def test_the_root_of_the_inverse(rng, d):
    G = gram(rng, 3 * d, d)
    factor = linalg.factor(G)
    R = factor.inverse_root()
    np.testing.assert_allclose(R.T @ R @ G[np.ix_(factor.chosen, factor.chosen)], np.eye(d), atol=1e-10)


def test_weights_of_a_table_of_fractions_have_their_digits():
    """Against the exact solution, where the condition number is 1e5 to 1e8."""
    for d, bound in ((4, 1e-11), (5, 1e-10), (6, 1e-8)):
        rows = [[Fraction(i + 1) ** j for j in range(d)] for i in range(9)]
        G = [[sum(row[i] * row[j] for row in rows) for j in range(d)] for i in range(d)]
        c = [sum(row[i] * (k * k % 5) for k, row in enumerate(rows)) for i in range(d)]
        exact = np.array([float(line[-1]) for line in reduced([[*g, b] for g, b in zip(G, c, strict=True)])])
        x = linalg.factor(np.array(G, float)).solve(np.array(c, float))
        np.testing.assert_allclose(x, exact, rtol=bound)


@pytest.mark.parametrize("d", [3, 100, 300])
def test_repeated_columns_are_found_by_panels_as_by_single_steps(rng, d):
    X = rng.standard_normal((4 * d, d))
    X[:, ::3] = X[:, 1 : 1 + len(X[0, ::3])] if d > 3 else X[:, [2]]
    factor = linalg.factor(X.T @ X)
    assert factor.rank == np.linalg.matrix_rank(X)
    chosen = X[:, factor.chosen]
    np.testing.assert_allclose(chosen @ factor.sums, X[:, factor.dependent], atol=1e-9)


@pytest.mark.parametrize("square", [4.0, 0.0, math.inf])
def test_a_table_of_one_column_needs_no_blas(monkeypatch, square):
    monkeypatch.setattr(linalg.blas, "one_thread", lambda: pytest.fail("BLAS was held"))
    factor = linalg.factor(np.array([[square]]))
    assert factor.whitening().tolist() == ([[0.5]] if factor.rank else [[]])
    assert factor.solve(np.array([2.0])).tolist() == ([0.5] if factor.rank else [0.0])
    assert linalg.eigenvalues(np.array([[square]])).tolist() == [square]

"""Symmetric problems: against NumPy's LAPACK, cases known by hand, and exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.kernels import symmetric
from tests.conftest import JIT_IS_OFF

EPS = np.finfo(float).eps
SIZES = [1, 2, 3, 4, 5, 7, 20] if JIT_IS_OFF else [1, 2, 3, 4, 5, 7, 64, 200, 512]
TOLERANCE = 1e-12


def solve(G, c, tolerance=TOLERANCE):
    x = np.full(len(c), 7.0)
    before = G.copy()
    rank = symmetric.solve(G, c, tolerance, x)
    np.testing.assert_array_equal(G, before)
    return rank, x


def assert_solves(G, c, x):
    bound = 100 * len(c) * EPS * np.linalg.norm(G, 2) * np.linalg.norm(x)
    assert np.linalg.norm(G @ x - c) <= bound


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


@pytest.mark.parametrize("d", SIZES)
def test_solve_of_half_the_rank_is_a_basic_solution(rng, d):
    rows = (d + 1) // 2
    G = gram(rng, rows, d)
    c = G @ rng.standard_normal(d)
    rank, x = solve(G, c)
    assert rank == np.count_nonzero(x) == rows
    assert_solves(G, c, x)


@given(
    st.integers(1, 4).flatmap(
        lambda d: st.lists(st.lists(st.integers(-5, 5), min_size=d, max_size=d), min_size=1, max_size=6)
    ),
    st.lists(st.integers(-9, 9), min_size=4, max_size=4),
    st.lists(st.integers(-200, 200), min_size=4, max_size=4),
)
def test_solve_of_small_integers_in_any_units(rows, x0, exponents):
    """The rank is the exact one, G x = c; and columns in other units change no bit of the result."""
    X = np.array(rows, float)
    d = X.shape[1]
    G = X.T @ X
    c = G @ np.array(x0[:d], float)
    rank, x = solve(G, c)
    assert rank == np.linalg.matrix_rank(X)
    for i in range(d):
        exact = sum(Fraction(G[i, j]) * Fraction(x[j]) for j in range(d)) - Fraction(c[i])
        assert abs(exact) <= 1e-10 * max(1.0, np.abs(G).max() * np.abs(x).max())
    units = 2.0 ** np.array(exponents[:d])
    other_rank, other = solve(G * units * units[:, None], c * units)
    assert other_rank == rank
    np.testing.assert_array_equal(other * units, x)


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
    assert (rank, x.tolist()) == (1, [1.0, 0.0])
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
    assert (rank, x.tolist()) == (-1, [0.0, 0.0, 0.0])
    assert all(map(math.isnan, symmetric.extreme_eigenvalues(G, 0.0)))
    c[1] = bad
    rank, x = solve(np.eye(3), c)
    assert (rank, x.tolist()) == (-1, [0.0, 0.0, 0.0])
    assert all(map(math.isnan, symmetric.extreme_of_tridiagonal(c, np.ones(2), 0.0)))
    assert all(map(math.isnan, symmetric.extreme_of_tridiagonal(np.ones(3), c[1:], 0.0)))


@pytest.mark.parametrize("d", SIZES)
@pytest.mark.parametrize("exponent", [0, -490, 490])
def test_extreme_eigenvalues(rng, d, exponent):
    scale = 2.0**exponent  # entries from 1e-148 to 1e150
    G = gram(rng, 2 * d, d)
    before = G.copy()
    smallest, largest = symmetric.extreme_eigenvalues(G, 1e-13)
    np.testing.assert_array_equal(G, before)
    expected = np.linalg.eigvalsh(G)
    assert smallest == pytest.approx(expected[0], rel=0, abs=1e-13 * expected[-1])
    assert largest == pytest.approx(expected[-1], rel=0, abs=1e-13 * expected[-1])
    assert symmetric.extreme_eigenvalues(G * scale, 1e-13) == (smallest * scale, largest * scale)


@pytest.mark.parametrize("d", [d for d in SIZES if 1 < d < 500])
def test_null_directions_do_not_count_and_indefinite_is_no_trouble(rng, d):
    rows = (d + 1) // 2
    G = gram(rng, rows, d)
    expected = np.linalg.eigvalsh(G)
    smallest, largest = symmetric.extreme_eigenvalues(G, 1e-13 * d)
    assert smallest == pytest.approx(expected[-rows], rel=0, abs=1e-13 * expected[-1])
    assert largest == pytest.approx(expected[-1], rel=0, abs=1e-13 * expected[-1])
    G -= 0.5 * largest * np.eye(d)
    smallest, largest = symmetric.extreme_eigenvalues(G, -10.0)
    assert smallest == pytest.approx(-largest, rel=1e-12)


@given(st.lists(st.floats(1e-100, 1e100), min_size=1, max_size=6), st.sampled_from([1e-13, 1e-5, 0.0]))
def test_a_diagonal_matrix_has_its_entries_as_eigenvalues(entries, floor):
    expected = min(v for v in entries if v > floor * max(entries)), max(entries)
    assert symmetric.extreme_eigenvalues(np.diag(entries), floor) == expected
    off = np.zeros(len(entries) - 1)
    assert symmetric.extreme_of_tridiagonal(np.array(entries), off, floor) == expected


@given(st.floats(-1e150, 1e150), st.floats(-1e150, 1e150), st.floats(-1e150, 1e150))
def test_two_by_two_in_closed_form(a, b, c):
    smallest, largest = symmetric.extreme_eigenvalues(np.array([[a, b], [b, c]]), -1e6)
    centre, radius = a / 2 + c / 2, math.hypot(a / 2 - c / 2, b)
    tolerance = 4 * EPS * max(map(abs, (a, b, c)))
    assert largest == pytest.approx(centre + radius, rel=0, abs=tolerance)
    if largest <= 0:
        assert smallest == largest
    elif centre - radius > -0.99e6 * largest:
        assert smallest == pytest.approx(centre - radius, rel=0, abs=tolerance)


@pytest.mark.parametrize("d", [1, 2, 3, 10, 100])
def test_the_second_difference_has_eigenvalues_of_cosines(d):
    smallest, largest = symmetric.extreme_of_tridiagonal(np.full(d, 2.0), np.full(d - 1, -1.0), 1e-10)
    angle = math.pi / (d + 1)
    assert smallest == pytest.approx(2 - 2 * math.cos(angle), rel=0, abs=4 * EPS)
    assert largest == pytest.approx(2 + 2 * math.cos(angle), rel=0, abs=4 * EPS)


def test_eigenvalues_known_by_hand():
    for d in (1, 2, 5):
        assert symmetric.extreme_eigenvalues(np.zeros((d, d)), 1e-13) == (0.0, 0.0)
        assert symmetric.extreme_eigenvalues(np.eye(d), 1e-13) == (1.0, 1.0)
    for value in (0.1, -3.0, 5e-324, 1.7e308):
        assert symmetric.extreme_eigenvalues(np.array([[value]]), 1e-13) == (value, value)
    ones = np.ones((4, 4))
    assert symmetric.extreme_eigenvalues(ones, 1e-13) == pytest.approx((4.0, 4.0), rel=4 * EPS)
    # Squares of the last row are subnormal, or all its length is in one entry: reflections stay reflections.
    G = np.diag([1.0, 2.0, 3.0, 4.0])
    G[3, 0] = G[0, 3] = G[3, 1] = G[1, 3] = 3e-161
    assert symmetric.extreme_eigenvalues(G, 1e-13) == pytest.approx((1.0, 4.0), rel=4 * EPS)
    G = np.array([[2.0, -1.0, 1e-9], [-1.0, 2.0, -1.0], [1e-9, -1.0, 2.0]])
    expected = 2 - math.sqrt(2), 2 + math.sqrt(2)  # moved by 1e-9 / 2
    assert symmetric.extreme_eigenvalues(G, 1e-13) == pytest.approx(expected, rel=0, abs=1e-9)


def test_the_same_bits_again_and_wherever_the_matrix_lies(rng):
    d = 10 if JIT_IS_OFF else 101
    G = gram(rng, 2 * d, d)
    c = rng.standard_normal(d)
    x, eigenvalues = solve(G, c)[1], symmetric.extreme_eigenvalues(G, 1e-13)
    for offset in range(4):
        room = np.empty(d * d + offset)
        moved = room[offset:].reshape(d, d)
        moved[:] = G
        np.testing.assert_array_equal(solve(moved, c)[1], x)
        assert symmetric.extreme_eigenvalues(moved, 1e-13) == eigenvalues

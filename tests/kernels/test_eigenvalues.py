"""Extreme eigenvalues: against NumPy's LAPACK, and cases known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.kernels import eigenvalues
from tests.kernels.test_symmetric import EPS, SIZES, gram


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_none(bad):
    G, c = np.eye(3), np.ones(3)
    G[2, 0] = c[1] = bad
    assert all(map(math.isnan, eigenvalues.extreme_eigenvalues(G, 0.0)))
    assert all(map(math.isnan, eigenvalues.extreme_of_tridiagonal(c, np.ones(2), 0.0)))
    assert all(map(math.isnan, eigenvalues.extreme_of_tridiagonal(np.ones(3), c[1:], 0.0)))


@pytest.mark.parametrize("d", SIZES)
@pytest.mark.parametrize("exponent", [0, -490, 490])
def test_extreme_eigenvalues(rng, d, exponent):
    scale = 2.0**exponent  # entries from 1e-148 to 1e150
    G = gram(rng, 2 * d, d)
    before = G.copy()
    smallest, largest = eigenvalues.extreme_eigenvalues(G, 1e-13)
    np.testing.assert_array_equal(G, before)
    expected = np.linalg.eigvalsh(G)
    assert smallest == pytest.approx(expected[0], rel=0, abs=1e-13 * expected[-1])
    assert largest == pytest.approx(expected[-1], rel=0, abs=1e-13 * expected[-1])
    assert eigenvalues.extreme_eigenvalues(G * scale, 1e-13) == (smallest * scale, largest * scale)


@pytest.mark.parametrize("d", [d for d in SIZES if 1 < d < 500])
def test_null_directions_do_not_count_and_indefinite_is_no_trouble(rng, d):
    rows = (d + 1) // 2
    G = gram(rng, rows, d)
    expected = np.linalg.eigvalsh(G)
    smallest, largest = eigenvalues.extreme_eigenvalues(G, 1e-13 * d)
    assert smallest == pytest.approx(expected[-rows], rel=0, abs=1e-13 * expected[-1])
    assert largest == pytest.approx(expected[-1], rel=0, abs=1e-13 * expected[-1])
    G -= 0.5 * largest * np.eye(d)
    smallest, largest = eigenvalues.extreme_eigenvalues(G, -10.0)
    assert smallest == pytest.approx(-largest, rel=1e-12)


@given(st.lists(st.floats(1e-100, 1e100), min_size=1, max_size=6), st.sampled_from([1e-13, 1e-5, 0.0]))
def test_a_diagonal_matrix_has_its_entries_as_eigenvalues(entries, floor):
    expected = min(v for v in entries if v > floor * max(entries)), max(entries)
    assert eigenvalues.extreme_eigenvalues(np.diag(entries), floor) == expected
    off = np.zeros(len(entries) - 1)
    assert eigenvalues.extreme_of_tridiagonal(np.array(entries), off, floor) == expected


@given(st.floats(-1e150, 1e150), st.floats(-1e150, 1e150), st.floats(-1e150, 1e150))
def test_two_by_two_in_closed_form(a, b, c):
    smallest, largest = eigenvalues.extreme_eigenvalues(np.array([[a, b], [b, c]]), -1e6)
    centre, radius = a / 2 + c / 2, math.hypot(a / 2 - c / 2, b)
    tolerance = 4 * EPS * max(map(abs, (a, b, c)))
    assert largest == pytest.approx(centre + radius, rel=0, abs=tolerance)
    if largest <= 0:
        assert smallest == largest
    elif centre - radius > -0.99e6 * largest:
        assert smallest == pytest.approx(centre - radius, rel=0, abs=tolerance)


@pytest.mark.parametrize("d", [1, 2, 3, 10, 100])
def test_the_second_difference_has_eigenvalues_of_cosines(d):
    smallest, largest = eigenvalues.extreme_of_tridiagonal(np.full(d, 2.0), np.full(d - 1, -1.0), 1e-10)
    angle = math.pi / (d + 1)
    assert smallest == pytest.approx(2 - 2 * math.cos(angle), rel=0, abs=4 * EPS)
    assert largest == pytest.approx(2 + 2 * math.cos(angle), rel=0, abs=4 * EPS)


def test_eigenvalues_known_by_hand():
    for d in (1, 2, 5):
        assert eigenvalues.extreme_eigenvalues(np.zeros((d, d)), 1e-13) == (0.0, 0.0)
        assert eigenvalues.extreme_eigenvalues(np.eye(d), 1e-13) == (1.0, 1.0)
    for value in (0.1, -3.0, 5e-324, 1.7e308):
        assert eigenvalues.extreme_eigenvalues(np.array([[value]]), 1e-13) == (value, value)
    ones = np.ones((4, 4))
    assert eigenvalues.extreme_eigenvalues(ones, 1e-13) == pytest.approx((4.0, 4.0), rel=4 * EPS)
    # Squares of the last row are subnormal, or all its length is in one entry: reflections stay reflections.
    G = np.diag([1.0, 2.0, 3.0, 4.0])
    G[3, 0] = G[0, 3] = G[3, 1] = G[1, 3] = 3e-161
    assert eigenvalues.extreme_eigenvalues(G, 1e-13) == pytest.approx((1.0, 4.0), rel=4 * EPS)
    G = np.array([[2.0, -1.0, 1e-9], [-1.0, 2.0, -1.0], [1e-9, -1.0, 2.0]])
    expected = 2 - math.sqrt(2), 2 + math.sqrt(2)  # moved by 1e-9 / 2
    assert eigenvalues.extreme_eigenvalues(G, 1e-13) == pytest.approx(expected, rel=0, abs=1e-9)


def test_one_row_of_whole_numbers_has_its_one_eigenvalue():
    """What is left of a matrix of rank one is rounding, whose squares are tiny."""
    for seed in (12, 18, 23, 56, 71):
        rng = np.random.default_rng(seed)
        x = rng.integers(-20, 20, int(rng.integers(20, 60))).astype(float)
        smallest, largest = eigenvalues.extreme_eigenvalues(np.outer(x, x), 16 * 2.0**-52 * len(x))
        assert smallest == largest == pytest.approx(x @ x, rel=1e-14)


def test_the_same_bits_wherever_the_matrix_lies(rng):
    d = 10
    G = gram(rng, 2 * d, d)
    expected = eigenvalues.extreme_eigenvalues(G, 1e-13)
    for offset in range(4):
        room = np.empty(d * d + offset)
        moved = room[offset:].reshape(d, d)
        moved[:] = G
        assert eigenvalues.extreme_eigenvalues(moved, 1e-13) == expected

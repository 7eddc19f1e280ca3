"""Extreme eigenvalues of columns in unlike units: against exact inverses, and against what is left out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastgd
from fastgd.solver.linalg import Parted, extreme_eigenvalues

BACKENDS = ["numba", "python"]


def exact_inverse(H, n=1):
    """That of H/n, by Gauss and Jordan, in fractions, rounded at the end."""
    d = len(H)
    table = [[Fraction(x) / n for x in row] + [Fraction(i == j) for j in range(d)] for i, row in enumerate(H)]
    for k in range(d):
        pivot = table[k][k]
        table[k] = [x / pivot for x in table[k]]
        for i in range(d):
            if i != k:
                part = table[i][k]
                table[i] = [x - part * y for x, y in zip(table[i], table[k], strict=True)]
    return np.array([[float(x) for x in row[d:]] for row in table])


def squares(rng, d, sizes):
    X = rng.standard_normal((50, d)) + 0.7
    return (X * sizes).T @ (X * sizes)


@pytest.mark.parametrize("d", [2, 3, 6])
@pytest.mark.parametrize("power", [1, 4, 9, 30, 70])
def test_the_least_is_told_whatever_the_units(rng, d, power):
    H = squares(rng, d, rng.permutation(np.geomspace(1.0, 10.0**power, d)))
    least, most = extreme_eigenvalues(H)
    assert least == pytest.approx(1.0 / np.linalg.eigvalsh(exact_inverse(H))[-1], rel=1e-9)
    assert most == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-12)


def test_directions_without_data_do_not_count(rng):
    H = squares(rng, 3, [1.0, 2.0, 3.0])
    values = np.linalg.eigvalsh(H)
    with_zeros = np.zeros((5, 5))
    with_zeros[np.ix_([0, 2, 3], [0, 2, 3])] = H
    assert extreme_eigenvalues(with_zeros) == pytest.approx(values[[0, -1]], rel=1e-12)
    twice = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    again = np.linalg.eigvalsh(twice @ H @ twice.T)
    assert extreme_eigenvalues(twice @ H @ twice.T) == pytest.approx(again[[1, -1]], rel=1e-9)
    assert extreme_eigenvalues(np.zeros((3, 3))) == (0.0, 0.0)
    assert extreme_eigenvalues(np.array([[4.0]])) == (4.0, 4.0)
    assert np.isnan(extreme_eigenvalues(np.array([[np.inf, 0.0], [0.0, 1.0]]))).all()


def least_of(Z, M, has_intercept):
    """Of the mean squares of the columns Z M; Z and M are exact numbers, in arrays of objects."""
    if has_intercept:
        Z = np.column_stack([Z, np.ones(len(Z), int).astype(object)])
        M = np.block(
            [[M, np.zeros((len(M), 1), int)], [np.zeros((1, M.shape[1]), int), np.ones((1, 1), int)]]
        )
    inverse = exact_inverse((Z.T @ Z) @ (M @ M.T), len(Z))
    return 1.0 / np.linalg.eigvals(inverse).real.max()


class Sums:
    """n rows (z, 1) of r whole numbers, of which d columns are sums, Mᵀz, in units that are powers of two.

    The eigenvalues but 0 of the columns' mean squares are those of Σ BᵀB, Σ the mean squares of (z, 1) and
    B = [[Mᵀ, 0], [0, 1]].
    """

    def __init__(self, rng, n, r, d, power, off=0):
        Z = rng.integers(-9, 10, (n, r)) + off
        M = rng.integers(-3, 4, (r, d)) * 2 ** rng.integers(0, power + 1, d)
        M[:, :r] += np.diag(2 ** rng.integers(0, power + 1, r)) * 5
        self.n, self.Z, self.M = n, Z.astype(object), M.astype(object)
        self.X = (self.Z @ self.M).astype(float)

    def least(self, has_intercept):
        return least_of(self.Z, self.M, has_intercept)

    def told(self, has_intercept):
        X = self.X / np.sqrt(self.n)
        if not has_intercept:
            return extreme_eigenvalues(X.T @ X)[0]
        means = np.array([float(Fraction(total, self.n)) for total in (self.Z.sum(axis=0) @ self.M)])
        about = (self.n * self.Z - self.Z.sum(axis=0)) @ self.M  # n (x − m)
        S = (about.T @ about).astype(float) / float(self.n) ** 3
        ones = np.column_stack([self.X, np.ones(self.n)]) / np.sqrt(self.n)
        return extreme_eigenvalues(ones.T @ ones, Parted(S, means, 1.0))[0]


@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("power", [0, 12, 30])
@pytest.mark.parametrize(("r", "d"), [(1, 2), (2, 2), (3, 5), (4, 9)])
def test_sums_of_other_columns_do_not_count_whatever_the_units(rng, r, d, power, has_intercept):
    for off in (0, 10**6):
        data = Sums(rng, 12, r, d, power, off * has_intercept)
        expected = data.least(has_intercept)
        assert data.told(has_intercept) == pytest.approx(expected, rel=1e-6), (off, expected)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_order_of_columns_does_not_matter(rng, order):
    x = rng.standard_normal(50)
    for small in (1e-3, 1e-6, 1e-9, 1e-60):
        X = np.column_stack([small * x, x])[:, order]
        assert extreme_eigenvalues(X.T @ X) == pytest.approx(((1.0 + small**2) * (x @ x),) * 2, rel=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("m", "spread"), [(2e6, 1.0), (1e7, 1.0), (1.7e9, 500.0), (1e12, 1.0)])
def test_a_column_far_from_zero_beside_an_intercept(rng, m, spread, backend):
    """H is that of (x, 1): its determinant is the variance, and the rest cancels."""
    x = m + spread * rng.standard_normal(200)
    found = fastgd.diagnose(x, x - m, fit_intercept=True, backend=backend)
    squares, variance = np.mean(x * x), np.var(x)
    assert found.largest_eigenvalue == pytest.approx(squares + 1.0, rel=1e-12)
    assert found.smallest_eigenvalue == pytest.approx(variance / (squares + 1.0), rel=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_fewer_rows_than_columns(rng, backend):
    X = rng.standard_normal((20, 50)) * 1e4
    found = fastgd.diagnose(X, X[:, 0], fit_intercept=True, backend=backend)
    of_rows = np.linalg.eigvalsh((X @ X.T + 1.0) / 20)
    assert found.smallest_eigenvalue == pytest.approx(of_rows[0], rel=1e-9)
    single = fastgd.diagnose([[1.0, 1e6]], [1.0], backend=backend)
    assert (single.smallest_eigenvalue, single.largest_eigenvalue) == pytest.approx(
        (1e12 + 1.0,) * 2, rel=1e-12
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_without_variance_beside_an_intercept(rng, backend):
    x = rng.standard_normal(100) * 1e5 + 3e8
    X = np.column_stack([np.full(100, 7.0), x])
    found = fastgd.diagnose(X, x, fit_intercept=True, backend=backend)
    squares, variance = np.mean(x * x), np.var(x)
    # Of (7, x, 1), that is of x and a column of 50 for the two that are constant.
    assert found.smallest_eigenvalue == pytest.approx(50 * variance / (squares + 50), rel=1e-6)
    only = fastgd.diagnose(np.full((9, 1), 1e5), np.ones(9), fit_intercept=True, backend=backend)
    assert found.largest_eigenvalue == pytest.approx(squares + 50, rel=1e-12)
    assert only.smallest_eigenvalue == pytest.approx(1e10 + 1.0, rel=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(10))
def test_columns_that_move_together_and_their_difference_in_small_units(seed, backend):
    rng = np.random.default_rng(seed)
    a = np.round(rng.normal(1e5, 3e4, 500))
    b = a + np.round(rng.normal(0.0, 300.0, 500))
    X = np.column_stack([a, b, (b - a) / 1000])
    Z = np.column_stack([a, b]).astype(int).astype(object)
    M = np.array([[1, 0, Fraction(-1, 1000)], [0, 1, Fraction(1, 1000)]], dtype=object)
    for has_intercept in (False, True):
        found = fastgd.diagnose(X, a, fit_intercept=has_intercept, backend=backend)
        assert found.smallest_eigenvalue == pytest.approx(least_of(Z, M, has_intercept), rel=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(20))
def test_columns_that_are_constant_where_rows_count(seed, backend):
    """Their variance is rounding: of the intercept, then, and of nothing else."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 2)) * [1e-3, 100.0] + rng.choice([0.0, 0.5])
    X[10:20] = X[10]
    weights = np.zeros(40)
    weights[10:20] = rng.random(10)
    found = fastgd.diagnose(X, np.ones(40), fit_intercept=True, sample_weight=weights, backend=backend)
    both = found.smallest_eigenvalue, found.largest_eigenvalue
    assert both == pytest.approx((X[10] @ X[10] + 1.0,) * 2, rel=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sums_of_large_means(backend):
    t = 2.0**53 + 2.0 * np.random.default_rng(0).integers(0, 2**47, 200)
    found = fastgd.diagnose(np.column_stack([t, t / 2]), t, fit_intercept=True, backend=backend)
    whole = [int(value) for value in t]
    mean = Fraction(sum(whole), 200)
    variance = float(sum((value - mean) ** 2 for value in whole) / 200)
    # Of (t, t/2, 1): that of (√(5/4) t, 1), whose determinant is the variance times 5/4.
    squares = 1.25 * float(mean) ** 2
    assert found.smallest_eigenvalue == pytest.approx(1.25 * variance / (squares + 1.25 * variance), rel=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_in_like_units_that_are_nearly_one(rng, backend):
    a, e = rng.standard_normal((2, 300))
    for X in (
        np.column_stack([300 + a, 600 + a + 0.01 * e]),
        np.column_stack([100 + a, 900 + a + 0.003 * e]),
    ):
        found = fastgd.diagnose(X, a, fit_intercept=True, backend=backend)
        Z = np.array([[Fraction(value) for value in row] for row in X.tolist()], dtype=object)
        expected = least_of(Z, np.eye(2, dtype=int).astype(object), True)
        assert found.smallest_eigenvalue == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_squares_that_vanish(rng, backend):
    x, z = rng.standard_normal((2, 40))
    found = fastgd.diagnose(np.column_stack([x, 1e-140 * z]), x, backend=backend)
    left = z @ z - (x @ z) ** 2 / (x @ x)
    assert found.smallest_eigenvalue == pytest.approx(1e-280 * left / 40, rel=1e-9)

"""Extreme eigenvalues of columns in unlike units: against exact inverses, and against what is left out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fastgd.extremes import extremes
from fastgd.kernels import symmetric

BACKENDS = ["numba", "python"]


def exact_inverse(H):
    """By Gauss and Jordan, in fractions, rounded at the end."""
    d = len(H)
    table = [
        [Fraction(float(x)) for x in row] + [Fraction(i == j) for j in range(d)] for i, row in enumerate(H)
    ]
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


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("d", [2, 3, 6])
@pytest.mark.parametrize("power", [1, 4, 9, 30, 70])
def test_the_least_is_told_whatever_the_units(rng, d, power, backend):
    H = squares(rng, d, rng.permutation(np.geomspace(1.0, 10.0**power, d)))
    least, most = extremes(H, backend)
    assert least == pytest.approx(1.0 / np.linalg.eigvalsh(exact_inverse(H))[-1], rel=1e-9)
    assert most == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 5, 40])
def test_the_kernel_and_the_eigenvalue_itself_agree_where_both_have_digits(rng, d):
    H = squares(rng, d, np.geomspace(1.0, 10.0, d))
    assert symmetric.least_eigenvalue(H, 1e-13) == pytest.approx(np.linalg.eigvalsh(H)[0], rel=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_directions_without_data_do_not_count(rng, backend):
    H = squares(rng, 3, [1.0, 2.0, 3.0])
    values = np.linalg.eigvalsh(H)
    with_zeros = np.zeros((5, 5))
    with_zeros[np.ix_([0, 2, 3], [0, 2, 3])] = H
    assert extremes(with_zeros, backend) == pytest.approx(values[[0, -1]], rel=1e-12)
    twice = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    again = np.linalg.eigvalsh(twice @ H @ twice.T)
    assert extremes(twice @ H @ twice.T, backend) == pytest.approx(again[[1, -1]], rel=1e-9)
    assert extremes(np.zeros((3, 3)), backend) == (0.0, 0.0)
    assert extremes(np.array([[4.0]]), backend) == (4.0, 4.0)
    assert np.isnan(extremes(np.array([[np.inf, 0.0], [0.0, 1.0]]), backend)).all()


def test_of_sums_in_unlike_units_the_least_is_a_bound_from_below(rng):
    X = rng.standard_normal((50, 3))
    X = np.column_stack([X, X[:, 0] + X[:, 1]]) * [1.0, 1e6, 1e3, 1.0]
    least, most = extremes(X.T @ X, "numba")
    true = np.sort(np.linalg.svd(X, compute_uv=False) ** 2)[1]  # the first is the rounding of a 0
    assert 0.01 * true < least <= true * (1 + 1e-9)
    assert most == pytest.approx(np.linalg.eigvalsh(X.T @ X)[-1], rel=1e-12)

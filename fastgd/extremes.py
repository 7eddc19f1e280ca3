"""The extreme eigenvalues of a matrix of curvatures, in whatever units its columns are.

Eigenvalues below some roundings of the largest are directions without data, and count for nothing. But beside
a column of numbers 1e8 times as large, or beside an intercept where columns are far from zero, that is what
curvatures that are there look like, too: then they are told by the inverse, in which each column keeps its
own digits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.data.backend import Backend
from fastgd.grid import NOTHING, Floats

EPS = float(np.finfo(np.float64).eps)
NULL = 16 * EPS
"""Eigenvalues below d times this part of the largest are rounding errors, where columns are alike."""
RANK_TOLERANCE = 1e-13
"""A column of which others explain all but this part of its square is a sum of them."""
ALIKE = 1e-6
"""Columns whose mean squares differ by less than this are in like units."""
NOISE = 2.0**-44
"""So small a part of a column is rounding."""
LARGE = 4.0
"""A column that is more than so many times a chosen one takes its place."""


class Parted(NamedTuple):
    """Columns and an intercept apart, where H = [[S + c m mᵀ, c m], [c mᵀ, c]] has lost digits of S."""

    S: Floats
    """About the means."""
    means: Floats
    corner: float


def extremes(H: Floats, backend: Backend, parted: Parted | None = None) -> tuple[float, float]:
    """(the least but 0, the largest) of H, symmetric, positive semidefinite; nan where it overflows."""
    S, means, corner = (H, NOTHING, 0.0) if parted is None else parted
    if backend == "python":
        return _by_numpy(H, S, means, corner)
    from fastgd.kernels import eigenvalues

    smallest, largest = eigenvalues.extremes(H, S, means, corner, NULL, ALIKE, RANK_TOLERANCE)
    return float(smallest), float(largest)


def _by_numpy(H: Floats, S: Floats, means: Floats, corner: float) -> tuple[float, float]:
    """The twin of `kernels.eigenvalues.extremes`."""
    if not np.isfinite(H).all():
        return math.nan, math.nan
    values = np.linalg.eigvalsh(H)
    smallest, largest = float(values[0]), float(values[-1])
    if not largest > 0.0:
        return smallest, largest
    squares = np.diag(H)
    counted = squares[squares > 0.0]
    are_alike = counted.min() > ALIKE * counted.max()
    if corner > 0.0:
        are_alike &= bool((np.diag(S) > ALIKE * squares[: len(S)]).all())
    if are_alike and smallest > NULL * len(H) * largest:
        return smallest, largest
    return _least(S, means, corner), largest


def _least(S: Floats, means: Floats, corner: float) -> float:
    """The twin of `kernels.eigenvalues.least_eigenvalue`, where the formulas are."""
    d, sizes = len(S), np.sqrt(np.diag(S))
    F, order = _factor(S, RANK_TOLERANCE)
    rest = np.setdiff1d(np.arange(d), order)
    K = np.asarray(np.linalg.solve(F[order].T, F[rest].T), np.float64)
    K[np.abs(K) * sizes[order][:, None] <= NOISE * sizes[rest]] = 0.0
    order, rest = _exchanged(K, order, rest)
    F, own = _factor(S[np.ix_(order, order)], 0.0)
    C = np.linalg.cholesky(np.eye(len(order)) + K @ K.T)
    unit = float(sizes[order].min(initial=1.0))
    R = np.zeros((len(own), len(order)))
    R[:, own] = unit * np.linalg.inv(F[own])
    Y = np.linalg.solve(C, R.T).T
    W = Y @ Y.T
    if corner > 0.0:
        t = np.linalg.solve(C, means[order] + K @ means[rest])
        b = np.linalg.solve(C.T, t)
        m = means[[*order, *rest]]
        left = m - np.append(b, K.T @ b)
        beyond = 1.0 + np.sum(np.where(np.abs(left) > NOISE * np.abs(m), left, 0.0) ** 2)
        v = np.append(Y @ t, -unit / np.sqrt(corner))
        W = np.pad(W, (0, 1)) + np.outer(v, v) / beyond
    largest = float(np.linalg.eigvalsh(W)[-1]) if len(W) else 0.0
    return unit / largest * unit if largest > 0.0 else 0.0


def _factor(S: Floats, tolerance: float) -> tuple[Floats, NDArray[np.intp]]:
    """F (d, rank) with S = F Fᵀ, and the columns chosen for it, in their order."""
    squares = np.diag(S)
    left, F, order = squares.copy(), np.zeros(S.shape), np.empty(0, np.intp)
    counted = squares > 0.0
    for k in range(len(S)):
        shares = np.zeros(len(S))
        np.divide(left, squares, out=shares, where=counted)
        shares[order] = 0.0
        p = int(shares.argmax())
        if not shares[p] > tolerance:
            break
        F[:, k] = (S[:, p] - F[:, :k] @ F[p, :k]) / np.sqrt(left[p])
        F[order, k] = 0.0
        left = left - F[:, k] ** 2
        order = np.append(order, p)
    return F[:, : len(order)], order


def _exchanged(
    K: Floats, order: NDArray[np.intp], rest: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The twin of `kernels.symmetric.exchange`."""
    order, rest = order.copy(), rest.copy()
    while K.size and np.abs(K).max() > LARGE:
        i, j = np.unravel_index(np.abs(K).argmax(), K.shape)
        order[i], rest[j] = rest[j], order[i]
        pivot, column, row = K[i, j], K[:, j].copy(), K[i].copy()
        column[i], row[j] = -1.0, -1.0
        moved = K - np.outer(column, row) / pivot
        moved[np.abs(moved) <= NOISE * np.abs(K)] = 0.0
        moved[i], moved[:, j] = row / pivot, -column / pivot
        moved[i, j] = 1.0 / pivot
        K[:] = moved
    return order, rest

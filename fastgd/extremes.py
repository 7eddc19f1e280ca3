"""The extreme eigenvalues of a matrix of curvatures, in whatever units its columns are.

Eigenvalues below some roundings of the largest are directions without data, and count for nothing. But beside
a column of numbers 1e8 times as large, or beside an intercept where columns are far from zero, that is what
curvatures that are there look like, too: then they are told by the inverse, in which each column keeps its
own digits.
"""

from __future__ import annotations

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
    if not np.isfinite(H).all():
        return float("nan"), float("nan")
    values = np.linalg.eigvalsh(H)
    largest = float(values[-1])
    if not largest > 0.0:
        return largest, largest
    squares = np.diag(H)
    counted = squares[squares > 0.0]
    are_alike = counted.min() > ALIKE * counted.max()
    if corner > 0.0:
        are_alike &= bool((np.diag(S) > ALIKE * squares[: len(S)]).all())
    if are_alike:
        return float(values[values > NULL * len(H) * largest].min(initial=largest)), largest
    return _least(S, means, corner), largest


def _least(S: Floats, means: Floats, corner: float) -> float:
    """The twin of `kernels.eigenvalues.least_eigenvalue`, where the formulas are."""
    F, order, rest = _factor(S)
    F1, F2 = F[order], F[rest]
    sizes = np.sqrt(np.diag(S))
    K = np.linalg.solve(F1.T, F2.T)
    K[np.abs(K) * sizes[order][:, None] <= NOISE * sizes[rest]] = 0.0
    C = np.linalg.cholesky(np.eye(len(order)) + K @ K.T)
    unit = float(sizes[order].min(initial=1.0))
    Y = np.linalg.solve(C, unit * np.linalg.inv(F1).T).T
    W = Y @ Y.T
    if corner > 0.0:
        t = np.linalg.solve(C, means[order] + K @ means[rest])
        b = np.linalg.solve(C.T, t)
        beyond = 1.0 + np.sum((means[order] - b) ** 2) + np.sum((means[rest] - K.T @ b) ** 2)
        v = np.append(Y @ t, -unit / np.sqrt(corner))
        W = np.pad(W, (0, 1)) + np.outer(v, v) / beyond
    largest = float(np.linalg.eigvalsh(W)[-1]) if len(W) else 0.0
    return unit / largest * unit if largest > 0.0 else 0.0


def _factor(S: Floats) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """F (d, rank) with S = F Fᵀ, the columns chosen for it, the largest left first, and the others."""
    d, squares = len(S), np.diag(S)
    left, order, F = squares.copy(), np.empty(0, np.intp), np.zeros((d, d))
    while True:
        worth = np.where(left > RANK_TOLERANCE * squares, left, 0.0)
        worth[order] = 0.0
        k, p = len(order), int(worth.argmax())
        if not worth[p] > 0.0:
            return F[:, :k], order, np.setdiff1d(np.arange(d), order)
        F[:, k] = (S[:, p] - F[:, :k] @ F[p, :k]) / np.sqrt(left[p])
        F[order, k] = 0.0
        left = left - F[:, k] ** 2
        order = np.append(order, p)

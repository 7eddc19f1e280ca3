"""The extreme eigenvalues of a matrix of curvatures, in whatever units its columns are.

Eigenvalues below some roundings of the largest are directions without data, and count for nothing. But beside
a column of numbers 1e8 times as large that is what curvatures that are there look like, too: then they are
told by the inverse, in which each column keeps its own digits.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.data.backend import Backend
from fastgd.grid import Floats

EPS = float(np.finfo(np.float64).eps)
NULL = 16 * EPS
"""Eigenvalues below d times this part of the largest are rounding errors, where columns are in like units."""
RANK_TOLERANCE = 1e-13
"""A column of which others explain all but this part of its square is a sum of them."""
ALIKE = 1e-6
"""Columns whose mean squares differ by less than this are in like units."""


def extremes(H: Floats, backend: Backend) -> tuple[float, float]:
    """(the least that is not 0, the largest) of H, symmetric, positive semidefinite; nan where it overflows.

    Where columns are sums of others and in unlike units too, the least is a bound from below.
    """
    if not np.isfinite(H).all():
        return math.nan, math.nan
    counted = np.diag(H) > 0.0
    H = H if counted.all() else H[np.ix_(counted, counted)]
    if len(H) <= 1:
        return (float(H[0, 0]),) * 2 if len(H) else (0.0, 0.0)
    squares = np.diag(H)
    is_alike = squares.min() > ALIKE * squares.max()
    if backend == "python":
        return _by_numpy(H, np.sqrt(squares), is_alike)
    from fastgd.kernels import symmetric

    smallest, largest = symmetric.extreme_eigenvalues(H, NULL * len(H))
    if not is_alike:
        smallest = symmetric.least_eigenvalue(H, RANK_TOLERANCE)
    return float(smallest), float(largest)


def _by_numpy(H: Floats, sizes: Floats, is_alike: bool) -> tuple[float, float]:
    values = np.linalg.eigvalsh(H)
    smallest, largest = values[values > NULL * len(H) * values[-1]].min(initial=values[-1]), values[-1]
    scaled = H / np.outer(sizes, sizes)
    if not is_alike and np.linalg.matrix_rank(scaled, tol=10 * RANK_TOLERANCE, hermitian=True) == len(H):
        smallest = 1.0 / np.linalg.eigvalsh(np.linalg.inv(scaled) / np.outer(sizes, sizes))[-1]
    return float(smallest), float(largest)

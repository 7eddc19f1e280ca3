"""Means and variances of columns, for standardising: from one pass, and merged over calls of partial_fit.

Moments of two parts merge without reading the rows again (T. F. Chan, G. H. Golub and R. J. LeVeque, The
American Statistician 37(3), 1983): with δ = mean_b − mean_a and s_a, s_b the sums of the weights,

    mean = mean_a + δ s_b/(s_a + s_b),    Σ s (x − mean)² = squares_a + squares_b + δ² s_a s_b/(s_a + s_b).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats
from fastgd.solver.centring import check_squares, first_means
from fastgd.solver.cost import leaf_rows
from fastgd.solver.curvature import CONSTANT
from fastgd.solver.scaling import Scaling
from fastgd.solver.statistics import FAR, Statistics

FEW_ROWS = 8
"""The variance of fewer rows is not used as a scale, since they may be equal by chance."""
ROUNDING = 2.0**-50
"""A standard deviation below ROUNDING times the mean is rounding."""


class ColumnSums(NamedTuple):
    """Σ s u and Σ s u² of the columns with u = x − x_ref. `total` is Σ s."""

    total: float
    x_ref: Floats
    sums: Floats
    squares: Floats

    @classmethod
    def of(cls, statistics: Statistics, total: float, has_intercept: bool) -> ColumnSums:
        """From statistics of centred rows."""
        d, G = len(statistics.x_ref), statistics.G
        return cls(total, statistics.x_ref, G[-1, :-1] if has_intercept else np.zeros(d), np.diag(G)[:d])

    @np.errstate(over="ignore", invalid="ignore")
    def moments(self, n: int) -> Moments:
        squares = np.maximum(self.squares - self.sums * self.sums / self.total, 0.0)
        return Moments(n, self.total, self.x_ref + self.sums / self.total, squares)

    def scaling(self, has_intercept: bool, ridge: float) -> Scaling:
        """Shift by the mean, and scale by 1/√(variance + ridge). Constant columns have scale 0."""
        m, squares = self.sums / self.total, self.squares / self.total
        variance = squares - m * m if has_intercept else squares
        is_constant = ~(variance > CONSTANT * squares)
        scale = np.zeros(len(m))
        np.divide(1.0, np.sqrt(np.where(is_constant, 1.0, variance + ridge)), out=scale, where=~is_constant)
        return Scaling(self.x_ref + m if has_intercept else np.zeros(len(m)), scale, has_intercept)


class Moments(NamedTuple):
    """Moments of n rows. The mean is set to 0 without an intercept or without standardising."""

    n: int
    total: float
    """Σ s."""
    mean: Floats
    squares: Floats
    """Σ s (x − mean)²."""
    longest: float = 0.0
    """max s‖x̃‖², each row in the scaling of its call."""
    largest_target: float = 0.0
    """max |y| in all calls of partial_fit."""

    @np.errstate(over="ignore", invalid="ignore")
    def merged(self, new: Moments) -> Moments:
        """The moments of these rows and the new ones."""
        total = self.total + new.total
        delta, share = new.mean - self.mean, new.total / total
        return self._replace(
            n=self.n + new.n,
            total=total,
            mean=self.mean + delta * share,
            squares=self.squares + new.squares + delta * delta * (self.total * share),
            largest_target=max(self.largest_target, new.largest_target),
        )

    def scaling(self, has_intercept: bool, ridge: float) -> Scaling:
        """Shift by the mean, and scale by 1/√(variance + ridge). Columns that are constant so far have the
        scale 1/√(1 + ridge)."""
        deviation = np.sqrt(self.squares / self.total)
        if not np.isfinite(deviation).all():
            raise InvalidDataError("X is too large: its squares overflow; scale it")
        if self.n < FEW_ROWS:
            deviation = np.hypot(deviation, self.mean)
        is_constant = ~(deviation > ROUNDING * np.abs(self.mean))
        scale = 1.0 / np.hypot(np.where(is_constant, 1.0, deviation), math.sqrt(ridge))
        return Scaling(self.mean, scale, has_intercept)


def read_column_sums(
    rows: Dataset, x_ref: Floats | None, has_intercept: bool, backend: Backend, n_threads: int | None
) -> tuple[ColumnSums, int]:
    """The column sums for standardising, and the number of passes.

    x_ref is by default the means of the first rows. If these are far from the means of all rows, the sums
    are read again about better means.
    """
    if x_ref is None:
        return rows.shared("column sums", lambda rows: _read(rows, None, has_intercept, backend, n_threads))
    return _read(rows, x_ref, has_intercept, backend, n_threads)


@np.errstate(over="ignore", invalid="ignore")
def _read(
    rows: Dataset, x_ref: Floats | None, has_intercept: bool, backend: Backend, n_threads: int | None
) -> tuple[ColumnSums, int]:
    x_ref = first_means(rows, has_intercept) if x_ref is None else x_ref
    result = read_about(rows, x_ref, backend, n_threads)
    check_squares(rows, x_ref, result.squares)
    total, sums, squares = result.total, result.sums, result.squares
    if not has_intercept:
        return result._replace(sums=0.0 * sums), 1
    m = sums / total
    if not (m * m * FAR > squares / total - m * m).any():
        return result, 1
    better = read_about(rows, x_ref + m, backend, n_threads)
    # Convert the sums to x_ref. The variance keeps its digits.
    squares = better.squares - total * (better.sums / total) ** 2
    m = m + better.sums / total
    return ColumnSums(total, x_ref, m * total, squares + total * m * m), 2


def read_about(rows: Dataset, x_ref: Floats, backend: Backend, n_threads: int | None) -> ColumnSums:
    """Σ s u and Σ s u² about this x_ref, in one pass."""
    d = rows.d
    if backend == "python":
        centred = TransformedRows(rows, x_ref, np.ones(d), has_ones=False)
        table, weights = np.array(centred.lists()[0]), rows.lists()[2]
        roots = np.sqrt(weights)[:, None] if weights else 1.0
        sums, squares = np.sum(table * roots, axis=0), np.sum(table * table, axis=0)
        return ColumnSums(rows.total_weight, x_ref, sums, squares)
    from fastgd.kernels import prepare

    def task(_start: int, X: Array, _y: Array, weights: Floats) -> Floats:
        return prepare.moments(X, weights, x_ref, leaf_rows(d))

    sums = reduce.reduce(rows, task, n_threads, 1 + 2 * d)
    if not np.isfinite(sums).all():
        rows.refuse_nonfinite()
    return ColumnSums(rows.total_weight, x_ref, sums[1 : d + 1], sums[d + 1 :])

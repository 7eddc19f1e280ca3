"""Read statistics of centred rows about weights that fit them: one pass, rarely two.

Rows are read as √s·[x − x_ref, 1]. x_ref is computed from the first rows, so that columns far from zero keep
their digits. If x_ref or the reference weights do not suit the later rows, the data is read once more about
better ones. With few rows the weights are refined until they have all their digits.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import NamedTuple, NoReturn

import numpy as np

from fastgd import callers
from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine.blocks import Floats
from fastgd.solver.cost import leaf_rows
from fastgd.solver.folds import Folds, read_folds
from fastgd.solver.linalg import EPS
from fastgd.solver.scaling import Scaling
from fastgd.solver.statistics import (
    FAR,
    Reference,
    Statistics,
    first_reference,
    read_statistics,
    sum_of,
)
from fastgd.solver.summarized import Summarized

ACCURATE_ROWS = 4096
"""Up to this number of rows, the reference is refined with residuals in twice the working precision."""
REFINEMENTS = 4
SUM_ERRORS = 16
"""The rounding error of a sum, about, in units of EPS times the sum."""
FIRST_NUMBERS = 1 << 16
"""x_ref is computed from this many numbers of the first rows."""
TINY = 1e-150
SHIFT_BITS = 2.0**-4
"""x_ref is a multiple of about SHIFT_BITS times a column's spread, which makes x − x_ref exact for most
data."""


class Centred(NamedTuple):
    """Statistics of √s·[x − x_ref, 1], and the number of passes."""

    statistics: Statistics
    n_passes: int
    is_resumed: bool
    """Whether the reference is that of an earlier run on the same data."""
    parts: tuple[tuple[Statistics, int], ...] = ()
    """The statistics of each fold, and its number of rows of weight above 0."""


def read_centred(
    rows: Dataset,
    has_intercept: bool,
    backend: Backend,
    n_threads: int | None,
    saved: Reference | None,
    folds: Folds | None = None,
    *,
    has_targets: bool = False,
) -> Centred:
    """Read the statistics, with sums of the targets if `has_targets`.

    `saved` is the reference of an earlier run, used if the data is the same.
    """
    if isinstance(rows, Summarized):
        statistics = rows.statistics(has_intercept)
        is_resumed = saved is not None and saved.squares == statistics.s
        return Centred(statistics, 0, is_resumed)
    reading = _Reading(rows, has_intercept, backend, n_threads, folds, has_targets)
    if saved is not None and len(saved.x_ref) == rows.d and len(saved.w_ref) == rows.d + has_intercept:
        statistics = reading.statistics_about(saved.x_ref, saved.w_ref)
        statistics = reading.refined(statistics, 0)
        is_same = statistics.s == saved.squares
        if is_same or rows.is_once:
            if not is_same and statistics.is_finite:
                reading.better(statistics)  # only warns
            return Centred(statistics, reading.n_passes, is_same, tuple(reading.parts))
    statistics = reading.statistics_about(*reading.first())
    check_squares(rows, statistics.x_ref, np.diag(statistics.G)[: rows.d])
    if backend == "numba" and statistics.is_finite:
        statistics = reading.refined(reading.better(statistics), REFINEMENTS)
    return Centred(statistics, reading.n_passes, False, tuple(reading.parts))


class _Reading:
    def __init__(
        self,
        rows: Dataset,
        has_intercept: bool,
        backend: Backend,
        n_threads: int | None,
        folds: Folds | None = None,
        has_targets: bool = False,
    ):
        self._rows, self._has_intercept, self._has_targets = rows, has_intercept, has_targets
        self._backend, self._n_threads, self._folds = backend, n_threads, folds
        self.n_passes = 0
        self.parts: list[tuple[Statistics, int]] = []
        """The folds of the last pass."""

    def _centred(self, x_ref: Floats) -> Dataset:
        if not (self._has_intercept or self._rows.has_weights):  # nothing to transform
            return self._rows
        return TransformedRows(self._rows, x_ref, np.ones(self._rows.d), has_ones=self._has_intercept)

    def statistics_about(self, x_ref: Floats, w_ref: Floats) -> Statistics:
        """The statistics about this reference, in one pass."""
        self.n_passes += 1
        rows = self._centred(x_ref)
        if self._folds is None:
            statistics = read_statistics(rows, w_ref, self._n_threads, self._backend, self._has_targets)
        else:
            assert isinstance(rows, TransformedRows)
            parts, counts = read_folds(rows, w_ref, self._folds, self._n_threads, self._backend)
            self.parts = list(zip(parts, counts, strict=True))
            statistics = sum_of(parts)
        for one in (statistics, *(part for part, _ in self.parts)):
            one.x_ref = x_ref
        return statistics

    def first(self) -> tuple[Floats, Floats]:
        """The reference from the first rows: x_ref and weights."""
        x_ref = first_means(self._rows, self._has_intercept)
        if self._backend == "python":
            return x_ref, np.zeros(len(x_ref) + self._has_intercept)
        return x_ref, first_weights(self._centred(x_ref))

    def better(self, statistics: Statistics) -> Statistics:
        """Statistics about the optimum and the means if the reference is far from them, otherwise
        unchanged."""
        reference = better_reference(statistics, self._rows.total_weight, self._has_intercept)
        if reference is None:
            return statistics
        if self._rows.is_once:
            _warn_of_digits(statistics, reference[0] - statistics.x_ref)
            return statistics
        return self.statistics_about(*reference)

    def refined(self, statistics: Statistics, n_refinements: int) -> Statistics:
        """For few rows, statistics with residuals and their products with X as if in twice the precision."""
        is_few = self._rows.has_at_most(ACCURATE_ROWS) and self._backend == "numba"
        if not (is_few and statistics.is_finite):
            return statistics
        from fastgd.kernels import accurate

        X, y, _ = self._centred(statistics.x_ref).whole()

        def statistics_about(weights: Floats) -> Statistics:
            sums = accurate.run(X, y, weights, leaf_rows(len(weights)), True)
            return replace(statistics, w_ref=weights, c=-sums[1:], s=float(sums[0]))

        best = statistics_about(statistics.w_ref)
        v = statistics.factor.solve(best.c)
        for _ in range(n_refinements):
            moved = statistics_about(best.w_ref + v)
            moved_v = statistics.factor.solve(moved.c)
            # c·v is the possible fall of the cost. It has digits even if differences of costs have none.
            if not moved.c @ moved_v < 0.25 * (best.c @ v):
                break
            best, v = moved, moved_v
        return best


def _warn_of_digits(statistics: Statistics, means: Floats) -> None:
    """Warn that a second read would give more digits, and say how many there are.

    `means` are those of the columns about x_ref, or zeros if they are near it.
    """
    d, least_cost = len(means), statistics.least_cost(statistics.solution())
    with np.errstate(all="ignore"):
        off = means * means / (np.diag(statistics.G)[:d] / statistics.n - means * means)
    lost = max([1.0, *off[off > 0.0].tolist()])
    if statistics.is_far_from(least_cost):
        lost = max(lost, statistics.s / statistics.n / max(least_cost, sys.float_info.min))
    digits = math.floor(-math.log10(min(1.0, SUM_ERRORS * EPS * lost)))
    callers.warn(
        "the first rows are unlike the later ones, and the stream can be read once: the cost has about "
        f"{digits} digits; for more pass what can be read again, or rows in a random order"
    )


def better_reference(
    statistics: Statistics, total: float, has_intercept: bool
) -> tuple[Floats, Floats] | None:
    """The means and the optimum, if the reference of the statistics is far from them."""
    v = statistics.solution()
    m, is_off = np.zeros(len(statistics.x_ref)), False
    if has_intercept:
        squares = np.diag(statistics.G)[:-1]
        means = statistics.G[-1, :-1] / statistics.G[-1, -1]
        is_off = bool((means * means * total * FAR > squares - means * means * total).any())
        m = means if is_off else m
    if not (is_off or statistics.is_far_from(statistics.least_cost(v))):
        return None
    w_ref = statistics.w_ref + v
    return statistics.x_ref + m, with_intercept_at(m, w_ref) if has_intercept else w_ref


def with_intercept_at(m: Floats, w_ref: Floats) -> Floats:
    """Weights of reference about x_ref, changed to x_ref + m. The last is the intercept."""
    return np.append(w_ref[:-1], w_ref[-1] + math.fsum((m * w_ref[:-1]).tolist()))


def first_weights(rows: Dataset) -> Floats:
    """Weights of reference from the first rows, or zeros where they overflow."""
    start = np.zeros(rows.d)
    w_ref = first_reference(rows, start)
    return w_ref if np.isfinite(w_ref).all() else start


def first_means(rows: Dataset, has_intercept: bool) -> Floats:
    """The approximate means of the first rows, or zeros without an intercept."""
    if not has_intercept:
        return np.zeros(rows.d)
    X = _first_rows(rows)
    with np.errstate(all="ignore"):
        first = X[0].copy()
        X -= first
        mean, spread = first + np.mean(X, axis=0), np.std(X, axis=0)
        unit = SHIFT_BITS * np.exp2(np.floor(np.log2(spread)))
        x_ref = np.where(spread > 0.0, np.round(mean / unit) * unit, first)
    if not np.isfinite(x_ref).all():
        rows.refuse_nonfinite()
        refuse_overflow()
    return x_ref


def refuse_overflow(squares: Floats | None = None) -> NoReturn:
    """Refuse X, or y if the squares of X are finite."""
    what = "X" if squares is None or not np.isfinite(squares).all() else "y"
    raise InvalidDataError(f"{what} is too large: its squares overflow; scale it")


def _first_rows(rows: Dataset) -> Floats:
    """A copy of the first rows with a weight above 0."""
    X, _, weights = rows.head(max(2, FIRST_NUMBERS // rows.d))
    first: Floats = X[weights > 0.0].astype(np.float64) if weights.any() else X.astype(np.float64)
    return first


def check_squares(rows: Dataset, x_ref: Floats, squares: Floats) -> None:
    """Refuse columns that are so small that their squares vanish. `squares` (d,) is Σ (x − x_ref)²."""
    if np.min(squares) > TINY:
        return
    X = _first_rows(rows)
    size = np.abs(X - X[0] if x_ref.any() else X).max(axis=0)
    if ((size > 0.0) & (size < TINY)).any():
        j = int(((size > 0.0) & (size < TINY)).argmax())
        raise InvalidDataError(
            f"spans {size[j]:g}: its squares vanish", what="X", column=j, name=rows.name_of("X", j),
            remedy="scale X",
        )  # fmt: skip


def scaled(centred: Statistics, to: Scaling, total: float, is_standardized: bool) -> Statistics:
    """Convert statistics of √s·[x − x_ref, 1] to √s·[(x − shift)·scale, 1], about the same weights."""
    G, c, scale, d = centred.G, centred.c, to.scale, len(to.scale)
    theta = np.zeros(to.size)
    np.divide(centred.w_ref[:d], scale, out=theta[:d], where=scale != 0.0)
    if not to.has_intercept:
        return Statistics(total, theta, G * np.outer(scale, scale), c * scale, centred.s)
    m = to.shift - centred.x_ref
    n, sums = G[d, d], G[d, :d]
    out = np.empty_like(G)
    about_shift = G[:d, :d] - np.outer(sums, m) - np.outer(m, sums) + n * np.outer(m, m)
    out[:d, :d] = about_shift * np.outer(scale, scale)
    out[d, :d] = out[:d, d] = 0.0 if is_standardized else (sums - n * m) * scale
    out[d, d] = n
    theta[d] = math.fsum([centred.w_ref[d], *(m * centred.w_ref[:d]).tolist()])
    return Statistics(total, theta, out, np.append((c[:d] - m * c[d]) * scale, c[d]), centred.s)

"""Statistics of centred rows about weights that fit them: one read, rarely two.

Rows are read as √s·[x − x_ref, 1]: centred by the first rows, so that columns far from zero keep their
digits. Where x_ref, or the weights about which residuals are kept, tell little of the later rows, the data is
read once more about better ones; of few rows the weights are refined until they have all their digits.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.dataset import Table
from fastgd.data.transform import TransformedRows
from fastgd.engine.blocks import Floats
from fastgd.solver.objective import Objective
from fastgd.solver.statistics import FAR, Statistics, first_reference, read_statistics
from fastgd.solver.steppers.streaming import leaf_rows

ACCURATE_ROWS = 4096
"""Up to so many rows the reference is refined with residuals in twice the working precision."""
REFINEMENTS = 4
FIRST_NUMBERS = 1 << 16
"""Of the rows that x_ref is told by."""
TINY = 1e-150
SHIFT_BITS = 2.0**-4
"""x_ref is a multiple of about this part of a column's spread: x − x_ref is then exact for most data."""


class Origin(NamedTuple):
    """Where statistics were kept: x_ref, and weights (the last the intercept's) of x − x_ref."""

    x_ref: Floats
    weights: Floats
    is_final: bool
    """Whether another read would not be due."""
    squares: float = math.nan
    """Σ r² about it, by which the same data is known again."""


class Centred:
    """Reads the data when something is asked that no read so far has told; `passes` counts them."""

    def __init__(
        self,
        rows: Table,
        objective: Objective,
        backend: Backend,
        n_threads: int | None,
        origin: Origin | None = None,
    ):
        """`origin` is that of an earlier run, kept where the data is the same."""
        self.rows, self.objective = rows, objective
        self._backend, self._n_threads = backend, n_threads
        self.passes = 0
        size = rows.d + objective.fit_intercept
        self._given = origin if origin is not None and len(origin.weights) == size else None
        self.is_resumed = False
        """Whether the origin is one that an earlier run had on the same data."""
        self._raw: Statistics | None = None

    @property
    def total(self) -> float:
        """Σ s."""
        return self.rows.total_weight

    def transformed(self, shift: Floats, scale: Floats, *, is_weighted: bool = True) -> TransformedRows:
        has_ones = self.objective.fit_intercept
        return TransformedRows(self.rows, shift, scale, has_ones=has_ones, is_weighted=is_weighted)

    @property
    def has_statistics(self) -> bool:
        return self._raw is not None

    @property
    def raw(self) -> Statistics:
        """The statistics of √s·[x − x_ref, 1] about `origin`."""
        if self._raw is None:
            self.origin, self._raw = self._read()
        return self._raw

    @property
    def kept_origin(self) -> Origin | None:
        """For a run that goes on where this one ends."""
        return self._given if self._raw is None else self.origin._replace(squares=self._raw.s)

    def _read(self) -> tuple[Origin, Statistics]:
        few = self.rows.has_at_most(ACCURATE_ROWS) and self._backend == "numba"
        if self._given is not None:
            raw = self._statistics(self._given)
            raw = self._refined(self._given, raw, 0)[1] if few and raw.is_finite() else raw
            self.is_resumed = raw.s == self._given.squares
            if self.is_resumed:
                return self._given, raw
        origin = self.first_origin()
        raw = self._statistics(origin)
        if not origin.is_final and raw.is_finite():
            v = raw.solution()
            has_intercept, squares = self.objective.fit_intercept, np.diag(raw.G)[: self.rows.d]
            m = raw.G[-1, :-1] / raw.G[-1, -1] if has_intercept else 0.0 * squares
            is_off = bool((m * m * self.total * FAR > squares - m * m * self.total).any())
            if is_off or raw.is_far_from(cost_at(raw, v)):
                origin = _moved(origin, v, m if is_off else 0.0 * m, has_intercept)
                raw = self._statistics(origin)
        if few and raw.is_finite():
            origin, raw = self._refined(origin, raw, REFINEMENTS)
        return origin, raw

    def _statistics(self, origin: Origin) -> Statistics:
        self.passes += 1
        rows: Table = self.transformed(origin.x_ref, np.ones(self.rows.d))
        if self._backend == "python":
            with np.errstate(all="ignore"):
                X, y = (np.array(part) for part in rows.lists()[:2])
                r = y - X @ origin.weights
                raw = Statistics(rows.n, origin.weights, X.T @ X, X.T @ r, float(r @ r))
        else:
            if not (self.objective.fit_intercept or self.rows.has_weights):  # they are as they are
                rows = self.rows
            raw = read_statistics(rows, origin.weights, self._n_threads)
        if not raw.is_finite():
            rows.refuse_nonfinite()
        return raw

    def x_ref(self) -> Floats:
        """About the first rows' means, with an intercept; zeros without."""
        d, rows, has_intercept = self.rows.d, self.rows, self.objective.fit_intercept
        X, _, weights = rows.head(max(2, FIRST_NUMBERS // d))
        X = X.astype(np.float64)
        if weights.any():
            X = X[weights > 0.0]
        with np.errstate(all="ignore"):
            first = X[0].copy()
            if has_intercept:
                X -= first
            size = np.abs(X).max(axis=0)
            mean, spread = first + np.mean(X, axis=0), np.std(X, axis=0)
            unit = SHIFT_BITS * np.exp2(np.floor(np.log2(spread)))
            x_ref = np.where(spread > 0.0, np.round(mean / unit) * unit, first)
        if not np.isfinite(x_ref).all() and has_intercept:
            rows.refuse_nonfinite()
            raise InvalidDataError("X is too large: its squares overflow; scale it")
        if ((size > 0.0) & (size < TINY)).any():
            j = int(((size > 0.0) & (size < TINY)).argmax())
            raise InvalidDataError(
                f"spans {size[j]:g}: its squares vanish", what="X", column=j, name=rows.name_of("X", j),
                remedy="scale X",
            )  # fmt: skip
        return x_ref if has_intercept else np.zeros(d)

    def first_origin(self) -> Origin:
        d, x_ref = self.rows.d, self.x_ref()
        size = d + self.objective.fit_intercept
        if self._backend == "python":
            return Origin(x_ref, np.zeros(size), True)
        reference = first_reference(self.transformed(x_ref, np.ones(d)), np.zeros(size))
        if not np.isfinite(reference).all():
            reference = np.zeros(size)
        return Origin(x_ref, reference, False)

    def _refined(self, origin: Origin, raw: Statistics, most: int) -> tuple[Origin, Statistics]:
        """Few rows: residuals, and their products with X, as if in twice the precision."""
        from fastgd.kernels import accurate

        X, y, _ = self.transformed(origin.x_ref, np.ones(self.rows.d)).whole()

        def about(weights: Floats) -> Statistics:
            sums = accurate.run(X, y, weights, leaf_rows(len(weights)), True)
            return Statistics(raw.n, weights, raw.G, -sums[1:], float(sums[0]))

        best = about(origin.weights)
        v = raw.factor.solve(best.c)
        for _ in range(most):
            moved = about(best.w_ref + v)
            moved_v = raw.factor.solve(moved.c)
            # What the cost could still fall by, c·v, tells when the cost itself no longer can.
            if not moved.c @ moved_v < 0.25 * (best.c @ v):
                break
            best, v = moved, moved_v
        return Origin(origin.x_ref, best.w_ref, True), best


def cost_at(raw: Statistics, v: Floats) -> float:
    return max(0.0, raw.s - float(np.sum(v * raw.c))) / raw.n


def _moved(origin: Origin, v: Floats, m: Any, has_intercept: bool) -> Origin:
    """The origin at the optimum, its x_ref moved by m."""
    weights = origin.weights + v
    if has_intercept:
        weights[-1] += math.fsum((m * weights[:-1]).tolist())
    return Origin(origin.x_ref + m, weights, True)

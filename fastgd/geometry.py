"""The shape of an objective on the data: coordinates, statistics in them, curvature, and the rates it allows.

Rows are read as √s·[x − x_ref, 1]: centred by the first rows, so that columns far from zero keep their
digits; with any x_ref the statistics of standardised columns follow from the same read, with
m = mean(x) − x_ref: Σ (u − m)(u − m)ᵀ = Σ uuᵀ − n m mᵀ. Where x_ref, or the weights about which residuals are
kept, tell little of the later rows, the data is read once more about better ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fastgd import coordinates, engine, summaries
from fastgd.coordinates import Coordinates
from fastgd.data.arrays import ArrayRows
from fastgd.data.backend import Backend
from fastgd.data.checks import InvalidDataError
from fastgd.data.transformed import TransformedRows
from fastgd.engine import Array, Floats
from fastgd.losses import SquaredError
from fastgd.objective import Objective, Rule
from fastgd.oracles.folded import FoldedObjective
from fastgd.oracles.streamed import leaf_rows
from fastgd.planner import MOST_COLUMNS
from fastgd.summaries import EPS, FAR, RANK_TOLERANCE, Statistics
from fastgd.survey import NULL, SLOWEST, lanczos

ACCURATE_ROWS = 4096
"""Up to so many rows the reference is refined with residuals in twice the working precision."""
REFINEMENTS = 4
CONSTANT = 64 * EPS
"""A variance below this part of the mean square is rounding."""
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


class Geometry:
    """Reads the data when something is asked that no read so far has told; `passes` counts them."""

    def __init__(
        self,
        rows: ArrayRows,
        objective: Objective,
        rule: Rule,
        backend: Backend,
        n_threads: int | None,
        origin: Origin | None = None,
    ):
        self.rows, self.objective, self._rule = rows, objective, rule
        self._backend, self._n_threads = backend, n_threads
        self.total = objective.total_weight(rows.n)
        self.passes = 0
        size = rows.d + objective.fit_intercept
        self._given = origin if origin is not None and len(origin.weights) == size else None
        self.is_resumed = False
        """Whether the origin is one that an earlier run had on the same data."""
        self._raw: Statistics | None = None

    # Reads ------------------------------------------------------------------------------------------------

    def transformed(self, shift: Floats, scale: Floats, *, is_weighted: bool = True) -> TransformedRows:
        objective = self.objective
        weights = objective.weights if is_weighted else np.empty(0)
        return TransformedRows(self.rows, shift, scale, has_ones=objective.fit_intercept, weights=weights)

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
        few = self.rows.n <= ACCURATE_ROWS and self._backend == "numba"
        if self._given is not None:
            raw = self._statistics(self._given)
            raw = self._refined(self._given, raw, 0)[1] if few and raw.is_finite() else raw
            self.is_resumed = raw.s == self._given.squares
            if self.is_resumed:
                return self._given, raw
        origin = self._first_origin()
        raw = self._statistics(origin)
        if not origin.is_final and raw.is_finite():
            v = self._solution(raw)
            has_intercept, squares = self.objective.fit_intercept, np.diag(raw.G)[: self.rows.d]
            m = raw.G[-1, :-1] / raw.G[-1, -1] if has_intercept else 0.0 * squares
            is_off = bool((m * m * self.total * FAR > squares - m * m * self.total).any())
            if is_off or raw.is_far_from(_cost(raw, v)):
                origin = _moved(origin, v, m if is_off else 0.0 * m, has_intercept)
                raw = self._statistics(origin)
        if few and raw.is_finite():
            origin, raw = self._refined(origin, raw, REFINEMENTS)
        return origin, raw

    def _statistics(self, origin: Origin) -> Statistics:
        self.passes += 1
        rows = self.transformed(origin.x_ref, np.ones(self.rows.d))
        if self._backend == "python":
            with np.errstate(all="ignore"):
                X, y = (np.array(part) for part in rows.lists())
                r = y - X @ origin.weights
                raw = Statistics(rows.n, origin.weights, X.T @ X, X.T @ r, float(r @ r))
        else:
            raw = summaries.statistics(rows, origin.weights, self._n_threads)
        if not raw.is_finite():
            rows.refuse_nonfinite()
        return raw

    def _first_origin(self) -> Origin:
        d, rows = self.rows.d, self.rows
        n = min(rows.n, -(-4 * d // engine.block_rows(d)) * engine.block_rows(d))
        X = rows.reader().read(0, n)[0].astype(np.float64)
        x_ref = np.zeros(d)
        if self.objective.fit_intercept:
            with np.errstate(all="ignore"):
                first = X[0]
                mean, spread = first + np.mean(X - first, axis=0), np.std(X - first, axis=0)
                unit = SHIFT_BITS * np.exp2(np.floor(np.log2(spread)))
                x_ref = np.where(spread > 0.0, np.round(mean / unit) * unit, first)
            if not np.isfinite(x_ref).all():
                rows.refuse_nonfinite()
                raise InvalidDataError("X is too large: its squares overflow; scale it")
        size = d + self.objective.fit_intercept
        if self._backend == "python":
            return Origin(x_ref, np.zeros(size), True)
        reference = summaries.reference(self.transformed(x_ref, np.ones(d)), np.zeros(size))
        if not np.isfinite(reference).all():
            reference = np.zeros(size)
        return Origin(x_ref, reference, False)

    def _solution(self, raw: Statistics) -> Floats:
        from fastgd.kernels import symmetric

        v = np.empty(len(raw.c))
        symmetric.solve(raw.G, raw.c, RANK_TOLERANCE, v)
        return v

    def _refined(self, origin: Origin, raw: Statistics, most: int) -> tuple[Origin, Statistics]:
        """Few rows: residuals, and their products with X, as if in twice the precision."""
        from fastgd.kernels import accurate

        X, y = self.transformed(origin.x_ref, np.ones(self.rows.d)).whole()

        def about(weights: Floats) -> Statistics:
            sums = accurate.run(X, y, weights, leaf_rows(len(weights)), True)
            return Statistics(raw.n, weights, raw.G, -sums[1:], float(sums[0]))

        best = about(origin.weights)
        v = self._solution(best)
        for _ in range(most):
            moved = about(best.w_ref + v)
            moved_v = self._solution(moved)
            # What the cost could still fall by, c·v, tells when the cost itself no longer can.
            if not moved.c @ moved_v < 0.25 * (best.c @ v):
                break
            best, v = moved, moved_v
        return Origin(origin.x_ref, best.w_ref, True), best

    # Coordinates ------------------------------------------------------------------------------------------

    @cached_property
    def coordinates(self) -> Coordinates:
        """As they are, or centred (with an intercept) and of variance 1."""
        d, has_intercept = self.rows.d, self.objective.fit_intercept
        if not self.objective.standardize:
            return coordinates.plain(d, has_intercept)
        if self.has_statistics:
            squares = np.diag(self.raw.G)[:d]
            sums = self.raw.G[-1, :-1] if has_intercept else np.zeros(d)
            x_ref = self.origin.x_ref
        else:
            x_ref = (self._given or self._first_origin()).x_ref
            sums, squares = self._moments(x_ref)
        return Coordinates(*_standard(x_ref, sums / self.total, squares / self.total, has_intercept), has_intercept)

    def _moments(self, x_ref: Floats) -> tuple[Floats, Floats]:
        """Σ s u and Σ s u², u = x − x_ref (about a better one where that is due)."""
        sums, squares = self._read_moments(x_ref)
        if not self.objective.fit_intercept:
            return 0.0 * sums, squares
        m = sums / self.total
        if (m * m * FAR > squares / self.total - m * m).any():
            better = self._read_moments(x_ref + m)
            # Moved back exactly enough: the variance is what must keep its digits.
            squares = better[1] - self.total * (better[0] / self.total) ** 2
            m = m + better[0] / self.total
            return m * self.total, squares + self.total * m * m
        return sums, squares

    def _read_moments(self, x_ref: Floats) -> tuple[Floats, Floats]:
        self.passes += 1
        rows, weights, d = self.rows, self.objective.weights, self.rows.d
        if self._backend == "python":
            X, _ = self.transformed(x_ref, np.ones(d)).lists()
            table = np.array(X)[:, :d]
            roots = np.sqrt(weights)[:, None] if len(weights) else 1.0
            return np.sum(table * roots, axis=0), np.sum(table * table, axis=0)
        from fastgd.kernels import prepare

        def task(start: int, X: Array, y: Array) -> Floats:
            part = weights[start : start + len(y)]
            return prepare.moments(X, part, x_ref, leaf_rows(d))

        sums = engine.fold(rows, task, self._n_threads, 1 + 2 * d)
        if not np.isfinite(sums).all():
            rows.refuse_nonfinite()
        return sums[1 : d + 1], sums[d + 1 :]

    # Statistics in the coordinates ------------------------------------------------------------------------

    @cached_property
    def statistics(self) -> Statistics:
        """In θ, about the θ of `origin`; without penalties. `n` is Σ s."""
        raw, d = self.raw, self.rows.d
        to = self.coordinates
        G, c, scale = raw.G, raw.c, to.scale
        theta = np.zeros(to.size)
        np.divide(raw.w_ref[:d], scale, out=theta[:d], where=scale != 0.0)
        if not to.has_intercept:
            return Statistics(self.total, theta, G * np.outer(scale, scale), c * scale, raw.s)  # type: ignore[arg-type]
        m = to.shift - self.origin.x_ref
        n, sums = G[d, d], G[d, :d]
        out = np.empty_like(G)
        out[:d, :d] = (
            G[:d, :d] - np.outer(sums, m) - np.outer(m, sums) + n * np.outer(m, m)
        ) * np.outer(scale, scale)
        out[d, :d] = out[:d, d] = 0.0 if self.objective.standardize else (sums - n * m) * scale
        out[d, d] = n
        by = np.append((c[:d] - m * c[d]) * scale, c[d])
        theta[d] = math.fsum([raw.w_ref[d], *(m * raw.w_ref[:d]).tolist()])
        return Statistics(self.total, theta, out, by, raw.s)  # type: ignore[arg-type]

    def model(self, v: Floats) -> tuple[Floats, Floats]:
        """(w, intercept) of θ_ref + v, v (…, size): from the origin, with all digits of v."""
        d, to, origin, theta = self.rows.d, self.coordinates, self.origin, self.statistics.w_ref
        base = np.where(to.scale != 0.0, origin.weights[:d], 0.0)
        w = np.where(v[..., :d] == -theta[:d], 0.0, base + v[..., :d] * to.scale)
        if not to.has_intercept:
            return w, np.zeros(v.shape[:-1])
        # score = Σ (x − x_ref)·a + a_d: at x = 0, with a_d moved by v about the mean.
        at_zero = math.fsum([origin.weights[d], *(-origin.x_ref * origin.weights[:d]).tolist()])
        dropped = np.where(to.scale != 0.0, 0.0, origin.weights[:d]) * to.shift
        moved = coordinates.sums_of(v[..., :d] * (to.scale * to.shift))
        return w, (at_zero + math.fsum(dropped.tolist())) + (v[..., d] - moved)

    def penalised(self) -> Statistics:
        """The statistics with l2 in them: its cost has the l2 penalty, its gradient too."""
        base, l2 = self.statistics, self.coordinates.penalty(0.0, self.objective.l2).l2
        if not l2.any():
            return base
        half = 0.5 * base.n * l2
        theta = base.w_ref
        return Statistics(
            base.n, theta, base.G + np.diag(half), base.c - half * theta, base.s + float(half @ (theta * theta))
        )

    # Rates ------------------------------------------------------------------------------------------------

    @cached_property
    def _extremes(self) -> tuple[float, float]:
        """Of the Hessian's bound, curvature·XᵀSX/Σ s + l2: the smallest eigenvalue that is not 0, the largest."""
        rows, curvature = self.rows, self.objective.curvature
        l2 = self.coordinates.penalty(0.0, self.objective.l2).l2
        if rows.d > MOST_COLUMNS and self._backend == "numba":
            smallest, largest = lanczos(self._squared_gradient(), self.coordinates.size)
            return curvature * smallest + float(l2.min()), curvature * largest + float(l2.max())
        H = (curvature / self.total) * self.statistics.G + np.diag(l2)
        if not np.isfinite(H).all():
            return math.nan, math.nan
        if self._backend == "python":
            values = np.linalg.eigvalsh(H)
            return float(values[values > NULL * len(H) * values[-1]].min(initial=values[-1])), float(values[-1])
        from fastgd.kernels import symmetric

        smallest, largest = symmetric.extreme_eigenvalues(H, NULL * len(H))
        return float(smallest), float(largest)

    @property
    def least_curvature(self) -> float:
        """The smallest eigenvalue of the Hessian's bound that is not 0."""
        return self._extremes[0]

    @cached_property
    def digits(self) -> float:
        """About how many digits of the optimum's weights are to be had on this data.

        −log10 of eps κ, κ the condition number of the columns, where residuals are refined; of more rows of
        eps κ², that of the statistics. 0 where some column is a sum of others, to rounding; infinite with
        penalties, or no more rows than columns, where that does not matter.
        """
        from fastgd.kernels import symmetric

        sums, objective = self.statistics, self.objective
        counted = np.count_nonzero(self.coordinates.scale) + objective.fit_intercept
        if objective.l1 or objective.l2 or not sums.is_finite() or not 0 < counted < self.rows.n:
            return math.inf
        if symmetric.solve(sums.G, sums.c, RANK_TOLERANCE, np.empty(len(sums.c))) < counted:
            return 0.0
        smallest, largest = self._extremes
        kappa = math.sqrt(largest / smallest)
        return -math.log10(EPS * (kappa if self.rows.n <= ACCURATE_ROWS else kappa * kappa))

    def _squared_gradient(self) -> Callable[[Floats], Floats]:
        """The gradient of the squared loss, a read a call."""
        fold = FoldedObjective(
            self.rows, self.objective.weights, SquaredError(), self.coordinates, self._n_threads
        )

        def gradient(theta: Floats) -> Floats:
            self.passes += 1
            return fold(theta)[1]

        return gradient

    @cached_property
    def largest_square(self) -> float:
        """max s‖x̃‖² of the rows in the coordinates, 1 for the intercept among them."""
        self.passes += 1
        to = self.coordinates
        rows = self.transformed(to.shift, to.scale)
        if self._backend == "python":
            largest = float(np.max(np.sum(np.square(rows.X), axis=1)))
        else:
            from fastgd.kernels import norms

            found: list[float] = []

            def task(_start: int, X: Array, _y: Array) -> Floats:
                found.append(norms.largest_square(X))
                return engine.NOTHING

            engine.fold(rows, task, self._n_threads)
            largest = float(np.max(found))
        if not math.isfinite(largest):
            rows.refuse_nonfinite()
        return largest

    def limit(self, solver: str) -> float:
        """Below it full-batch descent converges at a constant rate, and no single step of SGD can amplify."""
        rule, mu = self._rule, self._rule.momentum
        if solver == "sgd":
            bound = self.objective.curvature * self.largest_square
            return _ratio(2.0 * (1.0 - mu), bound + self.coordinates.penalty(0.0, self.objective.l2).l2.max())
        factor = 4.0 / 3.0 if rule.nesterov else 2.0 * (1.0 + mu)
        return _ratio(factor, self._extremes[1])

    def auto_rate(self, solver: str) -> float:
        """What learning_rate="auto" takes; for a loss whose slope jumps, of the first epoch."""
        if not math.isfinite(self.objective.curvature):
            is_sgd = solver == "sgd" or self.rows.d > MOST_COLUMNS
            squares = self.largest_square if is_sgd else float(np.trace(self.statistics.G)) / self.total
            return _usable(_ratio(self._spread_of_y(), squares))
        if solver == "sgd":
            return _usable(0.5 * self.limit(solver))
        smallest, largest = self._extremes
        if self._rule.nesterov or self._rule.momentum or self.objective.l1:
            return _usable(_ratio(1.0, largest))
        return _usable(_ratio(2.0, largest + max(smallest, SLOWEST * largest)))

    def _spread_of_y(self) -> float:
        weights = self.objective.weights if len(self.objective.weights) else None
        y = np.asarray(self.rows.y, dtype=np.float64)
        mean = float(np.average(y, weights=weights))
        return math.sqrt(float(np.average(np.square(y - mean), weights=weights))) or 1.0


def _cost(raw: Statistics, v: Floats) -> float:
    return max(0.0, raw.s - float(np.sum(v * raw.c))) / raw.n


def _moved(origin: Origin, v: Floats, m: Any, has_intercept: bool) -> Origin:
    """The origin at the optimum, its x_ref moved by m."""
    weights = origin.weights + v
    if has_intercept:
        weights[-1] += math.fsum((m * weights[:-1]).tolist())
    return Origin(origin.x_ref + m, weights, True)


def _standard(x_ref: Floats, m: Floats, squares: Floats, has_intercept: bool) -> tuple[Floats, Floats]:
    """shift and scale: the mean and one over the deviation; 0 for a constant column (without variance)."""
    variance = squares - m * m if has_intercept else squares
    is_constant = ~(variance > CONSTANT * squares)
    scale = np.zeros(len(m))
    np.divide(1.0, np.sqrt(np.where(is_constant, 1.0, variance)), out=scale, where=~is_constant)
    return (x_ref + m if has_intercept else np.zeros(len(m))), scale


def _ratio(a: float, b: float) -> float:
    return math.inf if b == 0.0 else a / b


def _usable(rate: float) -> float:
    """The rate; 1 where X is all zeros and any would do."""
    if math.isnan(rate) or rate == 0.0:
        raise InvalidDataError('X is too large for learning_rate="auto": its squares overflow; scale X')
    return 1.0 if rate == math.inf else rate

"""The shape of an objective on the data: coordinates, statistics in them, curvature, the rates it allows.

The statistics of standardised columns follow from the centred ones, u = x − x_ref and m = mean(u), without
another read: Σ (u − m)(u − m)ᵀ = Σ uuᵀ − n m mᵀ.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.dataset import Table
from fastgd.engine.blocks import Floats
from fastgd.lazy import lazy_property
from fastgd.losses import SquaredError
from fastgd.solver import blas, linalg, scaling
from fastgd.solver.centred import ACCURATE_ROWS, Origin, cost_at
from fastgd.solver.linalg import EPS, Parted, extreme_eigenvalues
from fastgd.solver.moments import Moments
from fastgd.solver.objective import Objective, Rule
from fastgd.solver.planner import MOST_COLUMNS
from fastgd.solver.scaling import Scaling
from fastgd.solver.seen import Seen
from fastgd.solver.statistics import Statistics
from fastgd.solver.steppers.folded import FoldedObjective
from fastgd.solver.survey import SLOWEST, Eigenvalues, lanczos, largest_square, ratio, usable

OFF = 2.0**40
"""Of squares of means to variances: beyond it a cost keeps no more than four digits."""
CONSTANT = 64 * EPS
"""A variance below this part of the mean square is rounding."""


class Problem(Moments):
    """What follows for an objective and a rule; reads what it must."""

    def __init__(
        self,
        rows: Table,
        objective: Objective,
        rule: Rule,
        backend: Backend,
        n_threads: int | None,
        origin: Origin | None = None,
        seen: Seen | None = None,
        earlier: Scaling | None = None,
    ):
        """`seen`: the moments of all calls of partial_fit, of which `rows` are the last; `earlier`: the
        coordinates of an earlier run, which are taken where the data has the same to rounding."""
        super().__init__(rows, objective, backend, n_threads, origin)
        self._rule, self.seen, self._earlier = rule, seen, earlier
        self.null: Floats = np.zeros(1)
        """Added to every v: a part of the start that no step changes, and on which no cost depends."""

    # Scaling ------------------------------------------------------------------------------------------

    @lazy_property
    def scaling(self) -> Scaling:
        """As they are, or centred (with an intercept) and of variance 1."""
        d, has_intercept = self.rows.d, self.objective.fit_intercept
        if not self.objective.is_standardized:
            return scaling.plain(d, has_intercept)
        if self.seen is not None:
            return self.seen.scaling(has_intercept, self._ridge)
        if self.has_statistics:
            squares = np.diag(self.raw.G)[:d]
            sums = self.raw.G[-1, :-1] if has_intercept else np.zeros(d)
            x_ref = self.origin.x_ref
        else:
            x_ref, sums, squares = self._centred_moments
        m, squares = sums / self.total, squares / self.total
        shift, scale = _standard(x_ref, m, squares, has_intercept, self._ridge)
        found = Scaling(shift, scale, has_intercept)
        if self._earlier is not None and found.is_near(self._earlier):
            return self._earlier
        return found

    @property
    def _ridge(self) -> float:
        """What l2 adds to the variances: a column of mean square σ² has the curvature c σ² + l2, and the
        intercept has c, for all of which one rate serves once columns are scaled by 1/√(σ² + l2/c)."""
        l2 = self.objective.l2
        if not l2:
            return 0.0
        return l2 / self.objective.curvature if self.objective.is_bounded else l2 * self._reach

    # Statistics in the coordinates ------------------------------------------------------------------------

    @property
    def _reach(self) -> float:
        """By how much scores go, in place of one over the curvature where that has no bound."""
        return self.rows.facts.deviation if self.objective.loss.predicts_y else 1.0

    @property
    def holds_digits(self) -> bool:
        """Whether costs by the statistics have any: not of columns so far from zero, and not centred, that
        what weights and intercept do cancels to less than rounding."""
        return self.raw.is_finite() and not self.is_off

    @lazy_property
    def is_off(self) -> bool:
        """Whether that is so: some column's square of the mean is more than OFF times its variance."""
        if self._parted is None:
            return False
        variance = np.diag(self._parted.S)
        return bool(((variance > 0.0) & (self._parted.means**2 > OFF * variance)).any())

    @lazy_property
    def statistics(self) -> Statistics:
        """In θ, without penalties; `n` is Σ s. About the θ of `origin`, or about weights of 0 where l2 makes
        the cost there so large that costs at the optimum would lose digits."""
        about = self._about_origin
        d, theta = self.rows.d, about.w_ref
        if not self.objective.l2 or not theta[:d].any() or not about.is_finite():
            return about
        penalised = self._with_l2(about)
        if not penalised.is_far_from(cost_at(penalised, penalised.solution())):
            return about
        v = np.append(-theta[:d], np.zeros(len(theta) - d))
        c = about.c - about.G @ v
        return Statistics(about.n, theta + v, about.G, c, max(0.0, about.s - float(v @ (about.c + c))))

    @lazy_property
    def _about_origin(self) -> Statistics:
        raw, d = self.raw, self.rows.d
        to = self.scaling
        G, c, scale = raw.G, raw.c, to.scale
        theta = np.zeros(to.size)
        np.divide(raw.w_ref[:d], scale, out=theta[:d], where=scale != 0.0)
        if not to.has_intercept:
            return Statistics(self.total, theta, G * np.outer(scale, scale), c * scale, raw.s)
        m = to.shift - self.origin.x_ref
        n, sums = G[d, d], G[d, :d]
        out = np.empty_like(G)
        out[:d, :d] = (G[:d, :d] - np.outer(sums, m) - np.outer(m, sums) + n * np.outer(m, m)) * np.outer(
            scale, scale
        )
        out[d, :d] = out[:d, d] = 0.0 if self.objective.is_standardized else (sums - n * m) * scale
        out[d, d] = n
        by = np.append((c[:d] - m * c[d]) * scale, c[d])
        theta[d] = math.fsum([raw.w_ref[d], *(m * raw.w_ref[:d]).tolist()])
        return Statistics(self.total, theta, out, by, raw.s)

    @np.errstate(over="ignore", invalid="ignore")
    def model(self, v: Floats) -> tuple[Floats, Floats]:
        """(w, intercept) of θ_ref + v, v (…, size): from the origin, with all digits of v."""
        d, to, origin, theta = self.rows.d, self.scaling, self.origin, self.statistics.w_ref
        is_moved = self.statistics is not self._about_origin
        base = np.where((to.scale != 0.0) & ~np.array(is_moved), origin.weights[:d], 0.0)
        v = v + self.null
        w = np.where(v[..., :d] == -theta[:d], 0.0, base + v[..., :d] * to.scale)
        if not to.has_intercept:
            return w, np.zeros(v.shape[:-1])
        # score = Σ (x − x_ref)·a + a_d: at x = 0, with a_d moved by v about the mean.
        at_zero = math.fsum([origin.weights[d], *(-origin.x_ref * origin.weights[:d]).tolist()])
        dropped = (origin.weights[:d] - base) * to.shift
        moved = scaling.sums_of(v[..., :d] * (to.scale * to.shift))
        return w, (at_zero + math.fsum(dropped.tolist())) + (v[..., d] - moved)

    def null_part(self, v: Floats) -> Floats:
        """The part of v along which columns that are sums of others change no score."""
        if self.objective.l1 or self.objective.l2 or not self.statistics.is_finite():
            return np.zeros(len(v))
        factor = self.statistics.factor
        if factor.rank == len(v):
            return np.zeros(len(v))
        with blas.one_thread():
            K = factor.sums
            of_null = np.zeros((len(v), len(factor.dependent)))
            of_null[factor.chosen], of_null[factor.dependent] = -K, np.eye(len(factor.dependent))
            basis = np.linalg.qr(of_null)[0]
            return np.asarray(basis @ (basis.T @ v), np.float64)

    @lazy_property
    def penalised(self) -> Statistics:
        """The statistics with l2 in them: its cost has the l2 penalty, its gradient too."""
        return self._with_l2(self.statistics)

    def _with_l2(self, base: Statistics) -> Statistics:
        l2 = self.scaling.penalty(0.0, self.objective.l2).l2
        if not l2.any():
            return base
        half = 0.5 * base.n * l2
        theta = base.w_ref
        return Statistics(
            base.n,
            theta,
            base.G + np.diag(half),
            base.c - half * theta,
            base.s + float(half @ (theta * theta)),
        )

    # Rates ------------------------------------------------------------------------------------------------

    @lazy_property
    def _whitening(self) -> Floats:
        """W (size, rank): in φ, θ = Wφ, the statistics of the columns and their penalty are n times 1."""
        return linalg.factor(self.penalised.G / self.total).whitening()

    def check_metric(self) -> None:
        """Refuse a metric of statistics that overflow."""
        if self.objective.precondition and not self.raw.is_finite():
            raise InvalidDataError("X or y is too large for precondition: its squares overflow; scale it")

    @lazy_property
    def metric(self) -> Floats:
        """M = W Wᵀ, by which preconditioned descent multiplies gradients; of length 0 for none."""
        if not self.objective.precondition:
            return np.empty((0, 0))
        W = self._whitening  # reads the data, which has no place in the block
        with blas.one_thread():
            return np.asarray(W @ W.T, np.float64)

    @lazy_property
    def eigenvalues(self) -> Eigenvalues:
        """Of XᵀSX/Σ s in the coordinates, or in the metric."""
        if self.objective.precondition:
            if not (self.objective.l2 and self._whitening.size):
                return Eigenvalues(*self._in_metric(1.0), False)
            W, G = self._whitening, self.statistics.G / self.total
            with blas.one_thread():
                table = W.T @ G @ W
            return Eigenvalues(*extreme_eigenvalues(table), False)
        if self.rows.d > MOST_COLUMNS and self._backend == "numba":
            smallest, largest = lanczos(self._squared_gradient(), self.scaling.size)
            if not math.isfinite(largest):
                self.rows.refuse_nonfinite()
            return Eigenvalues(smallest, largest, True)
        statistics = self.statistics  # before the coordinates, which they tell
        return Eigenvalues(*extreme_eigenvalues(statistics.G / self.total, self._parted), False)

    @lazy_property
    def _parted(self) -> Parted | None:
        """The centred statistics beside an intercept that is not told apart by the coordinates."""
        if not self.objective.fit_intercept or self.objective.is_standardized:
            return None
        d, G = self.rows.d, self.raw.G / self.total
        m = G[d, :d]
        S = G[:d, :d] - np.outer(m, m)
        is_constant = ~(np.diag(S) > CONSTANT * np.diag(G)[:d])
        S[is_constant], S[:, is_constant] = 0.0, 0.0
        return Parted(S, self.origin.x_ref + m, 1.0)

    @lazy_property
    def curvatures(self) -> tuple[float, float]:
        """Eigenvalues of curvature·XᵀSX/Σ s + l2, which bounds the Hessian: the least but 0, the largest."""
        curvature = self.objective.curvature
        if not self.objective.is_bounded:
            return math.nan, math.nan
        if self.objective.precondition:
            return self._in_metric(curvature)
        smallest, largest, is_estimate = self.eigenvalues
        l2 = self.scaling.penalty(0.0, self.objective.l2).l2
        if is_estimate or not l2.any():
            return curvature * smallest + float(l2.min()), curvature * largest + float(l2.max())
        H, parted = (curvature / self.total) * self.statistics.G + np.diag(l2), self._parted
        if parted is not None:
            parted = Parted(curvature * parted.S + np.diag(l2[:-1]), parted.means, curvature)
        return extreme_eigenvalues(H, parted)

    def _in_metric(self, curvature: float) -> tuple[float, float]:
        """The same in all directions that have data."""
        return (curvature, curvature) if self._whitening.size else (0.0, 0.0)

    @lazy_property
    def units(self) -> Floats:
        """√H_jj, H the curvatures of squared errors and l2 in the coordinates: the columns' own units."""
        return np.sqrt(2.0 / self.total * np.diag(self.penalised.G))

    @lazy_property
    def least_alike(self) -> float:
        """The least eigenvalue but 0 of H with its columns in like units: those of 1/units."""
        units = np.where(self.units > 0.0, self.units, 1.0)
        H, parted = 2.0 / self.total * self.penalised.G / np.outer(units, units), None
        if self._parted is not None:
            l2 = self.scaling.penalty(0.0, self.objective.l2).l2[:-1]
            S = (2.0 * self._parted.S + np.diag(l2)) / np.outer(units[:-1], units[:-1])
            parted = Parted(S, self._parted.means * (units[-1] / units[:-1]), 1.0)
        return extreme_eigenvalues(H, parted)[0]

    def optimum(self) -> tuple[Floats, float, float]:
        """Weights and intercept of the least cost of squared errors and l2, and that cost."""
        sums = self.penalised
        v = sums.solution()
        w, intercept = self.model(v)
        return w, float(intercept), cost_at(sums, v)

    @lazy_property
    def digits(self) -> float:
        """How many digits of the largest of the optimum's weights are to be had on this data.

        −log10 of eps κ where residuals are refined, κ being the condition number of the columns in like
        units. Of more rows −log10 of 64 eps κ²: 64 covers the rounding of the sums (measured: 98 of 100
        random problems have as many digits). 0 where some column is a sum of others, to rounding; infinite
        with penalties.
        """
        sums, objective = self.statistics, self.objective
        counted = np.count_nonzero(self.scaling.scale) + objective.fit_intercept
        if objective.l1 or objective.l2 or not sums.is_finite() or not counted:
            return math.inf
        if sums.factor.rank < counted:
            return 0.0
        sizes = np.sqrt(np.where(np.diag(sums.G) > 0.0, np.diag(sums.G), 1.0))
        smallest, largest = extreme_eigenvalues(sums.G / np.outer(sizes, sizes))
        kappa = math.sqrt(largest / smallest)
        return -math.log10(EPS * (kappa if self.rows.n <= ACCURATE_ROWS else 64 * kappa * kappa))

    def _squared_gradient(self) -> Callable[[Floats], Floats]:
        """The gradient of the squared loss, a read a call."""
        fold = FoldedObjective(self.rows, SquaredError(), self.scaling, self._n_threads)

        def gradient(theta: Floats) -> Floats:
            self.passes += 1
            return fold(theta)[1]

        return gradient

    @lazy_property
    def largest_square(self) -> float:
        """max s‖x̃‖² of the rows in the coordinates, 1 for the intercept among them."""
        self.passes += 1
        to = self.scaling
        rows = self.transformed(to.shift, to.scale)
        if self._backend == "python":
            largest = float(np.max(np.sum(np.square(rows.X), axis=1)))
        else:
            largest = largest_square(rows, self._n_threads)
        if not math.isfinite(largest):
            rows.refuse_nonfinite()
        return largest

    @lazy_property
    def mean_square(self) -> float:
        """The mean of s‖x̃‖² over the rows in the coordinates, 1 for the intercept among them."""
        total, n, to = self.total, self.rows.n, self.scaling
        if self.seen is not None:
            total, n = self.seen.total, self.seen.n
        if self.objective.is_standardized:
            squares = float(np.sum(np.where(to.scale != 0.0, 1.0 - self._ridge * to.scale**2, 0.0)))
        elif self.seen is not None:
            squares = float(np.sum(self.seen.squares)) / total
        else:
            squares = float(np.sum(self._centred_moments[2])) / total
        return (squares + to.has_intercept) * total / n

    def steady_rate(self, n_steps: int) -> float:
        """A rate of SGD that keeps its noise small over epochs of so many steps.

        1/(L √(2 n_steps)), L the usual curvature of the loss times `mean_square`: near 1/√n_steps the steps'
        noise, which grows with the rate, and what is left of the start, which falls with it, balance.
        """
        loss = self.objective.loss
        usual = self.objective.curvature if loss.usual_curvature is None else loss.usual_curvature
        curvature = usual if self.objective.is_bounded else ratio(1.0, self._reach)
        share = 1.0 - self._rule.momentum
        return ratio(share, curvature * self.mean_square * math.sqrt(2.0 * n_steps))

    def limit(self, solver: str) -> float:
        """Below it full-batch descent converges at a constant rate, and no single step of SGD can amplify."""
        rule, mu = self._rule, self._rule.momentum
        if solver == "sgd":
            bound = self.objective.curvature * self.largest_square
            return ratio(2.0 * (1.0 - mu), bound + self.scaling.penalty(0.0, self.objective.l2).l2.max())
        factor = 4.0 / 3.0 if rule.nesterov else 2.0 * (1.0 + mu)
        return ratio(factor, self.curvatures[1])

    def auto_rate(self, solver: str) -> float:
        """What learning_rate="auto" takes; without a bound of the curvature, in the first epoch."""
        if not self.objective.is_bounded:
            is_sgd = solver == "sgd" or self.rows.d > MOST_COLUMNS
            squares = self.largest_square if is_sgd else float(np.trace(self.statistics.G)) / self.total
            return usable(ratio(self._reach, squares))
        if solver == "sgd":
            return usable(0.5 * self.limit(solver))
        smallest, largest = self.curvatures
        if self._rule.nesterov or self._rule.momentum or self.objective.l1:
            return usable(ratio(1.0, largest))
        return usable(ratio(2.0, largest + max(smallest, SLOWEST * largest)))


def _standard(
    x_ref: Floats, m: Floats, squares: Floats, has_intercept: bool, ridge: float
) -> tuple[Floats, Floats]:
    """shift and scale: the mean and 1/√(variance + ridge); 0 for a constant column (without variance)."""
    variance = squares - m * m if has_intercept else squares
    is_constant = ~(variance > CONSTANT * squares)
    scale = np.zeros(len(m))
    np.divide(1.0, np.sqrt(np.where(is_constant, 1.0, variance + ridge)), out=scale, where=~is_constant)
    return (x_ref + m if has_intercept else np.zeros(len(m))), scale

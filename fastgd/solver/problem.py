"""A dataset and an objective, and what follows from them for a fit: computed at its first use.

The statistics of standardised columns follow from those of u = x − x_ref, without another pass. With
m = mean(u), Σ (u − m)(u − m)ᵀ = Σ uuᵀ − n m mᵀ.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine.blocks import Floats
from fastgd.lazy import lazy_property
from fastgd.penalties import Penalty
from fastgd.solver import blas, centring, curvature, linalg, planner, scaling
from fastgd.solver.curvature import SLOWEST, Eigenvalues, ratio, usable
from fastgd.solver.linalg import EPS, Parted, extreme_eigenvalues
from fastgd.solver.moments import ColumnSums, Moments, read_about, read_column_sums
from fastgd.solver.objective import Objective, UpdateRule
from fastgd.solver.scaling import Scaling
from fastgd.solver.statistics import Reference, Statistics
from fastgd.solver.summaries import Summaries

OFF = 2.0**40
"""If mean²/variance of a column is larger, costs by the statistics keep at most four digits."""


class Problem:
    """A dataset and an objective. Each property takes at most one pass, rarely two, counted in `n_passes`.

    Points are θ of `scaling`, the weights of `descent_rows`. With an intercept, the last is the intercept.
    """

    summaries: Summaries | None = None
    """Statistics and maps of `descent_rows` for single steps of squared errors; see `begin_single_steps`."""

    def __init__(
        self,
        rows: Dataset,
        objective: Objective,
        rule: UpdateRule,
        backend: Backend,
        n_threads: int | None,
        saved: Reference | None = None,
        moments: Moments | None = None,
        earlier: Scaling | None = None,
    ):
        """`saved` and `earlier` are the reference and the scaling of an earlier run, used if the data is the
        same. `moments` are those of the rows of all calls of partial_fit, including these rows."""
        self.rows, self.objective, self._rule = rows, objective, rule
        self.backend, self._n_threads = backend, n_threads
        self._saved, self._earlier, self.given_moments = saved, earlier, moments
        self.is_plain = objective.is_plain and not objective.is_standardized
        """Whether the cost is (1/n) Σ (x·w − y)² and points are w."""
        self._own_passes, self.is_resumed = 0, False
        """`is_resumed`: whether the statistics are about the reference of an earlier run."""
        self._centred: Statistics | None = None
        self.sums_targets = False
        """Whether `centred` sums the targets, as summaries need."""

    @property
    def n_passes(self) -> int:
        return self._own_passes + (self.summaries.n_passes if self.summaries is not None else 0)

    @n_passes.setter
    def n_passes(self, value: int) -> None:
        self._own_passes += value - self.n_passes

    @property
    def total(self) -> float:
        """Σ s."""
        return self.rows.total_weight

    # Scaling ----------------------------------------------------------------------------------------------

    @lazy_property
    def scaling(self) -> Scaling:
        """The scaling: none, or columns centred (with an intercept) and scaled to variance 1."""
        has_intercept = self.objective.fit_intercept
        if not self.objective.is_standardized:
            return scaling.plain(self.rows.d, has_intercept)
        if self.given_moments is not None:
            return self.given_moments.scaling(has_intercept, self.ridge)
        if self._centred is not None:
            sums = ColumnSums.of(self._centred, self.total, has_intercept)
        else:
            sums = self.column_sums
        result = sums.scaling(has_intercept, self.ridge)
        if self._earlier is not None and result.is_near(self._earlier):
            return self._earlier
        return result

    @property
    def ridge(self) -> float:
        """l2/c, which is added to the variances. A column of mean square σ² has the curvature c σ² + l2, the
        intercept has c. Columns scaled by 1/√(σ² + l2/c) have the curvature c too, so one rate suits all."""
        l2 = self.objective.l2
        if not l2:
            return 0.0
        return l2 / self.objective.curvature if self.objective.is_bounded else l2 * self.reach

    @lazy_property
    def descent_rows(self) -> Dataset:
        """The scaled rows √s·[x̃, 1], or the rows themselves."""
        if self.is_plain:
            return self.rows
        return self.transformed(self.scaling.shift, self.scaling.scale)

    def transformed(self, shift: Floats, scale: Floats, *, is_weighted: bool = True) -> TransformedRows:
        has_ones = self.objective.fit_intercept
        return TransformedRows(self.rows, shift, scale, has_ones=has_ones, is_weighted=is_weighted)

    @lazy_property
    def column_sums(self) -> ColumnSums:
        """The column sums. If columns are not standardised, they are about 0, and the means count as 0."""
        of_rows = self.backend, self._n_threads
        if not self.objective.is_standardized:
            self._own_passes += 1
            zeros = np.zeros(self.rows.d)
            return read_about(self.rows, zeros, *of_rows)._replace(sums=zeros)
        saved = self._saved
        x_ref = saved.x_ref if saved is not None and len(saved.x_ref) == self.rows.d else None
        result, n_passes = read_column_sums(self.rows, x_ref, self.objective.fit_intercept, *of_rows)
        self._own_passes += n_passes
        return result

    @property
    def known_moments(self) -> Moments | None:
        """The moments of all rows so far, or None if no pass has computed them."""
        if self.given_moments is None and "column_sums" not in vars(self):
            return None
        return self.given_moments or self.column_sums.moments(self.rows.n)

    # Statistics -------------------------------------------------------------------------------------------

    def begin_single_steps(self, start: Floats) -> Summaries:
        """Use statistics and maps with a movable reference, for single steps from near `start`."""
        rows = self.rows if self.is_plain else self.descent_rows
        self.summaries = Summaries(rows, start, self.backend, self._n_threads, self._saved)
        return self.summaries

    @property
    def _plain_summaries(self) -> Summaries | None:
        """The summaries, if their statistics are those of the objective."""
        return self.summaries if self.is_plain else None

    @property
    def has_statistics(self) -> bool:
        plain = self._plain_summaries
        return self._centred is not None if plain is None else plain.has_statistics

    @property
    def centred(self) -> Statistics:
        """The statistics of √s·[x − x_ref, 1]."""
        if self._centred is None:
            about = self.rows, self.objective.fit_intercept, self.backend, self._n_threads, self._saved
            result = centring.read_centred(*about, has_targets=self.sums_targets)
            self._centred, self.is_resumed = result.statistics, result.is_resumed
            self._own_passes += result.n_passes
        return self._centred

    @property
    def reference(self) -> Reference | None:
        """The reference for a run that continues this one."""
        if self.summaries is not None:
            return self.summaries.reference
        return self._saved if self._centred is None else self._centred.reference

    @property
    def reach(self) -> float:
        """The spread of scores, which replaces 1/curvature if the curvature has no bound."""
        return self.rows.facts.deviation if self.objective.loss.predicts_y else 1.0

    @property
    def holds_digits(self) -> bool:
        """Whether costs by the statistics have digits: false if the statistics overflow, or `is_off`."""
        return self.centred.is_finite and not self.is_off

    @property
    def is_off(self) -> bool:
        """Whether a column is so far from zero that the effects of its weight and of the intercept cancel to
        less than rounding: mean² is more than OFF times the variance, and the column is not centred."""
        if self._centred is None or self._parted is None:
            return False
        variance = np.diag(self._parted.S)
        return bool(((variance > 0.0) & (self._parted.means**2 > OFF * variance)).any())

    @property
    def statistics(self) -> Statistics:
        """The statistics for θ, without penalties. `n` is Σ s."""
        plain = self._plain_summaries
        return self._statistics if plain is None else plain.statistics

    @lazy_property
    def _statistics(self) -> Statistics:
        """The statistics about the reference, or about weights 0 if l2 makes the cost at the reference so
        large that costs at the optimum would lose digits."""
        base = self._about_reference
        d, theta = self.rows.d, base.w_ref
        if not self.objective.l2 or not theta[:d].any() or not base.is_finite:
            return base
        penalised = base.with_l2(self.penalty.l2)
        if not penalised.is_far_from(penalised.least_cost(penalised.solution())):
            return base
        return base.moved(np.append(-theta[:d], np.zeros(len(theta) - d)))

    @lazy_property
    def _about_reference(self) -> Statistics:
        centred = self.centred  # first: the scaling follows from them
        if self.is_plain:
            return centred
        return centring.scaled(centred, self.scaling, self.total, self.objective.is_standardized)

    @lazy_property
    def penalised(self) -> Statistics:
        """The statistics including l2: their cost and gradient have the penalty."""
        return self.statistics.with_l2(self.penalty.l2)

    @lazy_property
    def penalty(self) -> Penalty:
        """The penalty, with one strength for each θ."""
        return self.scaling.penalty(self.objective.l1, self.objective.l2)

    @np.errstate(over="ignore", invalid="ignore")
    def model(self, v: Floats, null: Floats | None = None) -> tuple[Floats, Floats]:
        """(w, intercept) of θ_ref + v + null for v (…, size), with all digits of v."""
        v = v if null is None else v + null
        if self.is_plain:
            return self.statistics.w_ref + v, np.zeros(v.shape[:-1])
        d, to, centred, theta = self.rows.d, self.scaling, self.centred, self.statistics.w_ref
        is_moved = self.statistics is not self._about_reference
        base = np.where((to.scale != 0.0) & ~np.array(is_moved), centred.w_ref[:d], 0.0)
        w = np.where(v[..., :d] == -theta[:d], 0.0, base + v[..., :d] * to.scale)
        if not to.has_intercept:
            return w, np.zeros(v.shape[:-1])
        # The reference has the score Σ (x − x_ref)·a + a_d, which is at_zero for x = 0. v is about the mean.
        at_zero = math.fsum([centred.w_ref[d], *(-centred.x_ref * centred.w_ref[:d]).tolist()])
        dropped = (centred.w_ref[:d] - base) * to.shift
        moved = scaling.sums_of(v[..., :d] * (to.scale * to.shift))
        return w, (at_zero + math.fsum(dropped.tolist())) + (v[..., d] - moved)

    def null_part(self, v: Floats) -> Floats | None:
        """The part of v that changes no score, due to dependent columns; None if it is 0."""
        sums, objective = self.statistics, self.objective
        if objective.l1 or objective.l2 or not sums.is_finite or not len(sums.factor.dependent):
            return None
        null = sums.factor.null_part(v)
        return null if null.any() else None

    def optimum(self) -> tuple[Floats, float, float]:
        """Weights and intercept with the least cost of squared errors and l2, and that cost."""
        if (plain := self._plain_summaries) is not None:
            w, cost = plain.optimum()
            return w, 0.0, cost
        sums = self.penalised
        v = sums.solution()
        w, intercept = self.model(v)
        return w, float(intercept), sums.least_cost(v)

    # Curvature --------------------------------------------------------------------------------------------

    @lazy_property
    def _whitening(self) -> Floats:
        """W (size, rank): in φ with θ = Wφ, G/n including the penalty is the identity."""
        return linalg.factor(self.penalised.G / self.total).whitening()

    def check_metric(self) -> None:
        """Refuse to precondition with statistics that overflow."""
        if self.objective.has_metric_of_statistics and not self.centred.is_finite:
            raise InvalidDataError("X or y is too large for precondition: its squares overflow; scale it")

    @lazy_property
    def metric(self) -> Floats:
        """M = W Wᵀ, which multiplies gradients. It has length 0 without a metric from statistics."""
        if not self.objective.has_metric_of_statistics:
            return np.empty((0, 0))
        W = self._whitening  # reads the data, so it stays outside the block
        with blas.one_thread():
            return np.asarray(W @ W.T, np.float64)

    @lazy_property
    def eigenvalues(self) -> Eigenvalues:
        """Eigenvalues of XᵀSX/Σ s in the scaling, or in φ with preconditioning."""
        if self.objective.has_metric_of_statistics:
            if not (self.objective.l2 and self._whitening.size):
                return Eigenvalues(*self._in_metric(1.0), False)
            W, G = self._whitening, self.statistics.G / self.total
            with blas.one_thread():
                table = W.T @ G @ W
            return Eigenvalues(*extreme_eigenvalues(table), False)
        if self.rows.d > planner.MOST_COLUMNS and self.backend == "numba" and self.rows.has_rows:
            to = None if self.is_plain else self.scaling
            result, n_passes = curvature.estimated_eigenvalues(self.rows, to, self._n_threads)
            self._own_passes += n_passes
            return result
        plain = self._plain_summaries
        # G comes before the sum of the weights, which its pass computes.
        G = self.statistics.G if plain is None else plain.table()
        if not self.is_plain:
            return Eigenvalues(*extreme_eigenvalues(G / self.total, self._parted), False)
        smallest, largest = extreme_eigenvalues(G)
        return Eigenvalues(smallest / self.total, largest / self.total, False)

    @lazy_property
    def _parted(self) -> Parted | None:
        """Covariances and means of columns that are not standardised, if an intercept is fitted."""
        if not self.objective.fit_intercept or self.objective.is_standardized:
            return None
        return curvature.parted(self.centred.G / self.total, self.centred.x_ref)

    @lazy_property
    def curvatures(self) -> tuple[float, float]:
        """The least eigenvalue that is not 0, and the largest, of curvature·XᵀSX/Σ s + l2 >= Hessian."""
        if self.objective.has_metric_of_sample or self.objective.has_models:
            return 1.0, 1.0  # near the optimum
        if not self.objective.is_bounded:
            return math.nan, math.nan
        curvature = self.objective.curvature
        if self.objective.precondition:
            return self._in_metric(curvature)
        smallest, largest, is_estimate = self.eigenvalues
        if not self.objective.l2:
            return curvature * smallest, curvature * largest
        l2 = self.penalty.l2
        if is_estimate or not l2.any():
            return curvature * smallest + float(l2.min()), curvature * largest + float(l2.max())
        H, parted = (curvature / self.total) * self.statistics.G + np.diag(l2), self._parted
        if parted is not None:
            parted = Parted(curvature * parted.S + np.diag(l2[:-1]), parted.means, curvature)
        return extreme_eigenvalues(H, parted)

    def _in_metric(self, curvature: float) -> tuple[float, float]:
        """The extreme curvatures in φ, which has only directions with data."""
        return (curvature, curvature) if self._whitening.size else (0.0, 0.0)

    @lazy_property
    def units(self) -> Floats:
        """The units of the columns: √H_jj with H the Hessian of squared errors and l2 in the scaling."""
        return np.sqrt(2.0 / self.total * np.diag(self.penalised.G))

    @lazy_property
    def least_alike(self) -> float:
        """The least eigenvalue that is not 0 of H with columns in like units, divided by `units`."""
        H = 2.0 / self.total * self.penalised.G
        return curvature.least_in_units(H, self.units, self._parted, self.penalty.l2)

    @lazy_property
    def digits(self) -> float:
        """The number of digits of the largest optimal weight that the data determines.

        With κ the condition number of the columns in like units, it is −log10(eps κ) if residuals are
        refined. For more rows it is −log10(64 eps κ²), where 64 covers the rounding of the sums (98 of 100
        random problems had as many digits). It is 0 if a column is a linear combination of others up to
        rounding, and infinite with penalties.
        """
        sums, objective = self.statistics, self.objective
        counted = np.count_nonzero(self.scaling.scale) + objective.fit_intercept
        if objective.l1 or objective.l2 or not sums.is_finite or not counted:
            return math.inf
        if sums.factor.rank < counted:
            return 0.0
        kappa = math.sqrt(sums.condition_number_in_like_units())
        is_refined = self.rows.n <= centring.ACCURATE_ROWS
        return -math.log10(EPS * (kappa if is_refined else 64 * kappa * kappa))

    @lazy_property
    def largest_square(self) -> float:
        """max s‖x̃‖² of the scaled rows, including 1 for the intercept."""
        self._own_passes += 1
        return curvature.largest_square(self.descent_rows, self.backend, self._n_threads)

    # Rates ------------------------------------------------------------------------------------------------

    def limit(self, solver: str) -> float:
        """The limit below which constant rates converge in full-batch descent, and no SGD step amplifies."""
        rule, mu = self._rule, self._rule.momentum
        if solver == "sgd":
            bound = self.objective.curvature * self.largest_square
            return ratio(2.0 * (1.0 - mu), bound + float(self.penalty.l2.max() if self.objective.l2 else 0.0))
        factor = 4.0 / 3.0 if rule.nesterov else 2.0 * (1.0 + mu)
        return ratio(factor, self.curvatures[1])

    def auto_rate(self, solver: str) -> float:
        """The rate of learning_rate="auto", for the first epoch only if the curvature has no bound."""
        if not self.objective.is_bounded:
            is_sgd = solver == "sgd" or self.rows.d > planner.MOST_COLUMNS
            squares = self.largest_square if is_sgd else float(np.trace(self.statistics.G)) / self.total
            return usable(ratio(self.reach, squares))
        if solver == "sgd":
            return usable(0.5 * self.limit(solver))
        smallest, largest = self.curvatures
        if self._rule.nesterov or self._rule.momentum or self.objective.l1:
            return usable(ratio(1.0, largest))
        slowest = max(SLOWEST * largest, 0.0 if self.eigenvalues.is_estimate else smallest)
        return usable(ratio(2.0, largest + slowest))

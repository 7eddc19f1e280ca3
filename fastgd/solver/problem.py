"""A dataset and an objective: what follows for a fit, computed when it is first needed.

The statistics of standardised columns follow from the centred ones, u = x − x_ref and m = mean(u), without
another pass: Σ (u − m)(u − m)ᵀ = Σ uuᵀ − n m mᵀ.
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
"""Of squares of means to variances: beyond it a cost keeps no more than four digits."""


class Problem:
    """A dataset and an objective. Each property takes at most one pass, rarely two, counted in `n_passes`.

    Points are θ of `scaling`: the weights of the columns of `descent_rows`, the last for the intercept.
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
        """`saved` and `earlier` are the reference and the scaling of an earlier run. They are used where the
        data is the same. `moments` are those of all calls of partial_fit, these rows included."""
        self.rows, self.objective, self._rule = rows, objective, rule
        self._backend, self._n_threads = backend, n_threads
        self._saved, self._earlier, self.given_moments = saved, earlier, moments
        self.is_plain = objective.is_plain and not objective.is_standardized
        """Whether the cost is (1/n) Σ (x·w − y)² and the descent moves in w itself."""
        self._own_passes = 0
        self._centred: Statistics | None = None
        self.is_resumed = False
        """Whether the statistics are about the reference of an earlier run."""

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
        """None, or columns centred (with an intercept) and of variance 1."""
        has_intercept = self.objective.fit_intercept
        if not self.objective.is_standardized:
            return scaling.plain(self.rows.d, has_intercept)
        if self.given_moments is not None:
            return self.given_moments.scaling(has_intercept, self.ridge)
        if self._centred is not None:
            sums = ColumnSums.of(self._centred, self.total, has_intercept)
        else:
            sums = self.column_sums
        found = sums.scaling(has_intercept, self.ridge)
        if self._earlier is not None and found.is_near(self._earlier):
            return self._earlier
        return found

    @property
    def ridge(self) -> float:
        """What l2 adds to the variances: a column of mean square σ² has the curvature c σ² + l2, and the
        intercept has c, for all of which one rate serves once columns are scaled by 1/√(σ² + l2/c)."""
        l2 = self.objective.l2
        if not l2:
            return 0.0
        return l2 / self.objective.curvature if self.objective.is_bounded else l2 * self.reach

    @lazy_property
    def descent_rows(self) -> Dataset:
        """The rows that the descent moves in: √s·[x̃, 1], or the rows themselves."""
        if self.is_plain:
            return self.rows
        return self.transformed(self.scaling.shift, self.scaling.scale)

    def transformed(self, shift: Floats, scale: Floats, *, is_weighted: bool = True) -> TransformedRows:
        has_ones = self.objective.fit_intercept
        return TransformedRows(self.rows, shift, scale, has_ones=has_ones, is_weighted=is_weighted)

    @lazy_property
    def column_sums(self) -> ColumnSums:
        """About 0 where columns are not standardised: their means then count as 0."""
        of_rows = self._backend, self._n_threads
        if not self.objective.is_standardized:
            self._own_passes += 1
            zeros = np.zeros(self.rows.d)
            return read_about(self.rows, zeros, *of_rows)._replace(sums=zeros)
        saved = self._saved
        x_ref = saved.x_ref if saved is not None and len(saved.x_ref) == self.rows.d else None
        found, n_passes = read_column_sums(self.rows, x_ref, self.objective.fit_intercept, *of_rows)
        self._own_passes += n_passes
        return found

    @property
    def known_moments(self) -> Moments | None:
        """The moments of all rows so far, where a pass has computed them."""
        if self.given_moments is None and "column_sums" not in vars(self):
            return None
        return self.given_moments or self.column_sums.moments(self.rows.n)

    # Statistics -------------------------------------------------------------------------------------------

    def begin_single_steps(self, start: Floats) -> Summaries:
        """Use statistics and maps about a reference that moves, for single steps from near `start`."""
        rows = self.rows if self.is_plain else self.descent_rows
        self.summaries = Summaries(rows, start, self._backend, self._n_threads, self._saved)
        return self.summaries

    @property
    def _plain_summaries(self) -> Summaries | None:
        """The summaries, where their statistics are those of the objective."""
        return self.summaries if self.is_plain else None

    @property
    def has_statistics(self) -> bool:
        plain = self._plain_summaries
        return self._centred is not None if plain is None else plain.has_statistics

    @property
    def centred(self) -> Statistics:
        """The statistics of √s·[x − x_ref, 1]."""
        if self._centred is None:
            found = centring.read_centred(
                self.rows, self.objective.fit_intercept, self._backend, self._n_threads, self._saved
            )
            self._centred, n_passes, self.is_resumed = found
            self._own_passes += n_passes
        return self._centred

    @property
    def reference(self) -> Reference | None:
        """The reference for a run that continues this one."""
        if self.summaries is not None:
            return self.summaries.reference
        return self._saved if self._centred is None else self._centred.reference

    @property
    def reach(self) -> float:
        """By how much scores go, in place of one over the curvature where that has no bound."""
        return self.rows.facts.deviation if self.objective.loss.predicts_y else 1.0

    @property
    def holds_digits(self) -> bool:
        """Whether costs by the statistics have any digits: not where these overflow, or columns are off."""
        return self.centred.is_finite and not self.is_off

    @property
    def is_off(self) -> bool:
        """Whether some column is so far from zero that what its weight and the intercept do cancels to less
        than rounding: its mean squared is more than OFF times its variance, and it is not centred."""
        if self._centred is None or self._parted is None:
            return False
        variance = np.diag(self._parted.S)
        return bool(((variance > 0.0) & (self._parted.means**2 > OFF * variance)).any())

    @property
    def statistics(self) -> Statistics:
        """The statistics in θ, without penalties; `n` is Σ s."""
        plain = self._plain_summaries
        return self._statistics if plain is None else plain.statistics

    @lazy_property
    def _statistics(self) -> Statistics:
        """About θ of the reference, or about weights of 0 where l2 makes the cost at the reference so large
        that costs at the optimum would lose digits."""
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
        centred = self.centred  # before the scaling, which follows from them
        if self.is_plain:
            return centred
        return centring.scaled(centred, self.scaling, self.total, self.objective.is_standardized)

    @lazy_property
    def penalised(self) -> Statistics:
        """The statistics with l2 in them: its cost has the l2 penalty, its gradient too."""
        return self.statistics.with_l2(self.penalty.l2)

    @lazy_property
    def penalty(self) -> Penalty:
        """The penalty, with strengths for each θ."""
        return self.scaling.penalty(self.objective.l1, self.objective.l2)

    @np.errstate(over="ignore", invalid="ignore")
    def model(self, v: Floats, null: Floats | None = None) -> tuple[Floats, Floats]:
        """(w, intercept) of θ_ref + v + null, v (…, size): from the reference, with all digits of v."""
        v = v if null is None else v + null
        if self.is_plain:
            return self.statistics.w_ref + v, np.zeros(v.shape[:-1])
        d, to, centred, theta = self.rows.d, self.scaling, self.centred, self.statistics.w_ref
        is_moved = self.statistics is not self._about_reference
        base = np.where((to.scale != 0.0) & ~np.array(is_moved), centred.w_ref[:d], 0.0)
        w = np.where(v[..., :d] == -theta[:d], 0.0, base + v[..., :d] * to.scale)
        if not to.has_intercept:
            return w, np.zeros(v.shape[:-1])
        # score = Σ (x − x_ref)·a + a_d: at x = 0, with a_d moved by v about the mean.
        at_zero = math.fsum([centred.w_ref[d], *(-centred.x_ref * centred.w_ref[:d]).tolist()])
        dropped = (centred.w_ref[:d] - base) * to.shift
        moved = scaling.sums_of(v[..., :d] * (to.scale * to.shift))
        return w, (at_zero + math.fsum(dropped.tolist())) + (v[..., d] - moved)

    def null_part(self, v: Floats) -> Floats | None:
        """The part of v along which columns that are sums of others change no score; None if it is 0."""
        sums, objective = self.statistics, self.objective
        if objective.l1 or objective.l2 or not sums.is_finite or not len(sums.factor.dependent):
            return None
        null = sums.factor.null_part(v)
        return null if null.any() else None

    def optimum(self) -> tuple[Floats, float, float]:
        """Weights and intercept of the least cost of squared errors and l2, and that cost."""
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
        """W (size, rank): in φ, θ = Wφ, the statistics of the columns and their penalty are n times 1."""
        return linalg.factor(self.penalised.G / self.total).whitening()

    def check_metric(self) -> None:
        """Refuse a metric of statistics that overflow."""
        if self.objective.precondition and not self.centred.is_finite:
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
        """Eigenvalues of XᵀSX/Σ s in the scaling, or in the metric."""
        if self.objective.precondition:
            if not (self.objective.l2 and self._whitening.size):
                return Eigenvalues(*self._in_metric(1.0), False)
            W, G = self._whitening, self.statistics.G / self.total
            with blas.one_thread():
                table = W.T @ G @ W
            return Eigenvalues(*extreme_eigenvalues(table), False)
        if self.rows.d > planner.MOST_COLUMNS and self._backend == "numba":
            to = None if self.is_plain else self.scaling
            found, n_passes = curvature.estimated_eigenvalues(self.rows, to, self._n_threads)
            self._own_passes += n_passes
            return found
        plain = self._plain_summaries
        # The table comes before the sum of the weights, which its pass counts.
        G = self.statistics.G if plain is None else plain.table()
        if not self.is_plain:
            return Eigenvalues(*extreme_eigenvalues(G / self.total, self._parted), False)
        smallest, largest = extreme_eigenvalues(G)
        return Eigenvalues(smallest / self.total, largest / self.total, False)

    @lazy_property
    def _parted(self) -> Parted | None:
        """Variances and means apart, beside an intercept in columns that are not standardised."""
        if not self.objective.fit_intercept or self.objective.is_standardized:
            return None
        return curvature.parted(self.centred.G / self.total, self.centred.x_ref)

    @lazy_property
    def curvatures(self) -> tuple[float, float]:
        """Eigenvalues of curvature·XᵀSX/Σ s + l2, which bounds the Hessian: the least but 0, the largest."""
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
        """The same in all directions that have data."""
        return (curvature, curvature) if self._whitening.size else (0.0, 0.0)

    @lazy_property
    def units(self) -> Floats:
        """√H_jj, H the curvatures of squared errors and l2 in the scaling: the columns' own units."""
        return np.sqrt(2.0 / self.total * np.diag(self.penalised.G))

    @lazy_property
    def least_alike(self) -> float:
        """The least eigenvalue but 0 of H with its columns in like units: those of 1/units."""
        H = 2.0 / self.total * self.penalised.G
        return curvature.least_in_units(H, self.units, self._parted, self.penalty.l2)

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
        if objective.l1 or objective.l2 or not sums.is_finite or not counted:
            return math.inf
        if sums.factor.rank < counted:
            return 0.0
        kappa = math.sqrt(sums.condition_number_in_like_units())
        is_refined = self.rows.n <= centring.ACCURATE_ROWS
        return -math.log10(EPS * (kappa if is_refined else 64 * kappa * kappa))

    @lazy_property
    def largest_square(self) -> float:
        """max s‖x̃‖² of the rows in the scaling, 1 for the intercept among them."""
        self._own_passes += 1
        return curvature.largest_square(self.descent_rows, self._backend, self._n_threads)

    # Rates ------------------------------------------------------------------------------------------------

    def limit(self, solver: str) -> float:
        """Below it full-batch descent converges at a constant rate, and no single step of SGD can amplify."""
        rule, mu = self._rule, self._rule.momentum
        if solver == "sgd":
            bound = self.objective.curvature * self.largest_square
            return ratio(2.0 * (1.0 - mu), bound + float(self.penalty.l2.max() if self.objective.l2 else 0.0))
        factor = 4.0 / 3.0 if rule.nesterov else 2.0 * (1.0 + mu)
        return ratio(factor, self.curvatures[1])

    def auto_rate(self, solver: str) -> float:
        """What learning_rate="auto" takes; without a bound of the curvature, in the first epoch."""
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

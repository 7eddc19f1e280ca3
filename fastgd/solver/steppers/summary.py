"""Any number of epochs from one pass: statistics for full-batch descent, maps for SGD."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastgd.data.dataset import Dataset
from fastgd.engine import scan
from fastgd.engine.blocks import Array, Floats
from fastgd.solver.objective import UpdateRule
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.steppers.base import (
    EpochBatch,
    GradientRule,
    StallRule,
    StepperState,
    Until,
    hardly_differ,
)
from fastgd.solver.steppers.streaming import in_order_steps
from fastgd.solver.summaries import Summaries

# An epoch of a compiled loop takes about 100 ns, and 1 ns for each number. A call may take 50 ms.
_EPOCH_NS = 100
_CALL_NS = 50_000_000
ROUNDING = 2.0**-52
"""A point whose relative distance to the optimum is below this is the optimum."""
FAR_WEIGHTS = 2.0**7
"""Weights this many times smaller than w_ref would lose digits in w_ref + u."""


class SummaryDescent(GradientRule):
    """Full-batch descent on statistics: an epoch is a product of G with v. The problem counts the passes.

    The lesson's steps, without momentum, penalty, metric and stopping rule, have a shorter kernel.
    """

    state_attributes = ("w", "before", "_momentum", "has_converged")
    has_costs = True
    has_converged = False
    method: Method = "summary"
    passes = 0

    def __init__(self, problem: Problem, state: StepperState, rule: UpdateRule, until: Until):
        self._sums, self._metric = problem.penalised, problem.metric
        self._rule, self._until, self._state = rule, until, state
        self._l1 = problem.penalty.l1
        self._is_plain = problem.is_plain and rule.is_plain and until.tol < 0.0 and not len(self._metric)
        self._floor, self._units = 0.0, np.zeros(len(state.point))
        if until.tol >= 0.0:
            self._floor, self._units = ROUNDING * problem.least_alike, problem.units
        self.w, self.before, self._momentum = state.point, state.before, state.momentum
        self._h = np.empty(len(self.w))
        self.epochs_per_call = max(1, _CALL_NS // (_EPOCH_NS + len(self.w) ** 2))

    @property
    def memory(self) -> StepperState:
        return replace(self._state, point=self.w, before=self.before, momentum=self._momentum)

    @property
    def has_stalled(self) -> bool:
        if not self._is_plain:
            return super().has_stalled
        return hardly_differ(self.w, self.before, self._sums.w_ref + self.w)

    def start(self, want_cost: bool) -> float | None:
        sums, v, h = self._sums, self.w, self._h
        cost: float
        if self._is_plain:
            from fastgd.kernels import epochs

            cost = epochs.evaluate(sums.G, sums.c, sums.s, sums.n, v, h)
        else:
            from fastgd.kernels import proximal

            proximal.product(sums.G, sums.c, v, h)
            cost = proximal.cost_at(sums.c, sums.s, sums.n, self._l1, sums.w_ref, v, h)
        return cost

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        sums, rule, until = self._sums, self._rule, self._until
        done: int
        if self._is_plain:
            from fastgd.kernels import epochs

            return epochs.descend(
                sums.G, sums.c, sums.s, sums.n, sums.w_ref, self.w, self.before, self._h,
                rates, allow_divergence, batch.costs, batch.weights,
            )  # fmt: skip
        from fastgd.kernels import proximal

        done, self.has_converged = proximal.descend(
            sums.G, sums.c, sums.s, float(sums.n), sums.w_ref, self._l1,
            self.w, self.before, self._momentum, rates, rule.momentum, rule.nesterov,
            until.tol, self._floor, self._units, self._metric, until.patience, allow_divergence, batch.costs,
            batch.weights, batch.norms,
        )  # fmt: skip
        return done


class MapSgd(StallRule):
    """SGD by the maps of blocks: an epoch is a few products of small matrices with a vector.

    In order, the maps are composed to one map. With shuffled blocks, an epoch applies the maps in its order.
    Each epoch scans the blocks whose maps would lose digits. Costs come from the statistics. Without
    `track_cost`, a cost that overflows does not end the run. `summaries` counts the passes for maps.
    """

    state_attributes = ("moved_reference", "is_near_weights", "w", "before", "_epoch", "passes")
    has_costs = True
    method: Method = "summary"

    def __init__(
        self,
        rows: Dataset,
        w: Floats,
        summaries: Summaries,
        all_rates: Floats,
        rates: Floats,
        order: Order,
        track_cost: bool,
        epoch: int,
    ):
        """The pass of `summaries` makes maps for `all_rates`; this run takes `rates` of them: both ascend."""
        from fastgd.kernels import epochs

        self.w, self.before, self.passes = w, np.empty(rows.d), 0
        self._kernels, self._rows, self._summaries, self._order = epochs, rows, summaries, order
        self._all_rates, self._rates, self._track_cost = all_rates, rates, track_cost
        self._epoch = epoch
        self._v, self._h = np.empty(rows.d), np.empty(rows.d)
        self._take_maps()

    def _take_maps(self) -> None:
        """Set the maps of an epoch for each rate of this run."""
        maps = self._summaries.maps(self._all_rates)
        self._statistics = maps.statistics
        indices = np.searchsorted(self._all_rates, self._rates)
        self.is_safe = maps.is_safe[indices]
        whole = [maps.composed(k) for k in indices] if self._order.shuffle is False else []
        if whole and None not in whole:
            self._a, self._b = (np.stack(part) for part in zip(*filter(None, whole), strict=True))
            self._map_rates = self._rates
            self._last_x, self._last_y = maps.last_x[-1:], maps.last_y[-1:]
            self._is_compiled = True
        else:
            self._a, self._b, self._map_rates = maps.a, maps.b, self._all_rates
            self._last_x, self._last_y = maps.last_x, maps.last_y
            self._is_compiled = bool(self.is_safe.all())
        self._n_blocks = self._a.shape[1]
        work = (self._n_blocks + 1) * (self._rows.d * self._rows.d + 4)
        self.epochs_per_call = max(1, _CALL_NS // (_EPOCH_NS + 10 * work)) if self._is_compiled else 1

    @property
    def moved_reference(self) -> Floats | None:
        """The weights that the data was read again about, if it was."""
        return self._summaries.moved_reference

    @moved_reference.setter
    def moved_reference(self, w_ref: Floats | None) -> None:
        if w_ref is not None and self._summaries.recentre(w_ref):
            self._take_maps()

    @property
    def is_near_weights(self) -> bool:
        """Whether the data was read again about weights of this run."""
        return self._summaries.is_near_weights

    @is_near_weights.setter
    def is_near_weights(self, value: bool) -> None:
        if value:
            self._summaries.is_recentred, self._summaries.is_near_weights = False, True

    def start(self, want_cost: bool) -> float | None:
        cost = self._statistics.cost(self.w)
        if cost < self._limits()[0]:
            self._recentre(None)
            cost = self._statistics.cost(self.w)
        return cost if want_cost else None

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        """Do epochs. An epoch that would lose digits is done again about a better reference."""
        done = 0
        while done < len(rates):
            stop = len(rates) if self._is_compiled else done + 1
            n_done, ended_by = self._epochs(rates[done:stop], batch.part(done, stop), allow_divergence)
            done += n_done
            self._epoch += n_done
            if ended_by == self._kernels.FAR_COST:
                self._recentre(None)
            elif ended_by == self._kernels.SMALL_WEIGHTS:
                self._recentre(self.w.copy() if np.abs(self.w).max() < self._limits()[1] else None)
            elif done < stop:
                break
        return done

    def _limits(self) -> tuple[float, float]:
        """The cost and the size of weights below which an epoch is done again, or 0 for never.

        Each epoch is judged on its own, so that no digit depends on the number of epochs in a call.
        """
        summaries, statistics = self._summaries, self._statistics
        is_current = statistics is summaries.statistics
        far = 0.0 if is_current and summaries.is_recentred else statistics.far_cost
        if is_current and (summaries.is_recentred or summaries.is_near_weights):
            return far, 0.0
        return far, float(np.abs(statistics.w_ref).max()) / FAR_WEIGHTS

    def _recentre(self, w: Floats | None) -> None:
        """Read the maps again about the optimum, or about weights w that are small and hardly move."""
        if self._statistics is self._summaries.statistics:  # otherwise another run has done it
            del self._a, self._b  # two sets of maps would take twice the memory
            self._summaries.recentre(w, is_last=w is None)
        self._take_maps()

    def _epochs(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> tuple[int, int]:
        take = self._compiled_epochs if self._is_compiled else self._mixed_epoch
        return take(rates, np.searchsorted(self._map_rates, rates), batch, allow_divergence)

    def _compiled_epochs(
        self, rates: Floats, which: NDArray[np.int64], batch: EpochBatch, allow_divergence: bool
    ) -> tuple[int, int]:
        sums = self._statistics
        # In order, one row of `orders` is enough for all epochs.
        drawn = 1 if self._order.shuffle is False else len(rates)
        orders = self._order.blocks(range(self._epoch, self._epoch + drawn), self._n_blocks)
        return self._kernels.descend_by_maps(
            self._a, self._b, which, orders, self._last_x, self._last_y,
            sums.G, sums.c, sums.s, sums.n, sums.w_ref, self.w, self.before, self._v, self._h,
            allow_divergence, self._track_cost, *self._limits(), batch.costs, batch.losses, batch.weights,
        )  # fmt: skip

    def _mixed_epoch(
        self, rates: Floats, which: NDArray[np.int64], batch: EpochBatch, allow_divergence: bool
    ) -> tuple[int, int]:
        """One epoch with some blocks scanned. It counts as a pass."""
        statistics, k = self._statistics, int(which[0])
        order = self._order.blocks(range(self._epoch, self._epoch + 1), self._n_blocks)[0]
        is_safe = self._summaries.maps(self._all_rates).is_safe[k]
        step = _Mixed(self._a[k], self._b[k], statistics.w_ref, order, is_safe[order], float(rates[0]))
        w, place = self.w.copy(), np.zeros(1, np.int64)
        self.passes += 1
        scan.scan_blocks(self._rows, step, order[~step.is_safe], [w, place])
        step.apply_maps(w, place)
        value, (far, near) = statistics.cost(w), self._limits()
        is_tracked = self._track_cost and len(batch.costs)
        if not (allow_divergence or (np.isfinite(w).all() and (math.isfinite(value) or not is_tracked))):
            return 0, self._kernels.NOTHING
        if np.abs(w).max() < near:
            return 0, self._kernels.SMALL_WEIGHTS
        if value < far:
            return 0, self._kernels.FAR_COST
        self.before[:], self.w[:] = self.w, w
        batch.costs[:] = value
        batch.weights[:] = w
        if len(batch.losses):
            batch.losses[0] = self._kernels.loss(self._last_x[order[-1]], self._last_y[order[-1]], w)
        return 1, self._kernels.NOTHING


@dataclass(frozen=True)
class _Mixed:
    """The steps of a scanned block, after the maps of the blocks before it."""

    a: Floats
    b: Floats
    w_ref: Floats
    order: NDArray[np.int64]
    is_safe: NDArray[np.bool_]
    """Whether each block has a safe map, in the order of the epoch."""
    rate: float

    def apply_maps(self, w: Floats, place: NDArray[np.int64]) -> None:
        """Apply the maps from this place in the order up to the next scanned block."""
        from fastgd.kernels import epochs

        first = int(place[0])
        unsafe = np.flatnonzero(~self.is_safe[first:])
        stop = first + int(unsafe[0]) if len(unsafe) else len(self.order)
        if stop > first:
            u = w - self.w_ref
            epochs.apply_maps(self.a, self.b, self.order[first:stop], u, np.empty(len(w)))
            w[:] = self.w_ref + u
        place[0] = stop

    def __call__(
        self, _start: int, X: Array, y: Array, _weights: Floats, w: Floats, place: NDArray[np.int64]
    ) -> None:
        self.apply_maps(w, place)
        in_order_steps(X.shape[1])(X, y, w, self.rate)
        place += 1

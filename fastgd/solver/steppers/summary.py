"""Any number of epochs from one pass: statistics for full-batch descent, maps for SGD."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from fastgd.data.backend import Backend
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
from fastgd.solver.summaries import AT_OPTIMUM, AT_WEIGHTS, FIRST, Summaries

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

    has_costs = True
    method: Method = "summary"
    backend: Backend = "numba"

    def __init__(self, problem: Problem, rule: UpdateRule, until: Until):
        self._sums, self._metric = problem.penalised, problem.metric
        self._rule, self._until, self._l1 = rule, until, problem.penalty.l1
        self._is_plain = problem.is_plain and rule.is_plain and until.tol < 0.0 and not len(self._metric)
        self._kernels = _kernels(self._is_plain)
        size = problem.scaling.size
        self._floor, self._units = 0.0, np.zeros(size)
        if until.tol >= 0.0:
            self._floor, self._units = ROUNDING * problem.least_alike, problem.units
        self._h = np.empty(size)
        """Memory for kernels."""
        self.epochs_per_call = max(1, _CALL_NS // (_EPOCH_NS + size**2))

    def has_stalled(self, state: StepperState) -> bool:
        if not self._is_plain:
            return super().has_stalled(state)
        return hardly_differ(state.point, state.before, self._sums.w_ref + state.point)

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        sums, v, h = self._sums, state.point, self._h
        cost: float
        if self._is_plain:
            cost = self._kernels.evaluate(sums.G, sums.c, sums.s, sums.n, v, h)
        else:
            self._kernels.product(sums.G, sums.c, v, h)
            cost = self._kernels.cost_at(sums.c, sums.s, sums.n, self._l1, sums.w_ref, v, h)
        return state, cost

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        sums, rule, until = self._sums, self._rule, self._until
        v, before = state.point.copy(), state.before.copy()
        done: int
        if self._is_plain:
            done = self._kernels.descend(
                sums.G, sums.c, sums.s, sums.n, sums.w_ref, v, before, self._h,
                rates, allow_divergence, batch.costs, batch.weights, batch.gradients[:, 0],
            )  # fmt: skip
            return StepperState(v, before, *state[2:]), done  # `_replace` takes three times as long
        momentum = state.momentum.copy()
        done, has_converged = self._kernels.descend(
            sums.G, sums.c, sums.s, float(sums.n), sums.w_ref, self._l1,
            v, before, momentum, rates, rule.momentum, rule.nesterov,
            until.tol, self._floor, self._units, self._metric, until.patience, allow_divergence, batch.costs,
            batch.weights, batch.norms, batch.gradients[:, 0],
        )  # fmt: skip
        changed = state._replace(point=v, before=before, momentum=momentum, has_converged=has_converged)
        return changed, done


def _kernels(is_plain: bool) -> ModuleType:
    """The kernels of plain steps, or those of any update rule."""
    if is_plain:
        from fastgd.kernels import epochs

        return epochs
    from fastgd.kernels import proximal

    return proximal


class _RunMaps:
    """The maps that the epochs of a run apply: one map of all blocks for each rate, or the maps of blocks.

    is_safe (rates of the run, blocks) says whether a map has the digits of its steps, all_safe (rates of all
    runs, blocks) the same for each rate of `summaries`.
    """

    def __init__(self, summaries: Summaries, all_rates: Floats, rates: Floats, is_in_order: bool):
        maps = summaries.maps(all_rates)
        self.statistics, self.stage = maps.statistics, summaries.stage
        indices = np.searchsorted(maps.rates, rates)
        self.all_safe, self.is_safe = maps.is_safe, maps.is_safe[indices]
        whole = [maps.composed(k) for k in indices] if is_in_order else []
        if whole and None not in whole:
            self.a, self.b = (np.stack(part) for part in zip(*filter(None, whole), strict=True))
            self.rates, self.is_compiled = rates, True
            self.last_x, self.last_y = maps.last_x[-1:], maps.last_y[-1:]
        else:
            self.a, self.b, self.rates = maps.a, maps.b, maps.rates
            self.last_x, self.last_y = maps.last_x, maps.last_y
            self.is_compiled = bool(self.is_safe.all())
        self.n_blocks = self.a.shape[1]


class MapSgd(StallRule):
    """SGD by the maps of blocks: an epoch is a few products of small matrices with a vector.

    In order, the maps are composed to one map. With shuffled blocks, an epoch applies the maps in its order.
    Each epoch scans the blocks whose maps would lose digits. Costs come from the statistics. Without
    `track_cost`, a cost that overflows does not end the run. `summaries` reads the maps, again about a better
    reference if need be, and counts those passes.
    """

    has_costs = True
    method: Method = "summary"
    backend: Backend = "numba"

    def __init__(
        self,
        rows: Dataset,
        summaries: Summaries,
        all_rates: Floats,
        rates: Floats,
        order: Order,
        track_cost: bool,
    ):
        """The pass of `summaries` makes maps for `all_rates`; this run takes `rates` of them: both ascend."""
        from fastgd.kernels import epochs

        self._kernels, self._rows, self._summaries, self._order = epochs, rows, summaries, order
        self._all_rates, self._rates, self._track_cost = all_rates, rates, track_cost
        self._v, self._h = np.empty(rows.d), np.empty(rows.d)
        """Memory for kernels."""
        self._taken: _RunMaps | None = None
        maps = self._maps(FIRST)
        self.is_safe = maps.is_safe
        work = (maps.n_blocks + 1) * (rows.d * rows.d + 4)
        self.epochs_per_call = max(1, _CALL_NS // (_EPOCH_NS + 10 * work)) if maps.is_compiled else 1

    def _maps(self, stage: int) -> _RunMaps:
        """The maps about a reference of at least this stage."""
        if self._taken is None or self._taken.stage < stage:
            is_in_order = self._order.shuffle is False
            self._taken = _RunMaps(self._summaries, self._all_rates, self._rates, is_in_order)
        return self._taken

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        cost = self._maps(state.stage).statistics.cost(state.point)
        if cost < self._limits(state.stage)[0]:
            state = self._recentred(state, None)
            cost = self._maps(state.stage).statistics.cost(state.point)
        return state, cost if want_cost else None

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        """Do epochs. An epoch that would lose digits is done again about a better reference."""
        done = 0
        while done < len(rates):
            is_compiled = self._maps(state.stage).is_compiled
            take = self._compiled_epochs if is_compiled else self._mixed_epoch
            stop = len(rates) if is_compiled else done + 1
            state, n_done, ended_by = take(state, rates[done:stop], batch.part(done, stop), allow_divergence)
            done += n_done
            if ended_by == self._kernels.FAR_COST:
                state = self._recentred(state, None)
            elif ended_by == self._kernels.SMALL_WEIGHTS:
                w = state.point
                state = self._recentred(state, w if np.abs(w).max() < self._limits(state.stage)[1] else None)
            elif done < stop:
                break
        return state, done

    def _limits(self, stage: int) -> tuple[float, float]:
        """The cost and the size of weights below which an epoch is done again, or 0 for never.

        Each epoch is judged on its own, so that no digit depends on the number of epochs in a call.
        """
        maps = self._maps(stage)
        far = 0.0 if maps.stage == AT_OPTIMUM else maps.statistics.far_cost
        near = 0.0 if maps.stage else float(np.abs(maps.statistics.w_ref).max()) / FAR_WEIGHTS
        return far, near

    def _recentred(self, state: StepperState, w: Floats | None) -> StepperState:
        """The state with maps about the optimum, or about weights w that are small and hardly move."""
        summaries, is_current = self._summaries, self._maps(state.stage).stage == self._summaries.stage
        self._taken = None  # two sets of maps would take twice the memory
        if is_current:  # otherwise another run has moved the reference
            summaries.recentre(w, AT_OPTIMUM if w is None else AT_WEIGHTS)
        return state._replace(stage=summaries.stage)

    def _compiled_epochs(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int, int]:
        maps, w, epoch_start = self._maps(state.stage), state.point.copy(), state.epoch_start.copy()
        sums = maps.statistics
        # In order, one row of `orders` is enough for all epochs.
        drawn = 1 if self._order.shuffle is False else len(rates)
        orders = self._order.blocks(range(state.epoch, state.epoch + drawn), maps.n_blocks)
        done, ended_by = self._kernels.descend_by_maps(
            maps.a, maps.b, np.searchsorted(maps.rates, rates), orders, maps.last_x, maps.last_y,
            sums.G, sums.c, sums.s, sums.n, sums.w_ref, w, epoch_start, self._v, self._h,
            allow_divergence, self._track_cost, *self._limits(state.stage),
            batch.costs, batch.losses, batch.weights,
        )  # fmt: skip
        return state._replace(point=w, epoch_start=epoch_start, epoch=state.epoch + done), done, ended_by

    def _mixed_epoch(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int, int]:
        """One epoch with some blocks scanned. It counts as a pass."""
        maps = self._maps(state.stage)
        statistics, k = maps.statistics, int(np.searchsorted(maps.rates, rates[0]))
        order = self._order.blocks(range(state.epoch, state.epoch + 1), maps.n_blocks)[0]
        is_safe = maps.all_safe[k]
        step = _Mixed(maps.a[k], maps.b[k], statistics.w_ref, order, is_safe[order], float(rates[0]))
        w, place = state.point.copy(), np.zeros(1, np.int64)
        passes = state.passes + 1
        scan.scan_blocks(self._rows, step, order[~step.is_safe], [w, place])
        step.apply_maps(w, place)
        value, (far, near) = statistics.cost(w), self._limits(state.stage)
        is_tracked = self._track_cost and len(batch.costs)
        ended_by = self._kernels.NOTHING
        is_valid = allow_divergence or (np.isfinite(w).all() and (math.isfinite(value) or not is_tracked))
        if is_valid and np.abs(w).max() < near:
            ended_by = self._kernels.SMALL_WEIGHTS
        elif is_valid and value < far:
            ended_by = self._kernels.FAR_COST
        if not is_valid or ended_by != self._kernels.NOTHING:
            return state._replace(passes=passes), 0, ended_by
        batch.costs[:] = value
        batch.weights[:] = w
        if len(batch.losses):
            batch.losses[0] = self._kernels.loss(maps.last_x[order[-1]], maps.last_y[order[-1]], w)
        epoch = state.epoch + 1
        return state._replace(point=w, epoch_start=state.point, epoch=epoch, passes=passes), 1, ended_by


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

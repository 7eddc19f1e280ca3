"""One block of rows: the textbook's loops, compiled, with all their digits."""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np

from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.steppers.base import EpochBatch, StallRule, StepperState, hardly_differ

# An epoch of a compiled loop takes about this many nanoseconds for each number. A call may take 50 ms.
_STRICT_NS = 10
_CALL_NS = 50_000_000


class BlockDescent:
    """Full-batch descent on one block by the textbook's compiled loop."""

    has_costs = True
    method: Method = "stream"

    def __init__(self, rows: Dataset):
        self._kernels = _strict()
        self._X, self._y, _ = rows.whole()
        self.epochs_per_call = _epochs_per_call(rows)

    def has_stalled(self, state: StepperState) -> bool:
        return hardly_differ(state.point, state.before, state.point)

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        gradient = np.empty(len(state.point))
        cost = self._kernels.cost_and_gradient(self._X, self._y, state.point, 2.0, gradient)
        return _changed(state, state.point, state.before, state.epoch_start, gradient, 0, 1), cost

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        w, before, gradient = state.point.copy(), state.before.copy(), state.gradient.copy()
        done: int = self._kernels.descend(
            self._X,
            self._y,
            w,
            before,
            gradient,
            rates,
            2.0,
            allow_divergence,
            batch.costs,
            batch.weights,
        )
        return _changed(state, w, before, state.epoch_start, gradient, 0, min(done + 1, len(rates))), done


class BlockSgd(StallRule):
    """SGD on one block by the textbook's compiled loop. Costs take little time, so they are always
    recorded."""

    has_costs = True
    method: Method = "stream"

    def __init__(self, rows: Dataset, order: Order):
        self._kernels, self._order = _strict(), order
        self._X, self._y, _ = rows.whole()
        self.epochs_per_call = 1 if order.shuffle is True else _epochs_per_call(rows)

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        if not want_cost:
            return state, None
        cost = self._kernels.cost(self._X, self._y, state.point, 2.0)
        return _changed(state, state.point, state.before, state.epoch_start, state.gradient, 0, 1), cost

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        X, y = self._X, self._y
        if self._order.shuffle is True:
            order = self._order.rows(state.epoch, len(y))
            X, y = X[order], y[order]
        w, epoch_start = state.point.copy(), state.epoch_start.copy()
        done: int = self._kernels.descend_in_order(
            X,
            y,
            w,
            epoch_start,
            rates,
            2.0,
            allow_divergence,
            batch.costs,
            batch.losses,
            batch.weights,
            batch.gradients,
        )
        n_passes = min(done + 1, len(rates)) * (2 if len(batch.costs) else 1)
        return _changed(state, w, state.before, epoch_start, state.gradient, done, n_passes), done


def _changed(
    state: StepperState,
    point: Floats,
    before: Floats,
    epoch_start: Floats,
    gradient: Floats,
    n_epochs: int,
    n_passes: int,
) -> StepperState:
    """The state with these arrays, after more epochs of SGD and more passes.

    (`_replace` takes three times as long, which tiny fits would notice.)
    """
    _, _, momentum, average, counts, _, _, epoch, passes, *_ = state
    return StepperState(
        point, before, momentum, average, counts, epoch_start, gradient, epoch + n_epochs, passes + n_passes
    )


@functools.cache
def _strict() -> ModuleType:
    """The kernels, imported at the first fit; a cached call is shorter than an import statement."""
    from fastgd.kernels import strict

    return strict


def _epochs_per_call(rows: Dataset) -> int:
    return max(1, _CALL_NS // (_STRICT_NS * rows.n * (rows.d + 3)))

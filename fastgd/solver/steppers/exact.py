"""One block of rows: the textbook's loops with all their digits, compiled or in plain Python."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np

from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.steppers import twin
from fastgd.solver.steppers.base import EpochBatch, StallRule, StepperState, hardly_differ

# An epoch of a compiled loop takes about this many nanoseconds for each number. A call may take 50 ms.
_STRICT_NS = 10
_CALL_NS = 50_000_000
_NO_STEP, _NO_VECTORS = np.zeros(1), np.empty((0, 0))


class _Block:
    """The rows of one block, and the loops that run on them: `kernels/strict.py` or their twin."""

    has_costs = True
    method: Method = "stream"

    def __init__(self, rows: Dataset, backend: Backend = "numba"):
        self.backend, self._loops = backend, _strict() if backend == "numba" else twin
        X, y, _ = rows.whole()
        self._X: Any = X if backend == "numba" else X.astype(np.float64).tolist()
        self._y: Any = y if backend == "numba" else y.astype(np.float64).tolist()
        self.epochs_per_call = max(1, _CALL_NS // (_STRICT_NS * rows.n * (rows.d + 3)))


class BlockDescent(_Block):
    """Full-batch descent on one block by the textbook's loop."""

    has_gradients = True

    def has_stalled(self, state: StepperState) -> bool:
        return hardly_differ(state.point, state.before, state.point)

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        point, gradient, costs = state.point, np.zeros(len(state.point)), np.empty(1)
        scratch = point.copy()
        # An epoch with rate 0, so that one kernel is enough.
        self._loops.descend(
            self._X, self._y, scratch, scratch, gradient, _NO_STEP, 2.0, True, costs, _NO_VECTORS, _NO_VECTORS
        )
        return _changed(state, point, state.before, state.epoch_start, gradient, 0, 1), costs.item(0)

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        w, before, gradient = state.point.copy(), state.before.copy(), state.gradient.copy()
        done: int = self._loops.descend(
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
            batch.gradients[:, 0],
        )
        return _changed(state, w, before, state.epoch_start, gradient, 0, min(done + 1, len(rates))), done


class BlockSgd(_Block, StallRule):
    """SGD on one block by the textbook's loop. Costs take little time, so they are always recorded."""

    def __init__(self, rows: Dataset, order: Order, backend: Backend = "numba"):
        super().__init__(rows, backend)
        self._order = order
        if order.shuffle is True:
            self.epochs_per_call = 1

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        if not want_cost:
            return state, None
        cost = self._loops.cost(self._X, self._y, state.point, 2.0)
        return _changed(state, state.point, state.before, state.epoch_start, state.gradient, 0, 1), cost

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        X, y = self._X, self._y
        if self._order.shuffle is True:
            order = self._order.rows(state.epoch, len(y))
            X, y = X[order], y[order]
        w, epoch_start = state.point.copy(), state.epoch_start.copy()
        done: int = self._loops.descend_in_order(
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

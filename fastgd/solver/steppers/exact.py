"""One block of rows: the textbook's loops, compiled, with all their digits."""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np

from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.steppers.base import EpochBatch, StallRule

# An epoch of a compiled loop takes about this many nanoseconds for each number. A call may take 50 ms.
_STRICT_NS = 10
_CALL_NS = 50_000_000


class BlockDescent(StallRule):
    """Full-batch descent on one block by the textbook's compiled loop."""

    state_attributes = ("w", "before", "_gradient", "passes")
    has_costs = True
    method: Method = "stream"

    def __init__(self, rows: Dataset, w: Floats):
        self.w, self.passes = w, 0
        self._kernels = _strict()
        self._X, self._y, _ = rows.whole()
        self.before, self._gradient = np.empty(rows.d), np.empty(rows.d)
        self.epochs_per_call = _epochs_per_call(rows)

    def start(self, want_cost: bool) -> float | None:
        self.passes += 1
        return self._kernels.cost_and_gradient(self._X, self._y, self.w, 2.0, self._gradient)

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        done: int = self._kernels.descend(
            self._X,
            self._y,
            self.w,
            self.before,
            self._gradient,
            rates,
            2.0,
            allow_divergence,
            batch.costs,
            batch.weights,
        )
        self.passes += min(done + 1, len(rates))
        return done


class BlockSgd(StallRule):
    """SGD on one block by the textbook's compiled loop. Costs take little time, so they are always
    recorded."""

    state_attributes = ("w", "before", "_epoch", "passes")
    has_costs = True
    method: Method = "stream"

    def __init__(self, rows: Dataset, w: Floats, order: Order, epoch: int):
        self.w, self.passes = w, 0
        self._kernels, self._order, self._epoch = _strict(), order, epoch
        self._X, self._y, _ = rows.whole()
        self.before = np.empty(rows.d)
        self.epochs_per_call = 1 if order.shuffle is True else _epochs_per_call(rows)

    def start(self, want_cost: bool) -> float | None:
        if not want_cost:
            return None
        self.passes += 1
        return self._kernels.cost(self._X, self._y, self.w, 2.0)

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        X, y = self._X, self._y
        if self._order.shuffle is True:
            order = self._order.rows(self._epoch, len(y))
            X, y = X[order], y[order]
        done: int = self._kernels.descend_in_order(
            X,
            y,
            self.w,
            self.before,
            rates,
            2.0,
            allow_divergence,
            batch.costs,
            batch.losses,
            batch.weights,
            batch.gradients,
        )
        self._epoch += done
        self.passes += min(done + 1, len(rates)) * (2 if len(batch.costs) else 1)
        return done


@functools.cache
def _strict() -> ModuleType:
    """The kernels, imported at the first fit; a cached call is shorter than an import statement."""
    from fastgd.kernels import strict

    return strict


def _epochs_per_call(rows: Dataset) -> int:
    return max(1, _CALL_NS // (_STRICT_NS * rows.n * (rows.d + 3)))

"""The plain loops in pure Python: what `backend="python"` runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastgd import reference
from fastgd.data.dataset import Table
from fastgd.engine.blocks import Floats, block_rows
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.steppers.base import EpochBatch, StallRule


class _Twin(StallRule):
    """What the two twins share: the rows as lists, w as the number or the list that `reference` takes."""

    epochs_per_call = 1
    method: Method = "stream"

    def __init__(self, rows: Table, w: Floats):
        self.w, self.before, self.passes = w, w, 0
        self._xs, self._ys, _ = rows.lists()
        self._is_scalar = rows.is_scalar

    def _plain(self) -> Any:
        return float(self.w[0]) if self._is_scalar else self.w.tolist()

    def _cost(self, w: Any) -> float:
        self.passes += 1
        return reference.cost(self._xs, self._ys, w)

    def _take(self, w: Any, value: float, batch: EpochBatch, allow_divergence: bool) -> bool:
        if not (allow_divergence or (math.isfinite(value) and np.isfinite(w).all())):
            return False
        self.before, self.w = self.w, np.array(w, dtype=np.float64).reshape(-1)
        batch.costs[:] = value
        batch.weights[:] = w
        return True


class TwinDescent(_Twin):
    """Full-batch descent in plain Python."""

    state_attributes = ("w", "before", "_gradient", "passes")
    has_costs = True

    def start(self, want_cost: bool) -> float | None:
        w = self._plain()
        self._gradient = reference.gradient(self._xs, self._ys, w)
        return self._cost(w)

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        w = reference.step(self._plain(), self._gradient, float(rates[0]))
        gradient = reference.gradient(self._xs, self._ys, w)
        if not self._take(w, self._cost(w), batch, allow_divergence):
            return 0
        self._gradient = gradient
        return 1


class TwinSgd(_Twin):
    """SGD in plain Python."""

    state_attributes = ("w", "before", "_epoch", "passes")

    def __init__(self, rows: Table, w: Floats, order: Order, epoch: int):
        super().__init__(rows, w)
        self.has_costs = rows.is_one_block
        self._order, self._epoch, self._block_rows = order, epoch, block_rows(rows.d)

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self._plain()) if want_cost else None

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        w, rate = self._plain(), float(rates[0])
        self.passes += 1
        xs, ys = self._xs, self._ys
        order = self._order.indices(self._epoch, len(ys), self._block_rows)
        for step, i in enumerate(order):
            grad = reference.sample_gradient(xs[i], ys[i], w)
            w = reference.step(w, grad, rate)
            if len(batch.gradients):
                batch.gradients[0, step] = grad
        if not self._take(w, self._cost(w) if len(batch.costs) else 0.0, batch, allow_divergence):
            return 0
        if len(batch.losses):
            batch.losses[0] = reference.loss(xs[order[-1]], ys[order[-1]], w)
        self._epoch += 1
        return 1

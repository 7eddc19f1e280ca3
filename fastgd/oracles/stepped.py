"""SGD of any objective, by any rule: a scan an epoch, a step a row or a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from fastgd import engine
from fastgd.data.arrays import Table
from fastgd.data.transformed import TransformedRows
from fastgd.engine import Array, Floats
from fastgd.geometry import Geometry
from fastgd.objective import Rule
from fastgd.oracles.base import OVERFLOW_IS_SEEN, Histories, Memory, Stillness
from fastgd.oracles.folded import FoldedObjective
from fastgd.orders import Order
from fastgd.planner import Method

_NONE: Floats = np.empty(0)
_Step = Callable[[Array, Array, Floats, bool], None]
_Last = tuple[Array, float, float]
"""The x, y and weight of an epoch's last row."""


class ScannedSgd(Stillness):
    """SGD in any order; single rows' steps without l1 or momentum are taken several together.

    The point that moves is θ of the coordinates; standardised rows are made as they are read.
    """

    epochs_per_call = 1
    has_costs = False
    method: Method = "stream"

    def __init__(
        self, geometry: Geometry, memory: Memory, rule: Rule, order: Order, epoch: int, n_threads: int | None
    ):
        from fastgd.kernels import steps

        self._kernels: ModuleType = steps
        objective, to = geometry.objective, geometry.coordinates
        self._objective, self._rule, self._order, self._epoch = objective, rule, order, epoch
        self._fold = FoldedObjective(geometry.rows, objective.weights, objective.loss, to, n_threads)
        self._penalty = to.penalty(objective.l1, objective.l2)
        self._rows: Table = geometry.rows
        if objective.standardize:
            self._rows = TransformedRows(geometry.rows, to.shift, to.scale, has_ones=False)
        self.w, self.before, self.memory, self.passes = memory.point, memory.before, memory, 0
        is_even = not objective.l2 or not objective.standardize
        self._is_blocked = rule.is_plain and not objective.l1 and is_even

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self.w) if want_cost else None

    def _cost(self, theta: Floats) -> float:
        self.passes += 1
        return self._fold(theta)[0] + self._penalty.value(theta)

    def average(self) -> Floats | None:
        """The mean of the iterates that count, where there are any."""
        done, first = self.memory.counts
        return self.memory.average if 0 <= first < done else None

    @OVERFLOW_IS_SEEN
    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        memory = self.memory
        theta, before, rate = self.w.copy(), memory.before.copy(), float(rates[0])
        average, counts = memory.average.copy(), memory.counts.copy()
        if self._is_blocked:
            before = self.w.copy()
            last = self._blocked(theta, rate)
            if not np.isfinite(theta).all() and np.isfinite(self.w).all():
                # Products of several rows overflow before the steps do: these have the last word.
                theta = self.w.copy()
                last = self._plain(theta, before, average, counts, rate)
        else:
            last = self._plain(theta, before, average, counts, rate)
        cost = self._cost(theta) if len(keep.costs) else 0.0
        if not (go_on or (math.isfinite(cost) and np.isfinite(theta).all())):
            return 0
        self.memory = Memory(theta, before, memory.momentum, average, counts)
        self.before, self.w = self.w, theta
        self._epoch += 1
        keep.costs[:] = cost
        keep.weights[:] = theta
        if len(keep.losses):
            keep.losses[0] = self._loss(theta, *last)
        return 1

    def _loss(self, theta: Floats, x: Array, y: float, weight: float) -> float:
        """The loss of the last row, times its weight."""
        d = len(x)
        score = float(np.sum(x * theta[:d])) + (float(theta[d]) if len(theta) > d else 0.0)
        return weight * float(self._objective.loss.value(score, y))

    def _blocked(self, theta: Floats, rate: float) -> _Last:
        d, objective = self._rows.d, self._objective
        w, b, l2 = theta[:d], theta[d:], float(objective.l2)
        intercept = b if len(b) else np.zeros(1)

        def task(X: Array, y: Array, weights: Floats, _is_last: bool) -> None:
            self._kernels.run_blocked(X, y, weights, w, intercept, objective.loss, rate, l2, len(b) > 0)

        return self._scan(task)

    def _plain(
        self, theta: Floats, before: Floats, average: Floats, counts: NDArray[np.int64], rate: float
    ) -> _Last:
        d, loss, rule, penalty = self._rows.d, self._objective.loss, self._rule, self._penalty
        pending, has_intercept = np.zeros(d + 3), len(theta) > d
        parts = [part if len(part) else np.zeros(1) for part in (theta[d:], before[d:], average[d:])]
        b, before_b, average_b = parts

        def task(X: Array, y: Array, weights: Floats, is_last: bool) -> None:
            self._kernels.run_plain(
                X, y, weights, theta[:d], b, before[:d], before_b, loss, rate, penalty.l1[:d], penalty.l2[:d],
                rule.momentum, rule.nesterov, rule.batch_size, pending, average[:d], average_b, counts,
                has_intercept, is_last,
            )  # fmt: skip

        return self._scan(task)

    def _scan(self, step: _Step) -> _Last:
        """Call `step(X, y, weights, is_last)` on runs in this epoch's order; returns the last row."""
        self.passes += 1
        rows, order, weights, n = self._rows, self._order, self._objective.weights, self._rows.n
        taken = 0
        last: _Last = _NONE, 0.0, 1.0
        numbers = order.rows(self._epoch, n) if order.shuffle is True else None

        def task(start: int, X: Array, y: Array) -> None:
            nonlocal taken, last
            taken += len(y)
            these = slice(start, start + len(y)) if numbers is None else numbers[start : start + len(y)]
            part = weights[these] if len(weights) else _NONE
            step(X, y, part, taken == n)
            last = X[-1].copy(), float(y[-1]), float(part[-1]) if len(part) else 1.0

        if numbers is not None:
            engine.scan_rows(rows, task, numbers)
        elif order.shuffle == "blocks":
            n_blocks = -(-n // engine.block_rows(rows.d))
            engine.scan_blocks(rows, task, order.blocks(range(self._epoch, self._epoch + 1), n_blocks)[0])
        else:
            engine.scan(rows, task)
        return last

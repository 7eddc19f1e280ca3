"""SGD of any objective, by any rule: a scan an epoch, a step a row or a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import reference
from fastgd.data.dataset import Table
from fastgd.data.transform import TransformedRows
from fastgd.engine import scan
from fastgd.engine.blocks import Array, Floats, Step, block_rows
from fastgd.losses import Loss
from fastgd.solver.objective import Rule
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.steppers.base import OVERFLOW_IS_SEEN, EpochBatch, StallRule, StepperState
from fastgd.solver.steppers.folded import FoldedObjective


class ScannedSgd(StallRule):
    """SGD in any order; single rows' steps without l1 or momentum are taken several together.

    The point that moves is θ of the coordinates; standardised rows are made as they are read.
    """

    state_attributes = ("w", "before", "memory", "_epoch", "passes")
    epochs_per_call = 1
    has_costs = False
    method: Method = "stream"

    def __init__(
        self,
        problem: Problem,
        memory: StepperState,
        rule: Rule,
        order: Order,
        epoch: int,
        n_threads: int | None,
    ):
        objective, to = problem.objective, problem.scaling
        self._objective, self._rule, self._order, self._epoch = objective, rule, order, epoch
        self._fold = FoldedObjective(problem.rows, objective.loss, to, n_threads)
        self._penalty = to.penalty(objective.l1, objective.l2)
        self._rows: Table = problem.rows
        if objective.standardize:
            self._rows = TransformedRows(problem.rows, to.shift, to.scale, has_ones=False, is_weighted=False)
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
    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
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
        cost = self._cost(theta) if len(batch.costs) else 0.0
        if not (allow_divergence or (math.isfinite(cost) and np.isfinite(theta).all())):
            return 0
        self.memory = StepperState(theta, before, memory.momentum, average, counts)
        self.before, self.w = self.w, theta
        self._epoch += 1
        batch.costs[:] = cost
        batch.weights[:] = theta
        if len(batch.losses):
            batch.losses[0] = self._loss(theta, last)
        return 1

    def _loss(self, theta: Floats, last: Floats) -> float:
        """The loss of the last row, times its weight."""
        d = len(last) - 2
        score = float(np.sum(last[:d] * theta[:d])) + (float(theta[d]) if len(theta) > d else 0.0)
        return float(last[-1]) * reference.value(self._objective.loss, score, float(last[d]))

    def _blocked(self, theta: Floats, rate: float) -> Floats:
        d, objective = self._rows.d, self._objective
        step = _Blocked(objective.loss, rate, float(objective.l2), len(theta) > d)
        w, b, last = theta[:d], _or_one(theta[d:]), np.empty(d + 2)
        self._scan(step, [w, b, last])
        return last

    def _plain(
        self, theta: Floats, before: Floats, average: Floats, counts: NDArray[np.int64], rate: float
    ) -> Floats:
        rows, rule, penalty = self._rows, self._rule, self._penalty
        d, last = rows.d, np.empty(rows.d + 2)
        step = _Plain(
            self._objective.loss, rate, penalty.l1[:d], penalty.l2[:d],
            rule.momentum, rule.nesterov, rule.batch_size, len(theta) > d, rows.n,
        )  # fmt: skip
        b, before_b, average_b = (_or_one(part[d:]) for part in (theta, before, average))
        pending, taken = np.zeros(d + 3), np.zeros(1, np.int64)
        moving: list[Any] = [theta[:d], b, before[:d], before_b, pending, average[:d], average_b, counts]
        self._scan(step, [*moving, last, taken])
        return last

    def _scan(self, step: Step, state: list[Any]) -> None:
        """Take the steps of this epoch's order."""
        self.passes += 1
        rows, order = self._rows, self._order
        if order.shuffle is True:
            scan.scan_rows(rows, step, order.rows(self._epoch, rows.n), state)
        elif order.shuffle == "blocks":
            n_blocks = -(-rows.n // block_rows(rows.d))
            blocks = order.blocks(range(self._epoch, self._epoch + 1), n_blocks)[0]
            scan.scan_blocks(rows, step, blocks, state)
        else:
            scan.scan(rows, step, state)


def _or_one(part: Floats) -> Floats:
    """What the kernels take for an intercept where there is none."""
    return part if len(part) else np.zeros(1)


def _keep(last: Floats, X: Array, y: Array, weights: Floats) -> None:
    """x, y and the weight of the last row."""
    last[:-2], last[-2], last[-1] = X[-1], y[-1], weights[-1] if len(weights) else 1.0


@dataclass(frozen=True)
class _Blocked:
    """Single rows' steps, several together."""

    loss: Loss
    rate: float
    l2: float
    has_intercept: bool

    def __call__(
        self, _start: int, X: Array, y: Array, weights: Floats, w: Floats, b: Floats, last: Floats
    ) -> None:
        from fastgd.kernels import steps

        steps.run_blocked(X, y, weights, w, b, self.loss, self.rate, self.l2, self.has_intercept)
        _keep(last, X, y, weights)


@dataclass(frozen=True)
class _Plain:
    """One step after the other, by any rule."""

    loss: Loss
    rate: float
    l1: Floats
    l2: Floats
    momentum: float
    nesterov: bool
    batch_size: int
    has_intercept: bool
    n: int

    def __call__(
        self, _start: int, X: Array, y: Array, weights: Floats,
        w: Floats, b: Floats, before: Floats, before_b: Floats, pending: Floats,
        average: Floats, average_b: Floats, counts: NDArray[np.int64], last: Floats, taken: NDArray[np.int64],
    ) -> None:  # fmt: skip
        from fastgd.kernels import steps

        taken += len(y)
        steps.run_plain(
            X, y, weights, w, b, before, before_b, self.loss, self.rate, self.l1, self.l2,
            self.momentum, self.nesterov, self.batch_size, pending, average, average_b, counts,
            self.has_intercept, bool(taken[0] == self.n),
        )  # fmt: skip
        _keep(last, X, y, weights)

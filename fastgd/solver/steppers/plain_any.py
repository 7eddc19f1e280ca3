"""The plain loops of any objective and any rule, in pure Python."""

from __future__ import annotations

import math

import numpy as np

from fastgd import reference
from fastgd.engine.blocks import Floats, block_rows
from fastgd.solver.objective import Rule
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.steppers.base import EpochBatch, StallRule, StepperState
from fastgd.solver.steppers.proximal import Until


class _AnyTwin:
    """What the two twins share: rows in the coordinates, with a 1 for the intercept at their ends."""

    epochs_per_call = 1
    method: Method = "stream"

    def __init__(self, problem: Problem, memory: StepperState, rule: Rule):
        objective, to = problem.objective, problem.scaling
        self.w, self.before, self.memory, self.passes = memory.point, memory.before, memory, 0
        rows = problem.transformed(to.shift, to.scale, is_weighted=False)
        self._xs, self._ys, self._weights = rows.lists()
        self._loss, self._rule = objective.loss, rule
        penalty = to.penalty(objective.l1, objective.l2)
        self._l1, self._l2 = penalty.l1.tolist(), penalty.l2.tolist()

    def _cost(self, theta: list[float]) -> float:
        self.passes += 1
        return reference.objective(self._xs, self._ys, self._weights, theta, self._loss, self._l1, self._l2)

    def _is_finite(self, theta: list[float], cost: float) -> bool:
        return math.isfinite(cost) and all(map(math.isfinite, theta))


class AnyTwinDescent(_AnyTwin):
    """Full-batch descent in plain Python; the rule is that of `kernels/proximal.py`."""

    state_attributes = ("w", "before", "memory", "passes", "has_converged")
    has_costs = True

    def __init__(self, problem: Problem, memory: StepperState, rule: Rule, until: Until):
        super().__init__(problem, memory, rule)
        self._until, self.has_converged = until, False
        self._metric = problem.metric.tolist()

    @property
    def has_stalled(self) -> bool:
        _, quiet, _, last = self.memory.momentum.tolist()
        return (self._until.tol < 0.0 and quiet > 0.0) or (
            last == 0.0 and np.array_equal(self.w, self.before)
        )

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self.w.tolist())

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        rule, rate = self._rule, float(rates[0])
        t, quiet, first, _ = self.memory.momentum.tolist()
        theta, before = self.w.tolist(), self.before.tolist()
        beta = 0.0
        if rule.nesterov:
            beta = (t - 1) / (0.5 * (1 + math.sqrt(1 + 4 * t * t)))
            if rule.momentum:
                beta = rule.momentum if t > 1 else 0.0
        at = reference.look_ahead(theta, before, beta)
        gradient = reference.smooth_gradient(self._xs, self._ys, self._weights, at, self._loss, self._l2)
        push = [0.0 if rule.nesterov else rule.momentum * (a - b) for a, b in zip(theta, before, strict=True)]
        direction = [reference.forward(row, gradient) for row in self._metric] or gradient
        new = reference.proximal_step(at, direction, push, rate, self._l1)
        cost = self._cost(new)
        if not (allow_divergence or self._is_finite(new, cost)):
            return 0
        norm, against = 0.0, 0.0
        for k, strength in enumerate(self._l1):
            mapped, moved = gradient[k], new[k] - theta[k]
            if not strength:
                norm, against = norm + mapped * direction[k], against + rate * mapped * moved
                continue
            mapped = (
                (at[k] - new[k] + push[k]) / rate
                if new[k] == 0.0
                else mapped + math.copysign(strength, new[k])
            )
            norm, against = norm + mapped * mapped, against + (at[k] - new[k]) * moved
        norm = math.sqrt(max(norm, 0.0))
        first = norm if first < 0 else first
        t = 1.0 if rule.nesterov and against > 0 else 0.5 * (1 + math.sqrt(1 + 4 * t * t))
        size = max(map(abs, theta))
        has_stalled = all(
            abs(z - w) <= 2**-50 * max(abs(z), 2**-20 * size) for z, w in zip(new, theta, strict=True)
        )
        quiet = quiet + 1 if has_stalled or norm <= self._until.tol * first else 0.0
        self.has_converged = self._until.tol >= 0 and quiet >= self._until.patience
        self.before, self.w = self.w, np.array(new)
        self.memory = StepperState(
            self.w, self.before, np.array([t, quiet, first, norm]), self.memory.average, self.memory.counts
        )
        batch.costs[:], batch.weights[:], batch.norms[:] = cost, new, norm
        return 1


class AnyTwinSgd(StallRule, _AnyTwin):
    """SGD in plain Python; the rule is that of `kernels/steps.py`."""

    state_attributes = ("w", "before", "memory", "_epoch", "passes")
    has_costs = False

    def __init__(self, problem: Problem, memory: StepperState, rule: Rule, order: Order, epoch: int):
        super().__init__(problem, memory, rule)
        self._order, self._epoch, self._block_rows = order, epoch, block_rows(problem.rows.d)

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self.w.tolist()) if want_cost else None

    def average(self) -> Floats | None:
        done, first = self.memory.counts
        return self.memory.average if 0 <= first < done else None

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        self.passes += 1
        order = self._order.indices(self._epoch, len(self._ys), self._block_rows).tolist()
        average, counts, rule = self.memory.average.tolist(), self.memory.counts.copy(), self._rule

        def after(theta: list[float]) -> None:
            counts[0] += 1
            if 0 <= counts[1] < counts[0]:
                share = int(counts[0] - counts[1])
                average[:] = [a + (w - a) / share for a, w in zip(average, theta, strict=True)]

        new, before = reference.descend_in_batches(
            self._xs, self._ys, self._weights, order, rule.batch_size,
            self.w.tolist(), self.memory.before.tolist(), self._loss, float(rates[0]),
            rule.momentum, rule.nesterov, self._l1, self._l2, after,
        )  # fmt: skip
        cost = self._cost(new) if len(batch.costs) else 0.0
        if not (allow_divergence or self._is_finite(new, cost)):
            return 0
        self.before, self.w = self.w, np.array(new)
        self.memory = StepperState(self.w, np.array(before), self.memory.momentum, np.array(average), counts)
        batch.costs[:], batch.weights[:] = cost, new
        if len(batch.losses):
            x, y = self._xs[order[-1]], self._ys[order[-1]]
            weight = self._weights[order[-1]] if self._weights else 1.0
            batch.losses[0] = weight * self._loss.value(reference.forward(x, new), y)
        self._epoch += 1
        return 1

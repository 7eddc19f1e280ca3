"""The loops of `backend="python"`, in pure Python, for any objective and any update rule.

The arithmetic is that of `reference.py`. Plain steps on squared errors have the lesson's digits.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fastgd import reference
from fastgd.engine.blocks import Floats, block_rows
from fastgd.solver.objective import UpdateRule
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.steppers.backtracking import backtracked
from fastgd.solver.steppers.base import EpochBatch, GradientRule, StallRule, StepperState, Until


class _Plain:
    """The scaled rows as lists, each with a last number 1 for the intercept."""

    epochs_per_call = 1
    method: Method = "stream"

    def __init__(self, problem: Problem, state: StepperState, rule: UpdateRule):
        objective, scaling = problem.objective, problem.scaling
        self.w, self.before, self.passes = state.point, state.before, 0
        rows = problem.transformed(scaling.shift, scaling.scale, is_weighted=False)
        self._xs, self._ys, self._weights = rows.lists()
        self._loss, self._rule = objective.loss, rule
        self._l1, self._l2 = (part.tolist() if part.any() else [] for part in problem.penalty)

    def _cost(self, theta: list[float]) -> float:
        self.passes += 1
        loss = reference.mean_loss(self._xs, self._ys, self._weights, theta, self._loss)
        return loss + reference.penalty(theta, self._l1, self._l2)

    def _is_finite(self, theta: list[float], cost: float) -> bool:
        return math.isfinite(cost) and all(map(math.isfinite, theta))


class PlainDescent(GradientRule, _Plain):
    """Full-batch descent with the update rule of `kernels/proximal.py`."""

    state_attributes = ("w", "before", "_momentum", "passes", "has_converged")
    has_costs = True
    backtracks = False
    """Whether rates are scaled by backtracking."""

    def __init__(self, problem: Problem, state: StepperState, rule: UpdateRule, until: Until):
        super().__init__(problem, state, rule)
        self._state, self._momentum = state, state.momentum.tolist()
        self._until, self.has_converged = until, False
        self._metric = problem.metric.tolist()

    @property
    def memory(self) -> StepperState:
        return replace(self._state, point=self.w, before=self.before, momentum=np.array(self._momentum))

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self.w.tolist())

    def _gradient(self, theta: list[float]) -> list[float]:
        """The gradient of the smooth part of the cost."""
        gradient = reference.mean_slope(self._xs, self._ys, self._weights, theta, self._loss)
        return reference.with_l2(gradient, theta, self._l2) if self._l2 else gradient

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        rule, rate = self._rule, float(rates[0])
        t, quiet, first, _, scale, growth = self._momentum
        theta, before = self.w.tolist(), self.before.tolist()
        beta = rule.momentum
        if rule.nesterov:
            beta = (t - 1) / (0.5 * (1 + math.sqrt(1 + 4 * t * t)))
            if rule.momentum:
                beta = rule.momentum if t > 1 else 0.0
        at, push = reference.momentum_parts(theta, before, beta, rule.nesterov)
        gradient = self._gradient(at)
        direction = [reference.score(row, gradient) for row in self._metric] or gradient

        def attempt(rate: float) -> tuple[list[float], list[float]]:
            new = reference.proximal_step(at, direction, push, rate, self._l1)
            step = [a - b for a, b in zip(new, at, strict=True)]
            return step, [a - b for a, b in zip(self._gradient(new), gradient, strict=True)]

        if self.backtracks:
            rate, scale, growth = backtracked(rate, scale, growth, attempt)
            rates[0] = rate
        new = reference.proximal_step(at, direction, push, rate, self._l1)
        cost = self._cost(new)
        if not (allow_divergence or self._is_finite(new, cost)):
            return 0
        norm, against = 0.0, 0.0
        for k, mapped in enumerate(gradient):
            strength, moved = self._l1[k] if self._l1 else 0.0, new[k] - theta[k]
            if not strength:
                norm, against = norm + mapped * direction[k], against + rate * mapped * moved
                continue
            if new[k] == 0.0:
                mapped = (at[k] - new[k] + (push[k] if push else 0.0)) / rate
            else:
                mapped += math.copysign(strength, new[k])
            norm, against = norm + mapped * mapped, against + (at[k] - new[k]) * moved
        norm = math.sqrt(max(norm, 0.0))
        first = norm if first < 0 else first
        t = 1.0 if rule.nesterov and against > 0 else 0.5 * (1 + math.sqrt(1 + 4 * t * t))
        size = max(map(abs, theta))
        is_still = all(
            abs(z - w) <= 2**-50 * max(abs(z), 2**-20 * size) for z, w in zip(new, theta, strict=True)
        )
        quiet = quiet + 1 if is_still or norm <= self._until.tol * first else 0.0
        self.has_converged = self._until.tol >= 0 and quiet >= self._until.patience
        self.before, self.w = self.w, np.array(new)
        self._momentum = [t, quiet, first, norm, scale, growth]
        batch.costs[:], batch.weights[:], batch.norms[:] = cost, self.w, norm
        return 1


class PlainSgd(StallRule, _Plain):
    """SGD with the update rule of `kernels/steps.py`."""

    state_attributes = ("w", "before", "memory", "_epoch", "passes")

    def __init__(self, problem: Problem, state: StepperState, rule: UpdateRule, order: Order, epoch: int):
        super().__init__(problem, state, rule)
        self.has_costs = problem.objective.is_quadratic and rule.is_plain and problem.rows.is_one_block
        self.memory = state
        self._order, self._epoch, self._block_rows = order, epoch, block_rows(problem.rows.d)

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self.w.tolist()) if want_cost else None

    def average(self) -> Floats | None:
        """The mean of the averaged iterates, or None if there are none."""
        done, first = self.memory.counts
        return self.memory.average if 0 <= first < done else None

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        self.passes += 1
        order = self._order.indices(self._epoch, len(self._ys), self._block_rows).tolist()
        average, rule = self.memory.average.tolist(), self._rule
        done, first = self.memory.counts.tolist()
        gradients: list[list[float]] = []
        samples, strengths = (self._xs, self._ys, self._weights), (self._l1, self._l2)
        new, before = self.w.tolist(), self.memory.before.tolist()
        steps = reference.descend_in_batches(
            samples, order, new, before, self._loss, strengths, rule, float(rates[0])
        )
        for w, gradient in steps:
            new, before, done = w, new, done + 1
            if 0 <= first < done:
                average = [a + (w_j - a) / (done - first) for a, w_j in zip(average, w, strict=True)]
            if len(batch.gradients):
                gradients.append(gradient)
        cost = self._cost(new) if len(batch.costs) else 0.0
        if not (allow_divergence or self._is_finite(new, cost)):
            return 0
        self.before, self.w = self.w, np.array(new)
        self.memory = StepperState(
            self.w, np.array(before), self.memory.momentum, np.array(average), np.array([done, first])
        )
        batch.costs[:], batch.weights[:] = cost, new
        if len(batch.gradients):
            batch.gradients[0] = gradients
        if len(batch.losses):
            x, y = self._xs[order[-1]], self._ys[order[-1]]
            weight = self._weights[order[-1]] if self._weights else 1.0
            batch.losses[0] = weight * reference.value(self._loss, reference.score(x, new), y)
        self._epoch += 1
        return 1

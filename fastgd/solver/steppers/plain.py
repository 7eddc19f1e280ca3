"""The loops of `backend="python"`, in pure Python, for any objective and any update rule.

The arithmetic is that of `reference.py`. Plain steps on squared errors have the lesson's digits.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd import reference
from fastgd.data.backend import Backend
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
    backend: Backend = "python"

    def __init__(self, problem: Problem, rule: UpdateRule):
        objective, scaling = problem.objective, problem.scaling
        rows = problem.transformed(scaling.shift, scaling.scale, is_weighted=False)
        self._xs, self._ys, self._weights = rows.lists()
        self._loss, self._rule = objective.loss, rule
        self._l1, self._l2 = (part.tolist() if part.any() else [] for part in problem.penalty)

    def _cost(self, theta: list[float]) -> float:
        loss = reference.mean_loss(self._xs, self._ys, self._weights, theta, self._loss)
        return loss + reference.penalty(theta, self._l1, self._l2)

    def _is_finite(self, theta: list[float], cost: float) -> bool:
        return math.isfinite(cost) and all(map(math.isfinite, theta))


class PlainDescent(GradientRule, _Plain):
    """Full-batch descent with the update rule of `kernels/proximal.py`."""

    has_costs = True

    def __init__(self, problem: Problem, rule: UpdateRule, until: Until, backtracks: bool = False):
        """`backtracks` says whether rates are scaled by backtracking."""
        super().__init__(problem, rule)
        self._until, self._backtracks = until, backtracks
        self._metric = problem.metric.tolist()

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        return state._replace(passes=state.passes + 1), self._cost(state.point.tolist())

    def _gradient(self, theta: list[float]) -> list[float]:
        """The gradient of the smooth part of the cost."""
        gradient = reference.mean_slope(self._xs, self._ys, self._weights, theta, self._loss)
        return reference.with_l2(gradient, theta, self._l2) if self._l2 else gradient

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        rule, rate = self._rule, float(rates[0])
        t, quiet, first, _, scale, growth = state.momentum.tolist()
        theta, before = state.point.tolist(), state.before.tolist()
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

        if self._backtracks:
            rate, scale, growth = backtracked(rate, scale, growth, attempt)
            rates[0] = rate
        new = reference.proximal_step(at, direction, push, rate, self._l1)
        cost, state = self._cost(new), state._replace(passes=state.passes + 1)
        if not (allow_divergence or self._is_finite(new, cost)):
            return state, 0
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
        batch.costs[:], batch.weights[:], batch.norms[:] = cost, new, norm
        if len(batch.gradients):
            batch.gradients[:] = gradient
        changed = state._replace(
            point=np.array(new),
            before=state.point,
            momentum=np.array([t, quiet, first, norm, scale, growth]),
            has_converged=self._until.tol >= 0 and quiet >= self._until.patience,
        )
        return changed, 1


class PlainSgd(StallRule, _Plain):
    """SGD with the update rule of `kernels/steps.py`."""

    def __init__(self, problem: Problem, rule: UpdateRule, order: Order):
        super().__init__(problem, rule)
        self.has_costs = problem.objective.is_quadratic and rule.is_plain and problem.rows.is_one_block
        self._order, self._block_rows = order, block_rows(problem.rows.d)

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        if not want_cost:
            return state, None
        return state._replace(passes=state.passes + 1), self._cost(state.point.tolist())

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        order = self._order.indices(state.epoch, len(self._ys), self._block_rows).tolist()
        average, rule = state.average.tolist(), self._rule
        done, first = state.counts.tolist()
        gradients: list[list[float]] = []
        samples, strengths = (self._xs, self._ys, self._weights), (self._l1, self._l2)
        new, before = state.point.tolist(), state.before.tolist()
        steps = reference.descend_in_batches(
            samples, order, new, before, self._loss, strengths, rule, float(rates[0])
        )
        for w, gradient in steps:
            new, before, done = w, new, done + 1
            if 0 <= first < done:
                average = [a + (w_j - a) / (done - first) for a, w_j in zip(average, w, strict=True)]
            if len(batch.gradients):
                gradients.append(gradient)
        cost, passes = 0.0, state.passes + 1
        if len(batch.costs):
            cost, passes = self._cost(new), passes + 1
        if not (allow_divergence or self._is_finite(new, cost)):
            return state._replace(passes=passes), 0
        batch.costs[:], batch.weights[:] = cost, new
        if len(batch.gradients):
            batch.gradients[0] = gradients
        if len(batch.losses):
            x, y = self._xs[order[-1]], self._ys[order[-1]]
            weight = self._weights[order[-1]] if self._weights else 1.0
            batch.losses[0] = weight * reference.value(self._loss, reference.score(x, new), y)
        changed = state._replace(
            point=np.array(new),
            before=np.array(before),
            average=np.array(average),
            counts=np.array([done, first]),
            epoch_start=state.point,
            epoch=state.epoch + 1,
            passes=passes,
        )
        return changed, 1

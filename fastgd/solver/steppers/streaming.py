"""Full-batch descent and SGD with one pass for each epoch, for any number of rows and any objective."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import reference
from fastgd.data.transform import TransformedRows
from fastgd.engine import scan
from fastgd.engine.blocks import Array, Floats, Step, block_rows
from fastgd.losses import Loss
from fastgd.solver.cost import OVERFLOW_IS_SEEN, Cost, SquaredCost
from fastgd.solver.objective import UpdateRule
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.statistics import FEW
from fastgd.solver.steppers.backtracking import backtracked
from fastgd.solver.steppers.base import EpochBatch, GradientRule, StallRule, StepperState, Until


class StreamingDescent(GradientRule):
    """Full-batch descent. A pass gives the cost at θ and the gradient at the point of the next step.

    The lesson's step, w − α gradient, is done by NumPy, so that no kernel must compile for it.
    """

    state_attributes = ("w", "before", "_momentum", "_at", "_gradient", "passes", "has_converged")
    has_costs = True
    has_converged = False
    method: Method = "stream"
    epochs_per_call = 1
    backtracks = False
    """Whether rates are scaled by backtracking."""
    _tried: tuple[Floats, float, Floats] | None = None
    """The last point that backtracking tried, and the cost and its gradient there, without penalties."""

    def __init__(
        self, problem: Problem, state: StepperState, rule: UpdateRule, until: Until, n_threads: int | None
    ):
        objective, scaling = problem.objective, problem.scaling
        self._rule, self._until, self._state = rule, until, state
        self.w, self.before, self._momentum, self.passes = state.point, state.before, state.momentum, 0
        self._penalty, self._zeros = problem.penalty, np.zeros(scaling.size)
        self._has_l2 = bool(self._penalty.l2.any())
        self._is_penalised = self._has_l2 or bool(self._penalty.l1.any())
        self._kernels: ModuleType | None = None
        self._cost_and_gradient: Cost | SquaredCost
        if problem.is_plain and rule.is_plain and until.tol < 0.0:
            self._cost_and_gradient = SquaredCost(problem.rows, n_threads)
        else:
            from fastgd.kernels import proximal

            self._kernels = proximal
            self._cost_and_gradient = Cost(problem.rows, objective.loss, scaling, n_threads)

    @property
    def memory(self) -> StepperState:
        return replace(self._state, point=self.w, before=self.before, momentum=self._momentum)

    @OVERFLOW_IS_SEEN
    def start(self, want_cost: bool) -> float | None:
        return self._evaluate(self.w, self.before)

    def _evaluate(self, theta: Floats, before: Floats) -> float:
        """Return the cost at θ, and set `_gradient` to the gradient of the smooth part at `_at`."""
        self.passes += 1
        beta = 0.0
        if self._kernels is not None:
            beta = self._kernels.pull(self._momentum, self._rule.momentum, self._rule.nesterov)
        self._at = theta + beta * (theta - before) if beta else theta
        if not beta and self._tried is not None and np.array_equal(theta, self._tried[0]):
            self.passes -= 1
            _, cost, self._gradient = self._tried
        else:
            cost, self._gradient = self._cost_and_gradient(theta, self._at if beta else None)
        self._tried = None
        if self._has_l2:
            self._gradient += self._penalty.l2 * self._at
        return cost + self._penalty.value(theta) if self._is_penalised else cost

    @OVERFLOW_IS_SEEN
    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        momentum, at, gradient = self._momentum.copy(), self._at, self._gradient
        if self.backtracks:
            scale, growth = momentum[4:].tolist()
            rates[0], scale, growth = backtracked(float(rates[0]), scale, growth, self._attempt)
            self._momentum[4:] = scale, growth
        theta, before, has_converged = self._step(self._momentum, float(rates[0]))
        norm = self._momentum[3]
        cost = self._evaluate(theta, before)
        if not (allow_divergence or (math.isfinite(cost) and np.isfinite(theta).all())):
            self._momentum, self._at, self._gradient = momentum, at, gradient
            return 0
        self.w, self.before, self.has_converged = theta, before, has_converged
        batch.costs[:] = cost
        batch.weights[:] = theta
        batch.norms[:] = norm
        return 1

    def _attempt(self, rate: float) -> tuple[Floats, Floats]:
        """The changes of the point and of the gradient by a step at this rate, in one pass."""
        self.passes += 1
        theta = self._step(self._momentum.copy(), rate)[0]
        cost, gradient = self._cost_and_gradient(theta)
        self._tried = theta, cost, gradient.copy()
        return theta - self._at, gradient + self._penalty.l2 * theta - self._gradient

    def _step(self, momentum: Floats, rate: float) -> tuple[Floats, Floats, bool]:
        """θ after the step, θ before it, and whether the run has converged. Updates `momentum`."""
        if self._kernels is None:
            theta = rate * self._gradient
            np.subtract(self.w, theta, out=theta)
            return theta, self.w, False
        theta, before, gradient = self.w.copy(), self.before.copy(), self._gradient
        has_converged = self._kernels.step(
            theta, before, self._at, gradient, gradient, gradient, rate, self._rule.momentum,
            self._rule.nesterov, self._penalty.l1, self._zeros, momentum, self._until.tol, 0.0,
            self._zeros, self._until.patience,
        )  # fmt: skip
        return theta, before, bool(has_converged)


class StreamingSgd(StallRule):
    """SGD in any order: one pass for each epoch, and one more for its cost.

    Plain steps on squared errors have special kernels, which read scaled rows. For other losses, plain steps
    without l1 are taken several together. Steps with l1, momentum, batches or averages are taken one by one.
    """

    state_attributes = ("w", "before", "memory", "_epoch", "passes")
    epochs_per_call = 1
    has_costs = False
    method: Method = "stream"

    def __init__(
        self,
        problem: Problem,
        state: StepperState,
        rule: UpdateRule,
        order: Order,
        epoch: int,
        n_threads: int | None,
    ):
        objective, scaling = problem.objective, problem.scaling
        self._loss, self._l2, self._rule = objective.loss, float(objective.l2), rule
        self._penalty = problem.penalty
        self._order, self._epoch = order, epoch
        self.w, self.before, self.memory, self.passes = state.point, state.before, state, 0
        self._is_affine = objective.is_quadratic and rule.is_plain
        self._cost_and_gradient: Cost | SquaredCost
        if self._is_affine:
            self._rows, self._has_intercept = problem.descent_rows, False
            self._cost_and_gradient = SquaredCost(self._rows, n_threads)
        else:
            self._rows, self._has_intercept = problem.rows, scaling.has_intercept
            self._cost_and_gradient = Cost(problem.rows, objective.loss, scaling, n_threads)
            if objective.standardize:
                self._rows = TransformedRows(
                    problem.rows, scaling.shift, scaling.scale, has_ones=False, is_weighted=False
                )
        is_even = not objective.l2 or not objective.standardize
        self._is_blocked = rule.is_plain and not objective.l1 and is_even

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self.w) if want_cost else None

    def _cost(self, theta: Floats) -> float:
        self.passes += 1
        return self._cost_and_gradient(theta)[0] + self._penalty.value(theta)

    def average(self) -> Floats | None:
        """The mean of the averaged iterates, or None if there are none."""
        done, first = self.memory.counts
        return self.memory.average if 0 <= first < done else None

    @OVERFLOW_IS_SEEN
    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        is_blocked = self._is_blocked and not len(batch.gradients)
        state, last = self._steps(float(rates[0]), is_blocked, batch.gradients)
        if is_blocked and not np.isfinite(state.point).all() and np.isfinite(self.w).all():
            # Products of several rows overflow before single steps do.
            state, last = self._steps(float(rates[0]), False, batch.gradients)
        theta = state.point
        cost = self._cost(theta) if len(batch.costs) else 0.0
        if not (allow_divergence or (math.isfinite(cost) and np.isfinite(theta).all())):
            return 0
        self.memory, self.before, self.w = state, self.w, theta
        self._epoch += 1
        batch.costs[:] = cost
        batch.weights[:] = theta
        if len(batch.losses):
            *x, y, weight = last.tolist()
            x += [1.0] * self._has_intercept
            batch.losses[0] = weight * reference.value(self._loss, reference.score(x, theta.tolist()), y)
        return 1

    def _steps(self, rate: float, is_blocked: bool, gradients: Floats) -> tuple[StepperState, Floats]:
        """The state after the steps of one epoch, and x, y and the weight of its last row."""
        self.passes += 1
        old, rows, rule, d = self.memory, self._rows, self._rule, self._rows.d
        state = replace(
            old, point=self.w.copy(), before=old.before.copy(), average=old.average.copy(),
            counts=old.counts.copy(),
        )  # fmt: skip
        theta, last = state.point, np.empty(d + 2)
        moving: list[Any] = [theta[:d], _or_one(theta[d:])]
        steps: Callable[..., None]
        if self._is_affine and is_blocked:
            steps = _AffineSteps(rate)
        elif self._is_affine:
            steps = _LessonSteps(rate)
            moving += [gradients, np.zeros(1, np.int64)]
        elif is_blocked:
            steps = _BlockedSteps(self._loss, rate, self._l2, self._has_intercept)
        else:
            steps = _SingleSteps(
                self._loss, rate, self._penalty.l1[:d], self._penalty.l2[:d], rule.momentum, rule.nesterov,
                rule.batch_size, self._has_intercept, rows.n,
            )  # fmt: skip
            before, average = state.before, state.average
            moving += [before[:d], _or_one(before[d:]), np.zeros(d + 3)]
            moving += [average[:d], _or_one(average[d:]), state.counts, np.zeros(1, np.int64)]
        self._scan(_Last(steps), [last, *moving])
        return state, last

    def _scan(self, step: Step, state: list[Any]) -> None:
        """Call `step` on the rows in the order of this epoch."""
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
    """The array of the intercept for kernels, a dummy if there is none."""
    return part if len(part) else np.zeros(1)


@dataclass(frozen=True)
class _Last:
    """Steps that also record x, y and the weight of the last row."""

    steps: Callable[..., None]

    def __call__(self, _start: int, X: Array, y: Array, weights: Floats, last: Floats, *moving: Any) -> None:
        self.steps(X, y, weights, *moving)
        last[:-2], last[-2], last[-1] = X[-1], y[-1], weights[-1] if len(weights) else 1.0


@dataclass(frozen=True)
class _AffineSteps:
    """Steps on squared errors, several together."""

    rate: float

    def __call__(self, X: Array, y: Array, _weights: Floats, w: Floats, _b: Floats) -> None:
        in_order_steps(X.shape[1])(X, y, w, self.rate)


@dataclass(frozen=True)
class _LessonSteps:
    """The lesson's steps on squared errors, one by one. Their gradients are recorded."""

    rate: float

    def __call__(
        self, X: Array, y: Array, _weights: Floats, w: Floats, _b: Floats, gradients: Floats,
        done: NDArray[np.int64],
    ) -> None:  # fmt: skip
        from fastgd.kernels import strict

        none, no_weights, taken = np.empty(0), np.empty((0, 0)), int(done[0])
        part = gradients[:, taken : taken + len(y)]
        rates = np.array([self.rate])
        strict.descend_in_order(X, y, w, np.empty_like(w), rates, 2.0, True, none, none, no_weights, part)
        done += len(y)


@dataclass(frozen=True)
class _BlockedSteps:
    """Steps on single rows, several together."""

    loss: Loss
    rate: float
    l2: float
    has_intercept: bool

    def __call__(self, X: Array, y: Array, weights: Floats, w: Floats, b: Floats) -> None:
        from fastgd.kernels import steps

        steps.run_blocked(X, y, weights, w, b, self.loss, self.rate, self.l2, self.has_intercept)


@dataclass(frozen=True)
class _SingleSteps:
    """Steps one by one, with any update rule."""

    loss: Loss
    rate: float
    l1: Floats
    l2: Floats
    momentum: float
    nesterov: bool
    batch_size: int
    has_intercept: bool
    n: int

    def __call__(self, X: Array, y: Array, weights: Floats, *moving: Any) -> None:
        from fastgd.kernels import steps

        w, b, before, before_b, pending, average, average_b, counts, taken = moving
        taken += len(y)
        steps.run_plain(
            X, y, weights, w, b, before, before_b, self.loss, self.rate, self.l1, self.l2,
            self.momentum, self.nesterov, self.batch_size, pending, average, average_b, counts,
            self.has_intercept, bool(taken[0] == self.n),
        )  # fmt: skip


def in_order_steps(d: int) -> Callable[[Array, Array, Floats, float], None]:
    """The kernel of SGD steps on rows in order: f(X, y, w, rate) updates w."""
    from fastgd.kernels import in_order

    if d == 1:
        return lambda X, y, w, rate: in_order.run_1d(X.reshape(-1), y, w, rate)
    if d <= FEW:

        def few(X: Array, y: Array, w: Floats, rate: float) -> None:
            w[:] = in_order.run_few(X.reshape(-1), y, tuple(w), 2.0 * rate)

        return few
    return in_order.run_nd

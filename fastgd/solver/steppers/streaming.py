"""Full-batch descent and SGD with one pass for each epoch, for any number of rows and any objective."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import reference
from fastgd.data.backend import Backend
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

    has_costs = True
    method: Method = "stream"
    backend: Backend = "numba"
    epochs_per_call = 1

    def __init__(
        self,
        problem: Problem,
        rule: UpdateRule,
        until: Until,
        n_threads: int | None,
        backtracks: bool = False,
    ):
        """`backtracks` says whether rates are scaled by backtracking."""
        objective, scaling = problem.objective, problem.scaling
        self._rule, self._until, self._backtracks = rule, until, backtracks
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

    @OVERFLOW_IS_SEEN
    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        beta, at = self._look_ahead(state.point, state.before, state.momentum)
        cost, gradient = self._cost_and_gradient(state.point, at if beta else None)
        cost, gradient = self._penalised(state.point, at, cost, gradient)
        return state._replace(gradient=gradient, passes=state.passes + 1), cost

    @OVERFLOW_IS_SEEN
    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        _, at = self._look_ahead(state.point, state.before, state.momentum)
        passes, tried = state.passes, None
        momentum = state.momentum
        if self._backtracks:
            rates[0], momentum, tried, n_tried = self._searched(state, at, float(rates[0]))
            passes += n_tried
        theta, before, momentum, has_converged = self._step(state, at, momentum, float(rates[0]))
        beta, next_at = self._look_ahead(theta, before, momentum)
        if tried is not None and not beta and np.array_equal(theta, tried[0]):
            _, cost, gradient = tried
        else:
            passes += 1
            cost, gradient = self._cost_and_gradient(theta, next_at if beta else None)
        cost, gradient = self._penalised(theta, next_at, cost, gradient)
        if not (allow_divergence or (math.isfinite(cost) and np.isfinite(theta).all())):
            return state._replace(passes=passes), 0
        batch.costs[:] = cost
        batch.weights[:] = theta
        batch.norms[:] = momentum[3]
        if len(batch.gradients):
            batch.gradients[:] = state.gradient
        changed = StepperState(
            theta, before, momentum, state.average, state.counts, state.epoch_start, gradient, state.epoch,
            passes, state.stage, has_converged,
        )  # fmt: skip
        return changed, 1

    def _searched(
        self, state: StepperState, at: Floats, rate: float
    ) -> tuple[float, Floats, tuple[Floats, float, Floats] | None, int]:
        """The rate by backtracking, `momentum` with the scale for the next epoch, the accepted point with its
        cost and gradient, without penalties, and the number of passes."""
        tried: tuple[Floats, float, Floats] | None = None
        n_tried = 0

        def attempt(rate: float) -> tuple[Floats, Floats]:
            """The changes of the point and of the gradient by a step at this rate, in one pass."""
            nonlocal tried, n_tried
            theta = self._step(state, at, state.momentum, rate)[0]
            cost, gradient = self._cost_and_gradient(theta)
            tried, n_tried = (theta, cost, gradient), n_tried + 1
            return theta - at, gradient + self._penalty.l2 * theta - state.gradient

        momentum = state.momentum.copy()
        scale, growth = momentum[4:].tolist()
        rate, scale, growth = backtracked(rate, scale, growth, attempt)
        momentum[4:] = scale, growth
        return rate, momentum, tried, n_tried

    def _look_ahead(self, theta: Floats, before: Floats, momentum: Floats) -> tuple[float, Floats]:
        """β, and the point of the next gradient, θ + β (θ − θ before)."""
        beta = 0.0
        if self._kernels is not None:
            beta = self._kernels.pull(momentum, self._rule.momentum, self._rule.nesterov)
        return beta, theta + beta * (theta - before) if beta else theta

    def _penalised(self, theta: Floats, at: Floats, cost: float, gradient: Floats) -> tuple[float, Floats]:
        """The cost at θ, and the gradient of its smooth part at this point, with penalties."""
        if self._has_l2:
            gradient += self._penalty.l2 * at
        return cost + self._penalty.value(theta) if self._is_penalised else cost, gradient

    def _step(
        self, state: StepperState, at: Floats, momentum: Floats, rate: float
    ) -> tuple[Floats, Floats, Floats, bool]:
        """θ after the step, θ before it, the new momentum, and whether the run has converged."""
        if self._kernels is None:
            theta = rate * state.gradient
            np.subtract(state.point, theta, out=theta)
            return theta, state.point, momentum, False
        theta, before, momentum = state.point.copy(), state.before.copy(), momentum.copy()
        gradient = state.gradient
        has_converged = self._kernels.step(
            theta, before, at, gradient, gradient, gradient, rate, self._rule.momentum,
            self._rule.nesterov, self._penalty.l1, self._zeros, momentum, self._until.tol, 0.0,
            self._zeros, self._until.patience,
        )  # fmt: skip
        return theta, before, momentum, bool(has_converged)


class StreamingSgd(StallRule):
    """SGD in any order: one pass for each epoch, and one more for its cost.

    Plain steps on squared errors have special kernels, which read scaled rows. For other losses, plain steps
    without l1 are taken several together. Steps with l1, momentum, batches or averages are taken one by one.
    """

    epochs_per_call = 1
    has_costs = False
    method: Method = "stream"
    backend: Backend = "numba"

    def __init__(self, problem: Problem, rule: UpdateRule, order: Order, n_threads: int | None):
        objective, scaling = problem.objective, problem.scaling
        self._loss, self._l2, self._rule = objective.loss, float(objective.l2), rule
        self._penalty, self._order = problem.penalty, order
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

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        if not want_cost:
            return state, None
        return state._replace(passes=state.passes + 1), self._cost(state.point)

    def _cost(self, theta: Floats) -> float:
        return self._cost_and_gradient(theta)[0] + self._penalty.value(theta)

    @OVERFLOW_IS_SEEN
    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        is_blocked = self._is_blocked and not len(batch.gradients)
        new, last = self._steps(state, float(rates[0]), is_blocked, batch.gradients)
        has_overflown = not np.isfinite(new.point).all() and np.isfinite(state.point).all()
        if is_blocked and has_overflown and not self._rows.is_once:
            # Products of several rows overflow before single steps do.
            state = state._replace(passes=new.passes)
            new, last = self._steps(state, float(rates[0]), False, batch.gradients)
        theta, cost, passes = new.point, 0.0, new.passes
        if len(batch.costs):
            cost, passes = self._cost(theta), passes + 1
        if not (allow_divergence or (math.isfinite(cost) and np.isfinite(theta).all())):
            return state._replace(passes=passes), 0
        batch.costs[:] = cost
        batch.weights[:] = theta
        if len(batch.losses):
            *x, y, weight = last.tolist()
            x += [1.0] * self._has_intercept
            batch.losses[0] = weight * reference.value(self._loss, reference.score(x, theta.tolist()), y)
        return new._replace(epoch_start=state.point, epoch=state.epoch + 1, passes=passes), 1

    def _steps(
        self, state: StepperState, rate: float, is_blocked: bool, gradients: Floats
    ) -> tuple[StepperState, Floats]:
        """The state after the steps of one epoch, and x, y and the weight of its last row."""
        rows, rule, d = self._rows, self._rule, self._rows.d
        theta, before, average = state.point.copy(), state.before.copy(), state.average.copy()
        counts, last = state.counts.copy(), np.empty(d + 2)
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
                rule.batch_size, self._has_intercept, rows.n if rule.batch_size > 1 else 0,
            )  # fmt: skip
            moving += [before[:d], _or_one(before[d:]), np.zeros(d + 3)]
            moving += [average[:d], _or_one(average[d:]), counts, np.zeros(1, np.int64)]
        self._scan(_Last(steps), [last, *moving], state.epoch)
        new = state._replace(
            point=theta, before=before, average=average, counts=counts, passes=state.passes + 1
        )
        return new, last

    def _scan(self, step: Step, moving: list[Any], epoch: int) -> None:
        """Call `step` on the rows in the order of the epoch with this number."""
        rows, order = self._rows, self._order
        if order.shuffle is True:
            scan.scan_rows(rows, step, order.rows(epoch, rows.n), moving)
        elif order.shuffle == "blocks":
            n_blocks = -(-rows.n // block_rows(rows.d))
            blocks = order.blocks(range(epoch, epoch + 1), n_blocks)[0]
            scan.scan_blocks(rows, step, blocks, moving)
        else:
            scan.scan(rows, step, moving)


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

        none, no_weights, n_done = np.empty(0), np.empty((0, 0)), int(done[0])
        part = gradients[:, n_done : n_done + len(y)]
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
    """The number of rows, after which a batch ends. Batches of one row need no end."""

    def __call__(self, X: Array, y: Array, weights: Floats, *moving: Any) -> None:
        from fastgd.kernels import steps

        w, b, before, before_b, pending, average, average_b, counts, n_done = moving
        n_done += len(y)
        steps.run_plain(
            X, y, weights, w, b, before, before_b, self.loss, self.rate, self.l1, self.l2,
            self.momentum, self.nesterov, self.batch_size, pending, average, average_b, counts,
            self.has_intercept, bool(n_done[0] == self.n),
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

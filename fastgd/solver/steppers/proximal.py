"""Full-batch descent of any objective: on statistics, or by a fold an epoch; the step rule is the kernels'.

The point that moves is θ of the coordinates, or on statistics v = θ − θ_ref.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.solver.objective import Rule
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.steppers.backtracking import backtracked
from fastgd.solver.steppers.base import OVERFLOW_IS_SEEN, EpochBatch, StepperState
from fastgd.solver.steppers.folded import FoldedObjective

# An epoch of a compiled loop takes about so many nanoseconds, and one a number; a call may take 50 ms.
_EPOCH_NS, _CALL_NS = 100, 50_000_000
ROUNDING = 2.0**-52
"""A point that is within this part of its size from the optimum has got there."""


@dataclass(frozen=True)
class Until:
    """When full-batch descent has converged: see `kernels/proximal.step`; tol < 0 is never."""

    tol: float = -1.0
    patience: int = 1


class _Proximal:
    """What the two share: where they stand."""

    w: Floats
    before: Floats
    has_converged = False
    _kernels: ModuleType
    _until: Until
    _momentum: Floats
    _memory: StepperState

    @property
    def has_stalled(self) -> bool:
        of = self._kernels
        is_quiet = self._until.tol < 0.0 and self._momentum[of.QUIET] > 0.0
        return bool(is_quiet or (self._momentum[of.LAST] == 0.0 and np.array_equal(self.w, self.before)))

    @property
    def memory(self) -> StepperState:
        return replace(self._memory, point=self.w, before=self.before, momentum=self._momentum)


class SummaryProximal(_Proximal):
    """Squared errors: an epoch is a product of the statistics with v. The reads are the problem's."""

    state_attributes = ("w", "before", "_momentum", "has_converged")
    has_costs = True
    method: Method = "summary"
    passes = 0

    def __init__(self, problem: Problem, memory: StepperState, rule: Rule, until: Until):
        from fastgd.kernels import proximal

        self._kernels, self._rule, self._until = proximal, rule, until
        self._sums = problem.penalised
        self._floor, self._units = 0.0, np.zeros(len(memory.point))
        if until.tol >= 0.0:
            self._floor = ROUNDING * problem.least_alike
            self._units = problem.units
        self._metric = problem.metric
        self._l1 = problem.scaling.penalty(problem.objective.l1, 0.0).l1
        self._memory = memory
        self.w, self.before, self._momentum = memory.point, memory.before, memory.momentum
        self.epochs_per_call = max(1, _CALL_NS // (_EPOCH_NS + len(self.w) ** 2))

    def start(self, want_cost: bool) -> float | None:
        sums, h = self._sums, np.empty(len(self.w))
        self._kernels.product(sums.G, sums.c, self.w, h)
        cost: float = self._kernels.cost_at(sums.c, sums.s, sums.n, self._l1, sums.w_ref, self.w, h)
        return cost

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        sums, rule, until = self._sums, self._rule, self._until
        done: int
        done, self.has_converged = self._kernels.descend(
            sums.G, sums.c, sums.s, float(sums.n), sums.w_ref, self._l1,
            self.w, self.before, self._momentum, rates, rule.momentum, rule.nesterov,
            until.tol, self._floor, self._units, self._metric, until.patience, allow_divergence, batch.costs,
            batch.weights, batch.norms,
        )  # fmt: skip
        return done


class StreamedProximal(_Proximal):
    """Any loss: a fold an epoch tells the cost at θ and the gradient at the point that looks ahead."""

    state_attributes = ("w", "before", "_momentum", "_at", "_gradient", "passes", "has_converged")
    has_costs = True
    method: Method = "stream"
    epochs_per_call = 1
    backtracks = False
    """Whether rates are scaled by backtracking."""
    _tried: tuple[Floats, float, Floats] | None = None
    """The last point that backtracking tried, and the cost and its gradient there, without penalties."""

    def __init__(
        self, problem: Problem, memory: StepperState, rule: Rule, until: Until, n_threads: int | None
    ):
        from fastgd.kernels import proximal

        objective, to = problem.objective, problem.scaling
        self._kernels, self._rule, self._until = proximal, rule, until
        self._fold = FoldedObjective(problem.rows, objective.loss, to, n_threads)
        self._penalty = to.penalty(objective.l1, objective.l2)
        self._zeros = np.zeros(to.size)
        self._memory = memory
        self.w, self.before, self._momentum, self.passes = memory.point, memory.before, memory.momentum, 0

    def start(self, want_cost: bool) -> float | None:
        return self._look(self.w, self.before)

    @OVERFLOW_IS_SEEN
    def _look(self, theta: Floats, before: Floats) -> float:
        """The cost at θ, and into `_gradient` that of the smooth part at `_at`."""
        self.passes += 1
        beta = self._kernels.pull(self._momentum, self._rule.momentum, self._rule.nesterov)
        self._at = theta + beta * (theta - before) if beta else theta.copy()
        if not beta and self._tried is not None and np.array_equal(theta, self._tried[0]):
            self.passes -= 1
            _, cost, self._gradient = self._tried
        else:
            cost, self._gradient = self._fold(theta, self._at if beta else None)
        self._tried = None
        self._gradient += self._penalty.l2 * self._at
        return cost + self._penalty.value(theta)

    def _step(self, theta: Floats, before: Floats, momentum: Floats, rate: float) -> bool:
        """Move θ, the θ before, and the state of the rule by one step."""
        at, gradient, rule, until = self._at, self._gradient, self._rule, self._until
        has_converged: bool = self._kernels.step(
            theta, before, at, gradient, gradient, gradient, rate, rule.momentum, rule.nesterov,
            self._penalty.l1, self._zeros, momentum, until.tol, 0.0, self._zeros, until.patience,
        )  # fmt: skip
        return has_converged

    def _attempt(self, rate: float) -> tuple[Floats, Floats]:
        """What a step at this rate adds to the point, and to the gradient: a read."""
        self.passes += 1
        theta = self.w.copy()
        self._step(theta, self.before.copy(), self._momentum.copy(), rate)
        cost, gradient = self._fold(theta)
        self._tried = theta, cost, gradient.copy()
        return theta - self._at, gradient + self._penalty.l2 * theta - self._gradient

    @OVERFLOW_IS_SEEN
    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        theta, before, momentum = self.w.copy(), self.before.copy(), self._momentum.copy()
        at, gradient = self._at, self._gradient
        if self.backtracks:
            scale, growth = momentum[4:].tolist()
            rates[0], scale, growth = backtracked(float(rates[0]), scale, growth, self._attempt)
            self._momentum[4:] = scale, growth
        has_converged = self._step(theta, before, self._momentum, float(rates[0]))
        norm = self._momentum[self._kernels.LAST]
        cost = self._look(theta, before)
        if not (allow_divergence or (math.isfinite(cost) and np.isfinite(theta).all())):
            self._momentum, self._at, self._gradient = momentum, at, gradient
            return 0
        self.w, self.before, self.has_converged = theta, before, bool(has_converged)
        batch.costs[:] = cost
        batch.weights[:] = theta
        batch.norms[:] = norm
        return 1

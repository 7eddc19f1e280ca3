"""Full-batch descent on a smooth cost in the metric of its curvature: see `solver/metric.py`."""

from __future__ import annotations

import math

import numpy as np

from fastgd.data.backend import Backend
from fastgd.data.curved import CHORD
from fastgd.engine.blocks import Floats
from fastgd.solver.metric import (
    FEW_TRIED,
    MOST_TRIED,
    ROUNDING,
    Point,
    SmoothCost,
    corrected,
    norm_of,
    step_of,
    stepped,
)
from fastgd.solver.planner import Method
from fastgd.solver.steppers.base import (
    FIRST_NORM,
    LAST_NORM,
    QUIET,
    EpochBatch,
    GradientRule,
    StepperState,
    Until,
)

SLOW = 0.25
"""M is made anew if an epoch leaves more than this share of the gradient that a step of its rate removes."""
STUCK = 0.5
"""Rounding keeps a larger share of the gradient."""
STILL = 2.0**-48
"""A step is rounding if no component is larger than this share of the largest of θ."""
HIDDEN = 1e-4
"""If no step lowers the cost, and M promises a fall by at most this share of it, rounding hides the fall."""


class MetricDescent(GradientRule):
    """An epoch is one step, θ ← θ − α M ∇cost(θ), halved until it lowers the cost.

    The run has converged when the norm √(g·M g) is at most tol times the norm at the caller's start, or when
    rounding keeps it from falling.
    """

    has_costs = True
    method: Method = "stream"
    epochs_per_call = 1

    def __init__(self, cost: SmoothCost, until: Until, backend: Backend = "numba"):
        self._cost, self._until, self.backend = cost, until, backend

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        if len(state.gradient):  # the begin of the run has read it
            return state, state.cost
        _, cost, gradient = self._cost(state.point)
        return state._replace(cost=cost, gradient=gradient, passes=state.passes + 1), cost

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        point, rate = Point(state.point, state.cost, state.gradient), float(rates[0])
        is_still = np.abs(step_of(point, state.metric)).max() <= STILL * np.abs(point.theta).max()
        new, n_passes = point, 0
        if not is_still:
            new, n_passes = stepped(self._cost, point, state.metric, rate, FEW_TRIED)
        state = state._replace(passes=state.passes + n_passes)
        if new is point and not is_still:
            state = self._with_new_metric(state, point.theta, 1.0)
            new, n_passes = stepped(self._cost, point, state.metric, rate, MOST_TRIED)
            state = state._replace(passes=state.passes + n_passes)
        if not (allow_divergence or (math.isfinite(new.cost) and np.isfinite(new.theta).all())):
            return state, 0
        before = norm_of(point.gradient, state.metric)
        is_rounding = before * before <= ROUNDING * abs(point.cost)
        if not is_rounding:
            metric = corrected(state.metric, new.theta - point.theta, new.gradient - point.gradient)
            state = state._replace(metric=metric)
        norm = norm_of(new.gradient, state.metric)
        is_slow = norm > (abs(1.0 - rate) + SLOW) * before
        is_stuck = is_still or (is_rounding and norm > STUCK * before)
        is_stuck |= new is point and before * before <= HIDDEN * abs(point.cost)
        quiet = 1.0 if is_stuck or norm <= self._until.tol * state.momentum[FIRST_NORM] else 0.0
        has_converged = self._until.tol >= 0.0 and quiet > 0.0
        if is_slow and not (is_still or is_rounding or has_converged):
            state = self._with_new_metric(state, new.theta)
        momentum = state.momentum.copy()
        momentum[QUIET], momentum[LAST_NORM] = quiet, norm
        batch.costs[:], batch.weights[:], batch.norms[:] = new.cost, new.theta, norm
        if len(batch.gradients):
            batch.gradients[:] = point.gradient
        changed = state._replace(
            point=new.theta, before=point.theta, momentum=momentum, gradient=new.gradient, cost=new.cost,
            has_converged=has_converged,
        )  # fmt: skip
        return changed, 1

    def _with_new_metric(self, state: StepperState, theta: Floats, chord: float = CHORD) -> StepperState:
        """The state with the metric at θ, by one pass. The first norm is the least in any metric."""
        state = state._replace(passes=state.passes + 1)
        if (made := self._cost.metric(theta, chord)) is None:
            return state
        momentum = state.momentum.copy()
        momentum[FIRST_NORM] = min(momentum[FIRST_NORM], norm_of(state.first_gradient, made[0]))
        return state._replace(metric=made[0], momentum=momentum)

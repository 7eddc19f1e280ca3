"""Full-batch descent on a smooth cost in the metric of its curvature: see `solver/metric.py`."""

from __future__ import annotations

import math

import numpy as np

from fastgd.data.backend import Backend
from fastgd.engine.blocks import Floats
from fastgd.solver.metric import ROUNDING, Point, SmoothCost, corrected, norm_of, stepped
from fastgd.solver.planner import Method
from fastgd.solver.steppers.base import EpochBatch, GradientRule, StepperState, Until, hardly_differ

SLOW = 0.25
"""M is made anew if an epoch leaves more than this share of the gradient that a step of its rate removes."""
STUCK = 0.5
"""Rounding keeps a larger share of the gradient."""


class MetricDescent(GradientRule):
    """An epoch is one step, θ ← θ − α M ∇cost(θ), halved while it raises the cost.

    The run has converged when the norm √(g·M g) is at most tol times the norm at the caller's start, or when
    rounding keeps it from falling.
    """

    has_costs = True
    method: Method = "stream"
    epochs_per_call = 1

    def __init__(self, cost: SmoothCost, until: Until, backend: Backend = "numba"):
        self._cost, self._until, self.backend = cost, until, backend

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        _, cost, gradient = self._cost(state.point)
        return state._replace(cost=cost, gradient=gradient, passes=state.passes + 1), cost

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        point, rate = Point(state.point, state.cost, state.gradient), float(rates[0])
        new, n_passes = stepped(self._cost, point, state.metric, rate)
        passes = state.passes + n_passes
        if not (allow_divergence or (math.isfinite(new.cost) and np.isfinite(new.theta).all())):
            return state._replace(passes=passes), 0
        before, metric = norm_of(state.gradient, state.metric), state.metric
        is_rounding = before * before <= ROUNDING * abs(new.cost)
        if not is_rounding:
            metric = corrected(metric, new.theta - point.theta, new.gradient - point.gradient)
        norm = norm_of(new.gradient, metric)
        _, quiet, first, *_ = state.momentum.tolist()
        is_still = hardly_differ(new.theta, point.theta, new.theta)
        is_stuck = is_still or (is_rounding and norm > STUCK * before)
        quiet = quiet + 1.0 if is_stuck or norm <= self._until.tol * first else 0.0
        has_converged = self._until.tol >= 0.0 and quiet >= self._until.patience
        if not (is_rounding or has_converged) and norm > (abs(1.0 - rate) + SLOW) * before:
            passes += 1
            if (made := self._cost.metric(new.theta)) is not None:
                metric = made[0]
        momentum = state.momentum.copy()
        momentum[1], momentum[3] = quiet, norm
        batch.costs[:], batch.weights[:], batch.norms[:] = new.cost, new.theta, norm
        changed = state._replace(
            point=new.theta, before=point.theta, momentum=momentum, gradient=new.gradient, cost=new.cost,
            metric=metric, passes=passes, has_converged=has_converged,
        )  # fmt: skip
        return changed, 1

"""Full-batch descent on a cost with kinks, by models that keep the rows near them: see `solver/kinks.py`."""

from __future__ import annotations

import math

import numpy as np

from fastgd.data.backend import Backend
from fastgd.engine.blocks import Floats
from fastgd.solver.kink_models import ENOUGH, WIDER, Minimum, minimum
from fastgd.solver.kinks import KinkedCost, Read
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

FIRST_WIDTH = 0.25
"""The first width of a loss in a model, as a share of the width of the kept rows."""
MISSED = 2.0 * ENOUGH
"""The share of the cost that the minimum of a model may miss."""
WIDENINGS = 60
"""The most times that an epoch keeps more rows since the model has no minimum."""


class KinkDescent(GradientRule):
    """An epoch is one step, θ ← θ + α (minimum of the model − θ). A step that does not lower the cost is
    undone, and the next model keeps more rows.

    The run has converged when the cost lies at most tol² times the cost at the caller's start above its lower
    bound, or above it by rounding alone. The norm of an epoch is √(2 (cost − bound)).
    """

    has_costs = True
    method: Method = "stream"
    epochs_per_call = 1

    def __init__(self, cost: KinkedCost, until: Until, backend: Backend = "numba"):
        self._cost, self._until, self.backend = cost, until, backend

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        state = self._with_read(state)
        return state, state.cost

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        before, is_lower, found = state, False, None
        if self._excess(state) > 0.0:
            state, found = self._minimum(state)
        if found is not None:
            theta = state.point + float(rates[0]) * (found.theta - state.point)
            new = self._with_read(state._replace(point=theta, bound=max(state.bound, found.bound)))
            is_lower = not new.cost >= state.cost
            state = new if is_lower else state._replace(bound=new.bound, passes=new.passes)
        if not (allow_divergence or (math.isfinite(state.cost) and np.isfinite(state.point).all())):
            return before._replace(passes=state.passes), 0
        norm = math.sqrt(2.0 * self._excess(state))
        is_stuck = norm == 0.0 or (not is_lower and self._is_whole(state))
        momentum = state.momentum.copy()
        momentum[QUIET] = 1.0 if is_stuck or norm <= self._until.tol * momentum[FIRST_NORM] else 0.0
        momentum[LAST_NORM] = norm
        has_converged = bool(self._until.tol >= 0.0 and momentum[QUIET] > 0.0)
        if not (is_lower or is_stuck or has_converged):
            state = self._with_read(state._replace(width=WIDER * state.width))
        batch.costs[:], batch.weights[:], batch.norms[:] = state.cost, state.point, norm
        return state._replace(before=before.point, momentum=momentum, has_converged=has_converged), 1

    def _with_read(self, state: StepperState) -> StepperState:
        """The state with the cost, the gradient and the kept rows at its point, by one pass."""
        read = self._cost.read(state.point, state.width)
        return state._replace(cost=read.cost, gradient=read.gradient, kept=read.kept, passes=state.passes + 1)

    def _excess(self, state: StepperState) -> float:
        """What the cost lies above its bound, or 0 for rounding and what the minimum of a model may miss."""
        excess = state.cost - state.bound
        return 0.0 if excess <= MISSED * abs(state.cost) else excess

    def _is_whole(self, state: StepperState) -> bool:
        return self._cost.is_whole(state.kept)

    def _minimum(self, state: StepperState) -> tuple[StepperState, Minimum | None]:
        """The minimum of a model that has one, which keeps as many rows as it takes."""
        share = 0.25 * max(0.0, self._until.tol) ** 2
        for _ in range(WIDENINGS):
            model = self._cost.model(state.point, Read(state.cost, state.gradient, state.kept))
            if model is not None:
                enough = max(ENOUGH, share) * abs(state.cost)
                found = minimum(model, state.point, FIRST_WIDTH * state.width, enough)
                if found is not None or self._is_whole(state):
                    return state, found
            state = self._with_read(state._replace(width=WIDER * state.width))
        return state, None

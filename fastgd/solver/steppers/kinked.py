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
HALVINGS = 24
"""The most rates that a step tries."""
WIDENINGS = 60
"""The most times that an epoch keeps more rows since the model has no minimum."""


class KinkDescent(GradientRule):
    """An epoch is one step, θ ← θ + α (minimum of the model − θ). A step that does not lower the cost is
    undone, and the next model keeps more rows.

    The run has converged when the cost lies at most tol² times the cost at the caller's start above its lower
    bound, or above it by rounding alone. It ends, without having converged, if all rows are kept and no step
    lowers the cost. The norm of an epoch is √(2 (cost − bound)).
    """

    has_costs = True
    has_gradients = False
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
        before, is_lower = state, False
        rests = bool(state.momentum[QUIET])  # this point is the end of the search
        if not (rests or self._is_near(state)):
            state, is_lower = self._stepped(state, float(rates[0]))
        if not (allow_divergence or (math.isfinite(state.cost) and np.isfinite(state.point).all())):
            return before._replace(passes=state.passes), 0
        norm, is_near = math.sqrt(2.0 * self._excess(state)), self._is_near(state)
        is_stuck = rests or (not (is_lower or is_near) and self._is_whole(state))
        momentum = state.momentum.copy()
        momentum[QUIET], momentum[LAST_NORM] = float(is_near or is_stuck), norm
        if not (is_lower or is_near or is_stuck):
            state = self._with_read(state._replace(width=WIDER * state.width))
        batch.costs[:], batch.weights[:], batch.norms[:] = state.cost, state.point, norm
        ends = self._until.tol >= 0.0 and (is_near or is_stuck)
        return state._replace(before=before.point, momentum=momentum, has_converged=ends), 1

    def _stepped(self, state: StepperState, rate: float) -> tuple[StepperState, bool]:
        """The state after a step, and whether it lowers the cost. Otherwise it has the point of the start.

        If all rows are kept, the model is the cost, and a step that does not lower it is halved.
        """
        state, found = self._minimum(state)
        if found is None:
            return state, False
        state = state._replace(bound=max(state.bound, found.bound))
        for _ in range(HALVINGS if self._is_whole(state) else 1):
            new = self._with_read(state._replace(point=state.point + rate * (found.theta - state.point)))
            if not new.cost >= state.cost:
                return new, True
            state, rate = state._replace(passes=new.passes), 0.5 * rate
        return state, False

    def _is_near(self, state: StepperState) -> bool:
        """Whether the cost is near enough to its bound."""
        norm = math.sqrt(2.0 * self._excess(state))
        return bool(norm <= max(self._until.tol, 0.0) * state.momentum[FIRST_NORM])

    def _with_read(self, state: StepperState) -> StepperState:
        """The state with the cost, the lines and the kept rows at its point, by one pass."""
        read = self._cost.read(state.point, state.width)
        return state._replace(cost=read.cost, gradient=read.lines, kept=read.kept, passes=state.passes + 1)

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
                enough = max(ENOUGH * abs(state.cost), share * 0.5 * float(state.momentum[FIRST_NORM]) ** 2)
                found = minimum(model, state.point, FIRST_WIDTH * state.width, enough)
                if found is not None or self._is_whole(state):
                    return state, found
            state = self._with_read(state._replace(width=WIDER * state.width))
        return state, None

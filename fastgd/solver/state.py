"""Where a run stood when it ended, and how another goes on from there."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.losses import identity
from fastgd.solver.moments import Moments
from fastgd.solver.options import Plan, Solver
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.scaling import Scaling
from fastgd.solver.statistics import Reference
from fastgd.solver.steppers.base import StepperState


class FitState(NamedTuple):
    """Where a run stood when it ended: what another needs to go on as if there had been no end."""

    solver: Solver
    epoch: int
    order: Order
    method: Method
    memory: StepperState | None
    scaling: Scaling | None
    reference: Reference | None
    first_rate: float
    identity: tuple[Any, ...]
    """The objective, the rule and the data: momentum, averages and counts are of these alone."""
    null: Floats | None = None
    """Of a run on statistics of dependent columns: see `Descent.null`."""
    moments: Moments | None = None
    """Moments of the rows so far, for `partial_fit`."""


def identity_of(plan: Plan, rows: Dataset) -> tuple[Any, ...]:
    """What a run shares with the one it goes on from; the parts of `partial_fit` are parts of one run."""
    objective, rule = plan.objective, plan.rule
    options: tuple[Any, ...] = identity(objective.loss)
    options += (
        objective.l1,
        objective.l2,
        objective.fit_intercept,
        objective.standardize,
        objective.precondition,
    )
    options += (rule.momentum, rule.nesterov, rule.batch_size, rule.average)
    if plan.options.is_part:
        return options
    return *options, rows.d, *rows.mark()


def goes_on(plan: Plan, state: FitState, identity: tuple[Any, ...]) -> bool:
    """Whether this is the run of that state, or another part of its data."""
    if plan.options.is_part:
        return state.moments is not None and state.identity[: len(identity)] == identity
    return state.identity == identity


def problem_of(plan: Plan, rows: Dataset, state: FitState | None) -> Problem:
    """The problem of a run; for a part of the data with the moments of the parts before it."""
    saved, earlier = (state.reference, state.scaling) if state is not None else (None, None)
    of_data = rows, plan.objective, plan.rule, plan.backend, plan.options.n_threads
    if not plan.options.is_part:
        return Problem(*of_data, saved, earlier=earlier)
    own = Problem(*of_data)
    moments = own.column_sums.moments(rows.n)._replace(largest_target=rows.facts.largest)
    if state is not None and state.moments is not None:
        moments = state.moments.merged(moments)
    whole = Problem(*of_data, moments=moments)
    whole.n_passes = own.n_passes
    return whole


def resumed_point(state: FitState | None, to: Scaling, point: Floats) -> Floats:
    """The very point where the run before stood, where it means the same here."""
    memory = resumed(state, to)
    return point if memory is None else memory.point


def resumed(state: FitState | None, to: Scaling) -> StepperState | None:
    """Where the run before stood, in this scaling; None where it is no part of this run."""
    if state is None or state.memory is None or state.scaling is None:
        return None
    memory = state.memory.copied()
    if to.equals(state.scaling):
        return memory
    if state.moments is None:
        return None
    points = (memory.point, memory.before, memory.average)
    moved = [state.scaling.translated(point, to) if len(point) else point for point in points]
    return StepperState(moved[0], moved[1], memory.momentum, moved[2], memory.counts)

"""The final state of a run, from which another run can continue."""

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
    """The final state of a run: all that another run needs to continue it without a break."""

    solver: Solver
    epoch: int
    order: Order
    method: Method
    carried: StepperState | None
    scaling: Scaling | None
    reference: Reference | None
    first_rate: float
    identity: tuple[Any, ...]
    """The objective, the rule and the data. Momentum, averages and counts are valid for these only."""
    null: Floats | None = None
    """For statistics of dependent columns: see `Descent.null`."""
    moments: Moments | None = None
    """Moments of the rows so far, for `partial_fit`."""


def identity_of(plan: Plan, rows: Dataset) -> tuple[Any, ...]:
    """The values that a run shares with the run that it continues. Parts of `partial_fit` share no data."""
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
    """Whether the plan continues the run of this state."""
    if plan.options.is_part:
        return state.moments is not None and state.identity[: len(identity)] == identity
    return state.identity == identity


def problem_of(plan: Plan, rows: Dataset, state: FitState | None) -> Problem:
    """The problem of a run. In `partial_fit` it has the moments of all parts so far."""
    saved, earlier = (state.reference, state.scaling) if state is not None else (None, None)
    arguments = rows, plan.objective, plan.rule, plan.backend, plan.options.n_threads
    if not plan.options.is_part:
        problem = Problem(*arguments, saved, earlier=earlier)
        problem.sums_targets = plan.options.summaries is not None
        return problem
    part = Problem(*arguments)
    moments = part.column_sums.moments(rows.n)._replace(largest_target=rows.facts.largest)
    if state is not None and state.moments is not None:
        moments = state.moments.merged(moments)
    whole = Problem(*arguments, moments=moments)
    whole.n_passes = part.n_passes
    return whole


def resumed_point(state: FitState | None, to: Scaling, point: Floats) -> Floats:
    """The last point of the earlier run if it is valid in this scaling, otherwise `point`."""
    carried = resumed(state, to)
    return point if carried is None else carried.point


def resumed(state: FitState | None, to: Scaling) -> StepperState | None:
    """The stepper state of the earlier run in this scaling, or None if it cannot be used."""
    if state is None or state.carried is None or state.scaling is None:
        return None
    carried, earlier = state.carried, state.scaling
    if to.equals(earlier):
        return carried
    if state.moments is None:
        return None

    def moved(point: Floats) -> Floats:
        return earlier.translated(point, to) if len(point) else point

    return carried._replace(
        point=moved(carried.point), before=moved(carried.before), average=moved(carried.average)
    )

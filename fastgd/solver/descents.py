"""Prepare runs: the problem, the learning rates, the steppers, and the map from their points to w."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.schedules import LearningRate, TimesAuto, is_automatic
from fastgd.solver import forecast, loop, preconditioning
from fastgd.solver.loop import Callback, Keeper, Recorded, Run
from fastgd.solver.moments import Moments
from fastgd.solver.options import Options, Plan, Solver, Tolerance
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.rates import mean_square, rates_of
from fastgd.solver.scaling import Model, Scaling, starting_at
from fastgd.solver.state import FitState, goes_on, identity_of, problem_of, resumed, resumed_point
from fastgd.solver.steppers.base import FIRST_NORM, LAST_NORM, Stepper, StepperState, new_state
from fastgd.solver.steppers.choose import choose_steppers, descent_method, is_lesson

OUTGROWN = 1e4
"""The rate is too large if scores exceed the bound for stable steps this many times."""
GROWN = 1.001
"""Rounding grows weights by a smaller factor."""


@dataclass(slots=True)
class Descent:
    """A run before its first epoch: its stepper, its first state, and the other parts."""

    kind: Solver
    """The solver that runs. SGD with a batch of all rows is full-batch descent."""
    stepper: Stepper
    start: StepperState
    rates: Floats
    model: Model | None
    """The function from points to w and intercept, or None if points are w."""
    problem: Problem
    scaling: Scaling | None
    cost_scale: float = 1.0
    """The factor from the stepper's costs, which are means over rows, to weighted means."""
    identity: tuple[Any, ...] = ()
    null: Floats | None = None
    """For statistics, the part of the start that changes no cost. Steps do not change it. Added to every
    v."""
    backtracks: bool = False
    """Whether backtracking scales the rates."""
    first_rate: float = math.nan
    """The rate of the first epoch, counting the earlier runs that this one continues."""

    def __post_init__(self) -> None:
        if len(self.rates):
            self.first_rate = float(self.rates[0])

    def at(self, point: Floats) -> tuple[Floats, float]:
        """w, a new array, and intercept at a point of the stepper."""
        if self.model is None:
            return point.copy(), 0.0
        w, intercept = self.model(point)
        return w, float(intercept)

    def expected_digits(self) -> float:
        """The number of digits of the weights that the data determines, or inf without statistics."""
        if self.kind == "sgd" or self.stepper.method != "summary":
            return math.inf
        return self.problem.digits

    def dependent(self) -> tuple[int, ...]:
        """Columns that are linear combinations of others, and those others."""
        counted = np.inf if self.scaling is None else len(self.scaling.scale)
        return tuple(j for j in self.problem.statistics.factor.involved() if j < counted)

    def is_off(self) -> bool:
        """Whether each epoch reads the data since columns are too far from zero for statistics."""
        return self.problem.is_off

    def cost(self, run: Run) -> float:
        """The cost after a run, from statistics or by a pass."""
        if (summaries := self.problem.summaries) is not None:
            return summaries.cost(run.state.point) * self.cost_scale
        run.state, cost = self.stepper.start(run.state, True)
        assert cost is not None
        return cost

    def constant(self) -> tuple[int, ...]:
        """The columns that standardising found constant."""
        to = self.scaling
        if to is None or not self.problem.objective.is_standardized:
            return ()
        return tuple(np.flatnonzero(to.scale == 0.0).tolist())

    def _moments(self) -> Moments | None:
        """The moments that another call of `partial_fit` needs."""
        moments = self.problem.known_moments if self.kind == "sgd" else None
        if moments is None or "largest_square" not in vars(self.problem):
            return moments
        return moments._replace(longest=max(moments.longest, self.problem.largest_square))

    def has_outgrown(self, run: Run) -> bool:
        """Whether a call of `partial_fit` took scores beyond all bounds.

        If no step amplifies an error, a step with slope g at a score of 0 lengthens θ by at most
        rate·|g|·‖x̃‖, and scores stay within rate·curvature·Σ‖x̃‖² times the targets. If scores are OUTGROWN
        times larger and have grown in this call, steps amplify. (Scores may also be large because the columns
        became large, but steps of a stable rate do not make them grow.)
        """
        problem = self.problem
        moments = problem.given_moments
        if moments is None:
            return False
        objective, to = problem.objective, problem.scaling
        curvature = objective.curvature if objective.is_bounded else 1.0
        steps = float(self.rates[0]) * curvature * mean_square(problem) * moments.n
        target = moments.largest_target if objective.is_squared else max(1.0, moments.largest_target)
        units = np.sqrt(moments.squares / moments.total) * to.scale
        units = np.append(units, np.ones(to.size - len(units)))
        with np.errstate(over="ignore"):
            size, earlier = (
                float(np.linalg.norm(units * point)) for point in (run.state.point, self.start.point)
            )
        return size > OUTGROWN * target * max(1.0, steps) and size > GROWN * earlier

    def has_grown(self, run: Run) -> bool:
        """Whether full-batch descent with a rate over the limit ended finite, but with a higher cost."""
        first, last, problem = run.first_cost, run.last_cost, self.problem
        if self.kind == "sgd" or run.diverged or first is None or last is None:
            return False
        if not last > first * (1 + 1e-9):
            return False
        rounding = 1e-10 * problem.rows.facts.largest
        if self.problem.objective.is_squared:
            rounding *= rounding  # `rounding**2` would raise OverflowError
        if self.problem.objective.is_plain and problem.has_statistics:
            rounding += 4 * problem.statistics.error(self.at(run.state.point)[0])
        return last > first + rounding and float(np.max(self.rates)) > problem.limit("gradient_descent")

    def tolerance(self, options: Options) -> float:
        """tol as a number, or −1 if it is None."""
        return options.tolerance("stream" if self.kind == "sgd" else self.stepper.method)

    def is_judged_by_cost(self, tol: Tolerance) -> bool:
        """Whether the stopping rule compares costs, not gradients."""
        objective = self.problem.objective
        return tol is not None and (self.kind == "sgd" or not (objective.is_smooth or objective.has_models))

    def state(self, run: Run, order: Order) -> FitState:
        """The state from which another fit continues this run."""
        return FitState(
            self.kind,
            self.start.epoch + run.n_epochs,
            order,
            self.stepper.method,
            None if self.scaling is None else run.state.carried(),
            self.scaling,
            self.problem.reference,
            self.first_rate,
            self.identity,
            self.null,
            self._moments(),
        )


def begin_descent(plan: Plan, rows: Dataset, w: Floats, intercept: float, state: FitState | None) -> Descent:
    """The stepper of a run that begins at w and intercept, or continues the run of `state`."""
    plan = resolved_plan(plan, rows)
    by_lesson = is_lesson(plan)
    identity = _identity(plan, rows, by_lesson)
    if state is not None and (state.solver != plan.solver or not goes_on(plan, state, identity)):
        state = None
    if state is not None and plan.options.method == "auto":
        plan = dataclasses.replace(plan, options=dataclasses.replace(plan.options, method=state.method))
    rate = plan.options.learning_rate
    runs = _Runs(plan, rows, (w, intercept), plan.options.n_epochs, [rate], by_lesson, state)
    descent = runs.descents([(w, intercept)], [runs.rates(0)], identity)[0]
    if state is not None:
        descent.first_rate = state.first_rate
    return descent


def begin_descents(
    plan: Plan, rows: Dataset, starts: list[Floats], learning_rates: Sequence[LearningRate]
) -> list[Descent]:
    """The descents of runs, one for each learning rate and start. They share a problem, unless "auto"
    preconditions some of them: those with an automatic rate."""
    is_free = [plan.objective.precondition != "auto" or is_automatic(rate) for rate in learning_rates]
    done: dict[int, Descent] = {}
    for flag in set(is_free):
        chosen = [k for k, found in enumerate(is_free) if found is flag]
        own = resolved_plan(plan if flag else _with_precondition(plan, False), rows)
        n_epochs = len(chosen) * (own.options.n_epochs + 1) - 1  # a run of as many epochs has equal passes
        of_runs, by_lesson = [learning_rates[k] for k in chosen], is_lesson(own)
        runs = _Runs(own, rows, (starts[chosen[0]], 0.0), n_epochs, of_runs, by_lesson)
        rates = [runs.rates(i, f"learning_rates[{k}]") for i, k in enumerate(chosen)]
        identity = _identity(own, rows, by_lesson)
        done |= zip(chosen, runs.descents([(starts[k], 0.0) for k in chosen], rates, identity), strict=True)
    return [done[k] for k in range(len(starts))]


def run_descent(
    descent: Descent,
    plan: Plan,
    callbacks: Sequence[Callback],
    check_data: Callable[[], None],
    keeper: Keeper | None = None,
    *,
    stop_when_diverged: bool = True,
) -> Run:
    """Run the epochs of a descent. Costs of the run are those of the objective."""
    options, stepper = plan.options, descent.stepper
    by_cost = descent.is_judged_by_cost(options.tol)
    recorded = Recorded(
        options.history,
        costs=options.track_cost or stepper.has_costs or options.n_epochs == 0 or by_cost,
        losses=descent.kind == "sgd",
        norms=options.tol is not None and not by_cost,
        n_gradients=options.n_gradients(descent.problem.rows, stepper.has_gradients),
    )
    run = loop.run_epochs(
        stepper, descent.start, descent.rates, recorded, callbacks,
        check_data=check_data, stop_when_diverged=stop_when_diverged, keeper=keeper,
    )  # fmt: skip
    if run.converged and not run.has_stalled and options.tol is not None:
        has_bound, tol = descent.problem.objective.has_models, descent.tolerance(options)
        first, last = run.state.momentum[FIRST_NORM], run.state.momentum[LAST_NORM]
        if has_bound and last > tol * first:
            run.converged, run.stopped = False, forecast.STUCK
        else:
            run.stopped = forecast.reached(tol, options.patience, by_cost, has_bound)
    if (scale := descent.cost_scale) != 1.0:
        run.costs = None if run.costs is None else run.costs * scale
        run.first_cost = None if run.first_cost is None else run.first_cost * scale
        run.last_cost = None if run.last_cost is None else run.last_cost * scale
    return run


def _identity(plan: Plan, rows: Dataset, by_lesson: bool) -> tuple[Any, ...]:
    """The identity of a run. The lesson's runs have no momentum and averages: they continue on any data."""
    return () if by_lesson and plan.objective.is_plain else identity_of(plan, rows)


def resolved_plan(plan: Plan, rows: Dataset) -> Plan:
    """The plan with `precondition` decided. SGD with batches of all rows becomes full-batch descent."""
    if plan.objective.precondition:
        plan = _preconditioned(plan, rows)
    rule = plan.rule
    if (
        plan.solver == "sgd"
        and rule.batch_size > 1
        and rows.has_at_most(rule.batch_size)
        and rule.average is False
        and not plan.options.is_part
    ):
        plan = dataclasses.replace(plan, solver="gradient_descent")
    if plan.solver != "sgd" and rule.batch_size > 1:
        plan = dataclasses.replace(plan, rule=dataclasses.replace(rule, batch_size=1))
    return plan


def _preconditioned(plan: Plan, rows: Dataset) -> Plan:
    """The plan with `precondition` resolved."""
    plan = _with_precondition(plan, preconditioning.resolved(plan, rows))
    if plan.objective.precondition and not plan.rule.momentum:  # the first step leads to the optimum
        return dataclasses.replace(plan, rule=dataclasses.replace(plan.rule, nesterov=False))
    return plan


def _with_precondition(plan: Plan, flag: bool) -> Plan:
    return dataclasses.replace(plan, objective=dataclasses.replace(plan.objective, precondition=flag))


class _Runs:
    """The problem of one or several runs, and their method."""

    def __init__(
        self,
        plan: Plan,
        rows: Dataset,
        start: tuple[Floats, float],
        n_epochs: int,
        learning_rates: Sequence[LearningRate],
        by_lesson: bool,
        state: FitState | None = None,
    ):
        """`start` is w and intercept of the first run. `n_epochs` is the number of epochs of all runs.
        `by_lesson` says whether the lesson's steps are sufficient."""
        self._plan, self._state = plan, state
        self._learning_rates, self._is_automatic = learning_rates, list(map(is_automatic, learning_rates))
        self._backtracks = [False] * len(learning_rates)
        if any(self._is_automatic) and plan.solver != "sgd":
            objective = plan.objective
            if objective.is_smooth and not (objective.is_bounded or objective.precondition):
                self._backtracks = self._is_automatic
        self._shortens = not (plan.objective.is_smooth or plan.objective.has_models)
        """Whether steps must become shorter, near a kink."""
        self._epoch = state.epoch if state is not None else 0
        problem = self._problem = problem_of(plan, rows, state)
        self._is_lesson = by_lesson and plan.backend == "numba"
        """Whether runs take the lesson's steps."""
        self._scaling: Scaling | None = None
        self._cost_scale = 1.0
        is_block = rows.is_one_block and plan.options.method != "summary"
        if self._is_lesson and (plan.solver == "sgd" or is_block):
            if not plan.objective.is_plain:
                self._scaling = problem.scaling
            if rows.has_weights and not rows.is_once:  # whose steps have no costs
                self._cost_scale = rows.n / problem.total
            problem.begin_single_steps(self._lesson_point(start))
            self._method: Method = "stream"
        else:  # statistics first: the rates and the scaling follow from them
            self._method = descent_method(plan, problem, n_epochs, any(self._is_automatic))
            self._is_lesson &= self._method == "stream"
            problem.check_metric()

    def rates(self, k: int, name: str = "learning_rate") -> Floats:
        """The rates of the run with number k. Backtracking writes into them."""
        plan, learning_rate = self._plan, self._learning_rates[k]
        if isinstance(learning_rate, str) and learning_rate == "auto" and self._shortens:
            learning_rate = TimesAuto(lambda epoch: (epoch + 1.0) ** -0.5)
        rates = rates_of(plan, self._problem, learning_rate, self._epoch, name)
        return np.array(rates) if self._backtracks[k] else rates

    def descents(
        self, starts: list[tuple[Floats, float]], rates: list[Floats], identity: tuple[Any, ...]
    ) -> list[Descent]:
        plan, problem = self._plan, self._problem
        if not self._is_lesson:
            self._scaling = problem.scaling
        parts: list[tuple[StepperState, Floats | None, Model | None]] = []
        for k, start in enumerate(starts):
            is_shared = k > 0 and start[0] is starts[k - 1][0]
            parts.append(parts[-1] if is_shared else self._begin(start))
        steppers = choose_steppers(plan, problem, self._method, rates, self._backtracks)
        descents = []
        for k, ((state, null, model), stepper) in enumerate(zip(parts, steppers, strict=True)):
            of_run = problem, self._scaling, self._cost_scale, identity, null, self._backtracks[k]
            descents.append(Descent(plan.solver, stepper, state, rates[k], model, *of_run))
        return descents

    def _begin(self, start: tuple[Floats, float]) -> tuple[StepperState, Floats | None, Model | None]:
        """The first state of runs with this start, and `null` and `model` of their `Descent`."""
        if self._is_lesson:
            state, null = new_state(self._lesson_point(start), -1, self._epoch), None
        else:
            state, null = self._first_state(start)
        to, plan = self._scaling, self._plan
        if to is None:
            return state, null, None
        if plan.objective.has_metric_of_sample and plan.options.n_epochs and not len(state.metric):
            from fastgd.solver import metric

            return metric.first_state(self._problem, state, plan.options.n_threads), null, to.model
        if plan.objective.has_models and plan.options.n_epochs and not state.width:
            from fastgd.solver import kinks

            tol = plan.options.tolerance("stream")
            first = kinks.first_state(self._problem, state, plan.options.n_threads, tol)
            return first, null, to.model
        is_moved = not self._is_lesson and self._method == "summary"
        of_points = partial(self._problem.model, null=null) if is_moved else to.model
        return state, null, starting_at(state.point, start, to, of_points)

    def _lesson_point(self, start: tuple[Floats, float]) -> Floats:
        to = self._scaling
        return start[0] if to is None else resumed_point(self._state, to, to.theta(*start))

    def _first_state(self, start: tuple[Floats, float]) -> tuple[StepperState, Floats | None]:
        """The first state of a run, and `Descent.null`. The point is v = θ − θ_ref for statistics, otherwise
        θ."""
        plan, problem, state, to = self._plan, self._problem, self._state, self._problem.scaling
        rule, is_summary = plan.rule, self._method == "summary"
        point, null = to.theta(*start), None
        if is_summary:
            point -= problem.statistics.w_ref
            null = problem.null_part(point)
            if null is not None:
                if state is not None and state.null is not None and problem.is_resumed:
                    null = state.null
                point -= null
        average_from = -1
        if plan.solver == "sgd" and rule.average is not False:
            n = (
                0 if problem.rows.is_once else problem.rows.n
            )  # known there, and needed, of a share of the steps
            average_from = rule.average_from(plan.options.n_epochs * -(-n // rule.batch_size))
        new = new_state(point, average_from, self._epoch)
        is_known = not is_summary or problem.is_resumed
        is_same = is_known and state is not None and state.method == self._method
        earlier = resumed(state, to) if is_same else None
        if earlier is None or (earlier.counts[1] >= 0) != (new.counts[1] >= 0):
            return new, null
        return earlier._replace(epoch=self._epoch, epoch_start=earlier.point), null

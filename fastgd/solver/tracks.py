"""From an objective and a rule to the stepper that runs them, and what translates its points back.

There are two tracks. The lesson's steppers take squared errors by single steps: in other coordinates they
read rows that are made as they are read. The others take any objective by any rule.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgd.data.dataset import Table
from fastgd.engine.blocks import Floats
from fastgd.schedules import LearningRate, TimesAuto, is_automatic
from fastgd.solver import planner, preconditioning
from fastgd.solver.loop import Run
from fastgd.solver.moments import Moments
from fastgd.solver.objective import LESSON, Objective
from fastgd.solver.options import Plan, Solver
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.rates import mean_square, rates_of
from fastgd.solver.scaling import Model, Scaling, starting_at
from fastgd.solver.state import State, goes_on, identity_of, problem_of, resumed, resumed_point
from fastgd.solver.steppers.base import Stepper, new_state
from fastgd.solver.steppers.choose import for_descent, for_sgd, for_sgds
from fastgd.solver.steppers.plain import PlainDescent, PlainSgd
from fastgd.solver.steppers.proximal import StreamedProximal, SummaryProximal, Until
from fastgd.solver.steppers.streaming_sgd import ScannedSgd

OUTGROWN = 1e4
"""Scores this many times beyond what steps without amplification reach are of a rate that is too large."""
GROWN = 1.001
"""Rounding lengthens weights by less."""


@dataclass(slots=True)
class Track:
    """A stepper at its start."""

    kind: Solver
    """The loop that it runs: SGD with a batch of all rows is full-batch descent."""
    stepper: Stepper
    rates: Floats
    model: Model | None
    """w and intercept of points; None where a point is w."""
    problem: Problem
    epoch: int
    scaling: Scaling | None
    cost_scale: float = 1.0
    """What turns the stepper's costs, means over rows, into means over weights."""
    about: tuple[Any, ...] = ()
    first_rate: float = math.nan
    """Of the very first epoch, also of runs that this one goes on from."""
    goal: Objective = LESSON

    def __post_init__(self) -> None:
        if len(self.rates):
            self.first_rate = float(self.rates[0])

    @property
    def passes(self) -> int:
        return self.problem.n_passes + self.stepper.passes

    def expected_digits(self) -> float:
        """How many digits of the weights the data allows, where statistics tell."""
        if isinstance(self.stepper, SummaryProximal):
            return self.problem.digits
        return math.inf

    def dependent(self) -> tuple[int, ...]:
        """Columns that are sums of others, and those others."""
        counted = np.inf if self.scaling is None else len(self.scaling.scale)
        return tuple(j for j in self.problem.statistics.factor.involved() if j < counted)

    def is_off(self) -> bool:
        """Whether it reads the data once an epoch since columns are too far from zero for statistics."""
        return self.problem.is_off

    def cost(self) -> float:
        """Where the stepper stands: by statistics, or a read."""
        if (summaries := self.problem.summaries) is not None:
            return summaries.cost(self.stepper.w) * self.cost_scale
        cost = self.stepper.start(True)
        assert cost is not None
        return cost

    def result_point(self) -> Floats:
        """Where the run ended: the average, where there is one."""
        average = self.stepper.average() if isinstance(self.stepper, (ScannedSgd, PlainSgd)) else None
        return self.stepper.w if average is None else average

    def constant(self) -> tuple[int, ...]:
        """The columns that standardising found constant."""
        to = self.scaling
        return () if to is None else tuple(np.flatnonzero(to.scale == 0.0).tolist())

    def _moments(self) -> Moments | None:
        """The moments that another call of `partial_fit` needs."""
        moments = self.problem.known_moments if self.kind == "sgd" else None
        if moments is None or "largest_square" not in vars(self.problem):
            return moments
        return moments._replace(longest=max(moments.longest, self.problem.largest_square))

    def has_outgrown(self, before: Floats) -> bool:
        """Whether a call of `partial_fit` that began at the point `before` took scores beyond all bounds.

        Where no step amplifies an error, a step with slope g at a score of 0 lengthens θ by rate·|g|·‖x̃‖ at
        most: scores stay within rate·curvature·Σ‖x̃‖² times the targets. Those that are OUTGROWN times
        larger, and have grown in this call, are of steps that amplify. Scores that are large because the
        columns became so do not grow by steps of a stable rate.
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
            size, earlier = (float(np.linalg.norm(units * point)) for point in (self.stepper.w, before))
        return size > OUTGROWN * target * max(1.0, steps) and size > GROWN * earlier

    def state(self, done: int, order: Order) -> State:
        memory = getattr(self.stepper, "memory", None)
        if memory is None and self.scaling is not None:
            memory = new_state(self.stepper.w)
        return State(
            self.kind,
            self.epoch + done,
            order,
            self.stepper.method,
            memory and copy.deepcopy(memory),
            self.scaling,
            self.problem.reference,
            self.first_rate,
            self.about,
            self.problem.null.copy() if self.problem.null.any() else None,
            self._moments(),
        )


def track(plan: Plan, rows: Table, w: Floats, intercept: float, state: State | None) -> Track:
    """The lesson's steppers where they serve, else those of any objective."""
    plan, is_lessons = _resolved(plan, rows)
    about = () if is_lessons and plan.goal.is_plain else identity_of(plan, rows)
    if state is not None and (state.solver != plan.solver or not goes_on(plan, state, about)):
        state = None
    if state is not None and plan.how.method == "auto":
        plan = dataclasses.replace(plan, how=dataclasses.replace(plan.how, method=state.method))
    ground = (_Lessons if is_lessons and plan.backend == "numba" else _Any)(
        plan, rows, w, intercept, plan.how.n_epochs, state
    )
    taken = ground.track(w, intercept, ground.rates(plan.how.learning_rate))
    taken.about, taken.goal = about, plan.goal
    _backtrack(taken, plan, plan.how.learning_rate)
    if state is not None:
        taken.first_rate = state.first_rate
    return taken


def tracks(
    plan: Plan, rows: Table, starts: list[Floats], learning_rates: Sequence[LearningRate]
) -> list[Track]:
    """One for each learning rate, and start: they share the coordinates and what is learnt of the data."""
    plan, is_lessons = _resolved(plan, rows)
    about = () if is_lessons and plan.goal.is_plain else identity_of(plan, rows)
    n_epochs = len(starts) * (plan.how.n_epochs + 1) - 1  # as many reads as one run of so many epochs
    ground = (_Lessons if is_lessons and plan.backend == "numba" else _Any)(
        plan, rows, starts[0], 0.0, n_epochs
    )
    rates = [ground.rates(rate, f"learning_rates[{k}]") for k, rate in enumerate(learning_rates)]
    taken = ground.tracks(starts, rates)
    for each, rate in zip(taken, learning_rates, strict=True):
        each.about, each.goal = about, plan.goal
        _backtrack(each, plan, rate)
    return taken


def _backtrack(taken: Track, plan: Plan, learning_rate: LearningRate) -> None:
    """Let automatic rates be found by backtracking where the curvature of a smooth loss has no bound."""
    has_no_bound = plan.goal.is_smooth and not plan.goal.is_bounded
    if has_no_bound and is_automatic(learning_rate):
        if isinstance(taken.stepper, (StreamedProximal, PlainDescent)):
            taken.stepper.backtracks = True
        taken.rates = np.array(taken.rates)


def _resolved(plan: Plan, rows: Table) -> tuple[Plan, bool]:
    """The plan with the solver that it comes to, and whether the lesson's steppers serve."""
    if plan.goal.precondition:
        plan = _preconditioned(plan, rows)
    goal, rule = plan.goal, plan.rule
    if (
        plan.solver == "sgd"
        and rule.batch_size > 1
        and rows.has_at_most(rule.batch_size)
        and rule.average is False
        and not plan.how.is_part
    ):
        plan = dataclasses.replace(plan, solver="gradient_descent")
    if plan.solver == "sgd":
        return plan, goal.is_quadratic and rule.is_plain
    if rule.batch_size > 1:
        plan = dataclasses.replace(plan, rule=dataclasses.replace(rule, batch_size=1))
    is_lessons = goal.is_plain and plan.rule.is_plain and plan.how.tol is None and not goal.precondition
    return plan, is_lessons


def _preconditioned(plan: Plan, rows: Table) -> Plan:
    """The plan with `precondition` resolved."""
    goal = dataclasses.replace(plan.goal, precondition=preconditioning.resolved(plan, rows))
    rule = plan.rule
    if goal.precondition and not rule.momentum:
        rule = dataclasses.replace(rule, nesterov=False)  # the first step leads to the optimum
    return dataclasses.replace(plan, goal=goal, rule=rule)


class _Lessons:
    """What runs of squared errors by single steps share."""

    def __init__(
        self, plan: Plan, rows: Table, w: Floats, intercept: float, n_epochs: int, state: State | None = None
    ):
        """`w` and `intercept` begin the first run. `n_epochs` is the number of epochs of all runs."""
        self._plan, self._n_epochs, self._state = plan, n_epochs, state
        self._epoch = state.epoch if state is not None else 0
        self._to: Scaling | None = None
        problem = self._problem = problem_of(plan, rows, state)
        if not plan.goal.is_plain:
            self._to = problem.scaling
        self._scale = rows.n / problem.total if rows.has_weights else 1.0
        self._summaries = problem.begin_single_steps(self._point(w, intercept))

    def rates(self, learning_rate: LearningRate, name: str = "learning_rate") -> Floats:
        return rates_of(self._plan, self._problem, learning_rate, self._epoch, name)

    def track(self, w: Floats, intercept: float, rates: Floats) -> Track:
        plan, how, rows = self._plan, self._plan.how, self._problem.descent_rows
        start, w = (w, intercept), self._point(w, intercept)
        stepper: Stepper
        if plan.solver == "sgd":
            stepper = for_sgd(
                rows, w, rates, n_threads=how.n_threads, method=how.method,
                summaries=self._summaries, order=plan.order, track_cost=how.track_cost,
                keeps_samples=how.history == "samples", epoch=self._epoch,
            )  # fmt: skip
        else:
            stepper = for_descent(
                rows, w, self._n_epochs, n_threads=how.n_threads,
                method=how.method, summaries=self._summaries,
            )  # fmt: skip
        return self._begun(stepper, rates, start)

    def tracks(self, starts: list[Floats], rates: list[Floats]) -> list[Track]:
        plan, how = self._plan, self._plan.how
        if plan.solver != "sgd":
            return [self.track(w, 0.0, own) for w, own in zip(starts, rates, strict=True)]
        points = [self._point(w, 0.0) for w in starts]
        steppers = for_sgds(
            self._problem.descent_rows, points, rates, n_threads=how.n_threads,
            method=how.method, summaries=self._summaries, order=plan.order, track_cost=how.track_cost,
        )  # fmt: skip
        begun = zip(steppers, rates, starts, strict=True)
        return [self._begun(stepper, own, (w, 0.0)) for stepper, own, w in begun]

    def _point(self, w: Floats, intercept: float) -> Floats:
        return w if self._to is None else resumed_point(self._state, self._to, self._to.theta(w, intercept))

    def _begun(self, stepper: Stepper, rates: Floats, start: tuple[Floats, float]) -> Track:
        to = self._to
        model = None if to is None else starting_at(stepper.w, start, to, to.model)
        return Track(self._plan.solver, stepper, rates, model, self._problem, self._epoch, to, self._scale)


class _Any:
    """What runs of any objective by any rule share."""

    def __init__(
        self, plan: Plan, rows: Table, w: Floats, intercept: float, n_epochs: int, state: State | None = None
    ):
        """As of `_Lessons`."""
        self._plan, self._state, self._epoch = plan, state, state.epoch if state is not None else 0
        problem = self._problem = problem_of(plan, rows, state)
        self._is_summary = (
            plan.solver != "sgd"
            and plan.backend == "numba"
            and _pays(plan, rows, n_epochs)
            and problem.holds_digits
        )
        problem.check_metric()

    def rates(self, learning_rate: LearningRate, name: str = "learning_rate") -> Floats:
        plan = self._plan
        if isinstance(learning_rate, str) and learning_rate == "auto" and not plan.goal.is_smooth:
            # Towards a kink, steps must become short.
            learning_rate = TimesAuto(lambda epoch: (epoch + 1.0) ** -0.5)
        return rates_of(plan, self._problem, learning_rate, self._epoch, name)

    def tracks(self, starts: list[Floats], rates: list[Floats]) -> list[Track]:
        return [self.track(w, 0.0, own) for w, own in zip(starts, rates, strict=True)]

    def track(self, w: Floats, intercept: float, rates: Floats) -> Track:
        plan, problem, state, epoch = self._plan, self._problem, self._state, self._epoch
        rule, how, is_sgd, is_summary = plan.rule, plan.how, plan.solver == "sgd", self._is_summary
        to = problem.scaling
        point = to.theta(w, intercept)
        if is_summary:
            point -= problem.statistics.w_ref
            null = problem.null_part(point)
            if state is not None and state.null is not None and problem.is_resumed and null.any():
                null = state.null
            problem.null, point = null, point - null
        method: Method = "summary" if is_summary else "stream"
        is_known = not is_summary or problem.is_resumed
        average_from = -1
        if is_sgd and rule.average is not False:
            average_from = rule.average_from(how.n_epochs * -(-problem.rows.n // rule.batch_size))
        memory = new_state(point, average_from)
        kept = resumed(state, to) if is_known and state is not None and state.method == method else None
        if kept is not None and (kept.counts[1] >= 0) == (memory.counts[1] >= 0):
            memory = kept
        stepper: Stepper
        patience = 1 if plan.goal.precondition else how.patience
        if rule.momentum and not rule.nesterov:  # one small gradient may be on the way through the optimum
            patience = max(patience, 2)
        until = Until(how.tolerance(method), patience) if plan.goal.is_smooth else Until()
        if is_sgd:
            if plan.backend == "python":
                stepper = PlainSgd(problem, memory, rule, plan.order, epoch)
            else:
                stepper = ScannedSgd(problem, memory, rule, plan.order, epoch, how.n_threads)
        elif plan.backend == "python":
            stepper = PlainDescent(problem, memory, rule, until)
        elif is_summary:
            stepper = SummaryProximal(problem, memory, rule, until)
        else:
            stepper = StreamedProximal(problem, memory, rule, until, how.n_threads)
        model: Model = problem.model if is_summary else to.model
        model = starting_at(memory.point, (w, intercept), to, model)
        return Track(plan.solver, stepper, rates, model, problem, epoch, to)


def _pays(plan: Plan, rows: Table, n_epochs: int) -> bool:
    """Whether statistics are to be made: squared errors alone have them."""
    if not plan.goal.is_squared or plan.how.method == "stream":
        return False
    if plan.how.method == "summary" or plan.goal.precondition:
        return True
    return planner.descent_of(rows, rows.d + plan.goal.fit_intercept, n_epochs) == "summary"


def has_grown(run: Run, rates: Floats, w: Floats, rows: Table, problem: Problem) -> bool:
    """Whether a finite run ended above its start, by more than rounding, with a rate over the limit."""
    first, last = run.first_cost, run.last_cost
    if run.diverged or first is None or last is None or not last > first * (1 + 1e-9):
        return False
    rounding = 1e-10 * rows.facts.largest
    if problem.objective.is_squared:
        rounding *= rounding  # `rounding**2` would raise OverflowError
    if problem.summaries is not None and problem.has_statistics:
        rounding += 4 * problem.statistics.error(w)
    return last > first + rounding and float(np.max(rates)) > problem.limit("gradient_descent")

"""Choose the steppers of runs, by backend, objective, update rule, size of the data and cost model.

Steppers are imported where they are chosen: in a new process the lesson needs few modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastgd.data.backend import Backend, for_exact_loop
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.solver import planner, summarized
from fastgd.solver.options import Plan
from fastgd.solver.planner import Method
from fastgd.solver.problem import Problem
from fastgd.solver.steppers.base import Stepper, Until
from fastgd.solver.steppers.exact import BlockDescent, BlockSgd

if TYPE_CHECKING:
    from fastgd.solver.steppers.summary import MapSgd

RATES = 1e-50, 1e50
"""Maps are not made for rates outside these limits, whose products overflow or vanish."""
_NO_RATES: Floats = np.empty(0)
MOST_SCANNED = 0.125
"""If a larger share of the blocks would be scanned, maps are not used."""


def is_lesson(plan: Plan) -> bool:
    """Whether the lesson's steps are sufficient: plain steps on squared errors, no rule on the gradient.

    With a scaling, such runs read transformed rows.
    """
    objective = plan.objective
    if not plan.rule.is_plain:
        return False
    if plan.solver == "sgd":
        return objective.is_quadratic
    return objective.is_plain and plan.options.tol is None and not objective.precondition


def descent_method(plan: Plan, problem: Problem, n_epochs: int, has_automatic_rate: bool) -> Method:
    """The method of full-batch descent for n_epochs epochs. Only squared errors have statistics.

    An automatic rate needs the statistics. With several blocks of rows, the epochs then use them too.
    """
    objective, method, rows = plan.objective, plan.options.method, problem.rows
    if plan.backend == "python" or plan.solver == "sgd" or not objective.is_squared or method == "stream":
        return "stream"
    if problem.summaries is not None:  # one block
        return "stream"
    if method == "auto" and not objective.precondition:
        size = rows.d + objective.fit_intercept
        is_read = has_automatic_rate and rows.d <= planner.MOST_COLUMNS and not rows.is_one_block
        method = "summary" if is_read else planner.descent_of(rows, size, n_epochs)
    if method != "stream" and problem.holds_digits:
        return "summary"
    if not rows.has_rows or rows.is_once:
        summarized.refuse_off()
    return "stream"


def choose_steppers(
    plan: Plan, problem: Problem, method: Method, rates: list[Floats], backtracks: list[bool]
) -> list[Stepper]:
    """A stepper for each run, which has an array of rates. Runs share a stepper where they can.

    `method` is the method of full-batch descent. `backtracks` says whether a run scales its rates.
    """
    if plan.solver == "sgd" and problem.summaries is not None:
        return _affine_sgd(plan, problem, rates)
    if plan.solver == "sgd":
        return [_sgd(plan, problem)] * len(rates)
    if problem.summaries is not None and method == "stream" and problem.rows.is_one_block:
        return [BlockDescent(problem.rows, _backend_of_block(plan, problem, rates))] * len(rates)
    stepper = _descent(plan, problem, method, backtracks[0])
    if len(set(backtracks)) == 1:
        return [stepper] * len(rates)
    other = _descent(plan, problem, method, not backtracks[0])
    return [stepper if flag == backtracks[0] else other for flag in backtracks]


def _backend_of_block(plan: Plan, problem: Problem, rates: list[Floats]) -> Backend:
    """The backend of the textbook's loop on one block.

    Rows of other objectives than the lesson's are scaled by kernels, and kernels shuffle them.
    """
    if not problem.is_plain or plan.order.shuffle is True:
        return plan.backend
    n_epochs = sum(len(of_run) + 1 for of_run in rates)
    return for_exact_loop(plan.options.backend, problem.rows.n, problem.rows.d, n_epochs)


def _sgd(plan: Plan, problem: Problem) -> Stepper:
    if plan.backend == "python":
        from fastgd.solver.steppers.plain import PlainSgd

        return PlainSgd(problem, plan.rule, plan.order)
    from fastgd.solver.steppers.streaming import StreamingSgd

    return StreamingSgd(problem, plan.rule, plan.order, plan.options.n_threads)


def _descent(plan: Plan, problem: Problem, method: Method, backtracks: bool) -> Stepper:
    until = until_of(plan, method)
    if plan.objective.has_models:
        from fastgd.solver.kinks import KinkedCost
        from fastgd.solver.steppers.kinked import KinkDescent

        return KinkDescent(KinkedCost(problem, plan.options.n_threads), until, plan.backend)
    if plan.objective.has_metric_of_sample:
        from fastgd.solver.metric import SmoothCost
        from fastgd.solver.steppers.metric import MetricDescent

        return MetricDescent(
            SmoothCost.of(problem, problem.rows, plan.options.n_threads), until, plan.backend
        )
    if plan.backend == "python":
        from fastgd.solver.steppers.plain import PlainDescent

        return PlainDescent(problem, plan.rule, until, backtracks)
    if method == "summary":
        from fastgd.solver.steppers.summary import SummaryDescent

        return SummaryDescent(problem, plan.rule, until)
    from fastgd.solver.steppers.streaming import StreamingDescent

    return StreamingDescent(problem, plan.rule, until, plan.options.n_threads, backtracks)


def until_of(plan: Plan, method: Method) -> Until:
    """The stopping rule on gradients. It is off for losses with kinks, whose rule compares costs, unless
    models bound them."""
    if not (plan.objective.is_smooth or plan.objective.has_models):
        return Until()
    patience = 1 if plan.objective.precondition else plan.options.patience
    if plan.rule.momentum and not plan.rule.nesterov:
        patience = max(patience, 2)  # a gradient is small once when the run passes the optimum
    return Until(plan.options.tolerance(method), patience)


def _affine_sgd(plan: Plan, problem: Problem, rates: list[Floats]) -> list[Stepper]:
    """SGD of squared errors by single steps: one read makes the maps of all runs, or a scan an epoch each."""
    rows = problem.descent_rows
    own, together = _mapped_rates(plan, rows, rates)
    mapped = [_map_sgd(plan, problem, together, distinct) if len(distinct) else None for distinct in own]
    if None not in mapped:
        return [stepper for stepper in mapped if stepper is not None]
    if rows.is_one_block:
        other: Stepper = BlockSgd(rows, plan.order, _backend_of_block(plan, problem, rates))
    else:
        other = _sgd(plan, problem)
    return [other if stepper is None else stepper for stepper in mapped]


def _mapped_rates(plan: Plan, rows: Dataset, rates: list[Floats]) -> tuple[list[Floats], Floats]:
    """The rates for which maps are made, ascending: those of each run, and those of all runs.

    A run with extreme rates has none. No run has any if streaming is faster or the options demand it.
    """
    options, order, n_epochs = plan.options, plan.order, sum(map(len, rates))
    none = [_NO_RATES] * len(rates), _NO_RATES
    if order.shuffle is True or options.history == "samples" or not n_epochs or options.method == "stream":
        return none
    if options.method == "auto" and rows.is_one_block:
        return none
    own = [distinct if _has_maps(distinct) else _NO_RATES for distinct in map(distinct_rates, rates)]
    together = np.unique(np.concatenate(own))
    is_in_order, is_tracked = order.shuffle is False, options.track_cost
    sizes = rows.n, rows.d, n_epochs, len(together)
    if options.method == "auto" and planner.sgd(*sizes, is_tracked, rows.row_bytes, is_in_order) != "summary":
        return none
    return own, together


def _map_sgd(plan: Plan, problem: Problem, all_rates: Floats, rates: Floats) -> MapSgd | None:
    """SGD by maps; None where most digits would be lost, or squares overflow."""
    from fastgd.solver.steppers.summary import MapSgd

    rows, summaries = problem.descent_rows, problem.summaries
    assert summaries is not None
    stepper = MapSgd(rows, summaries, all_rates, rates, plan.order, plan.options.track_cost)
    can = summaries.statistics.is_finite and np.mean(~stepper.is_safe) <= MOST_SCANNED
    return stepper if can else None


def _has_maps(rates: Floats) -> bool:
    return bool(len(rates) and RATES[0] < rates[0] and rates[-1] < RATES[1])


def distinct_rates(rates: Floats) -> Floats:
    """Each rate once, ascending."""
    return rates[:1].copy() if rates.strides == (0,) else np.unique(rates)

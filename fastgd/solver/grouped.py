"""Full-batch descent on every group at once: `gradient_descent` of a `GroupedSummary`.

A group's epochs are those of its own fit, in one call of a kernel for many groups. Results agree with those
of `fit` to rounding.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd import callers
from fastgd.data import keys
from fastgd.data.backend import resolve
from fastgd.engine import threads
from fastgd.engine.blocks import Floats
from fastgd.schedules import as_rates, is_automatic
from fastgd.solver import caveats, forecast, summarized
from fastgd.solver.descents import resolved_plan
from fastgd.solver.divergence import DivergenceError
from fastgd.solver.fit import fit, planned
from fastgd.solver.grouped_fit import GroupedFit
from fastgd.solver.grouped_problem import MOST_GROUPS, Flags, GroupedProblem, pieces
from fastgd.solver.groups import GroupedSummary, in_threads
from fastgd.solver.inputs import refuse_others
from fastgd.solver.objective import UpdateRule
from fastgd.solver.options import Options, Plan
from fastgd.solver.results import FitResult
from fastgd.solver.steppers.base import FIRST_NORM, LAST_NORM, QUIET, new_state
from fastgd.solver.steppers.choose import until_of
from fastgd.solver.steppers.summary import ROUNDING

CALL_NS, EPOCH_NS = 20_000_000, 200
"""A call of the kernel takes at most about CALL_NS. An epoch takes EPOCH_NS, and 1 ns for each number."""
NEEDS = "a GroupedSummary has no rows, and {what} needs them: fit each group from X and y"
GIVEN = [
    "w0", "learning_rate", "n_epochs", "tol", "patience", "validation_fraction", "callback", "method",
    "history", "on_divergence", "backend", "n_threads",
]  # fmt: skip
"""The options of a fit of summaries."""


def fit_groups(
    grouped: Any,
    y: Any,
    sample_weight: Any,
    objective_options: dict[str, Any],
    rule: UpdateRule,
    options: Options,
) -> GroupedFit:
    """Fit each group of a GroupedSummary. The other arguments are those of `fit`."""
    refuse_others("a GroupedSummary", y, sample_weight)
    options.check()
    given = {name: getattr(options, name) for name in GIVEN}
    backend, first = resolve(options.backend), summarized.Summarized(next(iter(grouped.values())), NEEDS)
    if options.is_logged:
        first.refuse("a progress bar or a checkpoint")
    plan, (w, intercept, _) = planned(
        "gradient_descent", first, objective_options, rule, options, backend, None
    )

    fit_one = _FitOne(grouped, objective_options, rule, given)
    plan = resolved_plan(plan, first)
    problem = GroupedProblem(grouped, plan.objective, options.n_threads)
    if options.callback is not None:
        with_costs = given | {"history": options.history or "costs"}
        return _one_by_one(grouped, fit_one._replace(options=with_costs), problem.is_determined)
    problem.refuse_off()
    run = _run(problem, plan, w, intercept)
    result = _result(run, problem, plan, w, intercept, fit_one)
    _report(result, run, plan)
    return result


class _FitOne(NamedTuple):
    """The fit of one group, with its histories."""

    grouped: GroupedSummary
    objective_options: dict[str, Any]
    rule: UpdateRule
    options: dict[str, Any]
    """The arguments of `Options`, which can be pickled."""

    def __call__(self, key: Any) -> FitResult:
        options = Options(**(self.options | {"on_divergence": "warn"}))
        summary = self.grouped[key]
        return fit("gradient_descent", summary, None, None, self.objective_options, self.rule, options)


class _Run(NamedTuple):
    """What the epochs of all groups have come to."""

    v: Floats
    n_epochs: NDArray[np.int64]
    has_converged: Flags
    costs: Floats
    """The first cost and the last, (groups, 2)."""
    state: Floats
    is_still: Flags
    """Whether the last epoch moved no weight at all."""
    rates: Floats
    """The largest rate of each group."""
    path: Floats
    """The sum of the rates of each group's epochs."""


def _run(problem: GroupedProblem, plan: Plan, w: Floats, intercept: float) -> _Run:
    from fastgd.kernels import groups as kernels

    options, rule, until = plan.options, plan.rule, until_of(plan, "summary")
    g, size, n_epochs = len(problem.n), problem.size, options.n_epochs
    rates, factors = _rates(problem, plan)
    v = problem.theta(w, intercept) - problem.theta_ref
    before, state = v.copy(), np.tile(new_state(v[0]).momentum, (g, 1))
    done, has_converged, costs = np.zeros(g, np.int64), np.zeros(g, np.bool_), np.zeros((g, 2))
    floors, units, metric = np.zeros(g), np.zeros((g, size)), problem.metric
    if until.tol >= 0.0:
        floors, units = ROUNDING * problem.least_alike(), problem.units
    epoch_ns = EPOCH_NS + size**2
    together = min(MOST_GROUPS, max(1, CALL_NS // (epoch_ns * max(1, n_epochs))))
    step = max(1, CALL_NS // (epoch_ns * together))

    def task(start: int, stop: int, team: threads.Team) -> None:
        k = slice(start, stop)
        for first in range(0, max(n_epochs, 1), step):
            if team.has_failed:
                return
            kernels.descend(
                problem.G[k], problem.c[k], problem.s[k], problem.n[k], problem.theta_ref[k], problem.l1[k],
                v[k], before[k], state[k], rates[k], factors[first : first + step], first,
                rule.momentum, rule.nesterov, until.tol, floors[k], units[k], metric[k], until.patience,
                options.on_divergence == "ignore", done[k], has_converged[k], costs[k],
            )  # fmt: skip

    in_threads(task, pieces(g, together), options.n_threads)
    sums = np.append(0.0, np.cumsum(factors))
    largest = rates * factors.max(initial=0.0)
    return _Run(v, done, has_converged, costs, state, (v == before).all(axis=1), largest, rates * sums[done])


def _rates(problem: GroupedProblem, plan: Plan) -> tuple[Floats, Floats]:
    """The rates of all groups are products: of a number for each group, and one for each epoch."""
    options = plan.options
    factors = np.array(as_rates(options.learning_rate, options.n_epochs))
    is_auto = is_automatic(options.learning_rate)
    return problem.auto_rates(plan.rule) if is_auto else np.ones(len(problem.n)), factors


def _result(
    run: _Run, problem: GroupedProblem, plan: Plan, w: Floats, intercept: float, fit_one: Any
) -> GroupedFit:
    options, grouped = plan.options, problem.grouped
    weights, intercepts = problem.model(run.v)
    is_at_start = run.n_epochs == 0
    weights[is_at_start], intercepts[is_at_start] = w, intercept
    is_finite = np.isfinite(run.costs).all(axis=1) & np.isfinite(run.v).all(axis=1)
    has_ended = (run.n_epochs < options.n_epochs) & ~run.has_converged
    diverged = (~is_finite if options.on_divergence == "ignore" else has_ended) | _have_grown(
        run, problem, plan
    )
    has_stalled = _have_stalled(run, plan) & ~diverged & ~run.has_converged
    converged = (run.has_converged & ~diverged) | has_stalled
    converged &= ~_are_revoked(has_stalled, converged, problem, plan)
    return GroupedFit(
        w=weights[:, 0] if grouped.is_scalar else weights, intercept=intercepts, cost=run.costs[:, 1],
        converged=converged, diverged=diverged, n_epochs=run.n_epochs, n_samples=grouped.n_samples,
        is_determined=problem.is_determined, feature_names=grouped.feature_names, _grouped=grouped,
        _fit_one=fit_one,
    )  # fmt: skip


def _have_grown(run: _Run, problem: GroupedProblem, plan: Plan) -> Flags:
    """As `Descent.has_grown`: whether a rate over the limit ended with a higher cost."""
    first, last = run.costs.T
    is_suspect = last > first * (1.0 + 1e-9)
    if plan.options.n_epochs == 0 or not is_suspect.any():
        return np.zeros(len(first), np.bool_)
    products, rule = problem.grouped.products, plan.rule
    y_mean = products.y_ref + products.r_mean + np.sum(products.offset * products.w_ref, axis=1)
    squares = products.s / problem.n + y_mean**2
    factor = 4.0 / 3.0 if rule.nesterov else 2.0 * (1.0 + rule.momentum)
    is_fast = run.rates * problem.curvatures[1] > factor
    return np.asarray(is_suspect & (last > first + 1e-20 * squares) & is_fast)


def _have_stalled(run: _Run, plan: Plan) -> Flags:
    """As `GradientRule.has_stalled`: whether the last epoch moved no weight by more than rounding."""
    is_quiet = run.state[:, QUIET] > 0.0 if plan.options.tol is None else False
    has_stalled = is_quiet | ((run.state[:, LAST_NORM] == 0.0) & run.is_still)
    return np.asarray(has_stalled & (run.n_epochs > 0) & (run.state[:, FIRST_NORM] >= 0.0))


def _are_revoked(has_stalled: Flags, converged: Flags, problem: GroupedProblem, plan: Plan) -> Flags:
    """As `caveats.revoke`: whether the rule of a run could not notice its slowest weights."""
    options, objective, grouped = plan.options, plan.objective, problem.grouped
    is_revoked, tolerance = np.zeros(len(converged), np.bool_), options.tolerance("summary")
    if objective.is_standardized or not (has_stalled.any() or tolerance > 0.0):
        return is_revoked
    limit = np.where(has_stalled, caveats.UNSEEN / caveats.STILL, math.inf)
    if tolerance > 0.0:
        limit = np.where(has_stalled, limit, caveats.UNSEEN_BY_OWN / tolerance)
    suspects = converged & (problem.conditions() > limit)
    for k, key in enumerate(grouped):
        if suspects[k]:
            rows = summarized.Summarized(grouped[key])
            is_revoked[k] = caveats.condition(rows, objective) > limit[k]
    return is_revoked


def _report(result: GroupedFit, run: _Run, plan: Plan) -> None:
    """Raise or warn of what went wrong, with the number of groups and the first of them."""
    options, objective, words = plan.options, plan.objective, plan.options.words
    if result.diverged.any() and options.on_divergence != "ignore":
        k = int(result.diverged.argmax())
        message = (
            f"{_counted(result, result.diverged)} diverged at learning rate {run.rates[k]:g}; take "
            f"{words.option('learning_rate', 'auto')}, a rate for each group"
        )
        if options.on_divergence == "raise":
            fits: Any = result
            raise DivergenceError(message, fits, int(run.n_epochs[k]))
        callers.warn(message, RuntimeWarning)
    has_penalty = objective.l1 or objective.l2
    if not (has_penalty or result.is_determined.all()):
        options.warn(
            "few rows",
            f"the rows of {_counted(result, ~result.is_determined)} do not determine all weights, which stay "
            f"near w0 where nothing decides: pass {words.option('l2', 0.01)}, say; is_determined of the fit "
            "tells which",
        )
    is_left = run.n_epochs > 0
    is_left &= ~result.converged & (2.0 * run.path < 2.0)
    is_slow = objective.fit_intercept and not objective.is_standardized and options.has_automatic_rate
    if is_slow and objective.l2 > 2.0 * caveats.STRONG and is_left.any():
        options.warn("left behind", forecast.left_behind(words, objective.l2))
    ran_out = ~(result.converged | result.diverged)
    if options.tol is not None and options.n_epochs and ran_out.any():
        options.warn(
            "ran out",
            f"{_counted(result, ran_out)} did not reach tol in {options.n_epochs} epochs: pass more epochs, "
            f"or {words.option('precondition', True)}",
        )


def _counted(result: GroupedFit, which: Flags) -> str:
    """The number of these groups, and the first of them."""
    count, key = np.count_nonzero(which), list(result)[int(which.argmax())]
    return f"{count} of {len(result)} groups ({keys.shown(key)} first)"


def _one_by_one(grouped: GroupedSummary, fit_one: Any, is_determined: Flags) -> GroupedFit:
    """The fits of all groups, one after the other."""
    fits = [fit_one(key) for key in grouped]
    of_each = {
        name: np.array([getattr(one, name) for one in fits])
        for name in ("w", "intercept", "converged", "diverged", "n_epochs")
    }
    return GroupedFit(
        **of_each, cost=np.array([one.cost_history[-1] for one in fits]), n_samples=grouped.n_samples,
        is_determined=is_determined, feature_names=grouped.feature_names, _grouped=grouped, _fit_one=fit_one,
    )  # fmt: skip

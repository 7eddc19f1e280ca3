"""The result of a run: weights and histories in the caller's units and shapes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastgd import callers
from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.losses import is_own, name_of
from fastgd.schedules import OfSteps, is_automatic
from fastgd.solver.descents import Descent
from fastgd.solver.divergence import DivergenceError
from fastgd.solver.loop import Run
from fastgd.solver.objective import Objective
from fastgd.solver.options import DIVERGED, Plan, Report, Solver
from fastgd.solver.results import FitResult

MAPPED = 1 << 12
"""The number of epochs whose points are converted at once."""


def result_of(
    run: Run,
    descent: Descent,
    plan: Plan,
    dataset: Dataset,
    n_passes: int,
    began: float,
    samples: tuple[list[Any], list[Any]] | None = None,
) -> FitResult:
    """The result of a run, its weights shaped as the caller's X. `began` is a time of `perf_counter`."""
    weights, gradients, intercepts, by_intercepts = run.weights, run.gradients, None, None
    point, result_point = run.state.point, run.state.result_point()
    if descent.model is not None and weights is not None:
        weights, intercepts = _mapped(descent.model, weights, descent.problem.rows.d)
    if weights is not None and intercepts is not None and result_point is point:
        last = weights[-1].copy(), float(intercepts[-1])
    else:
        last = descent.at(point)
    w, intercept = last if result_point is point else descent.at(result_point)
    if descent.kind != "sgd" and gradients is not None:
        gradients, d, to = gradients[:, 0], descent.problem.rows.d, descent.scaling
        if to is None or to.is_plain:  # a long history is not copied
            gradients, by_intercepts = gradients[:, :d], gradients[:, d:].reshape(-1)
        else:
            gradients, by_intercepts = _mapped(to.gradient_of_w, gradients, d)
    rows, options, is_scalar = descent.problem.rows, plan.options, dataset.is_scalar
    is_counted = plan.solver == "sgd" and rows.known_n is not None
    if is_scalar:
        weights = None if weights is None else weights[:, 0]
        gradients = None if gradients is None else gradients[..., 0]
    return FitResult(
        w=float(w[0]) if is_scalar else w,
        intercept=intercept,
        w_history=weights,
        intercept_history=intercepts if plan.objective.fit_intercept else None,
        cost_history=run.costs,
        validation_history=run.validation_costs,
        loss_history=run.losses,
        gradient_history=gradients,
        intercept_gradient_history=by_intercepts if plan.objective.fit_intercept else None,
        learning_rates=descent.rates[: run.n_epochs],
        n_epochs=run.n_epochs,
        n_samples=rows.known_n or 0,
        n_updates=run.n_epochs * (-(-rows.n // plan.rule.batch_size) if is_counted else 1),
        n_passes=n_passes,
        converged=run.converged,
        diverged=run.diverged,
        solver=plan.solver,
        backend=descent.stepper.backend,
        method=descent.stepper.method,
        elapsed=time.perf_counter() - began,
        feature_names=dataset.columns,
        coding=dataset.coding,
        _rows=None if rows.is_once else rows,
        _samples=samples,
        _w0=None if isinstance(options.w0, FitResult) else options.w0,
        _order=plan.order,
        _first_epoch=descent.start.epoch,
        _state=None if run.is_interrupted else descent.state(run, plan.order),
        _last=last,
        _stopped=run.stopped,
        _is_revoked=run.is_revoked,
        _constant=descent.constant(),
        _is_lesson=plan.objective.is_plain,
        _options=_options_of(plan, descent.problem.objective),
        _cost=run.last_cost,
    )


def _options_of(plan: Plan, objective: Objective) -> dict[str, Any]:
    """The options of a fit, as values of JSON. `objective` is the one that ran."""
    options, rule, rate = plan.options, plan.rule, plan.options.learning_rate
    loss: Any = objective.loss
    numbers = {} if is_own(loss) else loss._asdict()
    return {
        "loss": name_of(loss), "loss_parameters": {name: float(value) for name, value in numbers.items()},
        "l1": objective.l1, "l2": objective.l2, "fit_intercept": objective.fit_intercept,
        "standardize": objective.standardize, "precondition": objective.precondition,
        "momentum": rule.momentum, "nesterov": rule.nesterov, "batch_size": rule.batch_size,
        "average": rule.average, "learning_rate": rate if isinstance(rate, (str, float, int)) else None,
        "n_epochs": options.n_epochs, "tol": options.tol, "has_weights": objective.has_weights,
    }  # fmt: skip


def not_begun(
    solver: Solver, rows: Dataset, start: tuple[Floats, float], backend: Backend, elapsed: float
) -> FitResult:
    """The result of a run that was interrupted before its first epoch."""
    w, intercept = start
    return FitResult(
        w=float(w[0]) if rows.is_scalar else w,
        intercept=intercept,
        learning_rates=np.empty(0),
        n_epochs=0,
        n_samples=rows.known_n or 0,
        n_updates=0,
        n_passes=rows.passes,
        solver=solver,
        backend=backend,
        method="stream",
        elapsed=elapsed,
        feature_names=rows.columns,
        _last=start,
        _stopped="it was interrupted",
    )


def _mapped(
    model: Callable[[Floats], tuple[Floats, Floats]], points: Floats, d: int
) -> tuple[Floats, Floats]:
    """w (n, d) and intercept (n,) of points, or the gradient of each. w overwrites the points of a long
    history, to save memory."""
    if len(points) <= MAPPED:
        return model(points)
    intercepts = np.empty(len(points))
    for start in range(0, len(points), MAPPED):
        part = slice(start, start + MAPPED)
        points[part, :d], intercepts[part] = model(points[part])
    return points[:, :d], intercepts


def report_divergence(
    result: FitResult, first_cost: float | None, descent: Descent, grown: bool, plan: Plan
) -> None:
    """Raise or warn that the run diverged, with the limit and a safe rate if they are known."""
    options, words = plan.options, plan.options.words
    epoch, rates = result.n_epochs, descent.rates * words.rate_unit
    limit = rate = None
    if first_cost is not None and not np.isfinite(first_cost):
        data = "X, y and sample_weight" if plan.objective.has_weights else "X and y"
        message = f"the cost at w0 overflows: scale {data} before {result.solver}, or take a smaller w0"
    else:
        limit, rate = _safe(descent)
        if limit is not None and rate is not None:
            limit, rate = limit * words.rate_unit, rate * words.rate_unit
        if rate is not None and rate >= np.max(rates):  # this run shows that the estimate is wrong
            limit = rate = None
        if grown and options.is_part:
            message = (
                f"the weights outgrow the data at learning rate {rates[0]:g}: scores are far beyond "
                "every target so far"
            )
        elif grown:
            message = f"{result.solver} ended above its start at learning rate {np.max(rates):g}"
        else:
            message = (
                f"{result.solver} diverged in epoch {epoch} at learning rate {rates[epoch]:g}: "
                "w or its cost is no longer finite"
            )
        own = options.learning_rate.remedy if isinstance(options.learning_rate, OfSteps) else ""
        if rate is None:
            message += f"; {own or 'take a smaller learning rate'}"
        else:
            what = "the stability limit"
            if descent.kind == "sgd":
                what = "the limit of every single step" + ", 1/max‖x‖²," * (
                    result._is_lesson and plan.rule.is_plain
                )
            here = "" if words.is_steady else f", here {rate:.6g}"
            automatic = f"take {words.option('learning_rate', 'auto')}{here}"
            if is_automatic(options.learning_rate):
                automatic = f"pass {words.option('learning_rate', float(rate))}"
            message += f"; {what} is {limit:.6g}: {own or automatic}"
    if options.on_divergence == "raise":
        message += words.aside(" (the finite part of the run is in the error's .result)")
        raise DivergenceError(message, result, epoch, limit, rate)
    message += "; the result is the finite part of the run"
    if options.reports is None:
        callers.warn(message, RuntimeWarning)
    else:
        options.reports.append(Report(DIVERGED, message, -float(epoch)))


def _safe(descent: Descent) -> tuple[float, float] | tuple[None, None]:
    """The limit and a safe rate, or None if they are unknown."""
    try:
        limit = descent.problem.limit(descent.kind)
        return (limit, descent.problem.auto_rate(descent.kind)) if limit > 0.0 else (None, None)
    except InvalidDataError:  # X overflows when squared
        return None, None

"""From a run to its result: weights and histories in the caller's coordinates and shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastgd import callers
from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.schedules import OfSteps, is_automatic
from fastgd.solver.loop import Run
from fastgd.solver.options import Options, Solver
from fastgd.solver.orders import IN_ORDER, Order
from fastgd.solver.planner import Method
from fastgd.solver.results import DivergenceError, FitResult
from fastgd.solver.state import State
from fastgd.solver.tracks import Track

MAPPED = 1 << 12
"""Epochs whose points are translated at once."""


def from_run(
    run: Run,
    *,
    point: Floats,
    result_point: Floats | None = None,
    model: Callable[[Floats], tuple[Floats, Floats]] | None = None,
    rates: Floats,
    rows: Dataset | None,
    is_scalar: bool,
    n_samples: int,
    steps: int,
    has_intercept: bool = False,
    is_lesson: bool = True,
    solver: Solver,
    backend: Backend,
    n_passes: int,
    elapsed: float,
    samples: tuple[list[Any], list[Any]] | None = None,
    w0: Any = None,
    order: Order,
    method: Method,
    state: State | None = None,
    constant: tuple[int, ...] = (),
    feature_names: tuple[str, ...] = (),
) -> FitResult:
    """The result of a run of `steps` steps an epoch, weights shaped as the caller's X.

    `model` tells w and intercept of the run's points, which without it are w; `result_point` is what the fit
    comes to, where that is not the last point.
    """
    weights, gradients, intercepts = run.weights, run.gradients, None
    last, intercept = point, 0.0
    if model is not None:
        last, at_last = model(point)
        intercept = float(at_last)
        if weights is not None:
            weights, intercepts = _mapped(model, weights, len(last))
    w, b = last, intercept
    if model is not None and result_point is not None and result_point is not point:
        w, at_result = model(result_point)
        b = float(at_result)
    if is_scalar:
        weights = None if weights is None else weights[:, 0]
        gradients = None if gradients is None else gradients[:, :, 0]
    return FitResult(
        w=float(w[0]) if is_scalar else w,
        intercept=b,
        w_history=weights,
        intercept_history=intercepts if has_intercept else None,
        cost_history=run.costs,
        validation_history=run.validation_costs,
        loss_history=run.losses,
        gradient_history=gradients,
        learning_rates=rates[: run.n_epochs],
        n_epochs=run.n_epochs,
        n_samples=n_samples,
        n_updates=run.n_epochs * steps,
        n_passes=n_passes,
        converged=run.converged,
        diverged=run.diverged,
        solver=solver,
        backend=backend,
        method=method,
        elapsed=elapsed,
        feature_names=feature_names,
        _rows=rows,
        _samples=samples,
        _w0=w0,
        _order=order,
        _state=state,
        _last=(last, intercept),
        _stopped=run.stopped,
        _is_revoked=run.is_revoked,
        _constant=constant,
        _is_lesson=is_lesson,
    )


def not_begun(
    solver: Solver, rows: Dataset, start: tuple[Floats, float], backend: Backend, elapsed: float
) -> FitResult:
    """Of a run that was interrupted before its first epoch."""
    run = Run(0, None, None, None, None, False, False, None, None, stopped="it was interrupted")
    result = from_run(
        run, point=start[0], rates=np.empty(0), rows=None, is_scalar=rows.is_scalar,
        n_samples=rows.known_n or 0, steps=1, solver=solver, backend=backend, method="stream",
        n_passes=rows.passes, elapsed=elapsed, order=IN_ORDER, feature_names=rows.columns,
    )  # fmt: skip
    return replace(result, intercept=start[1], _last=start)


def _mapped(
    model: Callable[[Floats], tuple[Floats, Floats]], points: Floats, d: int
) -> tuple[Floats, Floats]:
    """w (n, d) and intercept (n,) of points, w where the points stood: a long history is not kept twice."""
    intercepts = np.empty(len(points))
    for start in range(0, len(points), MAPPED):
        part = slice(start, start + MAPPED)
        points[part, :d], intercepts[part] = model(points[part])
    return points[:, :d], intercepts


def report_divergence(
    result: FitResult,
    first_cost: float | None,
    taken: Track,
    grown: bool,
    is_plain: bool,
    options: Options,
    has_weights: bool,
) -> None:
    """Raise or warn that the run diverged, with the limit and a safe rate where the data has them."""
    words = options.words
    epoch, rates = result.n_epochs, taken.rates * words.rate_unit
    limit = rate = None
    if first_cost is not None and not np.isfinite(first_cost):
        data = "X, y and sample_weight" if has_weights else "X and y"
        message = f"the cost at w0 overflows: scale {data} before {result.solver}, or take a smaller w0"
    else:
        limit, rate = _safe(taken)
        if limit is not None and rate is not None:
            limit, rate = limit * words.rate_unit, rate * words.rate_unit
        if rate is not None and rate >= np.max(rates):  # an estimate that this run has shown to be wrong
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
            if taken.kind == "sgd":
                what = "the limit of every single step" + ", 1/max‖x‖²," * (result._is_lesson and is_plain)
            here = "" if words.is_steady else f", here {rate:.6g}"
            automatic = f"take {words.option('learning_rate', 'auto')}{here}"
            if is_automatic(options.learning_rate):
                automatic = f"pass {words.option('learning_rate', float(rate))}"
            message += f"; {what} is {limit:.6g}: {own or automatic}"
    if options.on_divergence == "raise":
        message += words.aside(" (the finite part of the run is in the error's .result)")
        raise DivergenceError(message, result, epoch, limit, rate)
    callers.warn(f"{message}; the result is the finite part of the run", RuntimeWarning)


def _safe(taken: Track) -> tuple[float, float] | tuple[None, None]:
    """The limit and a safe rate, where the data has them."""
    try:
        limit = taken.problem.limit(taken.kind)
        return (limit, taken.problem.auto_rate(taken.kind)) if limit > 0.0 else (None, None)
    except InvalidDataError:  # X overflows when squared
        return None, None

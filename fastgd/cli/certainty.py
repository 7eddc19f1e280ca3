"""How sure the weights of a report are: their standard errors, from what the fit has read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.solver import summarize
from fastgd.solver.inference import of_summary
from fastgd.solver.inference_result import Inference
from fastgd.solver.linalg import EPS
from fastgd.solver.problem import Problem
from fastgd.solver.results import FitResult
from fastgd.solver.summary import Summary

CLOSE = 1e-3
"""A weight is an estimate of least squares if it is so close to it, in standard errors."""


def of_fit(fit: FitResult, problem: Problem, names: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
    """The facts about the estimates of a fit of squared errors without penalty, or why there are none."""
    n_passes, has_intercept = problem.n_passes, problem.objective.fit_intercept
    if (summary := summarize.of_problem(problem)) is None or fit.cost_history is None:
        return None, ""
    fit.n_passes += problem.n_passes - n_passes
    try:
        inference = of_summary(summary, has_intercept)
    except InvalidDataError as error:
        return None, f"no standard errors: {error}"
    if not _is_optimum(float(fit.cost_history[-1]), summary, inference):
        return None, "no standard errors: the fit ended before the optimum of least squares"
    errors, t, p = (
        np.where(_are_estimates(fit, inference), values, np.nan).tolist()
        for values in (inference.standard_errors, inference.t, inference.p)
    )
    of_intercept = {"standard_error": errors.pop(), "t": t.pop(), "p": p.pop()} if has_intercept else None
    is_aliased = np.isnan(inference.estimates).tolist()
    return {
        "standard_errors": dict(zip(names, errors, strict=True)),
        "t": dict(zip(names, t, strict=True)),
        "p": dict(zip(names, p, strict=True)),
        "intercept": of_intercept,
        "adjusted_r2": inference.adjusted_r_squared if has_intercept else None,
        "residual_standard_deviation": inference.residual_std,
        "degrees_of_freedom": inference.df_residual,
        "aliased": [name for name, is_one in zip(names, is_aliased, strict=False) if is_one],
    }, ""


def _is_optimum(cost: float, summary: Summary, inference: Inference) -> bool:
    """Whether a cost is the least one to rounding, or no weight is further than CLOSE of its error away."""
    variance, n = inference.residual_std**2, summary.total_weight
    least, rounding = (
        variance * inference.df_residual / n,
        (64.0 * EPS) ** 2 * summary.products.squares_of_y / n,
    )
    return cost <= least * (1.0 + 1e-12) + CLOSE**2 * variance / n + rounding


def _are_estimates(fit: FitResult, inference: Inference) -> Any:
    """Which weights, and intercept, are the estimates that the errors belong to.

    Others take part in a linear combination of columns: many weights have the same cost.
    """
    weights = np.append(fit.w, [fit.intercept] * (len(inference.names) - np.size(fit.w)))
    errors, estimates = inference.standard_errors, inference.estimates
    with np.errstate(all="ignore"):
        t = np.abs(inference.t)
        largest = float(np.max(t[np.isfinite(t)], initial=0.0))
        slack = errors * (2.0 * CLOSE * math.sqrt(max(1.0, inference.df_residual * 1e-6)) + 1e-9 * largest)
        return np.abs(weights - estimates) <= slack + 1e-9 * np.abs(estimates)

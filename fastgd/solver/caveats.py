"""What a finished run cannot promise: stopping rules that saw too little, and the sentences that say so."""

from __future__ import annotations

import math
import sys

import numpy as np

from fastgd.data.dataset import Dataset
from fastgd.solver import blas, forecast, linalg, preconditioning
from fastgd.solver.descents import Descent
from fastgd.solver.loop import Run
from fastgd.solver.objective import Objective
from fastgd.solver.options import Options, Plan

FEW_DIGITS = 7.5
"""Fewer digits of the weights than this are reported."""
FIRST_ROWS = 4096
STILL = 2.0**-50
"""The part of a weight that its last step moved, where a run ended because no weight moved."""
UNSEEN = 0.01
"""An automatic rule says nothing of directions that are slower by more than this part of 1/tol."""
UNSEEN_BY_OWN = 1e3
"""The same for a tol that the user has chosen."""
UNSEEN_BY_EXACT = 1e-12 / forecast.EXACT
"""The same where the cost is that of an exact fit."""
HARMLESS = 1e3
"""A condition number up to this decides nothing, so that it does not matter whether columns are dependent."""
UNLIKE = 1e4
"""A condition number from here on is a reason for a run that takes long."""
STRONG = 10.0
"""An l2 of more than this many curvatures of the loss leaves an intercept behind."""


def condition(rows: Dataset, objective: Objective) -> float:
    """A lower bound of the condition number that units, offsets and l2 make, from the first rows; 1 for none.

    With c the curvature of the loss, a column of mean m and variance σ² has the curvature c (m² + σ²) + l2,
    and c σ² + l2 where the intercept makes up for its mean. The intercept has c, and c/(1 + m²/(σ² + l2/c))
    where the column makes up for it. No eigenvalue is above the last of each pair, or below the first.
    """
    if objective.is_standardized or (rows.d == 1 and not objective.fit_intercept):
        return 1.0
    X, _, weights = rows.head(FIRST_ROWS)
    X = X[weights > 0.0] if len(weights) else X
    if len(X) <= rows.d + objective.fit_intercept:  # directions without data are not slow
        return 1.0
    with np.errstate(all="ignore"):
        X, offset = np.asarray(X, np.float64), np.zeros(rows.d)
        if objective.fit_intercept:  # about the first row, so that the means of far columns keep their digits
            first = X[0]
            X = X - first
            mean = X.mean(axis=0)
            X, offset = X - mean, (first + mean) ** 2
        variance = np.einsum("ij,ij->j", X, X) / len(X)
        ridge = objective.l2 / objective.curvature if objective.is_smooth else 0.0
        counted = variance > 0.0
        if not counted.any() or not np.isfinite(variance).all():
            return 1.0
        own, offset = variance[counted] + ridge, offset[counted]
        most, least = float(np.max(own + offset)), float(np.min(own))
        if objective.fit_intercept:
            most, least = max(most, 1.0), min(least, float(1.0 / np.max(1.0 + offset / own)))
        found = most / least if least > 0.0 else math.inf
        if found > HARMLESS:
            with blas.one_thread():
                factor = linalg.factor(X[:, counted].T @ X[:, counted])
            if len(factor.dependent):  # a column in no sum is orthogonal to directions without curvature
                own = np.delete(own, factor.involved())
                found = most / float(np.min(own)) if len(own) else 1.0
    return found if found >= 1.0 else 1.0


def revoke(run: Run, descent: Descent, rows: Dataset, options: Options) -> float:
    """Take back that the run has converged, where its rule could not see the slowest weights.

    Returns the bound of the condition number, 1 where it was not computed. On statistics the rule of tol=0
    knows the units of columns.
    """
    if run.error is not None or run.diverged or not (run.converged or options.tol is not None):
        return 1.0
    objective, tolerance = descent.problem.objective, descent.tolerance(options)
    if run.converged and not run.has_stalled and tolerance == 0.0:
        return 1.0
    found = condition(rows, objective)
    first, last = run.first_cost, run.last_cost
    is_exact = bool(
        descent.kind == "sgd" and first and last is not None and 0.0 <= last <= forecast.EXACT * first
    )
    if is_exact and found <= UNSEEN_BY_EXACT:  # so small a cost leaves the slowest weights six digits
        return found
    if run.converged:
        by, most = (STILL, UNSEEN) if run.has_stalled else (tolerance, UNSEEN)
        if not run.has_stalled and options.tol != "auto":
            most = UNSEEN_BY_OWN
        if found * by > most:
            what = "the last epoch moved no weight by more than rounding" if run.has_stalled else run.stopped
            run.converged, run.has_stalled, run.is_revoked = False, False, True
            run.stopped = f"{what}, which says little of weights that move slowly"
    return found


def of(run: Run, descent: Descent, rows: Dataset, plan: Plan, found: float) -> list[tuple[str, str, float]]:
    """The warnings of a run that did not diverge: kind, sentence, and how bad it is.

    `found` is the bound of the condition number that `revoke` returned.
    """
    objective, options = descent.problem.objective, plan.options
    words = options.words
    caveats: list[tuple[str, str, float]] = []
    if options.tol is None:
        if is_left_behind(run, descent, rows, options):
            caveats.append(("left behind", forecast.left_behind(words, objective.l2), 0.0))
        return caveats
    is_small = objective.is_squared and run.first_cost is not None and run.first_cost < sys.float_info.min
    if is_small and rows.facts.squares_vanish:
        caveats.append(("small y", f"y is {rows.facts.largest:g} at most: {forecast.VANISHES}", 0.0))
    if descent.is_off():
        caveats.append(("is off", forecast.is_off(words), 0.0))
    elif run.is_revoked:
        caveats.append(("unlike", f"{run.stopped}: {_unlike(plan, objective, rows, found)}", found))
    elif is_left_behind(run, descent, rows, options):
        caveats.append(("left behind", forecast.left_behind(words, objective.l2), 0.0))
    digits = descent.expected_digits()
    if digits < FEW_DIGITS:
        columns = forecast.named(descent.dependent(), rows.columns) if digits <= 0.0 else ""
        is_beside = objective.fit_intercept and not objective.is_standardized
        caveats.append(("few digits", forecast.few_digits(digits, is_beside, columns, words), -digits))
    if options.n_epochs and not (run.converged or run.stopped):
        by_cost, tolerance = descent.is_judged_by_cost(options.tol), descent.tolerance(options)
        seen = np.empty(0) if run.changes is None else run.changes
        first_cost, last_cost = run.first_cost or 0.0, run.last_cost or 0.0
        share = last_cost / first_cost if by_cost and first_cost > 0.0 and last_cost > 0.0 else math.nan
        sentence = forecast.ran_out(
            words, run.n_epochs, seen, tolerance, options.patience, by_cost, share, _remedies(plan, objective)
        )
        if found > UNLIKE:
            sentence = f"{sentence}; {_unlike(plan, objective, rows, found)}"
        first = seen[0] if len(seen) and not by_cost else 1.0
        left = float(seen[-1] / first) if len(seen) and first else math.inf
        caveats.append(("ran out", sentence, left))
    return caveats


def _unlike(plan: Plan, objective: Objective, rows: Dataset, found: float) -> str:
    is_served = not preconditioning.refused(plan, rows)
    return forecast.unlike(found, objective.fit_intercept, objective.l2 > 0.0, is_served, plan.options.words)


def _remedies(plan: Plan, objective: Objective) -> str:
    """What to try where nothing falls: settings that are not in force, and that the solver has."""
    words = plan.options.words
    remedies = [f"another {words.name('learning_rate')}"]
    if not objective.is_standardized:
        remedies.append(words.option("standardize", True))
    if plan.solver == "gradient_descent" and not plan.rule.nesterov:
        remedies.append(words.option("nesterov", True))
    return forecast.either(remedies)


def is_left_behind(run: Run, descent: Descent, rows: Dataset, options: Options) -> bool:
    """Whether the automatic rate, made for a strong l2, was too small to move the intercept."""
    objective = descent.problem.objective
    if (
        not (objective.fit_intercept and objective.is_smooth and options.has_automatic_rate)
        or objective.is_standardized
    ):
        return False
    if not run.n_epochs or run.converged or objective.l2 <= STRONG * objective.curvature:
        return False
    steps = rows.n if descent.kind == "sgd" else 1
    return objective.curvature * float(np.sum(descent.rates[: run.n_epochs])) * steps < 2.0

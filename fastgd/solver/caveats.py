"""Warnings about finished runs, above all about stopping rules that ended a run too early."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.loss_base import Kinked
from fastgd.losses import has_width
from fastgd.solver import blas, forecast, linalg, preconditioning
from fastgd.solver.descents import Descent
from fastgd.solver.loop import Run
from fastgd.solver.objective import Objective
from fastgd.solver.options import Options, Plan
from fastgd.solver.steppers.base import FIRST_NORM, LAST_NORM
from fastgd.solver.summarized import Summarized

FEW_DIGITS = 7.5
"""A warning reports weights with fewer digits than this."""
FIRST_ROWS = 4096
STILL = 2.0**-50
"""The largest relative change of a weight that counts as no change."""
UNSEEN = 0.01
"""A run with an automatic tol is revoked if the condition number exceeds UNSEEN/tol."""
UNSEEN_BY_OWN = 1e3
"""The limit in place of UNSEEN for a tol that the user has chosen."""
UNSEEN_BY_EXACT = 1e-12 / forecast.EXACT
"""The largest condition number at which an exact fit is not revoked."""
HARMLESS = 1e3
"""Condition numbers up to this have no effect, so dependent columns need not be found."""
UNLIKE = 1e4
"""Larger condition numbers are reported as the reason for a slow run."""
HIDDEN = 0.01
"""Rounding of the cost must not be larger, as a share of the spread of y."""
NARROW = 2.0**-48
"""Widths of losses up to this share of y are rounding."""
STRONG = 10.0
"""An l2 over this many times the curvature of the loss makes an intercept slow."""


def condition(rows: Dataset, objective: Objective) -> float:
    """A lower bound, from the first rows, of the condition number due to units, offsets and l2; 1 for none.

    Let c be the curvature of the loss. A column of mean m and variance σ² has the curvature c (m² + σ²) + l2,
    or c σ² + l2 if the intercept compensates its mean. The intercept has the curvature c, or
    c/(1 + m²/(σ² + l2/c)) if the column compensates it. The largest eigenvalue is at least the first of each
    pair, and the smallest is at most the second.
    """
    if objective.is_standardized or (rows.d == 1 and not objective.fit_intercept):
        return 1.0
    with np.errstate(all="ignore"):
        n, offset, variance, table = _columns(rows, objective.fit_intercept)
        if n <= rows.d + objective.fit_intercept:  # directions without data are not slow
            return 1.0
        ridge = objective.l2 / objective.curvature if objective.is_smooth else 0.0
        counted = variance > 0.0
        if not counted.any() or not np.isfinite(variance).all():
            return 1.0
        centred, offset = variance[counted] + ridge, offset[counted]
        largest, smallest = float(np.max(centred + offset)), float(np.min(centred))
        if objective.fit_intercept:
            largest, smallest = max(largest, 1.0), min(smallest, float(1.0 / np.max(1.0 + offset / centred)))
        bound = largest / smallest if smallest > 0.0 else math.inf
        if bound > HARMLESS:
            with blas.one_thread():
                factor = linalg.factor(table(counted))
            if len(factor.dependent):  # the other columns are orthogonal to directions without curvature
                centred = np.delete(centred, factor.involved())
                bound = largest / float(np.min(centred)) if len(centred) else 1.0
    return bound if bound >= 1.0 else 1.0


def _columns(
    rows: Dataset, fit_intercept: bool
) -> tuple[int, Floats, Floats, Callable[[NDArray[np.bool_]], Floats]]:
    """n of the first rows, mean² and variances of columns, and the products of some; mean² is 0 without an
    intercept, where the variances are about 0."""
    if isinstance(rows, Summarized):
        products = rows.summary.products
        table = products.S if fit_intercept else rows.statistics(False).G
        offset = products.mean**2 if fit_intercept else np.zeros(rows.d)
        return rows.n, offset, np.diag(table) / products.total, lambda some: table[np.ix_(some, some)]
    X, _, weights = rows.head(FIRST_ROWS)
    X = np.asarray(X[weights > 0.0] if len(weights) else X, np.float64)
    offset = np.zeros(rows.d)
    if fit_intercept and len(X):  # about the first row, which keeps the digits of columns far from zero
        first = X[0]
        X = X - first
        mean = X.mean(axis=0)
        X, offset = X - mean, (first + mean) ** 2
    variance = np.einsum("ij,ij->j", X, X) / len(X) if len(X) else offset
    return len(X), offset, variance, lambda some: X[:, some].T @ X[:, some]


def revoke(run: Run, descent: Descent, rows: Dataset, options: Options) -> float:
    """Revoke the convergence of a run whose stopping rule could not notice the slowest weights.

    Returns the bound of the condition number, or 1 if it was not computed. The rule of tol=0 on statistics
    takes the units of columns into account, so it is not revoked.
    """
    if run.error is not None or run.diverged or not (run.converged or options.tol is not None):
        return 1.0
    objective, tolerance = descent.problem.objective, descent.tolerance(options)
    if run.converged and (reason := _unresolved(run, objective, rows)):
        run.converged, run.has_stalled, run.stopped = False, False, reason
        return 1.0
    if run.converged and not run.has_stalled and tolerance == 0.0:
        return 1.0
    bound = condition(rows, objective)
    first, last = run.first_cost, run.last_cost
    is_exact = bool(
        descent.kind == "sgd" and first and last is not None and 0.0 <= last <= forecast.EXACT * first
    )
    if is_exact and bound <= UNSEEN_BY_EXACT:  # at such a cost even the slowest weights have six digits
        return bound
    if run.converged:
        change, limit = (STILL, UNSEEN) if run.has_stalled else (tolerance, UNSEEN)
        if not run.has_stalled and options.tol != "auto":
            limit = UNSEEN_BY_OWN
        if bound * change > limit:
            what = "the last epoch moved no weight by more than rounding" if run.has_stalled else run.stopped
            run.converged, run.has_stalled, run.is_revoked = False, False, True
            run.stopped = f"{what}, which says little about weights that move slowly"
    if run.converged and not run.has_stalled and _may_be_unbalanced(descent, options):
        from fastgd.solver import balance  # the lesson does without

        w, intercept = descent.at(run.state.result_point())
        if not balance.is_balanced(descent.problem, w, intercept, options.n_threads):
            run.converged, run.stopped = False, forecast.UNBALANCED
    return bound


def _unresolved(run: Run, objective: Objective, rows: Dataset) -> str:
    """Why rounding hides whether a cost with kinks, or with parabolas near them, is at its minimum."""
    if not has_width(objective.loss):
        return ""
    if _is_narrow(objective, rows):
        return forecast.NARROW
    if not objective.has_models:
        return ""
    from fastgd.solver.kink_models import ENOUGH

    rounding = ENOUGH * max(abs(run.first_cost or 0.0), abs(run.last_cost or 0.0))
    return forecast.HIDDEN if rounding > HIDDEN * _spread(rows) > 0.0 else ""


def _is_narrow(objective: Objective, rows: Dataset) -> bool:
    """Whether scores cannot be told apart within the width that rounds the kinks of the loss off."""
    if not (objective.is_smooth and has_width(objective.loss)):
        return False
    width: float = cast(Kinked, objective.loss).width
    return bool(width <= NARROW * np.max(np.abs(_first_targets(rows)), initial=0.0))


def _spread(rows: Dataset) -> float:
    """The median distance of the first targets from their median."""
    y = _first_targets(rows)
    return float(np.median(np.abs(y - np.median(y)))) if len(y) else 0.0


def _first_targets(rows: Dataset) -> Floats:
    _, y, weights = rows.head(FIRST_ROWS)
    return np.asarray(y[weights > 0.0] if len(weights) else y, np.float64)


def _may_be_unbalanced(descent: Descent, options: Options) -> bool:
    """Whether the rule of a run compared costs that kinks keep from falling."""
    objective, d = descent.problem.objective, descent.problem.rows.d
    return descent.is_judged_by_cost(options.tol) and not objective.is_smooth and d <= preconditioning.WIDEST


def of(run: Run, descent: Descent, rows: Dataset, plan: Plan, bound: float) -> list[tuple[str, str, float]]:
    """The warnings about a run that did not diverge: kind, sentence and badness of each.

    `bound` is the result of `revoke`.
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
    if run.stopped == forecast.SEPARABLE:
        caveats.append(("separable", forecast.separable(words), 0.0))
    if run.stopped == forecast.STUCK:
        share = (float(run.state.momentum[LAST_NORM]) / float(run.state.momentum[FIRST_NORM])) ** 2
        sentence = f"{forecast.STUCK}; it may lie {share:.1g} of the cost at the start above its minimum"
        caveats.append(("stuck", sentence, share))
    if run.stopped == forecast.UNBALANCED:
        remedies = [] if preconditioning.refused(plan, rows) else [words.option("precondition", True)]
        if plan.solver == "sgd" and words.has("average"):
            remedies.append(words.option("average", True))
        caveats.append(("unbalanced", forecast.unbalanced(words, remedies), 0.0))
    if run.stopped == forecast.HIDDEN:
        caveats.append(("hidden", forecast.hidden(run.last_cost or 0.0, _spread(rows)), 0.0))
    if _is_narrow(objective, rows):
        caveats.append(("narrow", f"{forecast.NARROW}; pass the width 0, or a larger one", 0.0))
    if descent.is_off():
        caveats.append(("is off", forecast.is_off(words), 0.0))
    elif run.is_revoked:
        caveats.append(("unlike", f"{run.stopped}: {_unlike(plan, objective, rows, bound)}", bound))
    elif is_left_behind(run, descent, rows, options):
        caveats.append(("left behind", forecast.left_behind(words, objective.l2), 0.0))
    digits = descent.expected_digits()
    if digits < FEW_DIGITS:
        columns = forecast.named(descent.dependent(), rows.columns) if digits <= 0.0 else ""
        is_beside = objective.fit_intercept and not objective.is_standardized
        caveats.append(("few digits", forecast.few_digits(digits, is_beside, columns, words), -digits))
    if options.n_epochs and not (run.converged or run.stopped):
        by_cost, tolerance = descent.is_judged_by_cost(options.tol), descent.tolerance(options)
        changes = np.empty(0) if run.changes is None else run.changes
        norm = "the gradient's norm"
        if objective.has_models:
            norm = "the root of what the cost may lie above its minimum"
            changes = np.append(run.state.momentum[FIRST_NORM], changes)
        first_cost, last_cost = run.first_cost or 0.0, run.last_cost or 0.0
        share = last_cost / first_cost if by_cost and first_cost > 0.0 and last_cost > 0.0 else math.nan
        sentence = forecast.ran_out(
            words,
            run.n_epochs,
            changes,
            tolerance,
            options.patience,
            by_cost,
            share,
            _remedies(plan, objective, rows),
            norm,
        )
        if bound > UNLIKE:
            sentence = f"{sentence}; {_unlike(plan, objective, rows, bound)}"
        first = changes[0] if len(changes) and not by_cost else 1.0
        left = float(changes[-1] / first) if len(changes) and first else math.inf
        caveats.append(("ran out", sentence, left))
    return caveats


def _unlike(plan: Plan, objective: Objective, rows: Dataset, bound: float) -> str:
    is_served = not preconditioning.refused(plan, rows)
    return forecast.unlike(bound, objective.fit_intercept, objective.l2 > 0.0, is_served, plan.options.words)


def _remedies(plan: Plan, objective: Objective, rows: Dataset) -> str:
    """Remedies if the cost or the gradient does not fall: options of the solver that are not in use."""
    words = plan.options.words
    remedies = [f"another {words.name('learning_rate')}"]
    if not objective.is_standardized:
        remedies.append(words.option("standardize", True))
    if has_width(objective.loss) and not (objective.precondition or preconditioning.refused(plan, rows)):
        remedies.insert(0, words.option("precondition", True))
    if plan.solver == "gradient_descent" and not (plan.rule.nesterov or objective.precondition):
        remedies.append(words.option("nesterov", True))
    return forecast.either(remedies)


def is_left_behind(run: Run, descent: Descent, rows: Dataset, options: Options) -> bool:
    """Whether a strong l2 made the automatic rate too small to move the intercept."""
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

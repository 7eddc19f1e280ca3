"""Decide whether a run descends in the metric of its curvature, and explain why it cannot.

Squared errors have one curvature, from statistics: in coordinates φ in which XᵀX/n + l2/2 is the identity,
one step of rate 1/2 leads to the optimum from anywhere, whatever the condition number of X. Other smooth
losses have a curvature at each point: see `metric.py`.
"""

from __future__ import annotations

from fastgd.data.dataset import Dataset
from fastgd.losses import has_width, name_of
from fastgd.solver import planner
from fastgd.solver.objective import Objective, UpdateRule
from fastgd.solver.options import Plan

WIDEST = 400
"""With more columns a sample of `ROWS_OF_A_COLUMN` rows a column takes more than its `MOST_BYTES`."""

WIDEST_OF_KINKS = 128
"""With more columns the models of a loss with kinks take hundreds of steps of d³ operations."""


def resolved(plan: Plan, rows: Dataset) -> bool:
    """`precondition` as True or False. Raises ValueError for True with an option that excludes it."""
    objective, options = plan.objective, plan.options
    if objective.precondition is False:
        return False
    reason = refused(plan, rows)
    if objective.precondition is True:
        if reason:
            raise ValueError(f"precondition=True is not possible: {reason}")
        return True
    is_validated = options.validation_fraction is not None
    if reason or not suits(objective, plan.rule, rows.d, options.has_automatic_rate, is_validated):
        return False
    if not objective.is_squared:
        return True
    size = rows.d + objective.fit_intercept
    return options.method == "summary" or planner.descent_of(rows, size, options.n_epochs) == "summary"


def suits(
    objective: Objective, rule: UpdateRule, d: int, has_automatic_rate: bool, is_validated: bool
) -> bool:
    """Whether "auto" may mean True for these options."""
    if not has_automatic_rate or rule.momentum or is_validated:
        return False
    if not objective.is_smooth:
        return has_width(objective.loss) and d <= WIDEST_OF_KINKS
    if objective.l1:
        return False
    return objective.is_squared or d <= WIDEST


def refused(plan: Plan, rows: Dataset) -> str:
    """Why precondition=True is not possible; empty if it is."""
    if plan.solver != "gradient_descent":
        return 'it is for full-batch descent, not for "sgd"'
    objective = plan.objective
    if not objective.is_squared:
        return _unserved_of_sample(plan, rows)
    reason = unserved(objective, rows)
    if not reason and plan.options.method == "stream":
        reason = 'method="stream" has no statistics; pass method="auto"'
    return reason


def _unserved_of_sample(plan: Plan, rows: Dataset) -> str:
    """Why a loss other than the squared error cannot be preconditioned; empty if it can be."""
    objective = plan.objective
    if not (objective.is_smooth or has_width(objective.loss)):
        return f"{name_of(objective.loss)} has kinks, and nothing says where"
    if plan.rule.momentum:
        return "it excludes momentum, which its steps do not need"
    return _unserved_of_any(objective, rows)


def unserved(objective: Objective, rows: Dataset) -> str:
    """Why this objective cannot be preconditioned with statistics of these rows; empty if it can be."""
    if not objective.is_squared:
        return 'it needs loss="squared_error", whose curvature is constant'
    return _unserved_of_any(objective, rows)


def _unserved_of_any(objective: Objective, rows: Dataset) -> str:
    if objective.l1 and objective.is_smooth:
        return "beside a smooth loss it excludes an l1 penalty, which moves single weights towards 0"
    if rows.d > planner.MOST_COLUMNS:
        return f"it takes at most {planner.MOST_COLUMNS} columns, and X has {rows.d}"
    return ""

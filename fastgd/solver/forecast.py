"""Messages about convergence: how a fit converged, and how many more epochs it would have needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.wording import PYTHON, Words

VANISHES = "its squares vanish, so that costs are 0 and tol says nothing; scale y"
EXACT = 1e-18
"""A cost below this share of the first is an exact fit: predictions are right to nine digits."""


def epochs_needed(values: Floats, target: float) -> float:
    """Epochs until the values reach the target, at the rate of their last half. inf if they never will."""
    last = float(values[-1]) if len(values) else math.nan
    if last <= target:
        return 0
    half = len(values) // 2
    if not half or not last < values[half - 1]:
        return math.inf
    pace = math.log(last / values[half - 1]) / (len(values) - half)
    return math.ceil(math.log(target / last) / pace) if target > 0.0 else math.inf


def epochs_to_exact(falls: Floats, share: float) -> float:
    """Epochs until a cost that falls evenly, now `share` of the first cost, is that of an exact fit."""
    recent = falls[len(falls) // 2 :]
    pace = -float(np.mean(np.log1p(-np.minimum(recent, 0.999)))) if len(recent) else 0.0
    return math.ceil(math.log(share / EXACT) / pace) if pace > 0.0 and share > EXACT else math.inf


def is_off(words: Words) -> str:
    """The message about columns far from zero."""
    return (
        "columns of X lie a million times as far from zero as they spread, beside an intercept: weights move "
        f"very slowly there, and tol says little; pass {words.option('standardize', True)}"
    )


def ran_out(
    words: Words,
    n_epochs: int,
    values: Floats,
    tol: float,
    patience: int,
    is_cost: bool,
    share: float = math.nan,
    remedies: str = "another learning_rate, standardize=True or nesterov=True",
    norm: str = "the gradient's norm",
) -> str:
    """The message of a ConvergenceWarning.

    `values` holds what the stopping rule compares with `tol`, one value for each epoch. The rule stops after
    `patience` values in a row of at most `tol`. `share` is the last cost divided by the first. `remedies` is
    advice for values that do not fall. `norm` says what the values are if they are not costs.
    """
    head = f"{words.option('n_epochs', n_epochs)} ran out"
    what = "the relative fall of the cost" if is_cost else f"{norm}, as a part of the first,"
    if not is_cost and len(values):
        values = values / values[0] if values[0] > 0.0 else values
    last = f"{values[-1]:.2g}" if len(values) else "unknown"
    more = epochs_needed(values, tol)
    if tol > 0.0 and share > 0.0:
        more = min(more, epochs_to_exact(values, share))
    if len(values) and values[-1] <= tol:
        return f"{head}: {what} has reached tol={tol:.2g}, but not yet for {patience} epochs in a row"
    if tol == 0.0:
        return f"{head}: {what} is {last}, and not yet rounding{words.aside('; w was still moving')}"
    if len(values) < 2:
        needed = "that is too few epochs to tell how many it takes"
    elif more == math.inf:
        needed = f"it was not falling: try {remedies}"
    else:
        needed = f"at this pace it takes about {more:,} more epochs"
    return f"{head}: {what} is {last} and tol is {tol:.2g}; {needed}"


def named(columns: Sequence[int], names: Sequence[str]) -> str:
    """Columns by their names, or by their numbers if they have no names; at most ten."""
    shown = ", ".join(str(names[j]) if names else str(j) for j in columns[:10])
    return shown + ", …" * (len(columns) > 10)


def either(options: Sequence[str]) -> str:
    """The options as an enumeration: "a, b or c"."""
    *others, last = options
    return f"{', '.join(others)} or {last}" if others else last


def unlike(condition: float, has_intercept: bool, has_l2: bool, can_precondition: bool, words: Words) -> str:
    """Why weights move slowly, and the remedy.

    `can_precondition` says whether precondition=True is possible for this problem.
    """
    causes = ["in unlike units"]
    if has_intercept:
        causes.append("far from zero beside the intercept")
    if has_l2:
        causes.append(f"held by {words.name('l2')}")
    remedies = [words.option("standardize", True)]
    if can_precondition and words.has("precondition"):
        remedies.append(words.option("precondition", True))
    return (
        f"some weights move {condition:.1g} times more slowly than others, as columns of X are "
        f"{either(causes)}; pass {either(remedies)}"
    )


SEPARABLE = "a hyperplane separates the classes, so that weights grow with every epoch"
"""Why a run was ended, part of a sentence."""


def separable(words: Words) -> str:
    return f"{SEPARABLE}: the cost has no minimum without a penalty; pass {words.option('l2', 1e-4)}"


STUCK = "rounding keeps the cost from falling, and from being shown to be the least"
"""Why a run was ended, part of a sentence."""
UNBALANCED = "the cost hardly fell any more, but this is not the optimum: the steps are too long near a kink"
"""Why a run has not converged, part of a sentence."""

HIDDEN = "most rows change the cost by less than its rounding"
"""Why a run has not converged, part of a sentence."""
NARROW = "the width of the loss is below the rounding of y, so that its slope jumps as at a kink"
"""Why a run has not converged, part of a sentence."""


def hidden(cost: float, spread: float) -> str:
    """The message about a few targets that are too large beside the others for sums of losses."""
    return (
        f"{HIDDEN}: it is {cost:.3g}, and half of y lies within {spread:.3g} of the median; drop or clip the "
        "outliers of y"
    )


def unbalanced(words: Words, remedies: Sequence[str]) -> str:
    smaller = f"a smaller {words.name('learning_rate')}"
    return f"{UNBALANCED}; pass {either([smaller, *remedies])}"


def left_behind(words: Words, l2: float) -> str:
    """The message about an intercept that moves slowly since a strong l2 penalty limits the learning rate."""
    penalty = words.option("l2", float(l2 * words.l2_unit))
    return (
        f"the learning rate that {penalty} allows is too small to move "
        f"the intercept in these epochs; pass {words.option('standardize', True)}, which gives the intercept "
        "a scale of its own"
    )


def few_digits(digits: float, is_beside: bool, columns: str = "", words: Words = PYTHON) -> str:
    """The message about weights that the data determines to few digits.

    `columns` names dependent columns and the columns that they combine. `is_beside` says that there is an
    intercept, which depends on columns far from zero unless they are centred.
    """
    others, remedy = "", f"leave some out, or pass {words.name('l2')}"
    if is_beside:
        others = " and the intercept"
        remedy = f"pass {words.option('standardize', True)} (where they are far from zero), {remedy}"
    if digits <= 0.0:
        return (
            f"some columns of X are sums of others{others}, to rounding{columns and f' ({columns})'}: their "
            f"weights are not determined (predictions are); {remedy}"
        )
    least = max(1, math.floor(digits))
    return (
        f"the columns of X{others} are so nearly dependent that about {least} digits of the weights are to "
        f"be expected; {remedy}"
    )


def reached(tol: float, patience: int, by_cost: bool, has_bound: bool = False) -> str:
    """Why a fit has converged, part of a sentence. `has_bound` says that the cost has a lower bound."""
    if by_cost:
        return f"the last {patience} epochs lowered the cost by no more than {tol:.2g} of it"
    if tol == 0.0:
        return "w is the optimum to rounding"
    if has_bound:
        share = f"{tol * tol:.2g} of the cost at the start"
        return f"the cost is above its minimum by less than {share}, to second order"
    return f"the gradient's norm fell to {tol:.2g} of the first"

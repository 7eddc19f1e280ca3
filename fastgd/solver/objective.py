"""The objective of a fit and its update rule, with the checks of their arguments.

cost(w, b) = (1/Σ s) Σ s·loss(x·w + b, y) + l1 Σ|w| + (l2/2) Σ w², with sample weights s (which are stored
with the rows) and intercept b.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from fastgd import checks, display
from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows
from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.domains import CLASSES, NUMBERS, Domain
from fastgd.engine import scan
from fastgd.engine.blocks import Array, Floats
from fastgd.losses import Loss, SquaredError, as_loss, is_own, name_of
from fastgd.wording import Aside

LOOK_ROWS = 4096
PART_ROWS = 1 << 16


@dataclass(slots=True, eq=False)
class Objective:
    """The cost that a fit minimises, and the scaling of its descent."""

    loss: Loss
    l1: float
    l2: float
    fit_intercept: bool
    standardize: bool
    has_weights: bool
    """Whether samples have weights, which are stored with the rows."""

    precondition: bool | Literal["auto"] = False
    """Whether to descend in the metric of the curvature; "auto" until the data and the options decide."""

    is_squared: bool = field(init=False)
    is_quadratic: bool = field(init=False)
    """Squared errors without penalties: a step of SGD is an affine map."""
    is_plain: bool = field(init=False)
    """The lesson's cost, (1/n) Σ (x·w − y)²."""

    def __post_init__(self) -> None:
        self.is_squared = isinstance(self.loss, SquaredError)
        self.is_quadratic = self.is_squared and not self.l1 and not self.l2
        self.is_plain = self.is_quadratic and not (self.fit_intercept or self.standardize or self.has_weights)

    @property
    def is_standardized(self) -> bool:
        """Whether columns are centred and scaled. Preconditioning does this too."""
        return self.standardize or self.precondition is True

    @property
    def has_metric_of_statistics(self) -> bool:
        """Whether the metric is that of squared errors, whose curvature is the same everywhere."""
        return self.precondition is True and self.is_squared

    @property
    def has_metric_of_sample(self) -> bool:
        """Whether the metric is the curvature of a sample at its optimum: `solver/metric.py`."""
        return self.precondition is True and self.is_smooth and not self.is_squared

    @property
    def has_models(self) -> bool:
        """Whether models that keep the rows near a kink replace the metric: `solver/kinks.py`."""
        return self.precondition is True and not self.is_smooth

    @property
    def curvature(self) -> float:
        """An upper bound of ∂²loss/∂score², or infinity if there is none."""
        return math.inf if self.loss.curvature is None else float(self.loss.curvature)

    @property
    def is_bounded(self) -> bool:
        """Whether the curvature has a bound."""
        return math.isfinite(self.curvature)

    @property
    def is_smooth(self) -> bool:
        """Whether the slope has no jumps."""
        return self.loss.is_smooth


@dataclass(slots=True)
class UpdateRule:
    """The update rule: momentum, rows in a batch, and averaging of the iterates."""

    momentum: float = 0.0
    nesterov: bool = False
    batch_size: int = 1
    average: bool | int | float = False

    is_plain: bool = field(init=False)
    """Whether steps are plain gradient steps, on single rows or on all rows."""

    def __post_init__(self) -> None:
        self.is_plain = not (
            self.momentum or self.nesterov or self.average is not False or self.batch_size > 1
        )

    def average_from(self, n_steps: int) -> int:
        """The first step whose result is averaged, or −1 without averaging."""
        if self.average is False:
            return -1
        if self.average is True:
            return 0
        if isinstance(self.average, float):
            return n_steps - math.ceil(self.average * n_steps)
        return self.average


LESSON = Objective(SquaredError(), 0.0, 0.0, False, False, False)
"""(1/n) Σ (x·w − y)²."""
SINGLE_STEPS = UpdateRule()
"""w ← w − α gradient, one row at a time in SGD."""


def as_objective(
    loss: Any,
    l1: Any,
    l2: Any,
    fit_intercept: Any,
    standardize: Any,
    precondition: Any = False,
    *,
    has_weights: bool,
) -> Objective:
    is_plain = precondition is False and not (has_weights or fit_intercept or standardize)
    if is_plain and loss == "squared_error" and l1 == l2 == 0.0:
        return LESSON
    l1, l2 = checks.not_negative("l1", l1), checks.not_negative("l2", l2)
    fit_intercept = checks.flag("fit_intercept", fit_intercept)
    standardize = checks.flag("standardize", standardize)
    precondition = checks.choice("precondition", precondition, (True, False, "auto"))
    return Objective(as_loss(loss), l1, l2, fit_intercept, standardize, has_weights, precondition)


def as_rule(momentum: Any, nesterov: Any, batch_size: Any = 1, average: Any = False) -> UpdateRule:
    if (
        nesterov is average is False
        and type(momentum) is float
        and type(batch_size) is int
        and (momentum, batch_size) == (0.0, 1)
    ):
        return SINGLE_STEPS
    momentum = checks.number("momentum", momentum)
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"momentum must be at least 0 and below 1, not {display.value(momentum)}")
    nesterov = checks.flag("nesterov", nesterov)
    batch_size = checks.whole("batch_size", batch_size, 1)
    if isinstance(average, (bool, np.bool_)):
        average = bool(average)
    elif isinstance(average, float):
        if not 0.0 < average <= 1.0:
            raise ValueError(
                f"average, a share of the steps, must be above 0 and at most 1, not {display.value(average)}"
            )
    else:
        average = checks.whole("average", average, 0)
    return UpdateRule(momentum, nesterov, batch_size, average)


def check_loss(loss: Loss, rows: Dataset, backend: Backend) -> None:
    """Refuse a y outside the domain of the loss, and a user's loss whose slope does not match its value."""
    if isinstance(loss, SquaredError):
        return
    domain = loss.domain
    if domain is not NUMBERS and rows.is_once:
        rows.check_in_read(functools.partial(_refuse_outside, loss, rows))
    elif domain is not NUMBERS and (other := _first_outside(domain, rows, backend)) is not None:
        raise _outside(loss, rows, *other)
    one = type(loss), loss, backend  # named tuples of different types may be equal
    if is_own(loss) and one not in _checked:
        _check_own(loss, rows.head(LOOK_ROWS)[1].astype(np.float64), backend)
        _checked.add(one)


def _outside(loss: Loss, rows: Dataset, row: int, value: float) -> InvalidDataError:
    remedy = loss.domain.demand(name_of(loss)), Aside(loss.domain.aside)
    return rows.refused("y", row, value, f"is {value:g}", remedy)


def _refuse_outside(loss: Loss, rows: Dataset, start: int, y: Array, _is_over: bool) -> None:
    """Refuse a y outside the domain of the loss in a run of rows."""
    first = np.array([-1.0, 0.0])
    _look_outside(loss.domain, start, y, y, y, first)
    if first[0] >= 0.0:
        raise _outside(loss, rows, int(first[0]), float(first[1]))


def lone_class(objective: Objective, rows: Dataset) -> str:
    """A warning if equal targets leave the cost without a minimum (one class, say), otherwise "".

    With a penalty the cost has a minimum, unless an intercept is fitted, which is not penalised.
    """
    loss, domain = objective.loss, objective.loss.domain
    if not loss.without_minimum or (not objective.fit_intercept and (objective.l1 or objective.l2)):
        return ""
    if isinstance(rows, ArrayRows):
        parts = (rows.y[start : start + PART_ROWS] for start in range(0, rows.n, PART_ROWS))
        only = float(rows.y[0]) if all((part == rows.y[0]).all() for part in parts) else None
    else:
        only = None if rows.is_once else rows.facts.only
    if only not in loss.without_minimum:
        return ""
    return (
        f"every y is {only:g}: {name_of(loss)} of {domain.alone} alone has no minimum, and the weights grow "
        f"with every epoch; pass rows {domain.others}"
    )


def _first_outside(domain: Domain, rows: Dataset, backend: Backend) -> tuple[int, float] | None:
    """The first row whose target is outside the domain, and that target."""
    if not isinstance(rows, ArrayRows) or backend == "python":
        if domain is CLASSES:
            return rows.facts.other
        return None if rows.facts.least >= 0.0 else _scanned(domain, rows)
    from fastgd.kernels import pointwise

    for start in range(0, rows.n, PART_ROWS):
        part = np.asarray(rows.y[start : start + PART_ROWS], dtype=np.float64)
        if domain is not CLASSES or pointwise.count_beside(part, 0.0, 1.0):
            outside = domain.refuses(part)
            if outside.any():
                row = int(outside.argmax())
                return start + row, float(part[row])
    return None


def _scanned(domain: Domain, rows: Dataset) -> tuple[int, float] | None:
    """`_first_outside` by a pass over the rows."""
    first = np.array([-1.0, 0.0])
    scan.scan(rows, functools.partial(_look_outside, domain), [first])
    return None if first[0] < 0.0 else (int(first[0]), float(first[1]))


def _look_outside(domain: Domain, start: int, _X: Array, y: Array, _weights: Array, first: Floats) -> None:
    outside = domain.refuses(y)
    if first[0] < 0.0 and outside.any():
        row = int(outside.argmax())
        first[:] = start + row, y[row]


_checked: set[tuple[type, Any, Backend]] = set()
"""The user's losses that passed the check."""


def _check_own(loss: Loss, y: Floats, backend: Backend) -> None:
    """Check that slope is between the finite differences of value on its sides, at scores around some of
    y."""
    y = y[np.isfinite(y)]
    if not len(y):
        return  # the fit will refuse y
    targets = np.unique(np.quantile(y, [0.0, 0.3, 0.5, 0.8, 1.0]))
    size = max(1.0, float(np.abs(targets).max(initial=0.0)))
    around = np.concatenate([np.linspace(-1.53, 1.61, 14) * size, np.linspace(-3.07, 3.03, 14)])
    scores, ys = np.repeat(around, len(targets)), np.tile(targets, len(around))
    step = np.repeat(1e-6 * np.repeat([size, 1.0], 14), len(targets))
    parts = np.array(_probed(loss, scores, ys, step, backend))
    known = np.isfinite(parts).all(axis=0)  # some scores overflow, depending on the units of y
    if not known.any():
        raise ValueError(f"loss {name_of(loss)}: its value or slope is not finite at any score near y or 0")
    (low, value, high, slope), scores, ys, step = parts[:, known], scores[known], ys[known], step[known]
    left, right = (value - low) / step, (high - value) / step
    slack = 1e-3 * (np.abs(left) + np.abs(right)) + 1e-7 * (1.0 + np.abs(value) / step * 1e-7)
    bad = (slope < np.minimum(left, right) - slack) | (slope > np.maximum(left, right) + slack)
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(
            f"loss {name_of(loss)}: slope({scores[at]:.4g}, {ys[at]:.4g}) is {slope[at]:.6g}, and its value "
            f"changes by {0.5 * (left[at] + right[at]):.6g} a unit of score; slope must be ∂value/∂score"
        )


def _probed(loss: Loss, scores: Floats, y: Floats, step: Floats, backend: Backend) -> list[Floats]:
    """value at score − step, at score and at score + step, and slope at score."""
    try:
        if backend == "python":
            places = [scores - step, scores, scores + step]
            parts = [[_plain(loss.value, *one) for one in zip(at, y, strict=True)] for at in places]
            parts.append([_plain(loss.slope, *one) for one in zip(scores, y, strict=True)])
            return [np.array(part) for part in parts]
        from fastgd.kernels import pointwise

        out = [np.empty(len(y)) for _ in range(4)]
        for at, part in zip((scores - step, scores, scores + step), out, strict=False):
            pointwise.values(loss, at, y, part)
        pointwise.slopes(loss, scores, y, out[3])
    except OverflowError:  # kernels that run as Python functions
        return _probed(loss, scores, y, step, "python")
    except Exception as error:  # of the user's code or of Numba
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        # Numba names the nested stages of the compiler. The reason follows the last of them.
        stages = [place for place, line in enumerate(lines[:-1]) if line.startswith("Failed in")]
        first = lines[stages[-1] + 1] if stages else lines[0]
        where = "Numba cannot compile" if backend == "numba" else "an error in"
        raise ValueError(f"loss {name_of(loss)}: {where} its value or slope ({first:.200})") from error
    return out


def _plain(function: Callable[[float, float], float], score: float, y: float) -> float:
    try:
        return float(function(float(score), float(y)))
    except OverflowError:
        return math.inf

"""Losses: two scalar functions of (score, y), and the facts that solvers need. A loss never sees X.

score = x·w + intercept and slope = ∂loss/∂score. Each class here has `value` and `slope`, and the attributes
of `Loss` that differ from its defaults. `backend="python"` calls the methods; `kernels/losses.py` compiles
the same methods. They have no branches, so that loops over samples are vectorised: where two formulas meet,
both are computed and one is chosen. For exponentials and logarithms they call the helpers of this module,
which have compiled forms.

To add a loss, write its class and a line of `NAMED`. Solvers, estimators and the command line read its name
and its attributes from there.

A loss of your own is an object of any class with methods `value(self, score, y)` and `slope(self, score, y)`
that Numba can compile. Its other attributes are numbers, and `curvature` may be one of them. A loss without
`curvature` is assumed to have kinks unless it has `is_smooth = True`. The loss is checked against finite
differences at its first use. Numba keeps machine code until the process ends: each new *class* takes about
8 MB, new objects of a class take none. So define the class once, outside of loops, and give its objects
different numbers.
"""

from __future__ import annotations

import inspect
import math
import numbers
from collections import namedtuple
from collections.abc import Callable
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.domains import CLASSES, NOT_NEGATIVE
from fastgd.loss_base import Kinked as Kinked
from fastgd.loss_base import Loss as Loss

MOST_EXPONENT = 709.4
"""exp(x) is set to infinity for larger x, a little below the overflow at x = ln 2¹⁰²⁴ = 709.78."""


def exp(x: float) -> float:
    """eˣ, or infinity for x above MOST_EXPONENT."""
    return math.inf if x > MOST_EXPONENT else math.exp(x)


def square(x: float) -> float:
    """x². For a Python float it has the digits of the lesson's `** 2`."""
    return x**2


def exp_of_negative(x: float) -> float:
    """eˣ for x <= 0."""
    return math.exp(x)


def log1p_of_part(e: float) -> float:
    """ln(1 + e) for 0 <= e <= 1."""
    return math.log1p(e)


class SquaredError(Loss, namedtuple("SquaredError", "")):
    """(score − y)²."""

    curvature = 2.0
    scikit_learn = 0.5

    def value(self, score: float, y: float) -> float:
        return square(score - y)

    def slope(self, score: float, y: float) -> float:
        return 2.0 * (score - y)


class Huber(Loss, namedtuple("Huber", "delta", defaults=[1.35])):
    """r² up to |r| = delta, then 2 delta |r| − delta², r = score − y (Huber, Ann. Math. Stat. 35, 1964)."""

    curvature = 2.0
    scikit_learn = 0.5
    in_estimators: ClassVar[dict[str, str]] = {"delta": "epsilon"}

    def value(self, score: float, y: float) -> float:
        size = abs(score - y)
        inner = size if size <= self.delta else self.delta
        return inner * (2.0 * size - inner)

    def slope(self, score: float, y: float) -> float:
        r = score - y
        most = self.delta
        r = most if r > most else r
        r = -most if r < -most else r
        return 2.0 * r

    def check_numbers(self) -> None:
        if not 0.0 < self.delta < math.inf:
            raise ValueError(f"Huber's delta must be positive and finite, not {display.value(self.delta)}")


class LogLoss(Loss, namedtuple("LogLoss", "")):
    """−ln P(y) for y in {0, 1}, with P(1) = 1/(1 + exp(−score))."""

    curvature = 0.25
    usual_curvature = 0.125
    """p (1 − p) for p = 0.85, a typical probability of the likelier class in a useful fit."""
    domain = CLASSES
    without_minimum = 0.0, 1.0
    predicts_y = False
    meaning_of_scores = "log-odds: above 0 where class 1 is the likelier"
    gives_probabilities = True

    def value(self, score: float, y: float) -> float:
        positive = score if score > 0.0 else 0.0
        return (positive - y * score) + log1p_of_part(exp_of_negative(-abs(score)))

    def slope(self, score: float, y: float) -> float:
        """1/(1 + exp(−score)) − y, from the smaller of the two probabilities, which keeps its digits."""
        e = exp_of_negative(-abs(score))
        rare = e / (1.0 + e)
        return (1.0 - y) - rare if score > 0.0 else rare - y

    def probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        e = np.exp(-np.abs(scores))
        return np.where(scores >= 0.0, 1.0, e) / (1.0 + e)

    def log_probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(-np.logaddexp(0.0, -scores))  # finite even if the probability underflows


class Quantile(Kinked, namedtuple("Quantile", "quantile width", defaults=[0.5, 0.0])):
    """quantile·r if r = y − score is positive, otherwise (quantile − 1)·r (Koenker and Bassett, 1978).

    With `width` = h it is (quantile − 1/2)·r + r²/4h for |r| < h, and less by h/4 beyond.
    """

    steepness = 0.5
    in_estimators: ClassVar[dict[str, str]] = {"quantile": "quantile"}

    def value(self, score: float, y: float) -> float:
        r, h = y - score, self.width
        size = abs(r)
        rounded_off = 0.5 * size * (1.0 - 0.5 * (size / h)) if size < h else 0.25 * h
        return (self.quantile if r > 0.0 else self.quantile - 1.0) * r - rounded_off

    def slope(self, score: float, y: float) -> float:
        r, h = y - score, self.width
        slope = -self.quantile if r > 0.0 else 1.0 - self.quantile
        slope = 0.5 - self.quantile - 0.5 * (r / h) if abs(r) < h else slope
        return 0.0 if score == y and h == 0.0 else slope

    def kink(self, score: Any, y: Any) -> Any:
        return y

    def check_numbers(self) -> None:
        super().check_numbers()
        if not 0.0 < self.quantile < 1.0:
            raise ValueError(f"quantile must be between 0 and 1, not {display.value(self.quantile)}")


class Poisson(Loss, namedtuple("Poisson", "")):
    """exp(score) − y·score for y >= 0: the score is the logarithm of the mean of y.

    Half the Poisson deviance without the terms of y alone, as in scikit-learn. It can be negative.
    """

    domain = NOT_NEGATIVE
    without_minimum = (0.0,)
    predicts_y = False
    meaning_of_scores = "logarithms of the mean"

    def value(self, score: float, y: float) -> float:
        return exp(score) - y * score

    def slope(self, score: float, y: float) -> float:
        return exp(score) - y

    def predictions(self, scores: NDArray[Any]) -> NDArray[Any]:
        return np.exp(scores)


class Hinge(Kinked, namedtuple("Hinge", "width", defaults=[0.0])):
    """max(0, 1 − m) with the margin m = (2 y − 1)·score, y in {0, 1}: linear support vector machines.

    With `width` = h it is (1 − m)²/2h for 1 − m within 0 and h, and less by h/2 beyond.
    """

    domain = CLASSES
    predicts_y = False
    meaning_of_scores = "above 0 where class 1 is predicted"

    def value(self, score: float, y: float) -> float:
        gap, h = 1.0 - (2.0 * y - 1.0) * score, self.width
        gap = 0.0 if gap < 0.0 else gap
        return gap - (gap * (1.0 - 0.5 * (gap / h)) if gap < h else 0.5 * h)

    def slope(self, score: float, y: float) -> float:
        side, h = 2.0 * y - 1.0, self.width
        gap = 1.0 - side * score
        gap = 0.0 if gap < 0.0 else gap
        slope = -side * (gap / h) if gap < h else -side
        return 0.0 if side * score > 1.0 else slope

    def kink(self, score: Any, y: Any) -> Any:
        return 2.0 * y - 1.0


class SquaredHinge(Loss, namedtuple("SquaredHinge", "")):
    """max(0, 1 − m)² with the margin m = (2 y − 1)·score, y in {0, 1}."""

    curvature = 2.0
    domain = CLASSES
    predicts_y = False
    meaning_of_scores = "above 0 where class 1 is predicted"

    def value(self, score: float, y: float) -> float:
        gap = 1.0 - (2.0 * y - 1.0) * score
        inner = 0.0 if gap < 0.0 else gap
        return inner * inner

    def slope(self, score: float, y: float) -> float:
        side = 2.0 * y - 1.0
        gap = 1.0 - side * score
        return -2.0 * side * (0.0 if gap < 0.0 else gap)


class ModifiedHuber(Loss, namedtuple("ModifiedHuber", "")):
    """max(0, 1 − m)² for margins m >= −1, otherwise −4 m. m = (2 y − 1)·score, y in {0, 1}.

    The expected loss is least if (1 + score)/2 = P(y = 1) (Zhang, Annals of Statistics 32, 2004).
    """

    curvature = 2.0
    domain = CLASSES
    predicts_y = False
    meaning_of_scores = "twice the probability of class 1, less 1, within -1 and 1"
    gives_probabilities = True

    def value(self, score: float, y: float) -> float:
        gap = 1.0 - (2.0 * y - 1.0) * score
        outer = 0.0 if gap < 0.0 else gap
        inner = 2.0 if outer > 2.0 else outer
        return inner * (2.0 * outer - inner)

    def slope(self, score: float, y: float) -> float:
        side = 2.0 * y - 1.0
        gap = 1.0 - side * score
        outer = 0.0 if gap < 0.0 else gap
        return -2.0 * side * (2.0 if outer > 2.0 else outer)

    def probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        return (1.0 + np.clip(scores, -1.0, 1.0)) / 2.0


class EpsilonInsensitive(Kinked, namedtuple("EpsilonInsensitive", "epsilon width", defaults=[0.1, 0.0])):
    """max(0, |score − y| − epsilon): support vector regression.

    With `width` = h and g = |score − y| − epsilon it is g²/2h for g within 0 and h, and less by h/2 beyond.
    """

    in_estimators: ClassVar[dict[str, str]] = {"epsilon": "epsilon"}

    def value(self, score: float, y: float) -> float:
        gap, h = abs(score - y) - self.epsilon, self.width
        gap = 0.0 if gap < 0.0 else gap
        return gap - (gap * (1.0 - 0.5 * (gap / h)) if gap < h else 0.5 * h)

    def slope(self, score: float, y: float) -> float:
        r, h = score - y, self.width
        gap = abs(r) - self.epsilon
        gap = 0.0 if gap < 0.0 else gap
        slope = 1.0 if r > 0.0 else -1.0
        slope = slope * (gap / h) if gap < h else slope
        return 0.0 if abs(r) <= self.epsilon else slope

    def kink(self, score: Any, y: Any) -> Any:
        return np.where(score > y, y + self.epsilon, y - self.epsilon)

    def check_numbers(self) -> None:
        super().check_numbers()
        if not 0.0 <= self.epsilon < math.inf:
            shown = display.value(self.epsilon)
            raise ValueError(f"EpsilonInsensitive's epsilon must be finite and not negative, not {shown}")


NAMED: dict[str, Any] = {
    "squared_error": SquaredError(),
    "huber": Huber(),
    "log_loss": LogLoss(),
    "quantile": Quantile(),
    "poisson": Poisson(),
    "hinge": Hinge(),
    "squared_hinge": SquaredHinge(),
    "modified_huber": ModifiedHuber(),
    "epsilon_insensitive": EpsilonInsensitive(),
}
"""The losses by name, with default numbers. `losses.Huber(2.0)` or `losses.Quantile(0.9)` have others."""

_BUILT_IN = tuple(type(one) for one in NAMED.values())


def names(*, of_classes: bool) -> tuple[str, ...]:
    """The names of the losses for classifiers (y in {0, 1}), or for regressors."""
    return tuple(name for name, loss in NAMED.items() if (loss.domain is CLASSES) is of_classes)


def name_of(loss: Any) -> str:
    """The name of a loss. A loss of the user's own, or of a subclass, has the name of its class."""
    if is_own(loss):
        return type(loss).__name__.removeprefix(OWN).rpartition("_")[0]
    return next((name for name, one in NAMED.items() if type(one) is type(loss)), type(loss).__name__)


OWN = "OwnLoss_"
"""The prefix of the types of the user's own losses. Their machine code is never kept on disk."""
_own_types: dict[tuple[Any, ...], Any] = {}


def as_loss(loss: Any) -> Loss:
    """The loss for an argument: a name, a built-in loss, or an object of the user."""
    if isinstance(loss, str):
        if loss not in NAMED:
            raise ValueError(
                f"loss must be {' or '.join(map(repr, NAMED))} or an object, not {display.value(loss)}"
            )
        return cast(Loss, NAMED[loss])
    if isinstance(loss, type) and loss in _BUILT_IN:
        loss = loss()
    for name in getattr(loss, "_fields", ()) if isinstance(loss, _BUILT_IN) else ():
        if not isinstance(getattr(loss, name), numbers.Real):
            raise TypeError(
                f"{type(loss).__name__}'s {name} must be a number, not {display.value(getattr(loss, name))}"
            )
    if isinstance(loss, _BUILT_IN):
        loss.check_numbers()
    if isinstance(loss, _BUILT_IN) or is_own(loss):
        return cast(Loss, loss)
    kind = loss if isinstance(loss, type) else type(loss)
    for method in ("value", "slope"):
        if not callable(getattr(kind, method, None)):
            raise TypeError(
                f"loss has no method {method}(self, score, y): {display.value(loss, 60)}; a loss of your "
                "own must define value and slope"
            )
    return cast(Loss, _own_loss(loss, kind))


def has_width(loss: Any) -> bool:
    """Whether the loss has kinks that a `width` rounds off. A subclass may have others."""
    return isinstance(loss, Kinked) and type(loss) in _BUILT_IN


def is_own(loss: Any) -> bool:
    return type(loss).__name__.startswith(OWN)


def identity(loss: Any) -> tuple[Any, ...]:
    """A value that identifies the loss, also in another process."""
    if not is_own(loss):
        return type(loss).__name__, *tuple(loss)
    key: list[Any] = []
    for name in ("value", "slope"):
        function = vars(type(loss))[name]
        function = getattr(function, "__func__", getattr(function, "py_func", function))
        code = getattr(function, "__code__", None)
        key += [function.__module__, function.__qualname__]
        key += [code.co_code, repr([c for c in code.co_consts if not hasattr(c, "co_code")])] if code else []
    return *key, *tuple(loss)


def _own_loss(loss: Any, kind: type) -> Any:
    """The user's loss as a named tuple of its numbers with the functions of its class, for Numba."""
    values = {}
    for name in dir(loss):
        value = getattr(loss, name, None) if not name.startswith("_") else None
        if isinstance(value, numbers.Real) and name != "is_smooth":
            values[name] = float(value)
    is_smooth = bool(getattr(loss, "is_smooth", values.get("curvature", math.inf) < math.inf))
    if not values.setdefault("curvature", math.inf) > 0.0:
        raise ValueError(f"loss {kind.__name__}: curvature must be positive, not {values['curvature']!r}")
    # A static method stays one: it is called as type.value(score, y), without self.
    methods = {name: inspect.getattr_static(kind, name) for name in ("value", "slope")}
    key = kind, tuple(values), is_smooth, *methods.values()
    if key not in _own_types:
        # Numba identifies named tuples by their names, so names are unique among all processes of a cluster.
        import uuid  # losses of the user's own alone need it

        name = f"{OWN}{kind.__name__}_{uuid.uuid4().hex}"
        make: Callable[..., type] = namedtuple  # mypy accepts only literal fields
        bases = make(name, list(values)), Loss
        _own_types[key] = type(name, bases, methods | {"is_smooth": is_smooth})
    return _own_types[key](**values)

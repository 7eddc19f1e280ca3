"""Losses: two scalar functions of (score, y), and what a solver must know of them. A loss never sees X.

score = x·w + intercept and slope = ∂loss/∂score. Each class here has `value` and `slope`, and the attributes
of `Loss` that differ from its defaults. `backend="python"` calls the methods; `kernels/losses.py` compiles
the same methods. So that a loop over samples takes eight at a time they have no branches: where two formulas
meet, both are computed and one is chosen. Their exponentials and logarithms are the helpers of this module,
which have a compiled form.

To add a loss, write its class and a line of `NAMED`. Solvers, estimators and the command line take its name,
the y that it takes and the rest from there.

A loss of your own is an object of any class with methods `value(self, score, y)` and `slope(self, score, y)`
that Numba can compile, and a number `curvature` if it has one; its other attributes are numbers. A loss
without `curvature` is taken to have kinks unless it has `is_smooth = True`. It is compiled as it is, and
checked against finite differences when it is first used. Numba keeps machine code until the process ends:
each new *class* takes about 8 MB for good, new objects of a class take none. Define the class once, outside
of loops, and give its objects other numbers.
"""

from __future__ import annotations

import inspect
import math
import numbers
import uuid
from collections import namedtuple
from collections.abc import Callable
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.domains import CLASSES, NOT_NEGATIVE, NUMBERS, Domain

MOST_EXPONENT = 709.4
"""The exponential of more is infinite here: 2¹⁰²⁴ and 1.4e308 are not told apart."""


def exp(x: float) -> float:
    """eˣ, infinite where x is above MOST_EXPONENT."""
    return math.inf if x > MOST_EXPONENT else math.exp(x)


def square(x: float) -> float:
    """x²; of Python's float with the digits of the lesson's `** 2`."""
    return x**2


def exp_of_negative(x: float) -> float:
    """eˣ for x <= 0."""
    return math.exp(x)


def log1p_of_part(e: float) -> float:
    """ln(1 + e) for 0 <= e <= 1."""
    return math.log1p(e)


class Loss:
    """What a loss has beside its numbers, which are the fields of a named tuple. Defaults are of your own."""

    is_smooth: bool = True
    """Whether the slope has no jumps."""
    curvature: float | None = None
    """An upper bound of ∂²loss/∂score²; None where there is none. With λmax the largest eigenvalue of XᵀX/n
    the Hessian of the cost is at most curvature·λmax, and rates below 2 over that are stable."""
    usual_curvature: float | None = None
    """∂²loss/∂score² near an optimum, where that is far below `curvature`."""
    domain: Domain = NUMBERS
    """The y that it takes."""
    without_minimum: tuple[float, ...] = ()
    """If every y is the same one of these, the cost has no minimum."""
    predicts_y: bool = True
    """Whether the score has the unit of y."""
    meaning_of_scores: str = ""
    """What scores are, where they do not predict y."""
    gives_probabilities: bool = False
    scikit_learn: float = 1.0
    """scikit-learn's loss of the same name is this part of it."""
    in_estimators: ClassVar[dict[str, str]] = {}
    """The names that its numbers have as parameters of the estimators."""

    def value(self, score: float, y: float) -> float:
        raise NotImplementedError

    def slope(self, score: float, y: float) -> float:
        raise NotImplementedError

    def check_numbers(self) -> None:
        """Refuse numbers that cannot be."""

    def predictions(self, scores: NDArray[Any]) -> NDArray[Any]:
        """The prediction of y at these scores."""
        return scores

    def probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        """The probability of y = 1 at these scores; that of y = 0 is the one at −scores."""
        raise NotImplementedError

    def log_probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        """ln of `probability`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.probability(scores)))


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
    """−ln of the probability of y in {0, 1}, where that of 1 is 1/(1 + exp(−score))."""

    curvature = 0.25
    usual_curvature = 0.125
    """p (1 − p) where the likelier class has p = 0.85, as in a fit that is worth something."""
    domain = CLASSES
    without_minimum = 0.0, 1.0
    predicts_y = False
    meaning_of_scores = "log-odds: above 0 where class 1 is the likelier"
    gives_probabilities = True

    def value(self, score: float, y: float) -> float:
        positive = score if score > 0.0 else 0.0
        return (positive - y * score) + log1p_of_part(exp_of_negative(-abs(score)))

    def slope(self, score: float, y: float) -> float:
        """1/(1 + exp(−score)) − y; by the smaller of the two probabilities, for the digits of small ones."""
        e = exp_of_negative(-abs(score))
        rare = e / (1.0 + e)
        return (1.0 - y) - rare if score > 0.0 else rare - y

    def probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        e = np.exp(-np.abs(scores))
        return np.where(scores >= 0.0, 1.0, e) / (1.0 + e)

    def log_probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(-np.logaddexp(0.0, -scores))  # also where the probability underflows


class Quantile(Loss, namedtuple("Quantile", "quantile", defaults=[0.5])):
    """quantile·r where r = y − score is positive, else (quantile − 1)·r (Koenker and Bassett, 1978)."""

    is_smooth = False
    in_estimators: ClassVar[dict[str, str]] = {"quantile": "quantile"}

    def value(self, score: float, y: float) -> float:
        r = y - score
        return (self.quantile if r > 0.0 else self.quantile - 1.0) * r

    def slope(self, score: float, y: float) -> float:
        slope = -self.quantile if y > score else 1.0 - self.quantile
        return 0.0 if score == y else slope

    def check_numbers(self) -> None:
        if not 0.0 < self.quantile < 1.0:
            raise ValueError(f"quantile must be between 0 and 1, not {display.value(self.quantile)}")


class Poisson(Loss, namedtuple("Poisson", "")):
    """exp(score) − y·score for y >= 0: the score is the logarithm of the mean of y.

    The half Poisson deviance without its terms of y alone, as scikit-learn has it: it may be negative.
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


class Hinge(Loss, namedtuple("Hinge", "")):
    """max(0, 1 − m), m = (2 y − 1)·score the margin of y in {0, 1}: linear support vector machines."""

    is_smooth = False
    domain = CLASSES
    predicts_y = False
    meaning_of_scores = "above 0 where class 1 is predicted"

    def value(self, score: float, y: float) -> float:
        gap = 1.0 - (2.0 * y - 1.0) * score
        return 0.0 if gap < 0.0 else gap

    def slope(self, score: float, y: float) -> float:
        side = 2.0 * y - 1.0
        return 0.0 if side * score > 1.0 else -side


class SquaredHinge(Loss, namedtuple("SquaredHinge", "")):
    """max(0, 1 − m)², m = (2 y − 1)·score the margin of y in {0, 1}."""

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
    """max(0, 1 − m)² for margins m >= −1, and −4 m below, m = (2 y − 1)·score, y in {0, 1}.

    Its minimum is where (1 + score)/2 is the probability of y = 1 (Zhang, Annals of Statistics 32, 2004).
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


class EpsilonInsensitive(Loss, namedtuple("EpsilonInsensitive", "epsilon", defaults=[0.1])):
    """max(0, |score − y| − epsilon): support vector regression."""

    is_smooth = False
    in_estimators: ClassVar[dict[str, str]] = {"epsilon": "epsilon"}

    def value(self, score: float, y: float) -> float:
        gap = abs(score - y) - self.epsilon
        return 0.0 if gap < 0.0 else gap

    def slope(self, score: float, y: float) -> float:
        r = score - y
        slope = 1.0 if r > 0.0 else -1.0
        return 0.0 if abs(r) <= self.epsilon else slope

    def check_numbers(self) -> None:
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
"""The losses that have a name; `losses.Huber(2.0)` and `losses.Quantile(0.9)` take the place of theirs."""

_BUILT_IN = tuple(type(one) for one in NAMED.values())


def names(*, of_classes: bool) -> tuple[str, ...]:
    """The losses that classifiers offer, whose y are 0 and 1; or those of regressors."""
    return tuple(name for name, loss in NAMED.items() if (loss.domain is CLASSES) is of_classes)


def name_of(loss: Any) -> str:
    """The name of a loss; of your own that of its class."""
    if is_own(loss):
        return type(loss).__name__.removeprefix(OWN).rpartition("_")[0]
    return next(name for name, one in NAMED.items() if type(one) is type(loss))


OWN = "OwnLoss_"
"""How the type of a loss of the user's own begins: its machine code is never kept on disk."""
_own_types: dict[tuple[Any, ...], Any] = {}


def as_loss(given: Any) -> Loss:
    """The loss of this name, this loss, or the user's own as a named tuple of its numbers."""
    if isinstance(given, str):
        if given not in NAMED:
            raise ValueError(
                f"loss must be {' or '.join(map(repr, NAMED))} or an object, not {display.value(given)}"
            )
        return cast(Loss, NAMED[given])
    if isinstance(given, type) and given in _BUILT_IN:
        given = given()
    for name in getattr(given, "_fields", ()) if isinstance(given, _BUILT_IN) else ():
        if not isinstance(getattr(given, name), numbers.Real):
            raise TypeError(
                f"{type(given).__name__}'s {name} must be a number, not {display.value(getattr(given, name))}"
            )
    if isinstance(given, _BUILT_IN):
        given.check_numbers()
    if isinstance(given, _BUILT_IN) or is_own(given):
        return cast(Loss, given)
    kind = given if isinstance(given, type) else type(given)
    for method in ("value", "slope"):
        if not callable(getattr(kind, method, None)):
            raise TypeError(
                f"loss has no method {method}(self, score, y): {display.value(given, 60)}; a loss of your "
                "own has value and slope"
            )
    return cast(Loss, _own(given, kind))


def is_own(loss: Any) -> bool:
    return type(loss).__name__.startswith(OWN)


def identity(loss: Any) -> tuple[Any, ...]:
    """By which the same loss is known again, in another process too."""
    if not is_own(loss):
        return type(loss).__name__, *tuple(loss)
    told: list[Any] = []
    for name in ("value", "slope"):
        function = vars(type(loss))[name]
        function = getattr(function, "__func__", getattr(function, "py_func", function))
        code = getattr(function, "__code__", None)
        told += [function.__module__, function.__qualname__]
        told += [code.co_code, repr([c for c in code.co_consts if not hasattr(c, "co_code")])] if code else []
    return *told, *tuple(loss)


def _own(given: Any, kind: type) -> Any:
    """A named tuple with the numbers of `given` and the functions of its class: what Numba can take."""
    values = {}
    for name in dir(given):
        value = getattr(given, name, None) if not name.startswith("_") else None
        if isinstance(value, numbers.Real) and name != "is_smooth":
            values[name] = float(value)
    is_smooth = bool(getattr(given, "is_smooth", values.get("curvature", math.inf) < math.inf))
    if not values.setdefault("curvature", math.inf) > 0.0:
        raise ValueError(f"loss {kind.__name__}: curvature must be positive, not {values['curvature']!r}")
    # A static method stays one: it is called as type.value(score, y), without self.
    methods = {name: inspect.getattr_static(kind, name) for name in ("value", "slope")}
    key = kind, tuple(values), is_smooth, *methods.values()
    if key not in _own_types:
        # Numba tells named tuples apart by their names alone: no two have one, of any process of a cluster.
        name = f"{OWN}{kind.__name__}_{uuid.uuid4().hex}"
        make: Callable[..., type] = namedtuple  # mypy takes literal fields alone
        bases = make(name, list(values)), Loss
        _own_types[key] = type(name, bases, methods | {"is_smooth": is_smooth})
    return _own_types[key](**values)

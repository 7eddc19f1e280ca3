"""Losses: two scalar functions of (score, y), and what a solver must know of them. A loss never sees X.

score = x·w + intercept, slope = ∂loss/∂score. `curvature` bounds ∂²loss/∂score² from above: with λmax the
largest eigenvalue of XᵀX/n, the Hessian of the cost is at most curvature·λmax, and rates below 2 over that
are stable. Infinite where the slope jumps.

The methods here are plain Python: what `backend="python"` runs. `kernels/losses.py` has the compiled ones.
A loss of your own is an object of any class with methods `value(self, score, y)` and `slope(self, score, y)`
that Numba can compile, and a number `curvature` if it has one; its other attributes are numbers. It is
compiled as it is, and checked against finite differences when it is first used. Numba keeps machine code
until the process ends: each new *class* takes about 8 MB for good, new objects of a class take none. Define
the class once, outside of loops, and give its objects other numbers.
"""

from __future__ import annotations

import math
import numbers
import uuid
from collections import namedtuple
from typing import Any, NamedTuple, Protocol, cast

from fastgd import display


class Loss(Protocol):
    def value(self, score: float, y: float) -> float: ...

    def slope(self, score: float, y: float) -> float: ...

    @property
    def curvature(self) -> float: ...


class SquaredError(NamedTuple):
    """(score − y)²."""

    def value(self, score: float, y: float) -> float:
        return (score - y) ** 2

    def slope(self, score: float, y: float) -> float:
        return 2 * (score - y)

    @property
    def curvature(self) -> float:
        return 2.0


class Huber(NamedTuple):
    """r² up to |r| = delta, then 2 delta |r| − delta², r = score − y (Huber, Ann. Math. Stat. 35, 1964)."""

    delta: float = 1.35

    def value(self, score: float, y: float) -> float:
        size = abs(score - y)
        return size * size if size <= self.delta else self.delta * (2 * size - self.delta)

    def slope(self, score: float, y: float) -> float:
        return 2 * max(-self.delta, min(self.delta, score - y))

    @property
    def curvature(self) -> float:
        return 2.0


class LogLoss(NamedTuple):
    """−ln of the probability of y in {0, 1}, where that of 1 is 1/(1 + exp(−score))."""

    def value(self, score: float, y: float) -> float:
        return max(score, 0.0) - y * score + math.log1p(math.exp(-abs(score)))

    def slope(self, score: float, y: float) -> float:
        e = math.exp(-abs(score))
        rest = e / (1.0 + e)  # of the probability of the likelier class
        return (1.0 - y) - rest if score > 0.0 else rest - y

    @property
    def curvature(self) -> float:
        return 0.25

    @property
    def usual_curvature(self) -> float:
        """p (1 − p) where the likelier class has p = 0.85, as in a fit that is worth something."""
        return 0.125


class Quantile(NamedTuple):
    """quantile·r where r = y − score is positive, else (quantile − 1)·r (Koenker and Bassett, 1978)."""

    quantile: float = 0.5

    def value(self, score: float, y: float) -> float:
        return max(self.quantile * (y - score), (self.quantile - 1) * (y - score))

    def slope(self, score: float, y: float) -> float:
        if y == score:
            return 0.0
        return -self.quantile if y > score else 1 - self.quantile

    @property
    def curvature(self) -> float:
        return math.inf


NAMED: dict[str, Loss] = {
    "squared_error": SquaredError(),
    "huber": Huber(),
    "log_loss": LogLoss(),
    "quantile": Quantile(),
}
"""The losses that have a name; `losses.Huber(2.0)` and `losses.Quantile(0.9)` take the place of theirs."""

_BUILT_IN = tuple(type(one) for one in NAMED.values())

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
        return NAMED[given]
    if isinstance(given, type) and given in _BUILT_IN:
        given = given()
    for name in getattr(given, "_fields", ()) if isinstance(given, _BUILT_IN) else ():
        if not isinstance(getattr(given, name), numbers.Real):
            raise TypeError(
                f"{type(given).__name__}'s {name} must be a number, not {display.value(getattr(given, name))}"
            )
    if isinstance(given, Huber) and not 0.0 < given.delta < math.inf:
        raise ValueError(f"Huber's delta must be positive and finite, not {display.value(given.delta)}")
    if isinstance(given, Quantile) and not 0.0 < given.quantile < 1.0:
        raise ValueError(f"quantile must be between 0 and 1, not {display.value(given.quantile)}")
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
        if isinstance(value, numbers.Real):
            values[name] = float(value)
    if not values.setdefault("curvature", math.inf) > 0.0:
        raise ValueError(f"loss {kind.__name__}: curvature must be positive, not {values['curvature']!r}")
    # A static method stays one: it is called as type.value(score, y), without self.
    methods = {name: _plain(kind, name) for name in ("value", "slope")}
    key = kind, tuple(values), *methods.values()
    if key not in _own_types:
        # Numba tells named tuples apart by their names alone: no two have one, of any process of a cluster.
        name = f"{OWN}{kind.__name__}_{uuid.uuid4().hex}"
        fields = namedtuple(name, list(values))  # type: ignore[misc]
        _own_types[key] = type(name, (fields,), methods | {"__slots__": ()})
    return _own_types[key](**values)


def _plain(kind: type, name: str) -> Any:
    """The method as the class has it, a static one as a static one."""
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    raise AttributeError(name)

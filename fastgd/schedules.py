"""A schedule is an array of learning rates, one an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastgd import checks, display


class TimesAuto(NamedTuple):
    """The rate that "auto" takes, times a factor for each epoch."""

    factor: Callable[[int], float]
    is_steady: bool = False
    """Whether "auto" is the smaller rate of the SGD estimators, which falls with the number of steps."""


class OfSteps(NamedTuple):
    """A rate for each epoch, from the number of steps before it and the number of its own."""

    rate: Callable[[int, int], float]
    remedy: str
    """What a caller may do where these rates are too large."""


LearningRate: TypeAlias = (
    Literal["auto"]
    | float
    | Sequence[float]
    | NDArray[np.floating]
    | Callable[[int], float]
    | TimesAuto
    | OfSteps
)


def is_automatic(learning_rate: LearningRate) -> bool:
    """Whether the rates come from the data."""
    return isinstance(learning_rate, (str, TimesAuto))


def as_rates(
    learning_rate: LearningRate,
    n_epochs: int,
    first: int = 0,
    auto: Callable[[], float] | None = None,
    name: str = "learning_rate",
) -> NDArray[np.float64]:
    """The rates of a run: `learning_rate` for every epoch, an array of them, or a function epoch → rate.

    The first epoch has the number `first`; `auto` tells the rate that "auto" takes. `name` is for sentences.
    """
    if type(learning_rate) is float:  # the lesson's call, kept short
        return _constant(name, learning_rate, n_epochs)
    if isinstance(learning_rate, str):
        if learning_rate != "auto":
            raise ValueError(
                f'{name} must be "auto", a number, an array or a function, not {display.value(learning_rate)}'
            )
        learning_rate = auto() if auto is not None and n_epochs else 1.0  # no epochs: no rate
    if isinstance(learning_rate, TimesAuto):
        rate, factor = auto() if auto is not None and n_epochs else 1.0, learning_rate.factor
        learning_rate = [rate * factor(epoch) for epoch in range(first, first + n_epochs)]
    if callable(learning_rate):
        rates = [
            checks.positive(f"{name}({epoch})", learning_rate(epoch))
            for epoch in range(first, first + n_epochs)
        ]
        return np.array(rates, dtype=np.float64)
    if isinstance(learning_rate, (list, tuple, np.ndarray)) and not _is_number(learning_rate):
        if len(learning_rate) != n_epochs:
            raise ValueError(f"{name} has {len(learning_rate)} rates for {n_epochs} epochs; they must agree")
        rates = [checks.positive(f"{name}[{epoch}]", rate) for epoch, rate in enumerate(learning_rate)]
        return np.array(rates, dtype=np.float64)
    return _constant(name, learning_rate, n_epochs)


def _constant(name: str, rate: Any, n_epochs: int) -> NDArray[np.float64]:
    """One number in memory, however many epochs (np.broadcast_to takes five times as long)."""
    one = np.array([checks.positive(name, rate)])
    one.setflags(write=False)
    return np.ndarray(n_epochs, one.dtype, one, strides=(0,))


def _is_number(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0


def inverse_scaling(first: float, n_epochs: int, *, power: float = 0.5) -> NDArray[np.float64]:
    """α_k = first / (k + 1)^power, epochs k = 0, 1, …"""
    return _schedule(first, np.arange(1.0, _epochs(n_epochs) + 1.0) ** -checks.number("power", power))


def exponential(first: float, n_epochs: int, *, decay: float) -> NDArray[np.float64]:
    """α_k = first · decay^k."""
    return _schedule(first, checks.positive("decay", decay) ** np.arange(float(_epochs(n_epochs))))


def step(first: float, n_epochs: int, *, every: int, factor: float = 0.1) -> NDArray[np.float64]:
    """α_k = first · factor^⌊k / every⌋."""
    every = checks.whole("every", every, 1)
    return _schedule(first, checks.positive("factor", factor) ** (np.arange(_epochs(n_epochs)) // every))


def cosine(first: float, n_epochs: int, *, last: float = 0.0) -> NDArray[np.float64]:
    """Half a cosine from `first` towards `last`, which epoch n_epochs would have (Loshchilov and Hutter,
    "SGDR: Stochastic gradient descent with warm restarts", ICLR 2017)."""
    first, last = checks.positive("first", first), checks.number("last", last)
    if not 0.0 <= last < first:
        raise ValueError(f"last must be at least 0 and below first={first:g}, not {display.value(last)}")
    n_epochs = _epochs(n_epochs)
    return last + (first - last) * 0.5 * (1.0 + np.cos(np.pi * np.arange(n_epochs) / max(1, n_epochs)))


def _epochs(n_epochs: int) -> int:
    return checks.whole("n_epochs", n_epochs, 0)


def _schedule(first: float, factors: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(checks.positive("first", first) * factors, dtype=np.float64)

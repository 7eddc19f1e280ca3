"""Learning rate schedules: arrays with one rate for each epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastgd import checks, display
from fastgd.public import public


class TimesAuto(NamedTuple):
    """A factor for each epoch, multiplied by the automatic rate."""

    factor: Callable[[int], float]
    is_steady: bool = False
    """Whether to use the smaller automatic rate of the SGD estimators, which falls with the number of
    steps."""


class OfSteps(NamedTuple):
    """rate(number of steps before the epoch, number of the epoch) for each epoch."""

    rate: Callable[[int, int], float]
    remedy: str
    """Advice for rates that are too large, part of an error message."""


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
    """Whether the learning rate is computed from the data."""
    return isinstance(learning_rate, (str, TimesAuto))


def as_rates(
    learning_rate: LearningRate,
    n_epochs: int,
    first: int = 0,
    auto: Callable[[], float] | None = None,
    name: str = "learning_rate",
) -> NDArray[np.float64]:
    """The learning rates of a fit, one for each epoch.

    `learning_rate` is one rate for all epochs, an array, or a function of the epoch. Epochs are counted from
    `first`. `auto` computes the rate for "auto". Error messages call the argument `name`.
    """
    if type(learning_rate) is float:  # the lesson's call: no overhead
        return _constant(name, learning_rate, n_epochs)
    if isinstance(learning_rate, str):
        if learning_rate != "auto":
            raise ValueError(
                f'{name} must be "auto", a number, an array or a function, not {display.value(learning_rate)}'
            )
        learning_rate = auto() if auto is not None and n_epochs else 1.0  # no epochs need no rate
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
    """A constant array that stores one number. np.broadcast_to takes five times as long."""
    one = np.array([checks.positive(name, rate)])
    one.setflags(write=False)
    return np.ndarray((n_epochs,), one.dtype, one, 0, (0,))


def _is_number(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0


@public
def inverse_scaling(first: float, n_epochs: int, *, power: float = 0.5) -> NDArray[np.float64]:
    """Rates that fall with a power of the epoch: α_k = first / (k + 1)^power for k = 0, 1, …

    Parameters
    ----------
    first : float
        The rate of epoch 0.
    n_epochs : int
        The number of epochs.
    power : float, default 0.5
        The exponent.

    Returns
    -------
    ndarray (n_epochs,)

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.schedules.inverse_scaling(0.5, 4)
    array([0.5       , 0.35355339, 0.28867513, 0.25      ])
    """
    return _schedule(first, np.arange(1.0, _epochs(n_epochs) + 1.0) ** -checks.number("power", power))


@public
def exponential(first: float, n_epochs: int, *, decay: float) -> NDArray[np.float64]:
    """Rates that fall exponentially: α_k = first · decay^k for k = 0, 1, …

    Parameters
    ----------
    first : float
        The rate of epoch 0.
    n_epochs : int
        The number of epochs.
    decay : float
        The factor from one epoch to the next.

    Returns
    -------
    ndarray (n_epochs,)

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.schedules.exponential(0.5, 3, decay=0.5)
    array([0.5  , 0.25 , 0.125])
    """
    return _schedule(first, checks.positive("decay", decay) ** np.arange(float(_epochs(n_epochs))))


@public
def step(first: float, n_epochs: int, *, every: int, factor: float = 0.1) -> NDArray[np.float64]:
    """Rates that fall in steps: α_k = first · factor^⌊k / every⌋ for k = 0, 1, …

    Parameters
    ----------
    first : float
        The rate of epoch 0.
    n_epochs : int
        The number of epochs.
    every : int
        Epochs with the same rate.
    factor : float, default 0.1
        The factor from one step to the next.

    Returns
    -------
    ndarray (n_epochs,)

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.schedules.step(0.5, 4, every=2)
    array([0.5 , 0.5 , 0.05, 0.05])
    """
    every = checks.whole("every", every, 1)
    return _schedule(first, checks.positive("factor", factor) ** (np.arange(_epochs(n_epochs)) // every))


@public
def cosine(first: float, n_epochs: int, *, last: float = 0.0) -> NDArray[np.float64]:
    """Rates along half a cosine: α_k = last + (first − last) (1 + cos(πk/n_epochs))/2 for k = 0, 1, …

    Parameters
    ----------
    first : float
        The rate of epoch 0.
    n_epochs : int
        The number of epochs.
    last : float, default 0.0
        The rate that epoch n_epochs would have; at least 0 and below `first`.

    Returns
    -------
    ndarray (n_epochs,)

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    Source: I. Loshchilov and F. Hutter, "SGDR: Stochastic gradient descent with warm restarts", ICLR 2017.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.schedules.cosine(0.5, 4)
    array([0.5      , 0.4267767, 0.25     , 0.0732233])
    """
    first, last = checks.positive("first", first), checks.number("last", last)
    if not 0.0 <= last < first:
        raise ValueError(f"last must be at least 0 and below first={first:g}, not {display.value(last)}")
    n_epochs = _epochs(n_epochs)
    return last + (first - last) * 0.5 * (1.0 + np.cos(np.pi * np.arange(n_epochs) / max(1, n_epochs)))


def _epochs(n_epochs: int) -> int:
    return checks.whole("n_epochs", n_epochs, 0)


def _schedule(first: float, factors: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(checks.positive("first", first) * factors, dtype=np.float64)

"""A schedule is an array of learning rates, one an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastgd.data import checks

LearningRate: TypeAlias = float | Sequence[float] | NDArray[np.floating] | Callable[[int], float]


def as_rates(learning_rate: LearningRate, n_epochs: int) -> NDArray[np.float64]:
    """The rates of a run: `learning_rate` for every epoch, an array of them, or a function epoch → rate."""
    if isinstance(learning_rate, (int, float)) and not isinstance(learning_rate, bool):
        return _constant(learning_rate, n_epochs)
    if callable(learning_rate):
        rates = [_rate(f"learning_rate({epoch})", learning_rate(epoch)) for epoch in range(n_epochs)]
        return np.array(rates, dtype=np.float64)
    if isinstance(learning_rate, (str, bytes, bool)) or np.ndim(learning_rate) == 0:
        return _constant(learning_rate, n_epochs)
    given = np.asarray(learning_rate)
    if given.shape != (n_epochs,):
        raise ValueError(
            f"learning_rate has shape {given.shape}; an array of rates needs one an epoch, ({n_epochs},)"
        )
    rates = [_rate(f"learning_rate[{epoch}]", rate) for epoch, rate in enumerate(given.tolist())]
    return np.array(rates, dtype=np.float64)


def _constant(learning_rate: object, n_epochs: int) -> NDArray[np.float64]:
    rates = np.empty(n_epochs)
    rates.fill(_rate("learning_rate", learning_rate))
    return rates


def _rate(name: str, value: object) -> float:
    rate = checks.number(name, value)
    if not rate > 0.0:
        raise ValueError(f"{name} must be positive, not {value!r}")
    return rate

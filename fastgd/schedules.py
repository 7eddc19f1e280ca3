"""A schedule is an array of learning rates, one an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastgd.data import checks

LearningRate: TypeAlias = (
    Literal["auto"] | float | Sequence[float] | NDArray[np.floating] | Callable[[int], float]
)


def as_rates(learning_rate: LearningRate, n_epochs: int) -> NDArray[np.float64]:
    """The rates of a run: `learning_rate` for every epoch, an array of them, or a function epoch → rate."""
    if isinstance(learning_rate, str):
        if learning_rate != "auto":
            raise ValueError(
                f'learning_rate must be "auto", a number, an array or a function, not {learning_rate!r}'
            )
        learning_rate = 1.0  # no epochs: no rate
    if callable(learning_rate):
        rates = [
            checks.positive(f"learning_rate({epoch})", learning_rate(epoch)) for epoch in range(n_epochs)
        ]
        return np.array(rates, dtype=np.float64)
    if isinstance(learning_rate, (list, tuple, np.ndarray)) and not _is_number(learning_rate):
        if len(learning_rate) != n_epochs:
            raise ValueError(
                f"learning_rate has {len(learning_rate)} rates for {n_epochs} epochs; they must agree"
            )
        rates = [checks.positive(f"learning_rate[{epoch}]", rate) for epoch, rate in enumerate(learning_rate)]
        return np.array(rates, dtype=np.float64)
    # One number in memory, however many epochs (np.broadcast_to takes five times as long).
    rate = np.array([checks.positive("learning_rate", learning_rate)])
    rate.flags.writeable = False
    return np.ndarray(n_epochs, rate.dtype, rate, strides=(0,))


def _is_number(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0

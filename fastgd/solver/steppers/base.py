"""The `Stepper` protocol, the interface between the epoch loop and the data.

A stepper holds the parameters and advances them by epochs. `exact.py` runs the textbook's compiled loops on
one block of rows. `summary.py` uses statistics or affine maps from one pass. `streaming.py` takes one pass
for each epoch. `plain.py` runs the loops in pure Python.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engine.blocks import Floats
from fastgd.solver.planner import Method
from fastgd.solver.steppers.backtracking import FIRST_GROWTH


def hardly_differ(point: Floats, before: Floats, w: Floats) -> bool:
    """Whether no weight of the points differs by more than a few roundings of w."""
    few = 4 * sys.float_info.epsilon
    # In most runs the first weight decides.
    if not abs(point.item(0) - before.item(0)) <= few * abs(w.item(0)):
        return False
    return bool((np.abs(point - before) <= few * np.abs(w)).all())


class StallRule:
    """Convergence without a stopping rule: the last epoch changed no weight by more than rounding."""

    has_converged: bool | None = None
    w: Floats
    before: Floats

    @property
    def has_stalled(self) -> bool:
        """Whether no weight moved by more than a few roundings."""
        return hardly_differ(self.w, self.before, self.w)


@dataclass(frozen=True)
class Until:
    """The stopping rule of `kernels/proximal.step`. With tol < 0 it never stops a run."""

    tol: float = -1.0
    patience: int = 1


class GradientRule(StallRule):
    """The stopping rule of full-batch descent. It uses the norms of gradients in `_momentum`."""

    _until: Until
    _momentum: Any
    """Six numbers: see `StepperState.momentum`."""

    @property
    def has_stalled(self) -> bool:
        _, quiet, first, last, *_ = self._momentum
        if first < 0.0:  # no step computed a norm
            return super().has_stalled
        is_quiet = self._until.tol < 0.0 and quiet > 0.0
        return bool(is_quiet or (last == 0.0 and np.array_equal(self.w, self.before)))


@dataclass
class EpochBatch:
    """The records of a stepper, with one entry for each epoch. Arrays of length 0 are not filled."""

    costs: Floats
    losses: Floats
    weights: Floats
    gradients: Floats
    norms: Floats
    """Norms of the gradients, for steppers whose stopping rule uses them."""

    def part(self, start: int, stop: int) -> EpochBatch:
        return EpochBatch(
            self.costs[start:stop],
            self.losses[start:stop],
            self.weights[start:stop],
            self.gradients[start:stop],
            self.norms[start:stop],
        )


@dataclass
class StepperState:
    """The parameters, and the other values that the next epoch needs.

    point and before (size,) are the weights after and before the last step. momentum (6,) holds the t of
    Nesterov's rule, quiet epochs in a row, and the norms of the first and the last gradient (see
    `kernels/proximal.py`), then the scale and the growth factor of `backtracking.py`. For average (size,) and
    counts (2,) see `kernels/steps.py`.
    """

    point: Floats
    before: Floats
    momentum: Floats
    average: Floats
    counts: NDArray[np.int64]

    def copied(self) -> StepperState:
        return StepperState(*(part.copy() for part in vars(self).values()))


_NO_EPOCH = np.array([1.0, 0.0, -1.0, np.inf, 1.0, FIRST_GROWTH])
_NO_AVERAGE, _NO_COUNTS = np.zeros(0), np.array([0, -1])


def new_state(point: Floats, average_from: int = -1) -> StepperState:
    """The state of a run that begins at this point."""
    average, counts = _NO_AVERAGE, _NO_COUNTS.copy()
    if average_from >= 0:
        average, counts[1] = np.zeros(len(point)), average_from
    return StepperState(point, point.copy(), _NO_EPOCH.copy(), average, counts)


class Stepper(Protocol):
    w: Floats
    """The parameters; `advance` changes them."""
    before: Floats
    """The parameters before the last epoch."""
    passes: int
    """The number of passes of this stepper so far."""
    epochs_per_call: int
    """The most epochs of one call of `advance`. It takes at most about 50 ms, so that Ctrl-C acts quickly."""
    method: Method
    has_costs: bool
    """Whether costs take no extra pass."""

    @property
    def state_attributes(self) -> tuple[str, ...]:
        """Names of the attributes that epochs change; a checkpoint stores and restores them."""

    @property
    def has_converged(self) -> bool | None:
        """Whether the stepper's own stopping rule is met; None without such a rule."""

    @property
    def has_stalled(self) -> bool:
        """Whether the last epoch changed no weight by more than rounding."""

    def start(self, want_cost: bool) -> float | None:
        """Read the data if the method needs it. Return the cost at w, or None if it is not computed."""

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        """Do one epoch for each rate and fill `batch`. Return the number of epochs done.

        An epoch after which w or its cost is not finite is undone and is the last, unless
        `allow_divergence`.
        """

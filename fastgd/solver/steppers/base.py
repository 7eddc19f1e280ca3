"""The `Stepper` protocol, the interface between the epoch loop and the data.

A stepper advances a `StepperState` by epochs. It holds the data and the options of the run, but no state of
the run, so runs can share it. (`MapSgd` may read its maps again; `StepperState.stage` says which maps a run
uses.)

`exact.py` runs the textbook's loops on one block of rows. `summary.py` uses statistics or affine
maps from one pass. `streaming.py` takes one pass for each epoch. `plain.py` runs the loops in pure Python.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.data.backend import Backend
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


@dataclass(frozen=True)
class Until:
    """The stopping rule of `kernels/proximal.step`. With tol < 0 it never stops a run."""

    tol: float = -1.0
    patience: int = 1


@dataclass
class EpochBatch:
    """The records of a stepper, with one entry for each epoch. Arrays of length 0 are not filled."""

    costs: Floats
    losses: Floats
    weights: Floats
    gradients: Floats
    """Gradients (n_epochs, steps, size): of every step of SGD, or of the one step of a full-batch epoch."""
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


_NO_NUMBERS = np.zeros(0)


class StepperState(NamedTuple):
    """All that the next epoch needs of the epochs before it. An epoch makes a new state; arrays may be shared
    and are never changed.

    Attributes
    ----------
    point : ndarray (size,)
        The parameters.
    before : ndarray (size,)
        The parameters before the last step. SGD without momentum does not update them.
    momentum : ndarray (6,)
        The t of Nesterov's rule, quiet epochs in a row, the norms of the first and the last gradient (see
        `kernels/proximal.py`), and the scale and the growth factor of `backtracking.py`.
    average : ndarray (size,) or (0,)
        The mean of the averaged iterates.
    counts : ndarray (2,)
        The number of SGD's steps, where it takes them one by one, and the first step of the average, or −1
        without averaging.
    epoch_start : ndarray (size,) or (0,)
        The parameters before the last epoch, for SGD.
    gradient : ndarray (size,) or (0,)
        The gradient for the next step, for compiled full-batch descent that reads the data.
    epoch : int
        The number of the next epoch of SGD, which determines its order of rows.
    passes : int
        The number of passes over the data that the run has taken, without those that the problem counts.
    stage : int
        The stage of the reference of maps, see `solver/summaries.py`.
    has_converged : bool
        Whether the stepper's own stopping rule is met.
    metric : ndarray (size, size) or (0,)
        M, for descent in a metric that the run itself improves.
    cost : float
        The cost at `point`, for the same descent.
    first_gradient : ndarray (size,) or (0,)
        The gradient at the caller's start, for the same descent. Its norm is taken again in each new metric.
    width : float
        For losses with kinks, the distance from a kink up to which rows are kept: see `solver/kinks.py`.
    bound : float
        A lower bound of the least cost, for the same descent.
    kept : ndarray (m, size + 1), (m, size + 2) or (0,)
        The rows that the last read has kept, for the same descent.
    """

    point: Floats
    before: Floats
    momentum: Floats
    average: Floats
    counts: NDArray[np.int64]
    epoch_start: Floats = _NO_NUMBERS
    gradient: Floats = _NO_NUMBERS
    epoch: int = 0
    passes: int = 0
    stage: int = 0
    has_converged: bool = False
    metric: Floats = _NO_NUMBERS
    cost: float = 0.0
    first_gradient: Floats = _NO_NUMBERS
    width: float = 0.0
    bound: float = 0.0
    kept: Floats = _NO_NUMBERS

    def result_point(self) -> Floats:
        """The point of the result: the average, or the last point if no iterate is averaged."""
        if not len(self.average):
            return self.point
        done, first = self.counts
        return self.average if first < done else self.point

    def carried(self) -> StepperState:
        """The part that a run which continues this one takes over."""
        return StepperState(
            self.point, self.before, self.momentum, self.average, self.counts,
            metric=self.metric, first_gradient=self.first_gradient, width=self.width, bound=self.bound,
        )  # fmt: skip


QUIET, FIRST_NORM, LAST_NORM = 1, 2, 3
"""Places in `StepperState.momentum`."""
_NO_EPOCH = np.array([1.0, 0.0, -1.0, np.inf, 1.0, FIRST_GROWTH])
_NO_COUNTS = np.array([0, -1])


def new_state(point: Floats, average_from: int = -1, epoch: int = 0) -> StepperState:
    """The state of a run that begins at this point. Its first epoch has the number `epoch`."""
    average, counts = _NO_NUMBERS, _NO_COUNTS
    if average_from >= 0:
        average, counts = np.zeros(len(point)), np.array([0, average_from])
    return StepperState(point, point, _NO_EPOCH, average, counts, point, _NO_NUMBERS, epoch)


class Stepper(Protocol):
    epochs_per_call: int
    """The most epochs of one call of `advance`. It takes at most about 50 ms, so that Ctrl-C acts quickly."""
    method: Method
    backend: Backend
    has_costs: bool
    """Whether costs take no extra pass."""
    has_gradients: bool
    """Whether each epoch is a step along a gradient of the cost, which it can record."""

    def start(self, state: StepperState, want_cost: bool) -> tuple[StepperState, float | None]:
        """Read the data if the method needs it. Return the state and its cost, or None if it is not
        computed."""

    def advance(
        self, state: StepperState, rates: Floats, batch: EpochBatch, allow_divergence: bool
    ) -> tuple[StepperState, int]:
        """Do one epoch for each rate and fill `batch`. Return the new state and the number of epochs done.

        An epoch after which the parameters or their cost are not finite is undone and is the last, unless
        `allow_divergence`.
        """

    def has_stalled(self, state: StepperState) -> bool:
        """Whether the last epoch changed no weight by more than rounding."""


class GradientRule:
    """The stopping rule of full-batch descent. It uses the norms of gradients in `StepperState.momentum`."""

    has_gradients = True
    _until: Until

    def has_stalled(self, state: StepperState) -> bool:
        _, quiet, first, last, *_ = state.momentum
        if first < 0.0:  # no step computed a norm
            return hardly_differ(state.point, state.before, state.point)
        is_quiet = self._until.tol < 0.0 and quiet > 0.0
        return bool(is_quiet or (last == 0.0 and np.array_equal(state.point, state.before)))


class StallRule:
    """Convergence of SGD without a stopping rule: the last epoch changed no weight by more than rounding."""

    has_gradients = False

    def has_stalled(self, state: StepperState) -> bool:
        return hardly_differ(state.point, state.epoch_start, state.point)

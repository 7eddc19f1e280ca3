"""What the epoch loop asks of the data: an oracle holds the weights and moves them on.

`start` looks at the data once where the method needs it; `advance` does the next epochs, as many as
one call may take, and says how many ended finite. Each of the lesson's two loops has four oracles: one
block of rows, compiled as the textbook has it (`exact.py`); a `fold` or a `scan` an epoch
(`streaming.py`, `streaming_sgd.py`); summaries made by one read (`summary.py`); and the pure-Python
twin (`plain.py`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engine.blocks import Floats
from fastgd.solver.planner import Method


class Stillness:
    """Of oracles that have no stopping rule of their own: whether the last epoch left w as it was."""

    has_converged: bool | None = None
    w: Floats
    before: Floats

    @property
    def is_still(self) -> bool:
        """Whether no weight moved by more than a few roundings."""
        few, w, before = 4 * sys.float_info.epsilon, self.w, self.before
        # Most runs are told by their first weight, without a pass over all.
        if not abs(w[0] - before[0]) <= few * abs(w[0]):
            return False
        return bool((np.abs(w - before) <= few * np.abs(w)).all())


OVERFLOW_IS_SEEN = np.errstate(over="ignore", invalid="ignore")


@dataclass
class Histories:
    """Where an oracle writes what it saw, an entry an epoch; an array of length 0 is not kept."""

    costs: Floats
    losses: Floats
    weights: Floats
    gradients: Floats
    norms: Floats
    """Of the gradients: those of the oracles that stop by them."""

    def part(self, start: int, stop: int) -> Histories:
        return Histories(
            self.costs[start:stop],
            self.losses[start:stop],
            self.weights[start:stop],
            self.gradients[start:stop],
            self.norms[start:stop],
        )


@dataclass
class Memory:
    """What the next epoch needs of those before it, beside the data: where a run stands.

    point, before (size,): the weights, and those before the last step; momentum (4,): the state of
    `kernels/proximal.py`; average (size,) and counts (2,): of SGD, see `kernels/steps.py`.
    """

    point: Floats
    before: Floats
    momentum: Floats
    average: Floats
    counts: NDArray[np.int64]


def new_memory(point: Floats, average_from: int = -1) -> Memory:
    """Of a run that begins at this point."""
    momentum = np.array([1.0, 0.0, -1.0, np.inf])  # no epoch yet
    counts = np.array([0, average_from])
    return Memory(point, point.copy(), momentum, np.zeros(len(point) if average_from >= 0 else 0), counts)


class Oracle(Protocol):
    w: Floats
    """The weights (d,), moved by `advance`."""
    before: Floats
    """The weights before the last epoch that was done."""
    passes: int
    """Reads of the data so far."""
    epochs_per_call: int
    """How many epochs one `advance` may do without keeping an interrupt waiting."""
    method: Method
    has_costs: bool
    """Whether costs come without a read of their own, and so are kept unless nothing is."""

    @property
    def moving(self) -> tuple[str, ...]:
        """The names of what moves from epoch to epoch: given these, a run goes on where another stood."""

    @property
    def has_converged(self) -> bool | None:
        """Whether a stopping rule of the oracle's own says so; None: it has none."""

    @property
    def is_still(self) -> bool:
        """Whether the last epoch moved no weight but by rounding."""

    def start(self, want_cost: bool) -> float | None:
        """The cost at w, or None where it was neither wanted nor needed."""

    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        """Do an epoch a rate; return how many were done.

        Unless `go_on`, an epoch after which w or its cost is not finite is taken back and is the last.
        """

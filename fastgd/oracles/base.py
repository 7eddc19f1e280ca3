"""What the epoch loop asks of the data: an oracle holds the weights and moves them on.

`start` looks at the data once where the method needs it; `advance` does the next epochs, as many as
one call may take, and says how many ended finite. Each of the lesson's two loops has four oracles: one
block of rows, compiled as the textbook has it (`textbook.py`); a `fold` or a `scan` an epoch
(`streamed.py`); summaries made by one read (`summarised.py`); and the pure-Python twin (`twin.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fastgd.engine import Floats
from fastgd.planner import Method

OVERFLOW_IS_SEEN = np.errstate(over="ignore", invalid="ignore")


@dataclass
class Histories:
    """Where an oracle writes what it saw, an entry an epoch; an array of length 0 is not kept."""

    costs: Floats
    losses: Floats
    weights: Floats
    gradients: Floats

    def part(self, start: int, stop: int) -> Histories:
        return Histories(
            self.costs[start:stop],
            self.losses[start:stop],
            self.weights[start:stop],
            self.gradients[start:stop],
        )


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

    def start(self, want_cost: bool) -> float | None:
        """The cost at w, or None where it was neither wanted nor needed."""

    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        """Do an epoch a rate; return how many were done.

        Unless `go_on`, an epoch after which w or its cost is not finite is taken back and is the last.
        """

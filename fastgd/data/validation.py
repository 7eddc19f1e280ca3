"""What is known of the targets and the weights before a fit looks at X."""

from __future__ import annotations

import math
import sys

import numpy as np

from fastgd.engine.blocks import Array, Floats

ROWS, FIRST, LEAST, MOST, OTHER_ROW, OTHER, BAD_ROW, BAD, TOTAL, MOMENT, SQUARE, SIZE = range(12)


class Facts:
    """Gathered block by block in their order: the same bits wherever rows come from.

    They stand in one array, the state of a scan: the number of rows; the first, the least and the largest
    target; the first that is neither 0 nor 1, and its row; the same of weights that are none; Σ s,
    Σ s (y − y₀), Σ s (y − y₀)².
    """

    def __init__(self) -> None:
        self.state: Floats = np.zeros(SIZE)
        self.state[[LEAST, MOST, OTHER_ROW, BAD_ROW]] = np.inf, -np.inf, -1.0, -1.0

    @property
    def n(self) -> int:
        return int(self.state[ROWS])

    @property
    def least(self) -> float:
        """min y."""
        return float(self.state[LEAST])

    @property
    def largest(self) -> float:
        """max |y|."""
        return float(max(abs(self.state[LEAST]), abs(self.state[MOST])))

    @property
    def squares_vanish(self) -> bool:
        """Whether y is not 0, and so small that its squares underflow."""
        return 0.0 < self.largest < math.sqrt(sys.float_info.min)

    @property
    def only(self) -> float | None:
        """The one value that all targets have; None where they differ."""
        least, most = self.state[[LEAST, MOST]].tolist()
        return least if least == most else None

    @property
    def other(self) -> tuple[int, float] | None:
        """The first row whose target is neither 0 nor 1, and that."""
        return self._place(OTHER_ROW)

    @property
    def bad_weight(self) -> tuple[int, float] | None:
        """The first row whose weight is negative or not finite, and that."""
        return self._place(BAD_ROW)

    def _place(self, at: int) -> tuple[int, float] | None:
        row = int(self.state[at])
        return None if row < 0 else (row, float(self.state[at + 1]))

    @property
    def total_weight(self) -> float:
        """Σ s; n where all rows count alike."""
        return float(self.state[TOTAL])

    @property
    def deviation(self) -> float:
        """The standard deviation of y; 1 where it is 0."""
        total, moment, square = self.state[TOTAL:].tolist()
        mean = moment / total
        return math.sqrt(max(0.0, square / total - mean * mean)) or 1.0


@np.errstate(over="ignore", invalid="ignore")
def look(start: int, y: Array, weights: Floats, block: int, state: Floats) -> None:
    """Add the targets and the weights of the rows from `start` on."""
    for at in range(0, len(y), block):
        part, s = y[at : at + block].astype(np.float64), weights[at : at + block]
        if start + at == 0:
            state[FIRST] = part[0]
        state[ROWS] += len(part)
        state[LEAST] = np.minimum(state[LEAST], part.min())
        state[MOST] = np.maximum(state[MOST], part.max())
        if state[OTHER_ROW] < 0 and (is_other := (part != 0.0) & (part != 1.0)).any():
            row = int(is_other.argmax())
            state[OTHER_ROW], state[OTHER] = start + at + row, part[row]
        moved = part - state[FIRST]
        by = moved
        if len(s):
            if state[BAD_ROW] < 0 and (is_bad := ~(np.isfinite(s) & (s >= 0.0))).any():
                row = int(is_bad.argmax())
                state[BAD_ROW], state[BAD] = start + at + row, s[row]
            by = s * moved
        state[TOTAL] += np.sum(s) if len(s) else len(part)
        state[MOMENT] += np.sum(by)
        state[SQUARE] += np.sum(by * moved)


def look_at_rows(block: int, start: int, _X: Array, y: Array, weights: Floats, state: Floats) -> None:
    """`look`, as a scan calls it."""
    look(start, y, weights, block, state)

"""How much of a run is drawn: of one that diverges, the first steps, at the scale of start and minimum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.plots.style import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HIGHEST = 1e200
"""Larger costs count as infinite."""
GROWN = 1e3
"""A run whose last cost is this many times its first is cut like one that diverged."""


class View:
    """The part of a run that is drawn: its first `n` points. If `is_cut`, its next step leaves the picture
    where the cost is `top`."""

    def __init__(
        self,
        costs: Floats,
        diverged: bool,
        room: float,
        *,
        lowest: float = 0.0,
        is_log: bool = False,
        begin: int = 0,
        noun: str = "epoch",
        then: str = "",
    ):
        """A run that diverges is drawn until its cost is `room` times as far above `lowest` as its first one.

        `costs` are those after the epochs or steps from number `begin` on, where 0 is the start. `is_log` is
        whether the axis of costs is logarithmic. `then` says what follows the part that is drawn.
        """
        first, last = float(costs[0]), float(costs[-1])
        if not first < HIGHEST:
            raise ValueError(
                "this run has no finite cost to draw: take a smaller learning rate or another w0"
            )
        self._costs, self._is_log, self._begin, self._noun, self._then = costs, is_log, begin, noun, then
        self.top = lowest + room * (first - lowest)
        has_grown = diverged or not last <= GROWN * max(first, lowest)
        outside = ~(costs <= (self.top if has_grown else HIGHEST))
        self.is_cut = bool(outside.any())
        self.n = max(1, int(outside.argmax())) if self.is_cut else len(costs)

    @property
    def exit(self) -> float:
        """The share of the step out of the picture that is drawn, on a straight line to the next cost."""
        inside, outside, top = self._costs[self.n - 1].item(), self._costs[self.n].item(), self.top
        if not outside < HIGHEST:
            return 0.0
        if self._is_log:
            inside, outside, top = (math.log(max(value, 1e-300)) for value in (inside, outside, top))
        return (top - inside) / (outside - inside)

    def say(self, ax: Axes, label: str | None = None) -> None:
        """Say on the axes what is not drawn."""
        if not self.is_cut:
            return
        number, last = (self._begin + n - 1 for n in (self.n, len(self._costs)))
        highest = self._costs[np.isfinite(self._costs)].max()
        then = self._then or f"the cost grows to {highest:.2g}"
        say(ax, f"{label or 'this run'} diverges: drawn up to {self._noun} {number} of {last},\nthen {then}")

"""The penalty of the weights, l1 Σ|w| + (l2/2) Σ w², its gradient's part and its proximal step.

Strengths are numbers, or an array with one for each weight; an intercept's is 0. The proximal step of
l1 is the soft threshold: the u that makes α·l1·|u| + (u − w)²/2 least (Daubechies, Defrise, De Mol,
Communications on Pure and Applied Mathematics 57, 2004).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Penalty(NamedTuple):
    l1: Floats
    l2: Floats

    def value(self, w: Floats) -> float:
        """l1 Σ|w| + (l2/2) Σ w²; 0 where w is infinite and nothing is penalised."""
        counted = (self.l1 != 0.0) | (self.l2 != 0.0)
        l1, l2, w = self.l1[counted], self.l2[counted], w[counted]
        return float(np.sum(l1 * np.abs(w) + 0.5 * l2 * w * w))

    def prox(self, w: Floats, rate: float) -> Floats:
        """The l1 step: towards 0 by α·l1, and no farther; NaN stays."""
        most = rate * self.l1
        return w - np.clip(w, -most, most)

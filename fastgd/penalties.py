"""The penalty of the weights, l1 Σ|w| + (l2/2) Σ w².

l1 and l2 are numbers, or arrays with one strength for each weight. An intercept has strength 0.
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
        """l1 Σ|w| + (l2/2) Σ w². Infinite weights without a penalty count 0."""
        counted = (self.l1 != 0.0) | (self.l2 != 0.0)
        l1, l2, w = self.l1[counted], self.l2[counted], w[counted]
        return float(np.sum(l1 * np.abs(w) + 0.5 * l2 * w * w))

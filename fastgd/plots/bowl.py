"""The cost of squared errors as a quadratic function of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fastgd.engine.blocks import Floats

FLAT = 1e-13
"""A direction is flat if its curvature is below this fraction of the largest."""


class Statistics(Protocol):
    """Statistics of the squared errors: see `solver.statistics`."""

    n: float
    w_ref: Floats
    G: Floats
    c: Floats
    s: float


@dataclass
class Bowl:
    """The cost as a quadratic function of w: cost + gradient·Δ + ½ ΔᵀHΔ with Δ = w − centre.

    The centre is near the minimum, so that no digits cancel there.
    """

    centre: Floats
    cost: float
    gradient: Floats
    H: Floats

    @classmethod
    def of(cls, statistics: Statistics) -> Bowl:
        n, H = statistics.n, 2.0 * statistics.G / statistics.n
        if not np.isfinite(H).all():
            raise ValueError('X is too large for its bowl to be drawn: scale it, or use kind="cost"')
        return cls(statistics.w_ref, statistics.s / n, -2.0 * statistics.c / n, H)

    def __call__(self, w: Floats) -> Floats:
        """The cost at each w of an array (..., d)."""
        delta = w - self.centre
        with np.errstate(over="ignore", invalid="ignore"):
            curved = 0.5 * np.einsum("...i,ij,...j->...", delta, self.H, delta)
            return np.asarray(self.cost + delta @ self.gradient + curved)

    def minimum_next_to(self, w: Floats) -> Floats:
        """The minimum. If the bowl is a valley, the minimum next to w."""
        return w - _pseudo_inverse(self.H) @ (self.gradient + self.H @ (w - self.centre))


def _pseudo_inverse(H: Floats) -> Floats:
    """The inverse of H, zero along flat directions.

    H is scaled to a unit diagonal first, since a column of small numbers is no flat direction.
    """
    scale = 1 / np.sqrt(np.where(np.diag(H) > 0, np.diag(H), 1))
    units = np.outer(scale, scale)
    return units * np.linalg.pinv(units * H, rcond=FLAT, hermitian=True)

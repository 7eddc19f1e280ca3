"""The cost of squared errors as a quadratic function of the weights and the intercept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fastgd.engine.blocks import Floats

FLAT = 1e-13
"""A direction is flat if its curvature is below this fraction of the largest."""


class Statistics(Protocol):
    """Statistics of the squared errors, with penalties: see `solver.statistics`."""

    n: float
    w_ref: Floats
    G: Floats
    c: Floats
    s: float
    x_ref: Floats


@dataclass
class Bowl:
    """The cost as a quadratic function of p = (w, intercept), or of p = w without an intercept.

    It is cost + gradient·Δ + ½ ΔᵀHΔ with Δ = M p − centre. M p has the intercept of columns about their
    reference, so that columns far from zero keep their digits. The centre is near the minimum for the same
    reason.
    """

    centre: Floats
    cost: float
    gradient: Floats
    H: Floats
    M: Floats

    @classmethod
    def of(cls, statistics: Statistics) -> Bowl:
        n, H = statistics.n, 2.0 * statistics.G / statistics.n
        if not np.isfinite(H).all():
            raise ValueError('X is too large for its bowl to be drawn: scale it, or use plot("cost")')
        M = np.eye(len(H))
        if len(statistics.x_ref) < len(H):  # the last is the intercept
            M[-1, :-1] = statistics.x_ref
        return cls(statistics.w_ref, statistics.s / n, -2.0 * statistics.c / n, H, M)

    def __call__(self, p: Floats) -> Floats:
        """The cost at each p of an array (..., size)."""
        with np.errstate(over="ignore", invalid="ignore"):
            delta = p @ self.M.T - self.centre
            curved = 0.5 * np.einsum("...i,ij,...j->...", delta, self.H, delta)
            return np.asarray(self.cost + delta @ self.gradient + curved)

    def slope(self, p: Floats) -> Floats:
        """∂cost/∂p at one p."""
        return self.M.T @ (self.gradient + self.H @ (self.M @ p - self.centre))

    def minimum_next_to(self, p: Floats) -> Floats:
        """The minimum. If the bowl is a valley, the minimum next to p."""
        theta = self.M @ p
        theta = theta - _pseudo_inverse(self.H) @ (self.gradient + self.H @ (theta - self.centre))
        return np.asarray(np.linalg.solve(self.M, theta))

    def exit(self, p: Floats, towards: Floats, top: float) -> Floats:
        """The point on the way from p to `towards` and on where the cost rises to `top`."""
        along = towards - p
        along = along / np.abs(along).max()
        a = 0.5 * float((self.M @ along) @ self.H @ (self.M @ along))
        b, c = float(self.slope(p) @ along), float(self(p)) - top
        return p + along * (2.0 * c / (-b - np.sqrt(max(0.0, b * b - 4.0 * a * c))))


def _pseudo_inverse(H: Floats) -> Floats:
    """The inverse of H, zero along flat directions.

    H is scaled to a unit diagonal first, since a column of small numbers is no flat direction.
    """
    scale = 1 / np.sqrt(np.where(np.diag(H) > 0, np.diag(H), 1))
    units = np.outer(scale, scale)
    return units * np.linalg.pinv(units * H, rcond=FLAT, hermitian=True)

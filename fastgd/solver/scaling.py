"""The linear change of variables in which a run descends.

A score is Σ_j (x_j − shift_j)·scale_j·θ_j, plus θ_d with an intercept. It equals the score of w = scale·θ and
intercept = θ_d − Σ shift_j w_j. Descent in θ takes another path than descent in w, but leads to the same
optimum, since penalties apply to w.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.penalties import Penalty

ROUNDING = 1e-9
"""Means and deviations that differ by less than this many deviations belong to the same data."""

Model = Callable[[Floats], tuple[Floats, Floats]]
"""A function from points to w and intercept."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Shift and scale of each column: 0 and 1 without standardising. Constant columns have scale 0."""

    shift: Floats
    scale: Floats
    has_intercept: bool

    @property
    def size(self) -> int:
        """The length of θ."""
        return len(self.scale) + self.has_intercept

    @property
    def is_plain(self) -> bool:
        """Whether θ is w, and the intercept."""
        return not self.shift.any() and bool((self.scale == 1.0).all())

    def equals(self, other: Scaling | None) -> bool:
        return (
            other is not None
            and self.has_intercept == other.has_intercept
            and np.array_equal(self.shift, other.shift)
            and np.array_equal(self.scale, other.scale)
        )

    def is_near(self, other: Scaling | None) -> bool:
        """Whether they agree up to rounding, as two formulas for the same data do."""
        return (
            other is not None
            and self.has_intercept == other.has_intercept
            and np.array_equal(self.scale == 0.0, other.scale == 0.0)
            and np.allclose(self.scale, other.scale, rtol=ROUNDING, atol=0.0)
            and bool((np.abs(self.shift - other.shift) * self.scale <= ROUNDING).all())
        )

    def theta(self, w: Floats, intercept: float) -> Floats:
        """θ of w and intercept. The weight of a constant column is added to the intercept."""
        theta = np.zeros(self.size)
        d = len(w)
        np.divide(w, self.scale, out=theta[:d], where=self.scale != 0.0)
        if self.has_intercept:
            theta[d] = math.fsum([intercept, *(self.shift * w).tolist()])
        return theta

    def translated(self, theta: Floats, other: Scaling) -> Floats:
        """θ of the same model in the `other` scaling."""
        d, moved = len(self.scale), theta.copy()
        w = theta[:d] * self.scale
        np.divide(w, other.scale, out=moved[:d], where=other.scale != 0.0)
        if self.has_intercept:
            moved[d] = math.fsum([theta[d], *((other.shift - self.shift) * w).tolist()])
        return moved

    @np.errstate(over="ignore", invalid="ignore")
    def model(self, theta: Floats) -> tuple[Floats, Floats]:
        """(w, intercept) of θ (…, size): arrays (…, d) and (…)."""
        d = len(self.scale)
        w = theta[..., :d] * self.scale
        if not self.has_intercept:
            return w, np.zeros(theta.shape[:-1])
        return w, theta[..., d] - sums_of(w * self.shift)

    def gradient(self, by_w: Floats, by_intercept: float) -> Floats:
        """∂/∂θ from ∂/∂w and ∂/∂intercept."""
        d = len(by_w)
        gradient = np.empty(self.size)
        gradient[:d] = (by_w - self.shift * by_intercept) * self.scale
        if self.has_intercept:
            gradient[d] = by_intercept
        return gradient

    def gradient_of_w(self, by_theta: Floats) -> tuple[Floats, Floats]:
        """(∂/∂w, ∂/∂intercept) of ∂/∂θ (…, size): arrays (…, d) and (…)."""
        d = len(self.scale)
        by_intercept = by_theta[..., d] if self.has_intercept else np.zeros(by_theta.shape[:-1])
        by_w = np.multiply.outer(by_intercept, self.shift)
        by_w += np.divide(by_theta[..., :d], self.scale, out=np.zeros_like(by_w), where=self.scale != 0.0)
        return by_w, by_intercept

    def penalty(self, l1: float, l2: float) -> Penalty:
        """The penalty of w, with one strength for each θ; 0 for the intercept."""
        strengths = np.zeros((2, self.size))
        d = len(self.scale)
        strengths[0, :d], strengths[1, :d] = l1 * self.scale, l2 * self.scale * self.scale
        return Penalty(strengths[0], strengths[1])


def plain(d: int, has_intercept: bool) -> Scaling:
    return Scaling(np.zeros(d), np.ones(d), has_intercept)


def sums_of(values: Floats) -> Floats:
    """Sums over the last axis, in order, so that one row has the same bits as among many."""
    return 0.0 + np.add.accumulate(values, axis=-1)[..., -1]


def starting_at(point: Floats, start: tuple[Floats, float], to: Scaling, model: Model) -> Model:
    """`model`, except that it returns `start` to the bit at the point where the run starts.

    Converting w to θ and back may round. A start with a weight for a constant column keeps `model`, since no
    point stands for it.
    """
    w, intercept = start
    if w[to.scale == 0.0].any():
        return model
    first = point.item(0)

    def exact(points: Floats) -> tuple[Floats, Floats]:
        weights, intercepts = model(points)
        if points.ndim == 1:
            is_start = points.item(0) == first and np.array_equal(points, point)
            return (w.copy(), np.array(intercept)) if is_start else (weights, intercepts)
        is_start = points[:, 0] == first
        if np.count_nonzero(is_start) == 1:  # in most histories
            k = int(is_start.argmax())
            if len(point) == 1 or (points[k] == point).all():
                weights[k], intercepts[k] = w, intercept
            return weights, intercepts
        starts = np.flatnonzero(is_start)
        starts = starts[(points[starts] == point).all(axis=1)]
        weights[starts], intercepts[starts] = w, intercept
        return weights, intercepts

    return exact

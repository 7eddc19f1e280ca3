"""What partial_fit knows of the rows of all its calls: their moments.

Moments of two parts merge without a look back (T. F. Chan, G. H. Golub and R. J. LeVeque, The American
Statistician 37(3), 1983): with δ = mean_b − mean_a and s_a, s_b the sums of the weights,

    mean = mean_a + δ s_b/(s_a + s_b),    Σ s (x − mean)² = squares_a + squares_b + δ² s_a s_b/(s_a + s_b).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.engine.blocks import Floats
from fastgd.solver.scaling import Scaling

FEW_ROWS = 8
"""The variance of fewer rows is no scale: two of them may be equal by chance."""
ROUNDING = 2.0**-50
"""A deviation below this part of the mean is rounding."""


class Seen(NamedTuple):
    """Moments of n rows; without an intercept, or in columns as they are, the mean counts as 0."""

    n: int
    total: float
    """Σ s."""
    mean: Floats
    squares: Floats
    """Σ s (x − mean)²."""
    longest: float = 0.0
    """max s‖x̃‖², each row in the coordinates of its call."""
    largest_target: float = 0.0
    """max |y| of the calls of partial_fit."""

    @np.errstate(over="ignore", invalid="ignore")
    def merged(self, new: Seen) -> Seen:
        """The moments of these rows and the new ones."""
        total = self.total + new.total
        delta, share = new.mean - self.mean, new.total / total
        return self._replace(
            n=self.n + new.n,
            total=total,
            mean=self.mean + delta * share,
            squares=self.squares + new.squares + delta * delta * (self.total * share),
            largest_target=max(self.largest_target, new.largest_target),
        )

    def scaling(self, has_intercept: bool, ridge: float) -> Scaling:
        """Centred columns, scaled by one over the root of variance + ridge (see `Problem`).

        A column that has been constant so far keeps its scale.
        """
        deviation = np.sqrt(self.squares / self.total)
        if not np.isfinite(deviation).all():
            raise InvalidDataError("X is too large: its squares overflow; scale it")
        if self.n < FEW_ROWS:
            deviation = np.hypot(deviation, self.mean)
        is_constant = ~(deviation > ROUNDING * np.abs(self.mean))
        scale = 1.0 / np.hypot(np.where(is_constant, 1.0, deviation), math.sqrt(ridge))
        return Scaling(self.mean, scale, has_intercept)

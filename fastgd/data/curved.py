"""Rows weighted by the curvature of a loss, for the Hessian of a smooth cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgd import reference
from fastgd.data.dataset import Dataset
from fastgd.data.transform import MappedRows, Mapping
from fastgd.engine.blocks import Array, Floats
from fastgd.losses import Loss

STEP = 2.0**-13
"""The step of the difference quotient, as a share of the spread of scores."""
FLAT = 2.0**-20
"""Curvatures below this share of the loss's bound count as this share. Where a loss is flat, steps stay
short."""


class CurvedRows(MappedRows):
    """The rows of another dataset with the weights s·∂²loss/∂score², at the scores x·w + intercept.

    The second derivative is the difference quotient (slope(score + h) − slope(score − h))/2h, so a loss
    needs no formula for it. h is STEP times `spread`, the spread of scores.
    """

    def __init__(self, rows: Dataset, loss: Loss, w: Floats, intercept: float, spread: float):
        super().__init__(rows)
        self.loss, self.w, self.intercept, self.spread = loss, w, intercept, spread
        self.d, self.is_scalar = rows.d, rows.is_scalar
        self.row_bytes, self.run_numbers = rows.row_bytes, rows.run_numbers
        self.has_weights = True

    @property
    def _least(self) -> float:
        return 0.0 if self.loss.curvature is None else FLAT * float(self.loss.curvature)

    def mapping(self) -> Mapping:
        return self._curved

    @np.errstate(over="ignore", invalid="ignore")
    def _curved(self, X: Array, y: Array, weights: Floats) -> tuple[Array, Array, Floats]:
        from fastgd.kernels import pointwise

        h = STEP * self.spread
        scores, low, high = np.empty(len(y)), np.empty(len(y)), np.empty(len(y))
        pointwise.scores(X, self.w, self.intercept, scores)
        targets = y.astype(np.float64, copy=False)
        pointwise.slopes(self.loss, scores - h, targets, low)
        pointwise.slopes(self.loss, scores + h, targets, high)
        curvatures = np.maximum((high - low) / (2.0 * h), self._least)
        return X, y, curvatures * weights if len(weights) else curvatures

    def lists(self) -> tuple[list[Any], list[float], list[float]]:
        xs, ys, weights = self.rows.lists()
        h, w, curvatures = STEP * self.spread, self.w.tolist(), []
        for x, y in zip(xs, ys, strict=True):
            score = reference.score([x] if self.is_scalar else x, w) + self.intercept
            change = self.loss.slope(score + h, y) - self.loss.slope(score - h, y)
            curvatures.append(max(change / (2.0 * h), self._least))
        if weights:
            curvatures = [s * curvature for s, curvature in zip(weights, curvatures, strict=True)]
        return xs, ys, curvatures

    def over(self, base: Any) -> CurvedRows:
        return CurvedRows(self.rows.over(base), self.loss, self.w, self.intercept, self.spread)

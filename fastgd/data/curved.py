"""Rows weighted by the curvature of a loss, for the Hessian of a smooth cost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastgd import reference
from fastgd.data.dataset import Dataset
from fastgd.data.transform import MappedRows, Mapping
from fastgd.domains import CLASSES
from fastgd.engine.blocks import Array, Floats
from fastgd.loss_base import Kinked, Loss

STEP = 2.0**-13
"""The step of the difference quotient, as a share of the spread of scores."""
CHORD = 2.0**-3
"""If scores predict y, curvatures below this share of slope/(score − y) count as this share. An outlier,
where the loss is straight, has no curvature of its own. With the share 1, for which classes count too, a full
step never raises the cost of a loss like Huber's (iteratively reweighted least squares)."""
FLAT = 2.0**-60
"""Curvatures below this share of the loss's bound count as this share."""


class CurvedRows(MappedRows):
    """The rows of another dataset with the weights s·∂²loss/∂score², at the scores x·w + intercept.

    The second derivative is the difference quotient (slope(score + h) − slope(score − h))/2h, so a loss
    needs no formula for it. h is STEP times `spread`, the spread of scores. Where it is small, CHORD and FLAT
    say what counts.
    """

    def __init__(
        self, rows: Dataset, loss: Loss, w: Floats, intercept: float, spread: float, chord: float = CHORD
    ):
        super().__init__(rows)
        self.loss, self.w, self.intercept, self.spread, self.chord = loss, w, intercept, spread, chord
        self.d, self.is_scalar = rows.d, rows.is_scalar
        self.row_bytes, self.run_numbers = rows.row_bytes, rows.run_numbers
        self.has_weights = True

    @property
    def _flat(self) -> float:
        bound = self.loss.curvature
        return FLAT * bound if bound is not None and math.isfinite(bound) else 0.0

    def _least_at(self, scores: Any, y: Any) -> Any:
        """Scores at which the loss is least, or near that; NaN if chords do not count."""
        if isinstance(self.loss, Kinked):
            return self.loss.kink(scores, y)
        if self.loss.predicts_y:
            return y
        return 2.0 * y - 1.0 if self.loss.domain is CLASSES and self.chord == 1.0 else math.nan * y

    def mapping(self) -> Mapping:
        return self._curved

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def _curved(self, X: Array, y: Array, weights: Floats) -> tuple[Array, Array, Floats]:
        from fastgd.kernels import pointwise

        h = STEP * self.spread
        scores, low, high = np.empty(len(y)), np.empty(len(y)), np.empty(len(y))
        pointwise.scores(X, self.w, self.intercept, scores)
        targets = y.astype(np.float64, copy=False)
        pointwise.slopes(self.loss, scores - h, targets, low)
        pointwise.slopes(self.loss, scores + h, targets, high)
        curvatures = np.maximum((high - low) / (2.0 * h), self._flat)
        distances = scores - self._least_at(scores, targets)
        chords = self.chord * 0.5 * (low + high) / np.where(np.abs(distances) > h, distances, math.nan)
        curvatures = np.fmax(curvatures, chords)
        return X, y, curvatures * weights if len(weights) else curvatures

    def lists(self) -> tuple[list[Any], list[float], list[float]]:
        xs, ys, weights = self.rows.lists()
        h, w, curvatures = STEP * self.spread, self.w.tolist(), []
        for x, y in zip(xs, ys, strict=True):
            score = reference.score([x] if self.is_scalar else x, w) + self.intercept
            low, high = self.loss.slope(score - h, y), self.loss.slope(score + h, y)
            curvature, distance = max((high - low) / (2.0 * h), self._flat), score - self._least_at(score, y)
            if abs(distance) > h:
                curvature = max(curvature, self.chord * 0.5 * (low + high) / distance)
            curvatures.append(curvature)
        if weights:
            curvatures = [s * curvature for s, curvature in zip(weights, curvatures, strict=True)]
        return xs, ys, curvatures

    def over(self, base: Any) -> CurvedRows:
        return CurvedRows(self.rows.over(base), self.loss, self.w, self.intercept, self.spread, self.chord)

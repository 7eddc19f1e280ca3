"""How well predictions fit their targets: measures that add up over parts of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.domains import CLASSES
from fastgd.engine.blocks import Floats
from fastgd.loss_base import Loss
from fastgd.solver.results import FitResult
from fastgd.solver.scores import loss_of

MOST_SCORES = 1 << 24
"""The largest number of scores that are kept, 128 MB, for the area under the ROC curve."""


def labels_of(model: FitResult) -> tuple[str, ...]:
    """The labels of a loss of two classes, that of y = 0 first; empty for other losses."""
    return (model.coding.classes or ("0", "1")) if loss_of(model).domain is CLASSES else ()


def measures_of(model: FitResult) -> Numbers | Classes:
    """Empty measures for the predictions of a model."""
    labels, loss = labels_of(model), loss_of(model)
    return Classes(loss, labels) if labels else Numbers(loss)


class Numbers:
    """The errors r = ŷ − y of predictions, weighted by s."""

    def __init__(self, loss: Loss):
        self._loss = loss
        self.n = 0
        self.total = self._mean = self._spread = self._squares = self._sizes = 0.0

    def add(self, scores: Floats, y: Floats, weights: Floats | None) -> None:
        s = np.ones(len(y)) if weights is None else weights
        total = float(s.sum())
        self.n += len(y)
        if not total:
            return
        errors = self._loss.predictions(scores) - y
        self._squares += float(np.sum(s * errors * errors))
        self._sizes += float(np.sum(s * np.abs(errors)))
        mean = float(np.sum(s * y)) / total
        moved = mean - self._mean
        before, self.total = self.total, self.total + total
        self._mean += moved * total / self.total
        # Chan, Golub & LeVeque (1983): Σ s (y − mean)² of both parts from that of each.
        self._spread += float(np.sum(s * (y - mean) ** 2)) + moved * moved * before * total / self.total

    def results(self) -> dict[str, Any]:
        """√(Σ s r²/Σ s), Σ s |r|/Σ s, and 1 − Σ s r²/Σ s (y − mean)²."""
        return {
            "root_mean_square_error": (self._squares / self.total) ** 0.5,
            "mean_absolute_error": self._sizes / self.total,
            "r2": 1.0 - self._squares / self._spread if self._spread else None,
        }


class Classes:
    """The hits and the log loss of predicted classes. A score above 0 predicts the second label."""

    def __init__(self, loss: Loss, labels: Sequence[str]):
        self._loss, self._labels = loss, labels
        self.n = 0
        self._table = np.zeros((2, 2))
        self._log_loss = 0.0
        self._kept: list[tuple[Floats, NDArray[np.bool_], Floats | None]] = []

    def add(self, scores: Floats, y: Floats, weights: Floats | None) -> None:
        self.n += len(y)
        is_positive = y == 1.0
        cells = 2 * is_positive + (scores > 0.0)
        self._table += np.bincount(cells, weights, 4).reshape(2, 2)
        if self._loss.gives_probabilities:
            logs = self._loss.log_probability(np.where(is_positive, scores, -scores))
            counted = logs if weights is None else logs[weights > 0.0] * weights[weights > 0.0]
            self._log_loss -= float(np.sum(counted))
        if self.n <= MOST_SCORES:
            self._kept.append((scores.copy(), is_positive, None if weights is None else weights.copy()))
        else:
            self._kept.clear()

    @property
    def total(self) -> float:
        return float(self._table.sum())

    def results(self) -> dict[str, Any]:
        """The measures, and the table: the rows (weights) of each label by the label that is predicted."""
        table = {
            label: dict(zip(self._labels, row, strict=True))
            for label, row in zip(self._labels, self._table.tolist(), strict=True)
        }
        has_log_loss = self._loss.gives_probabilities
        return {
            "accuracy": float(np.trace(self._table)) / self.total,
            "log_loss": self._log_loss / self.total if has_log_loss else None,
            "auc": self._area(),
            "table": table,
        }

    def _area(self) -> float | None:
        """P(score of a positive > score of a negative) + P(equal)/2. None for one class or too many rows."""
        if not self._kept or not self._table.sum(axis=1).all():
            return None
        scores, is_positive = (np.concatenate([part[k] for part in self._kept]) for k in (0, 1))
        s = np.concatenate([np.ones(len(y)) if s is None else s for _, y, s in self._kept])
        values, places = np.unique(scores, return_inverse=True)
        positive = np.bincount(places, s * is_positive, len(values))
        negative = np.bincount(places, s * ~is_positive, len(values))
        below = np.cumsum(negative) - 0.5 * negative
        return float(np.sum(positive * below) / (positive.sum() * negative.sum()))

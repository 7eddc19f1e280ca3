"""How well predictions agree with y: R² of numbers, accuracy of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data.arrays import ArrayRows, as_array, as_sample_weight
from fastgd.data.coding import Codes, unknown_text
from fastgd.data.dataset import Dataset
from fastgd.domains import CLASSES
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats
from fastgd.losses import NAMED, Loss, SquaredError, as_loss
from fastgd.public import public
from fastgd.solver.each_row import predict
from fastgd.solver.objective import check_loss


class Scored:
    """A fit that is compared with y."""

    __slots__ = ()

    @public
    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """How well predictions for these rows agree with y: R², or for a loss of classes the accuracy.

        R² = 1 − Σ s (y − ŷ)² / Σ s (y − mean(y))² is 1 for an exact fit, 0 for the mean of y, and negative
        for worse predictions. For constant y it is 1 if all predictions are exact, otherwise 0. The accuracy
        is the share of rows on the right side of a score of 0. Both are those of scikit-learn.

        Parameters
        ----------
        X : array (n,), array (n, d) or table
            As in `predict`.
        y : array (n,)
            If the fit has labels of classes in its `coding`, these labels.
        sample_weight : array (n,), optional
            s ≥ 0.

        Returns
        -------
        float

        Raises
        ------
        InvalidDataError
            If X, y or sample_weight cannot be used. R² needs two rows.

        Examples
        --------
        >>> import fastgd
        >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
        >>> round(fit.score([4.0, 5.0], [8.0, 10.0]), 6)
        1.0
        """
        return _score(self, X, y, sample_weight)


def _score(fit: Any, X: Any, y: Any, sample_weight: Any) -> float:
    scores, targets = np.atleast_1d(fit.predict(X)), _targets(fit.coding.classes, y)
    if targets.shape != scores.shape:
        raise InvalidDataError(f"has shape {targets.shape}; X has {len(scores)} rows", what="y")
    rows, loss = ArrayRows(scores, targets), loss_of(fit)
    rows.refuse_nonfinite()
    check_loss(loss, rows, "python")
    weights = np.ones(rows.n)
    if sample_weight is not None:
        weights = np.asarray(as_sample_weight(sample_weight, rows.n), np.float64)
    if loss.domain is CLASSES:
        return float(np.average((scores > 0.0) == (targets > 0.0), weights=weights))
    return r_squared(targets.astype(np.float64), loss.predictions(scores), weights)


def _targets(classes: tuple[str, ...], y: Any) -> Any:
    """y as an array, of 0 and 1 for the labels of two classes."""
    if not classes:
        return as_array("y", y)
    codes = Codes(classes).of(y)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        value = list(y)[row]
        raise InvalidDataError(
            unknown_text(value, classes, "labels"), what="y", value=value, at=RowPlace("", row)
        )
    return codes.astype(np.float64)


def accuracy(fit: Any, rows: Dataset) -> float:
    """The share of rows, by weight, whose class a score above 0 tells, from one pass."""
    w, columns = np.atleast_1d(fit.w), slice(None) if np.ndim(fit.w) else 0

    def task(_start: int, X: Array, y: Array, weights: Floats) -> Floats:
        s = weights if len(weights) else np.ones(len(y))
        is_hit = (predict(X[:, columns], fit.w, fit.intercept, n_threads=1) > 0.0) == (y > 0.0)
        return np.array([s.sum(), s[is_hit].sum()])

    total, hits = reduce.reduce(rows, task, None, 2, effort=max(1, len(w) // 16)).tolist()
    return float(hits / total)


def loss_of(fit: Any) -> Loss:
    """The loss of the fit. Own losses predict numbers, as squared errors do."""
    name = fit._options.get("loss", "squared_error")
    return as_loss(name) if name in NAMED else SquaredError()


def r_squared(y: Floats, predictions: Floats, weights: Floats) -> float:
    """1 − Σ s (y − ŷ)² / Σ s (y − mean(y))²."""
    if len(y) < 2:
        raise InvalidDataError("has one row; R² compares two or more", what="y")
    residual = float(np.sum(weights * np.square(y - predictions)))
    spread = float(np.sum(weights * np.square(y - np.average(y, weights=weights))))
    if spread == 0.0:
        return 1.0 if residual == 0.0 else 0.0
    return 1.0 - residual / spread

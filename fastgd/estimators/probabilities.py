"""Probabilities of the classes from the scores of one model a class, or of one model for two classes."""

from __future__ import annotations

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.losses import Loss


def probabilities(loss: Loss, scores: Floats) -> Floats:
    """The probabilities of all classes (n, n_classes) from scores (n,) or (n, n_classes)."""
    share = loss.probability(scores)
    if scores.ndim == 1:
        return np.column_stack([loss.probability(-scores), share])
    total = share.sum(axis=1, keepdims=True)
    even = total == 0.0  # every class is ruled out to the last bit
    return np.where(even, 1.0 / scores.shape[1], share / np.where(even, 1.0, total))


def log_probabilities(loss: Loss, scores: Floats) -> Floats:
    """ln of `probabilities`, with digits where these underflow."""
    logarithms = loss.log_probability(scores)
    if scores.ndim == 1:
        return np.column_stack([loss.log_probability(-scores), logarithms])
    total = np.logaddexp.reduce(logarithms, axis=1, keepdims=True)
    even = np.isneginf(total)
    return np.where(even, -np.log(scores.shape[1]), logarithms - np.where(even, 0.0, total))

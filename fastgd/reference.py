"""The pure-Python twin of each operation: the plain loop of the textbook, and nothing else.

Everything here works on lists of Python numbers: `xs` holds numbers (the lesson's case, w is a
number) or lists of d numbers (w is a list). The order of the operations is the lesson's. Kernels
are held against these functions; `backend="python"` runs them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

Row: TypeAlias = Any  # float | Sequence[float]; w has the type of a row


def forward(x: Row, w: Row) -> float:
    """y_pred = x·w, added from the first column to the last."""
    if not isinstance(x, Sequence):
        return x * w  # type: ignore[no-any-return]
    score = x[0] * w[0]
    for j in range(1, len(x)):
        score += x[j] * w[j]
    return score  # type: ignore[no-any-return]


def loss(x: Row, y: float, w: Row) -> float:
    """(y_pred − y)², infinite where Python's own power would raise OverflowError."""
    try:
        return (forward(x, w) - y) ** 2
    except OverflowError:
        return math.inf


def cost(xs: Sequence[Row], ys: Sequence[float], w: Row) -> float:
    """(1/n) Σ (y_pred − y)²."""
    total = 0.0
    for x, y in zip(xs, ys, strict=True):
        total += loss(x, y, w)
    return total / len(xs)


def sample_gradient(x: Row, y: float, w: Row) -> Row:
    """∂loss/∂w = 2 x (x·w − y)."""
    if not isinstance(x, Sequence):
        return 2 * x * (x * w - y)
    residual = forward(x, w) - y
    return [2 * x_j * residual for x_j in x]


def gradient(xs: Sequence[Row], ys: Sequence[float], w: Row) -> Row:
    """∂cost/∂w = (1/n) Σ 2 x (x·w − y)."""
    n = len(xs)
    if not isinstance(w, Sequence):
        grad = 0.0
        for x, y in zip(xs, ys, strict=True):
            grad += sample_gradient(x, y, w)
        return grad / n
    grads = [0.0] * len(w)
    for x, y in zip(xs, ys, strict=True):
        for j, grad in enumerate(sample_gradient(x, y, w)):
            grads[j] += grad
    return [grad / n for grad in grads]


def step(w: Row, grad: Row, rate: float) -> Row:
    """w − α·gradient."""
    if not isinstance(w, Sequence):
        return w - rate * grad
    return [w_j - rate * grad_j for w_j, grad_j in zip(w, grad, strict=True)]

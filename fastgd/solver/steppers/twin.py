"""The loops of `kernels/strict.py` in plain Python, for little work in a process that has not loaded Numba.

Functions have the names, arguments and digits of the kernels. X is a list of rows, which are lists of d
numbers, and y is a list of n numbers. The other arguments are the kernels' arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastgd.engine.blocks import Floats
from fastgd.reference import score, square

Rows = Sequence[Sequence[float]]
Numbers = Sequence[float]


def cost(X: Rows, y: Numbers, w: Floats, _two: float) -> float:
    """(1/n) Σ (x·w − y)²."""
    return _cost(X, y, w.tolist())


def _cost(X: Rows, y: Numbers, w: Numbers) -> float:
    total = 0.0
    for x, target in zip(X, y, strict=True):
        total += square(score(x, w) - target)
    return total / len(y)


def _cost_and_gradient(X: Rows, y: Numbers, w: Numbers) -> tuple[float, list[float]]:
    """The cost and (1/n) Σ 2 x (x·w − y)."""
    total, sums, columns = 0.0, [0.0] * len(w), range(len(w))
    for x, target in zip(X, y, strict=True):
        residual = score(x, w) - target
        total += square(residual)
        for j in columns:
            sums[j] += 2 * x[j] * residual
    return total / len(y), [a / len(y) for a in sums]


def descend(
    X: Rows,
    y: Numbers,
    w: Floats,
    before: Floats,
    gradient: Floats,
    rates: Floats,
    _two: float,
    allow_divergence: bool,
    costs: Floats,
    weights: Floats,
    gradients: Floats,
) -> int:
    """Run full-batch epochs w ← w − α ∂cost/∂w, one for each rate. Return the number of epochs done."""
    for epoch, rate in enumerate(rates.tolist()):
        before[:] = w
        if len(gradients):
            gradients[epoch] = gradient
        new = [a - rate * b for a, b in zip(w.tolist(), gradient.tolist(), strict=True)]
        value, gradient[:] = _cost_and_gradient(X, y, new)
        if not (allow_divergence or _is_finite(new, value)):
            return epoch
        w[:] = new
        if len(costs):
            costs[epoch] = value
        if len(weights):
            weights[epoch] = new
    return len(rates)


def descend_in_order(
    X: Rows,
    y: Numbers,
    w: Floats,
    before: Floats,
    rates: Floats,
    _two: float,
    allow_divergence: bool,
    costs: Floats,
    losses: Floats,
    weights: Floats,
    gradients: Floats,
) -> int:
    """Run SGD epochs w ← w − 2α x (x·w − y) over the rows in order. Return the number of epochs done."""
    has_gradients, columns = len(gradients) > 0, range(len(w))
    for epoch, rate in enumerate(rates.tolist()):
        before[:], new = w, w.tolist()
        for i, x in enumerate(X):
            residual = score(x, new) - y[i]
            for j in columns:
                gradient = 2 * x[j] * residual
                new[j] -= rate * gradient
                if has_gradients:
                    gradients[epoch, i, j] = gradient
        value = _cost(X, y, new) if len(costs) else 0.0
        if not (allow_divergence or _is_finite(new, value)):
            return epoch
        w[:] = new
        if len(costs):
            costs[epoch] = value
        if len(losses):
            losses[epoch] = square(score(X[-1], new) - y[-1])
        if len(weights):
            weights[epoch] = new
    return len(rates)


def _is_finite(w: Numbers, value: float) -> bool:
    return math.isfinite(value) and all(map(math.isfinite, w))

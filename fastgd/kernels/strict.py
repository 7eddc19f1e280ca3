"""The lesson's two loops, compiled as written, for data of one block.

There is no fastmath, and operations have the textbook's order. So every digit equals plain Python's.
X is (n, d), y (n,), w (d,). A history is not recorded if its array has length 0.
"""

from __future__ import annotations

import math

from fastgd.kernels._jit import kernel
from fastgd.kernels.arithmetic import square


@kernel
def score(x, w):
    """x·w, summed from the first column to the last."""
    total = x[0] * w[0]
    for j in range(1, len(w)):
        total += x[j] * w[j]
    return total


@kernel
def is_finite(w):
    """Whether all weights are finite."""
    for j in range(len(w)):
        if not math.isfinite(w[j]):
            return False
    return True


@kernel
def copy(source, target):
    """target ← source. An array assignment takes ten times longer to compile."""
    for j in range(len(source)):
        target[j] = source[j]


@kernel
def cost(X, y, w, two):
    """(1/n) Σ (x·w − y)². `two` is 2.0, see `arithmetic.square`."""
    total = 0.0
    for i in range(len(y)):
        total += square(score(X[i], w) - y[i], two)
    return total / len(y)


@kernel
def cost_and_gradient(X, y, w, two, gradient):
    """Return the cost and write (1/n) Σ 2 x (x·w − y) into `gradient`."""
    n, d = X.shape
    total = 0.0
    for j in range(d):
        gradient[j] = 0.0
    for i in range(n):
        x = X[i]
        residual = score(x, w) - y[i]
        total += square(residual, two)
        for j in range(d):
            gradient[j] += 2 * x[j] * residual
    for j in range(d):
        gradient[j] /= n
    return total / n


@kernel
def descend(X, y, w, before, gradient, rates, two, allow_divergence, costs, weights):
    """Run full-batch epochs w ← w − α ∂cost/∂w, one for each rate. Return the number of epochs done.

    `gradient` holds ∂cost/∂w at w, before and after the call. An epoch is undone and ends the loop if w or
    its cost is not finite, unless `allow_divergence`.
    """
    for epoch in range(len(rates)):
        copy(w, before)
        for j in range(len(w)):
            w[j] -= rates[epoch] * gradient[j]
        value = cost_and_gradient(X, y, w, two, gradient)
        if not (allow_divergence or (math.isfinite(value) and is_finite(w))):
            copy(before, w)
            return epoch
        if len(costs):
            costs[epoch] = value
        if len(weights):
            copy(w, weights[epoch])
    return len(rates)


@kernel
def descend_in_order(X, y, w, before, rates, two, allow_divergence, costs, losses, weights, gradients):
    """Run SGD epochs w ← w − 2α x (x·w − y) over the rows in order. Return the number of epochs done.

    `losses` records the loss of the last row after each epoch, `gradients` (n_epochs, n, d) every ∂loss/∂w.
    """
    n, d = X.shape
    for epoch in range(len(rates)):
        copy(w, before)
        for i in range(n):
            x = X[i]
            residual = score(x, w) - y[i]
            for j in range(d):
                gradient = 2 * x[j] * residual
                w[j] -= rates[epoch] * gradient
                if len(gradients):
                    gradients[epoch, i, j] = gradient
        value = cost(X, y, w, two) if len(costs) else 0.0
        if not (allow_divergence or (math.isfinite(value) and is_finite(w))):
            copy(before, w)
            return epoch
        if len(costs):
            costs[epoch] = value
        if len(losses):
            losses[epoch] = square(score(X[n - 1], w) - y[n - 1], two)
        if len(weights):
            copy(w, weights[epoch])
    return len(rates)

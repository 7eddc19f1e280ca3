"""The lesson's two loops, compiled as written, for data of one block.

There is no fastmath, and operations have the textbook's order. So every digit equals plain Python's.
X is (n, d), y (n,), w (d,). A history is not recorded if its array has length 0.
"""

from __future__ import annotations

import math

from fastgd.kernels._jit import kernel
from fastgd.kernels.arithmetic import square
from fastgd.kernels.arrays import empty, least
from fastgd.kernels.vectors import (
    LANES,
    add,
    item,
    load,
    load_part,
    multiply,
    rounding_error,
    splat,
    store,
    subtract,
)

PANEL = 128
"""Rows whose residuals and squares are computed before they are added."""
LEAST, LARGEST, ROOM = PANEL, 2 * PANEL, 3 * PANEL
"""Places in the scratch memory of a panel: its residuals r come first, then the smallest and the largest
number that r ** 2 may be."""
DOUBT = 0.06 * 2.0**-52
"""DOUBT·r² is more than a twentieth of an ulp, the largest error of pow before it rounds: see
`arithmetic.square`."""
TINY = 1e-250
"""A sum above it is not changed by squares so small that their error underflows."""


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
    return read(X, y, w, two, empty(0), empty(ROOM))


@kernel
def read(X, y, w, two, gradient, room):
    """Return the cost and write the gradient, unless it has length 0. `room` is scratch memory.

    A sum adds one row after the other, and each addition waits for the last one. Residuals and squares do not
    wait, so they are computed before, as vectors. The sums of the squares and of the first column run side by
    side.

    Few squares need pow. Rounding is monotonic: if the smallest and the largest numbers that pow may return
    lead to the same sum, pow leads to it as well.
    """
    n, d = X.shape
    whole = n - n % LANES
    total = slope = 0.0
    for j in range(len(gradient)):
        gradient[j] = 0.0
    for start in range(0, whole, PANEL):
        rows = least(PANEL, whole - start)
        residuals(X, y, w, start, rows, room)
        for i in range(0, rows, LANES):
            r = load(room, i)
            product = multiply(r, r)
            error, doubt = rounding_error(r, r, product), multiply(product, splat(DOUBT))
            store(room, LEAST + i, add(product, subtract(error, doubt)))
            store(room, LARGEST + i, add(product, add(error, doubt)))
        i = 0
        while i < rows:
            while i < rows and total > TINY:
                lowest, highest, slope_after = total, total, slope
                for k in range(i, i + LANES):
                    lowest += item(room, LEAST + k)
                    highest += item(room, LARGEST + k)
                    slope_after += 2 * item(X, (start + k) * d) * item(room, k)
                if lowest != highest:
                    break
                total, slope = lowest, slope_after
                i += LANES
            for k in range(i, least(i + LANES, rows)):
                total += square(room[k], two)
                slope += 2 * item(X, (start + k) * d) * room[k]
            i += LANES
        for j in range(1, len(gradient), LANES):
            add_columns(X, d, j, start, rows, gradient, room)
    if len(gradient):
        gradient[0] = slope
    residuals(X, y, w, whole, n - whole, room)
    for i in range(whole, n):
        residual = room[i - whole]
        total += square(residual, two)
        for j in range(len(gradient)):
            gradient[j] += 2 * X[i, j] * residual
    for j in range(len(gradient)):
        gradient[j] /= n
    return total / n


@kernel
def residuals(X, y, w, start, rows, room):
    """Write r = x·w − y of the rows from `start` on."""
    d = len(w)
    if d == 1 and rows % LANES == 0:
        for i in range(0, rows, LANES):
            scores = multiply(load(X, start + i), splat(item(w, 0)))
            store(room, i, subtract(scores, load(y, start + i)))
        return
    for i in range(rows):
        at = (start + i) * d
        total = item(X, at) * item(w, 0)
        for j in range(1, d):
            total += item(X, at + j) * item(w, j)
        room[i] = total - item(y, start + i)


@kernel
def add_columns(X, d, first, start, rows, gradient, room):
    """Add 2 x r of the rows from `start` on to up to eight numbers of the gradient, from `first` on."""
    count = least(LANES, d - first)
    sums = load_part(gradient, first, count)
    for i in range(rows):
        numbers = load_part(X, (start + i) * d + first, count)
        sums = add(sums, multiply(add(numbers, numbers), splat(item(room, i))))
    store(room, LEAST, sums)
    for k in range(count):
        gradient[first + k] = room[LEAST + k]


@kernel
def descend(X, y, w, before, gradient, rates, two, allow_divergence, costs, weights, gradients):
    """Run full-batch epochs w ← w − α ∂cost/∂w, one for each rate. Return the number of epochs done.

    `gradient` holds ∂cost/∂w at w, before and after the call. (An epoch with rate 0 and gradient 0 computes
    it, and the cost.) `gradients` records it before each step. An epoch is undone and ends the loop if w or
    its cost is not finite, unless `allow_divergence`.
    """
    room = empty(ROOM)
    for epoch in range(len(rates)):
        copy(w, before)
        if len(gradients):
            copy(gradient, gradients[epoch])
        for j in range(len(w)):
            w[j] -= rates[epoch] * gradient[j]
        value = read(X, y, w, two, gradient, room)
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
    no_gradient, room = empty(0), empty(ROOM)
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
        value = read(X, y, w, two, no_gradient, room) if len(costs) else 0.0
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

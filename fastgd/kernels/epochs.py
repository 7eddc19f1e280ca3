"""Epochs on summaries: no data is read.

Statistics about w_ref are G = XᵀX, c = Xᵀr and s = Σ r² with r = y − X·w_ref. With v = w − w_ref and
h = c − G v, the cost is (s − v·(c + h))/n and its gradient −(2/n) h. Maps are blocks of SGD steps,
u ← A u + b of u = w − w_ref. An array of length 0 in place of a history means: do not keep it.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels import maps
from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.strict import copy, is_finite, score

NOTHING, FAR_COST, SMALL_WEIGHTS = 0, 1, 2
"""What ended a loop before an epoch that another reference would give more digits."""


@kernel(fastmath=FAST)
def dot(a, b):
    total = 0.0
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@kernel
def evaluate(G, c, s, n, v, h):
    """The cost at w_ref + v, and into h: c − G v. Rounding may take a cost of nothing below 0: it is 0."""
    total = s
    for j in range(len(v)):
        h[j] = c[j] - dot(G[j], v)
        total -= v[j] * (c[j] + h[j])
    return 0.0 if total < 0.0 else total / n


@kernel
def loss(x, y, w):
    return (score(x, w) - y) ** 2


@kernel
def subtract(w, w_ref, v):
    for j in range(len(v)):
        v[j] = w[j] - w_ref[j]


@kernel
def is_small(w, near):
    """max |w| < near."""
    for j in range(len(w)):
        if not abs(w[j]) < near:
            return False
    return True


@kernel
def descend(G, c, s, n, w_ref, w, before, v, h, rates, go_on, far, costs, weights):
    """Full-batch epochs w ← w − α ∂cost/∂w, one a rate; returns how many were done, and what ended them.

    An epoch that ends with w or its cost not finite is taken back and ends the loop, unless `go_on`. So does
    one whose cost is below `far` (FAR_COST). v and h are room.
    """
    subtract(w, w_ref, v)
    evaluate(G, c, s, n, v, h)
    for epoch in range(len(rates)):
        copy(w, before)
        step = 2.0 * rates[epoch] / n
        for j in range(len(w)):
            w[j] += step * h[j]
        subtract(w, w_ref, v)
        value = evaluate(G, c, s, n, v, h)
        if not (go_on or (math.isfinite(value) and is_finite(w))):
            copy(before, w)
            return epoch, NOTHING
        if value < far:
            copy(before, w)
            return epoch, FAR_COST
        if len(costs):
            costs[epoch] = value
        if len(weights):
            copy(w, weights[epoch])
    return len(rates), NOTHING


@kernel
def apply_maps(a, b, order, u, moved):
    """u after the maps a[k], b[k] for k in `order`, one after the other; `moved` is room."""
    for place in range(len(order)):
        k = order[place]
        if len(u) == 1:
            u[0] = a[k, 0, 0] * u[0] + b[k, 0]
        else:
            for i in range(len(u)):
                moved[i] = dot(a[k, i], u) + b[k, i]
            copy(moved, u)


@kernel
def copy_map(a, b, out_a, out_b):
    copy(b, out_b)
    for i in range(len(a)):
        copy(a[i], out_a[i])


@kernel
def compose_all(a, b, growth, most, out_a, out_b):
    """The maps a[0], b[0], a[1], b[1], … in order as one; False where that would lose digits.

    Differences grow within block k by growth[k] at most, and across it by ‖a[k]‖ too: through any stretch
    of the steps by no more than `most`, or composing stops.
    """
    d = b.shape[1]
    room_a, room_b = np.empty((d, d)), np.empty(d)
    copy_map(a[0], b[0], out_a, out_b)
    ending = growth[0]  # of the stretches that end with the present block
    if not ending <= most:
        return False
    for k in range(1, len(b)):
        grown = ending * growth[k]
        if not grown <= most:
            return False
        squares = 0.0
        for i in range(d):
            squares += dot(a[k, i], a[k, i])
        ending = max(growth[k], ending * min(math.sqrt(squares), growth[k]))
        maps.compose(out_a, out_b, a[k], b[k], room_a, room_b)
        copy_map(room_a, room_b, out_a, out_b)
    return True


@kernel
def descend_by_maps(
    a,
    b,
    which,
    orders,
    last_x,
    last_y,
    G,
    c,
    s,
    n,
    w_ref,
    w,
    before,
    v,
    h,
    go_on,
    track_cost,
    far,
    near,
    costs,
    losses,
    weights,
):
    """SGD epochs by the maps of blocks: epoch e applies a[which[e], k], b[which[e], k] for k in orders[e].

    `orders` has one line for all epochs, or one each; last_x[k], last_y[k] is the last row of block k,
    for `losses`. Where w is not finite, or with `track_cost` its cost, the epoch is taken back and is the
    last, unless `go_on`. So is one that ends with all of w below `near` in size (SMALL_WEIGHTS), or with a
    cost below `far` (FAR_COST). Returns how many epochs were done, and what ended them.
    """
    for epoch in range(len(which)):
        copy(w, before)
        order = orders[epoch % len(orders)]
        subtract(w, w_ref, v)
        apply_maps(a[which[epoch]], b[which[epoch]], order, v, h)
        for j in range(len(w)):
            w[j] = w_ref[j] + v[j]
        value = 0.0
        if len(costs) or far > 0.0:
            subtract(w, w_ref, v)
            value = evaluate(G, c, s, n, v, h)
        is_tracked = track_cost and len(costs) > 0
        if not (go_on or ((math.isfinite(value) or not is_tracked) and is_finite(w))):
            copy(before, w)
            return epoch, NOTHING
        if is_small(w, near):
            copy(before, w)
            return epoch, SMALL_WEIGHTS
        if value < far:
            copy(before, w)
            return epoch, FAR_COST
        if len(costs):
            costs[epoch] = value
        if len(losses):
            last = order[len(order) - 1]
            losses[epoch] = loss(last_x[last], last_y[last], w)
        if len(weights):
            copy(w, weights[epoch])
    return len(which), NOTHING

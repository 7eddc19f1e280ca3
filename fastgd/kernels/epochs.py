"""Epochs on summaries, without reading the data.

Statistics about w_ref are G = XᵀX, c = Xᵀr and s = Σ r² with r = y − X·w_ref. Let v = w − w_ref and
h = c − G v. Then the cost is (s − v·(c + h))/n, and its gradient is −(2/n) h. Maps are blocks of SGD steps: u
← A u + b with u = w − w_ref. A history is not recorded if its array has length 0.
"""

from __future__ import annotations

import math

from fastgd.kernels import maps
from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.arrays import empty, greatest, least
from fastgd.kernels.strict import copy, is_finite, score

NOTHING, FAR_COST, SMALL_WEIGHTS = 0, 1, 2
"""Reasons to stop before an epoch that a better reference would give more digits."""


@kernel(fastmath=FAST)
def dot(a, b):
    total = 0.0
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@kernel
def evaluate(G, c, s, n, v, h):
    """Return the cost at w_ref + v and write c − G v into h. A cost that rounding made negative is set to
    0."""
    total = s
    for j in range(len(v)):
        h[j] = c[j] - dot(G[j], v)
        total -= v[j] * (c[j] + h[j])
    return 0.0 if total < 0.0 else total / n


@kernel
def loss(x, y, w):
    r = score(x, w) - y
    return r * r


@kernel
def subtract(w, w_ref, v):
    for j in range(len(v)):
        v[j] = w[j] - w_ref[j]


@kernel
def is_small(w, near):
    """Whether max |w| < near."""
    for j in range(len(w)):
        if not abs(w[j]) < near:
            return False
    return True


@kernel
def descend(G, c, s, n, w_ref, v, before, h, rates, allow_divergence, costs, weights, gradients):
    """Full-batch epochs v ← v − α ∂cost/∂v, one for each rate. Returns the number of epochs done.

    v is rounded so that w_ref + v is a float: costs are then those of the weights w_ref + v. An epoch after
    which v or its cost is not finite is undone and is the last, unless `allow_divergence`. `gradients`
    records ∂cost/∂v before each step. h (d,) is a work array.
    """
    evaluate(G, c, s, n, v, h)
    slope = -2.0 / n
    for epoch in range(len(rates)):
        copy(v, before)
        step = 2.0 * rates[epoch] / n
        if len(gradients):
            for j in range(len(v)):
                gradients[epoch, j] = slope * h[j]
        for j in range(len(v)):
            v[j] = (w_ref[j] + (v[j] + step * h[j])) - w_ref[j]
        value = evaluate(G, c, s, n, v, h)
        if not (allow_divergence or (math.isfinite(value) and is_finite(v))):
            copy(before, v)
            return epoch
        if len(costs):
            costs[epoch] = value
        if len(weights):
            copy(v, weights[epoch])
    return len(rates)


@kernel
def apply_maps(a, b, order, u, moved):
    """Apply the maps a[k], b[k] to u for each k in `order`. `moved` is a work array."""
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
    """Compose the maps a[0], b[0], a[1], b[1], … in order. Return False if that would lose digits.

    Within block k differences grow by at most growth[k], and across it by at most ‖a[k]‖. Composition stops
    if some stretch of steps may amplify by more than `most`.
    """
    d = b.shape[1]
    work_a, work_b = empty((d, d)), empty(d)
    copy_map(a[0], b[0], out_a, out_b)
    ending = growth[0]  # amplification of stretches that end with the current block
    if not ending <= most:
        return False
    for k in range(1, len(b)):
        grown = ending * growth[k]
        if not grown <= most:
            return False
        squares = 0.0
        for i in range(d):
            squares += dot(a[k, i], a[k, i])
        ending = greatest(growth[k], ending * least(math.sqrt(squares), growth[k]))
        maps.compose(out_a, out_b, a[k], b[k], work_a, work_b)
        copy_map(work_a, work_b, out_a, out_b)
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
    allow_divergence,
    track_cost,
    far,
    near,
    costs,
    losses,
    weights,
):
    """Run SGD epochs on maps of blocks. Epoch e applies the maps of orders[e], in this order.

    Map k is a[which[e], k], b[which[e], k]. `orders` has one row for all epochs, or one for each. last_x[k],
    last_y[k] is the last row of block k, needed for `losses`. Returns the number of epochs done and the
    reason to stop. An epoch is undone and ends the loop in three cases: w, or with `track_cost` its cost, is
    not finite (unless `allow_divergence`); max |w| < near (SMALL_WEIGHTS); its cost is below `far`
    (FAR_COST).
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
        if not (allow_divergence or ((math.isfinite(value) or not is_tracked) and is_finite(w))):
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

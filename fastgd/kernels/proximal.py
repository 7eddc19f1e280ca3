"""The step rule of full-batch descent, with momentum, l1 and adaptive restart; and its epochs on statistics.

Weights are kept as v = θ − θ_ref: about the optimum v has digits that θ has not. One epoch is

    p = v + β (v − v_before)                                  (β = 0 but for Nesterov's rule)
    z = p − α ∂/∂v (smooth part of the cost at p) + μ (v − v_before)      (μ = 0 but for the heavy ball)
    v ← z moved by at most α·l1 towards −θ_ref, where θ is 0.

With Nesterov's rule and μ = 0, β = (t − 1)/t_next, t_next = (1 + √(1 + 4t²))/2 (Beck and Teboulle, SIAM J.
Imaging Sciences 2, 2009), else β = μ. When a step goes against the way it came, (p − v_new)·(v_new − v) > 0,
momentum starts anew (O'Donoghue and Candès, Foundations of Computational Mathematics 15, 2015).
(p − z)/α is the gradient, and (p − v_new)/α what takes its place with l1: zero at the optimum.

In a metric M (preconditioning) the gradient g steps along M g, and ‖g‖² and the products of steps are those
of the coordinates φ, v = Wφ with W Wᵀ = M: ‖g‖² is g·M g. There is no l1 then.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels._jit import kernel
from fastgd.kernels.epochs import dot
from fastgd.kernels.strict import copy, is_finite

STILL, NOTHING = 2.0**-50, 2.0**-20
"""A weight that moved by less than the first part of itself was moved by rounding; one that is below the
second part of the largest is taken for as much."""

BLUR = 2.0**-48
"""What rounding makes of the product of curvatures with v, as a part of it."""

T, QUIET, FIRST, LAST = 0, 1, 2, 3
"""What `state` holds: t, quiet epochs in a row, the first gradient's norm (before it −1), the last's."""


@kernel
def pull(state, momentum, nesterov):
    """β of the next epoch; moves t on."""
    if not nesterov:
        return 0.0
    if momentum > 0.0:
        return momentum if state[T] > 1.0 else 0.0
    t = state[T]
    return (t - 1.0) / (0.5 * (1.0 + math.sqrt(1.0 + 4.0 * t * t)))


@kernel
def look_ahead(v, before, beta, p):
    for j in range(len(v)):
        p[j] = v[j] + beta * (v[j] - before[j])


@kernel
def step(
    v,
    before,
    p,
    gradient,
    direction,
    reached,
    rate,
    momentum,
    nesterov,
    l1,
    theta_ref,
    state,
    tol,
    floor,
    units,
    patience,
):
    """One epoch's step of v; the gradient is that at p, the direction is M times it, and `reached` is the
    part of the gradient that steps along M can change.

    Returns whether the run has converged: after `patience` epochs in a row in which the gradient's norm was
    at most tol times the first, or each part of it rounding; without a floor, in which no weight moved but
    by rounding. Never with tol < 0. (How far a weight moves says little of the distance to go right after a
    new start of the momentum.)

    units_j is √H_jj, H the curvatures: gradient/units and units·v are those of columns in like units. With λ
    the least curvature of such columns and floor = eps·λ, a gradient of floor·max|units·θ| is
    eps·max|units·θ| from the optimum; and a product H_jk v_k is rounded by about eps √H_jj √H_kk |v_k|.
    """
    norm, against, is_still, is_done, size, largest, length = 0.0, 0.0, True, True, 0.0, 0.0, 0.0
    for j in range(len(v)):
        theta = abs(theta_ref[j] + v[j])
        size, largest = max(size, theta), max(largest, units[j] * theta)
        length += units[j] * abs(v[j])
    least = floor * largest + BLUR * length
    for j in range(len(v)):
        push = 0.0 if nesterov else momentum * (v[j] - before[j])
        z = p[j] - rate * direction[j] + push
        moved = (p[j] - v[j]) - rate * direction[j] + push  # as θ would: in a long v it may be rounded away
        if l1[j] > 0.0:
            theta, most = theta_ref[j] + z, rate * l1[j]
            if abs(theta) <= most:
                z = -theta_ref[j]
                mapped = (p[j] - z) / rate + (0.0 if nesterov else momentum / rate * (v[j] - before[j]))
            else:
                z = theta - math.copysign(most, theta) - theta_ref[j]
                mapped = gradient[j] + math.copysign(l1[j], theta)
            moved = z - v[j]
            norm += mapped * mapped
            against += (p[j] - z) * (z - v[j])
        else:  # exactly, and not by differences of near numbers
            mapped = gradient[j]
            norm += mapped * direction[j]
            against += rate * mapped * (z - v[j])
        if not abs(mapped - (gradient[j] - reached[j])) <= units[j] * least:
            is_done = False
        if not abs(moved) <= STILL * max(abs(theta_ref[j] + z), NOTHING * size):
            is_still = False
        before[j], v[j] = v[j], z
    norm = math.sqrt(max(norm, 0.0))
    if state[FIRST] < 0.0:
        state[FIRST] = norm
    state[LAST] = norm
    t = state[T]
    state[T] = 1.0 if nesterov and against > 0.0 else 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * t * t))
    is_quiet = norm <= tol * state[FIRST] or (is_done if floor > 0.0 else is_still)
    state[QUIET] = state[QUIET] + 1.0 if is_quiet else 0.0
    return tol >= 0.0 and state[QUIET] >= patience


@kernel
def apply(metric, G, n, gradient, direction, reached, residual):
    """direction = M gradient, M the inverse of G/n in some digits, refined once; residual is room.

    Where columns are sums of others to rounding, M has no such directions. What is left of the gradient
    without them is `reached`.
    """
    for j in range(len(gradient)):
        direction[j] = dot(metric[j], gradient)
    for j in range(len(gradient)):
        reached[j] = dot(G[j], direction) / n
        residual[j] = gradient[j] - reached[j]
    for j in range(len(gradient)):
        direction[j] += dot(metric[j], residual)


@kernel
def product(G, c, v, h):
    """h = c − G v."""
    for j in range(len(v)):
        h[j] = c[j] - dot(G[j], v)


@kernel
def cost_at(c, s, n, l1, theta_ref, v, h):
    """(s − v·(c + h))/n + Σ l1 |θ|, h = c − G v; where rounding takes the first part below 0, it is 0."""
    total = s
    for j in range(len(v)):
        total -= v[j] * (c[j] + h[j])
    value = 0.0 if total < 0.0 else total / n
    for j in range(len(v)):
        if l1[j] > 0.0:
            value += l1[j] * abs(theta_ref[j] + v[j])
    return value


@kernel
def descend(
    G,
    c,
    s,
    n,
    theta_ref,
    l1,
    v,
    before,
    state,
    rates,
    momentum,
    nesterov,
    tol,
    floor,
    units,
    metric,
    patience,
    go_on,
    costs,
    weights,
    norms,
):
    """Epochs on statistics about θ_ref, l2 among them; one a rate. Returns (epochs done, has converged).

    metric is M (d, d), the inverse of G/n, or of length 0 for none.

    An epoch that ends with v or its cost not finite is taken back and is the last, unless `go_on`. An array
    of length 0 in place of costs, weights or norms (of the gradients) means: do not keep them.
    """
    d = len(v)
    p, h, h_before, gradient, kept = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    direction, reached, room = np.empty(d), np.empty(d), np.empty(d)
    product(G, c, v, h)
    product(G, c, before, h_before)
    for epoch in range(len(rates)):
        beta = pull(state, momentum, nesterov)
        look_ahead(v, before, beta, p)
        for j in range(d):  # products are linear: h at p, from those at v and before
            gradient[j] = -2.0 / n * (h[j] + beta * (h[j] - h_before[j]))
        copy(gradient, direction)
        copy(gradient, reached)
        if len(metric):
            apply(metric, G, n, gradient, direction, reached, room)
        copy(before, kept)
        t = state[T]
        has_converged = step(
            v,
            before,
            p,
            gradient,
            direction,
            reached,
            rates[epoch],
            momentum,
            nesterov,
            l1,
            theta_ref,
            state,
            tol,
            floor,
            units,
            patience,
        )
        copy(h, h_before)
        product(G, c, v, h)
        value = cost_at(c, s, n, l1, theta_ref, v, h)
        if not (go_on or (math.isfinite(value) and is_finite(v))):
            copy(before, v)
            copy(kept, before)
            state[T] = t
            return epoch, False
        if len(costs):
            costs[epoch] = value
        if len(weights):
            copy(v, weights[epoch])
        if len(norms):
            norms[epoch] = state[LAST]
        if has_converged:
            return epoch + 1, True
    return len(rates), False

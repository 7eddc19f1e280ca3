"""The update rule of full-batch descent with momentum, l1 and adaptive restart, and epochs on statistics.

Weights are stored as v = θ − θ_ref. Near the optimum v has digits that θ lacks. One epoch is

    p = v + β (v − v_before)                                  (β = 0 except for Nesterov momentum)
    z = p − α ∂/∂v (smooth part of the cost at p) + μ (v − v_before)      (μ = 0 except for the heavy ball)
    v ← z, moved by at most α·l1 towards −θ_ref, where θ is 0.

For Nesterov momentum with μ = 0, β = (t − 1)/t_next with t_next = (1 + √(1 + 4t²))/2 (Beck and Teboulle, SIAM
J. Imaging Sciences 2, 2009); otherwise β = μ. Momentum restarts after a step with (p − v_new)·(v_new − v) >
0, which turns back (O'Donoghue and Candès, Foundations of Computational Mathematics 15, 2015).
(p − z)/α is the gradient. With l1, (p − v_new)/α replaces it: it is zero at the optimum.

With a metric M (preconditioning), the step for a gradient g goes along M g. ‖g‖² and the products of steps
are then taken in the coordinates φ with v = Wφ and W Wᵀ = M: ‖g‖² is g·M g. A metric excludes l1.
"""

from __future__ import annotations

import math

from fastgd.kernels._jit import kernel
from fastgd.kernels.arrays import empty, greatest
from fastgd.kernels.epochs import dot
from fastgd.kernels.strict import copy, is_finite

STILL, NOTHING = 2.0**-50, 2.0**-20
"""A change of a weight by less than STILL times its size is rounding. Sizes below NOTHING times the largest
count as NOTHING times the largest."""

BLUR = 2.0**-48
"""The rounding error of a product of the Hessian with v, relative to its terms."""

T, QUIET, FIRST, LAST = 0, 1, 2, 3
"""Indices of `state`: t, quiet epochs in a row, the norm of the first gradient (−1 before it), and of the
last."""


@kernel
def pull(state, momentum, nesterov):
    """β of the next epoch."""
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
    """Do the step of one epoch, and return whether the run has converged.

    `gradient` is the gradient at p, `direction` is M times the gradient, and `reached` is the part of the
    gradient that steps along M can change.

    The run has converged after `patience` quiet epochs in a row. In a quiet epoch the norm of the gradient is
    at most tol times the first norm, or each component of the gradient is rounding. If floor is 0, the second
    case is that no weight moved by more than rounding. With tol < 0 a run never converges. (Right after a
    restart of the momentum, a small step says little about the distance to the optimum.)

    units_j is √H_jj with H the Hessian. gradient/units and units·v belong to columns in like units. With λ
    the least eigenvalue of H in these units and floor = eps·λ, a gradient of floor·max|units·θ| is at the
    distance eps·max|units·θ| from the optimum. The rounding error of H_jk v_k is about eps √H_jj √H_kk |v_k|.
    """
    norm, against, is_still, is_done, size, largest, length = 0.0, 0.0, True, True, 0.0, 0.0, 0.0
    for j in range(len(v)):
        theta = abs(theta_ref[j] + v[j])
        size, largest = greatest(size, theta), greatest(largest, units[j] * theta)
        length += units[j] * abs(v[j])
    least = floor * largest + BLUR * length
    for j in range(len(v)):
        push = 0.0 if nesterov else momentum * (v[j] - before[j])
        z = p[j] - rate * direction[j] + push
        moved = (p[j] - v[j]) - rate * direction[j] + push  # the step of θ, which a long v may round away
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
        else:  # exact, unlike a difference of nearly equal numbers
            mapped = gradient[j]
            norm += mapped * direction[j]
            against += rate * mapped * (z - v[j])
        if not abs(mapped - (gradient[j] - reached[j])) <= units[j] * least:
            is_done = False
        if not abs(moved) <= STILL * greatest(abs(theta_ref[j] + z), NOTHING * size):
            is_still = False
        before[j], v[j] = v[j], z
    norm = math.sqrt(greatest(norm, 0.0))
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
    """direction = M gradient, where M is nearly the inverse of G/n, refined once. `residual` is a work array.

    If columns are linear combinations of others up to rounding, M lacks some directions. `reached` is the
    gradient without its part along them.
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
    """(s − v·(c + h))/n + Σ l1 |θ| with h = c − G v. A first part that rounding made negative counts as 0."""
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
    allow_divergence,
    costs,
    weights,
    norms,
    gradients,
):
    """Run one epoch for each rate on statistics about θ_ref, which include l2.

    Returns (epochs done, has converged). metric is M (d, d), the inverse of G/n, or has length 0.

    An epoch after which v or its cost is not finite is undone and is the last, unless `allow_divergence`.
    costs, weights, norms (of the gradients) and gradients (of the smooth part of the cost, at p) are not
    recorded if they have length 0.
    """
    d = len(v)
    p, h, h_before, gradient, earlier = empty(d), empty(d), empty(d), empty(d), empty(d)
    direction, reached, residual = empty(d), empty(d), empty(d)
    product(G, c, v, h)
    product(G, c, before, h_before)
    for epoch in range(len(rates)):
        beta = pull(state, momentum, nesterov)
        look_ahead(v, before, beta, p)
        for j in range(d):  # h at p, since h is linear
            gradient[j] = -2.0 / n * (h[j] + beta * (h[j] - h_before[j]))
        copy(gradient, direction)
        copy(gradient, reached)
        if len(metric):
            apply(metric, G, n, gradient, direction, reached, residual)
        copy(before, earlier)
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
        if not (allow_divergence or (math.isfinite(value) and is_finite(v))):
            copy(before, v)
            copy(earlier, before)
            state[T] = t
            return epoch, False
        if len(costs):
            costs[epoch] = value
        if len(weights):
            copy(v, weights[epoch])
        if len(norms):
            norms[epoch] = state[LAST]
        if len(gradients):
            copy(gradient, gradients[epoch])
        if has_converged:
            return epoch + 1, True
    return len(rates), False

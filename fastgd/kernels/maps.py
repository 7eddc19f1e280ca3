"""Blocks of SGD steps as affine maps, for one or several learning rates in one pass. Here: one column.

A step on row (x, y) is w ← w − 2α x (x·w − y). With u = w − w_ref and r = y − x·w_ref it is the affine map
u ← (I − 2α x xᵀ) u + 2α r x. Maps compose in order, so the steps of a block are one map u ← A u + b (S.
Maleki, M. Musuvathi, T. Mytkowicz, "Parallel stochastic gradient descent with sound combiners", arXiv
1705.08030). `stretches.py` makes the maps of several columns.

Both kernels divide their rows into blocks of block_rows (the last may be shorter). For rate k they write
a[k, block], b[k, block] and growth[k, block]. The growth bounds the amplification by any stretch of the
block's steps. With several columns it is Π max(1, |1 − 2α‖x_i‖²|). With one column it is the largest
Π |1 − 2α x_i²| of a stretch, where a leaf without amplifying steps counts as 1. It is inf or NaN if it
overflows or x is not finite. The numbers of a block do not depend on the run that contains it.

They return the statistics of all rows, a node as in `gram.py`: blocks are added as in `tree.py`.
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import CONTRACT, FAST, kernel
from fastgd.kernels.arrays import empty, least, zeros, zeros_as
from fastgd.kernels.vectors import LANES

LEAF = 256
"""Rows whose squares are made together. They fit in the first-level cache."""
FOURS = LEAF // 4
MANY = 4
"""With at least this many rates, lanes are faster than one rate after the other."""
TINY = 1e-150
"""Smaller coefficients of A are set to 0, since arithmetic on subnormal numbers takes ten times as long."""


@kernel
def run_1d(x, y, w_ref, rates, block_rows, a, b, growth):
    """One column: x, y (n,); w_ref a number; rates (K,); a, b, growth (K, n_blocks).

    Returns Σ x², Σ x r and Σ r² of all rows.
    """
    squares, products = empty(LEAF), empty(LEAF)
    fours_a, fours_b = empty(FOURS), empty(FOURS)
    x_last, y_last = zeros_as(LEAF, x), zeros_as(LEAF, y)  # rows of 0 move nothing
    state = zeros((-(-len(rates) // LANES), 3 * LANES))  # for each group of rates: A, b / 2α, 2α
    ending, bound = empty(len(rates)), np.inf
    for k in range(len(rates)):
        state[k // LANES, 2 * LANES + k % LANES] = 2.0 * rates[k]
        bound = least(bound, 1.0 / rates[k] if rates[k] > 0.0 else -1.0)
    stack, top = tree.new_stack(a.shape[1], 3), tree.EMPTY
    for block in range(a.shape[1]):
        stop = least((block + 1) * block_rows, len(x))
        total = stack[top]
        for j in range(3):
            total[j] = 0.0
        for k in range(len(rates)):
            group, lane = state[k // LANES], k % LANES
            group[lane], group[LANES + lane], ending[k], growth[k, block] = 1.0, 0.0, 1.0, 1.0
        for start in range(block * block_rows, stop, LEAF):
            xs, ys = x[start : least(start + LEAF, stop)], y[start : least(start + LEAF, stop)]
            if len(xs) < LEAF:
                for i in range(LEAF):
                    x_last[i], y_last[i] = (xs[i], ys[i]) if i < len(xs) else (0.0, 0.0)
                xs, ys = x_last, y_last
            large = squares_and_products(xs, ys, w_ref, bound, squares, products, total)
            longest = largest(squares) if large else 0.0
            for k in range(0, len(rates), LANES):
                group, n_lanes = state[k // LANES], least(LANES, len(rates) - k)
                if n_lanes >= MANY:
                    compose_lanes(squares, products, group)
                else:
                    for lane in range(n_lanes):
                        compose_fours(squares, products, group[2 * LANES + lane], fours_a, fours_b)
                        maps = fours_a, fours_b, group[lane], group[LANES + lane]
                        group[lane], group[LANES + lane] = compose_all(*maps)
                drop_tiny(group[:LANES])
                for at in range(k, k + n_lanes):
                    twice_rate = group[2 * LANES + at - k]
                    if large and not 0.0 <= twice_rate * longest <= 2.0:
                        most = growth[at, block]
                        ending[at], growth[at, block] = amplified(squares, twice_rate, ending[at], most)
        for k in range(len(rates)):
            group, lane = state[k // LANES], k % LANES
            a[k, block], b[k, block] = group[lane], group[2 * LANES + lane] * group[LANES + lane]
        top = tree.push(stack, top, block)
    return tree.total(stack, top)


@kernel(fastmath=FAST)
def squares_and_products(x, y, w_ref, bound, squares, products, total):
    """Write q_i = x_i² and p_i = x_i r_i with r_i = y_i − x_i w_ref. Return the number of q_i > bound.

    Adds Σ q_i, Σ p_i and Σ r_i² to `total`. A step is u ← (1 − 2α q_i) u + 2α p_i. It does not amplify if
    2α q_i ≤ 2. Rows 0, 4, 8, … of the leaf come first, then 1, 5, 9, …: so each lane of four vectors holds
    four successive steps.
    """
    large, sum_squares, sum_products, sum_rest = 0, 0.0, 0.0, 0.0
    for s in range(FOURS):
        for j in range(4):
            x_i, i = np.float64(x[4 * s + j]), j * FOURS + s
            r_i = y[4 * s + j] - x_i * w_ref
            square, product = x_i * x_i, x_i * r_i
            squares[i], products[i] = square, product
            sum_squares += square
            sum_products += product
            sum_rest += r_i * r_i
            large += not square <= bound
    total[0] += sum_squares
    total[1] += sum_products
    total[2] += sum_rest
    return large


@kernel
def largest(q):
    """The largest number, or NaN if there is one."""
    found = 0.0
    for i in range(len(q)):
        found = found if q[i] <= found or found != found else q[i]
    return found


@kernel(fastmath=CONTRACT)
def compose_fours(q, p, twice_rate, a, b):
    """Compose the maps of four steps each, with b in units of 2α. This is a vector loop."""
    for s in range(FOURS):
        first, second = 1.0 - twice_rate * q[s], 1.0 - twice_rate * q[s + FOURS]
        third, fourth = 1.0 - twice_rate * q[s + 2 * FOURS], 1.0 - twice_rate * q[s + 3 * FOURS]
        later = fourth * third
        a[s] = later * (second * first)
        b[s] = later * (second * p[s] + p[s + FOURS]) + (fourth * p[s + 2 * FOURS] + p[s + 3 * FOURS])


@kernel(fastmath=CONTRACT)
def compose_all(a, b, total, total_b):
    """Compose (total, total_b) and then all maps in order. Four maps are composed while the previous four are
    added."""
    for i in range(0, FOURS, 4):
        first, first_b = a[i + 1] * a[i], a[i + 1] * b[i] + b[i + 1]
        second, second_b = a[i + 3] * a[i + 2], a[i + 3] * b[i + 2] + b[i + 3]
        four = second * first
        total, total_b = four * total, four * total_b + (second * first_b + second_b)
    return total, total_b


@kernel(fastmath=CONTRACT)
def compose_lanes(q, p, group):
    """Compose maps for eight rates side by side. Tuples keep eight rows in registers."""
    f, g, h = FOURS, 2 * FOURS, 3 * FOURS
    for s in range(0, FOURS, 2):
        qs = (q[s], q[s + f], q[s + g], q[s + h], q[s + 1], q[s + 1 + f], q[s + 1 + g], q[s + 1 + h])
        ps = (p[s], p[s + f], p[s + g], p[s + h], p[s + 1], p[s + 1 + f], p[s + 1 + g], p[s + 1 + h])
        for lane in range(LANES):
            a, b, twice_rate = group[lane], group[LANES + lane], group[2 * LANES + lane]
            for j in range(0, 8, 2):
                first, second = 1.0 - twice_rate * qs[j], 1.0 - twice_rate * qs[j + 1]
                both = second * first
                a, b = both * a, both * b + (second * ps[j] + ps[j + 1])
            group[lane], group[LANES + lane] = a, b


@kernel
def amplified(q, twice_rate, ending, most):
    """The largest amplification by a stretch of steps that ends here, and by any stretch so far."""
    for s in range(FOURS):
        for j in range(4):
            ending = at_least_one(ending * abs(1.0 - twice_rate * q[s + j * FOURS]))
            most = most if ending <= most else ending
    return ending, most


@kernel
def at_least_one(factor):
    return 1.0 if factor <= 1.0 else factor  # keeps NaN


@kernel
def drop_tiny(numbers):
    for j in range(len(numbers)):
        numbers[j] = 0.0 if abs(numbers[j]) < TINY else numbers[j]


@kernel(fastmath=CONTRACT)
def compose(a1, b1, a2, b2, a, b):
    """Compose (a1, b1) and then (a2, b2): a = a2 a1 (d, d), b = a2 b1 + b2 (d,). a and b must be new
    arrays."""
    d = len(b)
    for i in range(d):
        b[i] = b2[i]
        for j in range(d):
            a[i, j] = 0.0
        for k in range(d):
            b[i] += a2[i, k] * b1[k]
            for j in range(d):
                a[i, j] += a2[i, k] * a1[k, j]

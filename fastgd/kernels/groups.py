"""Products of rows by group, and descent on the statistics of each group, one after the other.

The rows of a group are read in their order, about a reference of the group: x_ref and y_ref near its means,
and weights w_ref that fit it if its residuals are small. A group is read from memory once, and then from the
cache. Its products depend on its rows alone.

x (n·d,) holds the rows one after the other.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels import gram, proximal, tree
from fastgd.kernels._jit import kernel
from fastgd.kernels.epochs import dot
from fastgd.kernels.vectors import LANES, prefetch

BLOCK = 1024
"""Rows that are centred together."""
READINGS = 4
"""The most readings of a group, each about better weights."""
AHEAD = 16
"""Rows between the one that is read and the one that is fetched."""
EPS = 2.0**-52
SHIFT_BITS = -4
"""References are multiples of 2^SHIFT_BITS times a column's spread, so that x − x_ref is exact for most
data."""


@kernel
def sort_rows(codes, lowest, starts, order):
    """Sort the numbers of the rows by code, and by number within a code.

    The rows of code lowest + k are order[starts[k]:starts[k + 1]].
    """
    for i in range(len(codes)):
        starts[codes[i] - lowest + 1] += 1
    for k in range(1, len(starts)):
        starts[k] += starts[k - 1]
    place = starts.copy()
    for i in range(len(codes)):
        k = codes[i] - lowest
        order[place[k]] = i
        place[k] += 1


@kernel
def rounded(mean, spread, first):
    """A number near the mean with few bits."""
    if not 0.0 < spread < math.inf:
        return first
    unit = math.ldexp(1.0, math.frexp(spread)[1] + SHIFT_BITS)
    return np.rint(mean / unit) * unit


@kernel
def centre(x, y, weights, rows, sums, spread, x_ref):
    """Write numbers near the weighted means of the columns into x_ref, and return that of y, and Σ s."""
    d = len(x_ref)
    start, y_first, y_sum, y_spread, total = rows[0] * d, np.float64(y[rows[0]]), 0.0, 0.0, 0.0
    for j in range(d):
        sums[j] = spread[j] = 0.0
    for i in range(len(rows)):
        row = rows[i]
        later = rows[min(i + AHEAD, len(rows) - 1)]
        prefetch(x, later * d)
        prefetch(x, later * d + d - 1)
        prefetch(y, later)
        weight = weights[row] if len(weights) else 1.0
        if weight > 0.0:
            total += weight
            for j in range(d):
                u = np.float64(x[row * d + j]) - np.float64(x[start + j])
                sums[j] += weight * u
                spread[j] = max(spread[j], abs(u))
            u = np.float64(y[row]) - y_first
            y_sum += weight * u
            y_spread = max(y_spread, abs(u))
    for j in range(d):
        first = np.float64(x[start + j])
        x_ref[j] = rounded(first + sums[j] / total, spread[j], first) if total else first
    return rounded(y_first + y_sum / total, y_spread, y_first) if total else y_first, total


@kernel
def read(x, y, weights, rows, x_ref, y_ref, w, xs, ys, panel, stride, out, width, stack):
    """The lower triangle of Σ z zᵀ with z = √s·[x − x_ref, 1, r] and r = y − y_ref − (x − x_ref)·w."""
    d = len(x_ref)
    n_blocks, top = -(-len(rows) // BLOCK), tree.EMPTY
    for block in range(n_blocks):
        start = block * BLOCK
        n = min(BLOCK, len(rows) - start)
        for i in range(n):
            row, to = rows[start + i], i * (d + 1)
            root = math.sqrt(weights[row]) if len(weights) else 1.0
            for j in range(d):
                xs[to + j] = (np.float64(x[row * d + j]) - x_ref[j]) * root
            xs[to + d] = root
            ys[i] = (np.float64(y[row]) - y_ref) * root
        for j in range(len(out)):
            out[j] = 0.0
        gram.add_block(xs[: n * (d + 1)], ys[:n], 0, n, w, panel, stride, 0, out, width)
        node, at = stack[top], 0
        for i in range(d + 2):
            for j in range(i + 1):
                node[at + j] = out[i * width + j]
            at += i + 1
        top = tree.push(stack, top, block)
    while top > 1:
        for j in range(stack.shape[1]):
            stack[top - 2, j] += stack[top - 1, j]
        top -= 1
    return stack[0]


@kernel
def centred(node, constant, offset, S, c):
    """From a node to offset, S and c about the means; returns r_mean, s and Σ s r².

    A column whose variance is below `constant` times its mean square is constant.
    """
    d = len(c)
    last, residuals = d * (d + 1) // 2, (d + 1) * (d + 2) // 2
    total = node[last + d]
    r_mean = node[residuals + d] / total
    for j in range(d):
        offset[j] = node[last + j] / total
        c[j] = node[residuals + j] - offset[j] * node[residuals + d]
        for i in range(j + 1):
            S[i, j] = S[j, i] = node[j * (j + 1) // 2 + i] - total * offset[i] * offset[j]
    for j in range(d):
        if S[j, j] <= constant * node[j * (j + 3) // 2] < math.inf:
            c[j] = 0.0
            for i in range(d):
                S[i, j] = S[j, i] = 0.0
    squares = node[residuals + d + 1]
    return r_mean, max(0.0, squares - total * r_mean * r_mean), squares


@kernel
def factorize(G, tolerance, L, order, left):
    """L (rank, rank) with G = L Lᵀ on the first columns of `order`. Returns the rank.

    The next pivot is the column with the largest share of its square that earlier ones do not explain. Shares
    up to `tolerance` count as 0.
    """
    d = len(G)
    for j in range(d):
        order[j], left[j] = j, G[j, j]
    for k in range(d):
        p, share = k, 0.0
        for i in range(k, d):
            square = G[order[i], order[i]]
            if square > 0.0 and left[i] > share * square:
                p, share = i, left[i] / square
        if not share > tolerance:
            return k
        order[k], order[p] = order[p], order[k]
        left[k], left[p] = left[p], left[k]
        for j in range(k):
            L[k, j], L[p, j] = L[p, j], L[k, j]
        L[k, k] = math.sqrt(left[k])
        for i in range(k + 1, d):
            L[i, k] = (G[order[i], order[k]] - dot(L[i, :k], L[k, :k])) / L[k, k]
            left[i] -= L[i, k] * L[i, k]
    return d


@kernel
def solve(L, order, rank, c, v):
    """v with G v = c, which is 0 on the columns that others explain."""
    for j in range(len(v)):
        v[j] = 0.0
    for i in range(rank):
        v[order[i]] = c[order[i]]
        for j in range(i):
            v[order[i]] -= L[i, j] * v[order[j]]
        v[order[i]] /= L[i, i]
    for i in range(rank - 1, -1, -1):
        for j in range(i + 1, rank):
            v[order[i]] -= L[j, i] * v[order[j]]
        v[order[i]] /= L[i, i]


@kernel
def summarize(
    x,
    y,
    weights,
    order,
    starts,
    rules,
    total,
    x_ref,
    y_ref,
    w_ref,
    offset,
    r_mean,
    S,
    c,
    s,
    error,
):
    """The products of each group, as in `solver/products.py`; starts (groups + 1,).

    `rules` are the share of a column's square that is rounding, the tolerance of ranks, and the share of the
    cost at the reference below which a cost has lost digits.
    """
    d = x_ref.shape[1]
    constant, tolerance, far = rules
    tiles_down, width = (d + 1) // gram.TILE + 1, ((d + 1) // LANES + 1) * LANES
    stride = min(width | LANES, gram.STRIP)
    panel = np.zeros(((d + 1) // gram.STRIP + 1) * gram.PANEL * stride + LANES)
    xs, ys, out = np.empty(BLOCK * (d + 1) + LANES), np.empty(BLOCK), np.empty(tiles_down * gram.TILE * width)
    w, v, sums, spread = np.zeros(width), np.zeros(d), np.empty(d), np.empty(d)
    L, pivots, left = np.empty((d, d)), np.empty(d, np.int64), np.empty(d)
    most = 1
    for k in range(len(total)):
        most = max(most, starts[k + 1] - starts[k])
    stack = tree.new_stack(-(-most // BLOCK), gram.numbers(d + 1))
    for k in range(len(total)):
        rows = order[starts[k] : starts[k + 1]]
        y_ref[k], total[k] = centre(x, y, weights, rows, sums, spread, x_ref[k])
        for j in range(width):
            w[j] = 0.0
        rank, squares_of_y = -1, 0.0
        for reading in range(READINGS if total[k] else 0):
            node = read(x, y, weights, rows, x_ref[k], y_ref[k], w, xs, ys, panel, stride, out, width, stack)
            r_mean[k], s[k], squares = centred(node, constant, offset[k], S[k], c[k])
            if reading == 0:
                rank = factorize(S[k], tolerance, L, pivots, left)
                squares_of_y = s[k] + total[k] * (y_ref[k] + r_mean[k]) ** 2
            # Each residual has a rounding error of about eps·|y|.
            noise = EPS * EPS * squares_of_y
            error[k] = EPS * 4.0 * squares + 2.0 * math.sqrt(s[k] * noise) + noise
            for j in range(d):
                w_ref[k, j] = w[j]
            solve(L, pivots, rank, c[k], v)
            if reading == READINGS - 1 or not s[k] - dot(v, c[k]) < far * s[k]:
                break
            y_ref[k] += r_mean[k] - dot(offset[k], v)  # so that the mean of the next residuals is 0
            for j in range(d):
                w[j] += v[j]


@kernel
def ranks(G, tolerance, out):
    """The rank of each table."""
    d = G.shape[1]
    L, pivots, left = np.empty((d, d)), np.empty(d, np.int64), np.empty(d)
    for k in range(len(G)):
        out[k] = factorize(G[k], tolerance, L, pivots, left)


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
    factors,
    first,
    momentum,
    nesterov,
    tol,
    floors,
    units,
    metric,
    patience,
    allow_divergence,
    done,
    has_converged,
    costs,
):
    """Run the epochs of `proximal.descend` for each group. Arrays have a first axis for the groups.

    The rate of epoch first + e is rates[k]·factors[e]. Groups that ended before `first` stay as they are.
    costs (groups, 2) gets the cost before the first epoch and after the last. metric has length 0, or a table
    for each group.
    """
    d, nothing = v.shape[1], np.empty(0)
    h, of_group, none = np.empty(d), np.empty(len(factors)), np.empty((0, d))
    for k in range(len(v)):
        if has_converged[k] or done[k] < first:
            continue
        for epoch in range(len(factors)):
            of_group[epoch] = rates[k] * factors[epoch]
        if first == 0:
            proximal.product(G[k], c[k], v[k], h)
            costs[k, 0] = proximal.cost_at(c[k], s[k], n[k], l1[k], theta_ref[k], v[k], h)
            if not (allow_divergence or math.isfinite(costs[k, 0])):
                costs[k, 1] = costs[k, 0]
                continue
        n_done, has_converged[k] = proximal.descend(
            G[k],
            c[k],
            s[k],
            n[k],
            theta_ref[k],
            l1[k],
            v[k],
            before[k],
            state[k],
            of_group,
            momentum,
            nesterov,
            tol,
            floors[k],
            units[k],
            metric[k] if len(metric) else none,
            patience,
            allow_divergence,
            nothing,
            none,
            nothing,
        )
        done[k] += n_done
        proximal.product(G[k], c[k], v[k], h)
        costs[k, 1] = proximal.cost_at(c[k], s[k], n[k], l1[k], theta_ref[k], v[k], h)

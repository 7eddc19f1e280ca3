"""Products of rows by group, and descent on the statistics of each group, one after the other.

The rows of a group are read in their order, about a reference of the group: its first row, or its means where
the first row is far from them, and weights w_ref that fit it where its residuals are small. A group is read
from memory once, and again from the cache if its reference changes. Its products depend on its rows alone.

x (n·d,) holds the rows one after the other, and y the targets in the order of the groups.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels import gram, proximal, tree
from fastgd.kernels._jit import kernel
from fastgd.kernels.arrays import empty, greatest, least, zeros, zeros_as
from fastgd.kernels.epochs import dot
from fastgd.kernels.vectors import LANES, prefetch

BLOCK = 1024
"""Rows whose products are added to a node of the tree."""
READINGS = 5
"""The most readings of a group, each about a better reference."""
AHEAD = 12
"""Rows between the one that is read and the one that is fetched."""
EPS = 2.0**-52
OFF = 16.0
"""A reference is far from the mean if the square of the distance is above OFF times the variance."""


@kernel
def count(codes, lowest, counts):
    """Add the number of rows of code lowest + k to counts[k]."""
    for i in range(len(codes)):
        counts[codes[i] - lowest] += 1


@kernel
def sort_rows(codes, lowest, y, first, places, order, targets):
    """Write the numbers of the rows from `first` on, and their targets, to the places of their codes.

    The next row of code lowest + k goes to places[k].
    """
    for i in range(len(codes)):
        k = codes[i] - lowest
        order[places[k]], targets[places[k]] = first + i, y[i]
        places[k] += 1


@kernel
def fill(x, y, weights, order, begin, end, x_ref, y_ref, w, panel, stride):
    """Write the rows √s·[u, r, 1] with u = x − x_ref and r = y − y_ref − u·w. Returns Σ s.

    Strips of wide rows lie one after the other, as in `gram`.
    """
    d, jump, total = len(x_ref), gram.PANEL * stride - gram.STRIP, 0.0
    last, ones = d + d // gram.STRIP * jump, d + 1 + (d + 1) // gram.STRIP * jump
    for i in range(end - begin):
        later = order[least(begin + i + AHEAD, len(order) - 1)]
        prefetch(x, later * d)
        prefetch(x, later * d + d - 1)
        row, to, weight = order[begin + i], i * stride, 1.0
        root = 1.0
        if len(weights):
            weight = weights[row]
            root = math.sqrt(weight)
        start, r = row * d, y[begin + i] - y_ref
        for first in range(0, d, gram.STRIP):
            for j in range(first, least(first + gram.STRIP, d)):
                u = np.float64(x[start + j]) - x_ref[j]
                r -= u * w[j]
                panel[to + j] = u * root
            to += jump
        panel[i * stride + last], panel[i * stride + ones] = r * root, root
        total += weight
    return total


@kernel
def read(x, y, weights, order, begin, end, x_ref, y_ref, w, panel, stride, out, width, node):
    """Write Σ z zᵀ, z = √s·[u, r], and Σ √s z as its last column, into `node` (d + 1, d + 2). Returns Σ s.

    Only the lower triangle and the last column are set.
    """
    d, jump, total = len(x_ref), gram.PANEL * stride - gram.STRIP, 0.0
    n_blocks = -(-(end - begin) // BLOCK)
    stack = tree.new_stack(n_blocks, node.size)
    top = tree.EMPTY
    for block in range(n_blocks):
        for j in range(len(out)):
            out[j] = 0.0
        start = begin + block * BLOCK
        stop = least(start + BLOCK, end)
        for first in range(start, stop, gram.PANEL):
            last = least(first + gram.PANEL, stop)
            total += fill(x, y, weights, order, first, last, x_ref, y_ref, w, panel, stride)
            for i in range(0, d + 1, gram.TILE):
                for j in range(0, d + 2, LANES):
                    if j < i + gram.TILE or d + 1 < j + LANES:
                        a, b = i + i // gram.STRIP * jump, j + j // gram.STRIP * jump
                        gram.add_tile(panel, last - first, a, b, stride, x, 0, 0, out, i * width + j, width)
        for i in range(d + 1):
            for j in range(d + 2):
                stack[top, i * (d + 2) + j] = out[i * width + j]
        top = tree.push(stack, top, block)
    sums = tree.total(stack, top)
    for i in range(d + 1):
        for j in range(d + 2):
            node[i, j] = sums[i * (d + 2) + j]
    return total


@kernel
def centred(node, total, constant, offset, S, c):
    """From a node to offset, S and c about the means; returns r_mean, s and Σ s r².

    A column whose variance is below `constant` times its mean square is constant.
    """
    d = len(c)
    r_mean = node[d, d + 1] / total
    for j in range(d):
        offset[j] = node[j, d + 1] / total
        c[j] = node[d, j] - offset[j] * node[d, d + 1]
        for i in range(j + 1):
            S[i, j] = S[j, i] = node[j, i] - total * offset[i] * offset[j]
    for j in range(d):
        if S[j, j] <= constant * node[j, j] < math.inf:
            c[j] = 0.0
            for i in range(d):
                S[i, j] = S[j, i] = 0.0
    return r_mean, greatest(0.0, node[d, d] - total * r_mean * r_mean), node[d, d]


@kernel
def is_off(total, offset, S):
    """Whether the reference is far from the means."""
    for j in range(len(offset)):
        if offset[j] * offset[j] * total > OFF * S[j, j]:
            return True
    return False


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
    y_offset,
    y_squares,
    error,
):
    """The products of each group, as in `solver/products.py`; starts (groups + 1,).

    `rules` are the share of a column's square that is rounding, the tolerance of ranks, and the share of the
    cost at the reference below which a cost has lost digits.
    """
    d = x_ref.shape[1]
    constant, tolerance, far = rules
    width = ((d + 1) // LANES + 1) * LANES
    stride = least(width | LANES, gram.STRIP)
    panel = zeros(((d + 1) // gram.STRIP + 1) * gram.PANEL * stride + LANES)
    out, node = empty((d // gram.TILE + 1) * gram.TILE * width), empty((d + 1, d + 2))
    v, L, pivots, left = zeros(d), empty((d, d)), zeros_as(d, starts), empty(d)
    for k in range(len(total)):
        begin, end = starts[k], starts[k + 1]
        for j in range(d):
            x_ref[k, j], w_ref[k, j] = np.float64(x[order[begin] * d + j]), 0.0
        y_ref[k], is_fitted = y[begin], False
        for reading in range(READINGS):
            at = x_ref[k], y_ref[k], w_ref[k]
            total[k] = read(x, y, weights, order, begin, end, *at, panel, stride, out, width, node)
            if not total[k] > 0.0:
                break
            r_mean[k], s[k], squares = centred(node, total[k], constant, offset[k], S[k], c[k])
            rank = factorize(S[k], tolerance, L, pivots, left)
            solve(L, pivots, rank, c[k], v)
            if reading == 0:  # about weights 0
                y_mean = y_ref[k] + r_mean[k]
                noise = EPS * EPS * (s[k] + total[k] * y_mean * y_mean)
            # Each residual has a rounding error of about eps·|y|.
            error[k] = EPS * 4.0 * squares + 2.0 * math.sqrt(s[k] * noise) + noise
            y_offset[k] = r_mean[k] + dot(offset[k], w_ref[k])
            if not is_fitted:
                y_squares[k] = s[k]
            is_close = s[k] - dot(v, c[k]) < far * s[k]
            is_far = is_off(total[k], offset[k], S[k]) or r_mean[k] * r_mean[k] * total[k] > OFF * s[k]
            if reading == READINGS - 1 or not (is_close or is_far):
                break
            y_ref[k] += y_offset[k]  # the mean of y
            if is_close and (is_fitted or not is_far):  # the squares of y are those about weights 0
                is_fitted = True
                for j in range(d):
                    w_ref[k, j] += v[j]
            for j in range(d):  # about the means
                x_ref[k, j] += offset[k, j]


@kernel
def invert(G, tolerance, ranks, inverses):
    """The rank of each table, and its inverse if the rank is full; `inverses` may have length 0."""
    d = G.shape[1]
    L, pivots, left = empty((d, d)), zeros_as(d, ranks), empty(d)
    unit, column = zeros(d), empty(d)
    for k in range(len(G)):
        ranks[k] = factorize(G[k], tolerance, L, pivots, left)
        if not len(inverses) or ranks[k] < d:
            continue
        for j in range(d):
            unit[j] = 1.0
            solve(L, pivots, d, unit, column)
            unit[j] = 0.0
            for i in range(d):
                inverses[k, i, j] = column[i]


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
    d, nothing = v.shape[1], empty(0)
    h, of_group, none = empty(d), empty(len(factors)), empty((0, d))
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
            none,
        )
        done[k] += n_done
        proximal.product(G[k], c[k], v[k], h)
        costs[k, 1] = proximal.cost_at(c[k], s[k], n[k], l1[k], theta_ref[k], v[k], h)

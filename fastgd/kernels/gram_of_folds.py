"""Statistics of centred rows, of all or of each fold: Σ z zᵀ with z = √s·[x − shift, 1, r].

r = y − (x − shift)·w − b. The 1 and b are there only with an intercept. The rows of a fold are gathered into
panels, and centred and weighted there. The tiles are those of `gram.py`. So the rows are read once, whatever
the number of folds. Blocks are added as in `tree.py`.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import CONTRACT, FAST, kernel
from fastgd.kernels.arrays import empty, least, zeros, zeros_as
from fastgd.kernels.gram import PANEL, STRIP, TILE, add_tile, numbers
from fastgd.kernels.vectors import (
    LANES,
    item,
    load,
    load_part,
    multiply_add,
    padded,
    splat,
    store,
    total,
)


@kernel
def by_fold(of_row, order, ends):
    """Write the rows, those of fold 0 first, and where each fold ends. Row i is in fold of_row[i]."""
    for fold in range(len(ends)):
        ends[fold] = 0
    for i in range(len(of_row)):
        ends[of_row[i]] += 1
    for fold in range(1, len(ends)):
        ends[fold] += ends[fold - 1]
    for i in range(len(of_row) - 1, -1, -1):
        ends[of_row[i]] -= 1
        order[ends[of_row[i]]] = i
    for fold in range(len(ends) - 1):
        ends[fold] = ends[fold + 1]
    ends[len(ends) - 1] = len(of_row)


@kernel(fastmath=CONTRACT)
def fill_panel(x, y, weights, rows, shift, w, d, stride, panel):
    """Write the rows z of a panel, with d numbers and r.

    shift and w are padded. Rows of a strip are `stride` numbers apart. With less than a vector of columns, r
    is y minus one product after the other, which rounds half as often. Four such rows at once do not wait
    for each other.
    """
    columns, jump = len(x) // len(y), PANEL * stride - STRIP
    rest = columns % LANES
    whole = columns - rest
    last, ones = whole + whole // STRIP * jump, columns + columns // STRIP * jump
    residual = d + d // STRIP * jump
    b = item(w, columns) if d > columns else 0.0
    has_weights, is_wide = len(weights) > 0, columns >= LANES
    root = 1.0
    for i in range(len(rows)):
        row = rows[i]
        start, to, end = row * columns, i * stride, STRIP
        if has_weights:
            root = math.sqrt(weights[row])
        factor, score = splat(root), splat(0.0)
        for j in range(0, whole, LANES):
            if j == end:
                to, end = to + jump, end + STRIP
            x_j = scaled(load(x, start + j), load(shift, j), factor)
            store(panel, to + j, x_j)
            score = multiply_add(x_j, load(w, j), score)
        to = i * stride
        if rest:
            x_j = scaled(load_part(x, start + whole, rest), load(shift, whole), factor)
            store(panel, to + last, x_j)
            score = multiply_add(x_j, load(w, whole), score)
        target = root * item(y, row)
        panel[to + ones] = root
        if is_wide:
            target -= total(score) + root * b
        panel[to + residual] = target
    if columns < LANES:
        for i in range(0, len(rows), 4):
            a, c, e, f = i * stride, (i + 1) * stride, (i + 2) * stride, (i + 3) * stride
            r, s, t, u = item(panel, a + d), item(panel, c + d), item(panel, e + d), item(panel, f + d)
            for j in range(d):
                w_j = item(w, j)
                r -= item(panel, a + j) * w_j
                s -= item(panel, c + j) * w_j
                t -= item(panel, e + j) * w_j
                u -= item(panel, f + j) * w_j
            panel[a + d], panel[c + d], panel[e + d], panel[f + d] = r, s, t, u


@kernel
def scaled(x, shift, factor):
    """(x − shift)·factor."""
    return multiply_add(multiply_add(splat(-1.0), shift, x), factor, splat(0.0))


@kernel
def tiles(d):
    """The number of tiles that cover the lower triangle."""
    count = 0
    for i in range(0, d + 1, TILE):
        count += (least(i + TILE, d + 1) - 1) // LANES + 1
    return count


@kernel(fastmath=FAST)
def add_targets(y, weights, rows, b, out, at):
    """Add Σ s t, Σ s t² with t = y − b, and the number of rows of weight above 0 to `out` from out[at] on."""
    moment, square, counted = 0.0, 0.0, 0.0
    for row in rows:
        s, t = weights[row] if len(weights) else 1.0, np.float64(y[row]) - b
        moment, square, counted = moment + s * t, square + s * (t * t), counted + (s > 0.0)
    out[at] += moment
    out[at + 1] += square
    out[at + 2] += counted


@kernel
def add_rows(x, y, weights, rows, following, shift, w, d, panel, stride, out, n_tiles):
    """out += Σ z zᵀ over these rows, tile by tile.

    `following` are rows that are read next. Each tile prefetches some of them, and then the rows after them.
    """
    columns, jump = len(x) // len(y), PANEL * stride - STRIP
    step, final = -(-columns // n_tiles), len(following) - 1
    for first in range(0, len(rows), PANEL):
        last, tile = least(first + PANEL, len(rows)), 0
        fill_panel(x, y, weights, rows[first:last], shift, w, d, stride, panel)
        for i in range(0, d + 1, TILE):
            for j in range(0, least(i + TILE, d + 1), LANES):
                a, b = i + i // STRIP * jump, j + j // STRIP * jump
                next_row = last + PANEL * tile // n_tiles
                known = least(next_row, final)
                ahead = (following[known] + next_row - known) * columns
                add_tile(panel, last - first, a, b, stride, x, ahead, step, out, tile * TILE * LANES, LANES)
                tile += 1


@kernel
def run(x, y, weights, of_row, k, shift, w_ref, block_rows, has_targets):
    """Σ z zᵀ of each fold: (k, numbers), or (k, numbers + 3) with the sums of `add_targets`.

    x (n·d,) holds the rows one after the other. weights has length 0 if the rows are unweighted. of_row may
    be empty if k is 1.
    """
    n, d, columns = len(y), len(w_ref), len(shift)
    n_tiles, stride = tiles(d), least((d // LANES + 1) * LANES | LANES, STRIP)
    table, others = n_tiles * TILE * LANES, 3 if has_targets else 0
    size, b = table + others, w_ref[columns] if d > columns else 0.0
    panel = zeros((d // STRIP + 1) * PANEL * stride + LANES)
    shift, w = padded(shift), padded(w_ref)
    order, ends = zeros_as(least(n, block_rows), of_row), zeros_as(k, of_row)
    for i in range(len(order)):
        order[i] = i
    n_blocks = -(-n // block_rows)
    stack = tree.new_stack(n_blocks, k * size)
    top = tree.EMPTY
    for block in range(n_blocks):
        start, stop = block * block_rows, least((block + 1) * block_rows, n)
        block_x, block_y = x[start * columns : stop * columns], y[start:stop]
        block_weights = weights[start:stop] if len(weights) else weights
        ends[0] = stop - start
        if k > 1:
            by_fold(of_row[start:stop], order, ends)
        node, first = stack[top], 0
        for j in range(len(node)):
            node[j] = 0.0
        for fold in range(k):
            last, out = ends[fold], node[fold * size : (fold + 1) * size]
            rows, following = order[first:last], order[first : stop - start]
            add_rows(
                block_x, block_y, block_weights, rows, following, shift, w, d, panel, stride, out, n_tiles
            )
            if has_targets:
                add_targets(block_y, block_weights, rows, b, out, table)
            first = last
        top = tree.push(stack, top, block)
    node, sums = tree.total(stack, top), empty((k, numbers(d) + others))
    for fold in range(k):
        unpack(node[fold * size :], d, sums[fold])
        for j in range(others):
            sums[fold, numbers(d) + j] = node[fold * size + table + j]
    return sums


@kernel
def unpack(out, d, sums):
    """Write the lower triangle, row by row, from tiles."""
    at = 0
    for i in range(0, d + 1, TILE):
        for j in range(0, least(i + TILE, d + 1), LANES):
            for row in range(i, least(i + TILE, d + 1)):
                for column in range(j, least(j + LANES, row + 1)):
                    sums[row * (row + 1) // 2 + column] = out[at + (row - i) * LANES + column - j]
            at += TILE * LANES

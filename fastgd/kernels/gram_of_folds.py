"""Statistics of folds: Σ z zᵀ of each fold, with z = √s·[x − shift, 1, y − (x − shift)·w − b].

The rows of a fold are gathered into panels, and centred and weighted there. The tiles are those of `gram.py`.
So the rows are read once, whatever the number of folds. Blocks are added as in `tree.py`.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import CONTRACT, kernel
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
def fill_panel(x, y, weights, rows, shift, w, stride, panel):
    """Write the rows z of a panel. Returns Σ s t, Σ s t² with t = y − b, and the number of rows of weight
    above 0.

    shift and w are padded. Rows of a strip are `stride` numbers apart.
    """
    d, jump, counted = len(x) // len(y), PANEL * stride - STRIP, 0
    moment = square = 0.0
    rest = d % LANES
    whole = d - rest
    last, ones = whole + whole // STRIP * jump, d + d // STRIP * jump
    residual = (d + 1) + (d + 1) // STRIP * jump
    for i in range(len(rows)):
        start, to, end = rows[i] * d, i * stride, STRIP
        root = math.sqrt(weights[rows[i]]) if len(weights) else 1.0
        counted += root > 0.0
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
        panel[to + ones] = root
        panel[to + residual] = root * item(y, rows[i]) - (total(score) + root * item(w, d))
        t = root * (item(y, rows[i]) - item(w, d))
        moment, square = moment + root * t, square + t * t
    return moment, square, counted


@kernel
def scaled(x, shift, factor):
    """(x − shift)·factor."""
    return multiply_add(multiply_add(splat(-1.0), shift, x), factor, splat(0.0))


@kernel
def tiles(d):
    """The number of tiles that cover the lower triangle."""
    count = 0
    for i in range(0, d + 1, TILE):
        count += (min(i + TILE, d + 1) - 1) // LANES + 1
    return count


@kernel
def add_fold(x, y, weights, rows, following, shift, w, panel, stride, out, n_tiles):
    """out += Σ z zᵀ over these rows, tile by tile, with the sums of `fill_panel` after the tiles.

    `following` are rows that are read next. Each tile prefetches some of them.
    """
    d, jump, table = len(x) // len(y) + 1, PANEL * stride - STRIP, n_tiles * TILE * LANES
    step = -(-d // n_tiles)
    for first in range(0, len(rows), PANEL):
        last, tile = min(first + PANEL, len(rows)), 0
        moment, square, counted = fill_panel(x, y, weights, rows[first:last], shift, w, stride, panel)
        out[table] += moment
        out[table + 1] += square
        out[table + 2] += counted
        for i in range(0, d + 1, TILE):
            for j in range(0, min(i + TILE, d + 1), LANES):
                a, b = i + i // STRIP * jump, j + j // STRIP * jump
                ahead = following[min(last + PANEL * tile // n_tiles, len(following) - 1)] * (d - 1)
                at = tile * TILE * LANES
                add_tile(panel, last - first, a, b, stride, x, ahead, step, out, at, LANES)
                tile += 1


@kernel
def run(x, y, weights, of_row, k, shift, w_ref, block_rows):
    """Σ z zᵀ of each fold, Σ s (y − b), Σ s (y − b)², and its rows of weight above 0: (k, numbers + 3).

    x (n·d,) holds the rows one after the other. weights has length 0 if the rows are unweighted.
    """
    n, d = len(y), len(w_ref)
    n_tiles, stride = tiles(d), min((d // LANES + 1) * LANES | LANES, STRIP)
    table = n_tiles * TILE * LANES
    size = table + 3
    panel = np.zeros((d // STRIP + 1) * PANEL * stride + LANES)
    shift, w = padded(shift), padded(w_ref)
    order, ends = np.empty(min(n, block_rows), np.int64), np.empty(k, np.int64)
    n_blocks = -(-n // block_rows)
    stack = tree.new_stack(n_blocks, k * size)
    top = tree.EMPTY
    for block in range(n_blocks):
        start, stop = block * block_rows, min((block + 1) * block_rows, n)
        block_x, block_y = x[start * (d - 1) : stop * (d - 1)], y[start:stop]
        block_weights = weights[start:stop] if len(weights) else weights
        by_fold(of_row[start:stop], order, ends)
        node, first = stack[top], 0
        for j in range(len(node)):
            node[j] = 0.0
        for fold in range(k):
            last, out = ends[fold], node[fold * size : (fold + 1) * size]
            rows, following = order[first:last], order[first : stop - start]
            add_fold(block_x, block_y, block_weights, rows, following, shift, w, panel, stride, out, n_tiles)
            first = last
        top = tree.push(stack, top, block)
    node, sums = tree.total(stack, top), np.empty((k, numbers(d) + 3))
    for fold in range(k):
        unpack(node[fold * size :], d, sums[fold])
        sums[fold, numbers(d) :] = node[fold * size + table : (fold + 1) * size]
    return sums


@kernel
def unpack(out, d, sums):
    """Write the lower triangle, row by row, from tiles."""
    at = 0
    for i in range(0, d + 1, TILE):
        for j in range(0, min(i + TILE, d + 1), LANES):
            for row in range(i, min(i + TILE, d + 1)):
                for column in range(j, min(j + LANES, row + 1)):
                    sums[row * (row + 1) // 2 + column] = out[at + (row - i) * LANES + column - j]
            at += TILE * LANES

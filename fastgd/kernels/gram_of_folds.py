"""Statistics of folds: Σ z zᵀ of each fold, with z = √s·[x − shift, 1, y − (x − shift)·w − b].

The rows of a fold are gathered into panels, and centred and weighted there. The tiles are those of `gram.py`.
So the rows are read once, whatever the number of folds.
"""

from __future__ import annotations

import math

import numpy as np

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
def by_fold(of_row, k):
    """The rows, those of fold 0 first, and where each fold ends. Row i is in fold of_row[i]."""
    order, ends = np.empty(len(of_row), np.int64), np.zeros(k + 1, np.int64)
    for i in range(len(of_row)):
        ends[of_row[i] + 1] += 1
    for fold in range(k):
        ends[fold + 1] += ends[fold]
    for i in range(len(of_row)):
        order[ends[of_row[i]]] = i
        ends[of_row[i]] += 1
    return order, ends[:k]


@kernel(fastmath=CONTRACT)
def fill_panel(x, y, weights, rows, shift, w, stride, panel):
    """Write the rows z of a panel. Returns the number of rows of weight above 0.

    shift and w are padded. Rows of a strip are `stride` numbers apart.
    """
    d, jump, counted = len(x) // len(y), PANEL * stride - STRIP, 0
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
    return counted


@kernel
def scaled(x, shift, factor):
    """(x − shift)·factor."""
    return multiply_add(multiply_add(splat(-1.0), shift, x), factor, splat(0.0))


@kernel
def run(x, y, weights, of_row, k, shift, w_ref):
    """Σ z zᵀ of each fold, and its number of rows of weight above 0: (k, numbers + 1).

    x (n·d,) holds the rows one after the other. weights has length 0 if the rows are unweighted.
    """
    n, d = len(y), len(w_ref)
    order, ends = by_fold(of_row, k)
    down, across = d // TILE + 1, d // LANES + 1
    width = across * LANES
    stride = min(width | LANES, STRIP)
    jump = PANEL * stride - STRIP
    panel = np.zeros((d // STRIP + 1) * PANEL * stride + LANES)
    shift, w = padded(shift), padded(w_ref)
    sums, out = np.empty((k, numbers(d) + 1)), np.empty(down * TILE * width)
    n_tiles = 0
    for i in range(0, d + 1, TILE):
        n_tiles += (min(i + TILE, d + 1) - 1) // LANES + 1
    step = -(-d // n_tiles)
    for fold in range(k):
        counted = 0
        for j in range(len(out)):
            out[j] = 0.0
        for first in range(ends[fold - 1] if fold else 0, ends[fold], PANEL):
            last = min(first + PANEL, ends[fold])
            counted += fill_panel(x, y, weights, order[first:last], shift, w, stride, panel)
            tile = 0
            for i in range(0, d + 1, TILE):
                for j in range(0, min(i + TILE, d + 1), LANES):
                    at, a, b = i * width + j, i + i // STRIP * jump, j + j // STRIP * jump
                    # Each tile prefetches some of the next rows.
                    ahead = order[min(last + PANEL * tile // n_tiles, n - 1)] * (len(x) // n)
                    add_tile(panel, last - first, a, b, stride, x, ahead, step, out, at, width)
                    tile += 1
        at = 0
        for i in range(d + 1):
            for j in range(i + 1):
                sums[fold, at + j] = out[i * width + j]
            at += i + 1
        sums[fold, at] = counted
    return sums

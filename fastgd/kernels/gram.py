"""Statistics of a run of rows about w_ref: Σ z zᵀ with z = [x, r] and r = y − x·w_ref.

Σ z zᵀ contains XᵀX, Xᵀr and Σ r². A node holds its lower triangle, row by row.

The rows z of a panel are copied into the cache as float64. A tile of Σ z zᵀ has six rows and eight columns.
Its sums stay in registers and add one row of the panel after the other, so they never cross the lanes of a
vector. Panels are added to a block in order, and blocks as in `tree.py`. With few columns all sums stay in
registers.

x (n·d,) holds the rows one after the other.
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import CONTRACT, FAST, kernel
from fastgd.kernels.arithmetic import with_item
from fastgd.kernels.arrays import empty, least, zeros
from fastgd.kernels.vectors import (
    LANES,
    item,
    load,
    load_part,
    multiply_add,
    prefetch,
    splat,
    store,
    total,
)

PANEL = 64
"""Rows of a panel."""
STRIP = 120
"""Most columns of a strip: a whole number of tiles, and an odd number of cache lines, which spreads a column
over the cache. Strips of wide rows lie one after the other."""
TILE = 6
"""Rows of a tile. With eight columns its sums and factors fill the sixteen registers of AVX2."""
FEW = 3
"""The most columns for which `run_few` is faster: (d + 1)(d + 2)/2 sums fill the registers."""
LEAF_FEW = 512
NODE_1D = np.int64(3)
"""Numbers in a node of one column."""


def size(d: int) -> int:
    """Numbers in a node."""
    return (d + 1) * (d + 2) // 2


numbers = kernel(size)


@kernel(fastmath=CONTRACT)
def fill_panel(x, y, w, d, stride, panel):
    """Write the rows [x, r]. w is padded. Rows of a strip are `stride` numbers apart.

    With less than a vector of columns, r is y minus one product after the other, which rounds half as often.
    Four such rows at once do not wait for each other.
    """
    rest = d % LANES
    whole = d - rest
    jump = PANEL * stride - STRIP
    last = whole + whole // STRIP * jump
    for i in range(len(y)):
        start, to, end = i * d, i * stride, STRIP
        score = splat(0.0)
        for j in range(0, whole, LANES):
            if j == end:
                to, end = to + jump, end + STRIP
            x_j = load(x, start + j)
            store(panel, to + j, x_j)
            score = multiply_add(x_j, load(w, j), score)
        to = last + i * stride
        if rest:
            x_j = load_part(x, start + whole, rest)
            store(panel, to, x_j)
            score = multiply_add(x_j, load(w, whole), score)
        panel[to + rest] = item(y, i) - total(score) if d >= LANES else item(y, i)
    if d < LANES:
        for i in range(0, len(y), 4):
            a, b, c, e = i * stride, (i + 1) * stride, (i + 2) * stride, (i + 3) * stride
            r, s, t, u = item(panel, a + d), item(panel, b + d), item(panel, c + d), item(panel, e + d)
            for j in range(d):
                w_j = item(w, j)
                r -= item(panel, a + j) * w_j
                s -= item(panel, b + j) * w_j
                t -= item(panel, c + j) * w_j
                u -= item(panel, e + j) * w_j
            panel[a + d], panel[b + d], panel[c + d], panel[e + d] = r, s, t, u


@kernel
def add_tile(panel, n, i, j, stride, x, ahead, step, out, at, width):
    """Add a tile over n rows to `out` at out[at]. Its columns start at panel[i] and panel[j].

    Each row prefetches `step` numbers of the next panel, so that the memory is never idle.
    """
    a = b = c = e = f = g = splat(0.0)
    for _ in range(n):
        prefetch(x, ahead)
        z = load(panel, j)
        a = multiply_add(splat(item(panel, i)), z, a)
        b = multiply_add(splat(item(panel, i + 1)), z, b)
        c = multiply_add(splat(item(panel, i + 2)), z, c)
        e = multiply_add(splat(item(panel, i + 3)), z, e)
        f = multiply_add(splat(item(panel, i + 4)), z, f)
        g = multiply_add(splat(item(panel, i + 5)), z, g)
        i, j, ahead = i + stride, j + stride, ahead + step
    add(a, out, at)
    add(b, out, at + width)
    add(c, out, at + 2 * width)
    add(e, out, at + 3 * width)
    add(f, out, at + 4 * width)
    add(g, out, at + 5 * width)


@kernel
def add(value, out, at):
    store(out, at, multiply_add(splat(1.0), value, load(out, at)))


@kernel
def add_block(x, y, start, stop, w, panel, stride, step, out, width):
    """out += Σ z zᵀ over rows start:stop. Tiles cover the lower triangle and some numbers around it."""
    d, jump = len(x) // len(y), PANEL * stride - STRIP
    for first in range(start, stop, PANEL):
        last = least(first + PANEL, stop)
        fill_panel(x[first * d : last * d], y[first:last], w, d, stride, panel)
        ahead = last * d
        for i in range(0, d + 1, TILE):
            for j in range(0, least(i + TILE, d + 1), LANES):
                at, a, b = i * width + j, i + i // STRIP * jump, j + j // STRIP * jump
                add_tile(panel, last - first, a, b, stride, x, ahead, step, out, at, width)
                ahead += PANEL * step


@kernel
def run(x, y, w_ref, block_rows):
    """Σ z zᵀ over a run of blocks. Any number of columns."""
    n, d = len(y), len(w_ref)
    tiles_down, tiles_across = d // TILE + 1, d // LANES + 1
    width = tiles_across * LANES
    stride = least(width | LANES, STRIP)
    panel, w = zeros((d // STRIP + 1) * PANEL * stride + LANES), zeros(width)
    for j in range(d):
        w[j] = w_ref[j]
    out, step = empty(tiles_down * TILE * width), -(-2 * d // (tiles_down * tiles_across))
    n_blocks = -(-n // block_rows)
    stack = tree.new_stack(n_blocks, numbers(d))
    top = tree.EMPTY
    for block in range(n_blocks):
        start, stop = block * block_rows, least((block + 1) * block_rows, n)
        for j in range(len(out)):
            out[j] = 0.0
        add_block(x, y, start, stop, w, panel, stride, step, out, width)
        node, at = stack[top], 0
        for i in range(d + 1):
            for j in range(i + 1):
                node[at + j] = out[i * width + j]
            at += i + 1
        top = tree.push(stack, top, block)
    return tree.total(stack, top)


@kernel(fastmath=FAST)
def leaf_few(x, y, weights, shift, w_ref, zeros, out):
    """Σ s z zᵀ of a leaf. Loops over columns unroll, so that the loop over rows is a vector loop."""
    is_plain, d, sums = len(shift) == 0, len(w_ref), zeros
    columns = d if is_plain else len(shift)
    for k in range(len(y)):
        z = w_ref + (0.0,)  # noqa: RUF005
        r, s = np.float64(y[k]), 1.0 if is_plain else weights[k]
        for j in range(columns):
            x_j = np.float64(x[k * columns + j])
            if not is_plain:
                x_j -= shift[j]
            z = with_item(z, j, x_j)
            r -= x_j * w_ref[j]
        if d > columns:
            z = with_item(z, columns, 1.0)
            r -= w_ref[columns]
        z, at = with_item(z, d, r), 0
        for i in range(d + 1):
            z_i = s * z[i]
            for j in range(i + 1):
                sums = with_item(sums, at, sums[at] + z_i * z[j])
                at += 1
    for j in range(len(sums)):
        out[j] = sums[j]


@kernel
def run_few(x, y, weights, shift, w_ref, zeros):
    """Σ s z zᵀ over a run of blocks with few columns, with z = [x − shift, 1, r].

    shift and w_ref are tuples, and so is `zeros`, a node. The 1 is there if w_ref has a number more than
    shift: the intercept. An empty shift means z = [x, r], without weights. weights has length 0 if all are 1.
    """
    columns, has_weights = len(shift) if len(shift) else len(w_ref), len(weights) > 0
    n_leaves = -(-len(y) // LEAF_FEW)
    stack = tree.new_stack(n_leaves, len(zeros))
    top, s = tree.EMPTY, empty(LEAF_FEW)
    for k in range(LEAF_FEW):
        s[k] = 1.0
    for leaf in range(n_leaves):
        start, stop = leaf * LEAF_FEW, (leaf + 1) * LEAF_FEW
        if has_weights:
            s = weights[start:stop]
        leaf_few(x[start * columns : stop * columns], y[start:stop], s, shift, w_ref, zeros, stack[top])
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)

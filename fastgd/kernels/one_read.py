"""Maps and statistics in one pass: both kernels use a few blocks while they are in the cache.

Arguments are those of the kernels in `maps.py`. Results are those of the kernels in `gram.py`.
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels import gram, maps, tree
from fastgd.kernels._jit import kernel

NEAR_NUMBERS = 1 << 15
"""Numbers of X that stay in the cache: 2^k whole blocks."""


@kernel
def near_blocks(d, block_rows):
    blocks = 1
    while 2 * blocks * block_rows * d <= NEAR_NUMBERS:
        blocks *= 2
    return blocks


@kernel
def run_1d(x, y, w_ref, rates, block_rows, a, b, growth):
    n_blocks = a.shape[1]
    sums, stack = np.empty((n_blocks, gram.NODE_1D)), tree.new_stack(n_blocks, gram.NODE_1D)
    maps.run_1d(x, y, w_ref, rates, block_rows, a, b, growth, sums)
    top = tree.EMPTY
    for block in range(n_blocks):
        put(sums[block], stack[top])
        top = tree.push(stack, top, block)
    return tree.total(stack, top)


@kernel
def run_few(x, y, w_tuple, w_ref, rates, block_rows, a, b, growth):
    """x (n·d,) holds the rows one after the other. w_tuple and w_ref hold the same numbers."""
    d = len(w_ref)
    near = near_blocks(d, block_rows)
    n_parts = -(-a.shape[1] // near)
    stack = tree.new_stack(n_parts, gram.numbers(d))
    top = tree.EMPTY
    for part in range(n_parts):
        blocks = slice(part * near, (part + 1) * near)
        start, stop = part * near * block_rows, min((part + 1) * near * block_rows, len(y))
        xs, ys = x[start * d : stop * d], y[start:stop]
        maps.run_few(xs, ys, w_tuple, rates, block_rows, a[:, blocks], b[:, blocks], growth[:, blocks])
        put(gram.run(xs, ys, w_ref, block_rows), stack[top])
        top = tree.push(stack, top, part)
    return tree.total(stack, top)


@kernel
def run_nd(X, x, y, w_ref, rates, block_rows, a, b, growth):
    """x (n·d,) holds the rows of X one after the other."""
    d = len(w_ref)
    near = near_blocks(d, block_rows)
    n_parts = -(-a.shape[1] // near)
    stack = tree.new_stack(n_parts, gram.numbers(d))
    top = tree.EMPTY
    for part in range(n_parts):
        blocks = slice(part * near, (part + 1) * near)
        start, stop = part * near * block_rows, min((part + 1) * near * block_rows, len(y))
        rows, ys = X[start:stop], y[start:stop]
        maps.run_nd(rows, ys, w_ref, rates, block_rows, a[:, blocks], b[:, blocks], growth[:, blocks])
        put(gram.run(x[start * d : stop * d], ys, w_ref, block_rows), stack[top])
        top = tree.push(stack, top, part)
    return tree.total(stack, top)


@kernel
def put(node, place):
    for j in range(len(place)):
        place[j] = node[j]

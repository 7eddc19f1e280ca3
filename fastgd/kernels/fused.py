"""Σ (x·w − y)² and Σ x (x·w − y) of a run of blocks, reading each row once.

Returns [Σ r², Σ x₀ r, …, Σ x_{d−1} r]. Within a leaf the compiler may regroup sums, which allows vector
loops. Leaves are added as in `tree.py`. A leaf has a power of two of rows, so blocks are nodes of the same
tree. Leaves are short since a running sum of n terms loses about √n/8 eps.
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.arithmetic import with_item
from fastgd.kernels.vectors import (
    LANES,
    line_of,
    load,
    load_part,
    multiply_add,
    padded,
    prefetch,
    splat,
    store,
    total,
)

LONG_BYTES, ENDLESS_BYTES = 192, 3200
"""Sizes of a float64 row in bytes. Rows up to the first are read four at a time, longer ones one at a time,
and rows over the second four at a time again: the processor prefetches such long streams by itself."""


@kernel(fastmath=FAST)
def leaf_few(x, y, w, out):
    """Few columns: w is a tuple, so loops over w unroll and the loop over rows is a vector loop.

    x (n·d,) holds the rows one after the other.
    """
    d = len(w)
    squares = 0.0
    sums = w
    for j in range(d):
        sums = with_item(sums, j, 0.0)
    for i in range(len(y)):
        residual = -np.float64(y[i])
        for j in range(d):
            residual += x[i * d + j] * w[j]
        squares += residual * residual
        for j in range(d):
            sums = with_item(sums, j, sums[j] + x[i * d + j] * residual)
    out[0] = squares
    for j in range(d):
        out[j + 1] = sums[j]


@kernel(fastmath=FAST)
def leaf_by_four(x, y, w, ahead, sums):
    """Four rows at a time share each load of w and each load and store of the sums. Returns Σ r².

    x (n·d,) holds the rows one after the other. w and sums are padded to whole vectors. Both loops prefetch
    evenly, `ahead` numbers after the four rows, so that the memory is never idle.
    """
    n, d = len(y), len(x) // len(y)
    whole = d - d % LANES
    rest = d - whole
    squares = 0.0
    for i in range(0, n - n % 4, 4):
        a, b, c, e = i * d, (i + 1) * d, (i + 2) * d, (i + 3) * d
        near, later = a + ahead, c + ahead
        sa = sb = sc = se = splat(0.0)
        for j in range(0, whole, LANES):
            w_j = load(w, j)
            sa = multiply_add(load(x, a + j), w_j, sa)
            sb = multiply_add(load(x, b + j), w_j, sb)
            sc = multiply_add(load(x, c + j), w_j, sc)
            se = multiply_add(load(x, e + j), w_j, se)
            prefetch(x, near + 2 * j)
            prefetch(x, near + 2 * j + LANES)
        if rest:
            w_j = load(w, whole)
            sa = multiply_add(load_part(x, a + whole, rest), w_j, sa)
            sb = multiply_add(load_part(x, b + whole, rest), w_j, sb)
            sc = multiply_add(load_part(x, c + whole, rest), w_j, sc)
            se = multiply_add(load_part(x, e + whole, rest), w_j, se)
        ra, rb, rc, re = total(sa) - y[i], total(sb) - y[i + 1], total(sc) - y[i + 2], total(se) - y[i + 3]
        squares += ra * ra + rb * rb + rc * rc + re * re
        va, vb, vc, ve = splat(ra), splat(rb), splat(rc), splat(re)
        for j in range(0, whole, LANES):
            s = multiply_add(load(x, a + j), va, load(sums, j))
            s = multiply_add(load(x, b + j), vb, s)
            s = multiply_add(load(x, c + j), vc, s)
            s = multiply_add(load(x, e + j), ve, s)
            store(sums, j, s)
            prefetch(x, later + 2 * j)
            prefetch(x, later + 2 * j + LANES)
        if rest:
            s = multiply_add(load_part(x, a + whole, rest), va, load(sums, whole))
            s = multiply_add(load_part(x, b + whole, rest), vb, s)
            s = multiply_add(load_part(x, c + whole, rest), vc, s)
            s = multiply_add(load_part(x, e + whole, rest), ve, s)
            store(sums, whole, s)
    done = n - n % 4
    return squares + leaf_by_one(x[done * d :], y[done:], d, w, ahead, sums)


@kernel(fastmath=FAST)
def leaf_by_one(x, y, d, w, ahead, sums):
    """One row at a time: one stream, and each row is used again while it is in the cache. Returns Σ r²."""
    whole = d - d % LANES
    rest = d - whole
    squares = 0.0
    for i in range(len(y)):
        a = i * d
        near, later = a + ahead, a + ahead + d // 2
        s = splat(0.0)
        for j in range(0, whole, LANES):
            s = multiply_add(load(x, a + j), load(w, j), s)
            prefetch(x, near + (j >> 1))
        if rest:
            s = multiply_add(load_part(x, a + whole, rest), load(w, whole), s)
        residual = total(s) - y[i]
        squares += residual * residual
        r = splat(residual)
        for j in range(0, whole, LANES):
            store(sums, j, multiply_add(load(x, a + j), r, load(sums, j)))
            prefetch(x, later + (j >> 1))
        if rest:
            store(sums, whole, multiply_add(load_part(x, a + whole, rest), r, load(sums, whole)))
    return squares


@kernel
def run_few(x, y, w, leaf_rows):
    """`leaf_few` on a run of blocks: x (n·d,), w a tuple."""
    d = len(w)
    n_leaves = -(-len(y) // leaf_rows)
    stack = tree.new_stack(n_leaves, d + 1)
    top = tree.EMPTY
    for leaf in range(n_leaves):
        # Slices are indexed from 0. LLVM does not vectorise loops from start to stop.
        start, stop = leaf * leaf_rows, (leaf + 1) * leaf_rows
        leaf_few(x[start * d : stop * d], y[start:stop], w, stack[top])
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)


@kernel
def run(X, y, w, leaf_rows):
    """`leaf_by_four` or `leaf_by_one` on a run of blocks: X (n, d), w (d,)."""
    n, d = X.shape
    x, line = X.reshape(-1), line_of(X)
    n_leaves = -(-n // leaf_rows)
    stack = tree.new_stack(n_leaves, d + 1)
    w, sums = padded(w), padded(w)
    double = line == LANES
    by_four = not (double and LONG_BYTES < 8 * d <= ENDLESS_BYTES)
    if by_four:  # ahead = 0 fetches only what the cache has
        ahead = 4 * d + 32 * line if not double or 8 * d <= LONG_BYTES else 0
    else:
        ahead = d + (16 * line if d <= 128 else 4 * line)
    top = tree.EMPTY
    for leaf in range(n_leaves):
        start, stop = leaf * leaf_rows, (leaf + 1) * leaf_rows
        for j in range(len(sums)):
            sums[j] = 0.0
        leaf_x, leaf_y, out = x[start * d : stop * d], y[start:stop], stack[top]
        if by_four:
            out[0] = leaf_by_four(leaf_x, leaf_y, w, ahead, sums)
        else:
            out[0] = leaf_by_one(leaf_x, leaf_y, d, w, ahead, sums)
        for j in range(d):
            out[j + 1] = sums[j]
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)

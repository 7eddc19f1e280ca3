"""Σ (x·w − y)² and Σ x (x·w − y) in one read: each row is used while it is in registers.

Called on a run of blocks. Rows are summed leaf by leaf with the compiler free to regroup (that is
what makes the loops vector loops), and leaves are added as `tree.py` says; a leaf is a power of two
of rows, so blocks are nodes of the same tree. Leaves are short because a running sum of n terms
loses about √n/8 eps. Returns [Σ r², Σ x₀ r, …, Σ x_{d−1} r].
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.arithmetic import with_item

NARROW = 48
"""Up to so many columns four rows lie close enough together to be read at once."""
NEAR_NUMBERS = 1024
"""Numbers of X between their two uses: they stay in the first-level cache."""


@kernel(fastmath=FAST)
def leaf_few(x, y, w, out):
    """A few columns: w is a tuple, so the loops over it unroll and the loop over rows is a vector loop.

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
def leaf_narrow(X, y, w, out):
    """Four rows share each load of w and each load and store of the sums."""
    n, d = X.shape
    sums = out[1:]
    squares = 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        a, b, c, e = X[i], X[i + 1], X[i + 2], X[i + 3]
        ra, rb, rc, re = (
            -np.float64(y[i]),
            -np.float64(y[i + 1]),
            -np.float64(y[i + 2]),
            -np.float64(y[i + 3]),
        )
        for j in range(d):
            ra += a[j] * w[j]
            rb += b[j] * w[j]
            rc += c[j] * w[j]
            re += e[j] * w[j]
        squares += ra * ra + rb * rb + rc * rc + re * re
        for j in range(d):
            sums[j] += ra * a[j] + rb * b[j] + rc * c[j] + re * e[j]
    for i in range(whole, n):
        squares += residuals(X[i : i + 1], y[i : i + 1], w, out[:1])
        add_products(X[i : i + 1], out[:1], sums)
    out[0] = squares


@kernel(fastmath=FAST)
def leaf_wide(X, y, w, room, out):
    """Rows are read one after the other, as memory likes it, and used again while they are near."""
    sums = out[1:]
    squares = 0.0
    group = len(room)
    for start in range(0, len(y), group):
        rows = X[start : start + group]
        squares += residuals(rows, y[start : start + group], w, room)
        add_products(rows, room, sums)
    out[0] = squares


@kernel(fastmath=FAST)
def residuals(X, y, w, out):
    """out_i = x_i·w − y_i; returns Σ out_i²."""
    squares = 0.0
    for i in range(len(y)):
        x = X[i]
        residual = -np.float64(y[i])
        for j in range(len(w)):
            residual += x[j] * w[j]
        out[i] = residual
        squares += residual * residual
    return squares


@kernel(fastmath=FAST)
def add_products(X, r, sums):
    """sums += Σ x_i r_i, four rows for each load and store of the sums."""
    n, d = X.shape
    whole = n - n % 4
    for i in range(0, whole, 4):
        a, b, c, e = X[i], X[i + 1], X[i + 2], X[i + 3]
        ra, rb, rc, re = r[i], r[i + 1], r[i + 2], r[i + 3]
        for j in range(d):
            sums[j] += ra * a[j] + rb * b[j] + rc * c[j] + re * e[j]
    for i in range(whole, n):
        a, ra = X[i], r[i]
        for j in range(d):
            sums[j] += ra * a[j]


@kernel
def run_few(x, y, w, leaf_rows):
    """The run of `leaf_few`: x (n·d,), w a tuple."""
    d = len(w)
    n_leaves = -(-len(y) // leaf_rows)
    stack = tree.new_stack(n_leaves, d + 1)
    top = 0
    for leaf in range(n_leaves):
        # Sliced, so that the leaf is indexed from 0: a start:stop index would not vectorise.
        start, stop = leaf * leaf_rows, (leaf + 1) * leaf_rows
        leaf_few(x[start * d : stop * d], y[start:stop], w, stack[top])
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)


@kernel
def run(X, y, w, leaf_rows):
    """The run of `leaf_narrow` and `leaf_wide`: X (n, d), w (d,)."""
    n, d = X.shape
    n_leaves = -(-n // leaf_rows)
    stack = tree.new_stack(n_leaves, d + 1)
    room = np.empty(max(4, NEAR_NUMBERS // d // 4 * 4))
    top = 0
    for leaf in range(n_leaves):
        rows = slice(leaf * leaf_rows, (leaf + 1) * leaf_rows)
        out = stack[top]
        for j in range(d + 1):
            out[j] = 0.0
        if d <= NARROW:
            leaf_narrow(X[rows], y[rows], w, out)
        else:
            leaf_wide(X[rows], y[rows], w, room, out)
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)

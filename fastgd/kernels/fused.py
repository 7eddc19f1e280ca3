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

NARROW = 48
"""Up to so many columns four rows lie close enough together to be read at once."""
NEAR_NUMBERS = 1024
"""Numbers of X between their two uses: they stay in the first-level cache."""


@kernel(fastmath=FAST)
def leaf_1d(x, y, w, out):
    squares = 0.0
    products = 0.0
    for i in range(len(x)):
        residual = x[i] * w - y[i]
        squares += residual * residual
        products += x[i] * residual
    out[0] = squares
    out[1] = products


@kernel(fastmath=FAST)
def leaf_narrow(X, y, w, out):
    """Four rows share each load of w and each load and store of the sums."""
    n, d = X.shape
    sums = out[1:]
    squares = 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        a, b, c, e = X[i], X[i + 1], X[i + 2], X[i + 3]
        ra, rb, rc, re = -y[i] * 1.0, -y[i + 1] * 1.0, -y[i + 2] * 1.0, -y[i + 3] * 1.0
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
        residual = -y[i] * 1.0
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
def run_1d(x, y, w, leaf_rows):
    n_leaves = -(-len(x) // leaf_rows)
    stack = tree.new_stack(n_leaves, 2)
    top = 0
    for leaf in range(n_leaves):
        # Sliced, so that the leaf is indexed from 0: a start:stop index would not vectorise.
        rows = slice(leaf * leaf_rows, (leaf + 1) * leaf_rows)
        leaf_1d(x[rows], y[rows], w[0], stack[top])
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)


@kernel
def run_nd(X, y, w, leaf_rows):
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

"""Σ (x·w − y)² and Σ x (x·w − y) in one read: each row is used while it is in registers.

Called on a run of blocks. Rows are summed leaf by leaf with the compiler free to regroup (that is
what makes the loops vector loops), and leaves are added as `tree.py` says; a leaf is a power of two
of rows, so blocks are nodes of the same tree. Leaves are short because a running sum of n terms
loses about √n/8 eps. Returns [Σ r², Σ x₀ r, …, Σ x_{d−1} r].
"""

from __future__ import annotations

from fastgd.kernels import tree
from fastgd.kernels._jit import FAST, kernel


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
def leaf_nd(X, y, w, out):
    """Four rows share each load of w and each load and store of the sums."""
    n, d = X.shape
    for j in range(d + 1):
        out[j] = 0.0
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
        a = X[i]
        ra = -y[i] * 1.0
        for j in range(d):
            ra += a[j] * w[j]
        squares += ra * ra
        for j in range(d):
            sums[j] += ra * a[j]
    out[0] = squares


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
    n_leaves = -(-len(y) // leaf_rows)
    stack = tree.new_stack(n_leaves, len(w) + 1)
    top = 0
    for leaf in range(n_leaves):
        rows = slice(leaf * leaf_rows, (leaf + 1) * leaf_rows)
        leaf_nd(X[rows], y[rows], w, stack[top])
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)

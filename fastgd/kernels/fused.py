"""Σ (x·w − y)² and Σ x (x·w − y) in one read: each row is used while it is in registers.

Called on a run of blocks. Blocks are summed with the compiler free to regroup (that is what makes
the loops vector loops), and added as `tree.py` says. Returns [Σ r², Σ x₀ r, …, Σ x_{d−1} r].
"""

from __future__ import annotations

from fastgd.kernels import tree
from fastgd.kernels._jit import FAST, kernel


@kernel(fastmath=FAST)
def block_1d(x, y, w, out):
    squares = 0.0
    products = 0.0
    for i in range(len(x)):
        residual = x[i] * w - y[i]
        squares += residual * residual
        products += x[i] * residual
    out[0] = squares
    out[1] = products


@kernel(fastmath=FAST)
def block_nd(X, y, w, out):
    """Four rows share each load of w and each load and store of the sums."""
    n, d = X.shape
    out[:] = 0.0
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
def run_1d(x, y, w, block_rows):
    n_blocks = -(-len(x) // block_rows)
    stack = tree.new_stack(n_blocks, 2)
    top = 0
    for block in range(n_blocks):
        # Sliced, so that the block is indexed from 0: a start:stop index would not vectorise.
        rows = slice(block * block_rows, (block + 1) * block_rows)
        block_1d(x[rows], y[rows], w[0], stack[top])
        top = tree.push(stack, top, block)
    return tree.total(stack, top)


@kernel
def run_nd(X, y, w, block_rows):
    n_blocks = -(-len(y) // block_rows)
    stack = tree.new_stack(n_blocks, len(w) + 1)
    top = 0
    for block in range(n_blocks):
        rows = slice(block * block_rows, (block + 1) * block_rows)
        block_nd(X[rows], y[rows], w, stack[top])
        top = tree.push(stack, top, block)
    return tree.total(stack, top)

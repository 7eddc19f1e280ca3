"""Rows in scaled coordinates (centred, scaled, weighted, with a column of ones), and moments of columns.

The row (x, y) with weight s becomes √s·[(x − shift)·scale, 1] and √s·y. Its squared loss is s times the loss
of the original row.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import CONTRACT, FAST, kernel
from fastgd.kernels.arrays import empty


@kernel(fastmath=CONTRACT)
def fill(X, y, weights, shift, scale, out, target):
    """Fill out (n, d or d + 1) and target (n,). weights has length 0 if the rows are unweighted."""
    n, d = X.shape
    has_ones = out.shape[1] > d
    for i in range(n):
        root = math.sqrt(weights[i]) if len(weights) else 1.0
        if root == 1.0:
            for j in range(d):
                out[i, j] = (X[i, j] - shift[j]) * scale[j]
            target[i] = y[i]
        else:
            for j in range(d):
                out[i, j] = (X[i, j] - shift[j]) * scale[j] * root
            target[i] = np.float64(y[i]) * root
        if has_ones:
            out[i, d] = root


@kernel(fastmath=FAST)
def leaf(X, weights, shift, out):
    """Σ s, then Σ s u and Σ s u² of each column, with u = x − shift."""
    n, d = X.shape
    for j in range(len(out)):
        out[j] = 0.0
    for i in range(n):
        x = X[i]
        s = weights[i] if len(weights) else 1.0
        out[0] += s
        sums, squares = out[1 : d + 1], out[d + 1 :]
        for j in range(d):
            u = x[j] - shift[j]
            sums[j] += s * u
            squares[j] += s * (u * u)


@kernel
def moments(X, weights, shift, leaf_rows):
    """`leaf` on a run of blocks: 1 + 2d numbers."""
    n, d = X.shape
    n_leaves = -(-n // leaf_rows)
    stack = tree.new_stack(n_leaves, 1 + 2 * d)
    none = empty(0)
    top = tree.EMPTY
    for number in range(n_leaves):
        rows = slice(number * leaf_rows, (number + 1) * leaf_rows)
        leaf(X[rows], weights[rows] if len(weights) else none, shift, stack[top])
        top = tree.push(stack, top, number)
    return tree.total(stack, top)

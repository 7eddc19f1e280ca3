"""Σ (x·w − y)² and Σ x (x·w − y) as if in twice the working precision, for few rows.

Over many rows rounding errors average out. Over few rows they do not, and the textbook's loop loses digits if
the residual is small next to y. This kernel splits every product and every sum into its rounded value and its
exact error, and sums the errors separately (T. Ogita, S. M. Rump and S. Oishi, "Accurate sum and dot
product", SIAM J. Sci. Comput. 26(6), 2005, algorithm Dot2).
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import kernel
from fastgd.kernels.arithmetic import fma
from fastgd.kernels.arrays import empty


@kernel
def add(sums, errors, j, value):
    """sums[j] += value, and add the rounding error to errors[j] (Knuth's TwoSum)."""
    old = sums[j]
    new = old + value
    part = new - old
    errors[j] += (old - (new - part)) + (value - part)
    sums[j] = new


@kernel
def leaf(X, y, w, is_deep, errors, dot, dot_error, out):
    """Write the sums of one leaf into `out`.

    errors (d + 1,), dot (1,) and dot_error (1,) are work arrays. With `is_deep` the errors of r and of the
    products x r are summed too.
    """
    n, d = X.shape
    for j in range(d + 1):
        out[j] = errors[j] = 0.0
    for i in range(n):
        dot[0], dot_error[0] = -y[i], 0.0
        for j in range(d):
            x_ij = np.float64(X[i, j])
            product = x_ij * w[j]
            dot_error[0] += fma(x_ij, w[j], -product)
            add(dot, dot_error, 0, product)
        residual = dot[0] + dot_error[0]
        square = residual * residual
        errors[0] += fma(residual, residual, -square)
        add(out, errors, 0, square)
        if is_deep:
            rest = (dot[0] - residual) + dot_error[0]
            for j in range(d):
                x_ij = np.float64(X[i, j])
                product = x_ij * residual
                errors[j + 1] += fma(x_ij, residual, -product) + x_ij * rest
                add(out, errors, j + 1, product)
        else:
            for j in range(d):
                add(out, errors, j + 1, X[i, j] * residual)
    for j in range(d + 1):
        out[j] += errors[j]


@kernel
def run(X, y, w, leaf_rows, is_deep):
    """[Σ r², Σ x₀ r, …, Σ x_{d−1} r] of a run of blocks, as `fused.run` returns them."""
    n_leaves = -(-len(y) // leaf_rows)
    size = len(w) + 1
    stack, errors = tree.new_stack(n_leaves, size), empty(size)
    dot, dot_error = empty(1), empty(1)
    top = tree.EMPTY
    for number in range(n_leaves):
        rows = slice(number * leaf_rows, (number + 1) * leaf_rows)
        leaf(X[rows], y[rows], w, is_deep, errors, dot, dot_error, stack[top])
        top = tree.push(stack, top, number)
    return tree.total(stack, top)

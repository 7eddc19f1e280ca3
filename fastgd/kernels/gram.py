"""Statistics of a run of rows about w_ref: Σ z zᵀ with z = [x, r] and r = y − x·w_ref.

Σ z zᵀ contains XᵀX, Xᵀr and Σ r². The rows of a leaf are transposed into a panel with one line for each
column of z. So the product of two columns is a sum over contiguous numbers. A tile of four by three columns
shares its loads. Leaves are summed within a block, and blocks are added as in `tree.py`.
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import FAST, kernel

PANEL_NUMBERS = 1 << 16
"""About the size of the second-level cache, in float64 numbers."""
LEAF_1D = 512
NODE_1D = np.int64(3)
"""Numbers in a node: Σ x², Σ x r and Σ r²."""


def size(d: int) -> int:
    """Lines of a panel and of Σ z zᵀ: d + 1, rounded up to a whole number of tiles."""
    return -(-(d + 1) // 12) * 12


lines = kernel(size)


@kernel
def leaf_rows(size):
    """Rows of a panel with `size` lines: 64 to 256, so that the panel fits in the cache."""
    rows = 256
    while rows > 64 and rows * size > PANEL_NUMBERS:
        rows //= 2
    return rows


@kernel(fastmath=FAST)
def fill_panel(X, y, w_ref, panel):
    """Write the columns of X, and r, into the lines of the panel."""
    n, d = X.shape
    for j in range(d):
        column = panel[j]
        for i in range(n):
            column[i] = X[i, j]
    r = panel[d]
    for i in range(n):
        r[i] = y[i]
    for j in range(d):
        column, w_j = panel[j], w_ref[j]
        for i in range(n):
            r[i] -= column[i] * w_j


@kernel(fastmath=FAST)
def add_tile(panel, n, i, j, out):
    """out[i:i+4, j:j+3] += products of lines i… and j… over n rows. The twelve sums stay in registers.

    `out` is flat since a kernel that reshapes takes 0.25 s longer to compile.
    """
    a, b, c, e = panel[i], panel[i + 1], panel[i + 2], panel[i + 3]
    p, q, s = panel[j], panel[j + 1], panel[j + 2]
    ap = aq = a_s = bp = bq = bs = cp = cq = cs = ep = eq = es = 0.0
    for k in range(n):
        p_k, q_k, s_k = p[k], q[k], s[k]
        a_k = a[k]
        ap += a_k * p_k
        aq += a_k * q_k
        a_s += a_k * s_k
        b_k = b[k]
        bp += b_k * p_k
        bq += b_k * q_k
        bs += b_k * s_k
        c_k = c[k]
        cp += c_k * p_k
        cq += c_k * q_k
        cs += c_k * s_k
        e_k = e[k]
        ep += e_k * p_k
        eq += e_k * q_k
        es += e_k * s_k
    at = i * len(panel) + j
    out[at] += ap
    out[at + 1] += aq
    out[at + 2] += a_s
    at += len(panel)
    out[at] += bp
    out[at + 1] += bq
    out[at + 2] += bs
    at += len(panel)
    out[at] += cp
    out[at + 1] += cq
    out[at + 2] += cs
    at += len(panel)
    out[at] += ep
    out[at + 1] += eq
    out[at + 2] += es


@kernel
def add_block(X, y, w_ref, panel, out):
    """out += Σ z zᵀ over the rows of a block. `out` is flat. Tiles cover the lower triangle and some numbers
    above it."""
    width, leaf = X.shape[1] + 1, panel.shape[1]
    for start in range(0, len(y), leaf):
        stop = min(start + leaf, len(y))
        fill_panel(X[start:stop], y[start:stop], w_ref, panel)
        for i in range(0, width, 4):
            for j in range(0, min(i + 4, width), 3):
                add_tile(panel, stop - start, i, j, out)


@kernel
def run(X, y, w_ref, block_rows):
    """The lower triangle of Σ z zᵀ over a run of blocks, as a flat array of lines(d)² numbers."""
    n, d = X.shape
    n_lines = lines(d)
    panel = np.empty((n_lines, leaf_rows(n_lines)))
    for i in range(d + 1, n_lines):
        for k in range(panel.shape[1]):
            panel[i, k] = 0.0
    n_blocks = -(-n // block_rows)
    stack = tree.new_stack(n_blocks, n_lines * n_lines)
    top = tree.EMPTY
    for block in range(n_blocks):
        rows = slice(block * block_rows, (block + 1) * block_rows)
        out = stack[top]
        for j in range(len(out)):
            out[j] = 0.0
        add_block(X[rows], y[rows], w_ref, panel, out)
        top = tree.push(stack, top, block)
    return tree.total(stack, top)


@kernel(fastmath=FAST)
def leaf_1d(x, y, w_ref, out):
    """Σ x², Σ x r and Σ r² of a leaf with one column."""
    squares = products = rest = 0.0
    for i in range(len(y)):
        x_i = np.float64(x[i])
        r = y[i] - x_i * w_ref
        squares += x_i * x_i
        products += x_i * r
        rest += r * r
    out[0] = squares
    out[1] = products
    out[2] = rest


@kernel
def run_1d(x, y, w_ref):
    """`leaf_1d` on a run of blocks."""
    n_leaves = -(-len(y) // LEAF_1D)
    stack = tree.new_stack(n_leaves, NODE_1D)
    top = tree.EMPTY
    for leaf in range(n_leaves):
        rows = slice(leaf * LEAF_1D, (leaf + 1) * LEAF_1D)
        leaf_1d(x[rows], y[rows], w_ref, stack[top])
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)

"""Scores of least squares: the rows whose products are the middle of sandwich covariances.

A row is f·z with z = [x − shift, 1], residual r = y − z·θ, weight s, leverage h = s ‖R z‖² (RᵀR is the
inverse of Σ s z zᵀ) and f = s r/(1 − h). (J. G. MacKinnon and H. White, Journal of Econometrics 29, 1985.)
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.vectors import LANES, item, load, multiply_add, splat, store

LEAST = 2.0**-26
"""A smaller 1 − h has lost half of its digits. The score is then infinite."""


@kernel
def leverages(panel, root, h):
    """h (8,) = ‖R z‖² of eight rows. panel (k·8,) holds their columns, root (rank·k,) the rows of R.

    The rank is padded to a multiple of four, so that four sums do not wait for each other.
    """
    k, sums = len(panel) // LANES, splat(0.0)
    for i in range(0, len(root), 4 * k):
        a = b = c = e = splat(0.0)
        for j in range(k):
            z = load(panel, j * LANES)
            a = multiply_add(splat(item(root, i + j)), z, a)
            b = multiply_add(splat(item(root, i + k + j)), z, b)
            c = multiply_add(splat(item(root, i + 2 * k + j)), z, c)
            e = multiply_add(splat(item(root, i + 3 * k + j)), z, e)
        sums = multiply_add(a, a, multiply_add(b, b, sums))
        sums = multiply_add(c, c, multiply_add(e, e, sums))
    store(h, 0, sums)


@kernel(fastmath=FAST)
def fill(X, y, weights, shift, theta, root, are_copies, out):
    """Fill out (n, d or d + 1) with f·z.

    Without leverages root has length 0. With are_copies a row stands for s rows: f² sums to s r²/(1 − h)² and
    h = ‖R z‖².
    """
    n, d = X.shape
    k = out.shape[1]
    h, r, panel = np.zeros(LANES), np.empty(LANES), np.zeros(k * LANES if len(root) else 0)
    for first in range(0, n, LANES):
        last = min(first + LANES, n)
        for i in range(first, last):
            z, residual = out[i], np.float64(y[i])
            for j in range(d):
                z_j = X[i, j] - shift[j]
                z[j] = z_j
                residual -= z_j * theta[j]
            if k > d:
                z[d] = 1.0
                residual -= theta[d]
            r[i - first] = residual
            if len(root):
                for j in range(k):
                    panel[j * LANES + i - first] = z[j]
        if len(root):
            leverages(panel, root, h)
        for i in range(first, last):
            z, s = out[i], weights[i] if len(weights) else 1.0
            f = (math.sqrt(s) if are_copies else s) * r[i - first]
            if len(root) and s > 0.0:
                rest = 1.0 - (1.0 if are_copies else s) * h[i - first]
                f = f / rest if rest > LEAST else math.inf
            for j in range(k):
                z[j] *= f


@kernel
def add(scores, weights, codes, sums, counts):
    """sums[codes_i] += scores_i, and count the rows of weight above 0, row after row."""
    n, k = scores.shape
    for i in range(n):
        code, row = codes[i], scores[i]
        total = sums[code]
        for j in range(k):
            total[j] += row[j]
        counts[code] += 1.0 if len(weights) == 0 or weights[i] > 0.0 else 0.0

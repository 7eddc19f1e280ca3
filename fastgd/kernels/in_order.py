"""One SGD epoch's part over a run of rows, in order: w is the state that is handed along.

w ← w − α 2 x (x·w − y), a row at a time, with the compiler free to fuse multiply-adds and to
regroup the sum x·w.
"""

from __future__ import annotations

from fastgd.kernels._jit import FAST, kernel


@kernel(fastmath=FAST)
def run_1d(x, y, w, rate):
    """The step written as w ← (1 − 2αx²) w + 2αxy: only one multiply-add then waits for the last."""
    weight = w[0]
    twice = 2.0 * rate
    for i in range(len(x)):
        scaled = twice * x[i]
        weight = (1.0 - scaled * x[i]) * weight + scaled * y[i]
    w[0] = weight


@kernel(fastmath=FAST)
def run_nd(X, y, w, rate):
    n, d = X.shape
    for i in range(n):
        x = X[i]
        residual = -y[i] * 1.0
        for j in range(d):
            residual += x[j] * w[j]
        residual *= 2.0 * rate
        for j in range(d):
            w[j] -= residual * x[j]

"""Scores, losses and slopes of each row, in the textbook's order of operations."""

from __future__ import annotations

from fastgd.kernels._jit import kernel
from fastgd.kernels.arithmetic import square
from fastgd.kernels.losses import slope, value
from fastgd.kernels.strict import score


@kernel
def scores(X, w, intercept, out):
    """out_i = x_i·w + intercept."""
    for i in range(len(out)):
        out[i] = score(X[i], w) + intercept


@kernel
def losses(X, y, w, two, out):
    """out_i = (x_i·w − y_i)². `two` is 2.0, see `arithmetic.square`."""
    for i in range(len(out)):
        out[i] = square(score(X[i], w) - y[i], two)


@kernel
def values(loss, scores, y, out):
    """out_i = loss(score_i, y_i), for any loss."""
    for i in range(len(out)):
        out[i] = value(loss, scores[i], y[i])


@kernel
def count_beside(y, a, b):
    """Count the y that are neither a nor b. The loop has no branch, which random labels would make slow."""
    count = 0
    for i in range(len(y)):
        count += (y[i] != a) & (y[i] != b)
    return count


@kernel
def slopes(loss, scores, y, out):
    """out_i = ∂loss/∂score at score_i, y_i."""
    for i in range(len(out)):
        out[i] = slope(loss, scores[i], y[i])

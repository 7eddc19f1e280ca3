"""The norm of the longest row."""

from __future__ import annotations

import numpy as np

from fastgd.kernels._jit import FAST, kernel


@kernel(fastmath=FAST)
def square(x):
    """‖x‖², summed in float64."""
    total = 0.0
    for j in range(len(x)):
        x_j = np.float64(x[j])
        total += x_j * x_j
    return total


@kernel
def largest_square(X):
    """max ‖x‖² over the rows. NaN if a row contains NaN."""
    largest = 0.0
    for i in range(len(X)):
        value = square(X[i])
        if not value <= largest:
            largest = value
            if value != value:
                return value
    return largest

"""The plain read: the sum of all numbers in X and y.

Its time is the least time of a pass. Benchmarks state speeds as a share of the plain read with the same
bytes, threads and engine.
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels._jit import FAST, kernel


@kernel(fastmath=FAST)
def total(values):
    """The sum in the precision of `values`: conversion would cost time."""
    result = values[0]
    for i in range(1, len(values)):
        result += values[i]
    return result


@kernel
def run(flat_X, y):
    return np.array([float(total(flat_X)) + float(total(y))])

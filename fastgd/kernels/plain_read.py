"""*The* plain read: the sum of every number of X and y, and so the least time a read of them can take.

Speeds are quoted as a share of it (same bytes, same threads, same engine).
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels._jit import FAST, kernel


@kernel(fastmath=FAST)
def total(values):
    """Added in the numbers' own precision: nothing but the read may cost."""
    result = values[0]
    for i in range(1, len(values)):
        result += values[i]
    return result


@kernel
def run(flat_X, y):
    return np.array([float(total(flat_X)) + float(total(y))])

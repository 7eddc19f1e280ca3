"""Random rows for kernels."""

from __future__ import annotations

import numpy as np

NONE, NONE_2D = np.empty(0), np.empty((0, 0))


def data(rng, n, d, dtype="f8"):
    return (
        rng.standard_normal((n, d)).astype(dtype),
        rng.standard_normal(n).astype(dtype),
        rng.standard_normal(d),
    )

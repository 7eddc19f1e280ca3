"""The least time of statistics: a plain read, or the products of the columns at the peak of the processor."""

from __future__ import annotations

import numba

from fastgd.engine.threads import run_on_threads
from fastgd.kernels.vectors import LANES, multiply_add, splat, total

CHAINS = 6
"""Independent vectors: twelve registers of AVX2, more than hide the latency of a multiply-add."""


@numba.njit(nogil=True)
def _multiply_adds(steps):
    """CHAINS·LANES multiply-adds a step, without memory."""
    factor = splat(1e-12)
    a, b, c, d, e, f = splat(1.0), splat(2.0), splat(3.0), splat(4.0), splat(5.0), splat(6.0)
    for _ in range(steps):
        a, b, c = multiply_add(a, factor, a), multiply_add(b, factor, b), multiply_add(c, factor, c)
        d, e, f = multiply_add(d, factor, d), multiply_add(e, factor, e), multiply_add(f, factor, f)
    return total(a) + total(b) + total(c) + total(d) + total(e) + total(f)


def multiply_adds(count, n_threads):
    """Do `count` independent multiply-adds, shared by the threads."""
    steps = -(-count // (CHAINS * LANES * n_threads))
    run_on_threads(lambda _team: _multiply_adds(steps), n_threads)


def products(n, d):
    """Multiply-adds of the lower triangle of XᵀX."""
    return n * d * (d + 1) // 2

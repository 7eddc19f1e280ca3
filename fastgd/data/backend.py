"""The choice between compiled kernels and their pure-Python twins."""

from __future__ import annotations

import functools
import importlib.util
import sys
from typing import Literal

from fastgd import checks

Backend = Literal["numba", "python"]

PLAIN_NS = 300
"""A plain loop takes about so many nanoseconds for each number of a row, and as many for two more."""
TINY_NS, SPARED_NS = 20_000_000, 500_000_000
"""The longest plain loop that replaces loading the kernels, and the most that all such loops of a process
take: about what loading the kernels takes."""
_spent_ns = 0


@functools.cache
def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None  # importing Numba takes half a second


def resolve(backend: str) -> Backend:
    """The backend for "auto", "numba" or "python". "auto" is "numba" if Numba is installed."""
    if backend == "auto":
        return "numba" if _has_numba() else "python"
    checks.choice("backend", backend, ("auto", "numba", "python"))
    if backend == "python":
        return "python"
    if not _has_numba():
        raise ModuleNotFoundError('backend="numba" needs Numba: pip install numba')
    return "numba"


def for_exact_loop(backend: str, n: int, d: int, n_epochs: int = 1) -> Backend:
    """The backend of a loop over n rows of d numbers that has the same bits on both.

    "auto" is "python" for little work in a process that has not loaded the kernels. Loading takes longer.
    """
    global _spent_ns
    nanoseconds = PLAIN_NS * n_epochs * n * (d + 2)
    is_loaded = "fastgd.kernels._jit" in sys.modules
    if backend != "auto" or is_loaded or nanoseconds > TINY_NS or _spent_ns + nanoseconds > SPARED_NS:
        return resolve(backend)
    _spent_ns += nanoseconds
    return "python"

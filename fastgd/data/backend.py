"""The choice between compiled kernels and their pure-Python twins."""

from __future__ import annotations

import functools
import importlib.util
from typing import Literal

from fastgd import checks

Backend = Literal["numba", "python"]


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

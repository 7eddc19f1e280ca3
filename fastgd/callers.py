"""Warnings that point at the line of the user's program."""

from __future__ import annotations

import sys
import warnings

INNER = frozenset(["fastgd", "sklearn", "joblib", "numba"])
"""Packages whose lines are not the user's: this one, and those that call it or that it is called through."""


def warn(message: str | Warning, category: type[Warning] | None = None) -> None:
    """Warn at the innermost call that comes from outside these packages.

    A `message` that is a warning has a category of its own.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _package(frame.f_globals) in INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(module: dict[str, object]) -> str:
    return str(module.get("__name__", "")).partition(".")[0]

"""Warnings that point at a line of the user's program."""

from __future__ import annotations

import sys
import warnings

INNER = frozenset(["fastgd", "sklearn", "joblib", "numba"])
"""Packages that are not the user's program: fastgd, and packages between it and the user."""


def warn(message: str | Warning, category: type[Warning] | None = None) -> None:
    """Warn at the innermost call from outside the packages in INNER.

    `category` is ignored if `message` is a Warning.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _package(frame.f_globals) in INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(module: dict[str, object]) -> str:
    return str(module.get("__name__", "")).partition(".")[0]

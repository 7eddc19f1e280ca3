"""Helpers for the tests of sources: read all rows of a source, count open files."""

from __future__ import annotations

import contextlib
import os

import numpy as np


def rows_of(source):
    """X, y and weights of all rows. Each chunk is read in two parts."""
    parts = []
    with contextlib.closing(source.chunks()) as chunks:
        for chunk in chunks:
            m = len(chunk)
            X, y = np.empty((m, source.d), source.dtypes[0]), np.empty(m, source.dtypes[1])
            weights = np.empty(m if source.has_weights else 0)
            for part in (slice(0, m // 3), slice(m // 3, m)):
                chunk.fill(part.start, part.stop, X[part], y[part], weights[part])
            parts.append((X, y, weights))
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


def open_files():
    """The number of files that this process has open, or 0 if the system does not tell."""
    with contextlib.suppress(FileNotFoundError):
        return len(os.listdir("/proc/self/fd"))
    return 0

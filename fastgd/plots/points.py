"""Some rows of a dataset, spread evenly over it, to draw as points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engine import scan
from fastgd.engine.blocks import Array, Floats

MOST = 1000
"""The most points of a picture."""


def some_rows(rows: Any) -> tuple[Floats, Floats]:
    """X (m, d) and y (m,) of at most MOST rows. Of a source all rows are read, of arrays only these."""
    m = min(rows.n, MOST)
    places = np.arange(m) * rows.n // m
    table = np.empty((m, rows.d + 1))
    if rows.is_random:
        scan.scan_rows(rows, _taken, places, [table])
    else:
        scan.scan(rows, _picked, [places, table])
    return table[:, :-1], table[:, -1]


def _taken(start: int, X: Array, y: Array, _weights: Floats, table: Floats) -> None:
    table[start : start + len(y), :-1], table[start : start + len(y), -1] = X, y


def _picked(
    start: int, X: Array, y: Array, _weights: Floats, places: NDArray[np.integer], table: Floats
) -> None:
    first, last = np.searchsorted(places, [start, start + len(y)])
    taken = places[first:last] - start
    table[first:last, :-1], table[first:last, -1] = X[taken], y[taken]

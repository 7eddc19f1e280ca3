"""A sample of the rows, the same for every source, cluster and machine.

It is made of stretches of UNIT rows all over the data, so that it represents rows in any order.
"""

from __future__ import annotations

import functools

import numpy as np

from fastgd.data.arrays import ArrayRows
from fastgd.data.dataset import Dataset
from fastgd.engine import reduce
from fastgd.engine.blocks import NOTHING, Array, Floats, Summary, block_rows

UNIT = 64
"""Rows of a stretch; fewer if blocks are shorter."""
SPACING = 32
"""A sample of many rows has one of this many stretches, so that its epochs take little beside a read."""
MOST_BYTES = 1 << 26
"""A sample has at most this many bytes, unless ROWS_OF_A_COLUMN demands more."""
ROWS_OF_A_COLUMN = 50
"""A sample has at least this many rows for each column, or all rows."""


def spacing(n: int, d: int) -> int:
    """s, a power of two. The sample is stretches 0, s, 2 s, …"""
    s = SPACING
    while 8 * (d + 2) * n > s * MOST_BYTES:
        s *= 2
    while s > 1 and n < s * ROWS_OF_A_COLUMN * d:
        s //= 2
    return s


def read_sample(rows: Dataset, n_threads: int | None) -> Dataset:
    """A copy of the rows of the sample as float64, by one pass. In arrays only those rows are read."""
    (sample,) = rows.derived("sample", lambda rows: [_read(rows, n_threads)])
    return sample


def _read(rows: Dataset, n_threads: int | None) -> ArrayRows:
    task = functools.partial(_taken, spacing(rows.n, rows.d), rows.has_weights)
    table = reduce.reduce(rows, task, n_threads, add=functools.partial(joined, 0))
    d, weights = rows.d, NOTHING
    if rows.has_weights:
        weights = table[:, d + 1].copy()
    return ArrayRows(table[:, :d].copy(), table[:, d].copy(), weights)


def _taken(every: int, has_weights: bool, start: int, X: Array, y: Array, weights: Floats) -> Summary:
    """The rows [x, y, s] of the sample in a run."""
    n, d = X.shape
    unit = min(UNIT, block_rows(d))
    first = -start % (unit * every)
    places = [slice(at, min(at + unit, n)) for at in range(first, n, unit * every)]
    table = np.empty((sum(place.stop - place.start for place in places), d + 1 + has_weights))
    at = 0
    for place in places:
        part = table[at : at + place.stop - place.start]
        part[:, :d], part[:, d] = X[place], y[place]
        if has_weights:
            part[:, d + 1] = weights[place]
        at += len(part)
    return table


def joined(size: int, left: Summary, right: Summary, out: Summary) -> Summary:  # noqa: ARG001 - of a ufunc
    """The sum of the first `size` entries of two summaries, and all others of both, in the rows' order."""
    return np.concatenate([left[:size] + right[:size], left[size:], right[size:]])

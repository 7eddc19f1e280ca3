"""The sample of the rows: its size, and that every source has the same one."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.data.streams import StreamRows
from fastgd.engine.blocks import block_rows
from fastgd.solver.sample import MOST_BYTES, ROWS_OF_A_COLUMN, SPACING, UNIT, read_sample, spacing


@pytest.mark.parametrize("d", [1, 3, 10, 100, 1000])
@pytest.mark.parametrize("n", [1, 50, 4097, 10**6, 10**8, 10**10])
def test_sizes(n, d):
    s = spacing(n, d)
    enough, sizes = ROWS_OF_A_COLUMN * d, 8 * (d + 2) * n / s
    assert s & (s - 1) == 0
    assert s == 1 or n >= s * enough  # enough rows
    is_least = n < 2 * s * enough  # half as many would be too few
    assert is_least or (s >= SPACING and sizes <= MOST_BYTES)
    assert is_least or s == SPACING or 2 * sizes > MOST_BYTES


@pytest.mark.parametrize("d", [None, 2, 40])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_every_source_has_the_same_sample(rng, d, is_weighted):
    block = block_rows(d or 1)
    n, unit = 70 * block + 5, min(UNIT, block)
    X = rng.normal(size=(n,) if d is None else (n, d)).astype(np.float32)
    y, s = rng.normal(size=n), rng.random(n) if is_weighted else np.empty(0)
    every = spacing(n, d or 1)
    assert 1 < every <= SPACING
    taken = np.flatnonzero((np.arange(n) // unit) % every == 0)

    def parts():
        for start in range(0, n, 10_001):
            part = slice(start, start + 10_001)
            yield (X[part], y[part], s[part]) if is_weighted else (X[part], y[part])

    stream = StreamRows(fastgd.chunks(parts))
    stream.facts  # noqa: B018 - counts the rows
    for rows in (ArrayRows(X, y, s), ArrayRows(np.asfortranarray(X), y, s), stream):
        for n_threads in (1, 3):
            sample = read_sample(rows, n_threads)
            np.testing.assert_array_equal(sample.X, X.reshape(n, -1)[taken])
            np.testing.assert_array_equal(sample.y, y[taken])
            np.testing.assert_array_equal(sample.weights, s[taken] if is_weighted else s)


def test_few_rows_are_all_rows(rng):
    X, y = rng.normal(size=(300, 7)), rng.normal(size=300)
    sample = read_sample(ArrayRows(X, y), None)
    np.testing.assert_array_equal(sample.X, X)
    assert not np.shares_memory(sample.X, X)

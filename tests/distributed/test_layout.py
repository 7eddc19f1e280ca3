"""Which worker holds which rows, and which rows travel."""

from __future__ import annotations

import weakref

import distributed
import numpy as np
import pytest

import fastgd
from fastgd.solver.inputs import as_dataset
from tests.distributed.partitions import UNIT, lot, put


def test_of_the_rows_only_those_of_blocks_that_are_cut(client):
    X, y = lot(6 * UNIT, 2)
    cuts, homes = [UNIT + 5, 4 * UNIT, 5 * UNIT - 1], [0, 1, 0, 1]
    dX, dy = put(client, X, cuts, homes), put(client, y, cuts, homes)
    distributed.wait(distributed.futures_of([dX, dy]))
    before = client.run(_came_in)
    rows = as_dataset(dX, dy)
    assert rows._placement.travelled == 5 + 1
    assert rows._placement.shares == [(0, UNIT, 0), (UNIT, 4 * UNIT, 1), (4 * UNIT, 5 * UNIT, 0),
                                      (5 * UNIT, 6 * UNIT, 1)]  # fmt: skip
    fastgd.gradient_descent(dX, dy)
    came = sum(client.run(_came_in).values()) - sum(before.values())
    assert 0 < came < 6 * 24 + 4000


def test_rows_that_are_known_are_not_placed_again(client, data, monkeypatch):
    X, y = data
    dX, dy = put(client, X, [5000]), put(client, y, [5000])
    first = as_dataset(dX, dy)._placement
    assert as_dataset(dX, dy)._placement is first
    known = weakref.ref(first)
    del first, dX
    assert known() is None, "it lives no longer than the collection"


def test_where_most_rows_travel_that_is_said(client):
    n = 40 * UNIT
    X, y = np.arange(n)[:, None] * 1.0, np.arange(n) * 2.0
    cuts = list(range(UNIT - 1000, n, UNIT - 1000))
    homes = [number % 2 for number in range(len(cuts) + 1)]
    with pytest.warns(UserWarning, match="were sent to another worker.*rechunk"):
        rows = as_dataset(put(client, X, cuts, homes), put(client, y, cuts, homes))
    whole = rows.whole()
    np.testing.assert_array_equal(whole[0], X)
    np.testing.assert_array_equal(whole[1], y)


def _came_in(dask_worker):
    return sum(entry["total"] for entry in dask_worker.transfer_incoming_log)

"""Groups of Dask collections on a cluster: the sums of the groups of the partitions."""

from __future__ import annotations

import dask.array
import numpy as np

import fastgd
from tests.helpers import same
from tests.law import assert_alike


def test_on_a_cluster(client, data):
    X, y = data
    key = np.arange(len(y)) % 7
    X_there, y_there, key_there = (
        dask.array.from_array(part, chunks=(2000, *part.shape[1:])) for part in (X, y, key)
    )
    there = fastgd.summarize_groups(X_there, y_there, by=key_there)
    here = fastgd.summarize_groups(X, y, by=key)
    assert list(there) == list(here) == list(range(7))
    for k in range(7):
        assert_alike(there[k], here[k], 1e-12)
    again = fastgd.summarize_groups(X_there, y_there, by=key_there)
    assert same(again.products, there.products)

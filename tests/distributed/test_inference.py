"""Standard errors of Dask collections: the same bits as of the rows in memory."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest

from fastgd import InvalidDataError, inference
from tests.distributed.partitions import put

COV_TYPES = ["classical", "HC0", "HC3", "cluster", "jackknife"]


def options_of(cov_type, n):
    return dict(clusters=np.arange(n) % 30) if cov_type == "cluster" else {}


@pytest.mark.parametrize("cov_type", COV_TYPES)
def test_on_a_cluster(client, data, cov_type):
    X, y = data
    how = dict(fit_intercept=True, cov_type=cov_type, **options_of(cov_type, len(y)))
    cuts = [100, 5000, 5001, 9000]
    there = inference(put(client, X, cuts, [0, 1, 1, 0, 1]), put(client, y, cuts, [0, 1, 1, 0, 1]), **how)
    here = inference(X, y, **how)
    assert there.covariance.tobytes() == here.covariance.tobytes()
    assert there.intervals.tobytes() == here.intervals.tobytes()


@pytest.mark.parametrize("cov_type", COV_TYPES)
def test_without_a_cluster(data, cov_type):
    X, y = data
    how = dict(cov_type=cov_type, **options_of(cov_type, len(y)))
    there = inference(dask.array.from_array(X, chunks=(700, 3)), dask.array.from_array(y, chunks=700), **how)
    assert there.covariance.tobytes() == inference(X, y, **how).covariance.tobytes()


def test_a_row_of_leverage_1_is_named(client, data):
    X, y = data
    X = np.column_stack([X, np.arange(len(y)) == 6000])
    with pytest.raises(InvalidDataError, match="has leverage 1"):
        inference(put(client, X, [5000]), put(client, y, [5000]), cov_type="HC3")

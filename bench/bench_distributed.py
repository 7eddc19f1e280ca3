"""Rows in the memory of two Dask workers with one thread each, compared with the same rows in this
process."""

from __future__ import annotations

import logging
import time

import numpy as np
import pytest

import fastgd
from bench.harness import SMOKE, measure_whole
from fastgd.distributed import layout

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

ROWS = 40_000 if SMOKE else 50_000_000
PARTITIONS = 8
EPOCHS = 100


@pytest.fixture(scope="module")
def client():
    quiet = dict(host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **quiet) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        client.as_current(),
    ):
        yield client


@pytest.mark.parametrize("which", ["known", "new"])
def test_descent(benchmark, client, which):
    """Descent on a collection that was read before, and on one that has to be placed first."""
    from dask import array

    rows = ROWS // PARTITIONS

    def part(number, which):
        return fastgd.make_linear(rows, w=2.0, noise=0.1, seed=number)[which]

    X, y = (np.concatenate([part(number, which) for number in range(PARTITIONS)]) for which in (0, 1))

    def there():
        made = dask.delayed(part)
        parts = (
            [array.from_delayed(made(number, which), (rows,), float) for number in range(PARTITIONS)]
            for which in (0, 1)
        )
        collections = [array.concatenate(each).persist() for each in parts]
        distributed.wait(collections)
        return collections

    known = there()

    def here():
        return fastgd.gradient_descent(X, y, n_epochs=EPOCHS)

    def on_workers():
        fit = fastgd.gradient_descent(*known, n_epochs=EPOCHS)
        if which == "new":
            layout._placements.clear()
        return fit

    fit, expected = on_workers(), here()
    assert fit.w == expected.w
    assert fit.cost_history.tobytes() == expected.cost_history.tobytes()
    began = time.perf_counter()
    on_workers()
    group = f"distributed, {EPOCHS} epochs of {ROWS} rows, {which}"
    measure_whole(
        benchmark, group, "fastgd on 2 workers", on_workers, time.perf_counter() - began, X=X, y=y,
        beside={"in process": here},
    )  # fmt: skip

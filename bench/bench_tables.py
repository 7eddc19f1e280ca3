"""A whole read of a Parquet file by pyarrow alone, by a source, and for a cost and its gradient."""

from __future__ import annotations

import contextlib

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

import fastgd
from bench.harness import SMOKE, Case, assert_close, data, measure_whole, seconds_of

CASE = Case(5000 if SMOKE else 5_000_000, 9)
"""With y there are ten columns."""
RUN = 1 << 14
"""Rows that are converted at a time."""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file with pyarrow's default options."""
    X, y, _ = data(CASE)
    columns = {f"x{j}": X[:, j] for j in range(CASE.d)} | {"y": y}
    path = tmp_path_factory.mktemp("tables") / "rows.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def scanned(file):
    """pyarrow's own scan, with its default batches."""
    return sum(batch.num_rows for batch in dataset.dataset(file).scanner().to_batches())


def converted(source):
    """Convert each row for the kernels."""
    X, y, none = np.empty((RUN, source.d)), np.empty(RUN), np.empty(0)
    rows = 0
    with contextlib.closing(source.chunks()) as chunks:
        for chunk in chunks:
            for start in range(0, len(chunk), RUN):
                stop = min(start + RUN, len(chunk))
                chunk.fill(start, stop, X[: stop - start], y[: stop - start], none)
            rows += len(chunk)
    return rows


def test_read(benchmark, file):
    source = fastgd.read_table(file, target="y")
    assert converted(source) == scanned(file) == CASE.n
    _measure(benchmark, file, "chunks and fill", lambda: converted(source))


def test_cost_and_gradient(benchmark, file):
    X, y, _ = data(CASE)
    source, w = fastgd.read_table(file, target="y"), np.full(CASE.d, 0.5)
    for ours, expected in zip(
        fastgd.cost_and_gradient(source, None, w), fastgd.cost_and_gradient(X, y, w), strict=True
    ):
        assert_close(ours, expected, 1e-12, "cost_and_gradient of a table")
    _measure(benchmark, file, "cost and gradient", lambda: fastgd.cost_and_gradient(source, None, w))


def _measure(benchmark, file, contender, call):
    X, y, _ = data(CASE)
    seconds = seconds_of(call)
    beside = {"pyarrow's scan": lambda: scanned(file)}
    measure_whole(benchmark, f"Parquet {CASE}", contender, call, seconds, X=X, y=y, beside=beside)

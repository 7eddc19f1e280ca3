"""Reads of a Parquet file: by pyarrow alone, by a source, and for a cost and its gradient. Fits of tables in
memory, beside the same fit of an array."""

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
FRAME = Case(5000 if SMOKE else 1_000_000, 20)
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


def frame(X, kind):
    """The columns of X as a table in memory, each in an array of its own."""
    if kind == "Fortran array":
        return np.asfortranarray(X)
    columns = {f"x{j}": X[:, j].copy() for j in range(X.shape[1])}
    if kind == "pandas":
        return pytest.importorskip("pandas").DataFrame(columns, copy=False)
    if kind == "polars":
        return pytest.importorskip("polars").DataFrame(columns)
    table = pa.table(columns)
    third = len(X) // 3
    return table if kind == "Arrow" else pa.concat_tables([table[:third], table[third:]])


FITS = {
    "sgd, 1 epoch": lambda X, y: fastgd.sgd(X, y, learning_rate=1e-3, n_epochs=1),
    "sgd, 20 epochs": lambda X, y: fastgd.sgd(X, y, learning_rate=1e-3, n_epochs=20),
    "gradient_descent, 100 epochs": lambda X, y: fastgd.gradient_descent(
        X, y, learning_rate=0.1, n_epochs=100, method="summary"
    ),
}


@pytest.mark.parametrize("kind", ["Fortran array", "pandas", "polars", "Arrow", "Arrow in two pieces"])
@pytest.mark.parametrize("fit", FITS)
def test_frame(benchmark, fit, kind):
    X, y, _ = data(FRAME)
    table, call = frame(X, kind), FITS[fit]
    np.testing.assert_array_equal(call(table, y).w, call(X, y).w)
    seconds = seconds_of(call, table, y)
    beside = {"the array": lambda: call(X, y)}
    measure_whole(benchmark, f"{fit} {FRAME}", kind, lambda: call(table, y), seconds, X=X, y=y, beside=beside)

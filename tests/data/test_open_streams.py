"""Open streams as tables: which rows come, of which streams, how often, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import fastgd
from tests.data.reading import TABLE, N, S, X, Y, rows_of
from tests.helpers import ROOT

duckdb = pytest.importorskip("duckdb")
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")


def reader(table=TABLE, rows=90):
    return pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches(max_chunksize=rows)))


class Capsule:
    """A stream that only has the method of the protocol, and can be exported once."""

    def __init__(self, table):
        self._reader = reader(table)

    def __arrow_c_stream__(self, requested_schema=None):
        exported, self._reader = self._reader, None
        return exported.__arrow_c_stream__(requested_schema)


CONNECTIONS = []


def connect():
    """A connection that stays open: relations of older versions do not keep theirs."""
    CONNECTIONS.append(duckdb.connect())
    return CONNECTIONS[-1]


def relation(table=TABLE):
    connection = connect()
    connection.register("held", table)
    connection.execute("create table kept as select * from held")
    return connection.table("kept")


AGAIN = {
    "table": lambda: TABLE,
    "duckdb table": relation,
    "duckdb query": lambda: relation().filter("a > -2").order("y desc"),
    "polars": lambda: pl.from_arrow(TABLE),
    "lazy": lambda: pl.from_arrow(TABLE).lazy(),
    "lazy query": lambda: pl.from_arrow(TABLE).lazy().filter(pl.col("a") > -2),
    "pandas": TABLE.to_pandas,
}
ONCE = {
    "reader": reader,
    "capsule": lambda: Capsule(TABLE),
    "duckdb reader": lambda: pa.RecordBatchReader.from_stream(relation()),
}


@pytest.mark.parametrize("make", [*AGAIN.values(), *ONCE.values()], ids=[*AGAIN, *ONCE])
def test_columns_by_name(make):
    source = fastgd.read_table(make(), target="y", features=["c", "a", "b"], weight="s")
    assert (source.d, source.is_scalar, source.has_weights) == (3, False, True)
    assert source.columns == ("c", "a", "b")
    for _ in range(2):  # 1000 rows of a stream are kept
        found = rows_of(source)
        for values, expected in zip(found, (X[:, [2, 0, 1]], Y, S), strict=True):
            np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("kind", ["table", "polars", "pandas"])
def test_a_table_with_a_length_knows_its_rows(kind):
    assert fastgd.read_table(AGAIN[kind](), target="y", features=["a"]).n == N


def test_its_name_is_that_of_its_type():
    source = fastgd.read_table(relation(), target="y", features=["a", "b"])
    assert repr(source) == 'read_table(DuckDBPyRelation: "y" from "a", "b")'
    source = fastgd.read_table(reader(), target="y", features=["a"])
    assert repr(source) == 'read_table(RecordBatchReader: "y" from "a")'


def test_only_the_columns_that_are_used_are_asked_for():
    connection = connect()
    query = connection.sql('select i::double as "a""b", i as y, error(\'asked\') as c from range(9) t(i)')
    source = fastgd.read_table(query, target="y", features=['a"b'])
    np.testing.assert_array_equal(rows_of(source)[0][:, 0], np.arange(9.0))
    frame = pl.LazyFrame({"a": [1.0, 2.0], "y": [1, 2], "c": ["1", "x"]}).with_columns(pl.col("c").cast(int))
    np.testing.assert_array_equal(rows_of(fastgd.read_table(frame, target="y", features=["a"]))[1], [1, 2])


def test_types_of_duckdb():
    query = connect().sql(
        "select i % 2 = 0 as truth, (i / 4)::decimal(9, 2) as money, sum(i)::hugeint as huge, i as y "
        "from range(50) t(i) group by i order by i"
    )
    found, y, _ = rows_of(fastgd.read_table(query, target="y"))
    i = np.arange(50)
    np.testing.assert_array_equal(found, np.column_stack([i % 2 == 0, i / 4, i]).astype(float))
    np.testing.assert_array_equal(y, i)


def test_missing_values():
    table = pa.table({"a": [1.0, None, 3.0, 4.0], "y": pa.array([1, 2, None, 4])})
    for make in (reader, lambda t: pl.from_arrow(t).lazy(), relation):
        with pytest.raises(
            fastgd.InvalidDataError, match='"a" has 1 missing value, "y" 1; pass missing="drop"'
        ):
            rows_of(fastgd.read_table(make(table), target="y"))
        found = rows_of(fastgd.read_table(make(table), target="y", missing="drop"))
        np.testing.assert_array_equal(found[0][:, 0], [1.0, 4.0])


def failing():
    yield TABLE.to_batches()[0]
    raise OSError("the wire was cut")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: pa.RecordBatchReader.from_batches(TABLE.schema, failing()),
            "RecordBatchReader raised .*wire",
        ),
        (
            lambda: connect().sql(
                "select case when i = 9000 then error('a bad row') else i end::double as a, i as y "
                "from range(10000) t(i)"
            ),
            "DuckDBPyRelation raised .*a bad row",
        ),
        (
            lambda: pl.LazyFrame({"a": ["1", "x"], "y": [1, 2]}).with_columns(pl.col("a").cast(pl.Float64)),
            "LazyFrame raised InvalidOperationError: conversion",
        ),
        (lambda: pl.scan_csv("there-is-none.csv"), "LazyFrame raised FileNotFoundError"),
    ],
    ids=["reader", "duckdb", "polars", "no file"],
)
def test_an_error_of_the_stream_names_it(make, message):
    with pytest.raises(fastgd.InvalidDataError, match=message):
        fastgd.cost(fastgd.read_table(make(), target="y", features=["a"]), w=[1.0])


def test_what_is_refused_before_a_read():
    with pytest.raises(
        fastgd.InvalidDataError, match='RecordBatchReader has no column "aa": did you mean "a"'
    ):
        fastgd.read_table(reader(), target="y", features=["aa"])
    with pytest.raises(
        fastgd.InvalidDataError, match='column "note" of RecordBatchReader holds text; it must'
    ):
        fastgd.read_table(reader(), target="y", features=["note"])
    with pytest.raises(fastgd.InvalidDataError, match="LazyFrame is not a CSV file; leave out delimiter="):
        fastgd.read_table(AGAIN["lazy"](), target="y", delimiter=";")
    with pytest.raises(TypeError, match="an open file or an open stream, not dict"):
        fastgd.read_table({"a": [1.0]}, target="y")


def test_a_query_that_gives_other_rows_is_refused():
    connection = connect()
    source = fastgd.read_table(
        connection.sql("select random() as a, random() as y from range(20000)"), target="y"
    )
    with pytest.raises(
        fastgd.InvalidDataError, match="in another order than at an earlier read, or other rows; "
    ):
        fastgd.gradient_descent(source, loss="huber")
    steady = connection.sql("select i::double as a, i % 9 as y from range(20000) t(i)")
    fit = fastgd.gradient_descent(fastgd.read_table(steady, target="y"), loss="huber", n_epochs=3)
    i = np.arange(20000.0)
    assert (fit.w == fastgd.gradient_descent(i[:, None], i % 9, loss="huber", n_epochs=3).w).all()


def test_a_connection_that_does_not_keep_the_order_is_read_once():
    connection = connect()
    connection.execute("set preserve_insertion_order = false")
    source = fastgd.read_table(
        connection.sql("select i::double as a, i as y from range(90000) t(i)"), target="y"
    )
    with pytest.raises(
        fastgd.InvalidDataError, match="DuckDBPyRelation can be read once, and loss='huber' needs"
    ):
        fastgd.gradient_descent(source, loss="huber")
    fit = fastgd.gradient_descent(source, precondition=True)
    np.testing.assert_allclose(fit.w, 1.0, rtol=1e-12)


def test_a_query_runs_once_for_the_first_rows_and_once_for_a_pass():
    ran = []

    def counted(frame):
        ran.append(len(frame))
        return frame

    X = np.random.default_rng(0).normal(size=(50_000, 3))
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": X[:, 2]}).lazy().map_batches(counted)
    source = fastgd.read_table(frame, target="y")
    ran.clear()  # of the schema
    fit = fastgd.gradient_descent(source, fit_intercept=True)
    assert fit.n_passes == 1
    assert len(ran) == 2


def test_the_connection_is_free_after_a_fit():
    kept = relation()
    fastgd.gradient_descent(fastgd.read_table(kept, target="y", features=["a"]))
    assert kept.aggregate("count(*)").fetchall() == [(N,)]


BOUNDED = """
import resource, sys
import numpy as np, pyarrow as pa
import fastgd
size, batches = 100_000, int(sys.argv[1])
rng = np.random.default_rng(0)
batch = pa.record_batch({name: rng.normal(size=size) for name in "abcy"})
def fit(n):
    batches = pa.RecordBatchReader.from_batches(batch.schema, (pa.record_batch(
        {name: batch[name].to_numpy() + k for name in "abcy"}) for k in range(n)))
    return fastgd.gradient_descent(fastgd.read_table(batches, target="y"), fit_intercept=True, n_epochs=2)
fit(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert fit(batches).n_samples == size * batches
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_stream():
    compiled = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    ran = subprocess.run(
        [sys.executable, "-c", BOUNDED, "100"],
        capture_output=True, text=True, cwd=ROOT, check=True, env=compiled,
    )  # fmt: skip
    assert int(ran.stdout) < 64 << 10  # kB; the stream has 320 MB

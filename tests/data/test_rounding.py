"""Whole numbers beyond 2^53 are rounded to floats: one warning, wherever the rows come from."""

from __future__ import annotations

import re
import warnings

import dask.array as da
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import fastgd
from fastgd.data.rounding import first_rounded
from fastgd.estimators import GDClassifier, GDRegressor

BIG = 1_700_000_000_000_000_001
"""Nanoseconds of 2023, and one."""
N = 60
X = np.column_stack([np.arange(N), 1_700_000_000_000_000_000 + 2048 * np.arange(N)])
X[7, 1] = BIG
Y = np.arange(N) % 5
SAYS = r"is 17\d{17}: whole numbers beyond 2\*\*53 are rounded to floats"


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_numbers_that_floats_round(value):
    assert (first_rounded(np.array([0, value])) == (1,)) == (int(float(value)) != value)


@given(st.integers(0, 2**64 - 1))
def test_unsigned_numbers_that_floats_round(value):
    assert (first_rounded(np.array([0, value], np.uint64)) == (1,)) == (int(float(value)) != value)


def test_the_first_place_of_many_rows():
    values = np.zeros((300_000, 2), np.int64)
    assert first_rounded(values) is None
    values[250_000, 1], values[299_999, 0] = -BIG, BIG
    assert first_rounded(values) == (250_000, 1)
    assert first_rounded(values.astype(float)) is first_rounded(np.arange(9, dtype=np.int32)) is None


def frame():
    return pd.DataFrame({"a": X[:, 0].astype(float), "time": X[:, 1]})


def in_two(make):
    return fastgd.chunks(lambda: iter([(make(X[:5]), Y[:5]), (make(X[5:]), Y[5:])]))


def written(folder, name):
    table = pa.table({"a": X[:, 0], "time": X[:, 1], "y": Y})
    if name.endswith("csv"):
        table.to_pandas().to_csv(folder / name, index=False)
    else:
        parquet.write_table(table, folder / name)
    return (fastgd.read_table(folder / name, target="y"),)


def mapped(folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r"), Y


def in_parts(_folder):
    return pl.concat([pl.from_pandas(frame()[:5]), pl.from_pandas(frame()[5:])], rechunk=False), Y


NAMED = r"X\[7, 'time'\] "
SOURCES = {
    "array": (lambda _: (X, Y), r"X\[7, 1\] "),
    "list": (lambda _: (X.tolist(), Y), r"X\[7, 1\] "),
    "objects": (lambda _: (X.astype(object), Y), r"X\[7, 1\] "),
    "unsigned": (lambda _: (X.astype(np.uint64), Y), r"X\[7, 1\] "),
    "one column": (lambda _: (X[:, 1], Y), r"X\[7\] "),
    "targets": (lambda _: (X[:, :1], X[:, 1]), r"y\[7\] "),
    "pandas": (lambda _: (frame(), Y), NAMED),
    "pandas, one type": (lambda _: (pd.DataFrame(X), Y), r"X\[7, 1\] "),
    "pandas, nullable": (lambda _: (frame().astype({"time": "Int64"}), Y), NAMED),
    "pandas, objects": (lambda _: (frame().astype({"time": object}), Y), NAMED),
    "polars": (lambda _: (pl.from_pandas(frame()), Y), NAMED),
    "polars, in parts": (in_parts, NAMED),
    "Arrow": (lambda _: (pa.Table.from_pandas(frame()), Y), NAMED),
    "mapped": (mapped, "row 7: X "),
    "chunks": (lambda _: (in_two(np.asarray),), r"row 7 of chunks\(\): X "),
    "Parquet": (lambda folder: written(folder, "t.parquet"), '.*t.parquet.*: column "time" '),
    "CSV": (lambda folder: written(folder, "t.csv"), '.*t.csv.*: column "time" '),
    "Dask": (lambda _: (da.from_array(X, (20, 2)), da.from_array(Y, 20)), "partition 0, row 7: X "),
}


def told(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [one for one in caught if "2**53" in str(one.message)]


@pytest.mark.parametrize(("make", "place"), SOURCES.values(), ids=SOURCES)
def test_one_warning_says_where(make, place, tmp_path):
    data = make(tmp_path)
    (one,) = told(lambda: fastgd.gradient_descent(*data, standardize=True, n_epochs=3))
    assert one.category is UserWarning
    assert re.search(f"^{place}{SAYS}", str(one.message)), str(one.message)


def test_the_line_of_the_user_is_named():
    (one,) = told(lambda: fastgd.gradient_descent(X, Y, standardize=True, n_epochs=3))
    assert one.filename == __file__


def test_rows_of_a_mapped_file_that_are_read_in_a_shuffled_order_alone(tmp_path):
    data = mapped(tmp_path)
    (one,) = told(lambda: fastgd.sgd(*data, shuffle=True, learning_rate=1e-40, n_epochs=3, tol=None))
    assert re.search(f"^row 7: X {SAYS}", str(one.message)), str(one.message)


@pytest.mark.parametrize("data", [X, frame(), X.astype(object)], ids=["array", "frame", "objects"])
def test_predictions_and_estimators_warn_once(data):
    w = np.array([1.0, 2.0])
    assert len(told(lambda: fastgd.forward(data, w))) == 1
    assert len(told(lambda: fastgd.cost(data, Y, w))) == 1
    for model in (
        GDRegressor(),
        GDRegressor(loss="huber", max_iter=2, tol=None),
        GDClassifier(max_iter=2, tol=None),
    ):
        assert len(told(lambda model=model: model.fit(data, Y))) == 1
        assert len(told(lambda model=model: model.predict(data))) == 1


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32])
def test_numbers_that_floats_hold_are_not_warned_of(dtype):
    values = np.array([1, 3, 2**30, 5, 7, 9])
    if np.dtype(dtype).itemsize == 8:
        values[2:4] = 2**53, 2**60
    values = values.astype(dtype)
    assert told(lambda: fastgd.gradient_descent(values[:, None], np.arange(6), n_epochs=0)) == []
    assert told(lambda: fastgd.forward(values[:, None], [1.0])) == []

"""Tables in memory: what they are read as, block by block, and what is refused."""

from __future__ import annotations

import decimal
import itertools
import re
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fastgd import InvalidDataError
from fastgd.data import conversion
from fastgd.data.frames import ColumnTable, as_array_or_none, as_table

N = 50
VALUES = {
    "f": np.linspace(-1.0, 1.0, N),
    "i": np.arange(N) - 7,
    "s": np.linspace(0.0, 2.0, N, dtype=np.float32),
    "b": np.arange(N) % 3 == 0,
}
EXPECTED = np.column_stack([values.astype(float) for values in VALUES.values()])


def chunked(table):
    """The same rows in pieces."""
    return pa.concat_tables([table[:11], table[11:13], table[13:]])


TABLES = {
    "pandas": pd.DataFrame(VALUES),
    "pandas nullable": pd.DataFrame(VALUES).convert_dtypes(),
    "pandas by arrow": pa.table(VALUES).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas categories": pd.DataFrame(VALUES).assign(i=pd.Categorical(VALUES["i"])),
    "pandas sparse": pd.DataFrame(VALUES).astype({"f": pd.SparseDtype(float, 0.0)}),
    "pandas objects": pd.DataFrame(VALUES).astype({"i": object}),
    "pandas columns of one name": pd.DataFrame(VALUES).set_axis(["x"] * 4, axis=1),
    "polars": pl.DataFrame(VALUES),
    "polars in pieces": pl.concat([pl.DataFrame(VALUES)[:11], pl.DataFrame(VALUES)[11:]], rechunk=False),
    "polars decimals": pl.DataFrame(VALUES).with_columns(pl.col("i").cast(pl.Decimal(20, 2))),
    "arrow": pa.table(VALUES),
    "arrow in pieces": chunked(pa.table(VALUES)),
    "arrow batch": pa.RecordBatch.from_pydict(VALUES),
    "arrow dictionary": chunked(pa.table(VALUES | {"i": pa.array(VALUES["i"]).dictionary_encode()})),
    "arrow decimals": chunked(pa.table(VALUES | {"i": pa.array(VALUES["i"]).cast(pa.decimal128(25, 2))})),
}


@pytest.fixture(params=[conversion.LEAST_NUMBERS, 1], ids=["by NumPy", "by the kernel"])
def least(request, monkeypatch):
    """The number of numbers from which a kernel turns columns into rows."""
    monkeypatch.setattr(conversion, "LEAST_NUMBERS", request.param)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_columns_are_read_as_rows(table, least):
    found = as_table("X", table)
    assert isinstance(found, ColumnTable)
    assert (found.n, found.d, found.dtype) == (N, 4, np.float64)
    assert len(found.columns) == 4
    np.testing.assert_array_equal(found.whole(), EXPECTED)
    for start, stop in ((0, 1), (9, 14), (N - 1, N), (20, 20)):
        X = np.empty((stop - start, 4))
        found.fill(X, start, stop)
        np.testing.assert_array_equal(X, EXPECTED[start:stop])
    order = np.array([3, 3, 49, 0, 12])
    X = np.empty((5, 4))
    found.take(order, X)
    np.testing.assert_array_equal(X, EXPECTED[order])
    np.testing.assert_array_equal(as_array_or_none("X", table), EXPECTED)


def in_pieces(values, bounds, package):
    parts = [values[start:stop] for start, stop in itertools.pairwise(bounds)]
    if package == "polars":
        return pl.concat([pl.Series(part) for part in parts], rechunk=False)
    return pa.chunked_array([pa.array(part) for part in parts], pa.array(values[:0]).type)


@pytest.mark.parametrize("package", ["polars", "arrow"])
@pytest.mark.parametrize("dtypes", ["dd", "ff", "dfd", "ffi", "l", "ll", "?dbd", "d" * 20, "f" * 9])
@pytest.mark.parametrize("n", [0, 1, 2, 4095, 4096, 4097])
def test_pieces_are_read_as_rows(rng, least, n, dtypes, package):
    expected = [(100.0 * rng.standard_normal(n)).astype(dtype) for dtype in dtypes]
    wanted = np.float32 if set(dtypes) == {"f"} else np.float64
    rows = np.empty((n, len(dtypes)), wanted)
    for j, values in enumerate(expected):
        rows[:, j] = values
    bounds = [[0, n], [0, 0, n // 3, n // 3, n // 2, n, n], [0, *range(0, n, 512), n]]
    columns = [in_pieces(values, bounds[j % 3], package) for j, values in enumerate(expected)]
    names = [str(j) for j in range(len(dtypes))]
    if package == "polars":
        table = pl.DataFrame(dict(zip(names, columns, strict=True)))
    else:
        table = pa.table(columns, names)
    found = as_table("X", table)
    assert (found.shape, found.dtype) == (rows.shape, wanted)
    assert n < 512 or len(dtypes) == 1 or max(len(part.pieces) for part in found.parts) > 1
    np.testing.assert_array_equal(found.whole(), rows)
    for start, stop in ((0, n), (n // 3, n // 2), (n // 5, n - n // 5), (n - n // 7, n), (n, n)):
        room = np.full((stop - start + 2, len(dtypes)), -7, wanted)
        found.fill(room[1:-1], start, stop)
        np.testing.assert_array_equal(room[1:-1], rows[start:stop])
        assert (room[[0, -1]] == -7).all()
    order = rng.integers(0, max(n, 1), min(n, 9))
    room = np.empty((len(order), len(dtypes)), wanted)
    found.take(order, room)
    np.testing.assert_array_equal(room, rows[order])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"])
def test_single_precision_stays_so_where_all_columns_have_it(make):
    single = dict.fromkeys("ab", VALUES["s"])
    found = as_table("X", make(single))
    dtype = found.dtype
    assert dtype == np.float32
    assert as_array_or_none("X", make(single)).dtype == np.float32
    assert as_table("X", make(single | {"c": VALUES["f"]})).dtype == np.float64


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16"])
def test_a_frame_that_is_an_array_is_not_copied(dtype):
    frame = pd.DataFrame(np.arange(30).reshape(10, 3).astype(dtype), columns=list("abc"))
    found = as_table("X", frame)
    assert isinstance(found, np.ndarray)
    assert np.shares_memory(found, frame["b"].to_numpy())
    np.testing.assert_array_equal(found, np.arange(30).reshape(10, 3))


def test_columns_that_numpy_can_read_are_not_copied():
    for table in (TABLES["pandas"], TABLES["polars"], TABLES["arrow"]):
        column = table["f"]
        found = as_array_or_none("y", column)
        assert np.shares_memory(found, column.to_numpy())


@pytest.mark.parametrize(
    "name", ["pandas nullable", "pandas by arrow", "polars in pieces", "arrow in pieces", "arrow batch"]
)
def test_tables_share_the_memory_of_columns_that_numpy_can_read(name):
    first, again = (as_table("X", TABLES[name]) for _ in range(2))
    for part, same in zip(first.parts[:3], again.parts[:3], strict=True):
        assert sum(map(len, part.pieces)) == N
        for piece, other in zip(part.pieces, same.pieces, strict=True):
            assert np.shares_memory(piece, other)


MISSING = [
    pd.Series([1, None], dtype="Int64"),
    pd.Series([1, None], dtype="Float64"),
    pd.Series([True, None], dtype="boolean"),
    pd.Series([1, None], dtype="int64[pyarrow]"),
    pd.Series([1.5, None], dtype=object),
    pd.Series([1.5, pd.NA], dtype=object),
    pd.Series(pd.Categorical([1.0, None])),
    pl.Series([1, None]),
    pl.Series([True, None]),
    pl.Series([1.0, None], dtype=pl.Decimal(10, 2)),
    pa.array([1, None]),
    pa.chunked_array([[1.5], [None]]),
    pa.array([True, None]),
    pa.array([1, None]).dictionary_encode(),
    pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([5, None])),
]


@pytest.mark.parametrize("column", MISSING, ids=lambda column: f"{type(column).__name__}-{len(column)}")
def test_a_missing_value_is_named(column):
    with pytest.raises(InvalidDataError, match=r"^y\[1\] is missing; drop such rows or fill them$"):
        as_array_or_none("y", column)
    with pytest.raises(InvalidDataError, match=r"^X\[1, 'b'\] is missing; drop such rows"):
        as_table("X", table_of(column))


def table_of(column):
    if isinstance(column, pd.Series):
        return pd.DataFrame({"a": [1.0] * len(column), "b": column})
    if isinstance(column, pl.Series):
        return pl.DataFrame({"a": [1.0] * len(column), "b": column})
    return pa.table({"a": [1.0] * len(column), "b": column})


DATES = np.array(["2026-01-01"], "datetime64[s]")
REFUSED = [
    (pd.Series(["a"], dtype="string"), r"text \(string\) such as 'a'"),
    (pd.Series(["a"], dtype="string[pyarrow]"), r"text \(string\) such as 'a'"),
    (pd.Series(["a"]).astype("category"), r"text \(category\) such as 'a'"),
    (pd.Series(DATES), r"dates \(datetime64\[s\]\)"),
    (pd.Series(DATES).dt.tz_localize("UTC"), r"no numbers \(datetime64\[s, UTC\]\)"),
    (pd.Series(DATES - DATES), r"time spans \(timedelta64\[s\]\)"),
    (pd.Series([1j]), r"complex numbers \(complex128\)"),
    (pl.Series(["a"]), r"text \(String\) such as 'a'"),
    (pl.Series(["a"], dtype=pl.Categorical), r"text \(Categorical.*\) such as 'a'"),
    (pl.Series(DATES.astype("datetime64[ms]")), r"dates \(Datetime.*\)"),
    (pl.Series([[1.0]]), r"no numbers \(List\(Float64\)\)"),
    (pa.array(["a"]), r"text \(string\) such as 'a'"),
    (pa.array(["a"]).dictionary_encode(), r"text \(dictionary<.*>\) such as 'a'"),
    (pa.array(DATES), r"dates \(timestamp\[s\]\)"),
    (pa.array([[1.0]]), r"list<.*> \(list<.*>\)"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("column", "told"), REFUSED, ids=lambda part: type(part).__name__)
def test_what_holds_no_numbers_is_refused(column, told):
    with pytest.raises(InvalidDataError, match=rf"^y holds {told}; it must hold real numbers$"):
        as_array_or_none("y", column)
    with pytest.raises(InvalidDataError, match=rf'^column "b" of X holds {told}; it must hold real numbers$'):
        as_table("X", table_of(column))


def test_text_without_a_type_is_refused():
    """pandas keeps it as objects up to version 2, where a column may hold numbers beside text."""
    column = pd.Series(["a"])
    if column.dtype == object:
        y, x = "y[0] is 'a'; y must hold", "X[0, 'b'] is 'a'; column \"b\" of X must hold"
    else:
        y, x = (f"{what} holds text (str) such as 'a'; it must hold" for what in ("y", 'column "b" of X'))
    with pytest.raises(InvalidDataError, match=f"^{re.escape(y)} real numbers$"):
        as_array_or_none("y", column)
    with pytest.raises(InvalidDataError, match=f"^{re.escape(x)} real numbers$"):
        as_table("X", table_of(column))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, "a"], r"^y\[1\] is 'a'; y must hold real numbers$"),
        ([1, decimal.Decimal(1)], r"^y\[1\] is Decimal\('1'\); y must hold real numbers$"),
        ([1, 10**400], r"^y\[1\] is too large for a float$"),
    ],
)
def test_objects_must_be_numbers(values, message):
    with pytest.raises(InvalidDataError, match=message):
        as_array_or_none("y", pd.Series(values, dtype=object))


def test_a_plan_is_no_table():
    with pytest.raises(InvalidDataError, match=r"pass X\.collect\(\)$"):
        as_table("X", pl.LazyFrame({"a": [1.0]}))


@pytest.mark.parametrize("table", [pd.DataFrame(), pl.DataFrame(), pa.table({})], ids=["pd", "pl", "pa"])
def test_no_columns_are_an_empty_array(table):
    assert as_table("X", table).shape == (0, 0)


class Tensor:
    """An array of another library."""

    def __init__(self, values, device=1):
        self.values, self.device = values, device

    def __dlpack__(self, **how):
        return self.values.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.device, 0


class Broken(Tensor):
    def __dlpack__(self, **how):
        raise BufferError("it needs a gradient")


def test_dlpack():
    values = np.arange(6.0).reshape(3, 2)
    found = as_array_or_none("X", Tensor(values))
    assert np.shares_memory(found, values)
    np.testing.assert_array_equal(found, values)
    with pytest.raises(InvalidDataError, match="^X is on a CUDA device; copy it to the CPU first$"):
        as_array_or_none("X", Tensor(values, 2))
    with pytest.raises(InvalidDataError, match="^X is on another device; copy it to the CPU first$"):
        as_array_or_none("X", Tensor(values, 99))
    with pytest.raises(InvalidDataError, match="^X cannot be made an array: it needs a gradient$"):
        as_array_or_none("X", Broken(values))


@pytest.mark.parametrize("value", [[1.0], np.ones(3), 1.0, None, "text", {"a": [1.0]}], ids=repr)
def test_anything_else_is_left_to_numpy(value):
    assert as_table("X", value) is None
    assert as_array_or_none("X", value) is None


def test_packages_that_are_not_there_are_not_missed(monkeypatch):
    for name in ("pandas", "polars", "pyarrow"):
        monkeypatch.delitem(sys.modules, name)
    assert as_array_or_none("X", TABLES["pandas"]) is None
    assert not {"pandas", "polars", "pyarrow"} & sys.modules.keys()

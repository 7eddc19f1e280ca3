"""Tables in files: which rows come, of which files, and what is refused."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as pa_csv

import fastgd
from tests.data.reading import KINDS, TABLE, N, S, X, Y, open_files, rows_of, write

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", KINDS)
def test_columns_by_name(tmp_path, name):
    file = tmp_path / name
    write(file.with_name(name.lower())).rename(file)
    source = fastgd.read_table(str(file), target="y", features=["c", "a", "b"], weight="s")
    assert source.n == (None if name == "stream.arrow" else N)
    assert (source.d, source.is_scalar, source.has_weights) == (3, False, True)
    assert source.columns == ("c", "a", "b")
    assert source.name == name
    assert repr(source) == f'read_table({name}: "y" from "c", "a", "b")'
    for _ in range(2):
        found = rows_of(source)
        for values, expected in zip(found, (X[:, [2, 0, 1]], Y, S), strict=True):
            np.testing.assert_array_equal(values, expected)
    assert str(source.place(700)) == f"row 700 of {name}"


def test_by_default_all_columns_but_those_with_another_part(tmp_path):
    file = write(tmp_path / "t.parquet", TABLE.drop(["note"]))
    assert fastgd.read_table(file, target="y", weight="s").columns == ("a", "b", "c")
    assert fastgd.read_table(file, target="a").columns == ("b", "c", "y", "s")


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (dict(target="yy"), ValueError, 't.parquet has no column "yy": did you mean "y"? It has "a", "b", '),
        (
            dict(features=["a", "zzz"]),
            ValueError,
            't.parquet has no column "zzz". It has "a", "b", "c", "note"',
        ),
        (dict(features=["a", "y"]), ValueError, 'the target "y" is among the features; leave it out there'),
        (dict(weight="a"), ValueError, 'the weight "a" is among the features; leave it out there'),
        (dict(weight="y"), ValueError, 'the weight "y" is the target too; name another column'),
        (dict(features=["a", "b", "a"]), ValueError, '"a" is twice among the features'),
        (dict(features=[]), ValueError, "features is empty; at least one is needed"),
        (dict(features="a"), TypeError, "features must be a list of names, ['a'], not a name"),
        (dict(features=["a", 1]), TypeError, "features must be names of columns, not ('a', 1)"),
        (dict(target=None), TypeError, "target must be the name of a column, not None"),
        (dict(missing="fill"), ValueError, "missing must be 'error' or 'drop', not 'fill'"),
        (
            dict(features=["a", "note"]),
            ValueError,
            'column "note" of t.parquet holds text, "text" in row 0; it must hold real numbers',
        ),
        (
            dict(features=None),
            ValueError,
            't.parquet has columns that hold no numbers, "note" (text, "text" in row 0); '
            'name those to use, features=["a", "b", "c", "s"]',
        ),
    ],
    ids=lambda part: repr(part) if isinstance(part, dict) else "",
)
def test_wrong_names(tmp_path, arguments, error, sentence):
    file = write(tmp_path / "t.parquet")
    with pytest.raises(error, match=f"^{re.escape(sentence)}") as caught:
        fastgd.read_table(file, **(dict(target="y", features=["a"]) | arguments))
    assert "\n" not in str(caught.value)


def test_two_columns_of_a_name(tmp_path):
    table = pa.Table.from_arrays([pa.array([1.0])] * 3, names=["x", "x", "y"])
    for file in (write(tmp_path / "t.parquet", table), write(tmp_path / "t.arrow", table)):
        with pytest.raises(fastgd.InvalidDataError, match=rf'^{file.name} has 2 columns "x"; rename them$'):
            fastgd.read_table(file, target="y")
    table = table.append_column("a", pa.array([7.0]))
    for file in (write(tmp_path / "t.parquet", table), write(tmp_path / "t.arrow", table)):
        X, y, _ = rows_of(fastgd.read_table(file, target="y", features=["a"]))
        assert (X.tolist(), y.tolist()) == ([[7.0]], [1.0])


def test_names_that_begin_alike(tmp_path):
    table = pa.table({"x": [1.0, 2.0], "x.z": ["u", "v"], "y": [3.0, 4.0]})
    source = fastgd.read_table(write(tmp_path / "t.parquet", table), target="y", features=["x"])
    np.testing.assert_array_equal(rows_of(source)[0], [[1.0], [2.0]])


def test_nothing_beside_the_target(tmp_path):
    file = write(tmp_path / "t.parquet", TABLE.select(["y"]))
    with pytest.raises(fastgd.InvalidDataError, match='has no other columns than "y"; X needs at least one$'):
        fastgd.read_table(file, target="y")


HOLES = pa.table(
    {
        "a": pa.array([1.0, None, 3.0, 4.0, np.nan, 6.0]),
        "b": pa.array([1, 2, 3, None, 5, None]),
        "c": pa.array([1, 2, 3, 4, None, 6]).dictionary_encode(),
        "y": pa.array([10, 20, 30, 40, 50, 60]),
    }
)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "lz4.feather"])
class TestMissing:
    def test_counted_by_column(self, tmp_path, name):
        source = fastgd.read_table(write(tmp_path / name, HOLES, 2), target="y")
        sentence = f'{name}: "a" has 1 missing value, "b" 2, "c" 1; pass missing="drop", or fill them'
        with pytest.raises(fastgd.InvalidDataError, match=f"^{re.escape(sentence)}$"):
            rows_of(source)

    def test_dropped(self, tmp_path, name):
        source = fastgd.read_table(write(tmp_path / name, HOLES, 4), target="y", missing="drop")
        assert source.n is None
        assert rows_of(source)[1].tolist() == [10, 30]
        assert str(source.place(1)) == f"row 2 of {name}"
        by_one = fastgd.read_table(tmp_path / name, target="y", features=["a"], missing="drop")
        assert rows_of(by_one)[1].tolist() == [10, 30, 40, 60]
        assert str(by_one.place(3)) == f"row 5 of {name}"

    def test_all_of_them(self, tmp_path, name):
        table = pa.table({"x": pa.nulls(3), "y": [1.0, 2.0, 3.0]})
        file = write(tmp_path / name, table)
        with pytest.raises(fastgd.InvalidDataError, match='"x" has 3 missing values; pass'):
            rows_of(fastgd.read_table(file, target="y"))
        with pytest.raises(
            fastgd.InvalidDataError, match="has no rows without a missing value; at least one"
        ):
            rows_of(fastgd.read_table(file, target="y", missing="drop"))


def test_a_reader_may_stop_while_missing_values_are_counted(tmp_path):
    chunks = fastgd.read_table(write(tmp_path / "t.arrow", HOLES, 1), target="y").chunks()
    assert [len(next(chunks)) for _ in range(5)] == [1, 0, 0, 0, 0]
    chunks.close()


def test_a_nan_is_found_where_it_is(tmp_path):
    values = TABLE["a"].to_numpy().copy()
    values[700] = np.nan
    for name, column in (("feature", "a"), ("target", "y")):
        file = write(
            tmp_path / f"{name}.parquet", TABLE.set_column(TABLE.schema.names.index(column), column, [values])
        )
        source = fastgd.read_table(file, target="y", features=["c", "a"])
        told = f'column "{column}"'
        with pytest.raises(
            fastgd.InvalidDataError,
            match=rf"^row 700 of {name}\.parquet: {told} is NaN; drop such rows or fill",
        ):
            fastgd.gradient_descent(source, n_epochs=2)


def test_a_file_that_grows_between_reads(tmp_path):
    file = write(tmp_path / "t.arrow")
    source = fastgd.read_table(file, target="y", features=["a"])
    write(file, pa.concat_tables([TABLE, TABLE]))
    with pytest.raises(fastgd.InvalidDataError, match="rows at this read, and 1000 were expected"):
        fastgd.cost_and_gradient(source, None, [0.0])


@pytest.mark.parametrize("name", [*KINDS[::2], "lz4.feather"])
def test_what_is_open_is_closed(tmp_path, name):
    file = tmp_path / name
    write(file, pa.table({"x": np.arange(300_000.0), "y": np.arange(300_000.0)}), 10_000)
    source = fastgd.read_table(file, target="y")
    rows_of(source)
    gc.collect()
    before, threads = open_files(), set(threading.enumerate())
    for _ in range(3):
        chunks = source.chunks()
        assert len(next(chunks)) > 0
        chunks.close()
    gc.collect()
    assert open_files() <= before
    assert set(threading.enumerate()) == threads


def test_without_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"tables in files need pyarrow: pip install 'fastgd\[io\]'"
    ):
        fastgd.read_table("t.parquet", target="y")


def test_pandas_is_not_imported_for_a_read(tmp_path):
    """It takes seconds, in the thread that reads, and a process cannot end meanwhile."""
    table = pa.table({"a": [1.0, None, 2.0, float("nan")], "b": [True, False, True, True], "y": [1, 2, 3, 4]})
    pa_csv.write_csv(table, tmp_path / "t.csv")
    write(tmp_path / "t.parquet", table)
    write(tmp_path / "t.arrow", table)
    program = (
        "import sys\n"
        "from fastgd.data.streams import StreamRows\n"
        "import fastgd\n"
        "for name in sys.argv[1:]:\n"
        "    X, y, _ = StreamRows(fastgd.read_table(name, target='y', missing='drop')).whole()\n"
        "    assert (X.tolist(), y.tolist()) == ([[1.0, 1.0], [2.0, 1.0]], [1.0, 3.0])\n"
        "assert 'pandas' not in sys.modules\n"
    )
    names = [str(tmp_path / name) for name in ("t.csv", "t.parquet", "t.arrow")]
    subprocess.run(
        [sys.executable, "-c", program, *names], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True
    )

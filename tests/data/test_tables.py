"""Tables in files: which rows come, of which files, and what is refused."""

from __future__ import annotations

import decimal
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
from pyarrow import feather, parquet

import fastgd
from fastgd.data import columns, formats
from tests.data.reading import open_files, rows_of

ROOT = Path(__file__).parents[2]
N = 1000
TABLE = pa.table(
    {
        "a": np.linspace(-1.0, 1.0, N),
        "b": np.arange(N) % 7,
        "c": np.linspace(0.0, 9.0, N, dtype=np.float32),
        "note": ["text"] * N,
        "y": np.arange(N)[::-1].astype(np.int16),
        "s": np.arange(N) % 3,
    }
)
X = np.column_stack([TABLE[name].to_numpy().astype(float) for name in "abc"])
Y, S = TABLE["y"].to_numpy(), TABLE["s"].to_numpy()


def write(path, table=TABLE, rows=300):
    """In pieces of some rows, as its name says."""
    if path.suffix in (".parquet", ".pq"):
        parquet.write_table(table, path, row_group_size=rows)
    elif path.name.endswith("stream.arrow"):
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, rows)
    else:
        feather.write_feather(table, path, "lz4" if "lz4" in path.name else "uncompressed", chunksize=rows)
    return path


KINDS = ["t.parquet", "T.PQ", "t.arrow", "t.feather", "t.ipc", "lz4.feather", "stream.arrow"]


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


def test_small_batches_of_large_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "BATCH_NUMBERS", 1 << 8)
    source = fastgd.read_table(write(tmp_path / "t.parquet", rows=N), target="y", features=["a", "b", "c"])
    sizes = [len(chunk) for chunk in source.chunks()]
    assert sizes == [64] * 15 + [40]
    np.testing.assert_array_equal(rows_of(source)[0], X)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pa.array([1, 200], pa.uint8()), np.float64),
        (pa.array([2**63, 5], pa.uint64()), np.float64),
        (pa.array(np.array([1.5, 2.5], np.float16)), np.float64),
        (pa.array([1.5, 2.5], pa.float32()), np.float32),
        (pa.array([True, False]), np.float64),
        (pa.array([decimal.Decimal("1.25"), decimal.Decimal("-3.5")]), np.float64),
        (pa.array([7, 9, 7]).dictionary_encode()[1:], np.float64),
        (pa.array([0.5, 2.5], pa.float32()).dictionary_encode(), np.float32),
    ],
    ids=lambda part: str(getattr(part, "type", "")),
)
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_types_that_are_numbers(tmp_path, values, dtype, suffix):
    table = pa.table({"x": values, "y": values})
    source = fastgd.read_table(write(tmp_path / f"t.{suffix}", table), target="y")
    assert source.dtypes == (dtype, dtype)
    found, y, _ = rows_of(source)
    np.testing.assert_array_equal(y, [float(value) for value in values.to_pylist()])
    np.testing.assert_array_equal(found[:, 0], y)


def test_single_precision_only_where_all_features_have_it(tmp_path):
    file = write(tmp_path / "t.parquet")
    assert fastgd.read_table(file, target="y", features=["c"]).dtypes == (np.float32, np.float64)
    assert fastgd.read_table(file, target="c", features=["a", "b"]).dtypes == (np.float64, np.float32)
    assert fastgd.read_table(file, target="y", features=["c", "a"]).dtypes == (np.float64, np.float64)


class TestFolders:
    def test_in_the_order_of_names(self, tmp_path):
        for number, start in enumerate((600, 0, 300)):
            write(tmp_path / f"part-{(number + 2) % 3}.parquet", TABLE[start : start + 300])
        (tmp_path / "_SUCCESS").touch()
        (tmp_path / ".part-0.parquet.crc").write_bytes(b"x")
        source = fastgd.read_table(tmp_path, target="y", features=["a"])
        assert source.n == 900
        np.testing.assert_array_equal(rows_of(source)[1], np.r_[Y[:300], Y[300:600], Y[600:900]])
        assert str(source.place(299)) == "row 299 of part-0.parquet"
        assert str(source.place(300)) == "row 0 of part-1.parquet"

    def test_a_list_has_its_own_order(self, tmp_path):
        parts = [
            write(tmp_path / f"{name}.parquet", TABLE[at : at + 10]) for name, at in (("b", 0), ("a", 10))
        ]
        source = fastgd.read_table(parts, target="y", features=["a"])
        assert source.name == "b.parquet and 1 more"
        np.testing.assert_array_equal(rows_of(source)[1], Y[:20])

    def test_kinds_may_differ_in_a_list(self, tmp_path):
        (tmp_path / "t.csv").write_text("y,a\n3,4\n")
        parts = [write(tmp_path / "t.parquet", TABLE[:2]), tmp_path / "t.csv"]
        source = fastgd.read_table(parts, target="y", features=["a"])
        assert source.n is None
        assert rows_of(source)[1].tolist() == [999.0, 998.0, 3.0]

    def test_columns_told_by_folders(self, tmp_path):
        for year in (2025, 2026):
            for place in ("x y", "z"):
                folder = tmp_path / f"year={year}" / f"place={place.replace(' ', '%20')}"
                folder.mkdir(parents=True)
                write(folder / "0.parquet", TABLE[:3].select(["a", "y"]))
        source = fastgd.read_table(tmp_path, target="y", features=["a", "year"])
        assert source.dtypes[0] == np.float64
        np.testing.assert_array_equal(rows_of(source)[0][:, 1], np.repeat([2025.0, 2026.0], 6))
        assert str(source.place(11)) == "row 2 of year=2026/place=z/0.parquet"
        with pytest.raises(
            fastgd.InvalidDataError, match=r'no numbers, "place" \(text\); name those to use, '
        ):
            fastgd.read_table(tmp_path, target="y")
        with pytest.raises(
            fastgd.InvalidDataError, match='column "place" of .* holds text; it must hold real'
        ):
            fastgd.read_table(tmp_path, target="y", features=["place"])

    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_text_that_folders_tell(self, tmp_path, suffix):
        for place in ("nyc", "par"):
            folder = tmp_path / f"city={place}"
            folder.mkdir()
            if suffix == "csv":
                (folder / "t.csv").write_text("a,y\n1,2\n3,4\n")
            else:
                write(folder / "t.parquet", TABLE[:3].select(["a", "y"]))
        name = f"city=nyc/t.{suffix}"
        remedy = 'name those to use, features=["a"]'
        for features, sentence in (
            (None, f'{name} has columns that hold no numbers, "city" (text); {remedy}'),
            (["a", "city"], f'column "city" of {name} holds text; it must hold real numbers'),
        ):
            with pytest.raises(fastgd.InvalidDataError) as caught:
                fastgd.read_table(tmp_path, target="y", features=features)
            assert str(caught.value) == sentence
        assert fastgd.read_table(tmp_path, target="y", features=["a"]).d == 1

    def test_one_file_lacks_a_column(self, tmp_path):
        write(tmp_path / "0.parquet")
        write(tmp_path / "1.parquet", TABLE.drop(["a"]))
        with pytest.raises(fastgd.InvalidDataError, match=r'^1\.parquet has no column "a"'):
            fastgd.read_table(tmp_path, target="y", features=["a"])

    def test_one_file_is_of_another_precision(self, tmp_path):
        for number, dtype in enumerate((np.float32, np.float64)):
            write(tmp_path / f"{number}.parquet", pa.table({"x": np.ones(2, dtype), "y": [1, 2]}))
        assert fastgd.read_table(tmp_path, target="y").dtypes[0] == np.float64

    @pytest.mark.parametrize(
        ("names", "sentence"),
        [
            ([], "the folder data has no files"),
            (["a.parquet", "b.csv"], "the folder data has files of several kinds "),
            (["a.parquet", "b.txt"], "b.txt is of no kind that is known: .parquet, .pq, .arrow, .feather"),
        ],
    )
    def test_refused(self, tmp_path, names, sentence):
        folder = tmp_path / "data"
        folder.mkdir()
        for name in names:
            write(folder / "a.parquet") if name == "a.parquet" else (folder / name).write_text("y\n1\n")
        with pytest.raises(fastgd.InvalidDataError, match=f"^{re.escape(sentence)}"):
            fastgd.read_table(folder, target="y", features=["a"])


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
        (dict(features=["a", "b", "a"]), ValueError, '"a" stands twice among the features'),
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


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (pa.array([0], pa.date32()), "dates"),
        (pa.array([[1.0]]), "list<.*>"),
        (pa.array([{"a": 1}]), "struct<.*>"),
        (pa.array([b"x"]), "binary"),
        (pa.array([None, "9"], pa.string()), 'text, "9" in row 1'),
        (pa.array(["u", "v"]).dictionary_encode(), 'text, "u" in row 0'),
        (pa.array([None], pa.string()), "text"),
    ],
    ids=lambda part: str(getattr(part, "type", "")),
)
def test_types_that_are_no_numbers(tmp_path, values, told):
    file = write(tmp_path / "t.parquet", pa.table({"x": values, "y": [1.0] * len(values)}))
    with pytest.raises(fastgd.InvalidDataError, match=rf'^column "x" of t\.parquet holds {told}; it must'):
        fastgd.read_table(file, target="y", features=["x"])


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
    with pytest.raises(fastgd.InvalidDataError, match='has no columns beside "y"; X needs at least one$'):
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


def test_a_nan_by_which_a_sum_is_none():
    for values, has_one in (([1.0, np.nan], True), ([np.inf, -np.inf], False), ([1e308, 1e308], False)):
        assert columns.has_nan(pa.array(values)) == has_one


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.feather", "lz4.feather", "stream.arrow"])
class TestDamaged:
    def test_empty(self, tmp_path, name):
        (tmp_path / name).touch()
        with pytest.raises(fastgd.InvalidDataError, match=f"^{re.escape(name)} is empty$"):
            fastgd.read_table(tmp_path / name, target="y")

    def test_no_rows(self, tmp_path, name):
        file = write(tmp_path / name, TABLE[:0])
        with pytest.raises(fastgd.InvalidDataError, match="has no rows; at least one is needed$"):
            rows_of(fastgd.read_table(file, target="y", features=["a"]))

    @pytest.mark.parametrize("part", [0.001, 0.3, 0.9])
    def test_cut_short(self, tmp_path, name, part):
        rng = np.random.default_rng(1)
        whole = pa.table({"x": rng.normal(size=3000), "y": rng.normal(size=3000)})
        data = write(tmp_path / name, whole).read_bytes()
        (tmp_path / name).write_bytes(data[: int(len(data) * part)])
        with pytest.raises(
            fastgd.InvalidDataError, match=f"^{re.escape(name)} cannot be read, it is damaged or cut short"
        ) as caught:
            rows_of(fastgd.read_table(tmp_path / name, target="y"))
        assert "\n" not in str(caught.value)

    def test_something_else(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"these are no columns" * 100)
        with pytest.raises(
            fastgd.InvalidDataError, match=f"^{re.escape(name)} cannot be read, it is damaged"
        ):
            fastgd.read_table(tmp_path / name, target="y")


def test_a_page_of_nonsense(tmp_path):
    file = write(tmp_path / "t.parquet", rows=N)
    data = bytearray(file.read_bytes())
    at = parquet.read_metadata(file).row_group(0).column(0).data_page_offset
    data[at : at + 400] = b"\xff" * 400
    file.write_bytes(data)
    with pytest.raises(
        fastgd.InvalidDataError, match=r"^t\.parquet cannot be read, it is damaged or cut short: "
    ):
        rows_of(fastgd.read_table(file, target="y", features=["a"]))


def test_feather_of_the_first_version(tmp_path):
    (tmp_path / "t.feather").write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(fastgd.InvalidDataError, match="is of Feather's first version; write it anew$"):
        fastgd.read_table(tmp_path / "t.feather", target="y")


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(FileNotFoundError, match="^there is no file or folder .*gone.csv$"):
        fastgd.read_table(tmp_path / "gone.csv", target="y")
    with pytest.raises(fastgd.InvalidDataError, match="is a folder; a list holds files only$"):
        fastgd.read_table([tmp_path], target="y")
    with pytest.raises(fastgd.InvalidDataError, match="empty list of files$"):
        fastgd.read_table([], target="y")
    with pytest.raises(TypeError, match="takes the name of a file or a folder, not int$"):
        fastgd.read_table(3, target="y")


def test_a_link_to_a_file_that_is_not_there_is_named(tmp_path):
    folder = tmp_path / "data" / "year=1"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x,y\n1,2\n")
    link = folder / "b.csv"
    link.symlink_to("/nonexistent")
    told = "is a link to /nonexistent, which is not there: mend the link, or remove it$"
    with pytest.raises(FileNotFoundError, match=f"^year=1/b.csv {told}"):
        fastgd.read_table(tmp_path / "data", target="y")
    for given in (link, [link]):
        with pytest.raises(FileNotFoundError, match=f"^{link} {told}"):
            fastgd.read_table(given, target="y")
    link.unlink()
    link.symlink_to(folder / "a.csv")
    assert fastgd.read_table(tmp_path / "data", target="y").columns == ("x", "year")


def test_a_file_that_grows_between_reads(tmp_path):
    file = write(tmp_path / "t.arrow")
    source = fastgd.read_table(file, target="y", features=["a"])
    write(file, pa.concat_tables([TABLE, TABLE]))
    with pytest.raises(fastgd.InvalidDataError, match="rows at this read, and 1000 were to be expected"):
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


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.csv"])
def test_the_same_bits_as_arrays(tmp_path, name, many):
    rng = np.random.default_rng(5)
    values, s = rng.normal(size=(many, 4)), rng.random(many)
    table = pa.table(dict(zip("abcd", values.T, strict=True)) | {"s": s})
    if name == "t.csv":
        from pyarrow import csv

        csv.write_csv(table, tmp_path / name)
    else:
        write(tmp_path / name, table, 7_777)
    source = fastgd.read_table(tmp_path / name, target="d", features=list("abc"), weight="s")
    found = fastgd.gradient_descent(source, learning_rate=0.1, n_epochs=3)
    expected = fastgd.gradient_descent(
        values[:, :3], values[:, 3], sample_weight=s, learning_rate=0.1, n_epochs=3
    )
    np.testing.assert_array_equal(found.w_history, expected.w_history)


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
        "from tests.data.reading import rows_of\n"
        "import fastgd\n"
        "for name in sys.argv[1:]:\n"
        "    X, y, _ = rows_of(fastgd.read_table(name, target='y', missing='drop'))\n"
        "    assert (X.tolist(), y.tolist()) == ([[1.0, 1.0], [2.0, 1.0]], [1.0, 3.0])\n"
        "assert 'pandas' not in sys.modules\n"
    )
    names = [str(tmp_path / name) for name in ("t.csv", "t.parquet", "t.arrow")]
    subprocess.run(
        [sys.executable, "-c", program, *names], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True
    )

"""Groups of sources: one read, whatever the chunks; the law, the keys and the refusals."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.solver import summarize_groups
from tests.conftest import JIT_IS_OFF
from tests.helpers import same
from tests.law import assert_products, exact_products

N = 60 if JIT_IS_OFF else 400
CITIES = np.array(["Oslo", "Bern", "Rome", "Riga"], dtype=object)


def problem(seed=0, n=N, dtype=float):
    rng = np.random.default_rng(seed)
    X, key = rng.normal(size=(n, 2)).astype(dtype), rng.integers(0, 4, n)
    return X, (X @ [1.0, -2.0] + key + rng.normal(size=n)).astype(dtype), key


def in_chunks(X, y, key, size, weights=None):
    """A source of which column 1 is the key."""
    table = np.column_stack([X[:, 0], key, X[:, 1]])

    def parts():
        for at in range(0, len(y), size):
            more = () if weights is None else (weights[at : at + size],)
            yield table[at : at + size], y[at : at + size], *more

    return fastgd.chunks(parts)


def assert_bits(found, expected):
    assert list(found) == list(expected)
    assert same(found.products, expected.products)
    assert found.n_samples.tolist() == expected.n_samples.tolist()


@pytest.mark.parametrize("size", [1, 7, N])
def test_up_to_one_piece_the_bits_are_those_of_arrays(size):
    X, y, key = problem()
    assert_bits(
        fastgd.summarize_groups(in_chunks(X, y, key, size), by=1), fastgd.summarize_groups(X, y, by=key)
    )


@pytest.mark.parametrize("is_weighted", [False, True])
def test_pieces_obey_the_law_and_their_bits_depend_on_no_chunk(monkeypatch, is_weighted):
    monkeypatch.setattr(summarize_groups, "PIECE_OF_SOURCE", 3 * 16)
    X, y, key = problem(1)
    key[:40] = 0  # some pieces lack some groups
    weights = np.where(np.arange(N) < 50, 0.0, 1.0 + key) if is_weighted else None
    found = [fastgd.summarize_groups(in_chunks(X, y, key, k, weights), by=[1]) for k in (5, 16, N)]
    assert_bits(found[1], found[0])
    assert_bits(found[2], found[0])
    for group in range(4):
        own = key == group
        s = None if weights is None else weights[own]
        assert_products(found[0][group], *exact_products(X[own], y[own], s))
        assert found[0].n_samples[group] == (own.sum() if s is None else np.count_nonzero(s))


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow"])
@pytest.mark.parametrize("by", ["city", "day", "number", ["city", "number"]])
def test_columns_of_files_are_keys(tmp_path, kind, by):
    pyarrow = pytest.importorskip("pyarrow")
    X, y, key = problem(2)
    columns = {
        "a": X[:, 0], "b": X[:, 1], "y": y, "city": CITIES[key],
        "day": np.datetime64("2026-01-01") + key, "number": key,
    }  # fmt: skip
    table, path = pyarrow.table(columns), tmp_path / f"rows.{kind}"
    if kind == "parquet":
        from pyarrow import parquet

        parquet.write_table(table, path)
    elif kind == "csv":
        from pyarrow import csv

        csv.write_csv(table, path)
    else:
        with pyarrow.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
    found = fastgd.summarize_groups(fastgd.read_table(path, target="y", features=["a", "b"]), by=by)
    assert (found.feature_names, found.target_name) == (("a", "b"), "y")
    assert len(found) == 4
    expected = fastgd.summarize_groups(X, y, by=key)
    for group in range(4):
        one = {"city": CITIES[group], "number": group}
        name = tuple(one[part] for part in by) if isinstance(by, list) else one.get(by)
        if name is None:  # days ascend as their numbers
            name = list(found)[group]
            assert "2026-01-0" + str(group + 1) in str(name)
        assert same(found[name].products, expected[group].products)


def test_a_feature_may_be_the_key_and_is_no_feature_then(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "rows.csv"
    path.write_text("g,x,y\n1,1,2\n1,2,4\n2,1,3\n2,2,6\n")
    found = fastgd.summarize_groups(fastgd.read_table(path, target="y"), by="g")
    assert found.feature_names == ("x",)
    assert fastgd.gradient_descent(found, precondition=True).w[:, 0].tolist() == [2.0, 3.0]


def test_a_stream_that_can_be_read_once_is_enough():
    pyarrow = pytest.importorskip("pyarrow")
    X, y, key = problem(3, 20_000 if not JIT_IS_OFF else N)
    table = pyarrow.table({"a": X[:, 0], "b": X[:, 1], "y": y, "g": CITIES[key]})
    reader = pyarrow.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=999))
    stream = fastgd.read_table(reader, target="y", features=["a", "b"])
    found = fastgd.summarize_groups(stream, by="g")
    assert_bits(found, fastgd.summarize_groups(table.select(["a", "b", "g"]), y, by="g"))


def test_named_chunks_of_frames(rng):
    pandas = pytest.importorskip("pandas")
    X, y, key = problem(4, dtype="f4")
    frame = pandas.DataFrame({"a": X[:, 0], "g": key.astype("f4"), "b": X[:, 1]})
    source = fastgd.chunks(lambda: ((frame[at : at + 9], y[at : at + 9]) for at in range(0, N, 9)))
    for by in ("g", 1):
        found = fastgd.summarize_groups(source, by=by)
        assert found.feature_names == ("a", "b")
        assert same(found.products, fastgd.summarize_groups(X, y, by=key).products)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (np.zeros(4), "by of a source must name a column"),
        (True, "by of a source must name a column"),
        ([0, "g"], "by of a source must name a column"),
        ([], "by of a source must name a column"),
        (3, "by is .3.; of 3 columns it must leave a feature"),
        ([0, 1, 2], "it must leave a feature"),
        ("g", "by names .g.: it has no named columns"),
    ],
)
def test_wrong_keys_of_chunks_are_refused(by, message):
    with pytest.raises(fastgd.InvalidDataError, match=message):
        fastgd.summarize_groups(in_chunks(*problem(), 50), by=by)


def test_other_input_is_refused_with_its_place(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    monkeypatch.setattr(summarize_groups, "PIECE_OF_SOURCE", 3 * 16)
    X, y, key = problem()
    key = key.astype(float)
    with pytest.raises(TypeError, match="leave y out"):
        fastgd.summarize_groups(in_chunks(X, y, key, 9), y, by=1)
    y[44] = np.nan
    with pytest.raises(fastgd.InvalidDataError, match=r"^y\[44\] is NaN|row 44"):
        fastgd.summarize_groups(in_chunks(X, y, key, 9), by=1)
    y[44], key[33] = 0.0, np.nan
    with pytest.raises(fastgd.InvalidDataError, match=r"^row 33 of chunks\(\): by is missing"):
        fastgd.summarize_groups(in_chunks(X, y, key, 9), by=1)
    key[33], weights = 0.0, np.ones(N)
    weights[22] = -1.0
    with pytest.raises(fastgd.InvalidDataError, match=r"22.* is -1; weights must be finite"):
        fastgd.summarize_groups(in_chunks(X, y, key, 9, weights), by=1)
    with pytest.raises(fastgd.InvalidDataError, match="zero for every row"):
        fastgd.summarize_groups(in_chunks(X, y, key, 9, np.zeros(N)), by=1)
    table = pyarrow.table({"x": X[:, 0], "y": y, "g": [None, *CITIES[key[1:].astype(int)]], "w": weights})
    for by, message in [
        ("g", '"g" has 1 missing value'), ("y", "the target or the weight"), ("x", "every feature"),
        ("h", "no column"), (0, "by is 0; name the columns of Table"),
    ]:  # fmt: skip
        with pytest.raises(fastgd.InvalidDataError, match=message):
            fastgd.summarize_groups(fastgd.read_table(table, target="y", features=["x"]), by=by)
    dropped = fastgd.read_table(table, target="y", features=["x"], missing="drop")
    assert fastgd.summarize_groups(dropped, by="g").n_samples.sum() == N - 1


@pytest.fixture(params=["array", "dataframe"])
def collections(request):
    """Rows and keys in memory, and the call with collections."""
    array, dataframe = pytest.importorskip("dask.array"), pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    X, y, key = problem(7)

    def call(weights=None, y=y):
        if request.param == "array":
            made = [None if part is None else array.from_array(part, chunks=37) for part in (y, weights)]
            keys = array.from_array(key, chunks=37)
            rows = array.from_array(X, chunks=(37, 1))
            return fastgd.summarize_groups(rows, made[0], by=keys, sample_weight=made[1])
        frame = pandas.DataFrame({"a": X[:, 0], "g": CITIES[key], "b": X[:, 1], "y": y})
        frame["s"] = 1.0 if weights is None else weights
        frame = dataframe.from_pandas(frame, npartitions=7)
        s = None if weights is None else frame["s"]
        return fastgd.summarize_groups(frame[["a", "g", "b"]], frame["y"], by="g", sample_weight=s)

    return X, y, key, call, CITIES if request.param == "dataframe" else np.arange(4)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_partitions_of_dask_obey_the_law(collections, is_weighted):
    X, y, key, call, names = collections
    weights = np.where(np.arange(N) < 50, 0.0, 1.0 + key) if is_weighted else None
    found = call(weights)
    assert sorted(found, key=str) == sorted(names.tolist(), key=str)
    assert found.feature_names == (("a", "b") if names is CITIES else ())
    for group, name in enumerate(names.tolist()):
        own = key == group
        s = None if weights is None else weights[own]
        assert_products(found[name], *exact_products(X[own], y[own], s))


def test_bad_partitions_are_refused_with_their_place(collections):
    _, y, _, call, _ = collections
    weights = np.ones(N)
    weights[N - 1] = -1.0
    with pytest.raises(fastgd.InvalidDataError, match=r"row \d+ of partition \d+.*weight.* is -1"):
        call(weights)
    y[N - 1] = np.nan
    with pytest.raises(fastgd.InvalidDataError, match=r"row \d+ of partition \d+: y is NaN"):
        call(y=y)
    with pytest.raises(fastgd.InvalidDataError, match="no rows of weight above 0"):
        call(np.zeros(N), y=np.ones(N))

"""Columns that have names are taken by their names, by whatever takes a table."""

from __future__ import annotations

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import fastgd
from fastgd.data.frames import ColumnTable, as_table, by_name, names_of
from fastgd.estimators import GDRegressor, SGDRegressor
from tests.behaviour.columns import COLUMNS, HOW, X, Y
from tests.data.reading import rows_of

MAKERS = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.table,
    "batch": pa.RecordBatch.from_pydict,
}
TABLES = {
    **MAKERS,
    "pandas of two types": lambda columns: pd.DataFrame(columns | {"b": columns["b"].astype("float32")}),
    "dask": lambda columns: dd.from_pandas(pd.DataFrame(columns), npartitions=3),
    "ours": lambda columns: as_table("X", pl.DataFrame(columns)),
}
each_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
each_table = pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)


def picked(names, rows=slice(None)):
    return {name: COLUMNS[name][rows] for name in names}


@pytest.fixture(scope="module")
def fit():
    return fastgd.gradient_descent(pd.DataFrame(COLUMNS), Y, **HOW)


@each_table
def test_names_of_tables(make):
    assert names_of(make(COLUMNS)) == ("a", "b", "c")


@pytest.mark.parametrize(
    "value",
    [
        X,
        X.tolist(),
        pd.DataFrame(X),
        pd.Series(Y, name="y"),
        pa.chunked_array([Y]),
        None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_names(value):
    assert names_of(value) == ()
    assert by_name("X", value, ("a", "b", "c")) is value


def test_columns_of_one_name_are_taken_as_they_stand_and_never_by_it():
    twice = pd.DataFrame(X, columns=["a", "b", "b"])
    assert by_name("X", twice, ("a", "b", "b")) is twice
    with pytest.raises(fastgd.InvalidDataError, match=r'^X has 2 columns "b"; rename them$'):
        by_name("X", twice, ("b", "a"))
    assert by_name("X", twice, ("a",)).columns.tolist() == ["a"]


@each_maker
def test_a_fit_knows_the_names_of_its_columns(make, fit):
    assert (
        fastgd.gradient_descent(make(COLUMNS), Y, **HOW).feature_names == fit.feature_names == ("a", "b", "c")
    )
    assert fastgd.sgd(make(COLUMNS), Y, **HOW).feature_names == ("a", "b", "c")
    assert fastgd.gradient_descent(pd.DataFrame(X), Y, **HOW).feature_names == ()


@each_table
@pytest.mark.parametrize("names", ["abc", "cab", "bxac"], ids=str)
def test_a_fit_predicts_by_name(make, names, fit, tmp_path):
    columns = {name: COLUMNS.get(name, np.full(60, np.nan)) for name in names}
    expected = fit.predict(X)
    if make is TABLES["pandas of two types"]:
        expected = fit.predict(np.column_stack([X[:, 0], X[:, 1].astype("float32"), X[:, 2]]))
    fit.save(tmp_path / "fit.npz")
    for model in (fit, fastgd.load(tmp_path / "fit.npz")):
        assert np.array_equal(model.predict(make(columns)), expected)


@each_table
def test_a_fit_does_not_predict_without_a_column(make, fit):
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fit.predict(make({"c": X[:, 2], "z": X[:, 1], "b": X[:, 1]}))
    assert str(caught.value) == 'X lacks "a": it has the columns "c", "z", "b"'


def test_a_fit_of_no_names_takes_columns_as_they_stand(fit):
    plain = fastgd.gradient_descent(X, Y, **HOW)
    assert np.array_equal(plain.w, fit.w)
    assert np.array_equal(plain.predict(pd.DataFrame(picked("cab"))), plain.predict(X[:, [2, 0, 1]]))
    assert np.array_equal(fit.predict(X), plain.predict(X))


@each_maker
@pytest.mark.parametrize("names", ["cab", "abd", "abcd"], ids=str)
def test_a_fit_is_not_gone_on_with_of_other_columns(make, names, fit):
    columns = {name: COLUMNS.get(name, Y) for name in names}
    with pytest.raises(fastgd.InvalidDataError, match="^w0 is a fit of ") as caught:
        fastgd.gradient_descent(make(columns), Y, w0=fit, **HOW)
    if len(columns) == 3:
        has = ", ".join(f'"{name}"' for name in names)
        assert str(caught.value) == (
            f'w0 is a fit of the columns "a", "b", "c", and this X has {has}: pass those, in that order'
        )
    goes_on = fastgd.gradient_descent(make(COLUMNS), Y, w0=fit, **HOW)
    assert np.array_equal(goes_on.w, fastgd.gradient_descent(X, Y, w0=fit, **HOW).w)


def chunked(make, *orders, others=()):
    """A chunk in each order of its columns, with more columns perhaps."""

    def factory():
        for i, names in enumerate(orders):
            rows = slice(20 * i, 20 * i + 20)
            columns = picked(names, rows) | (dict.fromkeys(others, Y[rows]) if i else {})
            yield make(columns), Y[rows]

    return fastgd.chunks(factory)


@each_maker
def test_chunks_have_the_columns_of_the_first(make, fit):
    source = chunked(make, "abc", "cba", "bca")
    assert source.columns == ("a", "b", "c")
    by_chunks = fastgd.gradient_descent(source, **HOW)
    assert np.array_equal(by_chunks.w, fit.w)
    assert by_chunks.feature_names == ("a", "b", "c")
    other = fastgd.gradient_descent(chunked(make, "bca", "abc", "cab"), **HOW)
    assert np.array_equal(other.predict(make(COLUMNS)), other.predict(X[:, [1, 2, 0]]))


@each_maker
def test_a_chunk_of_other_columns_is_refused(make):
    for source, sentence in (
        (chunked(make, "abc", "ab"), 'X lacks "c": it has the columns "a", "b"'),
        (chunked(make, "abc", "cab", others=["z"]), 'X has a column "z", which the first chunk had not'),
    ):
        with pytest.raises(fastgd.InvalidDataError) as caught:
            fastgd.gradient_descent(source, **HOW)
        assert str(caught.value) == f"chunk 1 of chunks(): {sentence}"


def test_chunks_without_names_beside_chunks_with_them_are_taken_as_they_stand(fit):
    mixed = fastgd.chunks(
        lambda: iter([(pd.DataFrame(X[:30], columns=list("abc")), Y[:30]), (X[30:], Y[30:])])
    )
    assert np.array_equal(fastgd.gradient_descent(mixed, **HOW).w, fit.w)


def test_the_number_that_is_none_is_told_with_its_column():
    bad = X.copy()
    bad[41, 1] = np.inf
    for table in (pd.DataFrame(bad, columns=list("abc")), pl.DataFrame(bad, schema=list("abc"))):
        with pytest.raises(fastgd.InvalidDataError, match=r"^X\[41, 'b'\] is infinite"):
            fastgd.gradient_descent(table, Y, **HOW)
        with pytest.raises(fastgd.InvalidDataError, match=r"^X\[41, 'b'\] is infinite"):
            fastgd.gradient_descent(X, Y, **HOW).predict(table)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_the_index_of_a_frame_is_no_feature_unless_it_is_named(name, tmp_path):
    frame = pd.DataFrame(COLUMNS | {"y": Y}).sample(frac=1.0, random_state=1)
    frame.to_csv(tmp_path / "t.csv")
    frame.to_parquet(tmp_path / "t.parquet")
    index = {"t.csv": "", "t.parquet": "__index_level_0__"}[name]
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.read_table(tmp_path / name, target="y")
    assert str(caught.value) == (
        f'{name} has a column "{index}", a data frame\'s index; name those to use, features=["a", "b", "c"]'
    )
    few = fastgd.read_table(tmp_path / name, target="y", features=["a", "b", "c"])
    in_order = frame[["a", "b", "c"]].to_numpy(), frame["y"].to_numpy()
    assert np.array_equal(fastgd.gradient_descent(few, **HOW).w, fastgd.gradient_descent(*in_order, **HOW).w)
    named = fastgd.read_table(tmp_path / name, target="y", features=[index, "a"])
    assert named.columns == (index, "a")


NUMBERED = {
    "places of a .npy": lambda: as_table("X", pl.DataFrame({str(j): X[:, j] for j in range(3)})),
    "pandas": lambda: pd.DataFrame({0: X[:, 0], 1: X[:, 1], 2: X[:, 2].astype("float32")}),
    "dask": lambda: dd.from_pandas(pd.DataFrame(X), npartitions=2),
}


@pytest.mark.parametrize("make", NUMBERED.values(), ids=NUMBERED)
def test_numbers_of_columns_are_places(make):
    table = make()
    y = dd.from_pandas(pd.Series(Y), npartitions=2) if isinstance(table, dd.DataFrame) else Y
    model = fastgd.gradient_descent(table, y, **HOW)
    assert model.feature_names == (("0", "1", "2") if isinstance(table, ColumnTable) else ())
    assert np.array_equal(model.predict(pd.DataFrame(picked("cab"))), model.predict(X[:, [2, 0, 1]]))
    assert fastgd.gradient_descent(pd.DataFrame(COLUMNS), Y, w0=model, **HOW).feature_names == ("a", "b", "c")


def test_numbers_that_a_table_has_are_names():
    years = pd.DataFrame(X, columns=["2019", "2020", "2021"])
    model = fastgd.gradient_descent(years, Y, **HOW)
    assert np.array_equal(model.predict(years[["2021", "2019", "2020"]]), model.predict(X))
    for others, lacking in ((["2021", "2020", "x"], '"2019"'), (["1", "2", "3"], '"2019", "2020", "2021"')):
        with pytest.raises(fastgd.InvalidDataError, match=f"^X lacks {lacking}: it has the columns "):
            model.predict(pd.DataFrame(X, columns=others))


@each_maker
@pytest.mark.parametrize("at", [0, 1])
def test_a_chunk_without_rows_has_no_columns_to_compare(make, at, fit):
    parts = [(make(picked("abc", slice(30))), Y[:30]), (make(picked("bca", slice(30, 60))), Y[30:])]
    parts.insert(at, (make({"z": X[:0, 0]}), Y[:0]))
    assert np.array_equal(fastgd.gradient_descent(fastgd.chunks(lambda: iter(parts)), **HOW).w, fit.w)


def test_names_after_a_chunk_without_any_are_refused(fit):
    parts = [(X[:20], Y[:20]), (pd.DataFrame(picked("cab", slice(20, 60))), Y[20:])]
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.gradient_descent(fastgd.chunks(lambda: iter(parts)), **HOW)
    assert str(caught.value) == (
        "chunk 1 of chunks(): X has named columns, and the first chunk had none; "
        "name the columns of all chunks"
    )


def test_series_have_a_name_and_no_columns():
    def factory():
        for i, name in enumerate("pqr"):
            rows = slice(20 * i, 20 * i + 20)
            yield dd.from_pandas(pd.Series(X[rows, 0], name=name), npartitions=1), Y[rows]

    by_chunks = fastgd.gradient_descent(fastgd.chunks(factory), **HOW)
    assert by_chunks.w == fastgd.gradient_descent(X[:, 0], Y, **HOW).w
    assert by_chunks.feature_names == ()


def test_results_of_estimators_know_their_columns(fit):
    frame = pd.DataFrame(COLUMNS)
    for model in (GDRegressor(), SGDRegressor(max_iter=3, tol=None)):
        result = model.fit(frame, Y).result_
        assert result.feature_names == ("a", "b", "c")
        assert np.array_equal(result.predict(frame[["c", "b", "a"]]), result.predict(X))
        assert model.fit(X, Y).result_.feature_names == ()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_are_told_on_one_line(suffix, tmp_path):
    frame = pd.DataFrame({"a\nb": ["x", "y"], "y": [1.0, 2.0]})
    getattr(frame, f"to_{suffix}")(tmp_path / f"t.{suffix}", index=False)
    for features in (None, ["a\nb"], ["a\tb"]):
        with pytest.raises(fastgd.InvalidDataError) as caught:
            rows_of(fastgd.read_table(tmp_path / f"t.{suffix}", target="y", features=features))
        assert '"a\\tb"' in str(caught.value) if features == ["a\tb"] else '"a\\nb"' in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_an_index_with_a_name_is_no_feature_either(suffix, tmp_path):
    frame = pd.DataFrame(COLUMNS | {"y": Y}).sample(frac=1.0, random_state=1).rename_axis("id")
    file = tmp_path / f"t.{suffix}"
    frame.to_parquet(tmp_path / "t.parquet")
    feather.write_feather(pa.Table.from_pandas(frame), tmp_path / "t.feather")
    with pytest.raises(
        fastgd.InvalidDataError, match=f'^t.{suffix} has a column "id", a data frame.s index; '
    ):
        fastgd.read_table(file, target="y")
    assert fastgd.read_table(file, target="y", features=["id", "a"]).columns == ("id", "a")
    assert fastgd.read_table(file, target="id", features=["a"]).columns == ("a",)
    frame.reset_index().to_parquet(tmp_path / "t.parquet")
    assert fastgd.read_table(tmp_path / "t.parquet", target="y").columns == ("id", "a", "b", "c")


def test_what_pandas_says_of_an_index_may_be_nonsense(tmp_path):
    for said in (b"{", b"[]", b'{"index_columns": 3}', b'{"index_columns": [{"kind": "range"}, 4]}', b"\xff"):
        table = pa.table(COLUMNS).replace_schema_metadata({b"pandas": said})
        parquet.write_table(table, tmp_path / "t.parquet")
        assert fastgd.read_table(tmp_path / "t.parquet", target="c").columns == ("a", "b")


BOOLS = pd.DataFrame({"a": COLUMNS["a"], "is": COLUMNS["b"] > 1.0, "c": COLUMNS["c"]})


def test_a_row_of_the_frame_is_predicted():
    model = fastgd.gradient_descent(BOOLS, Y, fit_intercept=True, **HOW)
    expected = model.predict(BOOLS)
    for i in (0, 7):
        row = BOOLS.iloc[i]
        assert row.dtype == object
        assert model.predict(row) == expected[i]
        assert type(model.predict(row)) is float
        assert model.predict(row[["c", "a", "is"]]) == expected[i]
    floats = pd.DataFrame(COLUMNS)
    of_floats = fastgd.gradient_descent(floats, Y, **HOW)
    assert of_floats.predict(floats.iloc[3]) == of_floats.predict(X[3:4])[0]
    with pytest.raises(fastgd.InvalidDataError, match="shape"):
        model.predict(BOOLS.iloc[0].rename({"a": "b"}))


def test_booleans_are_numbers_wherever_they_come_from():
    expected = fastgd.gradient_descent(BOOLS, Y, **HOW).w
    as_floats = BOOLS.to_numpy().astype(float)
    assert np.array_equal(expected, fastgd.gradient_descent(as_floats, Y, **HOW).w)
    objects = BOOLS.to_numpy()
    assert objects.dtype == object
    in_dask = dd.from_pandas(BOOLS, npartitions=3)
    y = dd.from_pandas(pd.Series(Y), npartitions=3)
    for data, target in (
        (objects, Y),
        (objects.tolist(), Y),
        (BOOLS.astype(object), Y),
        (BOOLS.astype({"is": "boolean"}), Y),
        (pl.from_pandas(BOOLS), Y),
        (in_dask, y),
    ):
        assert np.array_equal(fastgd.gradient_descent(data, target, **HOW).w, expected)
    model = fastgd.gradient_descent(BOOLS, Y, **HOW)
    for data in (objects, BOOLS.astype(object), in_dask):
        assert np.array_equal(model.predict(data), model.predict(as_floats))
    is_true = np.array([True, False] * 30, dtype=object)
    assert np.array_equal(
        fastgd.gradient_descent(X, is_true, **HOW).w,
        fastgd.gradient_descent(X, is_true.astype(float), **HOW).w,
    )


def test_chunks_may_have_columns_of_any_type(fit):
    def factory():
        for i, order in enumerate(([7, 8, 9], [9, 7, 8], [8, 9, 7])):
            rows = slice(20 * i, 20 * i + 20)
            yield pd.DataFrame(X[rows], columns=[7, 8, 9])[order], Y[rows]

    by_chunks = fastgd.gradient_descent(fastgd.chunks(factory), **HOW)
    assert by_chunks.feature_names == ("7", "8", "9")
    assert np.array_equal(by_chunks.w, fit.w)

"""InvalidDataError: its fields, the message made from them, and the column's name wherever it is known."""

from __future__ import annotations

import copy
import pickle

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import fastgd
from fastgd.checks import InvalidDataError, RowPlace, first_nonfinite
from fastgd.cli.main import main
from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor

N, ROW = 40, 17
NAMES = ["miles", "minutes"]
X = np.random.default_rng(3).normal(size=(N, 2))
Y = np.sign(X @ [1.0, 2.0]) * 0.5 + 0.5
FRAME = pd.DataFrame(X, columns=NAMES)


def with_value(value, column=1):
    """X with a value that is none at row 17, and later another."""
    bad = X.copy()
    bad[ROW, column], bad[ROW + 5, 0] = value, np.inf
    return bad


def table_of(folder, name, value, target="fare"):
    """The rows as a table in a file, which read_table gives."""
    table = pa.table(dict(zip(NAMES, with_value(value).T, strict=True)) | {target: Y})
    file = folder / name
    (csv.write_csv if name.endswith("csv") else parquet.write_table)(table, file)
    return fastgd.read_table(file, target=target)


def mapped(folder, value):
    np.save(folder / "X.npy", with_value(value))
    return np.load(folder / "X.npy", mmap_mode="r")


SOURCES = {
    "array": (lambda _, v: (with_value(v), Y), "X[17, 1]"),
    "Fortran order": (lambda _, v: (np.asfortranarray(with_value(v)), Y), "X[17, 1]"),
    "list": (lambda _, v: (with_value(v).tolist(), Y), "X[17, 1]"),
    "one column": (lambda _, v: (with_value(v)[:, 1], Y), "X[17]"),
    "memory map": (lambda folder, v: (mapped(folder, v), Y), "X[17, 1]"),
    "pandas": (lambda _, v: (pd.DataFrame(with_value(v), columns=NAMES), Y), "X[17, 'minutes']"),
    "polars": (lambda _, v: (pl.DataFrame(with_value(v), schema=NAMES), Y), "X[17, 'minutes']"),
    "Arrow": (lambda _, v: (pa.table(dict(zip(NAMES, with_value(v).T, strict=True))), Y), "X[17, 'minutes']"),
    "chunks": (
        lambda _, v: (fastgd.chunks(lambda: [(X[:9], Y[:9]), (with_value(v)[9:], Y[9:])]),),
        "row 17 of chunks(): X[:, 1]",
    ),
    "chunks of frames": (
        lambda _, v: (fastgd.chunks(lambda: [(pd.DataFrame(with_value(v), columns=NAMES), Y)]),),
        'row 17 of chunks(): column "minutes"',
    ),
    "Parquet": (
        lambda folder, v: (table_of(folder, "t.parquet", v),),
        'row 17 of t.parquet: column "minutes"',
    ),
    "CSV": (
        lambda folder, v: (table_of(folder, "t.csv", v),),
        'row 17 of t.csv (line 19): column "minutes"',
    ),
    "Dask": (
        lambda _, v: (
            dd.from_pandas(pd.DataFrame(with_value(v), columns=NAMES), npartitions=3),
            dd.from_pandas(pd.Series(Y), npartitions=3),
        ),
        'row 17 of the Dask collection: column "minutes"',
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_first_bad_number_of_every_source_is_named_with_its_column(source, tmp_path):
    make, place = SOURCES[source]
    value = -np.inf if source == "CSV" else np.nan  # of CSV, a NaN is a missing value
    how = dict(n_epochs=2, fit_intercept=True, backend="python" if source == "list" else "auto")
    with pytest.raises(InvalidDataError) as caught:
        fastgd.gradient_descent(*make(tmp_path, value), **how)
    error = caught.value
    said = "minus infinite" if source == "CSV" else "NaN"
    assert str(error) == f"{place} is {said}; drop such rows or fill them"
    assert (error.what, error.row, error.remedy) == ("X", ROW, "drop such rows or fill them")
    assert error.column == (None if source == "one column" else 1)
    assert error.name == ("minutes" if "minutes" in place else None)
    assert error.value == value or np.isnan(error.value) == np.isnan(value)
    assert error.line == (19 if source == "CSV" else None)
    assert error.source == (place.partition(" of ")[2].split(" (line")[0].split(": ")[0] or "")


def test_the_first_row_counts_and_in_it_x_before_y():
    x, y = np.zeros((5, 3)), np.zeros(5)
    assert first_nonfinite(x, y) is first_nonfinite(x) is None
    y[4] = -np.inf
    assert first_nonfinite(x, y) == (4, None, -np.inf)
    x[4, 2] = np.inf
    assert first_nonfinite(x, y) == (4, 2, np.inf)
    y[1] = np.inf
    assert first_nonfinite(x, y) == (1, None, np.inf)
    assert first_nonfinite(x) == (4, 2, np.inf)


@pytest.mark.parametrize("what", ["target", "weight"])
def test_targets_and_weights_of_a_table_are_named(what, tmp_path):
    table = pa.table(dict(zip(NAMES, X.T, strict=True)) | {"fare": Y, "times": np.ones(N)})
    column = {"target": "fare", "weight": "times"}[what]
    values = table[column].to_numpy().copy()
    values[ROW] = np.nan if what == "target" else -2.0
    table = table.set_column(table.schema.names.index(column), column, [values])
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(InvalidDataError) as caught:
        fastgd.gradient_descent(fastgd.read_table(tmp_path / "t.parquet", target="fare", weight="times"))
    rest = {
        "target": "is NaN; drop such rows or fill them",
        "weight": "is -2; weights must be finite and not negative",
    }
    assert str(caught.value) == f'row 17 of t.parquet: column "{column}" {rest[what]}'
    assert (caught.value.row, caught.value.name) == (ROW, column)


@pytest.mark.parametrize(
    ("call", "message", "fields"),
    [
        (
            lambda: fastgd.gradient_descent(X, Y, w0=[1.0, np.nan]),
            "w0[1] is NaN; weights must be finite",
            ("w0", None, 1),
        ),
        (
            lambda: fastgd.gradient_descent(X, np.where(np.arange(N) == 3, np.nan, Y)),
            "y[3] is NaN; drop such rows or fill them",
            ("y", 3, None),
        ),
        (
            lambda: fastgd.gradient_descent(X, Y, sample_weight=np.where(np.arange(N) == 3, -1.0, 1.0)),
            "sample_weight[3] is -1; weights must be finite and not negative",
            ("sample_weight", 3, None),
        ),
        (
            lambda: fastgd.gradient_descent(X, np.arange(float(N)), loss="log_loss"),
            "y[2] is 2; log_loss takes y of 0 and 1: encode the classes as 0 and 1 (a classifier of "
            "fastgd.estimators takes any labels)",
            ("y", 2, None),
        ),
        (
            lambda: fastgd.gradient_descent(
                FRAME.assign(minutes=[None, *[1] * (N - 1)]).astype({"minutes": "Int64"}), Y
            ),
            "X[0, 'minutes'] is missing; drop such rows or fill them",
            ("X", 0, 1),
        ),
        (
            lambda: fastgd.loss(pd.DataFrame(with_value(np.nan), columns=NAMES), Y, [1.0, 2.0]),
            "X[17, 'minutes'] is NaN; drop such rows or fill them",
            ("X", 17, 1),
        ),
        (
            lambda: fastgd.forward(pd.DataFrame(with_value(np.nan), columns=NAMES), [1.0, 2.0]),
            "X[17, 'minutes'] is NaN; drop such rows or fill them",
            ("X", 17, 1),
        ),
        (
            lambda: fastgd.gradient_descent(
                pd.DataFrame(with_value(np.nan), columns=NAMES), Y, validation_fraction=0.2, tol=1e-3
            ),
            "X[17, 'minutes'] is NaN; drop such rows or fill them",
            ("X", 17, 1),
        ),
    ],
    ids=["w0", "y", "sample_weight", "labels", "missing", "loss", "forward", "validation"],
)
def test_fields_and_message(call, message, fields):
    with pytest.raises(InvalidDataError) as caught:
        call()
    assert str(caught.value) == message
    assert (caught.value.what, caught.value.row, caught.value.column) == fields


MODELS = [GDRegressor, SGDRegressor, GDClassifier, SGDClassifier]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_estimators_name_the_column(model, frame):
    bad = frame(dict(zip(NAMES, with_value(np.nan).T, strict=True)))
    with pytest.raises(InvalidDataError, match=r"^X\[17, 'minutes'\] is NaN; drop such rows or fill them$"):
        model().fit(bad, Y)


@pytest.mark.parametrize("model", MODELS)
def test_fit_sets_no_public_attribute_without_a_trailing_underscore(model):
    fitted = model()
    before = copy.copy(vars(fitted))
    calls = [lambda: fitted.fit(FRAME, Y), lambda: fitted.fit(X, Y, sample_weight=np.ones(N))]
    if hasattr(fitted, "partial_fit"):
        classes = {"classes": [0.0, 1.0]} if "Classifier" in model.__name__ else {}
        calls.append(lambda: fitted.partial_fit(X, Y, **classes))
    for call in calls:
        call()
        set_by_fit = {name for name in vars(fitted) if name not in before}
        assert set_by_fit
        assert {name for name in set_by_fit if not name.endswith("_") or name.startswith("_")} == set()
        assert {name: vars(fitted)[name] for name in before} == before


def test_estimators_say_their_own_names_of_options():
    with pytest.raises(InvalidDataError) as caught:
        SGDRegressor(standardize=False).fit(X * 1e200, Y)
    assert str(caught.value) == 'X is too large for eta0="auto": its squares overflow; scale X'
    with pytest.raises(InvalidDataError, match='^X is too large for learning_rate="auto": its squares'):
        fastgd.sgd(X * 1e200, Y)


def test_both_faces_word_the_same_fields(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source = table_of(tmp_path, "t.csv", np.inf)
    with pytest.raises(InvalidDataError) as caught:
        fastgd.gradient_descent(source)
    assert main(["fit", "t.csv", "--target", "fare"]) == 2
    assert capsys.readouterr().err == f"fastgd: {caught.value}\n"
    np.save("t.npy", np.column_stack([with_value(np.nan), Y]))
    assert main(["fit", "t.npy", "--target", "-1"]) == 2
    assert capsys.readouterr().err == (
        "fastgd: row 17 of t.npy: column 1 is NaN; drop such rows or fill them\n"
    )


def test_errors_keep_their_fields_between_processes():
    error = InvalidDataError("is NaN", what="X", column=2, name="a", value=np.nan, at=RowPlace("", 7))
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert str(again) == str(error) == "X[7, 'a'] is NaN"
        assert (again.what, again.row, again.column, again.name) == ("X", 7, 2, "a")
        assert again.within("chunk 1").source == "chunk 1"

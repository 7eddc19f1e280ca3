"""Categories and labels of tables: levels from a read, one-hot features, and refusals."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

import fastgd
from fastgd.data import categories
from fastgd.data.streams import StreamRows

N = 5000
DRAWN = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "size": DRAWN.normal(3.0, 1.0, N).round(3),
        "city": DRAWN.choice(["Oslo", "Bergen", "Tromsø, the city", 'the "old" one'], N),
        "kind": DRAWN.integers(1, 4, N),
        "fare": DRAWN.normal(10.0, 2.0, N).round(3),
        "bought": DRAWN.choice(["yes", "no"], N),
    }
)
FRAME.loc[[7, 4000], "city"] = None
FEATURES = ["city", "size", "kind"]


def table():
    return pa.Table.from_pandas(FRAME, preserve_index=False)


WRITERS = {
    "t.csv": lambda path: FRAME.to_csv(path, index=False),
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(FRAME.to_csv(index=False).encode())),
    "t.parquet": lambda path: parquet.write_table(table(), path, row_group_size=777),
    "t.feather": lambda path: feather.write_feather(table(), path, chunksize=777),
    "d.feather": lambda path: feather.write_feather(
        table().set_column(1, "city", table()["city"].dictionary_encode()), path, "uncompressed"
    ),
}


@pytest.fixture(params=WRITERS)
def path(request, tmp_path):
    WRITERS[request.param](tmp_path / request.param)
    return tmp_path / request.param


def reference(drop_first):
    """The features by pandas."""
    rows = FRAME.dropna()
    dummies = pd.get_dummies(
        rows[FEATURES], columns=["city", "kind"], prefix_sep="=", drop_first=drop_first, dtype=float
    )
    return rows, dummies


@pytest.mark.parametrize("drop_first", [False, True])
def test_features_are_those_of_pandas(path, drop_first):
    source = fastgd.read_table(
        path, target="fare", features=FEATURES, categories=["city", "kind"], drop_first=drop_first,
        missing="drop",
    )  # fmt: skip
    rows, dummies = reference(drop_first)
    assert sorted(source.columns) == sorted(dummies.columns)
    X, y, _ = StreamRows(source).whole()
    np.testing.assert_array_equal(X, dummies[list(source.columns)])
    np.testing.assert_array_equal(y, rows["fare"])
    assert source.n_left_out == 2
    cities = sorted(rows["city"].unique())
    assert source.coding.categories == {"city": tuple(cities), "kind": ("1", "2", "3")}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_missing_levels_are_counted(tmp_path, suffix):
    WRITERS[f"t.{suffix}"](tmp_path / f"t.{suffix}")
    source = fastgd.read_table(
        tmp_path / f"t.{suffix}", target="fare", features=FEATURES, categories=["city"]
    )
    with pytest.raises(fastgd.InvalidDataError, match='"city" has 2 missing values; pass missing="drop"'):
        fastgd.gradient_descent(source)


@pytest.mark.parametrize("positive", [None, "no"])
def test_labels_of_any_type(path, positive):
    source = fastgd.read_table(path, target="bought", features=["size"], labels=True, positive=positive)
    assert source.coding.classes == (("yes", "no") if positive == "no" else ("no", "yes"))
    y = StreamRows(source).whole()[1]
    np.testing.assert_array_equal(y, FRAME["bought"] == (positive or "yes"))


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([1, 2, 2, 1], ("1", "2")),
        ([1.0, -1.0, 1.0, 1.0], ("-1", "1")),
        ([True, False, True, True], ("false", "true")),
        ([10, 9, 9, 10], ("9", "10")),
    ],
)
def test_labels_that_are_numbers(tmp_path, values, classes):
    file = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"x": [1.0, 2.0, 3.0, 4.0], "y": values}), file)
    source = fastgd.read_table(file, target="y", labels=True)
    assert source.coding.classes == classes
    assert StreamRows(source).whole()[1].tolist() == [float(value == max(values)) for value in values]


@pytest.mark.parametrize(("cells", "classes"), [("0 1 0 1", ""), ("0 1 2 1", "012"), ("1 2 1 2", "12")])
def test_automatic_labels_leave_0_and_1_as_they_are(tmp_path, cells, classes):
    file = tmp_path / "t.csv"
    file.write_text("x,y\n" + "".join(f"{k},{cell}\n" for k, cell in enumerate(cells.split())))
    source = fastgd.read_table(file, target="y", labels="auto")
    assert source.coding.classes == tuple(classes)
    y = StreamRows(source).whole()[1]
    assert y.tolist() == [float(cell) - (classes == "12") for cell in cells.split()]


def test_a_classifier_takes_labels_from_a_file(tmp_path):
    file = tmp_path / "t.csv"
    FRAME.assign(size=FRAME["size"] + 4 * (FRAME["bought"] == "yes")).to_csv(file, index=False)
    from fastgd.estimators import GDClassifier

    model = GDClassifier().fit(fastgd.read_table(file, target="bought", features=["size"], labels=True))
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.predict(pd.DataFrame({"size": [0.0, 9.0]})).tolist() == ["no", "yes"]


def test_columns_that_folders_tell(tmp_path):
    for city, x in (("Oslo", "1,2"), ("Rome", "3,5")):
        (tmp_path / f"city={city}").mkdir()
        (tmp_path / f"city={city}" / "t.csv").write_text(f"x,y\n{x}\n")
    source = fastgd.read_table(tmp_path, target="y", categories=["city"])
    assert source.columns == ("x", "city=Oslo", "city=Rome")
    assert StreamRows(source).whole()[0].tolist() == [[1.0, 1.0, 0.0], [3.0, 0.0, 1.0]]
    source = fastgd.read_table(tmp_path, target="city", labels=True)
    assert StreamRows(source).whole()[1].tolist() == [0.0, 1.0]


def write(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path / "t.csv"


REFUSED = {
    "not a feature": (
        "a,b,y\n1,1,2\n",
        dict(categories=["c"]),
        't.csv: column "c" is not among the features, "a", "b"; name features in categories=',
    ),
    "all missing": (
        "a,b,y\n,1,2\nNA,2,2\n",
        dict(categories=["a"]),
        't.csv: all values of column "a" are missing',
    ),
    "one level": (
        "a,y\nx,1\nx,2\n",
        dict(categories=["a"], drop_first=True),
        't.csv has categories of one level only, "a"; X needs at least one other column',
    ),
    "the name of a feature": (
        "a,a=x,y\nx,1,2\nz,2,2\n",
        dict(categories=["a"]),
        '"a=x" is twice among the features',
    ),
    "Latin-1": (
        "b,a,y\n1,x,2\n1,Bodø,2\n".encode("latin-1"),
        dict(categories=["a"]),
        't.csv, line 3: column "a" is not UTF-8; save the file as UTF-8',
    ),
    "three labels": (
        "a,y\n1,no\n2,yes\n3,maybe\n4,no\n",
        dict(positive="yes"),
        't.csv: column "y" holds 3 labels, "maybe" (1), "no" (2), "yes" (1); a positive label needs two',
    ),
    "another label": (
        "a,y\n1,no\n2,yes\n",
        dict(positive="ja"),
        't.csv: column "y" holds 2 labels, "no" (1), "yes" (1), and none is "ja"',
    ),
    "text without categories": (
        "a,b,y\nx,1,2\n",
        dict(features=["a", "b"]),
        'column "a" of t.csv holds text, "x" in line 2; it must hold real numbers, or encode text by levels, '
        'categories=["a"]',
    ),
    "an open quote at the end": (
        'b,y,a\n1,2,x\n2,3,"z\n3,4,x\n',
        dict(categories=["a"]),
        "t.csv: a quote that is opened after line 2 is never closed",
    ),
}


@pytest.mark.parametrize(("text", "options", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_sentence(tmp_path, text, options, sentence):
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.read_table(write(tmp_path, text), target="y", **options)
    assert str(caught.value) == sentence


def test_too_many_levels_and_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(categories, "MOST", 3)
    file = write(tmp_path, "a,b,y\n" + "".join(f"name {k},{k % 2},{k}\n" for k in range(4)))
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.read_table(file, target="y", categories=["a", "b"])
    assert str(caught.value) == (
        't.csv has more than 3 levels of categories, 4 or more in column "a", such as "name 0"; leave it out '
        "of categories= and of features="
    )
    with pytest.raises(fastgd.InvalidDataError, match=r'column "y" has more than 3 different values'):
        fastgd.read_table(file, target="y", features=["b"], labels=True)


def test_a_stream_that_is_read_once_has_no_levels():
    reader = pa.RecordBatchReader.from_batches(table().schema, table().to_batches())
    with pytest.raises(fastgd.InvalidDataError, match="can be read once, and its levels and labels"):
        fastgd.read_table(reader, target="fare", features=["city"], categories=["city"])


def test_a_level_that_comes_after_the_read_of_levels(tmp_path):
    file = write(tmp_path, "a,y\nx,1\nz,2\n")
    source = fastgd.read_table(file, target="y", categories=["a"])
    csv.write_csv(pa.table({"a": ["x", "q"], "y": [1, 2]}), file)
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.gradient_descent(source)
    assert str(caught.value).startswith(
        'row 1 of t.csv (line 3): column "a" is "q", which is none of the levels of the fit: "x", "z"'
    )
    assert (caught.value.row, caught.value.value) == (1, "q")

"""`fastgd evaluate`, and what `fastgd predict` tells of classes, labels and kept columns."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from sklearn import metrics

import fastgd
from tests.cli.trips import FEW, KINDS, S, X, Y, write

DRAWN = np.random.default_rng(5)
N = 240
CITY = DRAWN.choice(["Oslo", "Bodø", "Rome, IT"], N)
AGE = DRAWN.normal(40.0, 9.0, N).round(1)
IS_YES = AGE / 10 + 2 * (CITY == "Oslo") + DRAWN.normal(size=N) > 4.5
PEOPLE = pd.DataFrame(
    {"id": [f"{k:04}" for k in range(N)], "city": CITY, "age": AGE, "bought": np.where(IS_YES, "yes", "no")}
)
FIT = [
    "people.csv",
    "--target",
    "bought",
    "--features",
    "city,age",
    "--categories",
    "city",
    "--loss",
    "log_loss",
]


@pytest.fixture
def people(run):
    """The model of those who bought, and its scores."""
    PEOPLE.to_csv("people.csv", index=False)
    assert run("fit", *FIT, "--save", "m.npz")[0] == 0
    model = fastgd.load("m.npz")
    return model, model.predict(PEOPLE)


def test_the_model_is_that_of_dummy_columns(people, told):
    model, _ = people
    assert model.feature_names == ("city=Oslo", "city=Rome, IT", "age")
    assert model.coding == ("bought", {"city": ("Bodø", "Oslo", "Rome, IT")}, ("no", "yes"))
    dummies = np.column_stack([CITY == "Oslo", CITY == "Rome, IT", AGE]).astype(float)
    np.save("x.npy", np.column_stack([dummies, IS_YES]))
    ref = told("fit", "x.npy", "--target", "3", "--loss", "log_loss")
    np.testing.assert_allclose(model.w, list(ref["weights"].values()), rtol=1e-7)


def test_positive_and_no_intercept(people, told):
    model, _ = people
    no = told("fit", *FIT, "--positive", "no")
    np.testing.assert_allclose(list(no["weights"].values()), -model.w, rtol=1e-4)
    assert no["classes"] == ["yes", "no"]
    assert 'y is 1 where bought is "no", and 0 where it is "yes"' in no["notes"]
    whole = told("fit", *FIT, "--no-intercept")
    assert list(whole["weights"]) == ["city=Bodø", "city=Oslo", "city=Rome, IT", "age"]


@pytest.mark.parametrize("labels", [(1.0, 2.0), (-1.0, 1.0), (0.0, 5.0)], ids=str)
def test_numeric_labels_of_arrays(run, told, labels):
    y = np.where(IS_YES, labels[1], labels[0])
    np.savez("x.npz", X=AGE, y=y)
    assert run("fit", "x.npz", "--target", "y", "--loss", "log_loss", "--save", "a.npz")[0] == 0
    code, out, _ = run("predict", "a.npz", "x.npz", "--class", "--out", "p.npy")
    predicted = np.load("p.npy")
    assert (code, out) == (0, "")
    assert set(predicted) <= set(labels)
    assert told("evaluate", "a.npz", "x.npz")["accuracy"] == pytest.approx(np.mean(predicted == y))
    y[7] = 99.0
    np.savez("x.npz", X=AGE, y=y)
    code, _, err = run("evaluate", "a.npz", "x.npz")
    assert (code, 'row 7 of x.npz: column "y" is "99", which is none of the labels of the fit' in err) == (
        2,
        True,
    )


def test_evaluate_classes(people, told, run):
    _, scores = people
    found = told("evaluate", "m.npz", "people.csv")
    assert found["rows"] == N
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(IS_YES, scores > 0))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(IS_YES, scores))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(IS_YES, 1 / (1 + np.exp(-scores))))
    table = metrics.confusion_matrix(IS_YES, scores > 0)
    assert [list(row.values()) for row in found["table"].values()] == table.tolist()
    code, out, err = run("evaluate", "m.npz", "people.csv")
    assert (code, err) == (0, "")
    assert run("evaluate", "m.npz", "people.csv", "--quiet") == (0, "", "")
    assert run("predict", "m.npz", "people.csv", "--quiet")[2] == ""
    assert out.splitlines()[0] == "people.csv: 240 rows, bought by m.npz"
    assert out.splitlines()[-2].split() == ["no", *map(str, table[0])]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_evaluate_numbers(run, told, name, is_weighted):
    columns, weight = write(name)
    assert run("fit", name, *columns, "--save", "m.npz")[0] == 0
    found = told("evaluate", "m.npz", name, *(["--weight", weight] if is_weighted else []))
    predicted, s = fastgd.load("m.npz").predict(X), S if is_weighted else None
    ref = metrics.mean_squared_error(Y, predicted, sample_weight=s) ** 0.5
    assert found["root_mean_square_error"] == pytest.approx(ref)
    assert found["r2"] == pytest.approx(metrics.r2_score(Y, predicted, sample_weight=s))
    assert found["target"] == columns[-1]


@pytest.mark.parametrize("out", [None, "p.csv", "p.parquet"])
def test_labels_probabilities_and_kept_columns(people, run, out):
    _, scores = people
    for kind, expected in (
        ("probability", 1 / (1 + np.exp(-scores))),
        ("class", np.where(scores > 0, "yes", "no")),
    ):
        more = [] if out is None else ["--out", out]
        code, text, err = run(
            "predict", "m.npz", "people.csv", f"--{kind}", "--keep", "id,city", "--row-numbers", *more
        )
        assert code == 0
        assert f"of the {N} rows with bought" in err
        if out == "p.parquet":
            rows = [tuple(row.values()) for row in parquet.read_table(out).to_pylist()]
        else:
            header, *rows = csv.reader((text if out is None else Path(out).read_text()).splitlines())
            assert header == ["row", "id", "city", kind]
            rows = [(int(row[0]), *row[1:]) for row in rows]
        assert [row[:3] for row in rows] == [*zip(range(N), PEOPLE["id"], CITY, strict=True)]
        if kind == "class":
            assert [row[3] for row in rows] == expected.tolist()
        else:
            np.testing.assert_allclose([float(row[3]) for row in rows], expected, rtol=1e-14)


def test_predictions_are_compared_where_the_target_is_known(people, run):
    _, scores = people
    some = PEOPLE.assign(bought=PEOPLE["bought"].where(PEOPLE.index % 3 > 0))
    some.to_csv("some.csv", index=False)
    _, out, err = run("predict", "m.npz", "some.csv")
    is_known = np.arange(N) % 3 > 0
    accuracy = np.mean((scores > 0)[is_known] == IS_YES[is_known])
    assert list(map(float, out.split())) == scores.tolist()
    assert err.startswith(f"fastgd: accuracy {accuracy:.6g}, log loss ")
    assert err.endswith("of the 160 rows with bought\n")
    PEOPLE.drop(columns="bought").to_csv("some.csv", index=False)
    assert run("predict", "m.npz", "some.csv")[1:] == (out, "")


def test_unknown_levels(people, run):
    model, scores = people
    PEOPLE.replace("Oslo", "Paris").to_csv("other.csv", index=False)
    row = int((CITY == "Oslo").argmax())
    code, _, err = run("predict", "m.npz", "other.csv")
    assert code == 2
    assert err == (
        f'fastgd: row {row} of other.csv (line {row + 2}): column "city" is "Paris", which is none of the '
        'levels of the fit: "Bodø", "Oslo", "Rome, IT"; pass --unknown zero to set its features to 0\n'
    )
    code, out, err = run("predict", "m.npz", "other.csv", "--unknown", "zero")
    np.testing.assert_allclose(
        list(map(float, out.split())), scores - model.w[0] * (CITY == "Oslo"), rtol=1e-9
    )
    assert f"{np.sum(CITY == 'Oslo')} levels are unknown to the model: their features are 0" in err


REFUSED = {
    "a kind of classes": (
        ["predict", "n.npz", "trips.csv", "--class"],
        "--class needs a model of a loss of two classes",
    ),
    "no probabilities": (
        ["predict", "n.npz", "trips.csv", "--probability"],
        "--probability needs a model of --loss log_loss",
    ),
    "kept in npy": (
        ["predict", "m.npz", "people.csv", "--keep", "id", "--out", "p.npy"],
        "a .npy file holds predictions alone",
    ),
    "kept twice": (
        ["predict", "m.npz", "people.csv", "--keep", "id,id"],
        'two columns of the predictions would be named "id"',
    ),
    "kept and lacking": (
        ["predict", "m.npz", "people.csv", "--keep", "idd"],
        'people.csv has no column "idd": did you mean "id"?',
    ),
    "arrays keep nothing": (
        ["predict", "n.npz", "x.npy", "--keep", "0"],
        "--keep is for tables, and x.npy holds arrays",
    ),
    "other target": (["evaluate", "m.npz", "people.csv", "--target", "boght"], 'has no column "boght"'),
    "other labels": (
        ["evaluate", "m.npz", "people.csv", "--target", "id"],
        'row 0 of people.csv (line 2): column "id" is "0000", which is none of the labels',
    ),
    "weights": (
        ["evaluate", "n.npz", "trips.csv", "--weight", "minus"],
        'column "minus" is -1; weights must be finite',
    ),
    "positive": (
        ["fit", "trips.csv", "--target", "fare", "--positive", "1"],
        "--positive belongs to losses of two classes",
    ),
    "categories": (["fit", "x.npy", "--target", "0", "--categories", "1"], "--categories is for tables"),
    "none of them": ([*["fit", *FIT], "--positive", "maybe"], 'holds 2 labels, "no" ('),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(people, run, case):
    assert run("fit", "trips.csv", "--target", "fare", *FEW, "--save", "n.npz")[0] == 0
    np.save("x.npy", X)
    trips = pd.read_csv("trips.csv").assign(minus=1.0)
    trips.loc[3, "minus"] = -1.0
    trips.to_csv("trips.csv", index=False)
    arguments, message = REFUSED[case]
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_labels_of_rows_with_a_missing_value(people, run):
    _, scores = people
    PEOPLE.drop(columns="bought").assign(age=PEOPLE["age"].where(PEOPLE.index != 5)).to_csv(
        "some.csv", index=False
    )
    code, _, err = run("predict", "m.npz", "some.csv", "--class", "--missing", "drop", "--out", "p.npy")
    assert (code, err) == (0, f"fastgd: 1 of {N} rows have a missing value: their predictions are empty\n")
    expected = np.where(scores > 0, "yes", "no")
    expected[5] = ""
    assert np.load("p.npy").tolist() == expected.tolist()
    run("predict", "m.npz", "some.csv", "--class", "--missing", "drop", "--out", "p.parquet")
    expected = [None if label == "" else label for label in expected.tolist()]
    assert parquet.read_table("p.parquet")["class"].to_pylist() == expected

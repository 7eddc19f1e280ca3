"""`fastgd predict`: the numbers are those of the model in Python."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pyarrow import csv, parquet

import fastgd
from fastgd.cli import parts
from tests.cli.trips import KINDS, NAMES, TABLE, X, Y, rows, write


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("out", [None, "p.csv", "p.parquet", "p.npy"])
def test_fit_save_predict_is_pythons_predict(run, name, out, monkeypatch):
    monkeypatch.setattr(parts, "PART_NUMBERS", 200)  # several parts
    columns, _ = write(name)
    assert run("fit", name, *columns, "--save", "m.npz")[0] == 0
    model = fastgd.load("m.npz")
    expected = (
        tuple(NAMES if "--features" in columns else "012") if not name.endswith("npy") else ("1", "2", "3")
    )
    assert model.feature_names == expected
    ref = model.predict(X)
    code, text, err = run("predict", "m.npz", name, *(() if out is None else ("--out", out)))
    told = f"root mean square error {np.sqrt(np.mean((ref - Y) ** 2)):.6g} of the 300 rows with {columns[-1]}"
    assert (code, err) == (0, f"fastgd: {told}\n")
    if out is None or out == "p.csv":
        lines = (text if out is None else "".join(Path(out).read_text().partition("prediction\n")[2])).split()
        np.testing.assert_array_equal([float(line) for line in lines], ref)
        assert lines == [repr(value) for value in ref.tolist()]
    elif out == "p.npy":
        np.testing.assert_array_equal(np.load(out), ref)
    else:
        np.testing.assert_array_equal(parquet.read_table(out)["prediction"].to_numpy(), ref)
    left = {"m.npz", "trips.csv", name, out}
    assert set(os.listdir()) == left - {None}


def test_columns_are_taken_by_name_in_any_order(run, model):
    csv.write_csv(TABLE.select(["night", "times", "minutes", "miles"]), "new.csv")  # and no fare
    code, out, _ = run("predict", "m.npz", "new.csv")
    assert code == 0
    assert list(map(float, out.split())) == model.predict(X).tolist()
    csv.write_csv(TABLE.rename_columns(["way", "time", "dark, or not", "fare", "times"]), "other.csv")
    renamed = run("predict", "m.npz", "other.csv", "--features", 'way,time,"dark, or not"')
    assert renamed[:2] == (0, out)
    np.save("x.npy", X)
    assert run("predict", "m.npz", "x.npy")[:2] == (0, out)
    np.save("x.npy", X[:, ::-1])
    assert run("predict", "m.npz", "x.npy", "--features", "2,1,0")[:2] == (0, out)
    assert run("predict", "m.npz", "new.csv", "--features", "night,miles,minutes") == (
        2,
        "",
        "fastgd: --features has the model's own columns in another order than its weights: leave it out, and "
        "they are taken by name\n",
    )


def test_rows_with_a_missing_value(run, model):
    Path("holes.csv").write_text("miles,minutes,night\n1,2,0\n,2,1\n3,4,\n5,6,1\n")
    code, _, err = run("predict", "m.npz", "holes.csv")
    assert code == 2
    assert err == (
        'fastgd: holes.csv: "miles" has 1 missing value, "night" 1; pass --missing drop, or fill them\n'
    )
    code, _, err = run("predict", "m.npz", "holes.csv", "--out", "p.csv")
    assert code == 2
    assert not os.path.exists("p.csv")
    first, last = model.predict([[1.0, 2.0, 0.0], [5.0, 6.0, 1.0]]).tolist()
    code, out, err = run("predict", "m.npz", "holes.csv", "--missing", "drop")
    assert (code, out) == (0, f"{first!r}\n\n\n{last!r}\n")  # a line a row of the file
    assert err == "fastgd: 2 of 4 rows have a missing value: their predictions are empty lines\n"


@pytest.mark.parametrize("out", ["p.csv", "p.npy", "p.parquet"])
@pytest.mark.parametrize("size", [1, 1000])
def test_predictions_stand_beside_the_rows_that_they_belong_to(run, model, out, size, monkeypatch):
    monkeypatch.setattr(parts, "PART_NUMBERS", 3 * size)
    Path("folder").mkdir()
    for name, text in (("a", ",2,1\n1,2,0\n3,4,\n"), ("b", "5,,1\n,,\n"), ("c", "5,6,1\n,,\n")):
        Path(f"folder/{name}.csv").write_text("miles,minutes,night\n" + text)
    first, last = model.predict([[1.0, 2.0, 0.0], [5.0, 6.0, 1.0]]).tolist()
    code, _, err = run("predict", "m.npz", "folder", "--missing", "drop", "--out", out)
    empty = {"p.csv": "nan", "p.npy": "nan", "p.parquet": "null"}[out]
    told = f"fastgd: 5 of 7 rows have a missing value: their predictions are {empty}\n"
    assert (code, err) == (0, told)
    if out == "p.csv":
        lines = Path(out).read_text().splitlines()[1:]
        assert [line == empty for line in lines].count(True) == 5
        found = [float(line) for line in lines]
    else:
        found = np.load(out) if out == "p.npy" else parquet.read_table(out)["prediction"].to_numpy()
        assert out == "p.npy" or parquet.read_table(out)["prediction"].null_count == 5
    np.testing.assert_array_equal(found, [np.nan, first, np.nan, np.nan, np.nan, last, np.nan])


BAD_PREDICTIONS = {
    "one column lacks": ("miles,minutes\n1,2\n", [], 'new.csv has no column "night"'),
    "two columns lack": ("miles\n1\n", [], 'new.csv lacks the columns "minutes", "night". It has "miles"'),
    "text": (
        "miles,minutes,night\n1,2,3\nx,5,6\n",
        [],
        'new.csv, line 3: "x" in column "miles" is not a number',
    ),
    "too large": (
        "miles,minutes,night\n1,2,3\n1,1e999,3\n",
        [],
        'row 1 of new.csv (line 3): column "minutes" is infinite; fill it',
    ),
    "few features": (
        "a,b\n1,2\n",
        ["--features", "a,b"],
        "the model has 3 features, and --features names 2",
    ),
    "only a header": ("miles,minutes,night\n", [], "new.csv has no rows; at least one is needed"),
    "empty": ("", [], "new.csv is empty"),
}


@pytest.mark.parametrize("case", BAD_PREDICTIONS)
def test_predictions_that_cannot_be(run, model, case):
    text, arguments, message = BAD_PREDICTIONS[case]
    Path("new.csv").write_text(text)
    Path("p.npy").write_text("old")
    code, _, err = run("predict", "m.npz", "new.csv", *arguments, "--out", "p.npy")
    assert code == 2
    assert err.startswith(f"fastgd: {message}")
    assert err.count("\n") == 1
    assert Path("p.npy").read_text() == "old"
    assert not [one for one in os.listdir() if one.endswith(".tmp")]


def test_arrays_that_do_not_fit_the_model(run, model):
    np.save("wide.npy", rows())
    code, _, err = run("predict", "m.npz", "wide.npy")
    assert code == 2
    assert err == (
        "fastgd: wide.npy has 5 columns, and the model 3 features: name their columns, --features 0,1,2\n"
    )
    bad = X.copy()
    bad[7, 1] = np.nan
    np.save("bad.npy", bad)
    assert run("predict", "m.npz", "bad.npy")[2] == "fastgd: row 7 of bad.npy: column 1 is NaN; fill it\n"
    np.savez("none.npz", y=Y)
    assert run("predict", "m.npz", "none.npz")[2] == 'fastgd: none.npz has no array "X"; it has y\n'
    np.save("t.npy", rows())
    assert run("fit", "t.npy", "--target", 0, "--save", "numbers.npz")[0] == 0
    code, _, err = run("predict", "numbers.npz", "trips.csv")
    assert code == 2
    assert err.startswith('fastgd: trips.csv lacks the columns "1", "2", "3", "4"')
    np.save("few.npy", X)
    code, _, err = run("predict", "numbers.npz", "few.npy")
    assert code == 2
    assert err == "fastgd: few.npy has no column 3; it has columns 0 to 2; name others with --features\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.npz", "trips.csv"], "fastgd: none.npz: No such file or directory"),
        (["trips.csv", "trips.csv"], "trips.csv is not a whole fastgd file"),
        (["m.npz", "none.csv"], "there is no file or folder none.csv"),
        (["m.npz", "trips.csv", "--out", "p.txt"], "--out writes .csv, .parquet or .npy, not p.txt"),
        (["m.npz", "trips.csv", "--out", "no/p.csv"], "for --out no/p.csv: make it"),
        (["m.npz", "trips.csv", "--out", "trips.csv"], "--out would write over trips.csv, which is read"),
        (["m.npz", "m.npz", "--missing", "drop"], "--missing drop is for tables"),
    ],
)
def test_predict_used_wrongly(run, model, arguments, message):
    code, out, err = run("predict", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("fastgd: ")

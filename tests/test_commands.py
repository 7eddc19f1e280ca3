"""`fastgd fit`, `predict` and `diagnose`, as a person types them: what they say is what Python computes."""

from __future__ import annotations

import builtins
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

import fastgd
from fastgd import commands, inputs, report
from fastgd.cli import main

ROOT = Path(__file__).parents[1]
N = 300
NAMES = ["miles", "minutes", "night"]
DRAWN = np.random.default_rng(8)
MILES = np.round(DRAWN.gamma(2.0, 2.0, N) + 0.3, 2)
X = np.column_stack([MILES, np.round(3 * MILES + DRAWN.normal(8, 2, N), 1), DRAWN.integers(0, 2, N)])
Y = np.round(2.5 + X @ [1.75, 0.35, 0.5] + DRAWN.normal(0, 0.5, N), 2)
S = DRAWN.integers(1, 4, N).astype(float)
TABLE = pa.table({name: X[:, j] for j, name in enumerate(NAMES)} | {"fare": Y, "times": S})
FEW = ["--features", "miles,minutes,night"]
PYTHON = dict(fit_intercept=True, tol="auto", history="costs")
"""What the command line's defaults are in Python."""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own for each test, with the trips in it."""
    monkeypatch.chdir(tmp_path)
    csv.write_csv(TABLE, "trips.csv")
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command; its exit code, standard output and standard error."""

    def call(*arguments):
        code = main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call


@pytest.fixture
def told(run):
    """What a command says with --json."""

    def call(*arguments, code=0):
        found, out, _ = run(*arguments, "--json")
        assert found == code
        assert out.count("\n") == 1
        return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    return call


def fitted(by=fastgd.gradient_descent, y=Y, **options):
    """The same in Python; running out of epochs is no matter here."""
    with pytest.warns(fastgd.ConvergenceWarning) if options.pop("runs_out", False) else nothing():
        return by(X, y, **PYTHON | options)


class nothing:  # noqa: N801 - a context that does nothing
    def __enter__(self): ...

    def __exit__(self, *error): ...


def rows(table=TABLE):
    return np.column_stack([column.to_numpy() for column in table.columns])


WRITERS = {
    "t.csv": lambda path: csv.write_csv(TABLE, path),
    "t.csv.gz": lambda path: Path(path).write_bytes(gzip.compress(Path("trips.csv").read_bytes())),
    "t.tsv": lambda path: csv.write_csv(TABLE, path, csv.WriteOptions(delimiter="\t")),
    "t.parquet": lambda path: parquet.write_table(TABLE, path, row_group_size=77),
    "t.feather": lambda path: feather.write_feather(TABLE, path, chunksize=77),
    "t.arrow": lambda path: feather.write_feather(TABLE, path, "uncompressed"),
}


def write(name):
    """DATA of each kind, and how to name the features and the target in it."""
    if name == "folder":
        Path(name).mkdir()
        parquet.write_table(TABLE[:100], "folder/a.parquet")
        parquet.write_table(TABLE[100:], "folder/b.parquet")
    elif name.endswith(".npy"):
        order = "F" if "fortran" in name else "C"
        np.save(name, np.asarray(rows()[:, [3, 0, 1, 2, 4]], order=order))
        return ["--features", "1,2,3", "--target", "0"], "-1"
    elif name.endswith(".npz"):
        np.savez(name, X=X, y=Y, weight=S)
        return ["--target", "y"], "weight"
    else:
        WRITERS[name](name)
    return [*FEW, "--target", "fare"], "times"


KINDS = [*WRITERS, "folder", "t.npy", "fortran.npy", "t.npz"]


# fit


@pytest.mark.parametrize("name", KINDS)
def test_json_has_the_bits_of_python_for_each_kind_of_file(told, name):
    columns, weight = write(name)
    plain = told("fit", name, *columns, "--standardize", "--nesterov", "--epochs", 300)
    ref = fitted(standardize=True, nesterov=True, n_epochs=300)
    assert list(plain["weights"].values()) == ref.w.tolist()
    assert (plain["intercept"], plain["cost_history"]) == (ref.intercept, ref.cost_history.tolist())
    assert (plain["rows"], plain["columns"], plain["epochs"]) == (N, 3, ref.n_epochs)
    assert plain["converged"] is True
    assert plain["notes"] == []
    assert plain["status"] == ref.status
    residuals = X @ ref.w + ref.intercept - Y
    assert plain["root_mean_square_error"] == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-9)
    assert plain["r2"] == pytest.approx(1 - np.mean(residuals**2) / Y.var(), rel=1e-9)

    weighted = told("fit", name, *columns, "--weight", weight, "--standardize", "--epochs", 5)
    ref = fitted(standardize=True, sample_weight=S, n_epochs=5, runs_out=True)
    assert list(weighted["weights"].values()) == ref.w.tolist()
    assert weighted["weight"] == weight
    residuals = X @ ref.w + ref.intercept - Y
    spread = np.average((Y - np.average(Y, weights=S)) ** 2, weights=S)
    assert weighted["r2"] == pytest.approx(1 - np.average(residuals**2, weights=S) / spread, rel=1e-9)


OPTIONS = {
    "a rate, no intercept": (
        ["--no-intercept", "--learning-rate", "0.001", "--tol", "none", "--epochs", "7"],
        dict(fit_intercept=False, learning_rate=0.001, tol=None, n_epochs=7),
    ),
    "penalties": (
        ["--l1", "0.1", "--l2", "0.01", "--standardize", "--epochs", "9", "--tol", "0.5"],
        dict(l1=0.1, l2=0.01, standardize=True, n_epochs=9, tol=0.5),
    ),
    "huber": (["--loss", "huber", "--epochs", "4"], dict(loss="huber", n_epochs=4, runs_out=True)),
    "quantile": (["--loss", "quantile", "--epochs", "3"], dict(loss="quantile", n_epochs=3, runs_out=True)),
    "sgd": (
        ["--solver", "sgd", "--epochs", "3", "--standardize"],
        dict(by=fastgd.sgd, n_epochs=3, standardize=True, runs_out=True),
    ),
    "sgd, rows shuffled": (
        ["--solver", "sgd", "--epochs", "3", "--shuffle", "rows", "--seed", "5", "--tol", "none"],
        dict(by=fastgd.sgd, n_epochs=3, shuffle=True, seed=5, tol=None),
    ),
    "sgd, blocks shuffled": (
        ["--solver", "sgd", "--epochs", "3", "--tol", "none", "--seed", "5", "--shuffle"],
        dict(by=fastgd.sgd, n_epochs=3, shuffle="blocks", seed=5, tol=None),
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_are_those_of_python(told, case):
    arguments, options = OPTIONS[case]
    found = told("fit", "trips.csv", "--target", "fare", *FEW, *arguments)
    ref = fitted(**options)
    assert list(found["weights"]) == NAMES
    assert list(found["weights"].values()) == ref.w.tolist()
    assert found["intercept"] == ref.intercept
    assert found["cost_history"] == (None if ref.cost_history is None else ref.cost_history.tolist())
    assert (found["solver"], found["updates"], found["seed"]) == (ref.solver, ref.n_updates, ref.seed)
    if case == "penalties":
        mean = np.mean((X @ ref.w + ref.intercept - Y) ** 2)
        assert found["root_mean_square_error"] == pytest.approx(np.sqrt(mean), rel=1e-9)


def test_all_other_columns_are_features_by_default(told):
    found = told("fit", "trips.csv", "--target", "fare", "--weight", "times", "--epochs", 1)
    assert list(found["weights"]) == NAMES
    np.save("t.npy", rows())
    assert list(told("fit", "t.npy", "--target", 3, "--weight", 4, "--epochs", 1)["weights"]) == [
        "0",
        "1",
        "2",
    ]


def test_log_loss_of_more_than_one_block(told):
    n = 5000
    x = np.random.default_rng(1).normal(size=n).astype(np.float32)
    y = (x + np.random.default_rng(2).normal(size=n) > 0).astype(np.int8)
    parquet.write_table(pa.table({"x": x, "won": y}), "games.parquet", row_group_size=777)
    found = told("fit", "games.parquet", "--target", "won", "--loss", "log_loss", "--epochs", 3)
    with pytest.warns(fastgd.ConvergenceWarning):
        ref = fastgd.gradient_descent(x[:, None], y, loss="log_loss", n_epochs=3, **PYTHON)
    assert found["weights"] == {"x": ref.w[0]}
    assert found["cost_history"] == ref.cost_history.tolist()
    assert found["r2"] is found["root_mean_square_error"] is None


def test_the_lessons_case_of_one_column(told, run):
    np.savez("lesson.npz", X=[1.0, 2.0, 3.0], y=[2.0, 4.0, 6.0])
    arguments = [
        "--target",
        "y",
        "--no-intercept",
        "--learning-rate",
        0.01,
        "--tol",
        "none",
        "--save",
        "m.npz",
    ]
    ref = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], learning_rate=0.01)
    assert told("fit", "lesson.npz", *arguments)["weights"] == {"x": ref.w}
    assert run("predict", "m.npz", "lesson.npz")[1].split() == [repr(ref.w * x) for x in (1.0, 2.0, 3.0)]


def test_a_report_for_people(run):
    code, out, err = run(
        "fit", "trips.csv", "--target", "fare", *FEW, "--standardize", "--nesterov", "--epochs", 300,
        "--save", "m.npz",
    )  # fmt: skip
    assert (code, err) == (0, "")
    ref = fitted(standardize=True, nesterov=True, n_epochs=300)
    lines = out.splitlines()
    assert lines[0] == "trips.csv: 300 rows, fare from 3 features and an intercept"
    assert lines[1].startswith("full-batch gradient descent, squared_error, learning rate ")
    assert " ".join(out.split()).count(" ".join(ref.status.split())) == 1
    start = lines.index("feature             weight")
    weights = dict(line.split() for line in lines[start + 1 : start + 5])
    assert weights == {"(intercept)": f"{ref.intercept:.6g}"} | {
        name: f"{w:.6g}" for name, w in zip(NAMES, ref.w, strict=True)
    }
    assert len({len(line) for line in lines[start : start + 5]}) == 1  # aligned
    assert lines[-1] == "the model is in m.npz"
    assert any(line.startswith("R² ") for line in lines)
    assert max(map(len, lines)) <= report.WIDTH


def test_long_names_are_cut_and_of_many_weights_the_largest_are_shown(run):
    names = [f"{'a very ' * 15}long name, the {j}th" for j in range(50)]
    few = np.random.default_rng(3).normal(size=(60, 50))
    y = few @ np.arange(50.0)
    parquet.write_table(pa.table({n: few[:, j] for j, n in enumerate(names)} | {"y": y}), "wide.parquet")
    code, out, _ = run("fit", "wide.parquet", "--target", "y", "--epochs", 5)
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= report.WIDTH
    assert sum("…" in line for line in lines) == report.SHOWN
    assert f"the {report.SHOWN} largest of 50 weights; --json shows them all" in lines


def test_not_converged_is_said_and_with_strict_a_failure(run):
    arguments = ["fit", "trips.csv", "--target", "fare", *FEW, "--epochs", 3]
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "note: --epochs 3 ran out" in out
    text = " ".join(out.split())
    assert "(try --standardize or --nesterov or a larger --epochs)" in text
    assert "n_epochs" not in text
    code, strict, err = run(*arguments, "--strict")
    assert code == 1
    assert err == "fastgd: not converged, and --strict asks for that\n"
    assert strict.partition("w was still")[2] == out.partition("w was still")[2] != ""
    assert run(*arguments, "--strict", "--json")[0] == 1
    assert run(*arguments[:-1], 300, "--strict", "--standardize", "--nesterov")[0] == 0


@pytest.mark.parametrize("solver", ["gd", "sgd"])
def test_a_diverging_rate_is_a_failure_with_a_remedy(run, told, solver):
    arguments = ["fit", "trips.csv", "--target", "fare", *FEW, "--learning-rate", 9, "--solver", solver]
    code, out, err = run(*arguments, "--save", "m.npz", "--plot", "p.png")
    assert (code, out) == (1, "")
    assert " diverged in epoch " in err
    assert "take --learning-rate auto, here 0.00" in err
    assert not os.path.exists("m.npz")
    assert not os.path.exists("p.png")
    found = told(*arguments, "--save", "m.npz", code=1)
    assert found["diverged"] is True
    assert found["model"] is None
    assert f"fastgd: {found['error']}\n" == err


def test_json_has_null_for_what_is_not_finite():
    assert report.as_json({"a": [1.5, float("nan")], "b": {"c": float("inf")}}) == (
        '{"a": [1.5, null], "b": {"c": null}}'
    )


def test_the_picture_is_the_cost(run):
    pytest.importorskip("matplotlib")
    arguments = ["fit", "trips.csv", "--target", "fare", *FEW, "--epochs", 5, "--plot"]
    code, out, _ = run(*arguments, "cost.svg")
    assert code == 0
    assert out.endswith("the picture is in cost.svg\n")
    assert Path("cost.svg").read_text().startswith("<?xml")
    code, out, err = run(*arguments, "cost.txt")
    assert (code, out) == (2, "")
    assert err == "fastgd: cost.txt is no picture: name a file that ends in .png, .svg or .pdf\n"


# save, predict


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("out", [None, "p.csv", "p.parquet", "p.npy"])
def test_fit_save_predict_is_pythons_predict(run, name, out, monkeypatch):
    monkeypatch.setattr(inputs, "PART_NUMBERS", 200)  # several parts
    columns, _ = write(name)
    assert run("fit", name, *columns, "--epochs", 20, "--save", "m.npz")[0] == 0
    model = fastgd.load("m.npz")
    expected = (
        tuple(NAMES if "--features" in columns else "012") if not name.endswith("npy") else ("1", "2", "3")
    )
    assert model.feature_names == expected
    ref = model.predict(X)
    code, text, err = run("predict", "m.npz", name, *(() if out is None else ("--out", out)))
    assert (code, err) == (0, "")
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


@pytest.fixture
def model(run):
    assert run("fit", "trips.csv", "--target", "fare", *FEW, "--epochs", 20, "--save", "m.npz")[0] == 0
    return fastgd.load("m.npz")


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


def test_rows_with_a_missing_value(run, model):
    Path("holes.csv").write_text("miles,minutes,night\n1,2,0\n,2,1\n3,4,\n5,6,1\n")
    code, _, err = run("predict", "m.npz", "holes.csv")
    assert code == 2
    assert err == (
        'fastgd: holes.csv: "miles" has 1 missing value, "night" 1: pass --missing drop, or fill them\n'
    )
    code, _, err = run("predict", "m.npz", "holes.csv", "--out", "p.csv")
    assert code == 2
    assert not os.path.exists("p.csv")
    code, out, _ = run("predict", "m.npz", "holes.csv", "--missing", "drop")
    assert code == 0
    assert list(map(float, out.split())) == model.predict([[1.0, 2.0, 0.0], [5.0, 6.0, 1.0]]).tolist()


BAD_PREDICTIONS = {
    "one column lacks": ("miles,minutes\n1,2\n", [], 'new.csv has no column "night"'),
    "two columns lack": ("miles\n1\n", [], 'new.csv lacks the columns "minutes", "night". It has "miles"'),
    "text": (
        "miles,minutes,night\n1,2,3\nx,5,6\n",
        [],
        'new.csv, line 3: "x" in column "miles" is no number',
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
    assert run("fit", "t.npy", "--target", 0, "--epochs", 1, "--save", "numbers.npz")[0] == 0
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
        (["none.npz", "trips.csv"], "No such file or directory"),
        (["trips.csv", "trips.csv"], "trips.csv is not a file that fastgd wrote"),
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


# bad data


def csv_of(**changed):
    """The trips, with another text in some lines."""
    lines = Path("trips.csv").read_text().splitlines()
    for line, text in changed.items():
        lines[int(line[1:]) - 1] = text
    return "\n".join(lines) + "\n"


BAD_FITS = {
    "text": (
        lambda: csv_of(_200="1,x,0,5,1"),
        [],
        'trips.csv, line 200: "x" in column "minutes" is no number',
    ),
    "short row": (lambda: csv_of(_9="1,2"), [], "trips.csv, line 9 has 2 fields, and the header 5"),
    "too large": (
        lambda: csv_of(_9="1e999,2,3,4,1"),
        [],
        'row 7 of trips.csv (line 9): column "miles" is infinite; drop such rows or fill them',
    ),
    "target too large": (
        lambda: csv_of(_9="1,2,3,1e999,1"),
        [],
        'row 7 of trips.csv (line 9): column "fare" is infinite; drop such rows or fill them',
    ),
    "missing": (
        lambda: csv_of(_9="1,,0,5,1", _10="1,,0,,1"),
        [],
        'trips.csv: "minutes" has 2 missing values, "fare" 1: pass --missing drop, or fill them',
    ),
    "classes": (
        lambda: csv_of(),
        ["--loss", "log_loss"],
        f'row 0 of trips.csv (line 2): column "fare" is {Y[0]:g}; log_loss takes y of 0 and 1',
    ),
    "weight": (
        lambda: csv_of(_9="1,2,0,5,-1"),
        ["--weight", "times"],
        "row 7 of trips.csv (line 9): the weight is -1; weights must be finite and not negative",
    ),
    "empty": (lambda: "", [], "trips.csv is empty"),
    "header only": (lambda: "miles,minutes,night,fare,times\n", [], "trips.csv has no rows"),
    "open quote": (lambda: csv_of(_9='1,"2,3,4,1'), [], "trips.csv"),
}


@pytest.mark.parametrize("case", BAD_FITS)
def test_bad_tables_are_one_sentence(run, case):
    text, arguments, message = BAD_FITS[case]
    Path("trips.csv").write_text(text())
    code, out, err = run("fit", "trips.csv", "--target", "fare", *FEW, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"fastgd: {message}")
    assert err.count("\n") == 1


def test_missing_rows_can_be_dropped(told):
    Path("trips.csv").write_text(csv_of(_9="1,,0,5,1", _10="1,2,0,,1"))
    found = told(
        "fit", "trips.csv", "--target", "fare", *FEW, "--missing", "drop", "--tol", "none", "--epochs", 4
    )
    kept = np.delete(np.arange(N), [7, 8])
    ref = fastgd.gradient_descent(X[kept], Y[kept], **PYTHON | dict(n_epochs=4, tol=None))
    assert found["rows"] == N - 2
    assert list(found["weights"].values()) == ref.w.tolist()


def test_columns_of_text_are_named_with_the_remedy_as_it_is_typed(run):
    table = TABLE.append_column("who", pa.array(["me"] * N)).rename_columns(
        ["miles", "min, utes", "night", "fare", "times", "who"]
    )
    csv.write_csv(table, "more.csv")
    code, _, err = run("fit", "more.csv", "--target", "fare", "--weight", "times")
    assert code == 2
    assert '"who" (text, "me" in line 2)' in err
    remedy = """--features 'miles,"min, utes",night'"""
    assert err.endswith(f": name those to use, {remedy}\n")
    names = 'miles,"min, utes",night'
    assert run("fit", "more.csv", "--target", "fare", "--features", names, "--epochs", 1)[0] == 0


def test_other_bad_data(run, here):
    parquet.write_table(TABLE, "t.parquet")
    whole = Path("t.parquet").read_bytes()
    Path("t.parquet").write_bytes(whole[: len(whole) // 2])
    np.save("t.npy", rows())
    whole = Path("t.npy").read_bytes()
    Path("cut.npy").write_bytes(whole[:-9])
    np.save("objects.npy", np.array([[1, None]]), allow_pickle=True)
    np.save("text.npy", np.array([["a", "b"]]))
    np.save("line.npy", np.arange(3.0))
    bad = rows()
    bad[5, 1], bad[6, 3] = np.inf, np.nan
    np.save("bad.npy", bad)
    np.savez("odd.npz", X=X, y=Y[:-1])
    shutil.copy("trips.csv", "trips.xlsx")
    for arguments, message in [
        (["t.parquet", "--target", "fare"], "t.parquet cannot be read, it is damaged or cut short"),
        (["cut.npy", "--target", "0"], "cut.npy is cut short"),
        (["objects.npy", "--target", "0"], "objects.npy holds Python objects, which are never read"),
        (["text.npy", "--target", "0"], "text.npy holds text (<U1); it must hold real numbers"),
        (["line.npy", "--target", "0"], "line.npy has shape (3,); it must have rows and columns"),
        (["bad.npy", "--target", "3"], "row 5 of bad.npy: column 1 is infinite; drop such rows"),
        (["bad.npy", "--target", "3", "--features", "0"], 'row 6 of bad.npy: column "3" is NaN; drop such'),
        (["t.npy", "--target", "fare"], "t.npy has no names of columns: give the number of one, 0 to 4"),
        (["t.npy", "--target", "5"], "t.npy has no column 5; it has columns 0 to 4"),
        (["t.npy", "--target", "0", "--features", "0,1"], "the target, column 0, is among the features"),
        (["t.npy", "--target", "0", "--features", "1,1"], "column 1 stands twice among the features"),
        (["t.npy", "--target", "0", "--weight", "0"], "the weight, column 0, is the target too"),
        (["t.npy", "--target", "0", "--missing", "drop"], "--missing drop is for tables"),
        (["odd.npz", "--target", "z"], 'odd.npz has no array "z"; it has X, y'),
        (["odd.npz", "--target", "y"], "y has 299 rows and X has 300; they must agree"),
        (["trips.xlsx", "--target", "fare"], "trips.xlsx is of no kind that is known"),
        (["none.csv", "--target", "fare"], "there is no file or folder none.csv"),
        (["none.npy", "--target", "0"], "[Errno 2] No such file or directory: 'none.npy'"),
        (["trips.csv", "--target", "fair"], 'trips.csv has no column "fair": did you mean "fare"?'),
        (["trips.csv", "--target", "fare", "--features", "mile"], 'trips.csv has no column "mile"'),
        (["trips.csv", "--target", "fare", "--features", "fare"], 'the target "fare" is among the features'),
        (["trips.csv", "--target", "fare", "--l1", "-1"], "l1 must not be negative, not -1.0"),
        (["trips.csv", "--target", "fare", "--save", "no/m.npz"], "there is no folder"),
        (["trips.csv", "--target", "fare", "--save", "trips.csv"], "--save would write over trips.csv"),
        (["trips.csv", "--target", "fare", "--resume", "none.npz"], "[Errno 2]"),
    ]:
        code, out, err = run("fit", *arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith(f"fastgd: {message}"), err
        assert err.count("\n") == 1


NO_PYARROW = "tables in files need pyarrow: pip install 'fastgd[io]'"


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("pyarrow", ["fit", "trips.csv", "--target", "fare"], NO_PYARROW),
        ("pyarrow", ["predict", "m.npz", "trips.csv"], NO_PYARROW),
        (
            "pyarrow",
            ["predict", "m.npz", "x.npy", "--out", "p.parquet"],
            "--out of .parquet needs pyarrow: pip install 'fastgd[io]'",
        ),
        (
            "matplotlib",
            ["fit", "trips.csv", "--target", "fare", "--plot", "p.png"],
            "plots need matplotlib: pip install 'fastgd[plot]'",
        ),
    ],
)  # fmt: skip
def test_without_an_extra_its_install_line(run, model, monkeypatch, module, arguments, message):
    np.save("x.npy", X)
    imported = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    code, out, err = run(*arguments)
    assert (code, out, err) == (2, "", f"fastgd: {message}\n")


# usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "trips.csv"], "the following arguments are required: --target"),
        (["fit", "a.csv", "--target", "y", "--features", ""], "argument --features: '' is no list of names"),
        (["fit", "a.csv", "--target", "y", "--features", "a,,b"], "is no list of names, a,b,c"),
        (["fit", "a.csv", "--target", "y", "--epochs", "0"], "argument --epochs: 0 is not between 1 and"),
        (["fit", "a.csv", "--target", "y", "--learning-rate", "x"], "'x' is neither \"auto\" nor a number"),
        (["fit", "a.csv", "--target", "y", "--tol", "x"], "'x' is neither \"auto\" nor \"none\""),
        (["fit", "a.csv", "--target", "y", "--solver", "adam"], "argument --solver: invalid choice: 'adam'"),
        (["fit", "a.csv", "--target", "y", "--shuffle"], "--shuffle belongs to --solver sgd"),
        (["fit", "a.csv", "--target", "y", "--seed", "1"], "--seed belongs to --shuffle"),
        (["fit", "a.csv", "--target", "y", "--solver", "sgd", "--nesterov"], "--nesterov belongs to"),
        (["predict", "m.npz"], "the following arguments are required: DATA"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_a_sentence(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


DATA_OPTIONS = ["DATA", "--target", "--features", "--missing", "--solver", "--learning-rate", "--l2"]
HELP = {
    "fit": [
        *DATA_OPTIONS, "--weight", "--loss", "--l1", "--epochs", "(100)", "--intercept", "--no-intercept",
        "--tol", "--standardize", "--nesterov", "--shuffle", "--seed", "--save", "--checkpoint",
        "--checkpoint-every", "--resume", "--json", "--plot", "--strict", "--no-progress",
        "Exit code 1", "the default",
    ],
    "predict": ["model", "DATA", "--features", "--missing", "--out", ".parquet", "log-odds"],
    "diagnose": [*DATA_OPTIONS, "--json", "--no-intercept"],
}  # fmt: skip


@pytest.mark.parametrize("command", HELP)
def test_help_names_every_option(capsys, command):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert [word for word in HELP[command] if word not in out] == []


# diagnose


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npy", "t.npz"])
def test_diagnose_tells_the_limits_of_the_fit(told, name):
    columns, _ = write(name)
    with_ones = np.column_stack([X, np.ones(N)])
    for arguments, data, options in [
        ([], with_ones, {}),
        (["--no-intercept", "--l2", 0.5, "--learning-rate", 0.001], X, dict(l2=0.5, learning_rate=0.001)),
        (["--solver", "sgd"], with_ones, dict(solver="sgd")),
    ]:
        found = told("diagnose", name, *columns, *arguments)
        ref = fastgd.diagnose(data, Y, **options)
        for key in (
            "stability_limit",
            "condition_number",
            "learning_rate",
            "spectral_radius",
            "optimum_cost",
        ):
            assert found[key] == getattr(ref, key)
        weights = [*found["optimum_weights"].values(), *[found["optimum_intercept"]][: data.shape[1] - 3]]
        assert weights == ref.optimum.tolist()
        assert (found["rows"], found["columns"]) == (N, 3)
    taken = told("fit", name, *columns, "--epochs", 1)["learning_rate"]
    assert taken == pytest.approx(told("diagnose", name, *columns)["learning_rate"], rel=1e-9)


def test_diagnose_for_people(run):
    code, out, err = run("diagnose", "trips.csv", "--target", "fare", *FEW)
    assert (code, err) == (0, "")
    ref = fastgd.diagnose(np.column_stack([X, np.ones(N)]), Y)
    lines = out.splitlines()
    assert lines[0] == "trips.csv: 300 rows, fare from 3 features and an intercept"
    assert f"converges below           learning rate {ref.stability_limit:.6g}" in lines
    assert f"cost at the optimum       {ref.optimum_cost:.6g}" in lines
    assert f"(intercept)  {ref.optimum[-1]:>13.6g}" in lines
    code, out, _ = run("diagnose", "trips.csv", "--target", "fare", *FEW, "--learning-rate", 1)
    assert code == 0
    assert "never gets there" in out


def test_what_does_not_converge_is_null_in_json(told):
    assert told("diagnose", "trips.csv", "--target", "fare", "--learning-rate", 1)["epochs_to_1e-6"] is None


# a run's life


def test_an_interrupted_run_tells_what_was_kept_and_goes_on(run, told, monkeypatch):
    def interrupted(*data, **how):
        def stop(state):
            if state.epoch == 2:
                raise KeyboardInterrupt

        return fastgd.gradient_descent(*data, **how, callback=stop)

    arguments = [
        "fit",
        "trips.csv",
        "--target",
        "fare",
        *FEW,
        "--loss",
        "huber",
        "--epochs",
        6,
        "--tol",
        "none",
    ]
    with monkeypatch.context() as patched:
        patched.setitem(commands.SOLVERS, "gradient_descent", interrupted)
        code, out, err = run(*arguments)
        assert (code, out) == (130, "")
        assert err.startswith("fastgd: interrupted after 3 epochs; nothing was kept (--checkpoint FILE keeps")
        code, out, err = run(*arguments, "--checkpoint", "run.npz", "--json")
        assert (code, out) == (130, "")
        assert err == (
            "fastgd: interrupted after 3 epochs; the same command with --resume run.npz goes on from there\n"
        )
    ref = told(*arguments)
    found = told(*arguments, "--resume", "run.npz")
    assert (found["weights"], found["cost_history"]) == (ref["weights"], ref["cost_history"])
    code, _, err = run(*arguments[:-3], 7, "--tol", "none", "--resume", "run.npz")
    assert code == 2
    assert err.startswith("fastgd: run.npz ")


def test_blocks_of_a_table_that_cannot_be_shuffled(told, run):
    n = 9000
    x = np.arange(n) % 7.0
    parquet.write_table(pa.table({"x": x, "y": x > 3}), "long.parquet")
    arguments = [
        "fit",
        "long.parquet",
        "--target",
        "y",
        "--loss",
        "log_loss",
        "--solver",
        "sgd",
        "--tol",
        "none",
    ]
    code, _, err = run(*arguments, "--shuffle", "--epochs", 1, "--seed", 1)
    assert code == 2
    assert err.endswith(": pass --shuffle rows, which holds them in memory\n")
    found = told(*arguments, "--shuffle", "rows", "--seed", 3, "--epochs", 1)
    ref = fastgd.sgd(
        x[:, None], x > 3, loss="log_loss", shuffle=True, seed=3, n_epochs=1, **PYTHON | dict(tol=None)
    )
    assert found["weights"] == {"x": ref.w[0]}


def command(*arguments):
    return [sys.executable, "-m", "fastgd", *map(str, arguments)]


@pytest.mark.skipif(os.name == "nt", reason="a terminal of Unix")
def test_a_bar_on_a_terminal_unless_it_is_not_wanted():
    pytest.importorskip("tqdm")
    import pty
    import termios

    arguments = command("fit", "trips.csv", "--target", "fare", *FEW, "--epochs", 50, "--json")
    env = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    for more, expected in (([], True), (["--no-progress"], False)):
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (25, 100))
        done = subprocess.run(
            [*arguments, *more], env=env, stdout=subprocess.PIPE, stderr=slave, timeout=120, check=True
        )
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the end, on Linux
            pass
        os.close(master)
        assert json.loads(done.stdout)["epochs"] == 50
        assert (b"gradient_descent" in shown and b"50/50" in shown) == expected
        assert expected or shown == b""


def test_without_tqdm_a_terminal_has_no_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert main(["fit", "trips.csv", "--target", "fare", "--epochs", "2"]) == 0
    assert sys.stderr.getvalue() == ""


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
def test_who_reads_may_have_seen_enough(model):
    csv.write_csv(pa.concat_tables([TABLE] * 50), "long.csv")
    done = subprocess.run(
        f"'{sys.executable}' -m fastgd predict m.npz long.csv | head -n 2",
        shell=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == [repr(value) for value in model.predict(X[:2]).tolist()]
    assert done.stderr == ""

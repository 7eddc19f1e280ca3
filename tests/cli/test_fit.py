"""`fastgd fit`, as a person types it: what it says is what Python computes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import fastgd
from tests.cli.trips import FEW, GD, KINDS, MILES, NAMES, N, S, X, Y, fitted, rows, write


@pytest.mark.parametrize("name", KINDS)
def test_json_has_the_bits_of_python_for_each_kind_of_file(told, name):
    columns, weight = write(name)
    plain = told("fit", name, *columns)
    ref = fitted(n_epochs=100_000)
    assert list(plain["weights"].values()) == ref.w.tolist()
    assert (plain["intercept"], plain["cost_history"]) == (ref.intercept, ref.cost_history.tolist())
    assert (plain["rows"], plain["columns"], plain["epochs"]) == (N, 3, ref.n_epochs)
    assert plain["converged"] is True
    assert plain["notes"] == []
    assert plain["status"] == ref.status
    residuals = X @ ref.w + ref.intercept - Y
    assert plain["root_mean_square_error"] == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-9)
    assert plain["r2"] == pytest.approx(1 - np.mean(residuals**2) / Y.var(), rel=1e-9)

    weighted = told("fit", name, *columns, "--weight", weight, "--no-nesterov", "--epochs", 5, code=1)
    ref = fitted(sample_weight=S, nesterov=False, precondition=False, n_epochs=5, runs_out=True)
    assert list(weighted["weights"].values()) == ref.w.tolist()
    assert weighted["weight"] == weight
    residuals = X @ ref.w + ref.intercept - Y
    variance = np.average((Y - np.average(Y, weights=S)) ** 2, weights=S)
    assert weighted["r2"] == pytest.approx(1 - np.average(residuals**2, weights=S) / variance, rel=1e-9)


OPTIONS = {
    "a rate, no intercept": (
        [
            "--no-intercept",
            "--no-standardize",
            "--no-nesterov",
            "--learning-rate",
            "0.001",
            "--tol",
            "none",
            "--epochs",
            "7",
        ],
        dict(
            fit_intercept=False,
            standardize=False,
            nesterov=False,
            precondition=False,
            learning_rate=0.001,
            tol=None,
            n_epochs=7,
        ),
    ),
    "penalties": (
        ["--l1", "0.1", "--l2", "0.01", "--epochs", "9", "--tol", "0.5"],
        dict(l1=0.1, l2=0.01, n_epochs=9, tol=0.5),
    ),
    "huber": (["--loss", "huber", "--epochs", "40"], dict(loss="huber", n_epochs=40)),
    "huber, plain": (
        ["--loss", "huber", "--epochs", "4", "--no-nesterov"],
        dict(loss="huber", n_epochs=4, nesterov=False, precondition=False, runs_out=True),
    ),
    "quantile": (["--loss", "quantile", "--epochs", "3"], dict(loss="quantile", n_epochs=3)),
    "quantile, plain": (
        ["--loss", "quantile", "--epochs", "3", "--no-nesterov"],
        dict(loss="quantile", n_epochs=3, nesterov=False, precondition=False, runs_out=True),
    ),
    "sgd": (
        ["--solver", "sgd", "--epochs", "3"],
        dict(by=fastgd.sgd, n_epochs=3, runs_out=True),
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
    found = told("fit", "trips.csv", "--target", "fare", *FEW, *arguments, code=int("runs_out" in options))
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
    found = told("fit", "trips.csv", "--target", "fare", "--weight", "times")
    assert list(found["weights"]) == NAMES
    np.save("t.npy", rows())
    assert list(told("fit", "t.npy", "--target", 3, "--weight", 4)["weights"]) == list("012")


def test_log_loss_of_more_than_one_block(told):
    n = 5000
    x = np.random.default_rng(1).normal(size=n).astype(np.float32)
    y = (x + np.random.default_rng(2).normal(size=n) > 0).astype(np.int8)
    parquet.write_table(pa.table({"x": x, "won": y}), "games.parquet", row_group_size=777)
    found = told("fit", "games.parquet", "--target", "won", "--loss", "log_loss", "--epochs", 6)
    ref = fastgd.gradient_descent(x[:, None], y, loss="log_loss", n_epochs=6, **GD)
    assert found["weights"] == {"x": ref.w[0]}
    assert found["cost_history"] == ref.cost_history.tolist()
    assert found["r2"] is found["root_mean_square_error"] is None
    p = 1.0 / (1.0 + np.exp(-(found["weights"]["x"] * x.astype(float) + found["intercept"])))
    assert found["log_loss"] == pytest.approx(-np.mean(np.log(np.where(y == 1, p, 1.0 - p))), rel=1e-9)


def test_the_lessons_case_of_one_column(told, run):
    np.savez("lesson.npz", X=[1.0, 2.0, 3.0], y=[2.0, 4.0, 6.0])
    arguments = [
        "--target", "y", "--no-intercept", "--no-standardize", "--no-nesterov", "--learning-rate", 0.01,
        "--epochs", 100, "--tol", "none", "--save", "m.npz",
    ]  # fmt: skip
    ref = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], learning_rate=0.01)
    assert told("fit", "lesson.npz", *arguments)["weights"] == {"x": ref.w}
    assert run("predict", "m.npz", "lesson.npz")[1].split() == [repr(ref.w * x) for x in (1.0, 2.0, 3.0)]


def test_by_default_a_fit_runs_until_it_has_converged(told):
    """The weights are those of least squares, and one read was enough."""
    found = told("fit", "trips.csv", "--target", "fare", *FEW)
    ref = np.linalg.lstsq(np.column_stack([X, np.ones(N)]), Y, rcond=None)[0]
    np.testing.assert_allclose([*found["weights"].values(), found["intercept"]], ref, rtol=1e-9)
    assert (found["converged"], found["not_converged"], found["standardize"]) == (True, None, True)
    assert found["reads"] <= 2


UNLIKE = np.array([1.7, 0.4, 3.0])


def test_columns_in_unlike_units_come_out_right(told):
    x = np.column_stack([MILES, 60 * X[:, 1], X[:, 2] / 60])
    table = pa.table({name: x[:, j] for j, name in enumerate(NAMES)} | {"fare": 2.5 + X @ UNLIKE})
    parquet.write_table(table, "unlike.parquet")
    found = told("fit", "unlike.parquet", "--target", "fare")
    np.testing.assert_allclose([*found["weights"].values()], UNLIKE * [1, 1 / 60, 60], rtol=1e-9)


def test_what_has_not_converged_begins_with_that_and_exits_with_1(run, told):
    arguments = ["fit", "trips.csv", "--target", "fare", *FEW, "--epochs", 3, "--no-standardize"]
    code, out, err = run(*arguments, "--no-nesterov", "--learning-rate", 1e-5, "--save", "m.npz")
    assert (code, err) == (1, "")
    assert out.startswith("NOT CONVERGED: --epochs 3 ran out")
    text = " ".join(out.split())
    remedy = "--learning-rate auto or --standardize or --nesterov or a larger --epochs"
    assert f"(try {remedy}; --allow-unconverged takes the model as it is)" in text
    assert "n_epochs" not in text
    assert out.endswith("the model is in m.npz, marked as not converged\n")
    assert fastgd.load("m.npz").converged is False
    code, _, err = run("predict", "m.npz", "trips.csv")
    assert code == 0
    assert err.splitlines()[0] == "fastgd: the fit in m.npz has not converged"
    code, out, err = run(*arguments, "--json")
    assert code == 1
    assert json.loads(out)["not_converged"].startswith("NOT CONVERGED: --epochs 3 ran out")
    assert err.startswith("fastgd: NOT CONVERGED: --epochs 3 ran out")
    code, out, _ = run(*arguments, "--allow-unconverged")
    assert code == 0
    assert out.startswith("NOT CONVERGED: ")
    assert told(*arguments, "--tol", "none")["not_converged"] is None


@pytest.mark.parametrize(("solver", "far"), [("sgd", 0.0), ("gd", 0.0), ("gd", 1e9)])
def test_a_run_that_a_rule_ended_is_not_told_to_take_more_epochs(run, solver, far):
    """Columns in unlike units, or so far from zero that statistics do not serve."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 2)) * [1.0, 1e-5]
    table = pa.table({"a": x[:, 0] + far, "b": x[:, 1], "y": x @ [1.0, 2e5]})
    csv.write_csv(table, "u.csv")
    arguments = ["fit", "u.csv", "--target", "y", "--no-standardize", "--no-nesterov", "--tol", "1e-4"]
    code, out, _ = run(*arguments, "--solver", solver, "--epochs", 300, "--json")
    told = json.loads(out)
    assert code == 1
    assert told["epochs"] < 300
    why = told["not_converged"]
    assert ("lie a million times as far from zero" if far else "more slowly than others") in why
    assert why.endswith("pass --standardize (--allow-unconverged takes the model as it is)")
    assert told["notes"] == []


def test_the_command_line_offers_no_option_that_it_does_not_have(run):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 2)) * [1.0, 1e-5]
    csv.write_csv(pa.table({"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, 2e5]}), "u.csv")
    _, out, _ = run("fit", "u.csv", "--target", "y", "--no-standardize", "--epochs", 5, "--l2", 1e-9)
    text = " ".join(out.split())
    assert "far from zero beside the intercept or held by --l2; pass --standardize (try" in text
    assert "precondition" not in text


def test_strict_is_the_default_and_says_so(run):
    for more, code in ([], 0), (["--epochs", 3, "--no-standardize"], 1):
        found, _, err = run("fit", "trips.csv", "--target", "fare", *FEW, "--strict", *more)
        assert found == code
        assert err == "fastgd: --strict is the default now: what has not converged exits with 1\n"


@pytest.mark.parametrize("solver", ["gd", "sgd"])
def test_a_diverging_rate_is_a_failure_with_a_remedy(run, told, solver):
    arguments = ["fit", "trips.csv", "--target", "fare", *FEW, "--learning-rate", 9, "--solver", solver]
    code, out, err = run(*arguments, "--save", "m.npz", "--plot", "p.png")
    assert (code, out) == (1, "")
    assert " diverged in epoch " in err
    assert "take --learning-rate auto, here 0." in err
    assert not os.path.exists("m.npz")
    assert not os.path.exists("p.png")
    found = told(*arguments, "--save", "m.npz", code=1)
    assert found["diverged"] is True
    assert found["model"] is None
    assert f"fastgd: {found['error']}\n" == err


def test_the_picture_is_the_cost(run):
    pytest.importorskip("matplotlib")
    arguments = ["fit", "trips.csv", "--target", "fare", *FEW, "--plot"]
    code, out, _ = run(*arguments, "cost.svg")
    assert code == 0
    assert out.endswith("the picture is in cost.svg\n")
    assert Path("cost.svg").read_text().startswith("<?xml")
    code, out, err = run(*arguments, "cost.txt")
    assert (code, out) == (2, "")
    assert err == "fastgd: cost.txt is not a picture: name a file that ends in .png, .svg or .pdf\n"


def test_quiet_says_errors_only(run, told):
    arguments = ["fit", "trips.csv", "--target", "fare", *FEW]
    assert run(*arguments, "--quiet", "--save", "m.npz") == (0, "", "")
    assert fastgd.load("m.npz").w.tolist() == fitted(n_epochs=100_000).w.tolist()
    short = [*arguments, "--epochs", 3, "--no-standardize", "--strict", "--quiet"]
    code, out, err = run(*short)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("fastgd: NOT CONVERGED: ")
    assert run(*short[:-2], "--allow-unconverged", "--quiet") == (0, "", "")
    code, out, err = run(*arguments, "--learning-rate", 9, "--quiet")
    assert (code, out, err.count("\n")) == (1, "", 1)
    code, out, err = run(*arguments, "--quiet", "--json")
    assert (code, err) == (0, "")
    assert {**json.loads(out), "seconds": 0} == {**told(*arguments), "seconds": 0}

"""`fastgd diagnose`: the limits that it tells are those of the fit."""

from __future__ import annotations

from pathlib import Path

import pytest

import fastgd
from tests.cli.trips import FEW, N, S, X, Y, write

SGD = ["--solver", "sgd", "--no-standardize"]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npy", "t.npz"])
def test_diagnose_tells_the_limits_of_the_fit(told, name):
    columns, weight = write(name)
    for arguments, options in [
        ([], dict(fit_intercept=True, standardize=True)),
        (["--no-standardize"], dict(fit_intercept=True)),
        (
            ["--no-intercept", "--l2", 0.5, "--learning-rate", 0.001],
            dict(l2=0.5, learning_rate=0.001, standardize=True),
        ),
        (["--solver", "sgd"], dict(solver="sgd", fit_intercept=True, standardize=True)),
        (["--weight", weight], dict(fit_intercept=True, standardize=True, sample_weight=S)),
    ]:
        found = told("diagnose", name, *columns, *arguments)
        ref = fastgd.diagnose(X, Y, **options)
        for key in (
            "stability_limit", "condition_number", "learning_rate", "spectral_radius", "optimum_cost",
            "optimum_intercept",
        ):  # fmt: skip
            assert found[key] == getattr(ref, key)
        assert list(found["optimum_weights"].values()) == ref.optimum.tolist()
        assert (found["rows"], found["columns"]) == (N, 3)
    for more in ([], ["--no-standardize"], ["--weight", weight], ["--l2", 0.5], SGD):
        rate = told("diagnose", name, *columns, *more)["learning_rate"]
        plain = [] if "sgd" in more else ["--no-nesterov"]
        found = told("fit", name, *columns, "--epochs", 1, "--allow-unconverged", *plain, *more)
        assert found["learning_rate"] == rate


def test_weights_of_a_diagnosis(run):
    _, out, _ = run("diagnose", "trips.csv", "--target", "fare", *FEW, "--weight", "times")
    assert out.startswith("trips.csv: 300 rows, fare from 3 features and an intercept, weighted by times\n")
    Path("zero.csv").write_text("x,y,s\n1,2,0\n2,3,0\n")
    for command in ("fit", "diagnose"):
        code, _, err = run(command, "zero.csv", "--target", "y", "--weight", "s")
        assert code == 2
        assert err.endswith("the weights are zero for every row; at least one row must count\n")


def test_what_does_not_converge_is_null_in_json(told):
    assert told("diagnose", "trips.csv", "--target", "fare", "--learning-rate", 1)["epochs_to_1e-6"] is None

"""`fastgd diagnose`: the limits that it tells are those of the fit."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.command_line.trips import FEW, N, X, Y, write


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

"""Reports of fits and diagnoses for people, and as JSON."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import fastgd
from fastgd.cli import report
from tests.cli.trips import FEW, NAMES, X, Y, fitted


def test_a_report_for_people(run):
    code, out, err = run(
        "fit", "trips.csv", "--target", "fare", *FEW, "--save", "m.npz"
    )  # fmt: skip
    assert (code, err) == (0, "")
    ref = fitted(n_epochs=100_000)
    lines = out.splitlines()
    assert lines[0] == "trips.csv: 300 rows, fare from 3 features and an intercept"
    assert lines[1].startswith("full-batch gradient descent, squared_error, learning rate ")
    assert " ".join(out.split()).count(" ".join(ref.status.split())) == 1
    start = next(i for i, line in enumerate(lines) if line.startswith("feature "))
    weights = dict(line.split()[:2] for line in lines[start + 1 : start + 5])
    assert weights == {"(intercept)": f"{ref.intercept:.6g}"} | {
        name: f"{w:.6g}" for name, w in zip(NAMES, ref.w, strict=True)
    }
    ends = [
        line.index(f" {w} ") + len(w)
        for line, w in zip(lines[start + 1 : start + 5], weights.values(), strict=True)
    ]
    assert len(set(ends)) == 1  # aligned
    assert lines[-1] == "the model is in m.npz"
    assert any(line.startswith("R² ") for line in lines)
    assert max(map(len, lines)) <= 80


def test_long_names_are_cut_and_of_many_weights_the_largest_are_shown(run):
    names = [f"{'a very ' * 15}long name, the {j}th" for j in range(50)]
    few = np.random.default_rng(3).normal(size=(60, 50))
    y = few @ np.arange(50.0)
    parquet.write_table(pa.table({n: few[:, j] for j, n in enumerate(names)} | {"y": y}), "wide.parquet")
    code, out, _ = run("fit", "wide.parquet", "--target", "y")
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("…" in line for line in lines) == report.SHOWN
    assert f"the {report.SHOWN} largest of 50 weights; --json shows them all" in lines


def test_json_has_null_for_what_is_not_finite():
    assert report.as_json({"a": [1.5, float("nan")], "b": {"c": float("inf")}}) == (
        '{"a": [1.5, null], "b": {"c": null}}'
    )


def test_diagnose_for_people(run):
    code, out, err = run("diagnose", "trips.csv", "--target", "fare", *FEW)
    assert (code, err) == (0, "")
    ref = fastgd.diagnose(X, Y, fit_intercept=True, standardize=True)
    lines = out.splitlines()
    assert lines[0] == "trips.csv: 300 rows, fare from 3 features and an intercept"
    assert f"converges below       learning rate {ref.stability_limit:.6g}" in lines
    assert f"cost at the optimum   {ref.optimum_cost:.6g}" in lines
    assert ["(intercept)", f"{ref.optimum_intercept:.6g}"] in [line.split() for line in lines]
    code, out, _ = run("diagnose", "trips.csv", "--target", "fare", *FEW, "--learning-rate", 1)
    assert code == 0
    assert "never gets there" in out
    code, out, _ = run("diagnose", "trips.csv", "--target", "fare", *FEW)
    assert code == 0
    assert "full-batch gradient descent, squared_error, in columns of variance 1" in out.splitlines()

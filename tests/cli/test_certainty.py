"""The standard errors in a report, beside those of statsmodels, and where there must be none."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.cli.trips import FEW, NAMES, N, S, X, Y, write

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sm = pytest.importorskip("statsmodels.api")

TARGET = ["--target", "fare", *FEW]


def in_order(found, name):
    """The numbers of all weights, then that of the intercept."""
    of_intercept = found["intercept"]
    more = [] if of_intercept is None else [of_intercept[name.removesuffix("s")]]
    return [*found[name].values(), *more]


@pytest.mark.parametrize("name", ["trips.csv", "t.npz"])
@pytest.mark.parametrize(
    "options",
    [[], ["--no-intercept"], ["--no-intercept", "--no-standardize"], ["--no-nesterov"], ["--weight"]],
    ids=" ".join,
)
def test_errors_are_those_of_statsmodels(told, name, options):
    target, weight = (TARGET, "times") if name == "trips.csv" else write(name)
    weights = S if options == ["--weight"] else np.ones(N)
    Z = X if "--no-intercept" in options else np.column_stack([X, np.ones(N)])
    more = [*options, weight] if options == ["--weight"] else options
    report = told("fit", name, *target, *more)
    found, theirs = report["inference"], sm.WLS(Y, Z, weights=weights).fit()
    np.testing.assert_allclose(in_order(found, "standard_errors"), theirs.bse, rtol=1e-9)
    np.testing.assert_allclose(in_order(found, "t"), theirs.tvalues, rtol=1e-7)
    np.testing.assert_allclose(in_order(found, "p"), theirs.pvalues, rtol=1e-5, atol=1e-300)
    np.testing.assert_allclose(found["residual_standard_deviation"], np.sqrt(theirs.scale), rtol=1e-9)
    assert found["degrees_of_freedom"] == theirs.df_resid
    if "--no-intercept" not in options:
        assert found["adjusted_r2"] == pytest.approx(theirs.rsquared_adj, rel=1e-9)
    assert found["aliased"] == []
    assert report["reads"] == 1 + (options == ["--weight"] and name == "trips.csv")  # that checks the weights


def test_many_rows_take_no_further_read(told):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(20_000, 2))
    y = x @ [1.0, 2.0] + rng.normal(size=len(x))
    np.savez("many.npz", X=x, y=y)
    for options in [], ["--no-intercept"], ["--no-intercept", "--no-standardize"]:
        report = told("fit", "many.npz", "--target", "y", *options)
        Z = x if options else np.column_stack([x, np.ones(len(x))])
        np.testing.assert_allclose(
            in_order(report["inference"], "standard_errors"), sm.OLS(y, Z).fit().bse, rtol=1e-9
        )
        assert report["reads"] == 1


def test_the_table_has_them_beside_the_weights(run):
    code, out, _ = run("fit", "trips.csv", *TARGET)
    theirs = sm.OLS(Y, np.column_stack([X, np.ones(N)])).fit()
    assert code == 0
    assert ["feature", "weight", "std.", "error", "t", "p"] in [line.split() for line in out.splitlines()]
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    for name, weight, error, t in zip(
        [*NAMES, "(intercept)"], theirs.params, theirs.bse, theirs.tvalues, strict=True
    ):
        assert lines[name][:3] == [f"{weight:.6g}", f"{error:.4g}", f"{t:.4g}"]
    text = " ".join(out.split())
    assert f"adjusted R² {theirs.rsquared_adj:.6g}" in text
    assert f"residual standard deviation {np.sqrt(theirs.scale):.6g} on 296 degrees of freedom" in text


@pytest.mark.parametrize(
    "options",
    [["--l2", 0.1], ["--l1", 0.1], ["--loss", "huber"], ["--solver", "sgd", "--tol", "none", "--epochs", 2]],
    ids=str,
)
def test_other_fits_have_none(told, options):
    assert told("fit", "trips.csv", *TARGET, *options)["inference"] is None


def test_weights_that_are_not_the_optimum_have_none_and_it_is_said(told):
    slow = ["--no-standardize", "--no-nesterov", "--tol", "none"]
    report = told("fit", "trips.csv", *TARGET, *slow, "--epochs", 50)
    assert report["inference"] is None
    assert report["notes"] == ["no standard errors: the fit ended before the optimum of least squares"]
    assert told("fit", "trips.csv", *TARGET, *slow, "--epochs", 100_000)["inference"] is not None


def test_as_many_coefficients_as_rows(told):
    Path("few.csv").write_text("x,z,y\n1,5,2\n2,4,3\n4,9,1\n")
    report = told("fit", "few.csv", "--target", "y")
    assert report["inference"] is None
    assert report["notes"] == [
        "no standard errors: 3 rows leave no degrees of freedom for 3 coefficients; more rows are needed"
    ]


def test_columns_that_depend_on_others_are_named_and_have_none(told, run):
    man = np.arange(N) % 3 == 0
    x = np.column_stack([X[:, 0], man, ~man, np.full(N, 7.0), X[:, 1]])
    names = ["miles", "man", "woman", "const", "minutes"]
    rows = "\n".join(",".join(map(repr, row)) for row in np.column_stack([x, Y]).tolist())
    Path("tied.csv").write_text(",".join([*names, "fare"]) + "\n" + rows + "\n")
    found = told("fit", "tied.csv", "--target", "fare")["inference"]
    theirs = sm.OLS(Y, np.column_stack([x[:, [0, 1, 4]], np.ones(N)])).fit()
    errors = found["standard_errors"]
    np.testing.assert_allclose([errors["miles"], errors["minutes"]], theirs.bse[[0, 2]], rtol=1e-9)
    assert found["aliased"] == ["woman", "const"]
    assert errors["man"] is errors["woman"] is errors["const"] is None
    assert found["intercept"]["standard_error"] is None
    assert found["degrees_of_freedom"] == theirs.df_resid
    out = run("fit", "tied.csv", "--target", "fare")[1]
    assert "(man, woman)" in out
    assert "column const" in out
    only = told("fit", "tied.csv", "--target", "fare", "--features", "miles,const,minutes")["inference"]
    theirs = sm.OLS(Y, np.column_stack([x[:, [0, 4]], np.ones(N)])).fit()
    shown = [only["standard_errors"][name] for name in ("miles", "minutes")]
    np.testing.assert_allclose([*shown, only["intercept"]["standard_error"]], theirs.bse, rtol=1e-9)


def test_an_exact_fit_has_weights_and_no_nonsense(told):
    Path("exact.csv").write_text("x,y\n1,2\n2,4\n3,6\n4,8\n")
    report = told("fit", "exact.csv", "--target", "y")
    assert report["inference"]["standard_errors"]["x"] == pytest.approx(0.0, abs=1e-14)
    assert report["r2"] == report["inference"]["adjusted_r2"] == 1.0


def test_without_scipy_there_is_no_p(told, run, monkeypatch):
    with_p = told("fit", "trips.csv", *TARGET)["inference"]
    monkeypatch.setitem(sys.modules, "scipy", None)
    found = told("fit", "trips.csv", *TARGET)["inference"]
    assert set(found["p"].values()) == {None}
    assert (found["t"], found["standard_errors"]) == (with_p["t"], with_p["standard_errors"])
    header = next(line for line in run("fit", "trips.csv", *TARGET)[1].splitlines() if "weight" in line)
    assert header.split() == ["feature", "weight", "std.", "error", "t"]

"""`fastgd fit --cv`: it chooses what `cross_validate` chooses, and fits with it."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.cli.trips import FEW, S, X, Y, write

COLUMNS = ("--target", "fare", *FEW)


@pytest.mark.parametrize(("penalty", "folds"), [("l2", 5), ("l2", 3), ("l1", 5)])
def test_json_has_the_choice_of_cross_validate(told, penalty, folds):
    number = () if folds == 5 else (folds,)
    told_ = told("fit", "trips.csv", *COLUMNS, "--cv", *number, "--cv-penalty", penalty)
    ref = fastgd.cross_validate(X, Y, folds=folds, fit_intercept=True, **{penalty: "auto"})
    choice = told_["cross_validation"]
    assert (choice["penalty"], choice["folds"]) == (penalty, folds)
    assert told_[penalty] == choice["chosen"] == getattr(ref.best, penalty)
    assert choice["within_one_standard_error"] == getattr(ref.best_one_se, penalty)
    assert choice["penalties"] == getattr(ref, penalty).tolist()
    assert choice["costs"] == ref.mean.ravel().tolist()
    assert choice["standard_errors"] == ref.standard_error.ravel().tolist()
    assert (choice["cost"], told_["reads"], told_["converged"]) == (ref.mean.min(), 1, True)
    np.testing.assert_allclose(list(told_["weights"].values()), ref.best_fit.w, rtol=1e-9, atol=1e-12)


def test_weights_and_another_penalty_count(told):
    columns, weight = write("t.parquet")
    told_ = told("fit", "t.parquet", *columns, "--weight", weight, "--cv", "--l1", 0.01, "--no-intercept")
    ref = fastgd.cross_validate(X, Y, sample_weight=S, l1=0.01, l2="auto")
    assert (told_["l1"], told_["l2"]) == (0.01, ref.best.l2)


def test_the_report_names_the_choice_and_the_model_is_kept(run):
    code, out, _ = run("fit", "trips.csv", *COLUMNS, "--cv", "--save", "m.npz")
    ref = fastgd.cross_validate(X, Y, fit_intercept=True, l2="auto")
    assert code == 0
    text = " ".join(out.split())
    assert f"l2 {ref.best.l2:.4g} is the best of 100 on 5 held-out folds: cost {ref.mean.min():.6g}" in text
    assert f"within one standard error is --l2 {ref.best_one_se.l2:.4g}" in text
    assert "1 read of the data" in text
    np.testing.assert_allclose(fastgd.load("m.npz").w, ref.best_fit.w, rtol=1e-9)


def test_without_cv_json_has_no_choice(told):
    assert told("fit", "trips.csv", *COLUMNS)["cross_validation"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--loss", "huber"), "it needs --loss squared_error"),
        (("--solver", "sgd"), "it needs --solver gd"),
        (("--checkpoint", "c.npz"), "it needs a fit without --checkpoint and --resume"),
        (("--l2", 0.1), "--cv chooses l2: leave --l2 out"),
    ],
)
def test_what_needs_rows_is_refused(run, options, sentence):
    code, out, err = run("fit", "trips.csv", *COLUMNS, "--cv", *options)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_fewer_rows_than_folds_are_refused(run):
    code, _, err = run("fit", "trips.csv", *COLUMNS, "--cv", 4096)
    assert code == 2
    assert "folds=4096 is more than the" in err

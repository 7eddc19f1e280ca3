"""Fits as JSON and as models of scikit-learn predict the same. Damage is refused in one sentence."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.base import clone

import fastgd
from fastgd.losses import Huber
from tests.helpers import forge

RNG = np.random.default_rng(3)
NAMES = ("a", "ü", 'the "third"')
X = RNG.normal(size=(80, 3))
Y = X @ [1.0, 2.0, 3.0] + 4.0 + RNG.normal(size=80)
TABLE = pd.DataFrame(X, columns=NAMES)
CLASSES = (Y > 4.0).astype(float)

FITS = {
    "named": lambda: fastgd.gradient_descent(TABLE, Y, fit_intercept=True, l2=0.1, tol="auto", n_epochs=500),
    "huber": lambda: fastgd.gradient_descent(X, Y, loss=Huber(2.0), sample_weight=Y**2),
    "average": lambda: fastgd.sgd(
        TABLE, Y, seed=1, average=True, n_epochs=5, learning_rate=lambda epoch: 0.01
    ),
    "lesson": lambda: fastgd.sgd([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], learning_rate=0.01, n_epochs=3),
    "no epochs": lambda: fastgd.gradient_descent(X, Y, n_epochs=0),
    "no history": lambda: fastgd.gradient_descent(X, Y, history=None),
    "diverged": lambda: fastgd.gradient_descent(X, Y, learning_rate=9.0, on_divergence="ignore"),
    "classes": lambda: fastgd.gradient_descent(TABLE, CLASSES, loss="log_loss", l2=0.1, fit_intercept=True),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


@pytest.mark.parametrize("make", FITS.values(), ids=FITS)
def test_a_fit_from_json_predicts_the_same_bits(make, path):
    fit = make()
    text = fit.to_json(path)
    assert text == fit.to_json()
    again = fastgd.load(path)
    data = TABLE if fit.feature_names else X[:, 0] if isinstance(fit.w, float) else X
    assert np.asarray(again.predict(data)).tobytes() == np.asarray(fit.predict(data)).tobytes()
    assert type(again.w) is type(fit.w)
    assert again.status == fit.status
    for name in ("converged", "diverged", "n_epochs", "n_samples", "n_passes", "solver", "feature_names"):
        assert getattr(again, name) == getattr(fit, name), name
    if fit.cost_history is not None:
        assert repr(again) == repr(fit)
    assert again.to_json() == text
    again.save(path)
    assert fastgd.load(path).to_json() == text


def test_what_stands_in_json():
    fit = FITS["named"]()
    about = json.loads(fit.to_json())
    assert list(about)[:2] == ["format", "version"]
    assert (about["format"], about["version"]) == ("fastgd fit", 1)
    assert about["weights"] == dict(zip(NAMES, fit.w.tolist(), strict=True))
    assert (about["intercept"], about["cost"]) == (fit.intercept, fit.cost_history[-1])
    assert about["options"] == {
        "loss": "squared_error", "loss_parameters": {}, "l1": 0.0, "l2": 0.1, "fit_intercept": True,
        "standardize": False, "precondition": False, "momentum": 0.0, "nesterov": False, "batch_size": 1,
        "average": False, "learning_rate": "auto", "n_epochs": 500, "tol": "auto", "has_weights": False,
    }  # fmt: skip
    options = json.loads(FITS["huber"]().to_json())["options"]
    assert (options["loss"], options["loss_parameters"], options["has_weights"]) == (
        "huber",
        {"delta": 2.0},
        True,
    )
    assert json.loads(FITS["average"]().to_json())["options"]["learning_rate"] is None


def test_a_loss_of_the_users_own_has_the_name_of_its_class():
    class Quartic:
        def value(self, score, y):
            return (score - y) ** 4

        def slope(self, score, y):
            return 4.0 * (score - y) ** 3

    fit = fastgd.gradient_descent(
        X / 9, Y / 9, loss=Quartic(), n_epochs=1, learning_rate=0.01, backend="python"
    )
    assert json.loads(fit.to_json())["options"]["loss"] == "Quartic"
    with pytest.raises(ValueError, match="of log_loss, and this fit has loss='Quartic': use fit.predict"):
        fit.to_sklearn()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=9))
def test_every_digit_comes_back(tmp_path_factory, numbers):
    fit, path = fastgd.gradient_descent(X, Y, n_epochs=1), tmp_path_factory.mktemp("fit") / "model.json"
    fit.w, fit.intercept = np.array(numbers[1:]), numbers[0]
    fit.to_json(path)
    again = fastgd.load(path)
    assert again.w.tobytes() == fit.w.tobytes()
    assert np.float64(again.intercept).tobytes() == np.float64(fit.intercept).tobytes()


def test_numbers_that_are_not_finite_are_null(path):
    fit = FITS["named"]()
    fit.w[1], fit._cost = np.inf, np.nan
    about = json.loads(fit.to_json(path), parse_constant=pytest.fail)
    assert (about["weights"]["ü"], about["cost"]) == (None, None)
    assert np.isnan(fastgd.load(path).w).tolist() == [False, True, False]


def test_a_run_begins_at_the_weights_of_json(path):
    fit = FITS["named"]()
    fit.to_json(path)
    options = {"fit_intercept": True, "l2": 0.1, "n_epochs": 3}
    on = fastgd.gradient_descent(TABLE, Y, w0=fastgd.load(path), **options)
    assert on.w_history[0].tobytes() == fit.w.tobytes()
    assert on.intercept_history[0] == fit.intercept
    with pytest.raises(fastgd.InvalidDataError, match="w0 is a fit of the columns"):
        fastgd.gradient_descent(TABLE[[NAMES[1], NAMES[0], NAMES[2]]], Y, w0=fastgd.load(path), **options)


def changed(**changes):
    about = json.loads(FITS["named"]().to_json())
    return about | {name: value for name, value in changes.items() if value is not ...}


DAMAGED = {
    "cut": (json.dumps(changed())[:-40], "is damaged, and not JSON: write it again"),
    "constant": (json.dumps(changed(cost=np.nan)), "is damaged, and not JSON"),
    "deep": ('{"a":' * 100_000, "is damaged, and not JSON"),
    "bytes": (b'{"format": "\xff"}', "is damaged, and not JSON"),
    "foreign": ('{"weights": [1.0]}', "is not a fit of fastgd, but other JSON"),
    "newer": (
        json.dumps(changed(version=2)),
        "has version 2 of the format, and this fastgd reads version 1: update",
    ),
    "no version": (json.dumps(changed(version=None)), "has version None of the format"),
    "text": (json.dumps(changed(weights={"a": "1"})), "holds an invalid weights"),
    "truth": (json.dumps(changed(intercept=True)), "holds an invalid intercept"),
    "large": (json.dumps(changed(cost=0.5)).replace("0.5", "1e999", 1), "holds an invalid"),
    "none": (json.dumps(changed(weights=[])), "holds an invalid weights"),
    "list": (json.dumps(changed(weights=[[1.0]])), "holds an invalid weights"),
    "number": (json.dumps(changed(weights=3.0)), "holds what to_json does not write"),
    "two": (json.dumps(changed(one_dimension=True)), "holds an invalid weights"),
    "dimension": (json.dumps(changed(one_dimension=1)), "holds an invalid one_dimension"),
    "negative": (json.dumps(changed(n_epochs=-1)), "holds an invalid n_epochs"),
    "fraction": (
        json.dumps(changed(n_samples=1.5)),
        "holds a n_samples that no FitResult has",
    ),
    "solver": (json.dumps(changed(solver="newton")), "holds a solver that no FitResult has"),
    "status": (json.dumps(changed(status=7)), "holds a _status that no FitResult has"),
    "options": (json.dumps(changed(options=[])), "holds a _options that no FitResult has"),
    "lacks": (json.dumps({"format": "fastgd fit", "version": 1}), "holds what to_json does not write"),
}


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_and_foreign_json_is_refused_in_one_sentence(content, message, path):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(fastgd.InvalidDataError) as refused:
        fastgd.load(path)
    assert str(refused.value).startswith(f"{path} ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_of_an_earlier_version_has_no_options(path):
    fit = FITS["named"]()
    fit.save(path)
    with np.load(path) as saved:
        arrays = dict(saved)
    header = json.loads(arrays.pop("header").tobytes())
    for name in ("_options", "_cost", "_status"):
        del header["value"]["FitResult"][name]
    kept = [pair for pair in arrays.items() if not pair[0].startswith("fit._options")]
    forge(path, header, *kept)
    again = fastgd.load(path)
    assert again.w.tobytes() == fit.w.tobytes()
    with pytest.raises(ValueError, match="and this fit does not say its loss: use fit.predict"):
        again.to_sklearn()


@pytest.mark.parametrize("data", [TABLE, X], ids=["table", "array"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_linear_regression(data, fit_intercept, path):
    fit = fastgd.gradient_descent(data, Y, fit_intercept=fit_intercept, precondition=True)
    fit.to_json(path)
    for one in (fit, fastgd.load(path)):
        model = one.to_sklearn()
        assert type(model).__name__ == "LinearRegression"
        np.testing.assert_allclose(model.predict(data), X @ fit.w + fit.intercept, rtol=1e-13)
        assert model.n_features_in_ == 3
        assert list(getattr(model, "feature_names_in_", ())) == list(fit.feature_names)
        same = clone(model).fit(data, Y)  # the optimum that the fit reached
        np.testing.assert_allclose(same.coef_, model.coef_, rtol=1e-10)
        np.testing.assert_allclose(same.intercept_, model.intercept_, rtol=1e-10)


def test_logistic_regression():
    fit = FITS["classes"]()
    model = fit.to_sklearn()
    scores = X @ fit.w + fit.intercept
    assert type(model).__name__ == "LogisticRegression"
    np.testing.assert_array_equal(model.classes_, [0, 1])
    np.testing.assert_array_equal(model.predict(TABLE), scores > 0)
    np.testing.assert_allclose(model.predict_proba(TABLE)[:, 1], expit(scores), rtol=1e-13)
    np.testing.assert_allclose(model.decision_function(TABLE), scores, rtol=1e-13)
    assert clone(model).fit(TABLE, CLASSES).score(TABLE, CLASSES) > 0.8
    with pytest.raises(ValueError, match="feature names"):
        model.predict(pd.DataFrame(X, columns=["a", "b", "c"]))


def test_a_column_of_numbers_is_a_matrix_there():
    model = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], precondition=True).to_sklearn()
    np.testing.assert_allclose(model.predict([[4.0], [5.0]]), [8.0, 10.0], rtol=1e-14)


def test_what_has_no_model_there(monkeypatch):
    with pytest.raises(
        ValueError, match="LogisticRegression of log_loss, and this fit has loss='huber': use fit"
    ):
        FITS["huber"]().to_sklearn()
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fastgd\[sklearn\]'"):
        FITS["named"]().to_sklearn()

"""`Inference` as arrays, as a data frame and as text."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

import fastgd


@pytest.fixture
def result(rng):
    X = pd.DataFrame(rng.normal(size=(50, 3)), columns=["miles", "<b>", "twice"])
    X["twice"] = 2.0 * X["miles"]
    return fastgd.inference(X, rng.normal(size=50), fit_intercept=True, confidence_level=0.9)


def test_a_dictionary_holds_every_attribute(result):
    found = result.to_dict()
    assert found["names"] == ("miles", "<b>", "twice", "intercept")
    assert found["estimates"] is result.estimates
    assert found["covariance"].shape == (4, 4)
    assert found["intervals"].shape == (4, 2)
    assert {"r_squared", "f", "f_p", "vif", "df", "condition_number", "aliased"} < set(found)


def test_a_data_frame(result):
    frame = result.to_frame()
    assert list(frame.index) == ["miles", "<b>", "twice", "intercept"]
    assert list(frame) == ["estimate", "standard_error", "t", "p", "lower", "upper", "vif"]
    assert frame.loc["<b>", "upper"] == result.intervals[1, 1]
    assert frame.loc["twice"].isna().all()


def test_a_table(result):
    lines = str(result).splitlines()
    assert lines[0] == "Least squares of 50 samples, standard errors: classical"
    assert lines[2].split() == ["estimate", "std.", "error", "t", "p", "90", "%", "from", "to"]
    assert [line.split()[0] for line in lines[3:7]] == ["miles", "<b>", "twice", "intercept"]
    assert f"{result.estimates[1]:.6g}" in lines[4]
    assert f"{result.p[1]:.3g}" in lines[4]
    assert f"F {result.f:.4g}" in lines[9]
    assert lines[-1] == "aliased, without estimates: twice"
    assert max(map(len, lines)) < 100


def test_html_is_escaped(result):
    html = result._repr_html_()
    assert html.startswith("<table>")
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_a_short_repr(result):
    assert repr(result) == f"Inference(50 samples, 4 coefficients, R² {result.r_squared:.6g}, classical)"


def test_names_of_columns_without_names(rng):
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    assert fastgd.inference(X, y, fit_intercept=True).names == ("0", "1", "intercept")
    assert fastgd.inference(X[:, 0], y).names == ("w",)


def test_it_does_not_change_and_is_pickled(result):
    with pytest.raises(AttributeError):
        result.f = 3.0
    with pytest.raises(ValueError, match="read-only"):
        result.p[0] = 0.0
    for twin in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert str(twin) == str(result)
        assert np.array_equal(twin.covariance, result.covariance, equal_nan=True)


def test_without_pandas(result, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        result.to_frame()

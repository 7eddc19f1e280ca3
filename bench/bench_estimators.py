"""The estimators and scikit-learn's own, to the solution or to the same objective."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import fastgd
from bench.bench_objectives import classes
from bench.harness import SMOKE, Case, data, measure_calls, measure_whole, seconds_of

pytest.importorskip("sklearn")
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from fastgd.estimators import GDClassifier, GDRegressor

CASE = Case(5000, 10) if SMOKE else Case(1_000_000, 10)
SMALL = Case(1000, 10)
ALPHA = 1e-6
TOLERANCE = 1e-6
"""Tolerance of the objective, relative to the best one."""

REGRESSORS = {
    "fastgd": GDRegressor,
    "Ridge": lambda: Ridge(alpha=1e-10, solver="cholesky"),
    "LinearRegression": LinearRegression,
}


@pytest.mark.short
@pytest.mark.parametrize("name", REGRESSORS)
def test_regression_to_its_tolerance(benchmark, name):
    X, y, _ = data(CASE)
    call = functools.partial(REGRESSORS[name]().fit, X, y)
    model, best = call(), LinearRegression().fit(X, y)
    costs = [np.mean(np.square(one.predict(X) - y)) for one in (model, best)]
    assert costs[0] <= costs[1] * (1 + TOLERANCE), f"{name} stopped short of the optimum"
    measure_whole(benchmark, f"regression, estimators {CASE}", name, call, seconds_of(call), X=X, y=y)


def classifier(name):
    if name == "fastgd":
        return GDClassifier(alpha=ALPHA)
    return LogisticRegression(C=1 / (ALPHA * CASE.n), tol=1e-6)


def objective(model, X, y):
    scores = X @ model.coef_[0] + model.intercept_[0]
    return np.mean(np.logaddexp(0.0, scores) - y * scores) + 0.5 * ALPHA * np.sum(model.coef_**2)


@pytest.mark.short
@pytest.mark.parametrize("name", ["fastgd", "LogisticRegression"])
def test_classification_to_the_same_objective(benchmark, name):
    X, y = data(CASE)[0], classes(CASE)
    call = functools.partial(classifier(name).fit, X, y)
    best = objective(LogisticRegression(C=1 / (ALPHA * CASE.n), tol=1e-8, max_iter=1000).fit(X, y), X, y)
    assert objective(call(), X, y) <= best * (1 + TOLERANCE), f"{name} stopped short of the optimum"
    measure_whole(benchmark, f"classification, estimators {CASE}", name, call, seconds_of(call), X=X, y=y)


@pytest.mark.parametrize("name", ["estimator", "function"])
def test_overhead_of_the_estimator(benchmark, name):
    """The same fit by the estimator and by the function. The difference is the overhead of the estimator."""
    X, y, _ = data(SMALL)
    options = dict(fit_intercept=True, standardize=True, nesterov=True, tol="auto", n_epochs=10_000)
    calls = {
        "estimator": lambda: GDRegressor().fit(X, y).coef_,
        "function": lambda: fastgd.gradient_descent(X, y, history="costs", **options).w,
    }
    assert calls["estimator"]().tolist() == calls["function"]().tolist()
    measure_calls(benchmark, f"overhead of the estimator {SMALL}", name, calls[name], rounds=200)

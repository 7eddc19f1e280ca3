"""The estimators, scikit-learn's own and others, to the solution or to the same objective."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest

import fastgd
from bench.bench_objectives import classes
from bench.contenders import Contender, parameters
from bench.harness import SMOKE, Case, data, measure_calls, measure_whole, seconds_of

pytest.importorskip("sklearn")
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor, Ridge

from fastgd.estimators import GDClassifier, GDRegressor

CASE = Case(5000, 10) if SMOKE else Case(1_000_000, 10)
SMALL = Case(1000, 10)
ALPHA = 1e-6
TOLERANCE = 1e-6
"""Tolerance of the objective, relative to the best one."""


def intel_regression():
    from sklearnex.linear_model import LinearRegression as Intel

    return Intel()


REGRESSORS = [
    Contender("fastgd", GDRegressor),
    Contender("Ridge", lambda: Ridge(alpha=1e-10, solver="cholesky")),
    Contender("LinearRegression", LinearRegression),
    Contender("LinearRegression, sklearnex", intel_regression, "sklearnex"),
]


@pytest.mark.short
@pytest.mark.parametrize("contender", REGRESSORS, ids=str)
def test_regression_to_its_tolerance(benchmark, contender):
    X, y, _ = data(CASE)
    call = functools.partial(contender.prepare().fit, X, y)
    model, best = call(), LinearRegression().fit(X, y)
    costs = [np.mean(np.square(one.predict(X) - y)) for one in (model, best)]
    assert costs[0] <= costs[1] * (1 + TOLERANCE), f"{contender} stopped short of the optimum"
    measure_whole(
        benchmark, f"regression, estimators {CASE}", contender.name, call, seconds_of(call), X=X, y=y
    )


def logistic(case, tolerance=TOLERANCE, **options):
    return LogisticRegression(C=1 / (ALPHA * case.n), tol=tolerance, max_iter=1000, **options)


def intel(case):
    from sklearnex.linear_model import LogisticRegression as Intel

    return Intel(C=1 / (ALPHA * case.n), tol=TOLERANCE, max_iter=1000)


def glum(case):
    from glum import GeneralizedLinearRegressor

    return GeneralizedLinearRegressor(family="binomial", alpha=ALPHA, l1_ratio=0.0, gradient_tol=TOLERANCE)


def snapml(case):
    """The primal problem on one thread: its fastest way to within its share of the least objective."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as an error it would keep snapml from AVX2
        from snapml import LogisticRegression as Snap

    return Snap(
        regularizer=ALPHA * case.n, fit_intercept=True, use_gpu=False, dual=False, tol=1e-4, max_iter=1000
    )  # fmt: skip


CLASSIFIERS = [
    Contender("fastgd", lambda case: GDClassifier(alpha=ALPHA)),
    Contender("fastgd, one rate", lambda case: GDClassifier(alpha=ALPHA, precondition=False)),
    Contender("lbfgs", logistic),
    Contender("newton-cg", lambda case: logistic(case, solver="newton-cg")),
    Contender("newton-cholesky", lambda case: logistic(case, solver="newton-cholesky")),
    Contender("sklearnex", intel, "sklearnex"),
    Contender("glum", glum, "glum"),
    Contender("snapml", snapml, "snapml"),
]
CITED = [contender for contender in CLASSIFIERS if contender.name not in ("fastgd, one rate", "newton-cg")]
SHARES = {"fastgd": 1e-10, "snapml": 1e-4}
"""How near a contender comes to the least objective, if not to TOLERANCE. No `tol` brings snapml nearer."""
CLASSIFIED = [Case(5000, 10)] if SMOKE else [Case(1_000_000, 10), Case(200_000, 100)]


@functools.lru_cache(maxsize=2)
def least_objective(case):
    X, y = data(case)[0], classes(case)
    return objective(logistic(case, 1e-12, solver="newton-cholesky").fit(X, y), X, y)


def objective(model, X, y):
    scores = X @ np.ravel(model.coef_) + np.ravel(model.intercept_)[0]
    return np.mean(np.logaddexp(0.0, scores) - y * scores) + 0.5 * ALPHA * np.sum(np.square(model.coef_))


@pytest.mark.short(case=CLASSIFIED[:1], contender=CITED)
@pytest.mark.parametrize("contender", CLASSIFIERS, ids=str)
@pytest.mark.parametrize("case", CLASSIFIED, ids=str)
def test_classification_to_the_same_objective(benchmark, case, contender):
    X, y = data(case)[0], classes(case)
    call = functools.partial(contender.prepare(case).fit, X, y)
    share = SHARES.get(contender.name, TOLERANCE)
    assert objective(call(), X, y) <= least_objective(case) * (1 + share), f"{contender} stopped short of it"
    measure_whole(
        benchmark, f"classification, estimators {case}", contender.name, call, seconds_of(call), X=X, y=y
    )


QUANTILE = 0.9
QUANTILE_CASES = [Case(2000, 10)] if SMOKE else [Case(20_000, 10), Case(1_000_000, 10)]


class StatsmodelsQuantile:
    """Reweighted least squares, with the attributes of an estimator."""

    def __init__(self):
        import statsmodels.api  # a skip where it is missing

        self._api = statsmodels.api

    def fit(self, X, y):
        A = np.column_stack([X, np.ones(len(y))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its standard errors
            found = self._api.QuantReg(y, A).fit(QUANTILE, max_iter=10_000).params
        self.coef_, self.intercept_ = found[:-1], found[-1]
        return self


def highs():
    return QuantileRegressor(quantile=QUANTILE, alpha=0.0, solver="highs")


QUANTILES = [
    Contender("fastgd", lambda: GDRegressor("quantile", quantile=QUANTILE)),
    Contender("QuantileRegressor", highs, most_numbers=1e6),
    Contender("statsmodels", StatsmodelsQuantile, "statsmodels"),
]


def pinball(model, X, y):
    rest = y - X @ np.ravel(model.coef_) - np.ravel(model.intercept_)[0]
    return np.mean(np.maximum(QUANTILE * rest, (QUANTILE - 1.0) * rest))


@functools.lru_cache(maxsize=2)
def least_pinball(case):
    X, y, _ = data(case)
    return pinball(GDRegressor("quantile", quantile=QUANTILE, tol=1e-7).fit(X, y), X, y)


@pytest.mark.short(case=QUANTILE_CASES[:1])
@pytest.mark.parametrize(("case", "contender"), parameters(QUANTILES, QUANTILE_CASES), ids=str)
def test_quantile_regression_to_its_optimum(benchmark, case, contender):
    """fastgd's bound proves the least cost."""
    X, y, _ = data(case)
    call = functools.partial(contender.prepare().fit, X, y)
    assert pinball(call(), X, y) <= least_pinball(case) * (1 + TOLERANCE), f"{contender} stopped short of it"
    measure_whole(
        benchmark, f"quantile regression, estimators {case}", contender.name, call, seconds_of(call), X=X, y=y
    )


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

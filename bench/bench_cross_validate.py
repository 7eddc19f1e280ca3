"""100 penalties on five folds, beside one read of the rows, and beside scikit-learn's RidgeCV and LassoCV.

All contenders have the folds of KFold(5). `summarize` is one read without folds: all that a single fit needs.
"""

from __future__ import annotations

import functools

import pytest

import fastgd
from bench.contenders import Contender
from bench.harness import SMOKE, Case, assert_close, data, measure_whole, seconds_of

pytest.importorskip("sklearn")
from sklearn.linear_model import LassoCV, RidgeCV

from fastgd.estimators import GDRegressorCV

CASES = [Case(5000, 10)] if SMOKE else [Case(1_000_000, 10), Case(1_000_000, 50)]
N_PENALTIES, FOLDS = 100, 5
TOLERANCE = 1e-3
GAP = 1e-6
"""LassoCV's tol for costs to TOLERANCE. With its default, 1e-4, they are off by 5e-3."""


@functools.lru_cache(maxsize=1)
def ours(case, l1_ratio):
    X, y, _ = data(case)
    return GDRegressorCV(l1_ratio=l1_ratio).fit(X, y)


def function(case, name):
    """The function has folds of its own, of runs of 32 rows, which it need not sort."""
    X, y, _ = data(case)
    return functools.partial(fastgd.cross_validate, X, y, fit_intercept=True, **{name: "auto"})


def estimator(case, name):
    X, y, _ = data(case)
    return functools.partial(GDRegressorCV(l1_ratio=float(name == "l1")).fit, X, y)


def summarize(case, name):
    X, y, _ = data(case)
    return functools.partial(fastgd.summarize, X, y)


def lasso_cv(case, name):
    X, y, _ = data(case)
    return functools.partial(LassoCV(cv=FOLDS, tol=GAP).fit, X, y)


def ridge_cv(case, name):
    """One penalty, since a hundred take minutes. Ridge's alpha multiplies the sum of a training part."""
    X, y, _ = data(case)
    alpha = ours(case, 0.0).alpha_ * case.n * (1 - 1 / FOLDS)
    return functools.partial(RidgeCV([alpha], cv=FOLDS, scoring="neg_mean_squared_error").fit, X, y)


COMMON = [
    Contender("fastgd", function),
    Contender("GDRegressorCV", estimator),
    Contender("summarize", summarize),
]
CONTENDERS = [("l2", contender) for contender in [*COMMON, Contender("RidgeCV", ridge_cv)]]
CONTENDERS += [("l1", contender) for contender in [*COMMON, Contender("LassoCV", lasso_cv)]]


def check(result, case, name):
    """The least mean cost of a contender is that of GDRegressorCV; the folds of the function are others."""
    model = ours(case, float(name == "l1"))
    least = model.mse_path_.mean(axis=1).min()
    if isinstance(result, RidgeCV):
        assert_close(-result.best_score_, least, 1e-9, "the cost of RidgeCV")
    elif isinstance(result, LassoCV):
        assert_close(result.alphas_, model.alphas_, 1e-9, "the alphas")
        assert_close(result.mse_path_, model.mse_path_, TOLERANCE, "the costs of LassoCV")
    elif isinstance(result, fastgd.CVResult):
        assert_close(result.best_fit.w, model.coef_, TOLERANCE, "w of cross_validate")


@pytest.mark.short(case=CASES[-1:])
@pytest.mark.parametrize(("name", "contender"), CONTENDERS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cross_validation(benchmark, case, name, contender):
    X, y, _ = data(case)
    call = contender.prepare(case, name)
    seconds = seconds_of(lambda: check(call(), case, name))
    # The penalties of RidgeCV are fitted one by one, before the last fit to all rows.
    is_ridge = contender.name == "RidgeCV"
    scale = (N_PENALTIES * FOLDS + 1) / (FOLDS + 1) if is_ridge else 1.0
    shown = "RidgeCV (from 1 penalty)" if is_ridge else contender.name
    beside = {"summarize": summarize(case, name)} if contender.name in ("fastgd", "GDRegressorCV") else None
    group = f"cross-validation of {N_PENALTIES} {name} {case}"
    measure_whole(benchmark, group, shown, call, seconds, X=X, y=y, scale=scale, beside=beside)

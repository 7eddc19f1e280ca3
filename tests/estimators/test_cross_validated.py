"""`GDRegressorCV` beside scikit-learn's LassoCV, ElasticNetCV and RidgeCV, and what its cv may be."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import ElasticNetCV, LassoCV, Ridge
from sklearn.model_selection import (
    KFold,
    LeaveOneOut,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_score,
)

import fastgd
from fastgd.estimators import GDRegressor, GDRegressorCV
from tests.helpers import refused


@pytest.fixture
def data(rng):
    X = rng.standard_normal((150, 6)) * [1.0, 2.0, 0.5, 1.0, 1.0, 3.0] + 1.0
    return X, X @ [1.0, 0.0, 2.0, 0.0, -0.5, 0.0] + 2.0 + 2.0 * rng.standard_normal(150)


def assert_like(ours, theirs):
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_, rtol=1e-10)
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-6)
    assert ours.alpha_ == pytest.approx(theirs.alpha_)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-5)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_the_lasso_is_that_of_lasso_cv(data, rng, fit_intercept, is_weighted):
    weights = rng.integers(1, 4, 150).astype(float) if is_weighted else None
    ours = GDRegressorCV(l1_ratio=1.0, fit_intercept=fit_intercept).fit(*data, sample_weight=weights)
    theirs = LassoCV(tol=1e-12, max_iter=100_000, fit_intercept=fit_intercept)
    assert_like(ours, theirs.fit(*data, sample_weight=weights))


def numbers_of(alphas):
    """scikit-learn's keyword for a number of alphas, which is another one before version 1.7."""
    is_old = isinstance(alphas, int) and tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 7)
    return {"n_alphas" if is_old else "alphas": alphas}


@pytest.mark.parametrize("alphas", [20, [0.5, 0.01, 0.1]])
@pytest.mark.parametrize("l1_ratio", [0.3, [0.2, 0.9, 1.0]])
def test_the_elastic_net_is_that_of_elastic_net_cv(data, l1_ratio, alphas):
    options = dict(l1_ratio=l1_ratio, cv=KFold(4, shuffle=True, random_state=0))
    ours = GDRegressorCV(alphas=alphas, **options)
    theirs = ElasticNetCV(**numbers_of(alphas), **options, tol=1e-12, max_iter=100_000)
    assert_like(ours.fit(*data), theirs.fit(*data))
    assert ours.l1_ratio_ == theirs.l1_ratio_


def test_ridge_regression_is_that_of_ridge(data):
    """Ridge has alpha times the number of rows: 120 in training, 150 in all."""
    alphas = np.array([1.0, 0.1, 0.01])
    model = GDRegressorCV(alphas=alphas[::-1]).fit(*data)
    assert model.alphas_.tolist() == alphas.tolist()
    for k, alpha in enumerate(alphas):
        scores = cross_val_score(Ridge(alpha=120 * alpha), *data, cv=5, scoring="neg_mean_squared_error")
        np.testing.assert_allclose(model.mse_path_[k], -scores, rtol=1e-9)
    assert model.alpha_ == alphas[model.mse_path_.mean(axis=1).argmin()]
    np.testing.assert_allclose(model.coef_, Ridge(alpha=150 * model.alpha_).fit(*data).coef_, rtol=1e-9)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_refit_is_that_of_gd_regressor(data, l1_ratio, standardize):
    model = GDRegressorCV(l1_ratio=l1_ratio, standardize=standardize).fit(*data)
    alone = GDRegressor(penalty="elasticnet", alpha=model.alpha_, l1_ratio=l1_ratio).fit(*data)
    np.testing.assert_allclose(model.coef_, alone.coef_, rtol=1e-8, atol=1e-10)
    assert model.result_.converged
    assert model.n_iter_ == model.result_.n_epochs


def test_the_automatic_ridge_alphas_hold_the_best_one(data):
    model = GDRegressorCV().fit(*data)
    assert model.alphas_.shape == (100,)
    assert (np.diff(model.alphas_) < 0.0).all()
    wide = GDRegressorCV(alphas=np.geomspace(1e-9, 1e3, 500)).fit(*data)
    assert model.mse_path_.mean(axis=1).min() <= wide.mse_path_.mean(axis=1).min() * 1.001


def masks(X):
    """Splits as masks and as lists."""
    folds = np.arange(len(X)) % 3
    return [(folds != 0, folds == 0), *((np.flatnonzero(folds != k).tolist(), folds == k) for k in (1, 2))]


def test_cv_is_a_number_a_splitter_or_pairs(data):
    fit = lambda cv: GDRegressorCV(alphas=[0.1, 1.0], cv=cv).fit(*data).mse_path_  # noqa: E731
    assert fit(None).tobytes() == fit(5).tobytes() == fit(KFold(5)).tobytes()
    assert fit(masks(data[0])).shape == (2, 3)
    assert fit(LeaveOneOut()).shape == (2, 150)


def test_splits_that_are_no_folds_are_refused(data):
    fit = lambda cv: lambda: GDRegressorCV(cv=cv).fit(*data)  # noqa: E731
    refused(fit(ShuffleSplit(3, random_state=0)), "cv has row ", "test sets: the folds share one read")
    refused(fit(RepeatedKFold(n_splits=3, n_repeats=2)), "cv has row 0 in 2 test sets")
    refused(fit(TimeSeriesSplit(3)), "cv has row 0 in 0 test sets")
    (first, test), *others = masks(data[0])
    refused(
        fit([(first & (np.arange(150) != 7), test), *others]), "a training set 0 that is not the rows out"
    )
    refused(fit([(np.arange(0), np.arange(150))]), "two folds or more")


def test_sources_and_summaries_have_folds_of_a_number(data):
    X, y = data
    source = fastgd.chunks(lambda: ((X[i : i + 40], y[i : i + 40]) for i in range(0, 150, 40)))
    of_source = GDRegressorCV(cv=3).fit(source)
    of_summary = GDRegressorCV().fit(fastgd.summarize(X, y, folds=3))
    of_rows = GDRegressorCV(cv=[(np.arange(150) % 3 != k, np.arange(150) % 3 == k) for k in range(3)])
    for model in (of_source, of_summary):
        np.testing.assert_allclose(model.mse_path_, of_rows.fit(X, y).mse_path_, rtol=1e-12)
        np.testing.assert_allclose(model.predict(X), of_rows.predict(X), rtol=1e-9)
    refused(lambda: GDRegressorCV(cv=KFold(3)).fit(source), "must be a number of folds")
    refused(lambda: GDRegressorCV(cv=4).fit(fastgd.summarize(X, y, folds=3)), "3 folds of its own")


def test_names_types_and_pickles(data):
    X, y = data
    table = pd.DataFrame(X, columns=list("abcdef"))
    model = GDRegressorCV(l1_ratio=1.0, n_jobs=2).fit(table, y)
    assert model.feature_names_in_.tolist() == list("abcdef")
    copy = pickle.loads(pickle.dumps(model))
    assert copy.predict(table).tobytes() == model.predict(table).tobytes()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[list("bacdef")])
    small = clone(model).fit(X.astype("f4"), y.astype("f4"))
    assert small.coef_.dtype == small.predict(X.astype("f4")).dtype == np.float32


def test_parameters_out_of_range_are_refused(data):
    fit = lambda **how: lambda: GDRegressorCV(**how).fit(*data)  # noqa: E731
    refused(fit(l1_ratio=1.5), "l1_ratio")
    refused(fit(l1_ratio=[0.5, -0.1]), "l1_ratio must be from 0 to 1")
    refused(fit(alphas=[0.1, -1.0]), "alphas must be finite and not negative")
    refused(fit(alphas=[]), "alphas must be")
    refused(fit(eps=0.0), "eps")

"""The optimum against scikit-learn and SciPy: the same objective, computed here by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    QuantileRegressor,
    Ridge,
)
from sklearn.multiclass import OneVsRestClassifier

from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor
from tests.conftest import JIT_IS_OFF

ROWS = slice(0, 120 if JIT_IS_OFF else None)


def half_square(score, y):
    return 0.5 * (score - y) ** 2


def half_huber(epsilon):
    def loss(score, y):
        size = np.abs(score - y)
        return np.where(size <= epsilon, 0.5 * size**2, epsilon * (size - 0.5 * epsilon))

    return loss


def log_loss(score, y):
    return np.logaddexp(0.0, score) - y * score


def objective(model, X, y, loss=half_square, alpha=0.0, l1_ratio=0.0, weights=None):
    """(1/Σ s) Σ s·loss + alpha·(l1_ratio Σ|w| + (1 − l1_ratio)/2 Σ w²) at the model's coefficients."""
    w, b = np.ravel(model.coef_), np.ravel(model.intercept_)[0]
    mean = np.average(loss(X @ w + b, y), weights=weights)
    return mean + alpha * (l1_ratio * np.abs(w).sum() + 0.5 * (1 - l1_ratio) * (w @ w))


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def cancer():
    """Standardised, y of 0 and 1."""
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[ROWS], y[ROWS]
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def test_least_squares(diabetes):
    X, y = diabetes
    ours, theirs = GDRegressor().fit(X, y), LinearRegression().fit(X, y)
    assert objective(ours, X, y) == pytest.approx(objective(theirs, X, y), rel=1e-12)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=1e-12)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), rel=1e-12)


def test_least_squares_without_intercept(diabetes):
    X, y = diabetes
    ours = GDRegressor(fit_intercept=False).fit(X, y)
    theirs = LinearRegression(fit_intercept=False).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    assert ours.intercept_ == 0.0


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("alpha", [1e-4, 1e-2, 1.0])
def test_ridge(diabetes, alpha, standardize):
    X, y = diabetes  # Ridge minimises ‖y − Xw‖² + a‖w‖²: a is alpha·n
    ours = GDRegressor(alpha=alpha, standardize=standardize).fit(X, y)
    theirs = Ridge(alpha=alpha * len(y)).fit(X, y)
    assert objective(ours, X, y, alpha=alpha) == pytest.approx(
        objective(theirs, X, y, alpha=alpha), rel=1e-12
    )
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8)


@pytest.mark.parametrize(("penalty", "ratio"), [("l1", 1.0), ("elasticnet", 0.9), ("elasticnet", 0.3)])
@pytest.mark.parametrize("alpha", [0.05, 0.5])
def test_l1_and_elastic_net(diabetes, penalty, ratio, alpha):
    X, y = diabetes
    ours = GDRegressor(penalty=penalty, alpha=alpha, l1_ratio=ratio).fit(X, y)
    theirs = ElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-12, max_iter=100_000).fit(X, y)
    reached, best = (objective(model, X, y, alpha=alpha, l1_ratio=ratio) for model in (ours, theirs))
    assert reached == pytest.approx(best, rel=1e-9)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-6)


def test_exact_zeros_are_those_of_lasso(diabetes):
    X, y = diabetes
    zeros = []
    for alpha in (0.05, 0.5, 1.0):
        ours = GDRegressor(penalty="l1", alpha=alpha).fit(X, y)
        theirs = Lasso(alpha=alpha, tol=1e-12).fit(X, y)
        np.testing.assert_array_equal(ours.coef_ == 0.0, theirs.coef_ == 0.0)
        zeros.append(np.count_nonzero(ours.coef_ == 0.0))
    assert 0 < zeros[0] < zeros[1] < zeros[2] < X.shape[1]


def test_alpha_above_the_largest_correlation_leaves_the_mean(diabetes):
    X, y = diabetes
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    model = GDRegressor(penalty="l1", alpha=1.0001 * largest).fit(X, y)
    assert not model.coef_.any()
    assert model.intercept_ == pytest.approx(y.mean(), rel=1e-12)


@pytest.mark.parametrize("epsilon", [20.0, 60.0])
def test_huber_against_scipy(diabetes, epsilon):
    X, y = diabetes[0][ROWS], diabetes[1][ROWS]
    loss, alpha = half_huber(epsilon), 1e-3

    def cost(point):
        r = X @ point[:-1] + point[-1] - y
        slope = np.clip(r, -epsilon, epsilon) / len(y)
        value = loss(r, 0.0).mean() + 0.5 * alpha * point[:-1] @ point[:-1]
        return value, np.append(X.T @ slope + alpha * point[:-1], slope.sum())

    best = minimize(
        cost, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B", options=dict(ftol=0, gtol=1e-9)
    )
    model = GDRegressor("huber", epsilon=epsilon, alpha=alpha).fit(X, y)
    assert objective(model, X, y, loss, alpha) == pytest.approx(best.fun, rel=1e-9)


def test_the_median_nears_that_of_quantile_regression(diabetes):
    X, y = diabetes[0][ROWS], diabetes[1][ROWS]
    ours = GDRegressor("quantile", quantile=0.5, max_iter=2000, tol=None).fit(X, y)
    theirs = QuantileRegressor(quantile=0.5, alpha=0.0).fit(X, y)
    reached, best = (np.abs(y - model.predict(X)).mean() for model in (ours, theirs))
    assert best <= reached * (1 + 1e-9)
    assert reached < 1.01 * best


@pytest.mark.parametrize("frame", ["numpy", "pandas", "polars"])
def test_logistic_regression(cancer, frame):
    X, y = cancer
    names = load_breast_cancer().feature_names.tolist()  # str, not np.str_
    given = X
    if frame == "pandas":
        given = pytest.importorskip("pandas").DataFrame(X, columns=names)
    elif frame == "polars":
        given = pytest.importorskip("polars").DataFrame(dict(zip(names, X.T, strict=True)))
    alpha = 1e-2
    ours = GDClassifier(alpha=alpha).fit(given, y)
    theirs = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10, max_iter=10_000).fit(X, y)
    reached, best = (objective(model, X, y, log_loss, alpha) for model in (ours, theirs))
    assert reached == pytest.approx(best, rel=1e-6)
    np.testing.assert_array_equal(ours.predict(given), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(given), theirs.predict_proba(X), atol=1e-3)
    if frame == "numpy":
        assert not hasattr(ours, "feature_names_in_")
    else:
        assert ours.feature_names_in_.tolist() == names


def test_l1_logistic_regression_has_zeros(cancer):
    X, y = cancer
    alpha = 0.02
    ours = GDClassifier(penalty="l1", alpha=alpha, tol=1e-8, max_iter=5000).fit(X, y)
    takes_ratio = LogisticRegression().l1_ratio is not None  # from scikit-learn 1.8 on, without a penalty
    l1 = dict(l1_ratio=1.0) if takes_ratio else dict(penalty="l1")
    theirs = LogisticRegression(C=1 / (alpha * len(y)), solver="saga", tol=1e-9, max_iter=20_000, **l1)
    theirs.fit(X, y)
    reached, best = (objective(model, X, y, log_loss, alpha, 1.0) for model in (ours, theirs))
    assert reached == pytest.approx(best, rel=1e-6)
    np.testing.assert_array_equal(ours.coef_ == 0.0, theirs.coef_ == 0.0)
    assert (ours.coef_ == 0.0).any()


def test_one_class_against_the_rest():
    X, y = load_iris(return_X_y=True)
    alpha = 1e-2
    ours = GDClassifier(alpha=alpha).fit(X, y)
    binary = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10, max_iter=10_000)
    theirs = OneVsRestClassifier(binary).fit(X, y)
    assert ours.coef_.shape == (3, 4)
    assert ours.intercept_.shape == (3,)
    for k, (result, model) in enumerate(zip(ours.results_, theirs.estimators_, strict=True)):
        best = objective(model, X, y == k, log_loss, alpha)
        assert ours.history_[k][-1] == pytest.approx(best, rel=1e-6)
        assert len(ours.history_[k]) == result.n_epochs + 1
    assert ours.n_iter_ == max(result.n_epochs for result in ours.results_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-2)


def test_sgd_nears_ridge(diabetes):
    X, y = diabetes
    alpha = 1e-3
    model = SGDRegressor(alpha=alpha, max_iter=50, tol=None, random_state=0).fit(X, y)
    theirs = Ridge(alpha=alpha * len(y)).fit(X, y)
    best, start = objective(theirs, X, y, alpha=alpha), 0.5 * np.mean(y**2)
    assert best <= objective(model, X, y, alpha=alpha) < best + 0.01 * (start - best)


def test_sgd_nears_logistic_regression(cancer):
    X, y = cancer
    alpha = 1e-2
    n_epochs = 200 if JIT_IS_OFF else 50  # of fewer rows
    model = SGDClassifier(alpha=alpha, max_iter=n_epochs, tol=None, random_state=0).fit(X, y)
    theirs = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10, max_iter=10_000).fit(X, y)
    best = objective(theirs, X, y, log_loss, alpha)
    assert best <= objective(model, X, y, log_loss, alpha) < best + 0.02 * (np.log(2) - best)


class TestHistory:
    @pytest.mark.parametrize("loss", ["squared_error", "huber"])
    @pytest.mark.parametrize(
        ("penalty", "ratio"), [("l2", 0.0), ("l1", 1.0), ("elasticnet", 0.4), (None, 0.0)]
    )
    def test_of_a_regressor(self, diabetes, loss, penalty, ratio, rng):
        X, y = diabetes[0][ROWS], diabetes[1][ROWS]
        s = rng.integers(1, 5, len(y)).astype(float)
        alpha, by_hand = 0.1, half_square if loss == "squared_error" else half_huber(50.0)
        model = GDRegressor(
            loss,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=0.4,
            epsilon=50.0,
            nesterov=False,
            precondition="auto" if loss == "squared_error" else False,
            max_iter=60,
            tol=None,
        ).fit(X, y, sample_weight=s)
        history = model.history_
        assert len(history) == model.n_iter_ + 1 == 61
        assert (np.diff(history) <= 1e-12 * history[:-1]).all()
        strength = 0.0 if penalty is None else alpha
        if loss == "squared_error":
            assert history[0] == pytest.approx(np.average(by_hand(0.0, y), weights=s), rel=1e-9)
            assert history[-1] < 0.9 * history[0]
        else:  # other losses start where squared errors end
            start = LinearRegression().fit(X, y, sample_weight=s)
            assert history[0] == pytest.approx(objective(start, X, y, by_hand, strength, ratio, s), rel=1e-7)
            assert history[-1] < history[0]
        expected = objective(model, X, y, by_hand, strength, ratio, s)
        assert history[-1] == pytest.approx(expected, rel=1e-9)

    def test_of_a_classifier(self, cancer):
        X, y = cancer
        model = GDClassifier(nesterov=False, precondition=False, max_iter=30, tol=None).fit(X, y)
        history = model.history_
        assert len(history) == model.n_iter_ + 1 == 31
        assert (np.diff(history) <= 0).all()
        assert history[0] == pytest.approx(np.log(2), rel=1e-12)
        assert history[-1] == pytest.approx(objective(model, X, y, log_loss, 1e-4), rel=1e-9)
        quick = GDClassifier().fit(X, y)
        assert len(quick.history_) == quick.n_iter_ + 1 <= 4
        assert quick.results_[0].n_passes <= 12
        assert quick.history_[-1] < history[-1]
        assert quick.history_[-1] == pytest.approx(objective(quick, X, y, log_loss, 1e-4), rel=1e-9)

    @pytest.mark.parametrize("shuffle", [True, "blocks", False])
    def test_of_sgd(self, diabetes, shuffle):
        X, y = diabetes
        model = SGDRegressor(shuffle=shuffle, max_iter=1000, random_state=3).fit(X, y)
        assert len(model.history_) == model.n_iter_ + 1 < 1001
        assert model.history_[0] == pytest.approx(0.5 * np.mean(y**2), rel=1e-9)
        assert model.history_[-1] == pytest.approx(objective(model, X, y, alpha=1e-4), rel=1e-9)

    def test_of_a_run_that_converged_is_shorter_than_max_iter(self, diabetes):
        model = GDRegressor().fit(*diabetes)
        assert model.result_.converged
        assert len(model.history_) == model.n_iter_ + 1 < 10_001

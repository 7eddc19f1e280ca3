"""Weights of rows and classes, how fits end, and estimators of one's own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_sample_weight

import fastgd
from fastgd.estimators import GDClassifier, GDRegressor, SGDRegressor
from tests.conftest import JIT_IS_OFF
from tests.estimators.models import (
    CLASSIFIERS,
    MODELS,
    assert_same_bits,
    data,
    every,
    every_classifier,
    every_regressor,
    plain,
)


class TestWeights:
    """A weight is the row so many times, for the pair whose result does not depend on an order."""

    @pytest.mark.parametrize("loss", ["squared_error", "huber"])
    @pytest.mark.parametrize("penalty", ["l2", "l1"])
    def test_regressor(self, loss, penalty):
        X, y, s = data(MODELS[0])
        s[::7] = 0.0
        model = GDRegressor(loss, penalty=penalty, alpha=0.1, tol=1e-12, max_iter=100_000)
        weighted = clone(model).fit(X, y, sample_weight=s)
        rows = np.repeat(np.arange(len(y)), s.astype(int))
        repeated = clone(model).fit(X[rows], y[rows])
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
        assert weighted.intercept_ == pytest.approx(repeated.intercept_, rel=1e-8)
        assert weighted.history_[-1] == pytest.approx(repeated.history_[-1], rel=1e-12)

    @pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0}])
    def test_classifier(self, class_weight):
        X, y, s = data(MODELS[1])
        model = GDClassifier(class_weight=class_weight, tol=1e-12, max_iter=20_000)
        weighted = clone(model).fit(X, y, sample_weight=s)
        rows = np.repeat(np.arange(len(y)), s.astype(int))
        repeated = clone(model).fit(X[rows], y[rows])
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
        np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-8)

    @every
    def test_the_scale_of_weights_does_not_matter_to_the_optimum(self, model):
        if not isinstance(model, (GDRegressor, GDClassifier)):
            return  # a weight is a step's length there
        X, y, s = data(model)
        one = clone(model).set_params(alpha=0.1).fit(X, y, sample_weight=s)
        ten = clone(model).set_params(alpha=0.1).fit(X, y, sample_weight=10 * s)
        np.testing.assert_allclose(one.coef_, ten.coef_, rtol=1e-5)

    @every_classifier
    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("labels", ["integers", "text"])
    def test_balanced_classes_by_hand(self, model, n_classes, labels):
        X, y, _ = data(model, n_classes=n_classes)
        keep = (y != 0) | (np.arange(len(y)) % 3 == 0)
        X, y = X[keep], y[keep]
        names = np.array([4, 5, 6]) if labels == "integers" else np.array(["ant", "bee", "cat"])
        counts = np.bincount(y)
        by_hand = len(y) / (n_classes * counts)
        assert np.ptp(by_hand) > 0.5
        balanced = clone(model).set_params(class_weight="balanced").fit(X, names[y])
        expected = clone(model).fit(X, names[y], sample_weight=by_hand[y])
        np.testing.assert_allclose(balanced.coef_, expected.coef_, rtol=1e-12)
        given = dict(zip(names[:n_classes].tolist(), by_hand.tolist(), strict=True))
        as_dict = clone(model).set_params(class_weight=given).fit(X, names[y])
        np.testing.assert_allclose(as_dict.coef_, expected.coef_, rtol=1e-12)

    @every_classifier
    def test_class_weights_are_multiplied_with_those_of_samples(self, model):
        X, y, s = data(model)
        both = clone(model).set_params(class_weight={0: 0.5, 1: 2.0}).fit(X, y, sample_weight=s)
        product = s * compute_sample_weight({0: 0.5, 1: 2.0}, y)
        assert_same_bits(both, clone(model).fit(X, y, sample_weight=product))


class TestEnds:
    @every
    def test_a_run_out_of_epochs_warns_in_both_languages(self, model):
        X, y, _ = data(model)
        with pytest.warns(fastgd.ConvergenceWarning) as caught:
            plain(model).set_params(max_iter=2).fit(X, y)
        assert len(caught) == 1
        assert issubclass(caught[0].category, ConvergenceWarning)
        assert "\n" not in str(caught[0].message)

    def test_that_warning_names_the_parameter_of_the_estimator(self):
        X, y, _ = data(MODELS[0])
        with pytest.warns(fastgd.ConvergenceWarning, match="max_iter=2"):
            GDRegressor(max_iter=2).fit(X, y)

    @every
    def test_without_tol_all_epochs_are_done_in_silence(self, model):
        X, y, _ = data(model)
        assert clone(model).set_params(max_iter=3, tol=None).fit(X, y).n_iter_ == 3

    @every
    def test_n_iter_is_within_max_iter(self, model):
        X, y, _ = data(model)
        fitted = clone(model).fit(X, y)
        assert 1 <= fitted.n_iter_ < fitted.max_iter

    @every
    @pytest.mark.parametrize("value", [0.0, 3.0, 1e9 + 0.1])
    def test_a_constant_column_has_weight_zero(self, model, value):
        X, y, _ = data(model)
        wide = np.insert(X, 1, value, axis=1)
        fitted = clone(model).fit(wide, y)
        assert np.ravel(fitted.coef_)[1] == 0.0
        result = fitted.result_ if isinstance(model, (GDRegressor, SGDRegressor)) else fitted.results_[0]
        assert "constant, so of weight 0: column 1" in result.status
        narrow = clone(model).fit(X, y)
        np.testing.assert_allclose(np.delete(np.ravel(fitted.coef_), 1), np.ravel(narrow.coef_), rtol=1e-3)

    @every
    def test_without_standardising_no_column_is_dropped(self, model):
        X, y, _ = data(model)
        fitted = clone(model).set_params(standardize=False, max_iter=5, tol=None).fit(X, y)
        result = fitted.result_ if isinstance(model, (GDRegressor, SGDRegressor)) else fitted.results_[0]
        assert "constant" not in result.status

    @every
    def test_early_stopping(self, model, rng):
        n, d = (120, 60) if not JIT_IS_OFF else (60, 30)  # so wide that it learns the noise
        X = rng.normal(size=(n, d))
        y = X[:, 0] + 2 * rng.normal(size=n)
        y = (y > 0).astype(int) if model in CLASSIFIERS else y
        how = dict(early_stopping=True, validation_fraction=0.25, alpha=0.0, max_iter=500, tol=1e-9)
        fitted = clone(model).set_params(**how).fit(X, y)
        assert fitted.n_iter_ < 500
        result = fitted.result_ if isinstance(model, (GDRegressor, SGDRegressor)) else fitted.results_[0]
        assert "held-out" in result.status
        held = result.validation_history
        assert len(held) == fitted.n_iter_
        assert held.argmin() == len(held) - 1 - fitted.n_iter_no_change

    @every_regressor
    def test_a_loss_of_your_own(self, model):
        X, y, _ = data(model)
        fitted = clone(model).set_params(loss=LogCosh()).fit(X, y)
        tanh = np.tanh(fitted.predict(X) - y)
        assert abs(tanh.mean()) < 0.05
        assert clone(fitted).loss is not None

    def test_a_rate_of_scikit_learns_is_that_of_half_the_square(self):
        X, y, _ = data(MODELS[0])
        model = GDRegressor(
            alpha=0.5, eta0=1e-3, nesterov=False, standardize=False, max_iter=1, tol=None, fit_intercept=False
        )
        gradient = -X.T @ y / len(y)  # of half the mean square at w = 0
        np.testing.assert_allclose(model.fit(X, y).coef_, -1e-3 * gradient, rtol=1e-12)

    def test_inverse_scaling(self):
        X, y, _ = data(MODELS[0])
        model = SGDRegressor(
            eta0=1e-3, learning_rate="invscaling", power_t=0.25, max_iter=3, tol=None, shuffle=False
        )
        rates = model.fit(X, y).result_.learning_rates
        np.testing.assert_allclose(rates / rates[0], [1.0, 2**-0.25, 3**-0.25], rtol=1e-14)


class LogCosh:
    """ln cosh(score − y)."""

    curvature = 1.0

    def value(self, score, y):
        size = abs(score - y)
        return size + np.log1p(np.exp(-2.0 * size)) - 0.6931471805599453

    def slope(self, score, y):
        return np.tanh(score - y)


def test_held_out_rows_are_not_seen_by_the_start():
    """Other losses start from least squares of all rows, but for early stopping."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 60))
    y = X[:, 0] + 2 * rng.normal(size=120)
    model = GDRegressor("huber", early_stopping=True, validation_fraction=0.25, max_iter=50, tol=None)
    model.fit(X, y)
    other = y.copy()
    other[3::4] += 100.0  # the held-out ones
    assert clone(model).fit(X, other).coef_.tolist() == model.coef_.tolist()


def test_a_subclass_with_parameters_of_its_own():
    class Robust(GDRegressor):
        def __init__(self, epsilon=1.35):
            super().__init__("huber", epsilon=epsilon)

    X, y, _ = data(MODELS[0])
    np.testing.assert_array_equal(Robust().fit(X, y).coef_, GDRegressor("huber").fit(X, y).coef_)

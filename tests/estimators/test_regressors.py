"""Regressors: their start, what they keep of a fit, and predictions."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.estimators import GDRegressor, SGDRegressor

X = np.array([[0.0, 1.0], [1.0, -1.0], [2.0, 0.5], [3.0, 2.0], [-1.0, 0.0]])
Y = X @ [2.0, -1.0] + 0.5


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("model", [GDRegressor(alpha=0.0, tol=1e-10), SGDRegressor(alpha=0.0, tol=None)])
def test_attributes_and_predictions(model, dtype):
    fitted = model.fit(X.astype(dtype), Y)
    assert (fitted.coef_.shape, fitted.coef_.dtype) == ((2,), dtype)
    assert np.shape(fitted.intercept_) == ((1,) if isinstance(model, SGDRegressor) else ())
    expected = X @ np.ravel(fitted.coef_) + np.ravel(fitted.intercept_)
    np.testing.assert_allclose(fitted.predict(X.astype(dtype)), expected, rtol=1e-5, atol=1e-6)
    assert fitted.predict(X.astype(dtype)).dtype == dtype
    assert fitted.n_iter_ == fitted.result_.n_epochs


def test_an_exact_line_is_found():
    fitted = GDRegressor(alpha=0.0, tol=1e-12, max_iter=10_000).fit(X, Y)
    np.testing.assert_allclose(fitted.coef_, [2.0, -1.0], rtol=1e-6)
    assert fitted.intercept_ == pytest.approx(0.5, rel=1e-6)
    assert fitted.score(X, Y) == pytest.approx(1.0)


@pytest.mark.parametrize("options", [dict(precondition=False), dict(eta0=0.1), dict(momentum=0.5)])
def test_other_losses_start_from_least_squares(options):
    """Its passes count, and the first cost is that of the least-squares fit."""
    y = Y + np.array([0.0, 0.0, 0.0, 0.0, 30.0])
    fitted = GDRegressor("huber", alpha=0.0, max_iter=1, tol=None, **options).fit(X, y)
    best = np.linalg.lstsq(np.column_stack([X, np.ones(5)]), y)[0]
    r = np.abs(X @ best[:2] + best[2] - y)
    cost = np.mean(np.where(r < 1.35, r * r / 2, 1.35 * (r - 1.35 / 2)))
    assert fitted.history_[0] == pytest.approx(cost, rel=1e-6)
    alone = GDRegressor(alpha=0.0, max_iter=1, tol=None).fit(X, y)
    assert fitted.result_.n_passes > alone.result_.n_passes


@pytest.mark.parametrize("name", ["hinge", "log_loss"])
def test_losses_of_classes_are_refused(name):
    with pytest.raises(ValueError, match="'loss' parameter of GDRegressor must be"):
        GDRegressor(name).fit(X, Y)


def test_an_epoch_of_partial_fit_counts_its_rows():
    model = SGDRegressor(random_state=0).partial_fit(X, Y).partial_fit(X[:2], Y[:2])
    assert model.result_._state.moments.n == 7
    assert isinstance(model.result_, fastgd.FitResult)

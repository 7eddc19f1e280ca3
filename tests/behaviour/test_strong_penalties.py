"""A strong l2 beside an intercept, and costs of statistics that do not determine the weights."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.estimators import GDClassifier, GDRegressor
from tests.conftest import JIT_IS_OFF


def ridge(X, y, l2):
    """Weights and intercept of the least mean squared error plus (l2/2) Σ w²."""
    Z = X - X.mean(axis=0)
    w = np.linalg.solve(2 * Z.T @ Z / len(y) + l2 * np.eye(X.shape[1]), 2 * Z.T @ (y - y.mean()) / len(y))
    return w, y.mean() - X.mean(axis=0) @ w


@pytest.fixture
def data(rng):
    X = rng.normal(size=(60, 3)) * [1.0, 30.0, 0.1] + [5.0, -100.0, 0.0]
    return X, X @ [1.0, 0.1, 5.0] + 20.0 + rng.normal(size=60)


@pytest.mark.parametrize("l2", [1.0, 1e4, 1e10, 1e20])
@pytest.mark.parametrize(
    "how",
    [
        dict(nesterov=True),
        dict(precondition=True),
        dict(method="stream", nesterov=True),
        dict(backend="python"),
    ],
    ids=["accelerated", "preconditioned", "streamed", "python"],
)
def test_the_intercept_keeps_pace_with_a_strong_l2(data, l2, how):
    X, y = data
    w, b = ridge(X, y, l2)
    fit = fastgd.gradient_descent(
        X, y, fit_intercept=True, standardize=True, l2=l2, tol="auto", n_epochs=300, **how
    )
    tolerance = 1e-9 if fit.method == "summary" else 1e-5
    assert fit.intercept == pytest.approx(b, rel=tolerance)
    np.testing.assert_allclose(fit.w, w, rtol=tolerance, atol=tolerance * abs(w).max())
    assert fit.cost_history[0] == pytest.approx(np.mean(y * y), rel=1e-12)
    direct = np.mean((X @ fit.w + fit.intercept - y) ** 2) + 0.5 * l2 * fit.w @ fit.w
    assert fit.cost_history[-1] == pytest.approx(direct, rel=1e-9)


@pytest.mark.parametrize("options", [{}, dict(precondition=False)], ids=["auto", "plain"])
def test_estimators_with_a_huge_alpha_predict_the_mean(data, options):
    X, y = data
    model = GDRegressor(alpha=1e10, **options).fit(X, y)
    assert model.intercept_ == pytest.approx(ridge(X, y, 2e10)[1], rel=1e-12)
    for loss, middle in (("huber", None), ("quantile", np.median(y))):
        robust = GDRegressor(alpha=1e8, loss=loss, max_iter=500 if not JIT_IS_OFF else 60).fit(X, y)
        assert np.abs(X @ robust.coef_).max() < 1e-3
        assert middle is None or robust.intercept_ == pytest.approx(middle, rel=1e-2)
    labels = y > y[np.argsort(y)[20]]
    odds = np.log(labels.mean() / (1.0 - labels.mean()))
    assert GDClassifier(alpha=1e8).fit(X, labels).intercept_[0] == pytest.approx(odds, rel=1e-4)


@pytest.mark.parametrize("d", [7, 40])
@pytest.mark.parametrize("is_standardized", [False, True])
@pytest.mark.parametrize("how", [{}, dict(momentum=0.5), dict(sample_weight=True)], ids=str)
def test_costs_of_fewer_rows_than_columns_fall_to_rounding(rng, d, is_standardized, how):
    n = 5 if d == 7 else 20
    X, y = rng.normal(size=(n, d)) * rng.uniform(0.5, 2.0, d), rng.normal(size=n)
    if how.get("sample_weight"):
        how = dict(sample_weight=rng.random(n) + 0.5)
    fit = fastgd.gradient_descent(
        X, y, method="summary", n_epochs=20_000, fit_intercept=True, standardize=is_standardized, **how
    )
    assert fit.cost_history[-1] < 1e-28
    assert np.mean((X @ fit.w + fit.intercept - y) ** 2) < 1e-28
    first = fastgd.gradient_descent(
        X, y, method="summary", n_epochs=30, fit_intercept=True, standardize=is_standardized, **how
    )
    after = fastgd.gradient_descent(
        X, y, method="summary", n_epochs=20, fit_intercept=True, standardize=is_standardized, w0=first, **how
    )
    assert after.w.tolist() == fit.w_history[50].tolist()

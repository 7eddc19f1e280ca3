"""Targets and weights of any scale: the same model, or a sentence that says what to scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastgd
from fastgd.estimators import GDClassifier, GDRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 2))
Y = X @ [1.0, 2.0] + 3.0 + 0.1 * RNG.normal(size=50)
FITS = {
    "GDRegressor": lambda X, y, s: GDRegressor().fit(X, y, sample_weight=s).coef_,
    "GDClassifier": lambda X, y, s: GDClassifier(max_iter=5, tol=None).fit(X, Y > 3, sample_weight=s).coef_,
    "gradient_descent": lambda X, y, s: (
        fastgd.gradient_descent(
            X, y, sample_weight=s, fit_intercept=True, standardize=True, tol="auto", n_epochs=500
        ).w
    ),
    "sgd": lambda X, y, s: fastgd.sgd(X, y, sample_weight=s, n_epochs=3).w,
}
each = pytest.mark.parametrize("name", FITS)


@each
@pytest.mark.parametrize("scale", [1e-300, 1e-100, 1e100, 1e300])
def test_the_scale_of_weights_is_of_no_account(name, scale):
    expected = FITS[name](X, Y, np.arange(1.0, 51.0))
    np.testing.assert_allclose(FITS[name](X, Y, np.arange(1.0, 51.0) * scale), expected, rtol=1e-9)


@each
@pytest.mark.parametrize("scale", [1e-310, 1e-320])
def test_weights_without_digits_are_refused(name, scale):
    with pytest.raises(fastgd.InvalidDataError, match=r"^sample_weight is .* at most, .*; scale it$"):
        FITS[name](X, Y, np.full(50, scale))


def test_weights_of_a_source_without_digits_are_refused():
    source = fastgd.chunks(lambda: iter([(X, Y, np.full(50, 1e-320))]))
    with pytest.raises(fastgd.InvalidDataError, match="^the weights are too small .*; scale them$"):
        fastgd.gradient_descent(source)


@pytest.mark.parametrize("name", ["gradient_descent", "sgd"])
def test_weights_whose_costs_overflow_are_to_be_scaled(name):
    with pytest.raises(fastgd.DivergenceError, match="scale X, y and sample_weight before"):
        FITS[name](X, Y * 100, np.full(50, 1e306))


@pytest.mark.parametrize("name", ["GDRegressor", "gradient_descent", "sgd"])
@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_the_scale_of_targets_is_that_of_the_weights(name, scale):
    expected = FITS[name](X, Y, None)
    np.testing.assert_allclose(FITS[name](X, Y * scale, None) / scale, expected, rtol=1e-9)


def test_targets_whose_squares_vanish_are_warned_of():
    how = dict(fit_intercept=True, standardize=True, tol="auto", n_epochs=500)
    for data in ((X, Y * 1e-200), (fastgd.chunks(lambda: iter([(X, Y * 1e-200)])),)):
        with pytest.warns(fastgd.ConvergenceWarning, match=r"^y is .*e-200 at most: .*; scale y$"):
            fastgd.gradient_descent(*data, **how)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fastgd.gradient_descent(X, np.zeros(50), **how).converged
        assert fastgd.gradient_descent(X, X @ [1.0, 2.0], **how).converged

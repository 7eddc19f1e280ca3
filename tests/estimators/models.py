"""The four estimators and rows for them."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import clone

from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor

MODELS = [GDRegressor(), GDClassifier(), SGDRegressor(random_state=0), SGDClassifier(random_state=0)]


REGRESSORS, CLASSIFIERS = MODELS[0::2], MODELS[1::2]


every = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


every_regressor = pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: type(model).__name__)


every_classifier = pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: type(model).__name__)


def plain(model):
    """The model without the metric of a sample, which leaves few epochs to do."""
    return clone(model).set_params(**{"precondition": False} if isinstance(model, GDClassifier) else {})


def data(model, n=150, n_classes=2, seed=1):
    """n rows of 3 columns that overlap enough for every loss to have an optimum, and weights 1, 2, 3."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 3.0, 0.5] + [0.0, 5.0, -1.0]
    score = X @ [1.0, -0.5, 2.0] + rng.normal(size=n)
    if sklearn.base.is_classifier(model):
        score = np.searchsorted(np.quantile(score, np.arange(1, n_classes) / n_classes), score)
    return X, score, rng.integers(1, 4, n).astype(float)


def assert_same_bits(ours, theirs):
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    np.testing.assert_array_equal(ours.intercept_, theirs.intercept_)
    assert ours.n_iter_ == theirs.n_iter_

"""What inspects or stores estimators finds ordinary Python objects: masked arrays, skops."""

from __future__ import annotations

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import GridSearchCV

import fastgd
from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor

RNG = np.random.default_rng(4)
X = RNG.normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.1 * RNG.normal(size=60)
MODELS = [
    GDRegressor(),
    GDRegressor(loss="huber", penalty="l1", alpha=1e-3),
    SGDRegressor(average=True, random_state=0),
    GDClassifier(class_weight="balanced"),
    SGDClassifier(momentum=0.5, random_state=0),
]
every = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


def targets(model):
    return np.digitize(Y, [-1.0, 1.0]) if isinstance(model, (GDClassifier, SGDClassifier)) else Y


def loaded(value):
    stored = skops.io.dumps(value)
    types = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("fastgd.") for name in types)
    return skops.io.loads(stored, trusted=types)


@every
def test_skops_stores_a_fitted_estimator(model):
    fitted = clone(model).fit(X, targets(model))
    back = loaded(fitted)
    assert back.get_params() == fitted.get_params()
    np.testing.assert_array_equal(back.coef_, fitted.coef_)
    np.testing.assert_array_equal(back.predict(X), fitted.predict(X))
    for one in (back, fitted):
        one.set_params(warm_start=True, max_iter=3, tol=None).fit(X, targets(model))
    np.testing.assert_array_equal(back.coef_, fitted.coef_)


@pytest.mark.parametrize("model", MODELS[2::2], ids=lambda model: type(model).__name__)
def test_partial_fit_goes_on_from_what_skops_stored(model):
    how = dict(classes=[0, 1, 2]) if isinstance(model, SGDClassifier) else {}
    fitted = clone(model).partial_fit(X, targets(model), **how)
    back = loaded(fitted)
    for one in (back, fitted):
        one.partial_fit(X[::-1], targets(model)[::-1])
    np.testing.assert_array_equal(back.coef_, fitted.coef_)


def test_skops_stores_results():
    fit = fastgd.sgd(X, Y, n_epochs=2)
    np.testing.assert_array_equal(loaded(fit).w_history, fit.w_history)
    sweep = fastgd.sweep(X, Y, learning_rates=[0.1, 0.2])
    assert repr(loaded(sweep)) == repr(sweep)
    diagnosis = fastgd.diagnose(X, Y)
    assert repr(loaded(diagnosis)) == repr(diagnosis)


def test_a_search_shows_estimators_that_are_values_of_a_parameter():
    search = GridSearchCV(
        BaggingRegressor(n_estimators=2, random_state=0),
        dict(estimator=[GDRegressor(), SGDRegressor(random_state=0)]),
        cv=2,
    ).fit(X, Y)
    shown = search.cv_results_["param_estimator"]
    assert [str(one) for one in shown] == ["GDRegressor()", "SGDRegressor(random_state=0)"]
    assert "Linear" not in str(shown)
    assert "GDRegressor()" in str(shown)


def test_no_public_object_looks_like_a_masked_array():
    fit = fastgd.gradient_descent(X, Y, n_epochs=1)
    source = fastgd.chunks(lambda: iter([(X, Y)]))
    objects = [fit, source, fastgd.diagnose(X, Y), fastgd.sweep(X, Y, learning_rates=[0.1])]
    objects += [clone(model).fit(X, targets(model)) for model in MODELS]
    objects += [getattr(fastgd, name) for name in fastgd.__all__]
    for one in objects:
        for name in ("_data", "_mask", "_fill_value"):
            assert not hasattr(one, name), f"{one!r} has {name}"

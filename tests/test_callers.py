"""Warnings name the line of the user's program, whatever stands between it and the library."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastgd
from fastgd import callers
from fastgd.estimators import (
    EstimatorConvergenceWarning,
    GDClassifier,
    GDRegressor,
    SGDClassifier,
    SGDRegressor,
)

X = np.random.default_rng(0).normal(size=(60, 3))
X[:, 1] += X[:, 0]
LABELS = np.arange(60) % 3
BIG = np.arange(60)[:, None] + 2**60 + 1


def only_warning(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    (one,) = found
    return one


def chain(*modules):
    """A call of the first module's function, which calls that of the next; the last one's warns."""
    call = functools.partial(callers.warn, "so", UserWarning)
    for module in reversed(modules):
        there = {"__name__": module, "call": call}
        exec(compile("def function():\n    call()\n", f"/lib/{module}.py", "exec"), there)
        call = there["function"]
    return call


def test_lines_of_the_packages_between_are_skipped():
    call = chain("joblib.parallel", "sklearn.base", "fastgd.estimators.linear", "sklearn.base", "fastgd")
    one = only_warning(call)
    assert (one.filename, one.category, str(one.message)) == (__file__, UserWarning, "so")


@pytest.mark.parametrize("module", ["fastgd_other.models", "sklearn_other", "__main__"])
def test_a_package_of_a_like_name_is_the_users(module):
    one = only_warning(chain("fastgd.x", module, "sklearn.base", "fastgd.y"))
    assert (one.filename, one.lineno) == (f"/lib/{module}.py", 2)


SHORT = dict(max_iter=2, tol=1e-12)
PLAIN = SHORT | dict(precondition=False)
MODELS = [
    GDRegressor(loss="huber", **PLAIN),
    GDClassifier(**PLAIN),
    SGDRegressor(**SHORT),
    SGDClassifier(**SHORT),
    make_pipeline(StandardScaler(), GDClassifier(**PLAIN)),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_fit_that_has_not_converged(model):
    one = only_warning(lambda: model.fit(X, LABELS))
    assert (one.filename, one.category) == (__file__, EstimatorConvergenceWarning)


@pytest.mark.parametrize("model", MODELS[:4], ids=lambda model: type(model).__name__)
def test_numbers_that_floats_round_in_a_fit_and_in_predictions(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(BIG, LABELS)
    for call in (model.predict, lambda rows: model.score(rows, LABELS)):
        one = only_warning(lambda call=call: call(BIG))
        assert (one.filename, "2**53" in str(one.message)) == (__file__, True)
    one = only_warning(lambda: GDRegressor(tol=None, max_iter=1).fit(BIG, LABELS))
    assert (one.filename, "2**53" in str(one.message)) == (__file__, True)


def test_fits_that_scikit_learn_makes():
    one = only_warning(
        lambda: cross_val_score(GDClassifier(**PLAIN), X[:8], LABELS[:8] > 0, cv=[([0, 1, 2], [3, 4])])
    )
    assert (one.filename, one.category) == (__file__, EstimatorConvergenceWarning)


def test_a_run_that_diverges():
    one = only_warning(
        lambda: fastgd.gradient_descent(X, LABELS, learning_rate=1e3, n_epochs=400, on_divergence="warn")
    )
    assert (one.filename, one.category) == (__file__, RuntimeWarning)

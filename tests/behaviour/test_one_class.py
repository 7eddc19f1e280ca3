"""log_loss of one class alone: the functions warn where its cost has no minimum."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastgd
from fastgd.estimators import SGDClassifier

X = np.random.default_rng(0).normal(size=(40, 2))
SAYS = "^every y is {}: log_loss of one class alone has no minimum, .* pass rows of both classes$"
each_call = pytest.mark.parametrize(
    "call",
    [
        lambda *data, **how: fastgd.gradient_descent(*data, loss="log_loss", n_epochs=2, **how),
        lambda *data, **how: fastgd.sgd(*data, loss="log_loss", n_epochs=2, **how),
        lambda *data, **how: fastgd.sweep(*data, loss="log_loss", learning_rates=[0.1], n_epochs=2, **how),
    ],
    ids=["gradient_descent", "sgd", "sweep"],
)


@each_call
@pytest.mark.parametrize("only", [0, 1])
@pytest.mark.parametrize("how", [{}, {"fit_intercept": True}, {"fit_intercept": True, "l2": 0.1}], ids=str)
def test_one_class_without_a_minimum_is_warned_of(call, only, how):
    y = np.full(40, only)
    for data in ((X, y), (X.tolist(), y.tolist()), (fastgd.chunks(lambda: iter([(X, y)])),)):
        with pytest.warns(fastgd.ConvergenceWarning, match=SAYS.format(only)) as caught:
            call(*data, **how)
        assert len(caught) == 1
        assert caught[0].filename == __file__


@each_call
@pytest.mark.parametrize("how", [{"l2": 0.1}, {"l1": 0.1}], ids=str)
def test_a_penalty_gives_one_class_a_minimum(call, how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(X, np.ones(40), **how) is not None


@each_call
def test_two_classes_are_not_warned_of(call):
    y = np.zeros(40)
    y[-1] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(X, y, fit_intercept=True) is not None
        assert call(fastgd.chunks(lambda: iter([(X, y)])), fit_intercept=True) is not None


def test_a_part_of_the_data_may_be_of_one_class():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = SGDClassifier(random_state=0).partial_fit(X, np.zeros(40), classes=[0, 1])
        assert model.partial_fit(X, np.ones(40)).classes_.tolist() == [0, 1]

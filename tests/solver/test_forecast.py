"""The forecast of a run that ran out of epochs: its formula, and how it holds on real runs."""

from __future__ import annotations

import math
import re
import warnings

import numpy as np
import pytest

import fastgd
from fastgd.solver.forecast import epochs_needed, ran_out
from fastgd.wording import PYTHON
from tests.conftest import JIT_IS_OFF
from tests.problems import problem


@pytest.mark.parametrize("ratio", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("length", [2, 3, 10, 101])
def test_values_that_fall_evenly_are_forecast_exactly(ratio, length):
    values = 3.0 * ratio ** np.arange(length)
    target = 1e-6 * values[-1]
    needed = epochs_needed(values, target)
    assert values[-1] * ratio**needed <= target * (1 + 1e-9)
    assert values[-1] * ratio ** (needed - 1) > target * (1 - 1e-9)


def test_the_pace_is_that_of_the_last_half():
    values = np.concatenate([0.1 ** np.arange(50), 0.1**49 * 0.5 ** np.arange(1, 51)])
    target = values[-1] * 0.5**8
    assert epochs_needed(values, target) in (8, 9)


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        ([], 0.1, math.inf),
        ([0.5], 0.1, math.inf),
        ([0.05], 0.1, 0),
        ([1.0, 1.0, 1.0], 0.1, math.inf),
        ([1.0, 2.0, 3.0], 0.1, math.inf),
        ([1.0, 0.5], 0.0, math.inf),
        ([1.0, 0.5, 0.0], 0.0, 0),
        ([1.0, math.nan], 0.1, math.inf),
    ],
)
def test_values_that_tell_nothing(values, target, expected):
    assert epochs_needed(np.array(values), target) == expected


def test_sentences():
    values = 4.0 * 0.5 ** np.arange(10)
    sentence = ran_out(PYTHON, 10, values, 1e-6, 5, False)
    assert sentence.startswith("n_epochs=10 ran out: the gradient's norm, as a part of the first, is 0.002")
    assert sentence.endswith("tol is 1e-06; at this pace it takes about 11 more epochs")
    assert "the relative fall of the cost is 0.0078" in ran_out(PYTHON, 10, values, 1e-6, 5, True)
    assert ran_out(PYTHON, 3, np.ones(3), 1e-6, 5, False).endswith(
        "it was not falling: try another learning_rate, standardize=True or nesterov=True"
    )
    assert ran_out(PYTHON, 3, values, 0.0, 5, False).endswith("w was still moving")
    assert ran_out(PYTHON, 3, np.empty(0), 0.1, 5, False).startswith(
        "n_epochs=3 ran out: the gradient's norm"
    )
    assert "about 1,000,0" in ran_out(
        PYTHON, 10, 0.99999 ** np.arange(1000.0), 0.99 * np.exp(-10.0), 5, False
    )
    assert ran_out(PYTHON, 1, np.array([0.6]), 1e-6, 5, True).endswith(
        "is 0.6 and tol is 1e-06; that is too few epochs to tell how many it takes"
    )
    assert ran_out(PYTHON, 9, values, 0.1, 3, False).endswith("but not yet for 3 epochs in a row")


@pytest.mark.parametrize("method", ["summary", "stream"])
@pytest.mark.parametrize("how", [{}, dict(fit_intercept=True), dict(momentum=0.3), dict(l2=0.002)], ids=str)
@pytest.mark.parametrize("given", [60, 150])
def test_the_forecast_holds_on_a_quadratic(rng, method, how, given):
    X, y = problem(rng, 50, 3)
    X = (X - X.mean(axis=0)) * [1.0, 0.5, 0.15]
    how = how | dict(tol=1e-7, patience=1, method=method)
    with pytest.warns(fastgd.ConvergenceWarning, match=r"takes about [\d,]+ more epochs$") as caught:
        fit = fastgd.gradient_descent(X, y, n_epochs=given, **how)
    assert not fit.converged
    assert caught[0].filename == __file__
    more = int(re.search(r"about ([\d,]+) more", str(caught[0].message))[1].replace(",", ""))
    really = fastgd.gradient_descent(X, y, n_epochs=20_000, **how)
    assert really.converged
    assert 0.5 <= more / (really.n_epochs - given) <= 2.0


@pytest.mark.parametrize("loss", ["huber", "log_loss"])
def test_the_forecast_holds_on_other_losses(rng, loss):
    X, y = problem(rng, 40, 2, loss)
    how = dict(loss=loss, l2=0.01, tol=1e-6, patience=1, fit_intercept=True)
    with pytest.warns(fastgd.ConvergenceWarning, match="more epochs") as caught:
        fastgd.gradient_descent(X, y, n_epochs=30, **how)
    more = int(re.search(r"about ([\d,]+) more", str(caught[0].message))[1].replace(",", ""))
    really = fastgd.gradient_descent(X, y, n_epochs=2000, **how)
    assert 0.5 <= more / (really.n_epochs - 30) <= 2.0


def test_the_forecast_of_sgd_is_about_its_cost(rng):
    X, y = problem(rng, 30 if JIT_IS_OFF else 200, 2)
    how = dict(learning_rate=2e-4, tol=1e-5, patience=1)
    message = r"the relative fall of the cost is .* more epochs"
    with pytest.warns(fastgd.ConvergenceWarning, match=message) as caught:
        fastgd.sgd(X, y, n_epochs=60, **how)
    more = int(re.search(r"about ([\d,]+) more", str(caught[0].message))[1].replace(",", ""))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        really = fastgd.sgd(X, y, n_epochs=20_000, **how)
    assert 0.4 <= more / (really.n_epochs - 60) <= 2.5

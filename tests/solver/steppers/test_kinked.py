"""The steps of descent on costs with kinks, and how it ends."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.solver import kinks
from fastgd.solver.kink_models import Minimum
from fastgd.solver.steppers import kinked as stepper
from tests.problems import kinked


@pytest.mark.parametrize("rate", [0.3, 2.5, 100.0])
def test_a_step_that_is_too_long_is_undone(rng, rate):
    X, y = kinked(rng, "quantile", 300)
    how = dict(loss="quantile", fit_intercept=True, precondition=True, tol="auto", n_epochs=300)
    best = fastgd.gradient_descent(X, y, **how)
    start = np.full(4, 3.0)
    fit = fastgd.gradient_descent(X, y, w0=start, learning_rate=rate, **how)
    assert (np.diff(fit.cost_history) <= 0.0).all()
    assert fit.cost_history[-1] == pytest.approx(best.cost_history[-1], rel=1e-9)


def test_a_run_that_ends_early_says_how_far_the_cost_may_be_above_its_minimum(rng):
    X, y = kinked(rng, "quantile", 400)
    how = dict(loss="quantile", fit_intercept=True, precondition=True, tol="auto", learning_rate=0.1)
    with pytest.warns(fastgd.ConvergenceWarning, match="what the cost may lie above its minimum") as told:
        fit = fastgd.gradient_descent(X, y, w0=np.full(4, 5.0), n_epochs=2, **how)
    assert not fit.converged
    assert "n_epochs=2 ran out" in str(told[0].message)
    done = fastgd.gradient_descent(X, y, **how | dict(learning_rate="auto"))
    assert "the cost is above its minimum by less than 1e-12 of the cost at the start" in done.status


def test_a_run_whose_steps_lower_no_cost_ends_without_convergence(rng, monkeypatch):
    """A minimum that is none: the point itself, with a bound far below."""
    monkeypatch.setattr(kinks, "minimum", lambda cost, theta, width, enough: None)
    monkeypatch.setattr(stepper, "minimum", lambda cost, theta, width, enough: Minimum(theta, 0.0))
    X, y = kinked(rng, "quantile", 12)
    how = dict(loss="quantile", fit_intercept=True, precondition=True, tol="auto", n_epochs=50)
    with pytest.warns(
        fastgd.ConvergenceWarning, match="rounding keeps the cost from falling.*above its mini"
    ):
        fit = fastgd.gradient_descent(X, y, **how)
    assert not fit.converged
    assert fit.n_epochs <= 2  # rounding may leave a row out of the first model
    assert fit.status.startswith("stopped after")


def test_epochs_after_the_end_of_the_search_read_nothing():
    """Without tol all epochs are run. At exact data no step lowers a cost of rounding errors."""
    X, y, _ = fastgd.make_linear(3000, 3, noise=0.0, seed=1)
    few, many = (
        fastgd.gradient_descent(X, y, loss="quantile", precondition=True, n_epochs=n_epochs)
        for n_epochs in (10, 200)
    )
    assert (few.n_epochs, many.n_epochs) == (10, 200)
    assert many.n_passes == few.n_passes
    np.testing.assert_array_equal(many.w, few.w)
    np.testing.assert_array_equal(many.cost_history[10:], few.cost_history[-1])

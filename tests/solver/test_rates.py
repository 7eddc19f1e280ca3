"""Learning rates: given numbers, functions of the epoch, and automatic rates."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.conftest import JIT_IS_OFF
from tests.problems import problem
from tests.problems import problem as data


@pytest.mark.skipif(JIT_IS_OFF, reason="thirty reads of many numbers")
def test_automatic_rates_of_many_columns_are_estimates(rng):
    X, y = data(rng, 60, 1100)
    s = rng.random(60)
    largest = np.linalg.eigvalsh(2 * (X.T * s) @ X / s.sum())[-1]
    fit = fastgd.gradient_descent(X, y, sample_weight=s, n_epochs=2, method="stream", l1=1e-3)
    assert fit.learning_rates[0] == pytest.approx(1 / largest, rel=2e-3)
    assert fit.cost_history[-1] < fit.cost_history[0]
    assert fit.n_passes <= 3 + 31


def test_automatic_rates_know_the_weights(rng):
    X, y = problem(rng, 40, 2)
    times = rng.integers(0, 4, 40)
    repeated = np.repeat(X, times, axis=0), np.repeat(y, times)
    for how in (dict(), dict(loss="huber"), dict(fit_intercept=True, l2=0.1), dict(loss="quantile")):
        rates = fastgd.gradient_descent(X, y, sample_weight=times, n_epochs=4, **how).learning_rates
        expected = fastgd.gradient_descent(*repeated, n_epochs=4, **how).learning_rates
        np.testing.assert_allclose(rates, expected, rtol=1e-11)

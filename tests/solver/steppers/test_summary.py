"""Epochs on statistics and by maps, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.solver.objective import UpdateRule
from fastgd.solver.orders import Order
from fastgd.solver.steppers.base import Until, new_state
from fastgd.solver.steppers.summary import MapSgd, SummaryDescent
from fastgd.solver.summaries import Summaries
from tests.solver.steppers.rows import X, Y, batch_of, cost, epoch_of_sgd, gradient, problem_of

START = np.array([0.5, -0.25])
RATES = np.array([0.05, 0.02, 0.05])


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_descent_on_statistics(momentum, l2):
    """Points are w − w_ref."""
    rule = UpdateRule(momentum=momentum)
    problem = problem_of(rule, l2=l2)
    w_ref = problem.penalised.w_ref
    stepper, batch = SummaryDescent(problem, rule, Until()), batch_of(3)
    state, first_cost = stepper.start(new_state(START - w_ref), True)
    assert first_cost == pytest.approx(cost(START) + 0.5 * l2 * START @ START, rel=1e-12)
    state, done = stepper.advance(state, RATES, batch, False)
    assert done == 3
    w, before = START, START
    for k, rate in enumerate(RATES):
        w, before = w - rate * (gradient(w) + l2 * w) + momentum * (w - before), w
        assert batch.costs[k] == pytest.approx(cost(w) + 0.5 * l2 * w @ w, rel=1e-11)
    np.testing.assert_allclose(w_ref + state.point, w, rtol=1e-12)
    assert problem.n_passes == 1


@pytest.mark.parametrize("rates", [RATES, RATES[::-1].copy()])
def test_sgd_by_maps(rates):
    summaries = Summaries(ArrayRows(X, Y), np.zeros(2), "numba", 1)
    distinct = np.unique(rates)
    all_rates = np.unique([*distinct, 0.01, 0.03])
    stepper = MapSgd(ArrayRows(X, Y), summaries, all_rates, distinct, Order(False, 0), True)
    state, first_cost = stepper.start(new_state(START), True)
    assert first_cost == pytest.approx(cost(START), rel=1e-12)
    batch = batch_of(3)
    state, done = stepper.advance(state, rates, batch, False)
    assert (done, state.epoch) == (3, 3)
    w = START
    for k, rate in enumerate(rates):
        w = epoch_of_sgd(w, rate)
        np.testing.assert_allclose(batch.weights[k], w, rtol=1e-11)
        assert batch.costs[k] == pytest.approx(cost(w), rel=1e-11)
        assert batch.losses[k] == pytest.approx((X[-1] @ w - Y[-1]) ** 2, rel=1e-10)
    assert (state.passes, summaries.n_passes) == (0, 1)

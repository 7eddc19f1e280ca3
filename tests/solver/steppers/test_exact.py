"""The textbook's loops on one block, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.solver.orders import Order
from fastgd.solver.steppers.base import new_state
from fastgd.solver.steppers.exact import BlockDescent, BlockSgd
from tests.solver.steppers.rows import X, Y, batch_of, cost, epoch_of_sgd, gradient

RATES = np.array([0.05, 0.02])
START = np.array([0.5, -0.25])


def test_descent_of_two_epochs():
    stepper, batch = BlockDescent(ArrayRows(X, Y)), batch_of(2)
    state, first_cost = stepper.start(new_state(START), True)
    assert first_cost == pytest.approx(cost(START), rel=1e-15)
    state, done = stepper.advance(state, RATES, batch, False)
    assert done == 2
    first = START - RATES[0] * gradient(START)
    second = first - RATES[1] * gradient(first)
    np.testing.assert_allclose(batch.weights, [first, second], rtol=1e-14)
    np.testing.assert_allclose(batch.costs, [cost(first), cost(second)], rtol=1e-14)
    assert state.point.tolist() == batch.weights[1].tolist()
    assert state.before.tolist() == batch.weights[0].tolist()
    np.testing.assert_allclose(state.gradient, gradient(second), rtol=1e-13)
    assert state.passes == 3


@pytest.mark.parametrize("shuffle", [False, True])
def test_sgd_of_two_epochs(shuffle):
    order = Order(shuffle, 3)
    stepper, batch = BlockSgd(ArrayRows(X, Y), order), batch_of(2)
    state, first_cost = stepper.start(new_state(START, epoch=5), False)
    assert first_cost is None
    w = START
    for k in range(2):
        rows = order.rows(5 + k, 3) if shuffle else np.arange(3)
        state, done = stepper.advance(state, RATES[k : k + 1], batch.part(k, k + 1), False)
        assert (done, state.epoch) == (1, 6 + k)
        for row in rows:
            w = w - RATES[k] * 2 * X[row] * (X[row] @ w - Y[row])
        np.testing.assert_allclose(state.point, w, rtol=1e-13)
        assert batch.costs[k] == pytest.approx(cost(w), rel=1e-13)
        assert batch.losses[k] == pytest.approx((X[rows[-1]] @ w - Y[rows[-1]]) ** 2, rel=1e-12)


def test_an_epoch_that_overflows_is_undone():
    stepper = BlockDescent(ArrayRows(X, Y))
    state, _ = stepper.start(new_state(START), True)
    state, done = stepper.advance(state, np.array([0.05, 1e300, 0.05]), batch_of(3), False)
    assert done == 1
    np.testing.assert_allclose(state.point, START - 0.05 * gradient(START), rtol=1e-14)
    by_sample = BlockSgd(ArrayRows(X, Y), Order(False, 0))
    state, done = by_sample.advance(new_state(START), np.array([0.05, 1e300]), batch_of(2), False)
    assert done == 1
    np.testing.assert_allclose(state.point, epoch_of_sgd(START, 0.05), rtol=1e-14)

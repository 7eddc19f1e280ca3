"""Epochs by a pass each, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.solver.objective import UpdateRule
from fastgd.solver.orders import Order
from fastgd.solver.steppers.base import Until, new_state
from fastgd.solver.steppers.streaming import StreamingDescent, StreamingSgd, in_order_steps
from tests.problems import linear_problem
from tests.solver.steppers.rows import batch_of, cost, epoch_of_sgd, gradient, problem_of

START = np.array([0.5, -0.25])


@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_descent_of_three_epochs(l2, momentum):
    rule = UpdateRule(momentum=momentum)
    stepper = StreamingDescent(problem_of(rule, l2=l2), rule, Until(), 1)
    state, first_cost = stepper.start(new_state(START), True)
    assert first_cost == pytest.approx(cost(START) + 0.5 * l2 * START @ START, rel=1e-14)
    w, before = START, START
    for _ in range(3):
        batch = batch_of(1)
        state, done = stepper.advance(state, np.array([0.05]), batch, False)
        assert done == 1
        w, before = w - 0.05 * (gradient(w) + l2 * w) + momentum * (w - before), w
        np.testing.assert_allclose(batch.weights[0], w, rtol=1e-12)
        assert batch.costs[0] == pytest.approx(cost(w) + 0.5 * l2 * w @ w, rel=1e-12)
    assert state.passes == 4


@pytest.mark.parametrize("n_samples", [0, 3])
def test_sgd_of_two_epochs(n_samples):
    """Several steps together, and one by one where their gradients are recorded."""
    rule = UpdateRule()
    stepper, state = StreamingSgd(problem_of(rule), rule, Order(False, 0), 1), new_state(START)
    w = START
    for passes in (2, 4):
        batch = batch_of(1, n_samples=n_samples)
        state, done = stepper.advance(state, np.array([0.05]), batch, False)
        assert done == 1
        before, w = w, epoch_of_sgd(w, 0.05)
        np.testing.assert_allclose(state.point, w, rtol=1e-13)
        np.testing.assert_allclose(state.epoch_start, before, rtol=1e-13)
        assert batch.costs[0] == pytest.approx(cost(w), rel=1e-12)
        assert state.passes == passes
    if n_samples:
        np.testing.assert_allclose(before - 0.05 * batch.gradients[0].sum(axis=0), w, rtol=1e-12)


def test_an_epoch_that_overflows_is_undone():
    rule = UpdateRule()
    descent = StreamingDescent(problem_of(rule), rule, Until(), 1)
    by_sample = StreamingSgd(problem_of(rule), rule, Order(False, 0), 1)
    for stepper in (descent, by_sample):
        state, _ = stepper.start(new_state(START), True)
        state, done = stepper.advance(state, np.array([1e300]), batch_of(1), False)
        assert done == 0
        assert state.point.tolist() == START.tolist()


@pytest.mark.parametrize("d", [1, 2, 7, 8, 20])
def test_steps_in_order_of_any_width(rng, d):
    X, y, w = linear_problem(rng, 23, d)
    expected = w.copy()
    for x, target in zip(X, y, strict=True):
        expected = expected - 0.02 / d * 2 * x * (x @ expected - target)
    in_order_steps(d)(X, y, w, 0.02 / d)
    np.testing.assert_allclose(w, expected, rtol=1e-11, atol=1e-13)

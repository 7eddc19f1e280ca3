"""The loops in pure Python against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.solver.objective import UpdateRule
from fastgd.solver.orders import Order
from fastgd.solver.steppers.base import Until, new_state
from fastgd.solver.steppers.plain import PlainDescent, PlainSgd
from tests.solver.steppers.rows import X, Y, batch_of, cost, epoch_of_sgd, gradient, problem_of

START = np.array([0.5, -0.25])


def test_momentum_and_the_norm_of_the_gradient():
    rule = UpdateRule(momentum=0.5)
    problem = problem_of(rule, backend="python")
    stepper = PlainDescent(problem, rule, Until())
    state, first_cost = stepper.start(new_state(START), True)
    assert first_cost == pytest.approx(cost(START), rel=1e-15)
    w, before = START, START
    for _ in range(3):
        batch = batch_of(1)
        state, done = stepper.advance(state, np.array([0.05]), batch, False)
        assert done == 1
        norm = np.linalg.norm(gradient(w))
        w, before = w - 0.05 * gradient(w) + 0.5 * (w - before), w
        np.testing.assert_allclose(batch.weights[0], w, rtol=1e-13)
        assert batch.norms[0] == pytest.approx(norm, rel=1e-12)
        assert batch.costs[0] == pytest.approx(cost(w), rel=1e-13)
    np.testing.assert_allclose(state.before, before, rtol=1e-13)


def test_l1_sets_a_weight_to_zero():
    rule = UpdateRule()
    problem = problem_of(rule, l1=100.0, backend="python")
    stepper, batch = PlainDescent(problem, rule, Until()), batch_of(1)
    state, done = stepper.advance(new_state(np.array([0.1, -0.1])), np.array([0.01]), batch, False)
    assert done == 1
    assert state.point.tolist() == [0.0, 0.0]
    assert batch.weights[0].tolist() == [0.0, 0.0]
    assert batch.costs[0] == cost(np.zeros(2))


def test_a_gradient_below_tol_of_the_first_has_converged():
    rule, start = UpdateRule(), np.linalg.lstsq(X, Y)[0] + np.array([1.0, 0.0])
    problem = problem_of(rule, backend="python")
    stepper, state = PlainDescent(problem, rule, Until(0.5, patience=2)), new_state(start)
    ended = []
    for _ in range(30):
        state, _ = stepper.advance(state, np.array([0.1]), batch_of(1), False)
        ended.append(state.has_converged)
    quiet = [np.linalg.norm(gradient(start))]
    w = start
    for _ in range(29):
        w = w - 0.1 * gradient(w)
        quiet.append(np.linalg.norm(gradient(w)))
    is_quiet = np.array(quiet) <= 0.5 * quiet[0]
    assert ended.index(True) == int(np.argmax(is_quiet[1:] & is_quiet[:-1])) + 1


def test_an_epoch_of_sgd_its_average_and_its_gradients():
    rule = UpdateRule(average=True)
    problem = problem_of(rule, backend="python")
    stepper = PlainSgd(problem, rule, Order(False, 0))
    state, batch = new_state(START, 0), batch_of(1, n_samples=3)
    assert state.result_point() is state.point
    state, done = stepper.advance(state, np.array([0.05]), batch, False)
    assert (done, state.epoch) == (1, 1)
    w, iterates = START, []
    for x, y in zip(X, Y, strict=True):
        w = w - 0.05 * 2 * x * (x @ w - y)
        iterates.append(w)
    np.testing.assert_allclose(state.point, epoch_of_sgd(START, 0.05), rtol=1e-14)
    np.testing.assert_allclose(state.result_point(), np.mean(iterates, axis=0), rtol=1e-13)
    steps = np.diff([START, *iterates], axis=0) / -0.05
    np.testing.assert_allclose(batch.gradients[0], steps, rtol=1e-12)


def test_an_epoch_that_overflows_is_undone():
    rule = UpdateRule()
    problem = problem_of(rule, backend="python")
    descent = PlainDescent(problem, rule, Until())
    by_sample = PlainSgd(problem, rule, Order(False, 0))
    for stepper in (descent, by_sample):
        state, done = stepper.advance(new_state(START), np.array([1e300]), batch_of(1), False)
        assert done == 0
        assert state.point.tolist() == START.tolist()

"""Steps in the metric of a smooth cost: halvings, a metric made anew, and the ends of a run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd.solver.metric import FEW_TRIED, ROUNDING, Point
from fastgd.solver.steppers.base import Until, new_state
from fastgd.solver.steppers.metric import MetricDescent
from tests.solver.steppers.rows import batch_of


class Bowl:
    """½ Σ curvature θ² + Σ θ⁴/4 · bend, with a metric that counts how often it is made."""

    def __init__(self, curvature, bend=0.0, offset=0.0):
        self.curvature, self.bend, self.offset = np.array(curvature), bend, offset
        self.made = 0

    def __call__(self, theta):
        cost = 0.5 * np.sum(self.curvature * theta**2) + 0.25 * self.bend * np.sum(theta**4) + self.offset
        return Point(theta, float(cost), self.curvature * theta + self.bend * theta**3)

    def metric(self, theta, chord=0.0):
        self.made += 1
        return np.diag(1.0 / (self.curvature + 3.0 * self.bend * theta**2)), len(theta)


def begun(cost, theta, metric, tol=-1.0, patience=1, first=1.0):
    stepper = MetricDescent(cost, Until(tol, patience))
    state = new_state(np.array(theta))
    momentum = state.momentum.copy()
    momentum[2] = first
    state = state._replace(
        metric=np.array(metric), momentum=momentum, first_gradient=np.full(len(theta), 1e9)
    )
    return stepper, stepper.start(state, True)[0]


def advanced(stepper, state, rate=1.0, allow_divergence=False):
    batch = batch_of(1)
    changed, done = stepper.advance(state, np.array([rate]), batch, allow_divergence)
    return changed, done, batch


def test_a_step_in_the_right_metric_ends_at_the_optimum():
    stepper, state = begun(Bowl([2.0, 50.0]), [1.0, -3.0], np.diag([0.5, 0.02]))
    half, done, batch = advanced(stepper, state, 0.5)
    assert done == 1
    assert half.point == pytest.approx([0.5, -1.5])
    assert batch.costs[0] == half.cost == pytest.approx(0.25 * state.cost)
    assert batch.norms[0] == pytest.approx(math.sqrt(2.0 * half.cost))
    end, _, _ = advanced(stepper, half)
    assert end.point == pytest.approx([0.0, 0.0], abs=1e-15)
    assert end.passes == 3
    assert state.point.tolist() == [1.0, -3.0]  # an old state is as it was


def test_a_step_that_does_not_lower_the_cost_is_halved():
    bowl = Bowl([1.0])
    stepper, state = begun(bowl, [1.0], [[8.0]])  # eight times too long
    new, _, _ = advanced(stepper, state)
    assert new.point.tolist() == [0.0]  # 1 − 1: a step of 2 ends on the other side at the same cost
    assert new.passes == state.passes + 4  # steps of 8, 4, 2 and 1
    assert bowl.made == 0
    np.testing.assert_allclose(new.metric, [[1.0]])  # the change of the gradient tells the curvature


def test_a_metric_that_is_far_off_is_made_anew_before_many_steps_are_tried():
    bowl = Bowl([1.0])
    stepper, state = begun(bowl, [1.0], [[1000.0]])
    new, _, _ = advanced(stepper, state)
    assert new.point.tolist() == [0.0]
    assert bowl.made == 1
    assert new.passes == state.passes + FEW_TRIED + 2


def test_a_run_that_no_step_moves_has_converged_only_near_the_optimum():
    class Noise(Bowl):
        """A cost that never falls."""

        def __call__(self, theta):
            self.offset += 1e-3
            return super().__call__(theta)

    for size, is_near in ((1e-3, True), (1.0, False)):  # the long step lowers it in spite of the noise
        new, done, _ = advanced(*begun(Noise([1.0], offset=1.0), [size], [[1.0]], tol=0.0))
        assert done == 1
        assert new.point.tolist() == ([size] if is_near else [0.0])
        assert new.has_converged


def test_slow_progress_makes_the_metric_anew():
    bowl = Bowl([1.0, 1.0])
    stepper, state = begun(bowl, [1.0, 1.0], np.diag([0.01, 0.02]))
    new, _, _ = advanced(stepper, state)
    assert bowl.made == 1
    assert new.passes == state.passes + 2
    np.testing.assert_allclose(new.metric, np.eye(2))
    quick, _, _ = advanced(stepper, new, 0.2)  # leaves 0.8 of the gradient, as its rate should
    assert bowl.made == 1
    assert quick.point == pytest.approx(0.8 * new.point)


def test_the_run_has_converged_below_tol_of_the_first_norm():
    stepper, state = begun(Bowl([1.0]), [1.0], [[1.0]], tol=0.01)
    for rate, is_done in ((0.5, False), (0.99, True)):
        state, _, _ = advanced(stepper, state, rate)
        assert state.has_converged == is_done
    assert state.momentum[1] == 1.0


def test_the_first_norm_is_the_least_in_any_metric():
    stepper, state = begun(Bowl([1.0]), [1.0], [[0.01]])
    state = state._replace(first_gradient=np.array([0.5]))
    assert advanced(stepper, state)[0].momentum[2] == 0.5  # the metric made anew is 1
    state = state._replace(first_gradient=np.array([2.0]))
    assert advanced(stepper, state)[0].momentum[2] == 1.0


def test_the_run_has_converged_where_rounding_keeps_the_gradient():
    """A cost of 1 hides changes below 1e-16."""
    size = math.sqrt(0.1 * ROUNDING)
    stepper, state = begun(Bowl([1.0], offset=1.0), [size], [[0.1]], tol=0.0)
    new, _, _ = advanced(stepper, state)
    assert new.has_converged
    assert new.passes == state.passes + 1
    assert not advanced(*begun(Bowl([1.0], offset=1.0), [size], [[0.1]]))[0].has_converged  # without a tol


def test_steps_that_overflow_leave_the_point_as_it_is():
    class Cliff(Bowl):
        def __call__(self, theta):
            return Point(theta, math.inf, np.full(len(theta), np.nan))

    stepper, state = begun(Bowl([1.0]), [1.0], [[1.0]], tol=1e-6)
    stepper._cost = Cliff([1.0])
    new, done, batch = advanced(stepper, state)
    assert done == 1
    assert new.point.tolist() == [1.0]
    assert batch.costs[0] == state.cost
    assert new.passes > state.passes
    assert not new.has_converged


def test_a_bend_is_followed():
    stepper, state = begun(Bowl([1e-6, 1.0], bend=1.0), [2.0, -1.0], np.eye(2), tol=1e-12, first=1.0)
    costs = [state.cost]
    while not state.has_converged and len(costs) < 60:
        state, _, _ = advanced(stepper, state)
        costs.append(state.cost)
    assert state.has_converged
    assert costs[-1] < 1e-20
    assert sorted(costs, reverse=True) == costs

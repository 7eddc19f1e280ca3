"""The state of a run: which run continues it, and its point in another scaling."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.estimators import SGDRegressor
from fastgd.solver.scaling import Scaling
from fastgd.solver.state import resumed, resumed_point
from tests.problems import problem

STATE = dict(learning_rate=0.05, n_epochs=3, momentum=0.5, fit_intercept=True, on_divergence="ignore")


@pytest.fixture
def state(rng):
    return fastgd.gradient_descent(*problem(rng, 20, 2), **STATE)._state


def test_a_point_in_the_same_scaling_is_kept(state):
    assert resumed(state, state.scaling) is state.carried
    other, start = Scaling(np.ones(2), np.ones(2), True), np.zeros(3)
    assert resumed(state, other) is None
    assert resumed_point(state, other, start) is start
    assert resumed_point(None, other, start) is start
    assert resumed_point(state, state.scaling, start).tolist() == state.carried.point.tolist()


def test_parts_move_the_point_to_a_new_scaling(rng):
    """The model stays as it is."""
    X, y = problem(rng, 30, 2)
    state = SGDRegressor(random_state=0, average=True).partial_fit(X, y).result_._state
    to = Scaling(np.array([5.0, -1.0]), np.array([0.1, 3.0]), True)
    memory = resumed(state, to)
    for name in ("point", "average"):
        w, intercept = to.model(getattr(memory, name))
        expected = state.scaling.model(getattr(state.carried, name))
        np.testing.assert_allclose(w, expected[0], rtol=1e-12)
        assert float(intercept) == pytest.approx(float(expected[1]), rel=1e-12)
    assert memory.counts.tolist() == state.carried.counts.tolist()


@pytest.mark.parametrize(
    ("change", "moved"),
    [(dict(momentum=0.6), 0.0), (dict(l2=0.1), 0.0), (dict(loss="huber"), 0.0), ({}, 1.0)],
)
def test_only_the_same_run_goes_on_with_its_momentum(rng, change, moved):
    X, y = problem(rng, 20, 2)
    how = STATE | dict(fit_intercept=False)
    first = fastgd.gradient_descent(X, y, **how)
    again, fresh = (fastgd.gradient_descent(X, y, w0=w0, **how) for w0 in (first, first.w))
    assert again.w.tolist() == fastgd.gradient_descent(X, y, **how | dict(n_epochs=6)).w.tolist()
    assert again.w.tolist() != fresh.w.tolist()
    again, fresh = (fastgd.gradient_descent(X + moved, y, w0=w0, **how | change) for w0 in (first, first.w))
    assert again.w.tolist() == fresh.w.tolist()

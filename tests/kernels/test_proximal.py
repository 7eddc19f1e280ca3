"""The step rule of full-batch descent: against its formula, and on the statistics of small problems."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd import reference
from fastgd.kernels import proximal

T, QUIET, FIRST, LAST = proximal.T, proximal.QUIET, proximal.FIRST, proximal.LAST


def fresh():
    return np.array([1.0, 0.0, -1.0, np.inf])


def stepped(
    v, before, p, gradient, *, rate=0.1, mu=0.0, nesterov=False, l1=None, ref=None, state=None, **until
):
    d = len(v)
    v, before, state = v.copy(), before.copy(), fresh() if state is None else state
    done = proximal.step(
        v, before, p, gradient, gradient, gradient, rate, mu, nesterov, np.zeros(d) if l1 is None else l1,
        np.zeros(d) if ref is None else ref, state, until.get("tol", -1.0), until.get("floor", 0.0),
        until.get("units", np.ones(d)), until.get("patience", 1),
    )  # fmt: skip
    return v, before, state, done


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_step_is_the_formula_about_any_reference(rng, nesterov):
    theta, before, gradient, ref = rng.normal(size=(4, 5))
    l1 = np.array([0.0, 0.5, 3.0, 0.0, 30.0])
    p = theta if not nesterov else theta + 0.7 * (theta - before)
    v, old, _, done = stepped(
        theta - ref, before - ref, p - ref, gradient, mu=0.7, nesterov=nesterov, l1=l1, ref=ref
    )
    push = np.zeros(5) if nesterov else 0.7 * (theta - before)
    expected = reference.proximal_step(p.tolist(), gradient.tolist(), push.tolist(), 0.1, l1.tolist())
    np.testing.assert_allclose(ref + v, expected, atol=1e-15)
    assert v[4] == -ref[4]  # exactly 0
    np.testing.assert_array_equal(old, theta - ref)
    assert not done


def test_the_norm_is_that_of_the_gradient_or_of_its_mapping(rng):
    v, gradient = rng.normal(size=(2, 4))
    _, _, state, _ = stepped(v, v, v, gradient)
    assert state[LAST] == state[FIRST] == pytest.approx(np.linalg.norm(gradient), rel=1e-14)
    l1 = np.full(4, 0.5)
    new, _, state, _ = stepped(v, v, v, gradient, l1=l1)
    assert state[LAST] == pytest.approx(np.linalg.norm((v - new) / 0.1), rel=1e-12)
    heavy, _, state, _ = stepped(v, v - 1.0, v, gradient, mu=0.5)
    assert state[LAST] == pytest.approx(np.linalg.norm(gradient), rel=1e-14)
    assert np.linalg.norm((v - heavy) / 0.1) != pytest.approx(state[LAST], rel=1e-3)


def test_momentum_starts_anew_where_a_step_goes_against_the_way_it_came():
    v, before = np.array([1.0]), np.array([0.0])
    p = np.array([1.5])
    state = np.array([4.0, 0.0, 1.0, 1.0])
    assert stepped(v, before, p, np.array([1.0]), nesterov=True, state=state.copy())[2][T] == 1.0
    onward = stepped(v, before, p, np.array([-1.0]), nesterov=True, state=state.copy())[2][T]
    assert onward == pytest.approx((1 + math.sqrt(65)) / 2)
    assert proximal.pull(state, 0.0, False) == 0.0
    assert proximal.pull(state, 0.3, False) == 0.0
    assert proximal.pull(state, 0.3, True) == 0.3
    assert proximal.pull(fresh(), 0.3, True) == proximal.pull(fresh(), 0.0, True) == 0.0
    assert proximal.pull(state, 0.0, True) == pytest.approx(3 / onward)


def test_when_a_run_has_converged():
    v = np.array([1.0, 1.0])
    state = np.array([1.0, 0.0, 1.0, 1.0])
    for count in (1, 2, 3):
        done = stepped(v, v, v, np.array([1e-4, 0.0]), state=state, tol=1e-3, patience=3)[3]
        assert state[QUIET] == count
        assert done == (count == 3)
    assert not stepped(v, v, v, np.array([1e-2, 0.0]), state=state, tol=1e-3, patience=3)[3]
    assert state[QUIET] == 0.0
    still = np.array([1e-17, 0.0])
    assert stepped(v, v, v, still, state=state, tol=0.0)[3]
    assert not stepped(v, v, v, still, state=state, tol=-1.0)[3]
    assert state[QUIET] > 0.0
    near = dict(tol=0.0, state=state, ref=-v)  # θ is 0: nothing but the rounding of H v is left
    assert stepped(v, v, v, still, floor=1e-30, **near)[3]
    assert not stepped(v, v, v, np.array([1e-13, 0.0]), floor=1e-30, **near)[3]
    far = dict(tol=0.0, state=state, ref=v)
    assert stepped(0 * v, 0 * v, 0 * v, still, floor=1e-16, **far)[3]
    assert not stepped(0 * v, 0 * v, 0 * v, still, floor=1e-18, **far)[3]


def test_each_column_is_judged_in_its_own_units():
    v, units, state = np.array([1.0, 1e10]), np.array([1.0, 1e-10]), np.array([1.0, 0.0, 1.0, 1.0])
    how = dict(tol=0.0, floor=1e-30, units=units, state=state)
    assert stepped(v, v, v, np.array([1e-15, 1e-25]), **how)[3]
    assert not stepped(v, v, v, np.array([1e-15, 1e-17]), **how)[3]  # rounding for the first column alone
    mapped = dict(l1=np.array([0.5, 0.0]), **how)
    assert stepped(v, v, v, np.array([-0.5, 0.0]), rate=0.1, **mapped)[3]
    assert not stepped(v, v, v, np.array([0.0, 0.0]), rate=0.1, **mapped)[3]


def test_in_the_metric_of_the_statistics_one_step_is_the_optimum(rng):
    A = rng.normal(size=(9, 3)) @ np.diag([1.0, 1e-3, 1e3])
    G, c, v, costs = A.T @ A, rng.normal(size=3), np.zeros(3), np.empty(2)
    norms, gradients = np.empty(2), np.empty((2, 3))
    proximal.descend(
        G, c, 9.0, 9.0, np.zeros(3), np.zeros(3), v, v.copy(), fresh(), np.full(2, 0.5), 0.0, False, -1.0,
        0.0, np.zeros(3), np.linalg.inv(G / 9.0), 1, False, costs, np.empty((0, 3)), norms, gradients,
    )  # fmt: skip
    np.testing.assert_allclose(v, np.linalg.solve(G, c), rtol=1e-9)
    gradient = -2 / 9 * c
    np.testing.assert_allclose(gradients[0], gradient, rtol=1e-14)
    assert norms[0] == pytest.approx(math.sqrt(gradient @ np.linalg.solve(G / 9.0, gradient)), rel=1e-9)
    assert norms[1] <= 1e-9 * norms[0]


def run(G, c, s, v, epochs, *, rate, l1=None, ref=None, go_on=False, tol=-1.0, state=None, keep=True):
    d = len(v)
    costs, weights, norms = (np.empty(epochs), np.empty((epochs, d)), np.empty(epochs)) if keep else (
        np.empty(0), np.empty((0, d)), np.empty(0))  # fmt: skip
    state = fresh() if state is None else state
    ref, l1 = (np.zeros(d) if one is None else one for one in (ref, l1))
    done, has_converged = proximal.descend(
        G, c, s, 1.0, ref, l1, v, v.copy(), state, np.full(epochs, rate), 0.0, False, tol, 0.0,
        np.zeros(len(v)), np.empty((0, 0)), 1, go_on, costs, weights, norms, np.empty((0, d)),
    )  # fmt: skip
    return done, has_converged, costs, weights, norms


def test_descent_on_statistics(rng):
    A = rng.normal(size=(9, 3))
    G, c = A.T @ A / 9, rng.normal(size=3)
    v = np.zeros(3)
    rate = 0.4 / np.linalg.eigvalsh(G)[-1]
    done, _, costs, weights, norms = run(G, c, 5.0, v, 30, rate=rate)
    w = np.zeros(3)
    for k in range(30):
        gradient = -2 * (c - G @ w)
        assert norms[k] == pytest.approx(np.linalg.norm(gradient), rel=1e-10)
        w = w - rate * gradient
        np.testing.assert_allclose(weights[k], w, rtol=1e-11)
        assert costs[k] == pytest.approx(max(0.0, 5.0 - 2 * c @ w + w @ G @ w), rel=1e-10)
    assert done == 30
    again = np.zeros(3)
    run(G, c, 5.0, again, 30, rate=rate, keep=False)
    np.testing.assert_array_equal(again, v)


def test_an_epoch_that_overflows_is_taken_back():
    G, c = np.array([[1.0]]), np.array([1.0])
    v = np.array([0.0])
    done, has_converged, costs, weights, _ = run(G, c, 1.0, v, 4000, rate=1.5)
    assert not has_converged
    assert 100 < done < 4000
    assert np.isfinite(costs[:done]).all()
    assert v[0] == weights[done - 1, 0]
    other = np.array([0.0])
    assert run(G, c, 1.0, other, 4000, rate=1.5, go_on=True)[0] == 4000
    assert not np.isfinite(other[0])


def test_costs_by_their_parts():
    G, c, v, h = np.array([[2.0]]), np.array([3.0]), np.array([1.0]), np.empty(1)
    proximal.product(G, c, v, h)
    assert h[0] == 1.0
    ref, l1 = np.array([-3.0]), np.array([0.5])
    assert proximal.cost_at(c, 10.0, 2.0, l1, ref, v, h) == (10.0 - 4.0) / 2 + 0.5 * 2.0
    assert proximal.cost_at(c, 3.0, 2.0, 0 * l1, ref, v, h) == 0.0  # rounding does not go below

"""Penalties: their step, and the optimum they lead to, which other solvers know by other ways."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import fastgd
from fastgd import reference
from fastgd.penalties import Penalty
from tests.conftest import JIT_IS_OFF
from tests.problems import problem

linear_model = pytest.importorskip("sklearn.linear_model")

CASES = list(itertools.product([False, True], [False, True], [False, True]))


def strengths(l1, l2):
    return Penalty(np.asarray(l1, float), np.asarray(l2, float))


def test_the_value_by_hand():
    penalty = strengths([0.5, 0.0, 2.0], [1.0, 0.0, 0.0])
    assert penalty.value(np.array([-2.0, 7.0, 0.25])) == 0.5 * 2 + 0.5 * 4 + 2.0 * 0.25
    assert strengths([0.0, 1.0], [0.0, 0.0]).value(np.array([np.inf, 1.0])) == 1.0


def test_the_proximal_step_is_the_least_of_its_formula(rng):
    """α·l1·|u| + (u − w)²/2 is nowhere lower than at the step's u."""
    w, l1, rate = rng.normal(size=30), rng.random(30) * 3, 0.3
    u = np.array(reference.proximal_step(w.tolist(), [0.0] * 30, [], rate, l1.tolist()))

    def height(at):
        return rate * l1 * np.abs(at) + 0.5 * (at - w) ** 2

    for other in (u + 1e-4, u - 1e-4, 0 * u, w):
        assert (height(u) <= height(other) + 1e-15).all()
    assert (u[np.abs(w) <= rate * l1] == 0.0).all()
    assert (u == 0.0).any()
    assert (u != 0.0).any()


def test_the_proximal_step_leaves_what_is_not_a_number():
    u = reference.proximal_step([np.nan, np.inf, -3.0], [0.0] * 3, [], 0.5, [1.0, 1.0, 0.0])
    assert np.isnan(u[0])
    assert u[1:] == [np.inf, -3.0]


def objective(X, y, w, b, s, l1, l2):
    residuals = np.reshape(X, (len(y), -1)) @ np.atleast_1d(w) + b - y
    return np.average(residuals**2, weights=s) + l1 * np.sum(np.abs(w)) + 0.5 * l2 * np.sum(np.square(w))


def other_solution(X, y, s, l1, l2, has_intercept):
    """By scikit-learn: Ridge in closed form, else coordinate descent."""
    total = len(y) if s is None else s.sum()
    if l1 == 0.0:
        model = linear_model.Ridge(alpha=0.5 * l2 * total, fit_intercept=has_intercept, solver="cholesky")
    else:
        alpha, ratio = 0.5 * (l1 + l2), l1 / (l1 + l2)
        model = linear_model.ElasticNet(
            alpha=alpha, l1_ratio=ratio, fit_intercept=has_intercept, tol=1e-14, max_iter=100_000
        )
    model.fit(X, y, sample_weight=s)
    return model.coef_, model.intercept_


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.4), (0.3, 0.0), (0.2, 0.3)])
@pytest.mark.parametrize(("has_intercept", "standardize", "is_weighted"), CASES)
def test_the_optimum_is_that_of_other_solvers(rng, l1, l2, has_intercept, standardize, is_weighted):
    X, y = problem(rng, 120, 5)
    X = X * [1.0, 3.0, 0.3, 1.0, 1.0] + [0.0, 2.0, 0.0, -1.0, 0.5]
    s = rng.random(120) + 0.1 if is_weighted else None
    expected = other_solution(X, y, s, l1, l2, has_intercept)
    how = dict(fit_intercept=has_intercept, standardize=standardize, sample_weight=s, l1=l1, l2=l2)
    least = objective(X, y, *expected, s, l1, l2)
    for method in ("summary", "stream"):
        if JIT_IS_OFF and method == "stream":
            continue
        fit = fastgd.gradient_descent(X, y, nesterov=True, n_epochs=3000, tol=1e-10, method=method, **how)
        assert fit.converged
        np.testing.assert_allclose(fit.w, expected[0], atol=2e-6)
        assert fit.intercept == pytest.approx(expected[1], abs=2e-6)
        assert objective(X, y, fit.w, fit.intercept, s, l1, l2) <= least * (1 + 1e-10)
        assert fit.cost_history[-1] == pytest.approx(least, rel=1e-9)
        if l1:
            np.testing.assert_array_equal(fit.w == 0.0, np.abs(expected[0]) < 1e-9)


@pytest.mark.parametrize("method", ["summary", "stream"])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_large_l1_makes_every_weight_exactly_zero(rng, method, standardize):
    X, y = problem(rng, 50, 3)
    most = np.max(np.abs(2 * (X - X.mean(0)).T @ (y - y.mean()) / 50))
    how = dict(fit_intercept=True, standardize=standardize, n_epochs=2000, method=method, tol=1e-13)
    fit = fastgd.gradient_descent(X, y, l1=1.001 * most, **how)
    assert fit.w.tolist() == [0.0, 0.0, 0.0]
    assert fit.intercept == pytest.approx(y.mean(), rel=1e-9)
    just = fastgd.gradient_descent(X, y, l1=0.99 * most, **how)
    assert np.count_nonzero(just.w) == 1


def test_penalties_act_on_every_step_of_sgd():
    """One row (x, y) = (1, 0) that says nothing: w shrinks by 1 − α l2 a step, then by α l1."""
    X, y = np.zeros((3, 1)), np.zeros(3)
    by_l2 = fastgd.sgd(X, y, w0=[1.0], learning_rate=0.1, l2=0.5, n_epochs=2)
    assert by_l2.w[0] == pytest.approx(0.95**6, rel=1e-14)
    by_l1 = fastgd.sgd(X, y, w0=[1.0], learning_rate=0.1, l1=0.5, n_epochs=2)
    assert by_l1.w[0] == pytest.approx(1.0 - 6 * 0.05, rel=1e-13)
    both = fastgd.sgd(X, y, w0=[0.2], learning_rate=0.1, l1=0.5, l2=0.5, n_epochs=2)
    assert both.w[0] == 0.0


def test_the_intercept_is_not_penalised(rng):
    X, y = problem(rng, 40, 2)
    for fit_by, how in ((fastgd.gradient_descent, {}), (fastgd.sgd, dict(average=0.5))):
        how = how | dict(fit_intercept=True, l2=1e3, l1=10.0, n_epochs=2000, learning_rate=1e-3)
        fit = fit_by(X, y + 5.0, **how)
        assert np.max(np.abs(fit.w)) < 0.02
        assert fit.intercept == pytest.approx(5.0 + y.mean(), abs=0.2)


@pytest.mark.parametrize("standardize", [False, True])
def test_sgd_ends_near_the_penalised_optimum(rng, standardize):
    X, y = problem(rng, 60 if JIT_IS_OFF else 300, 3)
    expected = other_solution(X, y, None, 0.1, 0.2, True)
    least = objective(X, y, *expected, None, 0.1, 0.2)
    epochs = 100 if JIT_IS_OFF else 400
    fit = fastgd.sgd(
        X, y, l1=0.1, l2=0.2, fit_intercept=True, standardize=standardize, shuffle=True, seed=1, average=0.5,
        learning_rate=fastgd.schedules.inverse_scaling(0.02, epochs), n_epochs=epochs,
    )  # fmt: skip
    assert objective(X, y, fit.w, fit.intercept, None, 0.1, 0.2) <= least * (1 + 5e-3)

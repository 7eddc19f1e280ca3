"""Momentum, averaging and restarts against loops written by hand."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.problems import problem


def quadratic(X, y):
    """cost and gradient as plain numpy."""

    def cost(w):
        return np.mean((X @ w - y) ** 2)

    def gradient(w):
        return 2 * X.T @ (X @ w - y) / len(y)

    return cost, gradient


def heavy_ball(gradient, w, rate, mu, epochs):
    history, before = [w], w
    for _ in range(epochs):
        w, before = w - rate * gradient(w) + mu * (w - before), w
        history.append(w)
    return np.array(history)


def fista(gradient, w, rate, epochs, mu=0.0, restarts=True):
    """Beck and Teboulle's β, or a constant one; anew where a step goes against the way it came."""
    history, before, t = [w], w, 1.0
    for _ in range(epochs):
        following = (1 + np.sqrt(1 + 4 * t * t)) / 2
        beta = (mu if t > 1 else 0.0) if mu else (t - 1) / following
        p = w + beta * (w - before)
        new = p - rate * gradient(p)
        t = 1.0 if restarts and (p - new) @ (new - w) > 0 else following
        w, before = new, w
        history.append(w)
    return np.array(history)


@pytest.mark.parametrize("method", ["stream", "summary"])
def test_momentum_is_the_loop_by_hand(rng, method):
    X, y = problem(rng, 60, 3)
    cost, gradient = quadratic(X, y)
    w0 = np.array([1.0, -1.0, 0.5])
    how = dict(w0=w0, learning_rate=0.3, n_epochs=40, method=method)
    fit = fastgd.gradient_descent(X, y, momentum=0.7, **how)
    expected = heavy_ball(gradient, w0, 0.3, 0.7, 40)
    np.testing.assert_allclose(fit.w_history, expected, atol=1e-12)
    np.testing.assert_allclose(fit.cost_history, [cost(w) for w in expected], rtol=1e-11)
    for mu in (0.0, 0.8):
        fit = fastgd.gradient_descent(X, y, momentum=mu, nesterov=True, **how)
        expected = fista(gradient, w0, 0.3, 40, mu)
        np.testing.assert_allclose(fit.w_history, expected, atol=1e-12)
        without = fista(gradient, w0, 0.3, 40, mu, restarts=False)
        assert np.max(np.abs(without - expected)) > 1e-6  # it did begin anew


@pytest.mark.parametrize("method", ["stream", "summary"])
def test_restarts_save_epochs(rng, method):
    X, y = problem(rng, 80, 4)
    X = (X - X.mean(axis=0)) * [1.0, 1.0, 0.3, 0.1]
    cost, gradient = quadratic(X, y)
    least = cost(np.linalg.lstsq(X, y, rcond=None)[0])
    rate = 1 / np.linalg.eigvalsh(2 * X.T @ X / 80)[-1]
    fit = fastgd.gradient_descent(X, y, nesterov=True, n_epochs=2000, method=method)
    np.testing.assert_allclose(fit.learning_rates, rate, rtol=1e-11)
    without = np.array([cost(w) for w in fista(gradient, np.zeros(4), rate, 2000, restarts=False)])
    plain = fastgd.gradient_descent(X, y, n_epochs=2000, method=method).cost_history

    def needed(costs):
        return int(np.argmax(costs - least < 1e-11 * costs[0]))

    assert 0 < needed(fit.cost_history) < 0.6 * needed(without)
    assert needed(plain) == 0 or needed(fit.cost_history) < 0.6 * needed(plain)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_momentum_of_sgd_is_the_loop_by_hand(rng, nesterov, batch_size):
    X, y = problem(rng, 30, 2)
    w, before, mean, steps = np.zeros(2), np.zeros(2), [], 0
    for _ in range(3):
        for start in range(0, 30, batch_size):
            x, t = X[start : start + batch_size], y[start : start + batch_size]
            at = w + 0.6 * (w - before) if nesterov else w
            push = 0.0 if nesterov else 0.6 * (w - before)
            w, before = at - 0.02 * 2 * x.T @ (x @ at - t) / len(t) + push, w
            mean.append(w)
            steps += 1
    how = dict(learning_rate=0.02, n_epochs=3, momentum=0.6, nesterov=nesterov, batch_size=batch_size)
    fit = fastgd.sgd(X, y, **how)
    np.testing.assert_allclose(fit.w, w, rtol=1e-12)
    assert fit.n_updates == steps
    for average, first in ((True, 0), (0, 0), (5, 5), (0.3, steps - int(np.ceil(0.3 * steps))), (1.0, 0)):
        averaged = fastgd.sgd(X, y, average=average, **how)
        np.testing.assert_allclose(averaged.w, np.mean(mean[first:], axis=0), rtol=1e-12)
        np.testing.assert_allclose(averaged.w_history[-1], w, rtol=1e-12)
    late = fastgd.sgd(X, y, average=steps, **how)
    np.testing.assert_allclose(late.w, w, rtol=1e-12)


def test_averaging_takes_the_intercept_along(rng):
    X, y = problem(rng, 25, 2)
    how = dict(learning_rate=0.05, n_epochs=1, fit_intercept=True)
    fit = fastgd.sgd(X, y, average=0.2, **how)
    last = [fastgd.sgd(X[:k], y[:k], **how) for k in range(21, 26)]
    np.testing.assert_allclose(fit.w, np.mean([one.w for one in last], axis=0), rtol=1e-11)
    assert fit.intercept == pytest.approx(np.mean([one.intercept for one in last]), rel=1e-11)


@pytest.mark.parametrize(
    "how", [dict(nesterov=True), dict(l1=0.1), dict(loss="huber"), dict(tol=1e-3)], ids=str
)
def test_no_epochs_give_the_start_and_its_cost(rng, how):
    X, y = problem(rng, 30, 2)
    for backend in ("numba", "python"):
        fit = fastgd.gradient_descent(X, y, w0=[1.0, 2.0], n_epochs=0, backend=backend, **how)
        assert fit.w.tolist() == [1.0, 2.0]
        assert fit.cost_history.shape == (1,)
        assert not fit.converged
        assert fit.status.startswith("no epochs")
    for rule in (dict(average=True), dict(momentum=0.5, batch_size=3)):
        fit = fastgd.sgd(X, y, w0=[1.0, 2.0], n_epochs=0, fit_intercept=True, **rule)
        assert fit.w.tolist() == [1.0, 2.0]
        assert fit.intercept == 0.0

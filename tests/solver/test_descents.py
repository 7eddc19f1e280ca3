"""Momentum, averaging and restarts against loops written by hand; and one answer on every track."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.engine.blocks import block_rows
from tests.conftest import JIT_IS_OFF
from tests.problems import layouts, problem


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


def _track(rng, name, n, d):
    fit_by = fastgd.sgd if TRACKS[name].get("learning_rate") else fastgd.gradient_descent
    X, y = problem(rng, n, d, TRACKS[name].get("loss"))
    how = dict(TRACKS[name])
    if "sample_weight" in how:
        how["sample_weight"] = rng.random(n) + 0.1
    return fit_by, X, y, how


# One answer -----------------------------------------------------------------------------------------------

TRACKS = {
    "summary": dict(method="summary", fit_intercept=True, standardize=True, sample_weight="some"),
    "nesterov": dict(method="summary", fit_intercept=True, nesterov=True, l1=0.01),
    "streamed": dict(method="stream", fit_intercept=True, standardize=True, l1=0.01, l2=0.1),
    "huber": dict(loss="huber", fit_intercept=True, sample_weight="some", nesterov=True),
    "log_loss": dict(loss="log_loss", fit_intercept=True, standardize=True),
    "sgd": dict(fit_intercept=True, standardize=True, sample_weight="some", learning_rate=0.003),
    "sgd_maps": dict(fit_intercept=True, standardize=True, method="summary", learning_rate=0.003),
    "sgd_huber": dict(loss="huber", fit_intercept=True, standardize=True, learning_rate=0.003),
    "batches": dict(batch_size=300, momentum=0.5, l1=0.01, shuffle="blocks", seed=2, learning_rate=0.003),
    "shuffled": dict(fit_intercept=True, shuffle=True, seed=2, l2=0.1, learning_rate=0.003, average=True),
}


@pytest.mark.parametrize("d", [None, 3, 20])
@pytest.mark.parametrize("name", TRACKS)
def test_same_bits_for_any_threads_and_any_layout(rng, tmp_path, threads_for_all, name, d):
    n = 400 if JIT_IS_OFF else 3 * block_rows(d or 1) + 77
    fit_by, X, y, how = _track(rng, name, n, d)
    how["n_epochs"] = 2

    def bits(X, y, **more):
        fit = fit_by(X, y, **how, **more)
        costs = b"" if fit.cost_history is None else fit.cost_history.tobytes()
        model = np.float64(fit.w).tobytes() + np.float64(fit.intercept).tobytes()
        return model + fit.w_history.tobytes() + costs

    expected = bits(X, y, n_threads=1)
    assert {bits(X, y, n_threads=threads) for threads in (2, 4)} == {expected}
    for layout, (X_other, y_other) in layouts(X, y).items():
        assert bits(X_other, y_other) == expected, layout
    np.save(tmp_path / "x.npy", X)
    assert bits(np.load(tmp_path / "x.npy", mmap_mode="r"), y) == expected
    assert bits(X.astype(X.dtype.newbyteorder(">")), y) == expected
    if "sample_weight" in how:
        how["sample_weight"] = np.repeat(how["sample_weight"], 2)[::2].astype(">f8")
        assert bits(X, y) == expected
    assert len(threads_for_all) > 1 or JIT_IS_OFF or fit_by is fastgd.sgd


@pytest.mark.parametrize("name", TRACKS)
def test_what_is_kept_does_not_change_the_run(rng, name):
    fit_by, X, y, how = _track(rng, name, 60, 3)
    full = fit_by(X, y, n_epochs=5, **how)
    for history in ("costs", None):
        fit = fit_by(X, y, n_epochs=5, history=history, **how)
        assert fit.w.tobytes() == full.w.tobytes()
        assert fit.intercept == full.intercept
        assert fit.w_history is None
        assert fit.intercept_history is None
        if history is None or full.cost_history is None:
            assert fit.cost_history is None
        else:
            assert fit.cost_history.tobytes() == full.cost_history.tobytes()
    single = fit_by(X, y, n_epochs=5, callback=lambda state: None, **how)  # an epoch a call
    assert single.w_history.tobytes() == full.w_history.tobytes()

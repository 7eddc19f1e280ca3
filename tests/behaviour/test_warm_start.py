"""A fit as the start of the next: a + b epochs are a + b in one, to the bit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import fastgd
from tests.conftest import JIT_IS_OFF
from tests.problems import RATE, RUNS, bits_of_end, data_of_run, problem


def joined(name, first, second):
    a, b = getattr(first, name), getattr(second, name)
    return None if b is None else np.concatenate([a, b[1:]])


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize("n", [60, 9000])
@pytest.mark.parametrize(("fit_by", "how"), RUNS, ids=lambda one: getattr(one, "__name__", str(one)[:60]))
def test_two_runs_are_one_to_the_bit(rng, fit_by, how, n, backend):
    if backend == "python" and "method" in how:
        how = {name: value for name, value in how.items() if name != "method"}
    if n > 100 and (JIT_IS_OFF or backend == "python"):
        n = 70
    X, y, how = data_of_run(rng, how, n)
    how = how | dict(backend=backend)
    whole = fit_by(X, y, n_epochs=7, **how)
    if backend == "numba" and not how.get("batch_size") and whole.method == "summary":
        how = how | dict(method="summary")  # fewer epochs may stream
    first = fit_by(X, y, n_epochs=3, **how)
    before = pickle.dumps(first)
    second = fit_by(X, y, w0=first, n_epochs=4, **how)
    assert pickle.dumps(first) == before
    assert second.method == whole.method
    assert bits_of_end(second) == bits_of_end(whole)
    for name in ("w_history", "intercept_history", "cost_history"):
        if getattr(whole, name) is not None:
            np.testing.assert_array_equal(joined(name, first, second), getattr(whole, name))
    rates = np.concatenate([first.learning_rates, second.learning_rates])
    assert rates.tolist() == whole.learning_rates.tolist()
    third = fit_by(X, y, w0=fit_by(X, y, w0=first, n_epochs=1, **how), n_epochs=3, **how)
    assert bits_of_end(third) == bits_of_end(whole)
    again = fit_by(X, y, w0=pickle.loads(before), n_epochs=4, **how)
    assert bits_of_end(again) == bits_of_end(whole)


@pytest.mark.parametrize(
    ("fit_by", "how"),
    [
        (fastgd.gradient_descent, dict(tol=1e-9, nesterov=True, method="summary")),
        (fastgd.gradient_descent, dict(tol=1e-9, fit_intercept=True, method="stream")),
        (fastgd.gradient_descent, dict(tol=1e-6, loss="huber")),
    ],
)
def test_tol_goes_on_from_the_first_gradient_of_all(rng, fit_by, how):
    X, y, how = data_of_run(rng, how, 60)
    whole = fit_by(X, y, n_epochs=5000, **how)
    with pytest.warns(fastgd.ConvergenceWarning):
        first = fit_by(X, y, n_epochs=9, **how)
    second = fit_by(X, y, w0=first, n_epochs=5000, **how)
    assert whole.converged
    assert second.converged
    assert first.n_epochs + second.n_epochs == whole.n_epochs
    assert bits_of_end(second) == bits_of_end(whole)


@pytest.mark.parametrize(
    ("fit_by", "how"),
    [
        (fastgd.gradient_descent, dict(fit_intercept=True, method="summary")),
        (fastgd.gradient_descent, dict(fit_intercept=True, standardize=True, nesterov=True)),
        (fastgd.gradient_descent, dict(loss="huber", fit_intercept=True)),
        (fastgd.gradient_descent, dict(method="summary")),
        (fastgd.sgd, dict(fit_intercept=True, standardize=True, **RATE)),
        (fastgd.sgd, dict(fit_intercept=True, average=True, track_cost=True, **RATE)),
        (fastgd.sgd, dict(method="summary", **RATE)),
    ],
)
def test_on_other_data_a_run_starts_where_the_first_ended(rng, fit_by, how):
    X, y, how = data_of_run(rng, how, 60)
    first = fit_by(X, y, n_epochs=5, **how)
    other_X, other_y = problem(rng, 45, 3)
    other_X = other_X + 3.0
    second = fit_by(other_X, other_y, w0=first, n_epochs=2, **how)
    end = first.w_history[-1]
    np.testing.assert_allclose(second.w_history[0], end, rtol=1e-12)
    if how.get("fit_intercept"):
        assert second.intercept_history[0] == pytest.approx(first.intercept_history[-1], rel=1e-12)
    r = other_X @ end + (first.intercept_history[-1] if how.get("fit_intercept") else 0.0) - other_y
    each = np.where(np.abs(r) <= 1.35, r * r, 1.35 * (2 * np.abs(r) - 1.35)) if "loss" in how else r * r
    assert second.cost_history[0] == pytest.approx(np.mean(each), rel=1e-12)
    if not (how.get("nesterov") or how.get("average") or how.get("fit_intercept")):
        plain = fit_by(other_X, other_y, w0=end, n_epochs=2, **how)
        np.testing.assert_allclose(second.w_history, plain.w_history, rtol=1e-10)


def test_one_epoch_at_a_time_draws_the_orders_of_one_run(rng):
    X, y = problem(rng, 50, 2)
    whole = fastgd.sgd(X, y, shuffle=True, n_epochs=5, **RATE)  # a seed of its own
    fit = fastgd.sgd(X, y, shuffle=True, n_epochs=1, seed=whole.seed, **RATE)
    for _ in range(4):
        fit = fastgd.sgd(X, y, w0=fit, shuffle=True, n_epochs=1, **RATE)
    assert fit.seed == whole.seed
    assert bits_of_end(fit) == bits_of_end(whole)


def test_another_solver_starts_at_the_weights(rng):
    X, y = problem(rng, 50, 2)
    rough = fastgd.sgd(X, y, n_epochs=3, fit_intercept=True, **RATE)
    fine = fastgd.gradient_descent(X, y, w0=rough, n_epochs=2, fit_intercept=True)
    assert fine.w_history[0].tobytes() == rough.w.tobytes()
    assert fine.intercept_history[0] == rough.intercept
    back = fastgd.sgd(X, y, w0=fine, n_epochs=1, fit_intercept=True, batch_size=5, **RATE)
    assert back.w_history[0].tobytes() == fine.w.tobytes()


def test_callbacks_go_on_counting(rng):
    X, y = problem(rng, 50, 2)
    seen = []
    first = fastgd.gradient_descent(X, y, n_epochs=3)
    fastgd.gradient_descent(X, y, w0=first, n_epochs=2, callback=lambda state: seen.append(state.epoch))
    assert seen == [3, 4]


@pytest.mark.parametrize("d", [None, 2])
def test_no_more_epochs_leave_a_fit_where_it_is(rng, d):
    X, y = problem(rng, 30, d)
    for how in (dict(), dict(fit_intercept=True, nesterov=True, standardize=True)):
        first = fastgd.gradient_descent(X, y, n_epochs=4, **how)
        same = fastgd.gradient_descent(X, y, w0=first, n_epochs=0, **how)
        np.testing.assert_array_equal(same.w, first.w)
        assert same.intercept == first.intercept
        after = fastgd.gradient_descent(X, y, w0=same, n_epochs=3, **how)
        assert bits_of_end(after) == bits_of_end(fastgd.gradient_descent(X, y, n_epochs=7, **how))


STANDARDIZED = {
    "statistics": (fastgd.gradient_descent, dict(method="summary", l2=0.1)),
    "any method": (fastgd.gradient_descent, dict(nesterov=True)),
    "read by read": (fastgd.gradient_descent, dict(method="stream")),
    "huber": (fastgd.gradient_descent, dict(loss="huber")),
    "steps": (fastgd.sgd, {}),
    "momentum": (fastgd.sgd, dict(momentum=0.5)),
}


@pytest.mark.parametrize(("fit_by", "how"), STANDARDIZED.values(), ids=STANDARDIZED)
def test_standardized_runs_start_at_w0_and_go_on_to_the_bit(fit_by, how):
    how = dict(fit_intercept=True, standardize=True) | how
    for seed in range(3 if JIT_IS_OFF else 15):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(30, 2)) * [30.0, 0.1] + [7.0, -3.0]
        y, w0 = X @ [0.3, 2.0] + rng.normal(size=30), rng.normal(size=2)
        start = fit_by(X, y, w0=w0, n_epochs=0, **how)
        assert start.w.tolist() == w0.tolist()
        assert start.intercept == 0.0
        part = fit_by(X, y, n_epochs=4, **how)
        same = fit_by(X, y, w0=part, n_epochs=0, **how)
        assert (same.w.tolist(), same.intercept) == (part.w.tolist(), part.intercept)
        whole, after = fit_by(X, y, n_epochs=7, **how), fit_by(X, y, w0=same, n_epochs=3, **how)
        assert (after.w.tolist(), after.intercept) == (whole.w.tolist(), whole.intercept)
        assert after.w_history[0].tolist() == part.w.tolist()


@pytest.mark.parametrize(
    "how", [dict(loss="huber"), dict(l2=0.5), dict(momentum=0.3), dict(average=False)], ids=str
)
def test_another_objective_or_rule_takes_the_weights_alone(rng, how):
    X, y = problem(rng, 60, 2)
    first = fastgd.sgd(X, y, average=True, momentum=0.5, n_epochs=4, learning_rate=0.01)
    changed = dict(average=True, momentum=0.5, n_epochs=3, learning_rate=0.01) | how
    goes_on = fastgd.sgd(X, y, w0=first, **changed)
    start = first.w_history[-1]
    assert goes_on.w.tolist() == fastgd.sgd(X, y, w0=start, **changed).w.tolist()


def test_an_intercept_is_not_dropped_in_silence(rng):
    X, y = problem(rng, 60, 2)
    fit = fastgd.gradient_descent(X, y + 7.0, fit_intercept=True)
    with pytest.raises(ValueError, match=r"^w0 is a fit with the intercept .*: pass fit_"):
        fastgd.gradient_descent(X, y, w0=fit)

"""A fit as a generator."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import fastgd

X, Y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
LESSON = dict(w0=1.0, learning_rate=0.01, n_epochs=20)


def run(generator):
    """All states, and the value of the generator."""
    states = []
    while True:
        try:
            states.append(next(generator))
        except StopIteration as end:
            return states, end.value


@pytest.mark.parametrize("solver", ["gradient_descent", "sgd"])
@pytest.mark.parametrize("options", [{}, {"fit_intercept": True, "l2": 0.1}, {"backend": "python"}])
def test_the_steps_are_those_of_the_fit(rng, solver, options):
    X = rng.standard_normal((5000, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.standard_normal(5000)
    seen = []
    options = dict(options, n_epochs=4, learning_rate=1e-3)
    fit = getattr(fastgd, solver)(X, y, **options, callback=lambda state: seen.append(state) and None)
    states, result = run(fastgd.steps(X, y, solver=solver, **options))
    assert [state.epoch for state in states] == [0, 1, 2, 3]
    for state, other, w in zip(states, seen, fit.w_history[1:], strict=True):
        np.testing.assert_array_equal(state.w, w)
        assert (state.intercept, state.cost) == (other.intercept, other.cost)
    np.testing.assert_array_equal(result.w, fit.w)


@pytest.mark.parametrize(
    "options", [{}, {"shuffle": True, "seed": 3}, {"learning_rate": lambda k: 0.1 / (k + 9)}]
)
def test_each_sample_is_a_step(options):
    w, states = 1.0, list(fastgd.steps(X, Y, solver="sgd", history="samples", **LESSON | options))
    assert len(states) == 60
    for k, state in enumerate(states):
        rate = options["learning_rate"](k // 3) if "learning_rate" in options else 0.01
        x, y = X[state.sample], Y[state.sample]
        assert state.cost == (x * w - y) ** 2
        w = w - rate * (2 * x * (x * w - y))
        assert (state.w, state.epoch, state.learning_rate) == (w, k // 3, rate)
    fit = fastgd.sgd(X, Y, history="samples", **LESSON | options)
    assert states[-1].w == fit.w


def test_a_generator_that_is_abandoned_leaves_no_thread():
    before = threading.active_count()
    generator = fastgd.steps(X, Y, **LESSON)
    assert next(generator).epoch == 0
    assert threading.active_count() == before + 1
    generator.close()
    assert threading.active_count() == before


def test_errors_are_those_of_the_fit():
    with pytest.raises(fastgd.InvalidDataError, match=r"X\[1\] is NaN"):
        next(fastgd.steps([1.0, float("nan")], [1.0, 2.0]))
    with pytest.raises(fastgd.DivergenceError) as caught:
        run(fastgd.steps(X, Y, w0=1.0, learning_rate=1.0, n_epochs=1000))
    assert caught.value.epoch == 166
    with pytest.raises(TypeError, match="unexpected keyword 'lr'; did you mean learning_rate"):
        fastgd.steps(X, Y, lr=0.1)
    with pytest.raises(ValueError, match="solver"):
        fastgd.steps(X, Y, solver="newton")


def test_a_callback_of_the_user_ends_the_steps():
    states, fit = run(fastgd.steps(X, Y, **LESSON, callback=lambda state: state.epoch == 2))
    assert len(states) == fit.n_epochs == 3


@pytest.mark.parametrize("options", [{}, {"solver": "sgd"}, {"solver": "sgd", "history": "samples"}])
def test_no_epochs_have_no_steps(options):
    states, fit = run(fastgd.steps(X, Y, w0=1.0, n_epochs=0, **options))
    assert states == []
    assert (fit.w, fit.n_epochs) == (1.0, 0)

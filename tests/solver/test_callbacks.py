"""The user's function that is called after each epoch."""

from __future__ import annotations

import pickle
import traceback

import numpy as np
import pytest

import fastgd
from tests.problems import BACKENDS, problem

KINDS = [
    (fastgd.gradient_descent, dict(learning_rate=0.05)),
    (
        fastgd.gradient_descent,
        dict(fit_intercept=True, method="summary", nesterov=True, standardize=True, learning_rate=0.05),
    ),
    (fastgd.gradient_descent, dict(loss="huber", l1=0.01)),
    (fastgd.sgd, dict(track_cost=True, learning_rate=0.01)),
    (fastgd.sgd, dict(fit_intercept=True, standardize=True, method="summary", learning_rate=0.01)),
    (fastgd.sgd, dict(fit_intercept=True, batch_size=4, average=True, track_cost=True, learning_rate=0.01)),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("d", [None, 2])
@pytest.mark.parametrize(("fit_by", "how"), KINDS)
def test_a_callback_sees_every_epoch_and_changes_nothing(rng, fit_by, how, d, backend):
    if backend == "python":
        how = {name: value for name, value in how.items() if name != "method"}
    X, y = problem(rng, 40, d)
    seen = []

    def look(state):
        seen.append(state)
        if d is not None:
            state.w.copy()[:] = 0.0
        return len(seen) == 4  # a bool

    fit = fit_by(X, y, n_epochs=9, callback=look, backend=backend, **how)
    full = fit_by(X, y, n_epochs=4, backend=backend, **how)
    assert fit.n_epochs == 4
    assert not fit.converged
    assert "stopped after 4 epochs: the callback returned True" in fit.status
    assert fit.w_history.tobytes() == full.w_history.tobytes()
    assert [state.epoch for state in seen] == [0, 1, 2, 3]
    for k, state in enumerate(seen):
        assert type(state.w) is (float if d is None else np.ndarray)
        stands = fit_by(X, y, n_epochs=k + 1, backend=backend, **how)  # an average is not in the history
        np.testing.assert_array_equal(state.w, stands.w)
        assert state.intercept == stands.intercept
        scale = 1.0 if fit.cost_history is None else fit.cost_history[k + 1]
        assert state.cost == pytest.approx(scale, rel=1e-13)
        assert state.learning_rate == fit.learning_rates[k]
        assert state.validation_cost is None


@pytest.mark.parametrize("how", [dict(), dict(fit_intercept=True), dict(loss="huber")], ids=str)
def test_a_callback_sees_the_weighted_cost(rng, how):
    X, y = problem(rng, 40, 2)
    for fit_by, more in ((fastgd.gradient_descent, {}), (fastgd.sgd, dict(track_cost=True))):
        seen = []
        s = 3.0 + rng.random(40)
        more = more | how | dict(n_epochs=3, learning_rate=1e-3)
        fit = fit_by(X, y, sample_weight=s, callback=seen.append, **more)
        np.testing.assert_allclose([one.cost for one in seen], fit.cost_history[1:], rtol=1e-13)


def test_a_callback_sees_the_validation_cost(rng):
    X, y = problem(rng, 40, 2)
    seen = []
    fit = fastgd.gradient_descent(X, y, validation_fraction=0.5, n_epochs=3, callback=seen.append)
    assert [one.validation_cost for one in seen] == fit.validation_history.tolist()


@pytest.mark.parametrize("value", [True, np.True_, np.bool_(True)])
def test_true_stops_also_where_numpy_says_it(value):
    how = dict(learning_rate=0.01, n_epochs=9)
    fit = fastgd.gradient_descent([1.0, 2.0], [1.0, 2.0], callback=lambda _: value, **how)
    assert fit.n_epochs == 1


@pytest.mark.parametrize("value", [None, False, 0, "no", 1.0])
def test_anything_else_does_not_stop(value):
    how = dict(learning_rate=0.01, n_epochs=9)
    fit = fastgd.gradient_descent([1.0, 2.0], [1.0, 2.0], callback=lambda _: value, **how)
    assert fit.n_epochs == 9


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, ZeroDivisionError])
@pytest.mark.parametrize(("fit_by", "how"), KINDS)
def test_an_exception_of_a_callback_carries_the_run_so_far(rng, fit_by, how, kind, backend):
    if backend == "python":
        how = {name: value for name, value in how.items() if name != "method"}
    X, y = problem(rng, 40, 2)

    def fail(state):
        if state.epoch == 2:
            raise kind("enough")

    with pytest.raises(kind, match="enough") as caught:
        fit_by(X, y, n_epochs=9, callback=fail, backend=backend, **how)
    part = caught.value.result
    expected = fit_by(X, y, n_epochs=3, backend=backend, **how)
    assert part.n_epochs == 3
    assert part.w_history.tobytes() == expected.w_history.tobytes()
    assert part.cost_history.shape == (4,)
    assert any(".result" in note for note in caught.value.__notes__)
    assert "fail" in "".join(traceback.format_exception(caught.value))
    assert pickle.loads(pickle.dumps(part)).n_epochs == 3
    again = fit_by(X, y, w0=part, n_epochs=2, backend=backend, **how)
    whole = fit_by(X, y, n_epochs=5, backend=backend, **how)
    assert again.w_history[-1].tobytes() == whole.w_history[-1].tobytes()

"""The loops of one block in plain Python have every digit of the compiled ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.solver.orders import IN_ORDER
from fastgd.solver.steppers import choose
from fastgd.solver.steppers.base import EpochBatch, new_state
from fastgd.solver.steppers.exact import BlockDescent, BlockSgd
from tests.conftest import JIT_IS_OFF
from tests.helpers import same

pytestmark = pytest.mark.skipif(JIT_IS_OFF, reason="kernels are plain Python themselves")

FITS = [fastgd.gradient_descent, fastgd.sgd]
any_numbers = st.floats(allow_nan=False, allow_infinity=False)
usual_numbers = st.floats(-100.0, 100.0)
N_EPOCHS = 3


def run_both(stepper_of, X, y, w, rates, allow_divergence):
    """The states and the records of both steppers."""
    results = []
    for backend in ("numba", "python"):
        n, size, stepper = len(rates), len(w), stepper_of(ArrayRows(X, y), backend)
        gradients = np.zeros((n, 1 if stepper.has_gradients else len(y), size))
        batch = EpochBatch(np.zeros(n), np.zeros(n), np.zeros((n, size)), gradients, np.zeros(n))
        state, first = stepper.start(new_state(w), True)
        state, done = stepper.advance(state, rates, batch, allow_divergence)
        records = [batch.costs, batch.losses, batch.weights, batch.gradients]
        results.append([first, done, list(state), [record[:done] for record in records]])
    return results


@pytest.mark.parametrize("numbers", [usual_numbers, any_numbers])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@given(data=st.data(), n=st.integers(1, 5), d=st.integers(1, 4), allow_divergence=st.booleans())
def test_any_rows_weights_and_rates(numbers, dtype, data, n, d, allow_divergence):
    def drawn(*shape):
        size = int(np.prod(shape))
        return np.array(data.draw(st.lists(numbers, min_size=size, max_size=size))).reshape(shape)

    with np.errstate(over="ignore", invalid="ignore"):
        X, y = drawn(n, d).astype(dtype), drawn(n).astype(dtype)
    w, rates = drawn(d), drawn(N_EPOCHS)
    for stepper_of in (BlockDescent, lambda rows, backend: BlockSgd(rows, IN_ORDER, backend)):
        compiled, plain = run_both(stepper_of, X, y, w, rates, allow_divergence)
        assert same(compiled, plain)


@pytest.fixture
def chosen(monkeypatch):
    """A list of the backends that the next loops of one block run on."""
    backends = []
    monkeypatch.setattr(choose, "for_exact_loop", lambda *sizes: backends.pop())
    return backends


PARTS = ("w", "w_history", "cost_history", "loss_history", "gradient_history", "n_epochs", "n_updates")
PARTS += ("n_passes", "n_samples", "learning_rates", "converged", "diverged", "status", "method", "intercept")


def parts_of(fit):
    return [getattr(fit, name) for name in PARTS]


def outcome(call):
    """All that a call gives or raises."""
    try:
        return parts_of(call())
    except (fastgd.DivergenceError, fastgd.InvalidDataError, KeyboardInterrupt) as error:
        result = getattr(error, "result", None)
        numbers = [getattr(error, name, None) for name in ("epoch", "limit", "safe_rate")]
        return [type(error), str(error), numbers, None if result is None else parts_of(result)]


def interrupt_after(epoch):
    def callback(state):
        if state.epoch == epoch:
            raise KeyboardInterrupt

    return callback


def data_of(rng, n, d):
    X = rng.standard_normal(n) if d is None else rng.standard_normal((n, d))
    return X, rng.standard_normal(n)


OPTIONS = {
    "all histories": {},
    "costs": dict(history="costs"),
    "none": dict(history=None),
    "converges": dict(n_epochs=400, learning_rate=0.2),
    "diverges": dict(n_epochs=3000, learning_rate=2.0),
    "grows": dict(n_epochs=3, learning_rate=1.5),
    "overflows": dict(n_epochs=3000, learning_rate=2.0, on_divergence="ignore"),
    "schedule": dict(learning_rate=np.geomspace(0.1, 0.01, 20)),
    "no epoch": dict(n_epochs=0),
    "interrupted": dict(callback=interrupt_after(4)),
    "stopped": dict(callback=lambda state: state.epoch == 5),
    "far": dict(w0=1e200),
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("d", [None, 1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 40])
@pytest.mark.parametrize("fit_by", FITS)
def test_fits_are_equal_to_the_last_digit(chosen, rng, fit_by, n, d, options):
    X, y = data_of(rng, n, d)
    how = dict(learning_rate=0.01, n_epochs=20) | OPTIONS[options]
    if options == "all histories" and fit_by is fastgd.sgd:
        how["history"] = "samples"
    if "w0" in how:
        how["w0"] = how["w0"] if d is None else np.full(d, how["w0"])
    chosen += ["python", "numba"]
    compiled, plain = outcome(lambda: fit_by(X, y, **how)), outcome(lambda: fit_by(X, y, **how))
    assert not chosen
    assert same(compiled, plain)


@pytest.mark.parametrize("fit_by", FITS)
def test_bad_data_is_refused_in_the_same_words(chosen, fit_by):
    chosen += ["python", "numba"]
    calls = [outcome(lambda: fit_by([1.0, np.nan], [1.0, 2.0], learning_rate=0.1)) for _ in range(2)]
    assert calls[0] == calls[1]
    assert calls[0][1].startswith("X[1] is NaN")


@pytest.mark.parametrize("backends", [("python", "numba"), ("numba", "python"), ("python", "python")])
@pytest.mark.parametrize("d", [None, 2])
@pytest.mark.parametrize("fit_by", FITS)
def test_a_run_goes_on_with_either(chosen, rng, tmp_path, fit_by, d, backends):
    (X, y), how = data_of(rng, 30, d), dict(learning_rate=0.01)
    chosen += ["numba"]
    whole = fit_by(X, y, n_epochs=7, **how)
    chosen += reversed(backends)
    first = fit_by(X, y, n_epochs=3, **how)
    first.save(tmp_path / "fit.npz")
    second = fit_by(X, y, w0=fastgd.load(tmp_path / "fit.npz"), n_epochs=4, **how)
    assert (first.backend, second.backend) == backends
    assert same(second.w, whole.w)
    assert same(np.concatenate([first.cost_history, second.cost_history[1:]]), whole.cost_history)
    chosen += reversed(backends)
    kept = how | dict(n_epochs=7, checkpoint=tmp_path / "run.npz")
    with pytest.raises(KeyboardInterrupt):
        fit_by(X, y, callback=interrupt_after(3), **kept)
    resumed = fit_by(X, y, resume=tmp_path / "run.npz", n_epochs=7, callback=lambda state: None, **how)
    assert resumed.backend == backends[1]
    assert same(parts_of(resumed)[:5], parts_of(whole)[:5])

"""gradient_descent and sgd: one loop, several steppers, the textbook's iterates."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from fastgd.engine.blocks import block_rows
from tests.conftest import JIT_IS_OFF

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
FITS = [fastgd.gradient_descent, fastgd.sgd]
WIDTHS = [None, 1, 2, 3, 7, 64, 257]


def problem(rng, n, d, noise=0.1):
    X = rng.standard_normal((n,) if d is None else (n, d))
    w = 0.7 if d is None else rng.standard_normal(d)
    y = (X * w if d is None else X @ w) + noise * rng.standard_normal(n)
    return X, y


def histories(fit):
    kept = (fit.w, fit.w_history, fit.cost_history, fit.loss_history)
    return b"".join(np.float64(part).tobytes() for part in kept if part is not None)


@pytest.mark.parametrize("fit_by", FITS)
@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("n", [1, 2, 4095, 4096, 4097])
@pytest.mark.parametrize("method", ["stream", "summary"])
def test_kernels_against_their_twin(rng, fit_by, n, d, method):
    """One block, streamed: the twin's digits. Else: the same iterates to rounding."""
    n = min(n, 30_000 // (d or 1), 100 if JIT_IS_OFF else n)
    X, y = problem(rng, n, d)
    how = dict(learning_rate=0.5 / np.max(np.sum(np.square(X.reshape(n, -1)), axis=1)), n_epochs=3)
    fit, twin = fit_by(X, y, method=method, **how), fit_by(X, y, backend="python", **how)
    assert (fit.backend, twin.backend) == ("numba", "python")
    assert (fit.method, twin.method) == (method, "stream")
    if n <= block_rows(d or 1) and method == "stream":
        assert histories(fit) == histories(twin)
    else:
        np.testing.assert_allclose(fit.w_history, twin.w_history, rtol=0, atol=1e-13 * np.abs(twin.w).max())
        for kept, expected in ((fit.cost_history, twin.cost_history), (fit.loss_history, twin.loss_history)):
            if kept is not None and expected is not None:
                least = 1e-25 * np.mean(np.square(y))
                np.testing.assert_allclose(kept, expected, rtol=1e-12, atol=least)
    assert fit.n_passes == (twin.n_passes if method == "stream" else 1)


@pytest.mark.parametrize("d", [None, 3])
def test_streamed_sgd_with_samples_is_the_plain_loop(rng, d):
    X, y = problem(rng, 4300, d)
    how = dict(learning_rate=0.01, n_epochs=1 if JIT_IS_OFF else 3, history="samples")
    fit, twin = fastgd.sgd(X, y, **how), fastgd.sgd(X, y, backend="python", **how)
    assert fit.gradient_history.shape == (how["n_epochs"], 4300, *X.shape[1:])
    np.testing.assert_array_equal(fit.gradient_history, twin.gradient_history)
    np.testing.assert_array_equal(fit.w_history, twin.w_history)


def test_the_shapes_of_the_lessons_case_and_of_one_column():
    for fit_by in FITS:
        fit = fit_by(XS, YS, learning_rate=0.01, n_epochs=5)
        assert type(fit.w) is float
        assert fit.w_history.shape == (6,)
        column = fit_by([[x] for x in XS], YS, learning_rate=0.01, n_epochs=5)
        assert column.w.shape == (1,)
        assert column.w_history.shape == (6, 1)
        assert column.w[0] == fit.w
        np.testing.assert_array_equal(column.w_history[:, 0], fit.w_history)


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize("history", ["epochs", None])
@pytest.mark.parametrize("n", [3, 5000])
def test_a_converged_run_says_so(n, history, backend):
    x = np.linspace(1, 3, n if backend == "numba" else 3)
    for fit_by, rate in ((fastgd.gradient_descent, 0.1), (fastgd.sgd, 0.05)):
        fit = fit_by(x, 2 * x, learning_rate=rate, n_epochs=200, history=history, backend=backend)
        assert fit.converged
        assert fit.status.startswith("converged: the last of 200 epochs changed no weight")
        assert fit.w == pytest.approx(2.0, abs=1e-14)
        assert not fit_by(
            x, 2 * x, learning_rate=1e-6, n_epochs=2, history=history, backend=backend
        ).converged


@pytest.mark.parametrize("n", [3, 5000])
def test_no_epochs_give_w0_and_its_cost(rng, n):
    X, y = problem(rng, n, 2)
    for fit_by in FITS:
        for backend in ("numba", "python"):
            fit = fit_by(X, y, w0=[1.0, 2.0], n_epochs=0, learning_rate=0.1, backend=backend)
            assert fit.w.tolist() == [1.0, 2.0]
            assert fit.w_history.tolist() == [[1.0, 2.0]]
            assert fit.cost_history[0] == pytest.approx(fastgd.cost(X, y, [1.0, 2.0]), rel=1e-14)
            assert fit.n_passes == 1
            assert fit.status.startswith("no epochs")


@pytest.mark.parametrize("n", [3, 5000])
def test_histories_that_are_kept(rng, n):
    X, y = problem(rng, n, 2)
    how = dict(learning_rate=0.001, n_epochs=4, method="stream")
    for fit_by in FITS:
        full, costs, nothing = (fit_by(X, y, history=kept, **how) for kept in ("epochs", "costs", None))
        assert full.w.tobytes() == costs.w.tobytes() == nothing.w.tobytes()
        assert costs.w_history is None
        assert nothing.w_history is nothing.cost_history is nothing.loss_history is None
        if costs.cost_history is not None:
            np.testing.assert_array_equal(full.cost_history, costs.cost_history)
    streamed = fastgd.sgd(X, y, **how)
    tracked = fastgd.sgd(X, y, track_cost=True, **how)
    assert (streamed.cost_history is None) == (n == 5000)
    assert tracked.cost_history.shape == (5,)
    assert tracked.cost_history[-1] == pytest.approx(fastgd.cost(X, y, tracked.w), rel=1e-14)
    assert tracked.n_passes == 9
    np.testing.assert_array_equal(tracked.w_history, streamed.w_history)


def test_a_history_that_would_not_fit_is_refused_with_the_remedy():
    X, y = np.zeros((3, 1000)), np.zeros(3)
    with pytest.raises(ValueError, match=r"history='epochs' would take 8.0 GB .* pass history=\"costs\""):
        fastgd.gradient_descent(X, y, n_epochs=10**6)
    with pytest.raises(ValueError, match=r"at most 1 GB is kept: pass history=\"epochs\""):
        fastgd.sgd(np.zeros(10**6), np.zeros(10**6), n_epochs=200, history="samples")
    with pytest.raises(ValueError, match=r"pass history=None"):
        fastgd.gradient_descent(XS, YS, n_epochs=10**8, history="costs")


@pytest.mark.parametrize("fit_by", FITS)
@pytest.mark.parametrize("n", [3, 5000])
def test_rates_of_several_kinds(rng, fit_by, n):
    X, y = problem(rng, n, None)
    rates = [0.001, 0.002, 0.0005]
    by_array = fit_by(X, y, learning_rate=np.array(rates), n_epochs=3, method="stream")
    by_function = fit_by(X, y, learning_rate=lambda epoch: rates[epoch], n_epochs=3, method="stream")
    assert histories(by_array) == histories(by_function)
    assert by_array.learning_rates.tolist() == rates
    w = 0.0
    for rate in rates:
        w = fit_by(X, y, w0=w, learning_rate=rate, n_epochs=1, method="stream").w
    assert by_array.w == w


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize("fit_by", FITS)
def test_nan_is_found_without_an_epoch_and_without_a_history(fit_by, backend):
    for n_epochs in (0, 1):
        with pytest.raises(fastgd.InvalidDataError, match=r"^X\[0\] is NaN"):
            fit_by([np.nan], [1.0], n_epochs=n_epochs, history=None, learning_rate=0.1, backend=backend)


def test_many_epochs_take_no_memory_of_their_own():
    fit = fastgd.gradient_descent(XS, YS, learning_rate=0.1, n_epochs=3_000_000, history=None)
    assert fit.converged
    assert fit.learning_rates.strides == (0,)
    with pytest.raises(
        ValueError, match=r"^n_epochs must be at most 9007199254740992, not 100000000000000000000$"
    ):
        fastgd.gradient_descent(XS, YS, n_epochs=10**20, history=None)
    with pytest.raises(ValueError, match=r"would take 16\.0 GB"):
        fastgd.gradient_descent(XS, YS, n_epochs=10**9, history="costs")


@given(st.floats(0.001, 0.2), st.floats(-10, 10), st.integers(1, 60))
def test_full_batch_on_the_lesson_follows_the_closed_form(rate, w0, n_epochs):
    """w − 2 shrinks by 1 − α·2·mean(x²) = 1 − 28α/3 an epoch."""
    fit = fastgd.gradient_descent(XS, YS, w0=w0, learning_rate=rate, n_epochs=n_epochs)
    expected = 2 + (w0 - 2) * (1 - 28 * rate / 3) ** n_epochs
    assert fit.w == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("d", [1, 3, 20])
def test_float32_data_descends_in_float64(rng, d):
    X, y = problem(rng, 500 if JIT_IS_OFF else 5000, d)
    X, y = X.astype(np.float32), y.astype(np.float32)
    for fit_by in FITS:
        single = fit_by(X, y, learning_rate=0.01, n_epochs=3)
        double = fit_by(X.astype(float), y.astype(float), learning_rate=0.01, n_epochs=3)
        np.testing.assert_allclose(single.w, double.w, rtol=1e-13)


def test_from_eight_threads_at_once(rng, many, threads_for_all):
    X, y = problem(rng, many // 2, None)
    how = dict(learning_rate=0.01, n_epochs=2)
    expected = fastgd.gradient_descent(X, y, **how).w, fastgd.sgd(X, y, **how).w
    results = []

    def user():
        results.append((fastgd.gradient_descent(X, y, **how).w, fastgd.sgd(X, y, **how).w))

    users = [threading.Thread(target=user) for _ in range(8)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join(120)
    assert results == [expected] * 8


def test_the_two_fits_share_their_parameters():
    descent, in_order = (inspect.signature(fit_by).parameters for fit_by in FITS)
    own = ("batch_size", "average", "shuffle", "seed", "track_cost")
    shared = [name for name in descent if name != "precondition"]
    assert [name for name in in_order if name not in own] == shared
    assert all(in_order[name].default == descent[name].default for name in shared)


FORK = """
import os
import numpy as np
import fastgd
rng = np.random.default_rng(0)
X = rng.standard_normal((120_000, 3))
y = X @ np.ones(3)
fit = lambda: fastgd.gradient_descent(X, y, learning_rate=0.1, n_epochs=3, n_threads=4).w.tobytes()
expected = fit()
child = os.fork()
if child == 0:
    os._exit(0 if fit() == expected else 1)
_, status = os.waitpid(child, 0)
assert fit() == expected
print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fit_in_a_forked_child_after_a_fit():
    code = FORK.replace("120_000", "5_000") if JIT_IS_OFF else FORK
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "0\n", done.stderr

"""SGD on maps: the plain sequential loop's iterates, the guard, divergence, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from fastgd.solver import maps
from fastgd.solver.steppers import choose
from tests.conftest import JIT_IS_OFF

pytestmark = pytest.mark.skipif(
    JIT_IS_OFF, reason="the kernels' own tests run as Python; these need many rows"
)


def problem(rng, n, d, noise=0.1):
    X = rng.standard_normal((n,) if d is None else (n, d))
    w = 2.0 if d is None else np.arange(1.0, d + 1)
    return X, (X * w if d is None else X @ w) + noise * rng.standard_normal(n)


def plain_loop(X, y, w, rate, n_epochs):
    """The lesson's loop in extended precision: an oracle that shares no formula with the maps."""
    table = X.reshape(len(y), -1).astype(np.longdouble)
    w = np.array(w, dtype=np.longdouble).reshape(-1)
    history = [w]
    for _ in range(n_epochs):
        for x, target in zip(table, y.astype(np.longdouble), strict=True):
            w = w - 2 * np.longdouble(rate) * x * (x @ w - target)
        history.append(w)
    return np.array(history)


@pytest.mark.parametrize("d", [None, 1, 2, 3, 7, 8, 13])
@pytest.mark.parametrize("share", [0.001, 0.2, 0.9])
def test_maps_are_the_plain_loop_in_extended_precision(rng, d, share):
    """At rates up to 0.9 of 1/max‖x‖², the error stays within 1e-13 of the largest weight."""
    X, y = problem(rng, 9000, d)
    rate = share * fastgd.diagnose(X, y, solver="sgd").stability_limit
    fit = fastgd.sgd(X, y, learning_rate=rate, n_epochs=2, method="summary")
    exact = plain_loop(X, y, np.zeros(d or 1), rate, 2)
    error = np.abs(fit.w_history.reshape(3, -1) - exact).max()
    assert error <= 1e-13 * float(np.abs(exact).max())
    assert (fit.method, fit.n_passes) == ("summary", 1)


@pytest.mark.parametrize("shuffle", [False, "blocks"])
@pytest.mark.parametrize("d", [None, 1, 2, 5, 10, 33])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_a_hundred_epochs_of_maps_are_a_hundred_scans(rng, d, dtype, shuffle):
    X, y = problem(rng, 20_000 // (d or 1) + 4097, d)
    X, y = X.astype(dtype), y.astype(dtype)
    how = dict(n_epochs=100, shuffle=shuffle, seed=3, track_cost=True)
    how["learning_rate"] = 0.5 * fastgd.diagnose(X, y, solver="sgd").stability_limit
    fit, scanned = (fastgd.sgd(X, y, method=method, **how) for method in ("summary", "stream"))
    scale = np.abs(scanned.w_history).max()
    np.testing.assert_allclose(fit.w_history, scanned.w_history, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(fit.cost_history, scanned.cost_history, rtol=1e-11)
    np.testing.assert_allclose(fit.loss_history, scanned.loss_history, rtol=1e-8, atol=1e-12)
    assert (fit.n_passes, scanned.n_passes) == (1, 201)


@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.lists(st.sampled_from([0.3, 0.1, 0.02]), min_size=1, max_size=5),
)
def test_rates_that_change_have_a_map_each(seed, d, shares):
    rng = np.random.default_rng(seed)
    X, y = problem(rng, 4200, d)
    rates = np.array(shares) / np.max(np.sum(X**2, axis=1))
    how = dict(learning_rate=rates, n_epochs=len(rates))
    fit, scanned = (fastgd.sgd(X, y, method=method, **how) for method in ("summary", "stream"))
    np.testing.assert_allclose(fit.w_history, scanned.w_history, rtol=0, atol=1e-13 * np.abs(scanned.w).max())
    assert fit.n_passes == 1


def hot_end(d):
    """x = 1 at rate ½ puts w on y/x at once; sixty larger x at the end multiply an error by 5 to 8 each.

    The first block says y = 0.123… x, so w_ref is that, and all others y = 0.75 x: the loop stays on 0.75,
    to the last bit, for 0.75 x is exact. The map does not: 0.75 - 0.123… is rounded, and 0.123… x.
    """
    x = np.ones(40_000)
    x[-60:] = np.linspace(2.5, 2.9, 60, dtype=np.float32)
    y = np.where(np.arange(40_000) < 5000, 0.1234567890123457, 0.75) * x
    return (x if d is None else np.column_stack([x, *np.zeros((d - 1, len(x)))])), y


@pytest.mark.parametrize("d", [None, 2, 5])
@pytest.mark.parametrize("shuffle", [False, "blocks"])
def test_a_block_whose_map_would_lose_digits_is_scanned(monkeypatch, d, shuffle):
    monkeypatch.setattr(choose, "MOST_SCANNED", 1.0)
    X, y = hot_end(d)
    how = dict(learning_rate=0.5, n_epochs=30, method="summary", shuffle=shuffle, seed=9)
    fit = fastgd.sgd(X, y, **how)
    scanned = fastgd.sgd(X, y, **how | dict(method="stream"))
    assert fit.method == "summary"
    assert fit.n_passes == 1 + 30  # a read an epoch for what is scanned
    np.testing.assert_array_equal(fit.w_history, scanned.w_history)
    assert 0.75 in scanned.w_history[-1:]
    monkeypatch.setattr(maps, "GROWTH", np.inf)  # without the guard:
    unguarded = fastgd.sgd(X, y, **how | dict(on_divergence="ignore"))
    assert unguarded.n_passes == 1
    assert not np.abs(unguarded.w_history - scanned.w_history).max() < 1e-3


def test_where_most_blocks_would_be_scanned_all_are(rng):
    X, y = problem(rng, 50_000, 3)
    fit = fastgd.sgd(X, y, learning_rate=0.1, n_epochs=2, method="summary")  # max‖x‖² is about 25
    scanned = fastgd.sgd(X, y, learning_rate=0.1, n_epochs=2, method="stream")
    assert fit.method == "stream"
    assert fit.n_passes == 3
    assert fit.w_history.tobytes() == scanned.w_history.tobytes()


def test_one_column_may_be_hotter_as_long_as_no_stretch_of_steps_amplifies_much(rng):
    """x normal, α = 0.3: every tenth step or so multiplies an error by up to 10, and the others damp it."""
    X, y = problem(rng, 50_000, None)
    fit = fastgd.sgd(X, y, learning_rate=0.25, n_epochs=3, method="summary")
    scanned = fastgd.sgd(X, y, learning_rate=0.25, n_epochs=3, method="stream")
    assert (fit.method, fit.n_passes) == ("summary", 1)
    np.testing.assert_allclose(fit.w_history, scanned.w_history, rtol=0, atol=1e-12)


@pytest.mark.parametrize("d", [None, 2])
def test_a_diverging_run_ends_where_the_plain_loop_does(d):
    """x = 1 and α = 1.00001: an epoch of 9000 rows multiplies the error by 1.2, and no block by much."""
    x = np.ones(9000)
    X = x if d is None else np.column_stack([x, 0.0 * x])
    how = dict(learning_rate=1.00001, n_epochs=10_000, track_cost=True)
    caught = []
    for method in ("summary", "stream"):
        with pytest.raises(fastgd.DivergenceError, match=r"^sgd diverged in epoch \d+") as error:
            fastgd.sgd(X, 2.0 * x, w0=1.0 if d is None else [1.0, 0.0], method=method, **how)
        caught.append(error.value)
    by_maps, scanned = caught
    assert by_maps.result.method == "summary"
    assert abs(by_maps.epoch - scanned.epoch) <= 1
    assert np.isfinite(by_maps.result.w_history).all()
    assert by_maps.limit == scanned.limit == 1.0


@pytest.mark.parametrize("d", [None, 3])
@pytest.mark.parametrize("rate", [1e-3, 1.0, 1e3, 1e300])
def test_w0_at_an_exact_fit_stays_there_at_any_rate(rng, d, rate):
    w = 2.5 if d is None else np.array([1.0, -2.0, 0.5])
    X = rng.integers(-8, 9, (20_000,) if d is None else (20_000, d)).astype(float)
    y = X * w if d is None else X @ w
    for method in ("summary", "stream"):
        fit = fastgd.sgd(X, y, w0=w, learning_rate=rate, n_epochs=3, method=method)
        assert (fit.w_history == w).all()


def test_costs_far_below_the_first_blocks_take_one_more_read(rng):
    X, y = problem(rng, 30_000, None, 0.0)
    y[:5000] += 1e-3  # the first block fits another slope
    X[:5000] = 1.0
    rate = 0.3 / np.max(X**2)
    fit = fastgd.sgd(X, y, learning_rate=rate, n_epochs=3, method="summary")
    assert fit.n_passes <= 2
    for epoch in range(4):
        exact = float(np.mean((X.astype(np.longdouble) * fit.w_history[epoch] - y) ** 2))
        assert fit.cost_history[epoch] == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("d", [None, 3])
def test_a_million_epochs_run_at_compiled_speed(rng, d):
    """Not timed: at Python's speed, some 10 µs an epoch, these four runs would take a minute."""
    X, y = problem(rng, 5000, d)
    for fit_by, rate in ((fastgd.gradient_descent, 0.01), (fastgd.sgd, 1e-4)):
        fit = fit_by(X, y, learning_rate=rate, n_epochs=1_000_000, history="costs", method="summary")
        assert fit.converged
        assert fit.cost_history.shape == (1_000_001,)
        assert fit.n_passes == 1


def test_what_a_map_cannot_do_is_refused():
    X, y = [1.0, 2.0], [1.0, 2.0]
    for options, message in [
        (dict(shuffle=True), "^shuffle=True shuffles single rows"),
        (dict(history="samples"), '^history="samples" records single steps'),
        (dict(backend="python"), '^method="summary" needs the compiled kernels'),
    ]:
        with pytest.raises(ValueError, match=message):
            fastgd.sgd(X, y, method="summary", **options)
    with pytest.raises(ValueError, match=r"^method must be 'auto' or 'summary' or 'stream', not 'fast'$"):
        fastgd.gradient_descent(X, y, method="fast")


@pytest.mark.parametrize("d", [2, 3, 8])
@pytest.mark.parametrize("scale", [1e-80, 1e-20, 1e20, 1e80])
def test_data_of_any_scale(rng, d, scale):
    X, y = problem(rng, 12_000, d)
    fit = fastgd.sgd(scale * X, y, n_epochs=3)
    scanned = fastgd.sgd(scale * X, y, n_epochs=3, method="stream")
    np.testing.assert_allclose(fit.w_history, scanned.w_history, rtol=0, atol=1e-12 * np.abs(scanned.w).max())


@pytest.mark.parametrize("d", [None, 2, 9])
@pytest.mark.parametrize("scale", [1e-160, 1e-150, 1e150])
def test_targets_of_any_scale(rng, d, scale):
    X, y = problem(rng, 12_000, d)
    how = dict(learning_rate=1e-3, n_epochs=3)
    fit = fastgd.sgd(X, scale * y, method="summary", **how)
    scanned = fastgd.sgd(X, scale * y, method="stream", **how)
    np.testing.assert_allclose(fit.w_history, scanned.w_history, rtol=0, atol=1e-12 * np.abs(scanned.w).max())


@pytest.mark.parametrize("rate", [1e-6, 1e-9, 1e-12, 1e-20])
def test_weights_that_hardly_move_keep_their_digits(rng, rate):
    X, y = problem(rng, 10_000, 2)
    fit, scanned = (
        fastgd.sgd(X, y, learning_rate=rate, n_epochs=50, method=method) for method in ("summary", "stream")
    )
    assert fit.n_passes == (2 if rate < 1e-7 else 1)
    np.testing.assert_allclose(fit.w_history, scanned.w_history, rtol=0, atol=1e-12 * np.abs(scanned.w).max())
    assert not fit.converged


@pytest.mark.parametrize("track_cost", [False, True])
@pytest.mark.parametrize("history", ["epochs", None])
def test_what_is_kept_decides_no_divergence_but_a_tracked_cost(rng, track_cost, history):
    x = np.full(8192, 1e-3)
    x[0] = 1.0
    y = 2 * x + 1e-3 * rng.standard_normal(8192)
    epochs = []
    for method in ("summary", "stream"):
        with pytest.raises(fastgd.DivergenceError) as caught:
            fastgd.sgd(
                x, y, w0=1.0, learning_rate=1.5, n_epochs=1500, method=method, history=history,
                track_cost=track_cost,
            )  # fmt: skip
        epochs.append(caught.value.epoch)
    assert abs(epochs[0] - epochs[1]) <= 1
    assert (epochs[0] < 600) == (track_cost and history is not None)


def test_an_epoch_that_is_partly_scanned_keeps_costs_and_losses(monkeypatch):
    monkeypatch.setattr(choose, "MOST_SCANNED", 1.0)
    X, y = hot_end(2)
    how = dict(learning_rate=0.5, n_epochs=3, shuffle="blocks", seed=9, track_cost=True)
    fit, scanned = (fastgd.sgd(X, y, method=method, **how) for method in ("summary", "stream"))
    assert (fit.method, scanned.method) == ("summary", "stream")
    np.testing.assert_allclose(fit.cost_history, scanned.cost_history, rtol=1e-12)
    np.testing.assert_array_equal(fit.loss_history, scanned.loss_history)


def test_a_better_reference_leaves_the_run_as_it_is(rng):
    """Recentred in the middle of a run: the epochs done are taken again from where they began."""
    X = rng.standard_normal(30_000)
    X[:5000] = 0.0
    y = 2 * X + 1e-6 * rng.standard_normal(30_000)
    for fit_by, rate in ((fastgd.sgd, 1e-5), (fastgd.gradient_descent, 0.4)):
        fit, scanned = (
            fit_by(X, y, learning_rate=rate, n_epochs=60, method=method) for method in ("summary", "stream")
        )
        assert fit.n_passes == 2
        np.testing.assert_allclose(fit.w_history, scanned.w_history, rtol=0, atol=1e-12)
        started = fit_by(X, y, w0=fit.w, learning_rate=rate, n_epochs=0, method="summary")
        assert started.cost_history[0] == pytest.approx(fit.cost_history[-1], rel=1e-9)

"""Weights of samples, batches of rows, and combinations that are refused."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd import losses
from tests.conftest import JIT_IS_OFF
from tests.problems import LOSSES, RULES, problem

SOME = [dict(), dict(fit_intercept=True, standardize=True), dict(l1=0.02, l2=0.1, fit_intercept=True)]


def assert_same_run(fit, other, tolerance=1e-11):
    size = max(1.0, np.max(np.abs(other.w_history)))
    np.testing.assert_allclose(fit.w_history, other.w_history, rtol=0, atol=tolerance * size)
    np.testing.assert_allclose(fit.cost_history, other.cost_history, rtol=tolerance, atol=tolerance)
    assert fit.intercept == pytest.approx(other.intercept, rel=tolerance, abs=tolerance)


# Weights --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", SOME, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_whole_weights_are_repeated_rows(rng, loss, data):
    X, y = problem(rng, 40, 3, loss)
    times = rng.integers(0, 4, 40)
    repeated = np.repeat(X, times, axis=0), np.repeat(y, times)
    for rule in RULES:
        how = dict(loss=LOSSES[loss], learning_rate=0.1, n_epochs=6) | data | rule
        for method in ("stream", "summary") if loss == "squared_error" else ("stream",):
            fit = fastgd.gradient_descent(X, y, sample_weight=times, method=method, **how)
            assert_same_run(fit, fastgd.gradient_descent(*repeated, method=method, **how))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_of_zero_leaves_the_row_out_and_weights_have_no_scale(rng, loss):
    X, y = problem(rng, 40, 2, loss)
    s = np.where(rng.random(40) < 0.3, 0.0, rng.random(40))
    counted = s > 0
    for data in SOME:
        how = dict(loss=LOSSES[loss], learning_rate=0.1, n_epochs=6) | data
        fit = fastgd.gradient_descent(X, y, sample_weight=s, **how)
        left = fastgd.gradient_descent(X[counted], y[counted], sample_weight=s[counted], **how)
        assert_same_run(fit, left)
        for scale in (1e-6, 3.0, 1e9):
            assert_same_run(fit, fastgd.gradient_descent(X, y, sample_weight=scale * s, **how))
        ones = fastgd.gradient_descent(X, y, sample_weight=np.full(40, 7.0), **how)
        assert_same_run(ones, fastgd.gradient_descent(X, y, **how))


def test_a_weight_scales_a_step_of_sgd():
    """w ← w − α s 2x(x w − y): by hand 0 + 0.1·3·2·2 = 1.2, then 1.2 − 0.1·0.5·2·2·(2.4 − 1) = 0.92."""
    for how in ({}, dict(l2=0.0, average=100), dict(loss=losses.Huber(1e9)), dict(method="stream")):
        s = [3.0, 0.5, 0.0]
        fit = fastgd.sgd(
            [1.0, 2.0, 5.0], [2.0, 1.0, 3.0], sample_weight=s, learning_rate=0.1, n_epochs=1, **how
        )
        assert fit.w == pytest.approx(0.92, rel=1e-14), how


def test_weights_of_any_size(rng):
    """Too large for their sum, they are refused or right; small ones are right."""
    X, y = problem(rng, 30, 2)
    for how in (dict(), dict(fit_intercept=True), dict(loss="huber"), dict(l2=0.1, standardize=True)):
        how = how | dict(learning_rate=0.1, n_epochs=5)
        expected = fastgd.gradient_descent(X, y, **how)
        for size in (1e-300, 1e-200, 1e200, 1e300, 1e308):
            try:
                fit = fastgd.gradient_descent(X, y, sample_weight=np.full(30, size), **how)
            except fastgd.InvalidDataError:
                assert size == 1e308
            else:
                assert_same_run(fit, expected)


@pytest.mark.parametrize("how", [{}, dict(method="summary"), dict(loss="huber"), dict(momentum=0.1)], ids=str)
def test_the_last_loss_of_an_epoch_is_that_of_its_row(rng, how):
    """Times its weight, as `FitResult.loss_history` says, and on every track."""
    X, y = problem(rng, 30, 2)
    fit = fastgd.sgd(X, y, sample_weight=np.full(30, 0.25), learning_rate=0.01, n_epochs=2, **how)
    r = float(X[-1] @ fit.w - y[-1])
    expected = r * r if abs(r) < 1.35 or "loss" not in how else 1.35 * (2 * abs(r) - 1.35)
    assert fit.loss_history[-1] == pytest.approx(0.25 * expected, rel=1e-12)


# Batches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [None, 2])
@pytest.mark.parametrize(
    "how",
    [
        {},
        dict(l2=0.1),
        dict(fit_intercept=True),
        dict(loss="huber"),
        dict(standardize=True, fit_intercept=True),
        dict(momentum=0.5),
        dict(momentum=0.5, nesterov=True),
        dict(l1=0.1, l2=0.1, sample_weight="some"),
    ],
    ids=str,
)
def test_a_batch_of_all_rows_is_full_batch_descent_to_the_bit(rng, d, how):
    for n in (50,) if JIT_IS_OFF else (50, 5000):
        X, y = problem(rng, n, d)
        given = how | dict(sample_weight=rng.random(n)) if "sample_weight" in how else how
        for batch_size in (n, n + 1):
            for rate in (dict(learning_rate=0.05), {}):
                fit = fastgd.sgd(X, y, batch_size=batch_size, n_epochs=4, **given, **rate)
                expected = fastgd.gradient_descent(X, y, n_epochs=4, **given, **rate)
                assert fit.w_history.tobytes() == expected.w_history.tobytes()
                assert fit.cost_history.tobytes() == expected.cost_history.tobytes()
                assert fit.intercept == expected.intercept
                assert fit.n_updates == 4
                assert fit.solver == "sgd"


def test_each_batch_averages_over_its_own_rows():
    """Of three rows the first two, then the last alone: all by hand, α = 0.1."""
    x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    w = 0.0 + 0.1 * (2 * 1 * 2 + 2 * 2 * 4) / 2
    w = w - 0.1 * 2 * 3 * (3 * w - 6)
    assert fastgd.sgd(x, y, batch_size=2, learning_rate=0.1, n_epochs=1).w == pytest.approx(w, rel=1e-15)
    w = 0.1 * (3 * 2 * 1 * 2 + 1 * 2 * 2 * 4) / 4
    w = w - 0.1 * 2 * 3 * (3 * w - 6)  # the last row's weight is alone in its mean
    fit = fastgd.sgd(x, y, batch_size=2, learning_rate=0.1, n_epochs=1, sample_weight=[3.0, 1.0, 0.2])
    assert fit.w == pytest.approx(w, rel=1e-15)
    fit = fastgd.sgd(x, y, batch_size=2, learning_rate=0.1, n_epochs=3, sample_weight=[3.0, 1.0, 0.0])
    assert fit.w < 2.0  # a batch without weight takes no step
    assert fit.n_updates == 6


def test_batches_go_on_over_the_seams_of_blocks(rng):
    n, size = (50, 7) if JIT_IS_OFF else (10_000, 1000)
    X, y = problem(rng, n, 2)
    s = rng.random(n) + 0.1
    how = dict(batch_size=size, learning_rate=0.05, n_epochs=2, fit_intercept=True, sample_weight=s)
    fit = fastgd.sgd(X, y, **how)
    Z, theta = np.column_stack([X, np.ones(n)]), np.zeros(3)
    for _ in range(2):
        for start in range(0, n, size):
            part = slice(start, start + size)
            gradient = 2 * Z[part].T @ (s[part] * (Z[part] @ theta - y[part])) / s[part].sum()
            theta = theta - 0.05 * gradient
    np.testing.assert_allclose([*fit.w, fit.intercept], theta, rtol=1e-12)
    assert fit.n_updates == 2 * -(-n // size)
    for shuffle in ("blocks", True):
        again = [fastgd.sgd(X, y, shuffle=shuffle, seed=5, **how).w.tobytes() for _ in range(2)]
        assert again[0] == again[1]


# What is refused ------------------------------------------------------------------------------------------


def test_a_fit_of_other_columns_is_no_start(rng):
    X, y = problem(rng, 20, 2)
    fit = fastgd.gradient_descent(X, y, n_epochs=1)
    with pytest.raises(fastgd.InvalidDataError, match=r"^w0 is a fit of X of shape \(n, 2\), and this X"):
        fastgd.sgd(X[:, :1], y, w0=fit)
    scalar = fastgd.gradient_descent(X[:, 0], y, n_epochs=1)
    with pytest.raises(fastgd.InvalidDataError, match=r"^w0 is a fit of X of shape"):
        fastgd.gradient_descent(X[:, :1], y, w0=scalar)

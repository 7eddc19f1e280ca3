"""Coordinates of the descent: there and back, and standardising against standardising by hand."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.solver.scaling import Scaling, plain, sums_of
from tests.conftest import JIT_IS_OFF
from tests.problems import problem


def some(rng, d, has_intercept):
    return Scaling(rng.normal(size=d) * has_intercept, 0.5 + rng.random(d), has_intercept)


@pytest.mark.parametrize("has_intercept", [False, True])
def test_there_and_back(rng, has_intercept):
    to = some(rng, 4, has_intercept)
    w, intercept = rng.normal(size=4), 0.7 * has_intercept
    theta = to.theta(w, intercept)
    assert theta.shape == (to.size,) == (4 + has_intercept,)
    back, b = to.model(theta)
    np.testing.assert_allclose(back, w, rtol=1e-15)
    assert b == pytest.approx(intercept, abs=1e-15)
    many_w, many_b = to.model(np.stack([theta, 2 * theta]))
    np.testing.assert_array_equal(many_w[0], back)
    np.testing.assert_allclose(many_w[1], 2 * back, rtol=1e-15)
    assert many_b.shape == (2,)
    assert many_b[0] == b


def test_scores_are_the_same_in_both(rng):
    to, X = some(rng, 3, True), rng.normal(size=(7, 3))
    theta = rng.normal(size=4)
    w, intercept = to.model(theta)
    np.testing.assert_allclose(
        ((X - to.shift) * to.scale) @ theta[:3] + theta[3], X @ w + intercept, atol=1e-14
    )


def test_the_gradient_follows_the_chain_rule(rng):
    to, theta = some(rng, 3, True), rng.normal(size=4)
    a, b = rng.normal(size=3), 0.4

    def linear(theta):
        w, intercept = to.model(theta)
        return a @ w + b * intercept

    differences = [linear(theta + e) - linear(theta) for e in np.eye(4)]
    np.testing.assert_allclose(to.gradient(a, b), differences, atol=1e-14)


@pytest.mark.parametrize("has_intercept", [False, True])
def test_the_gradient_is_led_back(rng, has_intercept):
    to, by_w, by_intercept = some(rng, 3, has_intercept), rng.normal(size=3), 0.4 * has_intercept
    back, b = to.gradient_of_w(np.stack([to.gradient(by_w, by_intercept)] * 2))
    np.testing.assert_allclose(back, [by_w, by_w], rtol=1e-13)
    np.testing.assert_array_equal(b, [by_intercept, by_intercept])
    assert not to.is_plain
    assert plain(3, has_intercept).is_plain


def test_the_penalty_is_that_of_the_weights(rng):
    to, theta = some(rng, 3, True), rng.normal(size=4)
    w, _ = to.model(theta)
    expected = 0.3 * np.sum(np.abs(w)) + 0.1 * np.sum(w * w)
    assert to.penalty(0.3, 0.2).value(theta) == pytest.approx(expected, rel=1e-14)
    assert to.penalty(0.3, 0.2).l1[3] == to.penalty(0.3, 0.2).l2[3] == 0.0


def test_a_constant_column_gives_its_weight_to_the_intercept():
    to = Scaling(np.array([5.0, 0.0]), np.array([0.0, 1.0]), True)
    w, intercept = to.model(to.theta(np.array([2.0, 3.0]), 1.0))
    assert w.tolist() == [0.0, 3.0]
    assert intercept == 11.0


def test_which_coordinates_are_equal(rng):
    to = some(rng, 2, True)
    assert to.equals(Scaling(to.shift.copy(), to.scale.copy(), True))
    assert not to.equals(None)
    assert not to.equals(plain(2, True))
    assert not plain(2, False).equals(plain(2, True))
    assert sums_of(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [3.0, 7.0]


# Standardising by hand ------------------------------------------------------------------------------------


def standard(X, s, has_intercept):
    mean = np.average(X, axis=0, weights=s) if has_intercept else np.zeros(X.shape[1])
    return mean, np.sqrt(np.average((X - mean) ** 2, axis=0, weights=s))


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("kind", ["summary", "stream", "huber", "nesterov", "sgd", "batches", "log_loss"])
def test_standardising_is_standardising_by_hand(rng, kind, has_intercept, is_weighted):
    n = 30 if JIT_IS_OFF else 200
    X, y = problem(rng, n, 3, kind)
    X = X * [1.0, 20.0, 0.1] + [3.0, -5.0, 0.02]
    s = rng.random(n) + 0.1 if is_weighted else None
    mean, deviation = standard(X, s, has_intercept)
    how = {
        "summary": dict(method="summary"),
        "stream": dict(method="stream"),
        "huber": dict(loss="huber"),
        "log_loss": dict(loss="log_loss"),
        "nesterov": dict(nesterov=True),
        "sgd": dict(learning_rate=0.01),
        "batches": dict(learning_rate=0.01, batch_size=7, momentum=0.5),
    }[kind] | dict(fit_intercept=has_intercept, sample_weight=s)
    how = dict(learning_rate=0.1, n_epochs=6) | how
    fit_by = fastgd.sgd if kind in ("sgd", "batches") else fastgd.gradient_descent
    fit = fit_by(X, y, standardize=True, **how)
    by_hand = fit_by((X - mean) / deviation, y, **how)
    w = by_hand.w_history / deviation
    np.testing.assert_allclose(fit.w_history, w, rtol=1e-11, atol=1e-12 * np.max(np.abs(w)))
    if has_intercept:
        np.testing.assert_allclose(fit.intercept_history, by_hand.intercept_history - w @ mean, atol=1e-11)
    if fit.cost_history is not None:
        np.testing.assert_allclose(fit.cost_history, by_hand.cost_history, rtol=1e-11)


@pytest.mark.parametrize("fit_by", [fastgd.gradient_descent, fastgd.sgd])
@pytest.mark.parametrize("how", [{}, dict(loss="huber"), dict(l1=1e-3), dict(method="summary")])
def test_constant_columns_get_no_weight_and_are_named(rng, fit_by, how):
    X, y = problem(rng, 50, 4)
    X[:, 1], X[:, 3] = 7.1, -0.3
    if fit_by is fastgd.sgd and how.get("l1"):
        how = how | dict(learning_rate=0.001)
    fit = fit_by(X, y, fit_intercept=True, standardize=True, n_epochs=20, **how)
    assert fit.w[1] == fit.w[3] == 0.0
    assert (fit.w_history[:, [1, 3]] == 0.0).all()
    assert "; constant, so of weight 0: column 1, 3" in fit.status
    rest = fit_by(X[:, [0, 2]], y, fit_intercept=True, standardize=True, n_epochs=20, **how)
    np.testing.assert_allclose(fit.w[[0, 2]], rest.w, rtol=1e-9)
    assert "constant" not in rest.status


def test_weights_can_make_a_column_constant(rng):
    X, y = problem(rng, 50, 2)
    X[10:, 1] = 4.0
    s = np.where(np.arange(50) < 10, 0.0, 1.0 + rng.random(50))
    for how in ({}, dict(loss="huber"), dict(method="summary")):
        fit = fastgd.gradient_descent(
            X, y, fit_intercept=True, standardize=True, sample_weight=s, n_epochs=9, **how
        )
        assert fit.w[1] == 0.0
        assert fit.status.endswith("column 1")
        assert np.isfinite(fit.cost_history).all()


def test_a_column_of_zeros_without_intercept(rng):
    X, y = problem(rng, 20, 2)
    X[:, 0] = 0.0
    fit = fastgd.gradient_descent(X, y, w0=[3.0, 0.0], standardize=True, n_epochs=5)
    assert fit.w[0] == 0.0
    assert "column 0" in fit.status


@pytest.mark.parametrize("size", [1e-140, 1e100])
def test_columns_of_any_size(rng, size):
    X, y = problem(rng, 40, 2)
    for how in (dict(), dict(fit_intercept=True), dict(fit_intercept=True, loss="huber")):
        fit = fastgd.gradient_descent(X * size, y, standardize=True, n_epochs=5, **how)
        expected = fastgd.gradient_descent(X, y, standardize=True, n_epochs=5, **how)
        np.testing.assert_allclose(fit.w * size, expected.w, rtol=1e-10)


@pytest.mark.parametrize("fit_by", [fastgd.gradient_descent, fastgd.sgd])
@pytest.mark.parametrize("how", [dict(), dict(loss="huber"), dict(backend="python")], ids=str)
def test_one_row_is_all_constant(fit_by, how):
    fit = fit_by([[2.0, 3.0]], [5.0], standardize=True, fit_intercept=True, n_epochs=200, **how)
    assert fit.w.tolist() == [0.0, 0.0]
    assert fit.intercept == pytest.approx(5.0, rel=1e-12)
    assert fit.status.endswith("column 0, 1")


def test_one_column_of_numbers_is_standardised_too(rng):
    X, y = problem(rng, 40, None)
    for how in ({}, dict(loss="huber"), dict(l1=0.01)):
        fit = fastgd.gradient_descent(X, y, standardize=True, fit_intercept=True, n_epochs=5, **how)
        column = fastgd.gradient_descent(
            X[:, None], y, standardize=True, fit_intercept=True, n_epochs=5, **how
        )
        assert type(fit.w) is float
        assert fit.w == column.w[0]
        assert fit.intercept == column.intercept

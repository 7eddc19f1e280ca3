"""Epochs on sums, and maps that are composed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd.kernels import epochs


def test_a_cost_that_rounds_below_nothing_is_nothing_and_nan_stays():
    G, c, h = np.array([[1.0]]), np.array([1.0]), np.empty(1)
    assert epochs.evaluate(G, c, 1.0, 1, np.array([1.0]), h) == 0.0
    assert epochs.evaluate(G, c, 1.0 - 1e-16, 1, np.array([1.0]), h) == 0.0
    assert math.isnan(epochs.evaluate(G, c, math.nan, 1, np.array([1.0]), h))


@pytest.mark.parametrize("d", [1, 2, 10])
def test_descending_by_hand(rng, d):
    X, w_ref = rng.normal(size=(50, d)), rng.normal(size=d)
    y = X @ np.ones(d) + rng.normal(size=50)
    r = y - X @ w_ref
    v, before, costs, weights = -w_ref, np.empty(d), np.empty(4), np.empty((4, d))
    rates = np.array([0.01, 0.02, 0.01, 0.03])
    work = v, before, np.empty(d), rates
    gradients = np.empty((4, d))
    assert epochs.descend(X.T @ X, X.T @ r, r @ r, 50, w_ref, *work, False, costs, weights, gradients) == 4
    plain = np.zeros(d)
    for epoch, rate in enumerate(rates):
        gradient = 2 / 50 * X.T @ (X @ plain - y)
        np.testing.assert_allclose(gradients[epoch], gradient, rtol=1e-11, atol=1e-13)
        plain = plain - rate * gradient
        np.testing.assert_allclose(w_ref + weights[epoch], plain, rtol=1e-12, atol=1e-14)
        assert costs[epoch] == pytest.approx(np.mean((X @ plain - y) ** 2), rel=1e-12)
    np.testing.assert_array_equal(v, weights[-1])
    np.testing.assert_array_equal(before, weights[-2])
    np.testing.assert_array_equal((w_ref + v) - w_ref, v)  # costs are those of the rounded weights


@pytest.mark.parametrize("go_on", [False, True])
def test_an_epoch_that_overflows_is_undone_unless_the_run_goes_on(go_on):
    v, before, costs = np.array([1e150]), np.empty(1), np.empty(9)
    work = v, before, np.empty(1), np.full(9, 100.0)
    none = np.empty((0, 1))
    done = epochs.descend(np.eye(1), np.ones(1), 1.0, 1, np.zeros(1), *work, go_on, costs, none, none)
    if go_on:
        assert done == 9
        assert costs[-1] == math.inf
    else:
        assert done < 9
        assert np.isfinite(costs[:done]).all()
        assert v[0] == before[0]


def test_composing_stops_where_digits_would_be_lost(rng):
    """Growing by 2⁵, shrinking and growing again is fine; growing twice, by 2¹⁰, is not."""
    a = np.array([[[2.0**5]], [[2.0**-5]], [[2.0**5]]])
    b = np.ones((3, 1))
    growth = np.array([2.0**5, 1.0, 2.0**5])
    out = np.empty((1, 1)), np.empty(1)
    assert epochs.compose_all(a, b, growth, 2.0**8, *out)
    assert (out[0][0, 0], out[1][0]) == (2.0**5, 2.0**5 * (2.0**-5 + 1) + 1)
    assert not epochs.compose_all(a[[0, 2, 1]], b, growth[[0, 2, 1]], 2.0**8, *out)
    assert not epochs.compose_all(a, b, np.array([2.0**9, 1.0, 1.0]), 2.0**8, *out)
    assert not epochs.compose_all(a, b, np.array([1.0, 1.0, np.nan]), 2.0**8, *out)


@pytest.mark.parametrize("d", [2, 5])
def test_composing_is_applying_one_after_the_other(rng, d):
    a, b = 0.5 * rng.standard_normal((6, d, d)), rng.standard_normal((6, d))
    out_a, out_b = np.empty((d, d)), np.empty(d)
    assert epochs.compose_all(a, b, np.ones(6), 2.0**8, out_a, out_b)
    u = rng.standard_normal(d)
    expected = u.copy()
    epochs.apply_maps(a, b, np.arange(6), expected, np.empty(d))
    np.testing.assert_allclose(out_a @ u + out_b, expected, rtol=1e-12)

"""Steps of SGD in order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd.kernels import in_order, strict


@pytest.mark.parametrize("n", [1, 2, 3, 100, 101, 102, 103, 300])
@pytest.mark.parametrize("d", [1, 2, 7, 9, 24, 48, 49, 56])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("stability", [0.01, 0.9])
def test_steps_in_order_are_the_strict_steps_to_rounding(rng, n, d, dtype, stability):
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal(n).astype(dtype)
    rate = stability / float((X.astype(float) ** 2).sum(axis=1).max())  # each step shrinks its residual
    fast, exact, none = np.ones(d), np.ones(d), np.empty(0)
    if d == 1:
        in_order.run_1d(X.reshape(-1), y, fast, rate)
    else:
        in_order.run_nd(X, y, fast, rate)
    few = in_order.run_few(X.reshape(-1), y, tuple(np.ones(d)), 2.0 * rate) if d <= 7 else fast
    nothing = np.empty((0, d)), np.empty((0, n, d))
    strict.descend_in_order(X, y, exact, np.empty(d), np.array([rate]), 2.0, False, none, none, *nothing)
    np.testing.assert_allclose(fast, exact, rtol=0, atol=1e-13 * np.abs(exact).max())
    np.testing.assert_allclose(few, exact, rtol=0, atol=1e-13 * np.abs(exact).max())


@pytest.mark.parametrize("rate", [0.1, 10.0, 1e30, 1e100, 1e200, 1e307])
@pytest.mark.parametrize("x", [1.0, 3.0])
def test_a_weight_that_fits_exactly_stays_at_any_rate(x, rate):
    xs, w = np.full(1000, x), np.array([2.0])
    in_order.run_1d(xs, 2.0 * xs, w, rate)
    assert w[0] == 2.0


@pytest.mark.parametrize("growth", [1.5, 10.0, 1e80])
def test_a_diverging_weight_grows_as_in_the_plain_loop(growth):
    xs, w = np.ones(200), np.array([1.0])
    rate = (growth + 1) / 2  # w − 2 becomes −growth times itself
    in_order.run_1d(xs, 2.0 * xs, w, rate)
    plain = 1.0
    for _ in range(200):
        plain -= 2 * rate * (plain - 2)
    assert w[0] == pytest.approx(plain, rel=1e-12) or not (math.isfinite(w[0]) or math.isfinite(plain))

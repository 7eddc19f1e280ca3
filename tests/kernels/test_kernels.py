"""Kernels alone: the small ones against Python, the summing ones against exact sums."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.kernels import accurate, arithmetic, fused, in_order, plain_read, pointwise, strict, tree
from tests.conftest import JIT_IS_OFF
from tests.problems import plain_tree

numbers = st.floats(-1e10, 1e10, allow_subnormal=False).map(lambda v: 0.0 if abs(v) < 1e-10 else v)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_square_has_the_digits_of_pythons_power(r):
    try:
        expected = r**2
    except OverflowError:
        expected = math.inf
    assert arithmetic.square(np.float64(r), 2.0) == expected


@given(numbers, numbers, numbers)
def test_a_residual_is_rounded_once(x, y, w):
    """One row: Σ r² and x·r are those of the exact residual, rounded."""
    residual = Fraction(x) * Fraction(w) - Fraction(y)
    squares, products = accurate.run(np.array([[x]]), np.array([y]), np.array([w]), 1, False)
    assert squares == pytest.approx(float(residual * residual), rel=1e-15)
    assert products == pytest.approx(float(Fraction(x) * residual), rel=1e-15)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=100))
def test_the_tree_in_a_kernel_is_the_tree_of_the_engine(values):
    stack, top = tree.new_stack(len(values), 1), 0
    for leaf, value in enumerate(values):
        stack[top, 0] = value
        top = tree.push(stack, top, leaf)
    assert tree.total(stack, top)[0] == plain_tree(values)


@pytest.mark.parametrize("d", [1, 2, 5, 7, 8, 17, 24, 25, 100, 129, 403, 1030])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 127, 128, 129, 700])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_the_fused_kernels_sum_every_row_once(rng, n, d, dtype):
    n = min(n, 20) if JIT_IS_OFF else n
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal(n).astype(dtype)
    w = rng.standard_normal(d)
    residual = X.astype(float) @ w - y
    expected = np.array([residual @ residual, *(X.astype(float).T @ residual)])
    tolerance = 1e-12 * np.abs(expected).max()
    np.testing.assert_allclose(fused.run(X, y, w, 128), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(accurate.run(X, y, w, 128, False), expected, rtol=0, atol=tolerance)
    if d <= 7:
        few = fused.run_few(X.reshape(-1), y, tuple(w), 512)
        np.testing.assert_allclose(few, expected, rtol=0, atol=tolerance)


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


def test_the_plain_read_reads_all(rng):
    X, y = rng.standard_normal(1000), rng.standard_normal(1000)
    assert plain_read.run(X, y)[0] == pytest.approx(X.sum() + y.sum(), abs=1e-10)


def test_scores_and_losses():
    X, out = np.array([[1.0, 2.0], [3.0, 4.0]]), np.empty(2)
    pointwise.scores(X, np.array([10.0, 1.0]), 0.5, out)
    assert out.tolist() == [12.5, 34.5]
    pointwise.losses(X, np.array([10.0, 30.0]), np.array([10.0, 1.0]), 2.0, out)
    assert out.tolist() == [4.0, 16.0]


def test_finite_and_copy():
    assert strict.is_finite(np.array([1.0, -2.0]))
    assert not strict.is_finite(np.array([1.0, np.nan]))
    assert not strict.is_finite(np.array([np.inf, 1.0]))
    target = np.zeros(2)
    strict.copy(np.array([1.0, 2.0]), target)
    assert target.tolist() == [1.0, 2.0]

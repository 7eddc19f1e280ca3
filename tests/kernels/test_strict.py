"""The loops of one block against the plain loops, to the last bit."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastgd import reference
from fastgd.kernels import strict
from fastgd.kernels.vectors import LANES

SIZES = [1, 2, LANES - 1, LANES, LANES + 1, strict.PANEL, 2 * strict.PANEL + 3 * LANES + 5]


def test_finite_and_copy():
    assert strict.is_finite(np.array([1.0, -2.0]))
    assert not strict.is_finite(np.array([1.0, np.nan]))
    assert not strict.is_finite(np.array([np.inf, 1.0]))
    target = np.zeros(2)
    strict.copy(np.array([1.0, 2.0]), target)
    assert target.tolist() == [1.0, 2.0]


def compiled(X, y, w):
    """The cost and its gradient: the records of an epoch with rate 0."""
    gradient, costs, none = np.zeros(len(w)), np.empty(1), np.empty((0, len(w)))
    done = strict.descend(X, y, w.copy(), w.copy(), gradient, np.zeros(1), 2.0, True, costs, none, none)
    assert done == 1
    return costs[0], gradient


def assert_same_bits(X, y, w):
    """The compiled cost and gradient have the bits of plain Python's."""
    xs, ys, ws = X.astype(float).tolist(), y.astype(float).tolist(), w.tolist()
    cost, gradient = compiled(X, y, w)
    np.testing.assert_array_equal(cost, reference.cost(xs, ys, ws))
    np.testing.assert_array_equal(gradient, reference.gradient(xs, ys, ws))
    assert strict.cost(X, y, w, 2.0) == cost or math.isnan(cost)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("d", [1, 2, LANES, LANES + 1, 2 * LANES + 3])
def test_cost_and_gradient_have_the_digits_of_the_plain_loop(n, d, dtype, rng):
    X, y = rng.normal(size=(n, d)).astype(dtype), rng.normal(size=n).astype(dtype)
    assert_same_bits(X, y, rng.normal(size=d))


def uncertain(rng, count):
    """Numbers whose power differs from their product, about one in 1200."""
    numbers = rng.normal(size=4000 * count)
    return numbers[[r * r != r**2 for r in numbers.tolist()]][:count]


@pytest.mark.parametrize("scale", [1.0, 2.0**-20, 1e150, 1e-130])
def test_squares_that_pow_rounds_wrongly(rng, scale):
    few = uncertain(rng, 40) * scale
    assert len(few) > 10
    n = 3 * strict.PANEL
    for at, step in itertools.product((0, LANES, n - 2 * len(few)), (1, 2)):
        residuals = rng.normal(size=n) * scale
        residuals[at : at + step * len(few) : step] = few
        assert_same_bits(np.ones((n, 1)), -residuals, np.zeros(1))


def test_one_square_that_pow_rounds_wrongly_beside_small_ones(rng):
    for number in uncertain(rng, 10):
        residuals = np.zeros(2 * LANES)
        residuals[0], residuals[-3] = 1e-100, number  # the sum is the square
        assert_same_bits(np.ones((2 * LANES, 1)), -residuals, np.zeros(1))


@pytest.mark.parametrize("sizes", [(0.0,), (1e-162, 0.0), (1e-170, 1e-155), (1e-152, 1e-145), (1e-150, 1.0)])
def test_residuals_whose_squares_underflow(sizes, rng):
    n = strict.PANEL + 2 * LANES
    residuals = rng.choice(sizes, n) * rng.normal(size=n)
    assert_same_bits(np.ones((n, 1)), -residuals, np.zeros(1))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e155, 1e308])
@pytest.mark.parametrize("row", [0, 3 * LANES + 1, strict.PANEL + LANES])
def test_values_that_overflow(value, row, rng):
    n = strict.PANEL + LANES + 2
    y = rng.normal(size=n)
    y[row] = value
    assert_same_bits(rng.normal(size=(n, 1)), y, np.ones(1))

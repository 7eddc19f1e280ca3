"""Vectors of eight numbers against NumPy."""

from __future__ import annotations

from fractions import Fraction

import numba
import numpy as np
import pytest

from fastgd.kernels import vectors
from fastgd.kernels.vectors import (
    LANES,
    add,
    item,
    load,
    load_part,
    multiply,
    multiply_add,
    padded,
    rounding_error,
    splat,
    store,
    subtract,
    total,
)


@numba.njit
def add_scaled(x, start, factor, y):
    store(y, 0, multiply_add(load(x, start), splat(factor), load(y, 0)))


@numba.njit
def part_total(x, start, count):
    return total(load_part(x, start, count))


@numba.njit
def item_of(x, index):
    return item(x, index)


@numba.njit
def line(x):
    return vectors.line_of(x)


@numba.njit
def rounded(x, y, out):
    a, b = load(x, 0), load(y, 0)
    product = multiply(a, b)
    store(out, 0, add(product, a))
    store(out, LANES, subtract(product, a))
    store(out, 2 * LANES, rounding_error(a, b, product))


def test_products_are_rounded_before_they_are_added(rng):
    x, y, out = rng.normal(size=LANES), rng.normal(size=LANES), np.empty(3 * LANES)
    rounded(x, y, out)
    product = x * y
    np.testing.assert_array_equal(out[: 2 * LANES], [*(product + x), *(product - x)])
    exact = [float(Fraction(a) * Fraction(b) - Fraction(c)) for a, b, c in zip(x, y, product, strict=True)]
    assert any(exact)
    np.testing.assert_array_equal(out[2 * LANES :], exact)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_eight_numbers_from_any_place(dtype):
    x, y = np.arange(20).astype(dtype), np.arange(100.0, 108.0)
    add_scaled(x, 3, 2.0, y)
    assert y.tolist() == [100 + k + 2 * (3 + k) for k in range(LANES)]


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("count", range(LANES))
def test_a_part_leaves_out_the_numbers_after_it(dtype, count):
    x = np.array([np.nan, *2.0 ** np.arange(count), np.nan, np.nan], dtype)
    assert part_total(x, 1, count) == 2.0**count - 1.0


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_an_item_is_read_as_float64(dtype):
    x = np.arange(9).astype(dtype) / 3
    found = item_of(x, 4)
    assert isinstance(found, float)
    assert found == x[4]


def test_a_cache_line_has_64_bytes():
    assert (line(np.zeros(3)), line(np.zeros(3, np.float32))) == (8, 16)


@pytest.mark.parametrize("d", [1, 7, 8, 9, 16])
def test_padding_is_zero_to_whole_vectors(d):
    values = np.arange(1.0, d + 1)
    assert padded(values).tolist() == [*values, *[0.0] * (-d % LANES)]


@numba.njit
def move(x, start, distance, out, at):
    vectors.interleave(x, start, distance, out, at)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("distance", [8, 11])
def test_rows_are_interleaved(dtype, distance):
    x, out = np.arange(100).astype(dtype), np.full(70, -1.0)
    move(x, 2, distance, out, 5)
    expected = [2 + lane * distance + k for k in range(LANES) for lane in range(LANES)]
    assert out.tolist() == [-1.0] * 5 + expected + [-1.0]

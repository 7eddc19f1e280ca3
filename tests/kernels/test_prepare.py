"""Rows in other coordinates, and the moments of columns, against numpy and exact sums."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd.engine import reduce
from fastgd.kernels import prepare

NONE = np.empty(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("has_ones", [False, True])
def test_fill(rng, has_ones, is_weighted, dtype):
    X, y = rng.normal(size=(30, 4)).astype(dtype), rng.normal(size=30).astype(dtype)
    s = np.array([0.0, 1.0, 4.0] * 10) if is_weighted else NONE
    shift, scale = rng.normal(size=4), rng.random(4)
    out, target = np.full((30, 4 + has_ones), np.nan), np.full(30, np.nan)
    prepare.fill(X, y, s, shift, scale, out, target)
    root = np.sqrt(s) if is_weighted else np.ones(30)
    np.testing.assert_allclose(out[:, :4], root[:, None] * (X - shift) * scale, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(target, root * y, rtol=1e-15)
    if has_ones:
        np.testing.assert_array_equal(out[:, 4], root)


def test_rows_as_they_are_keep_their_bits(rng):
    X, y = rng.normal(size=(10, 3)), rng.normal(size=10)
    out, target = np.empty((10, 3)), np.empty(10)
    prepare.fill(X, y, NONE, np.zeros(3), np.ones(3), out, target)
    np.testing.assert_array_equal(out, X)
    np.testing.assert_array_equal(target, y)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("d", [1, 2, 9])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_moments_are_exact_sums_to_rounding(rng, n, d, is_weighted):
    X = rng.normal(size=(n, d)) + 10.0
    s, shift = rng.random(n) if is_weighted else NONE, rng.normal(size=d) + 10.0
    found = prepare.moments(X, s, shift, 16)
    weights = s if is_weighted else np.ones(n)
    assert found.shape == (1 + 2 * d,)
    assert found[0] == pytest.approx(math.fsum(weights), rel=1e-14)
    U = X - shift
    for j in range(d):
        assert found[1 + j] == pytest.approx(math.fsum(weights * U[:, j]), abs=1e-13 * n)
        assert found[1 + d + j] == pytest.approx(math.fsum(weights * U[:, j] ** 2), rel=1e-13)


def test_the_bits_do_not_depend_on_the_runs(rng):
    X, s = rng.normal(size=(16 * 8 + 5, 3)), rng.random(16 * 8 + 5)
    whole = prepare.moments(X, s, np.zeros(3), 16)
    for rows in (32, 64):
        counter = reduce.Counter()
        for start in range(0, len(s), rows):
            counter.push(prepare.moments(X[start : start + rows], s[start : start + rows], np.zeros(3), 16))
        np.testing.assert_array_equal(counter.total(), whole)

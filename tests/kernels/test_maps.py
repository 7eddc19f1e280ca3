"""Blocks of steps as affine maps, against the steps one after the other: in float and in fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.kernels import maps, stretches
from tests.conftest import JIT_IS_OFF


def blocks_of(n, block_rows):
    return [slice(start, start + block_rows) for start in range(0, n, block_rows)]


def maps_of(X, y, w_ref, rates, block_rows, kernel=None):
    """a (K, n_blocks, d, d), b (K, n_blocks, d) and growth (K, n_blocks), all slices of larger arrays."""
    n, d = X.shape
    n_blocks = -(-n // block_rows)
    full = (len(rates), n_blocks + 3)
    rates = np.asarray(rates, dtype=float)
    one_column = d == 1 and kernel is not stretches.run
    shapes = (full, full, full) if one_column else ((*full, d, d), (*full, d), full)
    a, b, growth = (np.full(shape, np.nan)[:, 2:-1] for shape in shapes)
    if one_column:
        maps.run_1d(X.reshape(-1), y, float(w_ref[0]), rates, block_rows, a, b, growth)
        return a[:, :, None, None], b[:, :, None], growth
    stretches.run(X.reshape(-1), y, w_ref, rates, block_rows, a, b, growth)
    return a, b, growth


def plain_map(X, y, w_ref, rate):
    """The steps on all columns of [A | b], one row after the other; and the bound on growth."""
    d = len(w_ref)
    M = np.hstack([np.eye(d), np.zeros((d, 1))])
    growth = ending = 1.0
    with np.errstate(all="ignore"):
        for x, target in zip(X.astype(float), y.astype(float), strict=True):
            scores = x @ M
            scores[d] -= target - x @ w_ref
            M = M - 2 * rate * np.outer(x, scores)
            factor = np.abs(1.0 - 2 * rate * (x @ x))
            ending = np.maximum(1.0, ending * factor) if d == 1 else ending * np.maximum(1.0, factor)
            growth = np.maximum(growth, ending)
    return M[:, :d], M[:, d], growth


def check(X, y, w_ref, rates, block_rows, kernel=None):
    a, b, growth = maps_of(X, y, w_ref, rates, block_rows, kernel)
    for k, rate in enumerate(rates):
        for block, rows in enumerate(blocks_of(len(y), block_rows)):
            A, shift, bound = plain_map(X[rows], y[rows], w_ref, rate)
            np.testing.assert_allclose(a[k, block], A, rtol=0, atol=1e-14)
            np.testing.assert_allclose(b[k, block], shift, rtol=0, atol=1e-14 * max(1.0, np.abs(shift).max()))
            np.testing.assert_allclose(growth[k, block], bound, rtol=1e-12)


def data(rng, n, d, dtype="f8"):
    X, w = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal(d)
    return X, (X @ w + 0.1 * rng.standard_normal(n)).astype(dtype), w + 0.1


def stable_rates(X, K):
    """No step amplifies, at the last rate just so."""
    limit = 1 / float((X.astype(float) ** 2).sum(axis=1).max())
    return [limit * (k + 1) / K * 0.999 for k in range(K)]


@pytest.mark.parametrize(
    ("d", "dtype"),
    [(d, "f8") for d in [1, 2, 3, 7, 10, 32, 33, 64]] + [(d, "f4") for d in [1, 2, 10]],
)
@pytest.mark.parametrize(("n", "block_rows"), [(1, 4), (2, 4), (3, 4), (4, 4), (5, 4), (5, 2), (700, 257)])
def test_a_map_is_the_steps_one_after_the_other(rng, d, n, block_rows, dtype):
    if JIT_IS_OFF and d > 10:
        n = min(n, 5)
    X, y, w_ref = data(rng, min(n, 20) if JIT_IS_OFF else n, d, dtype)
    check(X, y, w_ref, stable_rates(X, 2), block_rows)


@pytest.mark.parametrize("d", [1, 2, 10])
@pytest.mark.parametrize("K", [1, 2, 3, 5, 8, 9, 13])
def test_any_number_of_rates(rng, d, K):
    X, y, w_ref = data(rng, 20 if JIT_IS_OFF else 300, d)
    check(X, y, w_ref, stable_rates(X, K), 270)


@pytest.mark.parametrize("d", [1, 2, 8])
@pytest.mark.parametrize("n", [1023, 1024, 1025, 4095, 4096, 4097])
def test_a_whole_block_moves_a_weight_as_the_plain_loop_does(rng, d, n):
    n, block_rows = (n // 16, 256) if JIT_IS_OFF else (n, 4096)
    X, y, w_ref = data(rng, n, d)
    rates = stable_rates(X, 2)
    a, b, _ = maps_of(X, y, w_ref, rates, block_rows)
    for k, rate in enumerate(rates):
        w = np.ones(d)
        largest = 1.0
        for x, target in zip(X, y, strict=True):
            w = w - 2 * rate * x * (x @ w - target)
            largest = max(largest, np.abs(w).max())
        u = np.ones(d) - w_ref
        for block in range(a.shape[1]):
            u = a[k, block] @ u + b[k, block]
        np.testing.assert_allclose(w_ref + u, w, rtol=0, atol=1e-14 * largest)


@pytest.mark.parametrize("n", [9, 300])
def test_the_kernels_agree_where_both_would_do(rng, n):
    X, y, w_ref = data(rng, 9 if JIT_IS_OFF else n, 1)
    for kernel in [maps.run_1d, stretches.run]:
        check(X, y, w_ref, stable_rates(X, 1), 260, kernel)


numbers = st.integers(-64, 64).map(lambda i: i / 16)


@given(st.data(), st.sampled_from([1, 2]), st.sampled_from([1, 4, 9]))
def test_a_map_is_the_exact_one_to_rounding(drawn, d, K):
    n = drawn.draw(st.integers(1, 9))
    X = np.array(drawn.draw(st.lists(st.lists(numbers, min_size=d, max_size=d), min_size=n, max_size=n)))
    y = np.array(drawn.draw(st.lists(numbers, min_size=n, max_size=n)))
    w_ref = np.array(drawn.draw(st.lists(numbers, min_size=d, max_size=d)))
    rates = [(k + 1) / 4 / max(1.0, (X**2).sum(axis=1).max()) for k in range(K)]
    a, b, _ = maps_of(X, y, w_ref, rates, n)
    for k, rate in enumerate(rates):
        for column in range(d + 1):  # what the steps make of a unit vector, and of nothing
            u = [Fraction(int(column == j)) for j in range(d)]
            for x, target in zip(X.tolist(), y.tolist(), strict=True):
                x = [Fraction(value) for value in x]
                score = sum(x[j] * u[j] for j in range(d))
                if column == d:
                    score -= Fraction(target) - sum(x[j] * Fraction(w_ref[j]) for j in range(d))
                u = [u[j] - 2 * Fraction(rate) * x[j] * score for j in range(d)]
            scale = 1e-13 * max(1.0, *(abs(float(value)) for value in u))
            got = b[k, 0] if column == d else a[k, 0, :, column]
            np.testing.assert_allclose(got, [float(value) for value in u], rtol=0, atol=scale)


@pytest.mark.parametrize("d", [1, 2, 9])
@pytest.mark.parametrize("K", [1, 8])
def test_growth_is_what_a_stretch_of_steps_can_amplify(rng, d, K):
    """With one column exactly; with more, where rows differ in direction, the product is a bound."""
    X, y, w_ref = data(rng, 70, d)
    rates = np.linspace(4.0, 0.5, K) / d
    _, _, growth = maps_of(X, y, w_ref, rates, 33)
    assert (growth[0] > 1.0).all()
    for k, rate in enumerate(rates):
        for block, rows in enumerate(blocks_of(70, 33)):
            factors = np.abs(1.0 - 2 * rate * (X[rows] ** 2).sum(axis=1))
            stretches = [factors[i:j].prod() for i in range(len(factors)) for j in range(i + 1, 40)]
            expected = max(stretches) if d == 1 else np.maximum(1.0, factors).prod()
            assert growth[k, block] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 9])
@pytest.mark.parametrize("K", [1, 8])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("row", [0, 37, 38])
def test_growth_is_not_a_number_or_infinite_where_a_block_is(rng, d, K, bad, row):
    X, y, w_ref = data(rng, 39, d)
    X[row, d - 1] = bad
    _, _, growth = maps_of(X, y, w_ref, [1e-3] * K, 20)
    hit = row // 20
    assert not (growth[:, hit] < math.inf).any()
    assert (growth[:, 1 - hit] == 1.0).all()


@pytest.mark.parametrize("d", [1, 2, 9])
@pytest.mark.parametrize("K", [1, 8])
def test_growth_overflows_to_infinity_and_odd_rates_are_seen(rng, d, K):
    X, y, w_ref = np.ones((60, d)), np.ones(60), np.zeros(d)
    assert (maps_of(X, y, w_ref, [1e30] * K, 60)[2] == math.inf).all()
    assert not (maps_of(X, y, w_ref, [math.nan] * K, 60)[2] < math.inf).any()
    assert (maps_of(X, y, w_ref, [-1.0] * K, 60)[2] > 1.0).all()
    a, b, growth = maps_of(X, y, w_ref, [0.0] * K, 60)
    assert (a == np.eye(d)).all()
    assert (b == 0).all()
    assert (growth == 1).all()


@pytest.mark.parametrize("d", [1, 2, 9])
def test_a_block_with_an_exact_fit_moves_nothing(d):
    X = np.arange(1.0, 40 * d + 1).reshape(40, d) % 5
    w_ref = np.arange(d) + 2.0
    _, b, _ = maps_of(X, X @ w_ref, w_ref, [0.1, 1e3], 16)
    assert (b == 0).all()


@pytest.mark.parametrize("d", [1, 2, 9])
def test_a_map_that_forgets_its_start_ends_at_zero(d):
    """Not at subnormal numbers, which take ten times as long."""
    n = 600 if JIT_IS_OFF else 4096
    X = np.zeros((n, d))
    X[np.arange(n), np.arange(n) % d] = 1.0
    rate = 0.5 * (1 - 1e-1**d)
    a, b, _ = maps_of(X, np.ones(n), np.full(d, 0.5), [rate], n)
    assert (a == 0).all()
    np.testing.assert_allclose(b, 0.5, rtol=1e-14)


@pytest.mark.parametrize("d", [1, 3, 9])
@pytest.mark.parametrize("K", [1, 8])
def test_a_block_is_the_same_bits_in_any_run(rng, d, K):
    X, y, w_ref = data(rng, 45 if JIT_IS_OFF else 4000, d)
    block_rows = 10 if JIT_IS_OFF else 1000
    rates = stable_rates(X, K)
    whole = maps_of(X, y, w_ref, rates, block_rows)
    for first in [1, 3]:
        start = first * block_rows
        part = maps_of(X[start:].copy(), y[start:].copy(), w_ref, rates, block_rows)
        for all_of_it, some in zip(whole, part, strict=True):
            np.testing.assert_array_equal(all_of_it[:, first:], some)


def composed(first, then):
    d = len(first[1])
    a, b = np.full((d, d), np.nan), np.full(d, np.nan)
    maps.compose(*first, *then, a, b)
    return a, b


@pytest.mark.parametrize("d", [1, 2, 5, 33])
def test_maps_compose_in_order(rng, d):
    X, y, w_ref = data(rng, 12 if JIT_IS_OFF else 90, d)
    third = len(y) // 3
    rates = stable_rates(X, 1)
    a, b, _ = maps_of(X, y, w_ref, rates, third)
    one, two, three = ((np.ascontiguousarray(a[0, i]), b[0, i].copy()) for i in range(3))
    left, right = composed(composed(one, two), three), composed(one, composed(two, three))
    together = [part[0, 0] for part in maps_of(X, y, w_ref, rates, len(y))[:2]]
    for ours, other, whole in zip(left, right, together, strict=True):
        np.testing.assert_allclose(ours, other, rtol=0, atol=1e-14)
        np.testing.assert_allclose(ours, whole, rtol=0, atol=1e-14)

"""The kernels behind summaries: Σ z zᵀ, epochs on it, both sums in one read, the longest row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd.kernels import epochs, gram, maps, norms, one_read
from tests.conftest import JIT_IS_OFF

NONE, NONE_2D = np.empty(0), np.empty((0, 0))


def data(rng, n, d, dtype="f8"):
    return (
        rng.standard_normal((n, d)).astype(dtype),
        rng.standard_normal(n).astype(dtype),
        rng.standard_normal(d),
    )


@pytest.mark.parametrize("d", [1, 2, 3, 4, 7, 8, 10, 11, 12, 13, 23, 24, 64, 257])
@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 4095, 4096, 4097])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_gram_sums_every_product_once(rng, n, d, dtype):
    n = min(n, 6) if JIT_IS_OFF else min(n, 400_000 // (d * d) + 300)
    X, y, w_ref = data(rng, n, d, dtype)
    size = gram.lines(d)
    sums = gram.run(X, y, w_ref, 1024).reshape(size, size)
    Z = np.column_stack([X.astype(float), y - X.astype(float) @ w_ref])
    lower = np.tril_indices(d + 1)
    np.testing.assert_allclose(sums[: d + 1, : d + 1][lower], (Z.T @ Z)[lower], rtol=0, atol=1e-12 * n)
    if d == 1:
        x = X.reshape(-1)
        squares, products, rest = gram.run_1d(x, y, w_ref[0])
        np.testing.assert_allclose(
            [squares, products, rest], [sums[0, 0], sums[1, 0], sums[1, 1]], rtol=1e-12, atol=1e-13 * n
        )


@pytest.mark.parametrize("d", [1, 5, 30])
def test_a_runs_length_changes_no_bit_of_a_block(rng, d):
    """Aligned runs are nodes of one tree: two runs of two blocks add up to one of four."""
    X, y, w_ref = data(rng, 4 * 16, d)
    whole = gram.run(X, y, w_ref, 16)
    halves = gram.run(X[:32], y[:32], w_ref, 16) + gram.run(X[32:], y[32:], w_ref, 16)
    assert whole.tobytes() == halves.tobytes()


@pytest.mark.parametrize("d", [1, 3, 9])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_one_read_is_both_kernels(rng, monkeypatch, d, dtype):
    n, block = (70, 16) if JIT_IS_OFF else (100_000, 4096)
    X, y, w_ref = data(rng, n, d, dtype)
    rates, n_blocks = np.array([1e-3, 2e-3]), -(-n // block)
    both, alone = (
        (np.empty((2, n_blocks, d, d)), np.empty((2, n_blocks, d)), np.empty((2, n_blocks))) for _ in range(2)
    )
    if d == 1:
        flat = lambda a, b, growth: (a[:, :, 0, 0], b[:, :, 0], growth)  # noqa: E731
        sums = one_read.run_1d(X.reshape(-1), y, w_ref[0], rates, block, *flat(*both))
        maps.run_1d(X.reshape(-1), y, w_ref[0], rates, block, *flat(*alone), np.empty((n_blocks, 3)))
        expected = gram.run_1d(X.reshape(-1), y, w_ref[0])
    elif d <= 7:
        sums = one_read.run_few(X, X.reshape(-1), y, tuple(w_ref), w_ref, rates, block, *both)
        maps.run_few(X.reshape(-1), y, tuple(w_ref), rates, block, *alone)
        expected = gram.run(X, y, w_ref, block)
    else:
        sums = one_read.run_nd(X, y, w_ref, rates, block, *both)
        maps.run_nd(X, y, w_ref, rates, block, *alone)
        expected = gram.run(X, y, w_ref, block)
    for got, wanted in zip(both, alone, strict=True):
        assert got.tobytes() == wanted.tobytes()
    used = np.tril_indices(gram.lines(d)) if d > 1 else slice(None)
    table = (lambda v: v.reshape(gram.lines(d), -1)[used]) if d > 1 else (lambda v: v)
    np.testing.assert_allclose(table(sums), table(expected), rtol=1e-13, atol=1e-12 * n)


def test_a_cost_that_rounds_below_nothing_is_nothing_and_nan_stays():
    G, c, h = np.array([[1.0]]), np.array([1.0]), np.empty(1)
    assert epochs.evaluate(G, c, 1.0, 1, np.array([1.0]), h) == 0.0
    assert epochs.evaluate(G, c, 1.0 - 1e-16, 1, np.array([1.0]), h) == 0.0
    assert math.isnan(epochs.evaluate(G, c, math.nan, 1, np.array([1.0]), h))


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


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("d", [1, 3, 100])
def test_the_longest_row(rng, d, dtype):
    X = rng.standard_normal((30, d)).astype(dtype)
    expected = np.max(np.sum(X.astype(float) ** 2, axis=1))
    assert norms.largest_square(X) == pytest.approx(expected, rel=1e-13)
    X[17, d - 1] = np.nan
    assert math.isnan(norms.largest_square(X))
    X[17, d - 1] = np.inf
    assert norms.largest_square(X) == math.inf

"""The order of the rows: a permutation, from the seed and the epoch alone, and the one that SGD takes."""

from __future__ import annotations

import math
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from fastgd import reference
from fastgd.engine.blocks import block_rows
from fastgd.solver import orders
from fastgd.solver.orders import Order, as_order
from tests.conftest import JIT_IS_OFF

seeds = st.integers(0, 2**64 - 1)


@given(seeds, st.integers(0, 10**6), st.integers(1, 3000))
def test_an_order_is_a_permutation(seed, epoch, n):
    everything = list(range(n))
    assert sorted(Order(True, seed).rows(epoch, n)) == everything
    assert sorted(Order("blocks", seed).blocks(range(epoch, epoch + 1), n)[0]) == everything
    assert sorted(Order("blocks", seed).indices(epoch, n, 64)) == everything
    assert Order(False, 0).indices(epoch, n, 64).tolist() == everything


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=200))
def test_the_kernel_shuffles_as_its_twin(words):
    from fastgd.kernels import shuffling

    numbers = np.arange(len(words))
    shuffling.shuffle(numbers, np.array(words, np.uint64))
    assert numbers.tolist() == reference.shuffle(list(range(len(words))), words)


def test_many_rows_are_dealt_into_piles_and_each_is_shuffled(monkeypatch):
    monkeypatch.setattr(orders, "PILE_ROWS", 4)
    n = 5000
    rows = Order(True, 7).rows(3, n)
    assert sorted(rows) == list(range(n))
    # The same without Numba: a stable sort, and the twin of the shuffle.
    monkeypatch.setitem(sys.modules, "fastgd.kernels", None)
    np.testing.assert_array_equal(Order(True, 7).rows(3, n), rows)


@pytest.mark.parametrize("piles", [1024, 1])
def test_every_order_of_four_rows_is_as_likely(monkeypatch, piles):
    """χ² of 24 orders over 6000 seeds stays below its 1 − 1e-9 quantile; with one pile and with many."""
    monkeypatch.setattr(orders, "PILE_ROWS", piles if piles == 1024 else 0)
    counts = Counter(tuple(Order(True, seed).rows(0, 4)) for seed in range(6000))
    expected = 6000 / math.factorial(4)
    chi_squared = sum((counts[order] - expected) ** 2 / expected for order in counts)
    assert len(counts) == 24
    assert chi_squared < 90


def test_an_order_depends_on_seed_and_epoch_alone():
    order = Order("blocks", 5)
    together = order.blocks(range(8), 1000)
    for epoch in range(8):
        np.testing.assert_array_equal(order.blocks(range(epoch, epoch + 1), 1000)[0], together[epoch])
    assert len({tuple(line) for line in together}) == 8
    assert tuple(Order("blocks", 6).blocks(range(1), 1000)[0]) != tuple(together[0])
    assert tuple(Order(True, 5).rows(0, 1000)) != tuple(Order(True, 5).rows(1, 1000))


def test_without_a_seed_each_call_draws_one():
    assert as_order(True, None) != as_order(True, None)
    assert as_order("blocks", 3) == as_order("blocks", 3) == Order("blocks", 3)
    assert as_order(False, 3) == orders.IN_ORDER


@pytest.mark.parametrize("value", ["rows", 1, None, 0])
def test_a_shuffle_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match=r"^shuffle must be False or 'blocks' or True, not "):
        fastgd.sgd([1.0], [1.0], shuffle=value)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises((ValueError, TypeError), match=r"^seed must be "):
        fastgd.sgd([1.0], [1.0], shuffle=True, seed=seed)


@pytest.mark.parametrize("shuffle", ["blocks", True])
@pytest.mark.parametrize("d", [None, 1, 3, 10])
@pytest.mark.parametrize("n", [1, 7, 4097, 9001])
@pytest.mark.parametrize("method", ["stream", "auto"])
def test_shuffled_sgd_is_the_plain_loop_on_the_shuffled_rows(rng, shuffle, d, n, method):
    n = min(n, 60) if JIT_IS_OFF else n
    X = rng.standard_normal((n,) if d is None else (n, d))
    y = (X * 2 if d is None else X @ np.ones(d)) + 0.1 * rng.standard_normal(n)
    how = dict(learning_rate=0.01, n_epochs=3, shuffle=shuffle, seed=11)
    fit = fastgd.sgd(X, y, method=method, **how)
    twin = fastgd.sgd(X, y, backend="python", **how)
    scale = np.abs(twin.w_history).max()
    np.testing.assert_allclose(fit.w_history, twin.w_history, rtol=0, atol=1e-13 * scale)
    np.testing.assert_allclose(fit.loss_history, twin.loss_history, rtol=1e-9, atol=1e-13 * scale)
    w = 0.0 if d is None else np.zeros(d)
    for epoch in range(3):
        order = Order(shuffle, 11).indices(epoch, n, block_rows(d or 1))
        w = fastgd.sgd(X[order], y[order], w0=w, learning_rate=0.01, n_epochs=1, method="stream").w
        np.testing.assert_allclose(fit.w_history[epoch + 1], w, rtol=0, atol=1e-13 * scale)


def test_shuffled_runs_repeat_exactly_on_any_threads(rng, many):
    X, y = rng.standard_normal((2, many))
    for shuffle in ("blocks", True):
        how = dict(learning_rate=0.001, n_epochs=2, shuffle=shuffle, seed=4)
        runs = {fastgd.sgd(X, y, n_threads=threads, **how).w_history.tobytes() for threads in (1, 2, 4, 4)}
        assert len(runs) == 1
        assert fastgd.sgd(X, y, **how | dict(seed=5)).w_history.tobytes() not in runs


@pytest.mark.parametrize("shuffle", ["blocks", True])
def test_the_trace_of_shuffled_samples_names_the_rows_that_were_taken(shuffle):
    x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    fit = fastgd.sgd(x, y, w0=1, learning_rate=0.01, n_epochs=4, shuffle=shuffle, seed=2, history="samples")
    lines = [line.split() for line in fit.trace().splitlines() if line.startswith("\tgrad")]
    w, step = 1, 0
    for epoch in range(4):
        for i in Order(shuffle, 2).indices(epoch, 3, block_rows(1)):
            gradient = reference.sample_gradient(x[i], y[i], w)
            assert lines[step] == ["grad:", str(x[i]), str(y[i]), str(gradient)]
            w, step = w - 0.01 * gradient, step + 1
    assert fit.w == w


def test_float32_and_converted_rows_shuffle_to_the_same_order(rng):
    X = rng.integers(-5, 5, (400 if JIT_IS_OFF else 6000, 3))
    y = X @ [1, 2, 3]
    how = dict(learning_rate=0.001, n_epochs=1, shuffle=True, seed=1)
    expected = fastgd.sgd(X.astype(float), y.astype(float), **how).w.tobytes()
    for other in (X, np.asfortranarray(X.astype(float)), X.astype(np.int16), X.astype(">f8")):
        assert fastgd.sgd(other, y, **how).w.tobytes() == expected

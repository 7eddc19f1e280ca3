"""Sums and maps in one read."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import gram, maps, one_read
from tests.conftest import JIT_IS_OFF
from tests.kernels.rows import data


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
    elif d <= 7:
        sums = one_read.run_few(X.reshape(-1), y, tuple(w_ref), w_ref, rates, block, *both)
        maps.run_few(X.reshape(-1), y, tuple(w_ref), rates, block, *alone)
    else:
        sums = one_read.run_nd(X, X.reshape(-1), y, w_ref, rates, block, *both)
        maps.run_nd(X, y, w_ref, rates, block, *alone)
    for got, wanted in zip(both, alone, strict=True):
        assert got.tobytes() == wanted.tobytes()
    expected = gram.run(X.reshape(-1), y, w_ref, block)
    np.testing.assert_allclose(sums, expected, rtol=1e-13, atol=1e-12 * n)

"""Scores of rows and their sums over clusters, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import sandwich
from tests.kernels.rows import NONE, data


def padded(root):
    return np.pad(root, ((0, -len(root) % 4), (0, 0))).reshape(-1)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("d", [1, 3, 4, 9])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 64])
@pytest.mark.parametrize("are_copies", [False, True])
def test_fill(rng, n, d, dtype, are_copies):
    X, y, theta = data(rng, n, d, dtype)
    s, shift = rng.integers(0, 3, n).astype(float), rng.normal(size=d)
    for has_ones in (False, True):
        k = d + has_ones
        coefficients = np.append(theta, [0.7] * has_ones)
        Z = X.astype(float) - shift
        Z = np.column_stack([Z, np.ones(n)]) if has_ones else Z
        root = rng.normal(size=(k, k)) * 0.1 / k
        h = np.array([float(z @ root.T @ root @ z) for z in Z])
        for weights, has_leverages in [(s, True), (s, False), (NONE, True), (NONE, False)]:
            share = weights if len(weights) else np.ones(n)
            f = (np.sqrt(share) if are_copies else share) * (y - Z @ coefficients)
            if has_leverages:
                f = f / (1.0 - h * (1.0 if are_copies else share))
            out = np.full((n, k), np.nan)
            given = padded(root) if has_leverages else NONE
            sandwich.fill(X, y, weights, shift, coefficients, given, are_copies, out)
            np.testing.assert_allclose(out, f[:, None] * Z, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("d", [2, 5])
def test_a_row_has_the_same_bits_wherever_it_stands(rng, d):
    X, y, theta = data(rng, 40, d)
    root = padded(rng.normal(size=(d, d)) * 0.1)
    whole, part = np.empty((40, d)), np.empty((21, d))
    sandwich.fill(X, y, NONE, np.zeros(d), theta, root, False, whole)
    sandwich.fill(X[16:37], y[16:37], NONE, np.zeros(d), theta, root, False, part)
    assert whole[16:37].tobytes() == part.tobytes()


def test_leverage_1_and_weight_0():
    X, y = np.eye(3), np.array([1.0, 2.0, 3.0])
    root, out = padded(np.diag([1.0, 0.5, 1.0])), np.empty((3, 3))
    sandwich.fill(X, y, np.array([1.0, 1.0, 0.0]), np.zeros(3), np.zeros(3), root, False, out)
    assert np.isinf(out[0, 0])
    assert out[1, 1] == pytest.approx(2.0 / 0.75)
    assert (out[2] == 0.0).all()


@pytest.mark.parametrize("is_weighted", [False, True])
def test_add(rng, is_weighted):
    scores, codes = rng.normal(size=(50, 3)), rng.integers(0, 4, 50).astype(np.int32)
    weights = rng.integers(0, 2, 50).astype(float) if is_weighted else NONE
    sums, counts = np.ones((6, 3)), np.zeros(6)
    sandwich.add(scores, weights, codes, sums, counts)
    for code in range(6):
        there = codes == code
        np.testing.assert_allclose(sums[code], 1.0 + scores[there].sum(axis=0), rtol=1e-13, atol=1e-13)
        assert counts[code] == (np.count_nonzero(weights[there]) if is_weighted else there.sum())

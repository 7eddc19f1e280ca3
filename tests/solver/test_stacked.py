"""Sums of the products of many groups, beside exact arithmetic and the sums of single groups."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.solver import stacked
from fastgd.solver.stacked import StackedProducts
from tests.conftest import JIT_IS_OFF
from tests.helpers import same
from tests.law import assert_alike, assert_products, exact_products

G = 4 if JIT_IS_OFF else 40


def grouped(X, y, by, weights=None):
    return fastgd.summarize_groups(X, y, by=by, sample_weight=weights)


def rows_of(rng, kind, n, d=3):
    """n rows of each of G groups."""
    by = np.tile(np.arange(G), n)
    X = rng.normal(size=(n * G, d)) * np.geomspace(0.01, 100.0, d) + by[:, None]
    y = X @ np.arange(1.0, d + 1) + 5.0 + rng.normal(size=len(by)) * (kind != "exact")
    X = X + 1e9 * (kind == "far")
    if kind == "dependent":
        X[:, 1] = 2.0 * X[:, 0]
    if kind == "constant":
        X[:, 2] = 3.0
    return X, y + 1e9 * (kind == "far target"), by


@pytest.mark.parametrize("n_parts", [2, 5])
@pytest.mark.parametrize(
    "kind", ["plain", "weights", "exact", "far", "far target", "dependent", "constant", "few rows"]
)
def test_the_law_for_all_groups_at_once(rng, monkeypatch, kind, n_parts):
    monkeypatch.setattr(stacked, "TOGETHER", 7)  # several times
    X, y, by = rows_of(rng, kind, 5 if kind == "few rows" else 20)
    weights = rng.uniform(0.5, 2.0, len(y)) if kind == "weights" else None
    part = np.repeat(np.arange(len(y) // G), G) % n_parts
    pick = lambda values, k: None if values is None else values[part == k]  # noqa: E731
    parts = [grouped(*(pick(values, k) for values in (X, y, by, weights))) for k in range(n_parts)]
    merged = parts[0]
    for one in parts[1:]:
        merged = merged + one
    for key in range(G):
        own = by == key
        s = None if weights is None else weights[own]
        assert_products(merged[key], *exact_products(X[own], y[own], s), 1e-13)
        assert_alike(merged[key], sum((one[key] for one in parts[1:]), parts[0][key]))


def test_an_exact_fit_keeps_its_digits(rng):
    by = np.tile(np.arange(G), 12)
    X = rng.integers(-50, 50, size=(12 * G, 2)) / 8
    y = X @ [1.0, 2.0] + 2.0
    merged = grouped(X[: 3 * G], y[: 3 * G], by[: 3 * G]) + grouped(X[3 * G :], y[3 * G :], by[3 * G :])
    fit = fastgd.gradient_descent(merged, fit_intercept=True, precondition=True, n_epochs=3)
    np.testing.assert_allclose(fit.w, np.tile([1.0, 2.0], (G, 1)), rtol=1e-13)
    assert fit.cost.max() <= 1e-25 * np.mean(y * y)


def test_either_order_gives_the_same_bits(rng):
    X, y, by = rows_of(rng, "plain", 8)
    first = (by % 3 > 0) & (np.arange(len(by)) < 4 * G)
    a, b = grouped(X[first], y[first], by[first]), grouped(X[~first], y[~first], by[~first])
    assert same((a + b).products, (b + a).products)
    assert list(a + b) == list(b + a) == list(range(G))


def test_groups_are_taken_and_put(rng):
    X, y, by = rows_of(rng, "plain", 4)
    products = grouped(X, y, by).products
    room = StackedProducts.zeros(G, 3)
    room.put(np.array([3, 0]), products.take([1, 2]))
    assert same(room.of_group(3), products.of_group(1))
    assert same(room.of_group(0), products.of_group(2))
    assert room.total[1] == 0.0

"""The law of summaries: the summary of all rows is the sum of those of the parts."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np

import fastgd

BOUND = 1e-13


def exact_products(X, y, weights=None):
    """Σ s, the means of [x, y] and Σ s (z − mean)(z − mean)ᵀ, rounded once from exact numbers."""
    total, mean, products = _exact(X, y, weights)
    return float(total), mean.astype(float), products.astype(float)


def exact_fractions(X, y, weights=None):
    """Σ s (z − mean)(z − mean)ᵀ of z = [x, y], exact."""
    return _exact(X, y, weights)[2]


def _exact(X, y, weights):
    Z = np.column_stack([np.reshape(X, (len(y), -1)), y]).astype(float)
    Z = np.array([[Fraction(number) for number in row] for row in Z.tolist()], dtype=object)
    s = np.array([Fraction(float(one)) for one in (np.ones(len(y)) if weights is None else weights)])
    total = s.sum()
    mean = (s[:, None] * Z).sum(axis=0) / total
    centred = Z - mean
    products = centred.T @ (s[:, None] * centred)
    return total, mean, products


def products_with_target(summary):
    """Σ s (z − mean)(z − mean)ᵀ of z = [x, y], from a summary."""
    p = summary.products
    column = p.with_y[:, None]
    return np.block([[p.S, column], [column.T, np.array([[p.y_squares]])]])


def assert_products(summary, total, mean, products, bound=BOUND):
    """The summary has these means and products, each to `bound` of its columns' spreads."""
    spread = np.sqrt(np.diag(products)) + 1e-15 * np.abs(mean) * np.sqrt(total)
    found_mean = np.append(summary.mean, summary.target_mean)
    size = np.abs(mean) + spread / np.sqrt(total)
    found = products_with_target(summary)
    assert abs(summary.total_weight - total) <= bound * total
    assert (np.abs(found_mean - mean) <= bound * size).all(), (found_mean, mean)
    assert (np.abs(found - products) <= bound * np.outer(spread, spread)).all(), (found, products)


def assert_alike(found, expected, bound=BOUND):
    """Two summaries are of the same rows, to `bound`."""
    assert found.n_samples == expected.n_samples
    assert found.feature_names == expected.feature_names
    assert found.target_name == expected.target_name
    mean = np.append(expected.mean, expected.target_mean)
    assert_products(found, expected.total_weight, mean, products_with_target(expected), bound)


def parts_of(X, y, weights, cuts):
    """The summaries of the rows between cuts, some of no rows."""
    ends = [0, *sorted(cuts), len(y)]
    return [
        fastgd.summarize(X[a:b], y[a:b], sample_weight=None if weights is None else weights[a:b])
        for a, b in itertools.pairwise(ends)
    ]


def assert_law(X, y, weights=None, cuts=(), bound=BOUND):
    """The sum of the parts has the exact products of all rows. Return the sum."""
    merged = sum(parts_of(X, y, weights, cuts))
    assert_products(merged, *exact_products(X, y, weights), bound)
    counted = len(y) if weights is None else np.count_nonzero(weights)
    assert merged.n_samples == counted
    return merged

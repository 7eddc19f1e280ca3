"""Moments of columns: merged as of all rows, and scalings by them."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows
from fastgd.solver.moments import FEW_ROWS, Moments, read_column_sums


def moments(X, s):
    mean = np.average(X, axis=0, weights=s)
    return Moments(len(X), s.sum(), mean, s @ (X - mean) ** 2)


def test_merged_moments_are_those_of_all_rows(rng):
    X, s = rng.normal(size=(50, 3)) * [1.0, 1e-3, 30.0] + [0.0, 5.0, -1e4], rng.random(50)
    parts = [slice(0, 1), slice(1, 20), slice(20, 50)]
    merged = moments(X[parts[0]], s[parts[0]])._replace(largest_target=3.0)
    for part in parts[1:]:
        merged = merged.merged(moments(X[part], s[part])._replace(largest_target=2.0))
    whole = moments(X, s)
    assert (merged.n, merged.largest_target) == (50, 3.0)
    assert merged.total == pytest.approx(whole.total, rel=1e-14)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-13)
    np.testing.assert_allclose(merged.squares, whole.squares, rtol=1e-10)


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize("has_intercept", [False, True])
def test_column_sums_against_numpy(rng, backend, has_intercept):
    X, s = rng.normal(size=(60, 2)) + np.array([3.0, 0.0]), 0.1 + rng.random(60)
    found, n_passes = read_column_sums(ArrayRows(X, X[:, 0], s), None, has_intercept, backend, 1)
    to = found.scaling(has_intercept, 0.25)
    mean = np.average(X, axis=0, weights=s) if has_intercept else np.zeros(2)
    variance = np.average((X - mean) ** 2, axis=0, weights=s)
    assert n_passes == 1
    np.testing.assert_allclose(to.shift, mean, rtol=1e-13)
    np.testing.assert_allclose(to.scale, 1 / np.sqrt(variance + 0.25), rtol=1e-13)
    if has_intercept:
        kept = found.moments(60)
        np.testing.assert_allclose(kept.squares, variance * s.sum(), rtol=1e-12)
        np.testing.assert_allclose(kept.mean, mean, rtol=1e-13)


def test_first_rows_far_from_the_mean_are_read_again():
    """They hardly weigh anything."""
    X = np.concatenate([np.linspace(-1, 1, 70_000), 1e4 + np.linspace(-1, 1, 1000)])[:, None]
    s = np.repeat([1e-12, 1.0], [70_000, 1000])
    found, n_passes = read_column_sums(ArrayRows(X, X[:, 0], s), None, True, "numba", 1)
    mean = np.average(X[:, 0], weights=s)
    to = found.scaling(True, 0.0)
    assert n_passes == 2
    assert to.shift[0] == pytest.approx(mean, rel=1e-12)
    assert to.scale[0] ** -2 == pytest.approx(np.average((X[:, 0] - mean) ** 2, weights=s), rel=1e-7)


def test_columns_that_are_constant_so_far_keep_a_scale():
    n = FEW_ROWS
    to = Moments(n, float(n), np.array([4.0, 4.0]), np.array([0.0, 9.0 * n])).scaling(True, 3.0)
    np.testing.assert_allclose(to.scale, [1 / 2, 1 / np.sqrt(12)], rtol=1e-15)
    few = Moments(n - 1, 1.0, np.array([4.0]), np.array([9.0])).scaling(True, 0.0)
    assert few.scale[0] == pytest.approx(1 / 5)  # √(9 + 4²)
    with pytest.raises(InvalidDataError, match="squares overflow"):
        Moments(n, 1.0, np.zeros(1), np.array([np.inf])).scaling(True, 0.0)

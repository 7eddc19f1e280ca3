"""Costs on held-out folds against fits and costs of the rows."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.solver import held_out
from tests.solver import long_way

L1, L2 = [0.0, 0.02, 0.5], [0.0, 1e-3, 0.2]


def rows(rng, n=120, d=3, noise=1.0):
    X = rng.standard_normal((n, d)) * [1.0, 3.0, 0.5] + [2.0, 0.0, -1.0]
    return X, X @ [1.0, -0.5, 2.0] + 3.0 + noise * rng.standard_normal(n)


def error(X, y, costs, expected):
    """The largest error of a cost, relative to the larger of the cost and 1e-12·mean(y²)."""
    return np.max(np.abs(costs - expected) / np.maximum(expected, 1e-12 * np.mean(np.square(y))))


def crossed(summary, l1, l2, fit_intercept, n_threads=None):
    pairs = np.repeat(l1, len(l2)), np.tile(l2, len(l1))
    costs = held_out.cross(summary, *pairs, fit_intercept, n_threads).costs
    return costs.reshape(len(l1), len(l2), -1)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_each_cost_is_that_of_a_fit_of_the_other_rows(rng, fit_intercept, is_weighted, dtype):
    X, y = (values.astype(dtype) for values in rows(rng))
    s = rng.integers(0, 3, len(y)).astype(float) if is_weighted else np.ones(len(y))
    folds = rng.permutation(np.arange(len(y)) % 4)
    summary = fastgd.summarize(X, y, folds=folds, sample_weight=s if is_weighted else None)
    X, y = X.astype("f8"), y.astype("f8")
    expected = long_way.costs(X, y, s, folds, L1, L2, fit_intercept)
    assert error(X, y, crossed(summary, L1, L2, fit_intercept), expected) < 1e-11


@pytest.mark.parametrize("noise", [1e-4, 1e-6, 1e-8, 0.0])
@pytest.mark.parametrize("l2", [0.0, 1e-12, 1e-6])
def test_costs_of_nearly_exact_fits_keep_their_digits(rng, noise, l2):
    X, y = rows(rng, noise=noise)
    X += [0.0, 1e3, 0.0]
    folds = np.arange(len(y)) % 5
    costs = crossed(fastgd.summarize(X, y, folds=folds), [0.0], [l2], True)
    assert error(X, y, costs, long_way.costs(X, y, np.ones(len(y)), folds, [0.0], [l2], True)) < 1e-9


@pytest.mark.parametrize("folds", [np.arange(120) // 24, np.where(np.arange(120) < 8, np.arange(120) % 2, 2)])
def test_folds_may_differ_in_place_and_size(rng, folds):
    """Rows sorted by a column, and a fold that holds nearly all rows."""
    X, y = rows(rng)
    X = X[np.argsort(X[:, 0])]
    costs = crossed(fastgd.summarize(X, y, folds=folds), L1, L2, True)
    expected = long_way.costs(X, y, np.ones(len(y)), folds, L1, L2, True)
    assert error(X, y, costs, expected) < 1e-11


def test_nearly_dependent_columns_cost_few_digits(rng):
    X, y = rows(rng)
    X[:, 2] = X[:, 1] + 1e-4 * rng.standard_normal(len(y))
    folds = np.arange(len(y)) % 5
    costs = crossed(fastgd.summarize(X, y, folds=folds), [0.0], L2, True)
    assert error(X, y, costs, long_way.costs(X, y, np.ones(len(y)), folds, [0.0], L2, True)) < 1e-8


def test_fewer_rows_than_columns(rng):
    X, w = rng.standard_normal((24, 40)), rng.standard_normal(40)
    y = X @ w + rng.standard_normal(24)
    folds = np.arange(24) % 3
    costs = crossed(fastgd.summarize(X, y, folds=folds), [0.0], [1e-3, 1.0], True)
    expected = long_way.costs(X, y, np.ones(24), folds, [0.0], [1e-3, 1.0], True)
    assert error(X, y, costs, expected) < 1e-9


def test_merged_selected_and_scaled_summaries_cross_as_their_rows_do(rng):
    """Parts have references of their own."""
    X, y = rows(rng, 200, noise=1e-5)
    folds = np.arange(100) % 5
    parts = [fastgd.summarize(X[:100], y[:100], folds=5), fastgd.summarize(X[100:], y[100:], folds=5)]
    summary = (3.0 * (parts[0] + parts[1]))[[2, 0, 1]]
    costs = crossed(summary, [0.0, 0.01], [0.0, 1e-9], True)
    expected = long_way.costs(
        X[:, [2, 0, 1]], y, np.ones(200), np.tile(folds, 2), [0.0, 0.01], [0.0, 1e-9], True
    )
    assert error(X, y, costs, expected) < 1e-9


def test_threads_change_no_bit(rng):
    X = rng.standard_normal((20_000, 12))
    y = X @ rng.standard_normal(12) + rng.standard_normal(20_000)
    alone, together = (
        crossed(fastgd.summarize(X, y, folds=7, n_threads=n), np.array([0.5, 0.1, 0.01]), [0.0, 0.1], True, n)
        for n in (1, 3)
    )
    assert alone.tobytes() == together.tobytes()


def test_weights_of_all_rows_belong_to_the_same_penalties(rng):
    X, y = rows(rng)
    summary = fastgd.summarize(X, y, folds=5)
    found = held_out.cross(summary, np.array([0.3, 0.0]), np.array([0.1, 0.2]), True, None)
    for k, (l1, l2) in enumerate([(0.3, 0.1), (0.0, 0.2)]):
        w, intercept = long_way.fit(X, y, np.ones(len(y)), l1, l2, True)
        np.testing.assert_allclose(found.w[k], w, rtol=1e-11)
        np.testing.assert_allclose(found.intercept[k], intercept, rtol=1e-11)


def test_a_fold_without_rows_of_weight_is_refused(rng):
    X, y = rows(rng)
    s = (np.arange(120) % 5 != 2).astype(float)
    with pytest.raises(fastgd.InvalidDataError, match="^fold 2 has no row of weight above 0"):
        fastgd.cross_validate(X, y, sample_weight=s)
    s = (np.arange(120) % 5 == 2).astype(float)
    with pytest.raises(fastgd.InvalidDataError, match=r"^fold 2 has all rows .* none is left to fit"):
        fastgd.cross_validate(X, y, sample_weight=s)

"""`cross_validate`: grids, choices, inputs and refusals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import fastgd
from tests.helpers import refused
from tests.law import exact_fractions
from tests.solver import long_way


@pytest.fixture
def data(rng):
    X = rng.standard_normal((300, 4)) + np.array([1.0, 0.0, 3.0, 0.0])
    return X, X @ [1.0, 0.5, 0.0, 0.0] + 2.0 + rng.standard_normal(300)


def result(costs, l1, l2):
    """A result with these costs alone."""
    costs = np.asarray(costs, float)
    return fastgd.CVResult(np.asarray(l1), np.asarray(l2), costs, np.empty(0), np.empty(0), None)


def test_shapes_follow_the_grid_in_the_given_order(data):
    l1, l2 = [0.01, 1.0, 0.0], [3.0, 0.0]
    cv = fastgd.cross_validate(*data, l1=l1, l2=l2, folds=4, fit_intercept=True)
    assert cv.costs.shape == (3, 2, 4)
    assert cv.w.shape == (3, 2, 4)
    assert cv.intercept.shape == (3, 2)
    assert (cv.l1.tolist(), cv.l2.tolist()) == (l1, l2)
    expected = long_way.costs(*data, np.ones(300), np.arange(300) % 4, l1, l2, True)
    np.testing.assert_allclose(cv.costs, expected, rtol=1e-10)
    for i, j in np.ndindex(3, 2):
        w, intercept = long_way.fit(*data, np.ones(300), l1[i], l2[j], True)
        np.testing.assert_allclose(cv.w[i, j], w, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(cv.intercept[i, j], intercept, rtol=1e-9)


def test_the_mean_counts_folds_alike_and_the_error_is_that_of_a_mean():
    cv = result([[[1.0, 2.0, 6.0]]], [0.0], [0.0])
    assert cv.mean.tolist() == [[3.0]]
    np.testing.assert_allclose(cv.standard_error, [[np.sqrt((4 + 1 + 9) / 2 / 3)]])


def test_the_choices_are_the_least_mean_and_the_strongest_within_one_error():
    flat = np.array([[5.0, 3.0, 4.0], [3.2, 3.3, 9.0]])  # l1 = 0.1 and 0.2
    cv = result(flat[..., None] + [-1.0, 0.0, 1.0], [0.1, 0.2], [1.0, 2.0, 3.0])
    assert cv.best == (0.1, 2.0)
    assert cv.best_one_se == (0.2, 2.0)  # 3.3 is below 3 + 1/√3; 4 and 5 are not
    assert "best at l1=0.1, l2=2: cost 3 ± 0.58" in repr(cv)


@pytest.mark.parametrize("penalties", [{"l2": "auto"}, {"l1": "auto"}, {"l1": [0.3, 0.1], "l2": [0.1, 0.2]}])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_best_fit_is_the_fit_of_all_rows(data, penalties, standardize):
    cv = fastgd.cross_validate(*data, fit_intercept=True, standardize=standardize, **penalties)
    place = np.unravel_index(cv.mean.argmin(), cv.mean.shape)
    assert cv.best_fit.converged
    assert cv.best_fit.n_samples == 300
    np.testing.assert_allclose(cv.best_fit.w, cv.w[place], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(cv.best_fit.intercept, cv.intercept[place], rtol=1e-10)
    alone = fastgd.gradient_descent(
        *data, l1=cv.best.l1, l2=cv.best.l2, fit_intercept=True, standardize=True, nesterov=True, tol="auto",
        n_epochs=10_000,
    )  # fmt: skip
    np.testing.assert_allclose(cv.best_fit.w, alone.w, rtol=1e-8, atol=1e-10)


def test_columns_far_from_zero_have_a_best_fit(data):
    X, y = data
    cv = fastgd.cross_validate(X + 1e6, y, l1=[0.1, 0.01], fit_intercept=True)
    here = fastgd.cross_validate(X, y, l1=[0.1, 0.01], fit_intercept=True)
    np.testing.assert_allclose(cv.costs, here.costs, rtol=1e-7)
    np.testing.assert_allclose(cv.best_fit.w, here.best_fit.w, rtol=1e-7, atol=1e-9)


def test_standardizing_changes_no_cost(data):
    options = dict(l1=[0.0, 0.1], l2=[0.1, 0.2], fit_intercept=True)
    plain, standardized = (fastgd.cross_validate(*data, standardize=how, **options) for how in (False, True))
    assert plain.costs.tobytes() == standardized.costs.tobytes()


def test_a_summary_with_folds_stands_for_its_rows(data):
    summary = fastgd.summarize(*data, folds=6)
    of_rows, of_summary = (
        fastgd.cross_validate(*rows, l2=[0.1, 1.0], **more)
        for rows, more in ((data, {"folds": 6}), ((summary,), {}))
    )
    assert of_rows.costs.tobytes() == of_summary.costs.tobytes()


def test_rows_of_a_number_have_one_weight_for_each_penalty(data):
    x, y = data[0][:, 0], data[1]
    cv = fastgd.cross_validate(x, y, l2=[0.1, 1.0])
    assert cv.w.shape == (1, 2)
    assert isinstance(cv.best_fit.w, float)
    np.testing.assert_allclose(cv.w[0], [x @ y / (x @ x + 300 * l2 / 2) for l2 in (0.1, 1.0)])


def test_sources_and_tables_give_the_same_costs(data):
    X, y = data
    chunks = fastgd.chunks(lambda: ((X[i : i + 70], y[i : i + 70]) for i in range(0, 300, 70)))
    table = pd.DataFrame(X, columns=list("abcd"))
    expected = fastgd.cross_validate(X, y, l2=[0.1, 1.0]).costs
    assert fastgd.cross_validate(chunks, l2=[0.1, 1.0]).costs.tobytes() == expected.tobytes()
    cv = fastgd.cross_validate(table, y, l2=[0.1, 1.0])
    assert cv.costs.tobytes() == expected.tobytes()
    assert cv.best_fit.feature_names == ("a", "b", "c", "d")


def test_many_rows_are_in_folds_by_runs_of_32(rng):
    X = rng.standard_normal((5000, 2))
    y = X[:, 0] + rng.standard_normal(5000)
    cv = fastgd.cross_validate(X, y, l2=[0.5], folds=3)
    expected = long_way.costs(X, y, np.ones(5000), np.arange(5000) // 32 % 3, [0.0], [0.5], False)
    np.testing.assert_allclose(cv.costs, expected, rtol=1e-11)


def test_bad_input_is_refused_in_one_sentence(data):
    cross = fastgd.cross_validate
    summary = fastgd.summarize(*data)
    refused(lambda: cross(summary), "the summary has no folds", "folds=5")
    with_folds = fastgd.summarize(*data, folds=4)
    refused(lambda: cross(with_folds, folds=10), "has 4 folds of its own: leave folds out")
    refused(lambda: cross(with_folds, data[1]), "leave y out", error=TypeError)
    refused(lambda: cross(*data, folds=np.zeros(300, int)), "folds must be 0, 1", "two folds or more")
    refused(lambda: cross(*data, folds=np.arange(299) % 3), "folds has 299 numbers and X has 300 rows")
    refused(lambda: cross(*data, l2=-1.0), "l2")
    refused(lambda: cross(*data, l2=[0.1, np.nan]), "l2[1]")
    refused(lambda: cross(*data, l1=[]), "l1 has shape (0,)")
    refused(lambda: cross(*data, fit_intercept=2), "fit_intercept", error=(TypeError, ValueError))


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6])
def test_costs_of_nearly_dependent_columns_have_the_stated_digits(rng, apart):
    """Beside the costs of exact optima, by Cramer's rule on fractions."""
    fraction = np.vectorize(Fraction, otypes=[object])
    x, fold = rng.normal(size=60), np.arange(60) % 3
    X = np.column_stack([x, x + apart * rng.normal(size=60)])
    y = X.sum(axis=1) + rng.normal(size=60)
    found = fastgd.cross_validate(X, y, folds=fold, fit_intercept=True).costs[0, 0]
    for k in range(3):
        P = exact_fractions(X[fold != k], y[fold != k])
        determinant = P[0, 0] * P[1, 1] - P[0, 1] ** 2
        w = np.array([P[0, 2] * P[1, 1] - P[1, 2] * P[0, 1], P[1, 2] * P[0, 0] - P[0, 2] * P[0, 1]])
        rest = fraction(y) - fraction(X) @ w / determinant
        off = rest[fold == k] - rest[fold != k].sum() / np.count_nonzero(fold != k)
        exact = float((off * off).sum() / len(off))
        table = P[:2, :2].astype(float)
        assert abs(found[k] / exact - 1.0) <= max(1e-9, 2e-16 * np.linalg.cond(table))

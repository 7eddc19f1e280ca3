"""The curvature behind automatic rates: Lanczos where there are many columns, and SGD's longest row."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.solver import curvature, planner
from fastgd.solver.objective import LESSON, SINGLE_STEPS
from fastgd.solver.problem import Problem
from tests.problems import spread_problem


@pytest.mark.parametrize("d", [30, 200])
def test_with_too_many_columns_lanczos_tells(rng, monkeypatch, d):
    X, y = spread_problem(rng, 400, d, 0.2)
    exact = fastgd.diagnose(X, y)
    monkeypatch.setattr(planner, "MOST_COLUMNS", 20)
    found = fastgd.diagnose(X, y)
    assert found.is_estimate
    assert found.optimum is None
    assert found.optimum_cost is None
    assert 3 < found.n_passes <= 31
    assert exact.largest_eigenvalue <= found.largest_eigenvalue <= 1.01 * exact.largest_eigenvalue
    assert found.smallest_eigenvalue >= exact.smallest_eigenvalue * (1 - 1e-9)
    assert "(estimated)" in str(found)
    fit = fastgd.gradient_descent(X, y, n_epochs=30)
    assert fit.method == "stream"
    assert fit.n_passes == found.n_passes + 31
    assert fit.cost_history[-1] < 0.1 * fit.cost_history[0]


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_the_longest_row_of_any_layout(rng, dtype):
    X = (10 * rng.standard_normal((500, 3))).astype(dtype)
    expected = np.max(np.sum(X.astype(float) ** 2, axis=1))
    for table in (X, np.asfortranarray(X), X[::-1]):
        problem = Problem(ArrayRows(table, np.zeros(500)), LESSON, SINGLE_STEPS, "numba", 2)
        assert problem.largest_square == pytest.approx(expected, rel=1e-14)
        assert problem.n_passes == 1


def test_wide_data_whose_squares_overflow_is_refused_without_a_warning(rng):
    X, y = rng.standard_normal((40, planner.MOST_COLUMNS + 76)), rng.standard_normal(40)
    for scale in np.geomspace(1e152, 1e154, 9):  # the sums overflow at different steps of the method
        for how in ({}, {"fit_intercept": True}):
            with pytest.raises(fastgd.InvalidDataError, match="its squares overflow; scale X$"):
                fastgd.gradient_descent(X * scale, y, n_epochs=2, **how)


def test_lanczos_of_products_that_are_not_finite_is_nan():
    found = []

    def gradient(w):
        found.append(w)
        return 2.0 * np.arange(1.0, 5.0) * (w - 1.0) * (np.inf if len(found) == 3 else 1.0)

    assert np.isnan(curvature.lanczos(gradient, 4)).all()
    assert len(found) == 3


def test_lanczos_sees_what_the_targets_do_not(monkeypatch):
    """One long column that Xᵀy has nothing of: the limit is its, and "auto" descends from there."""
    monkeypatch.setattr(planner, "MOST_COLUMNS", 20)
    n, d = 60, 50
    X = np.zeros((n, d))
    X[np.arange(d), np.arange(d)] = 0.1 * n**0.5
    X[0, 0] = 10 * n**0.5
    y, w0 = 2 * X[:, 5], np.zeros(d)
    w0[0] = 1.0
    assert fastgd.diagnose(X, y).stability_limit == pytest.approx(0.01, rel=2e-3)
    fit = fastgd.gradient_descent(X, y, w0=w0, n_epochs=20)
    assert fit.cost_history[-1] < fit.cost_history[0]

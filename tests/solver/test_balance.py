"""Runs that compare costs have converged only if slopes balance."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastgd
from fastgd import losses
from fastgd.data.arrays import ArrayRows
from fastgd.solver.balance import is_balanced
from fastgd.solver.objective import SINGLE_STEPS, as_objective
from fastgd.solver.problem import Problem
from tests.problems import BACKENDS, Absolute


def problem_of(X, y, loss, backend="numba", s=None, l1=0.0, l2=0.0):
    rows = ArrayRows(X, y) if s is None else ArrayRows(X, y, s)
    objective = as_objective(loss, l1, l2, True, False, has_weights=s is not None)
    return Problem(rows, objective, SINGLE_STEPS, backend, 1)


def drawn(rng, n=2000):
    X = rng.normal(size=(n, 3)) * [1.0, 20.0, 0.1] + [0.0, 100.0, 1.0]
    return X, X @ [2.0, 0.1, -3.0] + rng.standard_t(3, n)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("l1", [0.0, 0.05])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_the_optimum_balances_and_its_neighbours_do_not(rng, is_weighted, l1, backend):
    X, y = drawn(rng)
    s = rng.random(len(y)) if is_weighted else None
    best = fastgd.gradient_descent(
        X, y, loss=losses.Quantile(0.3), l1=l1, sample_weight=s, fit_intercept=True, precondition=True,
        tol="auto", n_epochs=20,
    )  # fmt: skip
    problem = problem_of(X, y, losses.Quantile(0.3), backend, s, l1)
    assert is_balanced(problem, best.w, best.intercept, 1)
    assert problem.n_passes == 2
    shift = 0.1 * np.std(y)
    assert not is_balanced(problem, best.w, best.intercept + shift, 1)
    for j, unit in enumerate(X.std(axis=0)):
        moved = best.w + np.eye(3)[j] * shift / unit
        assert not is_balanced(problem, moved, best.intercept - X[:, j].mean() * shift / unit, 1)


def test_a_column_of_zeros_and_rows_of_weight_0_count_for_nothing(rng):
    _, y = drawn(rng)
    median = float(np.median(y))
    assert is_balanced(problem_of(np.zeros((2000, 1)), y, "quantile"), np.zeros(1), median, 1)
    s = np.repeat([1.0, 0.0], 1000)
    far = np.where(s > 0.0, y, y + 1e3)
    rows = problem_of(np.zeros((2000, 1)), far, "quantile", s=s)
    assert is_balanced(rows, np.zeros(1), float(np.median(y[:1000])), 1)


@pytest.mark.parametrize("loss", ["quantile", Absolute()])
def test_long_steps_near_a_kink_are_not_called_converged(rng, loss):
    X, y = drawn(rng)
    how = dict(loss=loss, fit_intercept=True, standardize=True, tol=1e-3, seed=1)
    with pytest.warns(
        fastgd.ConvergenceWarning, match="steps are too long near a kink.*a smaller learn"
    ) as told:
        fit = fastgd.sgd(X, y, learning_rate=0.3, n_epochs=200, **how)
    assert "average=True" in str(told[0].message)
    assert not fit.converged
    assert fit.status.startswith("stopped after")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short = fastgd.sgd(
            X, y, learning_rate=lambda epoch: 0.03 / (epoch + 1.0), n_epochs=400, **how | dict(tol=1e-6)
        )
    assert short.converged
    assert np.mean(y < short.predict(X)) == pytest.approx(0.5, abs=0.012)


def test_descent_names_models_where_they_serve(rng):
    X, y = drawn(rng)
    how = dict(fit_intercept=True, standardize=True, learning_rate=0.5, tol=1e-2, patience=2, n_epochs=300)
    for loss, is_served in (("quantile", True), (Absolute(), False)):
        with pytest.warns(fastgd.ConvergenceWarning, match="too long near a kink") as told:
            fit = fastgd.gradient_descent(X, y, loss=loss, **how)
        assert not fit.converged
        assert ("precondition=True" in str(told[0].message)) == is_served

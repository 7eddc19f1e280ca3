"""The rates an objective allows: the limit divides runs that converge from runs that do not."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.solver.objective import UpdateRule, as_objective
from fastgd.solver.problem import Problem
from tests.problems import Smooth
from tests.problems import problem as data


def problem(X, y, rule=None, *, loss="squared_error", l2=0.0, b=False, standardize=False, s=None):
    objective = as_objective(loss, 0.0, l2, b, standardize, has_weights=s is not None)
    rows = ArrayRows(X, y)
    if s is not None:
        rows.set_weights(s)
    return Problem(rows, objective, rule or UpdateRule(), "numba", None)


def hessian(X, s, curvature, l2, standardize):
    """Of the cost's bound, in the coordinates of the descent, the intercept's 1 among the columns."""
    mean = np.average(X, axis=0, weights=s) if standardize else 0.0
    square = np.average((X - mean) ** 2, axis=0, weights=s) + l2 / curvature
    scale = np.sqrt(square) if standardize else np.ones(X.shape[1])
    Z = np.column_stack([(X - mean) / scale, np.ones(len(X))])
    return curvature * (Z * s[:, None]).T @ Z / s.sum() + np.diag([*(l2 / scale**2), 0.0])


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(("loss", "curvature"), [("squared_error", 2.0), ("log_loss", 0.25), (Smooth(), 2.0)])
def test_limits_against_the_eigenvalues(rng, loss, curvature, standardize):
    X, y = data(rng, 60, 3, loss)
    X, s = X * [1.0, 3.0, 0.5] + [0.0, 2.0, 1.0], rng.random(60)
    values = np.linalg.eigvalsh(hessian(X, s, curvature, 0.3, standardize))
    at = problem(X, y, loss=loss, l2=0.3, b=True, standardize=standardize, s=s)
    assert at.limit("gradient_descent") == pytest.approx(2 / values[-1], rel=1e-12)
    assert at.curvatures[0] == pytest.approx(values[0], rel=1e-9)
    expected = 2 / (values[-1] + max(values[0], values[-1] / 10))
    assert at.auto_rate("gradient_descent") == pytest.approx(expected, rel=1e-12)
    heavy = problem(X, y, UpdateRule(0.5), loss=loss, l2=0.3, b=True, standardize=standardize, s=s)
    assert heavy.limit("gradient_descent") == pytest.approx(3 / values[-1], rel=1e-12)
    assert heavy.auto_rate("gradient_descent") == pytest.approx(1 / values[-1], rel=1e-12)


def test_limits_of_sgd_against_the_longest_row(rng):
    X, y = data(rng, 60, 3)
    s = rng.random(60)
    longest = np.max(s * (np.sum(X * X, axis=1) + 1.0))
    at = problem(X, y, loss="huber", l2=0.3, b=True, s=s)
    assert at.limit("sgd") == pytest.approx(2 / (2 * longest + 0.3), rel=1e-12)
    assert at.auto_rate("sgd") == pytest.approx(1 / (2 * longest + 0.3), rel=1e-12)


def test_statistics_are_those_of_the_coordinates(rng):
    X, y = data(rng, 50, 3)
    s = rng.random(50)
    at = problem(X + 100.0, y, b=True, standardize=True, s=s)
    to, sums = at.scaling, at.statistics
    Z = np.column_stack([(X + 100.0 - to.shift) * to.scale, np.ones(50)])
    r = y - Z @ sums.w_ref
    np.testing.assert_allclose(sums.G, (Z * s[:, None]).T @ Z, atol=1e-11)
    np.testing.assert_allclose(sums.c, (Z * s[:, None]).T @ r, atol=1e-9)
    assert sums.s == pytest.approx(np.sum(s * r * r), rel=1e-10)
    assert sums.n == pytest.approx(s.sum(), rel=1e-15)
    np.testing.assert_allclose(np.diag(sums.G)[:3], s.sum(), rtol=1e-12)
    w, intercept = at.model(np.array([0.3, -0.2, 0.1, 0.4]))
    expected = to.model(sums.w_ref + np.array([0.3, -0.2, 0.1, 0.4]))
    np.testing.assert_allclose(w, expected[0], rtol=1e-10)
    assert intercept == pytest.approx(float(expected[1]), rel=1e-10)


def test_a_run_that_grows_without_overflow_is_refused_too(rng):
    X, y = data(rng, 80, 3)
    limit = problem(X, y, l2=0.5, b=True).limit("gradient_descent")
    how = dict(l2=0.5, fit_intercept=True, n_epochs=200, learning_rate=1.05 * limit)
    with pytest.raises(fastgd.DivergenceError, match=r"^gradient_descent ended above its start at learning"):
        fastgd.gradient_descent(X, y, **how)
    kept = fastgd.gradient_descent(X, y, on_divergence="ignore", **how)
    assert kept.diverged
    assert kept.n_epochs == 200


@pytest.mark.parametrize("how", [dict(l2=0.1), dict(loss="huber"), dict(fit_intercept=True), dict(tol=1e-6)])
def test_data_without_a_number_is_named_by_its_row(rng, how):
    X, y = data(rng, 50, 2)
    X[33, 1] = np.nan
    for fit_by in (fastgd.gradient_descent, fastgd.sgd):
        for backend in ("numba", "python"):
            for rate in (dict(learning_rate=0.01), {}):
                with pytest.raises(fastgd.InvalidDataError, match=r"^X\[33, 1\] is NaN; drop"):
                    fit_by(X, y, n_epochs=2, backend=backend, **how, **rate)


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize("on_divergence", ["raise", "warn", "ignore"])
def test_a_loss_with_a_kink_has_no_limit(rng, on_divergence, backend):
    """A run that ends above its start is kept, without a warning of numpy's: no rate is over a limit."""
    X, y = data(rng, 30, 2)
    for how in (dict(fit_intercept=True, standardize=True), dict(l1=0.1), dict(l2=0.1)):
        X[:, 0] *= 0.0 if "l1" in how else 1.0
        how = how | dict(loss="quantile", n_epochs=3, learning_rate=100.0)
        fit = fastgd.gradient_descent(X, y, on_divergence=on_divergence, backend=backend, **how)
        assert not fit.diverged
        if "l1" not in how:  # whose step is longer than any way
            assert fit.cost_history[-1] > fit.cost_history[0]


def test_what_reads_the_data_is_counted(rng):
    X, y = data(rng, 60, 3)
    for how in (dict(fit_intercept=True), dict(l2=0.1), dict(nesterov=True)):
        assert fastgd.gradient_descent(X, y, method="summary", n_epochs=50, **how).n_passes == 1
    streamed = fastgd.gradient_descent(X, y, loss="huber", learning_rate=0.1, n_epochs=50)
    assert streamed.n_passes == 51

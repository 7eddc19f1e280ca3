"""Descent in the metric of the statistics: least squares in a few epochs, whatever the columns are like."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastgd
from fastgd.solver.planner import MOST_COLUMNS
from tests.conftest import JIT_IS_OFF
from tests.problems import BACKENDS, resumed


def nearly_dependent(rng, n, eps):
    """Columns that differ by eps, and y that is exact at [−1, 4]."""
    a, b = rng.normal(size=(2, n))
    X = np.column_stack([a, a + eps * b])
    return X, X @ [1.0, 2.0] + eps * 2.0 * b


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("eps", [1e-2, 1e-5])
def test_nearly_dependent_columns_have_the_weights_of_least_squares(rng, eps, backend):
    X, y = nearly_dependent(rng, 60, eps)
    fit = fastgd.gradient_descent(
        X, y, fit_intercept=True, precondition=True, tol="auto", n_epochs=20, backend=backend
    )
    np.testing.assert_allclose(fit.w, [-1.0, 4.0], rtol=1e-15 / eps**2 + 1e-13)
    assert fit.converged
    assert fit.n_epochs <= 6
    assert abs(fit.intercept) < 1e-9


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_an_epoch_is_a_newton_step_and_costs_are_those_of_w(rng, backend, has_intercept, l2, is_weighted):
    n = 40
    X = rng.normal(size=(n, 3)) * [1.0, 1e3, 1e-2] + [0.0, 5e3, 0.0]
    y, s = X @ [1.0, 2e-3, 50.0] + rng.normal(size=n), rng.random(n) + 0.1 if is_weighted else np.ones(n)
    A = np.column_stack([X, np.ones(n)]) if has_intercept else X
    penalty = np.diag([l2, l2, l2, 0.0][: A.shape[1]])
    best = np.linalg.solve(2 * (A * s[:, None]).T @ A / s.sum() + penalty, 2 * A.T @ (s * y) / s.sum())
    w0 = rng.normal(size=3)
    how = dict(
        fit_intercept=has_intercept, l2=l2, sample_weight=s if is_weighted else None, backend=backend, w0=w0
    )
    fit = fastgd.gradient_descent(X, y, precondition=True, learning_rate=0.3, n_epochs=2, **how)
    start = np.append(w0, 0.0)[: A.shape[1]]
    for w, b, cost, left in zip(
        fit.w_history,
        fit.intercept_history if has_intercept else np.zeros(3),
        fit.cost_history,
        [1.0, 0.4, 0.16],  # of the way to the optimum, 1 − 2·0.3 each
        strict=True,
    ):
        at = np.append(w, b)[: A.shape[1]]
        np.testing.assert_allclose(at, best + left * (start - best), rtol=1e-9)
        direct = np.average((A @ at - y) ** 2, weights=s) + 0.5 * l2 * w @ w
        assert cost == pytest.approx(direct, rel=1e-9)
    whole = fastgd.gradient_descent(X, y, precondition=True, tol="auto", n_epochs=9, **how)
    np.testing.assert_allclose(np.append(whole.w, whole.intercept)[: A.shape[1]], best, rtol=1e-9)
    assert whole.converged
    assert whole.n_epochs <= 4


def test_runs_in_parts_are_one_run(rng, tmp_path):
    X, y = nearly_dependent(rng, 50, 1e-3)
    how = dict(fit_intercept=True, precondition=True, learning_rate=0.2)
    whole = fastgd.gradient_descent(X, y, n_epochs=7, **how)
    part = fastgd.gradient_descent(X, y, n_epochs=3, **how)
    part.save(tmp_path / "part")
    after = fastgd.gradient_descent(X, y, n_epochs=4, w0=fastgd.load(tmp_path / "part"), **how)
    assert after.w.tolist() == whole.w.tolist()
    assert after.intercept == whole.intercept
    again = resumed(X, y, tmp_path / "checkpoint", **how)
    assert again.w.tolist() == whole.w.tolist()
    np.testing.assert_array_equal(again.cost_history, whole.cost_history)


def test_sources_have_the_bits_of_arrays(rng):
    X, y = nearly_dependent(rng, 50 if JIT_IS_OFF else 9000, 1e-2)
    how = dict(fit_intercept=True, precondition=True, tol="auto")
    fit = fastgd.gradient_descent(X, y, **how)
    parts = fastgd.chunks(lambda: ((X[k : k + 700], y[k : k + 700]) for k in range(0, len(X), 700)))
    from_parts = fastgd.gradient_descent(parts, **how)
    assert from_parts.w.tolist() == fit.w.tolist()
    assert fit.n_passes <= 3
    np.testing.assert_allclose(fit.w, [-1.0, 4.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (dict(l1=0.1), "l1"),
        (dict(method="stream"), 'method="stream"'),
    ],
)
def test_options_that_it_cannot_serve_are_named(rng, option, named):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    with pytest.raises(ValueError, match=f"precondition=True is not possible: .*{named}"):
        fastgd.gradient_descent(X, y, precondition=True, **option)
    as_plain = fastgd.gradient_descent(X, y, n_epochs=5, **option)
    left_off = fastgd.gradient_descent(X, y, n_epochs=5, precondition="auto", **option)
    assert left_off.w.tolist() == as_plain.w.tolist()


def test_where_it_makes_no_sense_it_is_refused(rng):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    with pytest.raises(ValueError, match="full-batch descent"):
        fastgd.sweep(X, y, learning_rates=[0.1], solver="sgd", precondition=True)
    with pytest.raises(ValueError, match="precondition is for full-batch descent only"):
        fastgd.diagnose(X, y, solver="sgd", precondition=True)
    wide = rng.normal(size=(2, MOST_COLUMNS + 1))
    for call in (fastgd.gradient_descent, fastgd.diagnose):
        with pytest.raises(ValueError, match=f"at most {MOST_COLUMNS} columns, and X has {MOST_COLUMNS + 1}"):
            call(wide, y[:2], precondition=True)
    with pytest.raises(ValueError, match="precondition must be True or False or \"?'?auto"):
        fastgd.gradient_descent(X, y, precondition="yes")
    with pytest.raises(fastgd.InvalidDataError, match="too large for precondition"):
        fastgd.gradient_descent(X * 1e170, y, precondition=True)


def test_auto_leaves_the_runs_that_ask_for_a_path(rng):
    X, y = nearly_dependent(rng, 60, 1e-3)
    how = dict(fit_intercept=True, n_epochs=40)
    for option in (dict(learning_rate=0.1), dict(momentum=0.5), dict(validation_fraction=0.2)):
        plain = fastgd.gradient_descent(X, y, **how, **option)
        assert (
            fastgd.gradient_descent(X, y, precondition="auto", **how, **option).w.tolist() == plain.w.tolist()
        )


def test_a_sweep_in_the_metric(rng):
    X, y = nearly_dependent(rng, 60, 1e-3)
    result = fastgd.sweep(
        X, y, learning_rates=[0.1, 0.5, 1.2], n_epochs=20, fit_intercept=True, precondition=True
    )
    assert [fit.diverged for fit in result.fits] == [False, False, True]
    np.testing.assert_allclose(result.best.w, [-1.0, 4.0], rtol=1e-8)


def test_diagnose_in_the_metric(rng):
    X, y = nearly_dependent(rng, 60, 1e-3)
    found = fastgd.diagnose(X, y, fit_intercept=True, precondition=True)
    assert found.condition_number == found.largest_eigenvalue == found.smallest_eigenvalue == 1.0
    assert (found.stability_limit, found.learning_rate, found.epochs_to(1e-9)) == (1.0, 0.5, 1)
    np.testing.assert_allclose(found.optimum, [-1.0, 4.0], rtol=1e-8)
    shrunk = fastgd.diagnose(X, y, fit_intercept=True, precondition=True, l2=0.5)
    assert shrunk.condition_number == 1.0
    assert 0.0 < shrunk.smallest_eigenvalue < shrunk.largest_eigenvalue <= 1.0 + 1e-12
    assert math.isfinite(shrunk.optimum_cost)


@pytest.mark.parametrize("backend", BACKENDS)
def test_dependent_columns_get_the_least_norm_in_their_deviations(rng, backend):
    a, b = rng.normal(size=(2, 40))
    X = np.column_stack([a + 5.0, 1e4 * b, 1e-3 * (a + b) + 2.0])
    y = a + b
    fit = fastgd.gradient_descent(X, y, fit_intercept=True, precondition=True, n_epochs=3, backend=backend)
    deviations = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / deviations
    shortest = np.linalg.lstsq(Z, y - y.mean(), rcond=1e-10)[0]
    np.testing.assert_allclose(fit.w * deviations, shortest, rtol=1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("momentum", [0.3, 0.6])
def test_momentum_does_not_carry_a_converged_run_past_the_optimum(rng, momentum, backend):
    X = rng.normal(size=(80, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=80)
    fit = fastgd.gradient_descent(
        X, y, precondition=True, momentum=momentum, tol=1e-8, patience=1, n_epochs=500, backend=backend
    )
    assert fit.converged
    np.testing.assert_allclose(fit.w, np.linalg.lstsq(X, y)[0], rtol=1e-7)


@pytest.mark.parametrize("n", [100, 6000])
@pytest.mark.parametrize(
    "copy", [lambda x: x.astype(np.float32), lambda x: np.round(x, 8)], ids=["float32", "8 digits"]
)
def test_a_column_beside_its_copy_in_fewer_digits_converges(n, copy):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, 3))
        y = X @ [1.0, 2.0, 3.0] + rng.normal(size=n)
        best = X @ np.linalg.lstsq(X, y)[0]
        with pytest.warns(fastgd.ConvergenceWarning, match="sums of others"):
            fit = fastgd.gradient_descent(
                np.column_stack([X, copy(X[:, 0])]), y, precondition=True, tol="auto", n_epochs=20
            )
        assert fit.converged
        assert fit.n_epochs <= 5
        np.testing.assert_allclose(fit.predict(np.column_stack([X, copy(X[:, 0])])), best, atol=1e-6)


def test_columns_of_zeros_have_no_curvature_in_the_metric():
    found = fastgd.diagnose(np.zeros((10, 2)), np.ones(10), l2=1.0, precondition=True)
    assert (found.largest_eigenvalue, found.optimum_cost) == (0.0, 1.0)


@pytest.mark.parametrize(("d", "is_served"), [(128, True), (129, False)])
def test_auto_takes_models_of_kinks_up_to_some_columns(rng, d, is_served):
    X, y = rng.normal(size=(12, d)), rng.normal(size=12)
    how = dict(loss="quantile", n_epochs=1)
    fit, served, plain = (
        fastgd.gradient_descent(X, y, precondition=choice, **how) for choice in ("auto", True, False)
    )
    assert fit.w.tolist() == (served if is_served else plain).w.tolist()
    assert served.w.tolist() != plain.w.tolist()

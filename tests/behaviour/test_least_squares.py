"""What has converged on statistics is least squares: random problems against a QR factorisation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastgd


def least_squares(A, y):
    """By Householder reflections in long double, columns scaled to length 1."""
    scale = np.sqrt(np.sum(A.astype(np.longdouble) ** 2, axis=0))
    A, b = A / scale, y.astype(np.longdouble)
    d = A.shape[1]
    for k in range(d):
        x = A[k:, k].copy()
        x[0] += np.copysign(np.sqrt(x @ x), x[0])
        x /= np.sqrt(x @ x)
        A[k:] -= 2 * np.outer(x, x @ A[k:])
        b[k:] -= 2 * x * (x @ b[k:])
    w = np.zeros(d, np.longdouble)
    for k in reversed(range(d)):
        w[k] = (b[k] - A[k, k + 1 :] @ w[k + 1 :]) / A[k, k]
    return (w / scale).astype(np.float64)


def problem(rng):
    """Columns in unlike units, far from zero, nearly dependent, targets of any size; each of them or none."""
    n, d = int(rng.choice([12, 200, 4097])), int(rng.choice([1, 2, 3, 5]))
    X = rng.normal(size=(n, d))
    if rng.random() < 0.5:
        X *= 10 ** rng.uniform(-8, 8, d)
    if rng.random() < 0.4:
        X += rng.normal(size=d) * 10 ** rng.uniform(-2, 6) * np.std(X, axis=0)
    if rng.random() < 0.3 and d > 1:
        X[:, 1] = X[:, 0] * (1 + 10 ** rng.uniform(-6, 0) * rng.normal(size=n))
    noise = rng.choice([0.0, 1e-3, 1.0, 10.0])
    y = X @ (rng.normal(size=d) / np.std(X, axis=0)) + rng.normal() + noise * rng.normal(size=n)
    return X, y * 10 ** float(rng.choice([-10, 0, 10]))


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_what_has_converged_without_a_warning_is_least_squares(seed, fit_intercept):
    rng, n_converged = np.random.default_rng(seed), 0
    for _ in range(12):
        X, y = problem(rng)
        precondition, nesterov, standardize = (bool(one) for one in rng.random(3) < 0.5)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit = fastgd.gradient_descent(
                X, y, fit_intercept=fit_intercept, precondition=precondition, nesterov=nesterov,
                standardize=standardize, tol="auto", n_epochs=2000, method="summary",
            )  # fmt: skip
        if not fit.converged or caught:
            continue
        n_converged += 1
        best = least_squares(np.column_stack([X, np.ones(len(X))]) if fit_intercept else X, y)[: X.shape[1]]
        size = np.std(X, axis=0) if fit_intercept else np.sqrt(np.mean(X**2, axis=0))
        assert np.max(np.abs(np.atleast_1d(fit.w) - best) * size) <= 1e-6 * np.max(np.abs(best) * size)
    assert n_converged >= 4

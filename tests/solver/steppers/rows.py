"""Problems and batches for steppers."""

from __future__ import annotations

import numpy as np

from fastgd.data.arrays import ArrayRows
from fastgd.solver.objective import UpdateRule, as_objective
from fastgd.solver.problem import Problem
from fastgd.solver.steppers.base import EpochBatch

X = np.array([[1.0, 2.0], [-1.0, 0.5], [3.0, 1.0]])
Y = np.array([1.0, 2.0, -1.0])


def problem_of(rule=None, *, loss="squared_error", l1=0.0, l2=0.0, backend="numba"):
    objective = as_objective(loss, l1, l2, False, False, has_weights=False)
    return Problem(ArrayRows(X, Y), objective, rule or UpdateRule(), backend, 1)


def batch_of(n_epochs, *, costs=True, n_samples=0):
    """Room for what the epochs record."""
    return EpochBatch(
        np.full(n_epochs if costs else 0, np.nan),
        np.full(n_epochs, np.nan),
        np.full((n_epochs, 2), np.nan),
        np.full((n_epochs if n_samples else 0, max(1, n_samples), 2), np.nan),
        np.full(n_epochs, np.nan),
    )


def cost(w):
    return np.mean((X @ w - Y) ** 2)


def gradient(w):
    return 2 * X.T @ (X @ w - Y) / len(Y)


def epoch_of_sgd(w, rate):
    """Single steps in the order of the rows."""
    for x, y in zip(X, Y, strict=True):
        w = w - rate * 2 * x * (x @ w - y)
    return w

"""`warmup`: make the usual calls on small data, so that later fits find compiled kernels."""

from __future__ import annotations

import itertools
import time
import warnings
from typing import Any

import numpy as np

from fastgd import functions
from fastgd.api import gradient_descent, sgd
from fastgd.data.backend import resolve
from fastgd.solver.diagnose import diagnose
from fastgd.solver.planner import Method
from fastgd.solver.sweep import sweep

FEW, SEVERAL = 40, 4200
"""Rows of one block, and of several."""
COLUMNS = None, 3, 10
"""The lesson's case, a row that fits in registers, and a longer row."""
METHODS: tuple[Method, ...] = ("summary", "stream")


def warmup() -> float:
    """Compile the kernels of the usual calls, or load them from the disk cache.

    The first call on a machine takes one to two minutes. (A first fit without `warmup` compiles only its own
    kernels, in five to ten seconds.) Later calls take one or two seconds in each process. Without Numba
    nothing is done.

    Returns
    -------
    float
        Seconds taken.

    Notes
    -----
    The usual calls are `gradient_descent` and `sgd` with squared errors (both methods, with and without
    intercept, `standardize` and `tol`), `sweep`, `diagnose`, `forward`, `loss`, `cost`, `gradient` and
    `cost_and_gradient`. X and y are both float64 (which lists and integers become) or both float32. Rows have
    1, 3, or 10 and more numbers.

    Other kernels compile at their first use: rows of 2 or of 4 to 9 numbers, other losses, penalties,
    momentum, batches, sample weights and shuffling.

    Examples
    --------
    >>> import fastgd
    >>> seconds = fastgd.warmup()
    """
    began = time.perf_counter()
    if resolve("auto") == "numba" and _compiles():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fits stop before they converge
            for dtype, d in itertools.product((np.float64, np.float32), COLUMNS):
                _calls(dtype, d)
    return time.perf_counter() - began


def _compiles() -> bool:
    from fastgd.kernels import strict

    return hasattr(strict.descend, "signatures")  # False under NUMBA_DISABLE_JIT=1


def _calls(dtype: Any, d: int | None) -> None:
    rng = np.random.default_rng(0)
    for n in (FEW, SEVERAL):
        X = rng.standard_normal((n, d or 1)).astype(dtype)
        y = X.sum(axis=1) + dtype(1.0)
        w = np.zeros(d) if d else 0.0
        X = X if d else X[:, 0]
        for fit in (gradient_descent, sgd):
            for has_intercept, standardize in ((False, False), (True, False), (True, True)):
                for method in METHODS:
                    for tol in (None, 1e-6):
                        fit(
                            X, y, n_epochs=3, method=method, tol=tol,
                            fit_intercept=has_intercept, standardize=standardize,
                        )  # fmt: skip
        for method in METHODS:
            sweep(X, y, learning_rates=[0.01, 0.02], n_epochs=3, method=method)
            sweep(X, y, learning_rates=[0.001, 0.002], n_epochs=3, method=method, solver="sgd")
        diagnose(X, y)
        diagnose(X, y, solver="sgd")
        functions.forward(X, w)
        for function in (functions.loss, functions.cost, functions.gradient, functions.cost_and_gradient):
            for intercept in (0.0, 1.0):
                function(X, y, w, intercept=intercept)

"""`warmup`: make the usual calls on small data, so that later fits find compiled kernels."""

from __future__ import annotations

import contextlib
import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from fastgd import functions
from fastgd.api import gradient_descent, sgd
from fastgd.data.backend import resolve
from fastgd.public import public
from fastgd.solver.diagnose import diagnose
from fastgd.solver.planner import Method
from fastgd.solver.progress import bar
from fastgd.solver.sweep import sweep

FEW, SEVERAL = 40, 4200
"""Rows of one block, and of several."""
COLUMNS = None, 3, 10
"""The lesson's case, a row that fits in registers, and a longer row."""
METHODS: tuple[Method, ...] = ("summary", "stream")
SCALED: tuple[dict[str, Any], ...] = (
    {},
    dict(fit_intercept=True),
    dict(fit_intercept=True, standardize=True),
)


@public
def warmup(*, progress: bool = False) -> float:
    """Compile the kernels of the usual calls, or load them from the disk cache.

    The first call on a machine takes one to two minutes. (A first fit without `warmup` compiles only its own
    kernels, in five to ten seconds.) Later calls take one or two seconds in each process. Without Numba
    nothing is done. `fastgd warmup` is the same on the command line.

    Parameters
    ----------
    progress : bool, default False
        Show a progress bar (needs fastgd[progress]).

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

    The machine code takes about 5 MB in the user's cache folder (on Linux ~/.cache/fastgd), or in
    $FASTGD_CACHE_DIR. `show_versions` prints the folder.

    Examples
    --------
    >>> import fastgd
    >>> seconds = fastgd.warmup()
    """
    began = time.perf_counter()
    if resolve("auto") == "numba" and _compiles():
        calls = [
            call
            for dtype, d in itertools.product((np.float64, np.float32), COLUMNS)
            for call in _calls(dtype, d)
        ]
        shown = bar(len(calls), "warmup", "call") if progress else None
        with warnings.catch_warnings(), shown or contextlib.nullcontext():
            warnings.simplefilter("ignore")  # the fits stop before they converge
            for call in calls:
                call()
                if shown is not None:
                    shown.update()
    return time.perf_counter() - began


def _compiles() -> bool:
    from fastgd.kernels import strict

    return hasattr(strict.descend, "signatures")  # False under NUMBA_DISABLE_JIT=1


def _calls(dtype: Any, d: int | None) -> Iterator[Callable[[], Any]]:
    """The usual calls on rows of this type."""
    rng = np.random.default_rng(0)
    for n in (FEW, SEVERAL):
        X = rng.standard_normal((n, d or 1)).astype(dtype)
        y = X.sum(axis=1) + dtype(1.0)
        w = np.zeros(d) if d else 0.0
        X = X if d else X[:, 0]
        for fit, scaled, method, tol in itertools.product(
            (gradient_descent, sgd), SCALED, METHODS, (None, 1e-6)
        ):
            yield partial(fit, X, y, n_epochs=3, method=method, tol=tol, **scaled)
        for method in METHODS:
            yield partial(sweep, X, y, learning_rates=[0.01, 0.02], n_epochs=3, method=method)
            yield partial(sweep, X, y, learning_rates=[0.001, 0.002], n_epochs=3, method=method, solver="sgd")
        yield partial(diagnose, X, y)
        yield partial(diagnose, X, y, solver="sgd")
        yield partial(functions.forward, X, w)
        for function in (functions.loss, functions.cost, functions.gradient, functions.cost_and_gradient):
            for intercept in (0.0, 1.0):
                yield partial(function, X, y, w, intercept=intercept)

"""The two fits: full-batch gradient descent and SGD."""

from __future__ import annotations

import time
import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastgd import oracles, solvers
from fastgd.data import checks
from fastgd.data.arrays import ArrayRows, as_weights
from fastgd.data.backend import resolve
from fastgd.results import DivergenceError, FitResult, Solver, from_run
from fastgd.schedules import LearningRate, as_rates

OnDivergence = Literal["raise", "warn", "ignore"]


def gradient_descent(
    X: ArrayLike,
    y: ArrayLike,
    *,
    w0: ArrayLike | None = None,
    learning_rate: LearningRate = 0.01,
    n_epochs: int = 100,
    history: solvers.History = "epochs",
    on_divergence: OnDivergence = "raise",
    backend: str = "auto",
    n_threads: int | None = None,
) -> FitResult:
    """Fit a linear model by full-batch gradient descent: w ← w − α ∂cost/∂w.

    cost = (1/n) Σ (x·w − y)², ∂cost/∂w = (2/n) Σ x (x·w − y).

    Parameters
    ----------
    X : array (n,) or array (n, d)
        The samples; shape (n,) is the lesson's case: w is a float everywhere.
    y : array (n,)
        The targets.
    w0 : number or array (d,), optional
        Where to start; zeros by default.
    learning_rate : float, array (n_epochs,) or callable, default 0.01
        α, or a rate for each epoch, or a function epoch → rate. The run converges where α is below
        1/λmax of XᵀX/n.
    n_epochs : int, default 100
        0 gives w0 and its cost.
    history : {"epochs", "costs", None}, default "epochs"
        What to keep: weights and costs of every epoch, the costs alone, or neither. At most 1 GB.
    on_divergence : {"raise", "warn", "ignore"}, default "raise"
        When w or its cost (for SGD: where it is kept) stops being finite: raise DivergenceError,
        which carries the finite part; return that part with a warning; or go on, as the lesson's loop does.
    backend : {"auto", "numba", "python"}, default "auto"
        Compiled kernels, or the plain Python loop; "auto" is the kernels where Numba is installed,
        and `FitResult.backend` says which ran.
    n_threads : int, optional
        At most so many threads; as many as there are processors by default. The result's bits do not
        depend on it.

    Returns
    -------
    FitResult

    Raises
    ------
    InvalidDataError
        If X, y or w0 cannot be used, or holds NaN or infinity (the first place is named).
    DivergenceError
        If the run overflows and `on_divergence="raise"`.

    Notes
    -----
    An input of one block of rows (4096, fewer where d > 16) has every digit of the plain loop. Over
    more rows an epoch's cost and gradient are those of `cost_and_gradient`. Cost: n_epochs + 1 reads
    of the data (the last for the cost of the result), no copy of X.

    Examples
    --------
    >>> import fastgd
    >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
    >>> fit.w
    1.9999444396553017
    """
    checks.choice("history", history, ("epochs", "costs", None))
    return _fit(
        "gradient_descent", X, y, w0, learning_rate, n_epochs, history, on_divergence, backend, n_threads
    )


def sgd(
    X: ArrayLike,
    y: ArrayLike,
    *,
    w0: ArrayLike | None = None,
    learning_rate: LearningRate = 0.01,
    n_epochs: int = 100,
    history: solvers.History = "epochs",
    track_cost: bool = False,
    on_divergence: OnDivergence = "raise",
    backend: str = "auto",
    n_threads: int | None = None,
) -> FitResult:
    """Fit a linear model by stochastic gradient descent: w ← w − α 2x(x·w − y), row by row in order.

    Parameters
    ----------
    X, y, w0, n_epochs, on_divergence, backend, n_threads
        As in `gradient_descent`.
    learning_rate : float, array (n_epochs,) or callable, default 0.01
        α, or a rate for each epoch, or a function epoch → rate. Every single step is stable where α
        is below 1/max‖x‖².
    history : {"epochs", "samples", "costs", None}, default "epochs"
        What to keep: weights and last losses of every epoch; also every step's gradient; the costs
        and losses alone; or nothing. At most 1 GB.
    track_cost : bool, default False
        Keep `cost_history`, for one more read of the data an epoch. On one block of rows, or with
        n_epochs=0, it is kept anyway.

    Returns
    -------
    FitResult

    Raises
    ------
    InvalidDataError
        If X, y or w0 cannot be used, or holds NaN or infinity (the first place is named).
    DivergenceError
        If the run overflows and `on_divergence="raise"`.

    Notes
    -----
    An input of one block of rows (4096, fewer where d > 16), and any input with `history="samples"`,
    has every digit of the plain loop. Otherwise the steps of several rows are taken together: the same
    sequence of steps, and the same iterates to rounding while the run is stable. Rows are read in
    order, by one thread.

    Examples
    --------
    >>> import fastgd
    >>> fit = fastgd.sgd([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
    >>> fit.w
    1.9999999999999236
    """
    checks.choice("history", history, solvers.HISTORIES)
    checks.choice("track_cost", track_cost, (True, False))
    return _fit(
        "sgd",
        X,
        y,
        w0,
        learning_rate,
        n_epochs,
        history,
        on_divergence,
        backend,
        n_threads,
        track_cost=track_cost,
    )


def _fit(
    solver: Solver,
    X: ArrayLike,
    y: ArrayLike,
    w0: ArrayLike | None,
    learning_rate: LearningRate,
    n_epochs: int,
    history: solvers.History,
    on_divergence: OnDivergence,
    backend: str,
    n_threads: int | None,
    *,
    track_cost: bool = True,
) -> FitResult:
    """Validate, choose the oracle, run the epochs, make the result."""
    began = time.perf_counter()
    checks.choice("on_divergence", on_divergence, ("raise", "warn", "ignore"))
    n_epochs = checks.whole("n_epochs", n_epochs, 0)
    if n_threads is not None:
        n_threads = checks.whole("n_threads", n_threads, 1)
    runs_on = resolve(backend)
    rows = ArrayRows(X, y)
    w = np.zeros(rows.d) if w0 is None else as_weights("w0", w0, rows.d, rows.is_scalar)
    solvers.check_history(history, n_epochs, rows.n, rows.d)
    rates = as_rates(learning_rate, n_epochs)
    choose = oracles.for_sgd if solver == "sgd" else oracles.for_descent
    oracle = choose(rows, w, runs_on, n_threads)
    run = solvers.run_epochs(
        oracle,
        rates,
        history,
        want_costs=track_cost or rows.is_one_block or n_epochs == 0,
        want_losses=solver == "sgd",
        n_samples=rows.n,
        stop_when_diverged=on_divergence != "ignore",
        check_data=rows.refuse_nonfinite,
    )
    result = from_run(
        run,
        w=oracle.w,
        rates=rates,
        rows=rows,
        solver=solver,
        backend=runs_on,
        n_passes=oracle.passes,
        elapsed=time.perf_counter() - began,
        samples=(_listed(X), _listed(y)) if history == "samples" else None,
        w0=w0,
    )
    if run.diverged and on_divergence != "ignore":
        _report_divergence(result, rates, on_divergence)
    return result


def _listed(values: ArrayLike) -> list[Any]:
    """The numbers as they were given, in a list of their own, for the trace."""
    return list(values) if isinstance(values, (list, tuple)) else np.asarray(values).tolist()


def _report_divergence(result: FitResult, rates: np.ndarray[Any, Any], on_divergence: OnDivergence) -> None:
    epoch = result.n_epochs
    if result.cost_history is not None and not np.isfinite(result.cost_history[0]):
        message = f"the cost at w0 overflows: scale X and y before {result.solver}, or take a smaller w0"
    else:
        message = (
            f"{result.solver} diverged in epoch {epoch} at learning rate {rates[epoch]:g}: "
            "w or its cost is no longer finite; take a smaller learning rate"
        )
    if on_divergence == "raise":
        raise DivergenceError(
            f"{message} (the finite part of the run is in the error's .result)", result, epoch
        )
    warnings.warn(f"{message}; the result is the finite part of the run", RuntimeWarning, stacklevel=4)

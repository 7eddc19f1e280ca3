"""The two fits: full-batch gradient descent and SGD."""

from __future__ import annotations

import time
import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastgd import engine, solvers
from fastgd.data import checks
from fastgd.data.arrays import ArrayRows, as_weights
from fastgd.data.backend import resolve
from fastgd.data.checks import InvalidDataError
from fastgd.engine import Floats
from fastgd.oracles.choose import for_descent, for_sgd
from fastgd.orders import IN_ORDER, Order, Shuffle, as_order
from fastgd.planner import CHOICES, Choice
from fastgd.results import DivergenceError, FitResult, Solver, from_run
from fastgd.schedules import LearningRate, as_rates
from fastgd.survey import Survey

OnDivergence = Literal["raise", "warn", "ignore"]


def gradient_descent(
    X: ArrayLike,
    y: ArrayLike,
    *,
    w0: ArrayLike | None = None,
    learning_rate: LearningRate = "auto",
    n_epochs: int = 100,
    method: Choice = "auto",
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
    learning_rate : "auto", float, array (n_epochs,) or callable, default "auto"
        α, or a rate for each epoch, or a function epoch → rate. With λ the eigenvalues of XᵀX/n, the run
        converges where α is below the stability limit 1/λmax; "auto" is 1/(λmax + max(λmin, λmax/10)).
    n_epochs : int, default 100
        0 gives w0 and its cost.
    method : {"auto", "summary", "stream"}, default "auto"
        "summary" runs the epochs on the sufficient statistics XᵀX, Xᵀy and yᵀy, which one read makes;
        "stream" reads the data once an epoch. "auto" is what takes less time by a cost model of the
        sizes alone; an input of one block is streamed. `FitResult.method` says which ran.
    history : {"epochs", "costs", None}, default "epochs"
        What to keep: weights and costs of every epoch, the costs alone, or neither. At most 1 GB.
    on_divergence : {"raise", "warn", "ignore"}, default "raise"
        When w or its cost (for SGD: where it is kept) stops being finite, or a full-batch run ends above
        its start with a rate over the limit: raise DivergenceError, which carries the finite part; return
        that part with a warning; or go on, as the lesson's loop does.
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
        If the run diverges and `on_divergence="raise"`; it names the limit and a safe rate.

    Notes
    -----
    An input of one block of rows (4096, fewer where d > 16) has every digit of the plain loop. Over
    more rows a streamed epoch's cost and gradient are those of `cost_and_gradient`. On statistics the
    weights are the streamed ones to some 1e-13 of the largest for well-scaled data (to about eps times
    the condition number of XᵀX otherwise). They are kept about weights that fit the first rows, so that a
    cost has the digits of the direct sum down to 1e-25 of mean(y²); where those weights tell little of
    the rest, the data is read once more. What costs lose is what w − w* does along eigenvectors of small λ:
    there they are right to about eps·λmax/λ.

    Cost: one read (rarely two; and the first block or so a few times more, which nothing counts) and d²
    numbers for "summary";
    n_epochs + 1 reads (the last for the cost of the result) for "stream". "auto" rates take a
    read, which the statistics share; beyond 1024 columns up to 31, by Lanczos' iteration. No copy of X.

    Source: Schleich, Olteanu, Ciucanu, "Learning linear regression models over factorized joins",
    SIGMOD 2016.

    Examples
    --------
    >>> import fastgd
    >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
    >>> fit.w
    1.9999444396553017
    """
    checks.choice("history", history, ("epochs", "costs", None))
    return _fit(
        "gradient_descent",
        X,
        y,
        w0,
        learning_rate,
        n_epochs,
        method,
        history,
        on_divergence,
        backend,
        n_threads,
    )


def sgd(
    X: ArrayLike,
    y: ArrayLike,
    *,
    w0: ArrayLike | None = None,
    learning_rate: LearningRate = "auto",
    n_epochs: int = 100,
    shuffle: Shuffle = False,
    seed: int | None = None,
    method: Choice = "auto",
    history: solvers.History = "epochs",
    track_cost: bool = False,
    on_divergence: OnDivergence = "raise",
    backend: str = "auto",
    n_threads: int | None = None,
) -> FitResult:
    """Fit a linear model by stochastic gradient descent: w ← w − α 2x(x·w − y), row by row.

    Parameters
    ----------
    X, y, w0, n_epochs, on_divergence, backend, n_threads
        As in `gradient_descent`.
    learning_rate : "auto", float, array (n_epochs,) or callable, default "auto"
        α, or a rate for each epoch, or a function epoch → rate. Every single step is stable where α
        is below 1/max‖x‖²; "auto" is half of that, where no step overshoots its own target.
    shuffle : {False, "blocks", True}, default False
        False takes the rows in order, as the lesson does. "blocks" draws a new order of the grid's blocks
        (4096 rows, fewer where d > 16) for each epoch and keeps the order within a block, which costs
        next to nothing. True draws a new permutation of all rows for each epoch: memory for one.
    seed : int, optional
        Of the shuffling; the order depends on it and on the epoch alone. By default a new one each call.
    method : {"auto", "summary", "stream"}, default "auto"
        "summary" makes the affine map of each block's steps by one read, and an epoch is their composition;
        "stream" takes the steps anew each epoch. "auto" as in `gradient_descent`. shuffle=True streams.
    history : {"epochs", "samples", "costs", None}, default "epochs"
        What to keep: weights and last losses of every epoch; also every step's gradient; the costs
        and losses alone; or nothing. At most 1 GB.
    track_cost : bool, default False
        Keep `cost_history`, for one more read of the data an epoch. On one block of rows, on maps
        (whose read gathers the statistics too), or with n_epochs=0, it is kept anyway.

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
    sequence of steps, and the same iterates to rounding (some 1e-13 of the largest) while the run is stable.

    A step about reference weights is u ← (I − 2αxxᵀ)u + 2αx r, with u = w − w_ref and r = y − x·w_ref.
    Such maps compose, so a block is one map (A, b), made by any thread, and in order so is the epoch.
    A block through which differences could grow by more than 256 would lose digits: it is scanned instead,
    and where that is more than one in eight, all are. One map holds for one rate.

    Cost: one read for "summary" (rarely two; one an epoch where blocks are scanned); n_epochs for
    "stream", by one thread. "auto" rates take one more.

    Sources: Maleki, Musuvathi, Mytkowicz, "Parallel stochastic gradient descent with sound combiners", arXiv
    1705.08030; Benesty and Duhamel, IEEE Trans. Signal Processing 40(12), 1992, for streamed steps.

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
        method,
        history,
        on_divergence,
        backend,
        n_threads,
        track_cost=track_cost,
        order=as_order(shuffle, seed),
    )


def _fit(
    solver: Solver,
    X: ArrayLike,
    y: ArrayLike,
    w0: ArrayLike | None,
    learning_rate: LearningRate,
    n_epochs: int,
    method: Choice,
    history: solvers.History,
    on_divergence: OnDivergence,
    backend: str,
    n_threads: int | None,
    *,
    track_cost: bool = False,
    order: Order = IN_ORDER,
) -> FitResult:
    """Validate, choose the rates and the oracle, run the epochs, make the result."""
    began = time.perf_counter()
    checks.choice("on_divergence", on_divergence, ("raise", "warn", "ignore"))
    n_epochs = checks.whole("n_epochs", n_epochs, 0)
    n_threads = engine.checked_threads(n_threads)
    runs_on = resolve(backend)
    check_method(method, runs_on, history, order)
    rows = ArrayRows(X, y)
    w = np.zeros(rows.d) if w0 is None else as_weights("w0", w0, rows.d, rows.is_scalar)
    solvers.check_history(history, n_epochs, rows.n, rows.d)
    survey = Survey(rows, w, runs_on, n_threads)
    if isinstance(learning_rate, str) and learning_rate == "auto" and n_epochs:
        learning_rate = survey.auto_rate(solver)
    rates = as_rates(learning_rate, n_epochs)
    if solver == "sgd":
        oracle = for_sgd(
            rows, w, rates, backend=runs_on, n_threads=n_threads, method=method, survey=survey, order=order,
            track_cost=track_cost, keeps_samples=history == "samples",
        )  # fmt: skip
    else:
        oracle = for_descent(
            rows, w, n_epochs, backend=runs_on, n_threads=n_threads, method=method, survey=survey
        )
    run = solvers.run_epochs(
        oracle,
        rates,
        history,
        want_costs=track_cost or oracle.has_costs or n_epochs == 0,
        want_losses=solver == "sgd",
        n_samples=rows.n,
        stop_when_diverged=on_divergence != "ignore",
        check_data=rows.refuse_nonfinite,
    )
    grown = solver == "gradient_descent" and has_grown(run, rates, oracle.w, rows, survey)
    run.diverged |= grown
    result = from_run(
        run,
        w=oracle.w,
        rates=rates,
        rows=rows,
        solver=solver,
        backend=runs_on,
        method=oracle.method,
        n_passes=survey.passes + oracle.passes,
        elapsed=time.perf_counter() - began,
        samples=(_listed(X), _listed(y)) if history == "samples" else None,
        w0=w0,
        order=order,
    )
    if run.diverged and on_divergence != "ignore":
        _report_divergence(result, run.first_cost, rates, grown, survey, on_divergence)
    return result


def check_method(method: Choice, backend: str, history: solvers.History, order: Order) -> None:
    """Refuse a method that cannot do what is asked."""
    checks.choice("method", method, CHOICES)
    if method != "summary":
        return
    if backend == "python":
        raise ValueError('method="summary" needs the compiled kernels; backend="python" is the plain loop')
    if history == "samples":
        raise ValueError('history="samples" keeps every step, and method="summary" takes none: stream')
    if order.shuffle is True:
        raise ValueError(
            'shuffle=True takes every row anew: method="summary" needs shuffle=False or "blocks"'
        )


def has_grown(run: solvers.Run, rates: Floats, w: Floats, rows: ArrayRows, survey: Survey) -> bool:
    """Whether a finite run ended above its start, by more than rounding, with a rate over the limit."""
    first, last = run.first_cost, run.last_cost
    if run.diverged or first is None or last is None or not last > first * (1 + 1e-9):
        return False
    rounding = (1e-10 * max(abs(float(rows.y.max())), abs(float(rows.y.min())))) ** 2
    if survey.has_statistics:
        rounding += 4 * survey.statistics.error(w)
    return last > first + rounding and float(np.max(rates)) > survey.descent_limit()


def _listed(values: ArrayLike) -> list[Any]:
    """The numbers as they were given, in a list of their own, for the trace."""
    return list(values) if isinstance(values, (list, tuple)) else np.asarray(values).tolist()


def _report_divergence(
    result: FitResult,
    first_cost: float | None,
    rates: Floats,
    grown: bool,
    survey: Survey,
    on_divergence: OnDivergence,
) -> None:
    epoch = result.n_epochs
    limit = rate = None
    if first_cost is not None and not np.isfinite(first_cost):
        message = f"the cost at w0 overflows: scale X and y before {result.solver}, or take a smaller w0"
    else:
        limit, rate = _safe(result.solver, survey)
        if rate is not None and rate >= np.max(rates):  # an estimate that this run has shown to be wrong
            limit = rate = None
        if grown:
            message = f"{result.solver} ended above its start at learning rate {np.max(rates):g}"
        else:
            message = (
                f"{result.solver} diverged in epoch {epoch} at learning rate {rates[epoch]:g}: "
                "w or its cost is no longer finite"
            )
        if rate is None:
            message += "; take a smaller learning rate"
        else:
            what = (
                "the limit of every single step, 1/max‖x‖²,"
                if result.solver == "sgd"
                else "the stability limit"
            )
            message += f'; {what} is {limit:.6g}: take learning_rate="auto", here {rate:.6g}'
    if on_divergence == "raise":
        raise DivergenceError(
            f"{message} (the finite part of the run is in the error's .result)", result, epoch, limit, rate
        )
    warnings.warn(f"{message}; the result is the finite part of the run", RuntimeWarning, stacklevel=4)


def _safe(solver: Solver, survey: Survey) -> tuple[float, float] | tuple[None, None]:
    """The limit and a safe rate, where the data has them."""
    try:
        return survey.limit(solver), survey.auto_rate(solver)
    except InvalidDataError:  # X overflows when squared
        return None, None

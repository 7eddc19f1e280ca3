"""Many learning rates, and starts, on the same data: one read for all where there are summaries."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import planner, pool, solvers
from fastgd.data import checks
from fastgd.data.arrays import as_array, as_weights
from fastgd.data.backend import Backend, resolve
from fastgd.data.chunks import Source
from fastgd.data.sources import as_rows, refuse_weights
from fastgd.data.table import Table
from fastgd.fitting import check_summary
from fastgd.grid import Floats
from fastgd.options import Solver
from fastgd.oracles.base import Oracle
from fastgd.oracles.choose import distinct_rates, for_descent, for_sgd, map_sgd
from fastgd.orders import Order, Shuffle, as_order
from fastgd.outcome import from_run
from fastgd.planner import Choice
from fastgd.results import SweepResult
from fastgd.schedules import LearningRate, as_rates
from fastgd.survey import Survey
from fastgd.tracks import has_grown


def sweep(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    learning_rates: Sequence[LearningRate],
    solver: Solver = "gradient_descent",
    w0: ArrayLike | None = None,
    n_epochs: int = 100,
    shuffle: Shuffle = False,
    seed: int | None = None,
    method: Choice = "auto",
    history: solvers.History = "epochs",
    backend: str = "auto",
    n_threads: int | None = None,
) -> SweepResult:
    """Run a solver once for each learning rate; the runs share the reads of the data.

    Parameters
    ----------
    X, y, n_epochs, shuffle, seed, method, backend, n_threads
        As in `gradient_descent` and `sgd`; all runs of SGD take the rows in the same order.
    learning_rates : sequence of K
        Each a number, "auto", an array (n_epochs,) or a function of the epoch.
    solver : {"gradient_descent", "sgd"}, default "gradient_descent"
    w0 : number or array (d,), or array (K,) or (K, d), optional
        One start for all, or one each; zeros by default.
    history : {"epochs", "costs", None}, default "epochs"
        What each run keeps. At most 1 GB in all.

    Returns
    -------
    SweepResult

    Raises
    ------
    InvalidDataError
        If X, y or w0 cannot be used, or holds NaN or infinity.

    Notes
    -----
    Each run is the one that the solver alone would do with that rate and the same method: the same bits
    where all start together (on maps of one column, and from several starts, the same to rounding). A run
    that diverges does not stop the others. Cost: full-batch runs on statistics share one read; SGD on
    maps too, for K times the arithmetic (with one column, where it hides behind the read, much less);
    what streams reads for each run.

    Examples
    --------
    >>> import fastgd
    >>> x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    >>> result = fastgd.sweep(x, y, learning_rates=[0.01, 0.1, 1.0], n_epochs=10)
    >>> result.best.learning_rates[0], [fit.diverged for fit in result.fits]
    (0.1, [False, False, True])
    """
    began = time.perf_counter()
    checks.choice("solver", solver, ("gradient_descent", "sgd"))
    checks.choice("history", history, ("epochs", "costs", None))
    n_epochs = checks.whole("n_epochs", n_epochs, 0)
    threads = pool.checked_threads(n_threads)
    runs_on = resolve(backend)
    order = as_order(shuffle, seed)
    if solver == "gradient_descent" and shuffle is not False:
        raise ValueError('shuffle orders the steps of SGD: pass solver="sgd", or leave it out')
    check_summary(method, runs_on, history, order)
    rows = as_rows(X, y)
    refuse_weights(rows, "sweep")
    if (
        not isinstance(learning_rates, (list, tuple, range, np.ndarray))
        or getattr(learning_rates, "shape", True) == ()
    ):
        raise TypeError(f"learning_rates must be a list or an array, a run each, not {learning_rates!r}")
    if not len(learning_rates):
        raise ValueError("learning_rates is empty; a sweep needs at least one")
    starts = _starts(w0, len(learning_rates), rows)
    solvers.check_history(history, n_epochs, 0, rows.d, len(learning_rates))
    survey = Survey(rows, starts[0], runs_on, threads)
    rates = [as_rates(rate, n_epochs, auto=lambda: survey.auto_rate(solver)) for rate in learning_rates]
    if solver == "sgd":
        oracles = _sgd_oracles(rows, starts, rates, runs_on, threads, method, survey, order)
    else:
        total = len(rates) * (n_epochs + 1)
        oracles = [
            for_descent(rows, w, total, backend=runs_on, n_threads=threads, method=method, survey=survey)
            for w in starts
        ]
    runs = []
    for oracle, own in zip(oracles, rates, strict=True):
        run = solvers.run_epochs(
            oracle,
            own,
            history,
            want_costs=oracle.has_costs or n_epochs == 0,
            want_losses=solver == "sgd",
            n_samples=0,
            stop_when_diverged=True,
            check_data=rows.refuse_nonfinite,
        )
        if run.error is not None:  # an interrupt
            raise run.error
        runs.append(run)
    if solver == "gradient_descent":
        for run, own, oracle in zip(runs, rates, oracles, strict=True):
            run.diverged |= has_grown(run, own, oracle.w, rows, survey)
    costs = np.array([_cost(run, oracle, survey) for run, oracle in zip(runs, oracles, strict=True)])
    n_passes = rows.passes + survey.passes + sum(oracle.passes for oracle in oracles)
    elapsed = time.perf_counter() - began
    fits = [
        from_run(
            run,
            point=oracle.w,
            rates=own,
            rows=rows if rows.is_random else None,
            is_scalar=rows.is_scalar,
            n_samples=rows.n,
            steps=rows.n if solver == "sgd" else 1,
            solver=solver,
            backend=runs_on,
            method=oracle.method,
            n_passes=n_passes,
            elapsed=elapsed,
            order=order,
            feature_names=rows.columns,
        )
        for run, oracle, own in zip(runs, oracles, rates, strict=True)
    ]
    return SweepResult(fits, costs, n_passes, elapsed)


def _starts(w0: Any, n_runs: int, rows: Table) -> list[Floats]:
    """A new array of weights for each run."""
    if w0 is None:
        return [np.zeros(rows.d) for _ in range(n_runs)]
    given = as_array("w0", w0)
    if given.ndim == (1 if rows.is_scalar else 2):
        if len(given) != n_runs:
            raise ValueError(f"w0 has {len(given)} starts for {n_runs} learning rates; they must agree")
        return [as_weights(f"w0[{k}]", start, rows.d, rows.is_scalar) for k, start in enumerate(given)]
    return [as_weights("w0", w0, rows.d, rows.is_scalar) for _ in range(n_runs)]


def _sgd_oracles(
    rows: Table,
    starts: list[Floats],
    rates: list[Floats],
    backend: Backend,
    n_threads: int | None,
    method: Choice,
    survey: Survey,
    order: Order,
) -> list[Oracle]:
    """Maps for the rates of all runs by one read, or a scan an epoch for each run."""
    own = [distinct_rates(each) for each in rates]
    together = np.unique(np.concatenate(own))
    n_epochs = sum(map(len, rates))
    by_maps = backend == "numba" and order.shuffle is not True and n_epochs > 0
    if by_maps and method == "auto":
        plan = planner.sgd(
            rows.n, rows.d, n_epochs, len(together), False, rows.row_bytes, order.shuffle is False
        )
        by_maps = plan == "summary" and not rows.is_one_block
    oracles: list[Oracle] = []
    for w, each, distinct in zip(starts, rates, own, strict=True):
        oracle: Oracle | None = None
        if by_maps and method != "stream":
            oracle = map_sgd(rows, w, survey, together, distinct, order, False)
        if oracle is None:
            oracle = for_sgd(
                rows, w, each, backend=backend, n_threads=n_threads, method="stream", survey=survey,
                order=order, track_cost=False, keeps_samples=False,
            )  # fmt: skip
        oracles.append(oracle)
    return oracles


def _cost(run: solvers.Run, oracle: Oracle, survey: Survey) -> float:
    """The cost at a run's end, by the statistics where the run did not tell it."""
    if run.diverged:
        return math.inf
    if run.last_cost is not None:
        return run.last_cost
    return survey.cost(oracle.w)

"""Many learning rates, and starts, on the same data: one read for all where there are summaries."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import objective, solvers
from fastgd.data import checks
from fastgd.data.arrays import as_array, as_weights
from fastgd.data.backend import resolve
from fastgd.data.chunks import Source
from fastgd.data.sources import as_rows, check_weights
from fastgd.data.table import Table
from fastgd.fitting import check_method, scale_costs
from fastgd.grid import Floats
from fastgd.losses import Loss
from fastgd.options import Options, Plan, Solver
from fastgd.orders import Shuffle, as_order
from fastgd.outcome import from_run
from fastgd.planner import Choice
from fastgd.results import SweepResult
from fastgd.schedules import LearningRate
from fastgd.survey import Survey
from fastgd.tracks import Track, has_grown, tracks


def sweep(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    learning_rates: Sequence[LearningRate],
    solver: Solver = "gradient_descent",
    w0: ArrayLike | None = None,
    n_epochs: int = 100,
    fit_intercept: bool = False,
    standardize: bool = False,
    sample_weight: ArrayLike | None = None,
    loss: str | Loss | Any = "squared_error",
    l1: float = 0.0,
    l2: float = 0.0,
    momentum: float = 0.0,
    nesterov: bool = False,
    batch_size: int = 1,
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
    X, y, n_epochs, fit_intercept, standardize, sample_weight, loss, l1, l2, momentum, nesterov
        As in `gradient_descent` and `sgd`.
    batch_size, shuffle, seed
        As in `sgd`; all runs take the rows in the same order.
    method, backend, n_threads
        As in `gradient_descent` and `sgd`.
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
    where all start together (on maps of one column, from several starts, and with an "auto" rate among others
    on standardised columns that stream, the same to rounding). A run that diverges does not stop the others.
    Cost: full-batch runs on statistics share one read; SGD on maps too, for K times the arithmetic (with one
    column, where it hides behind the read, much less); what streams reads for each run.

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
    if solver == "gradient_descent" and shuffle is not False:
        raise ValueError('shuffle orders the steps of SGD: pass solver="sgd", or leave it out')
    rule = objective.as_rule(momentum, nesterov, batch_size)
    if solver == "gradient_descent" and rule.batch_size > 1:
        raise ValueError('batch_size is of the steps of SGD: pass solver="sgd", or leave it out')
    how = Options(
        None,
        "auto",
        n_epochs,
        None,
        1,
        None,
        None,
        method,
        history,
        "warn",
        backend,
        n_threads,
        shuffle,
        seed,
    )
    how.check()
    runs_on, order = resolve(backend), as_order(shuffle, seed)
    rows = as_rows(X, y, sample_weight)
    check_weights(rows)
    goal = objective.as_objective(loss, l1, l2, fit_intercept, standardize, has_weights=rows.has_weights)
    objective.check_loss(goal.loss, rows, runs_on)
    check_method(solver, how, runs_on, order, goal, rule)
    if (
        not isinstance(learning_rates, (list, tuple, range, np.ndarray))
        or getattr(learning_rates, "shape", True) == ()
    ):
        raise TypeError(f"learning_rates must be a list or an array, a run each, not {learning_rates!r}")
    if not len(learning_rates):
        raise ValueError("learning_rates is empty; a sweep needs at least one")
    starts = _starts(w0, len(learning_rates), rows)
    solvers.check_history(history, how.n_epochs, 0, rows.d, len(learning_rates))
    taken = tracks(Plan(solver, goal, rule, how, order, runs_on), rows, starts, learning_rates)
    runs = [_run(track, history, rows) for track in taken]
    costs = np.array([_cost(run, track) for run, track in zip(runs, taken, strict=True)])
    n_passes = rows.passes + taken[0].limits.passes + sum(track.oracle.passes for track in taken)
    elapsed = time.perf_counter() - began
    fits = [
        from_run(
            run,
            point=track.oracle.w,
            model=track.model,
            rates=track.rates,
            rows=rows if rows.is_random else None,
            is_scalar=rows.is_scalar,
            n_samples=rows.n,
            steps=-(-rows.n // rule.batch_size) if solver == "sgd" else 1,
            has_intercept=goal.fit_intercept,
            is_lesson=goal.is_plain,
            solver=solver,
            backend=runs_on,
            method=track.oracle.method,
            n_passes=n_passes,
            elapsed=elapsed,
            order=order,
            state=track.state(run.n_epochs, order),
            constant=track.constant(),
            feature_names=rows.columns,
        )
        for run, track in zip(runs, taken, strict=True)
    ]
    return SweepResult(fits, costs, n_passes, elapsed)


def _run(track: Track, history: solvers.History, rows: Table) -> solvers.Run:
    oracle, is_sgd = track.oracle, track.kind == "sgd"
    run = solvers.run_epochs(
        oracle,
        track.rates,
        history,
        want_costs=oracle.has_costs or not len(track.rates),
        want_losses=is_sgd,
        n_samples=0,
        stop_when_diverged=True,
        check_data=rows.refuse_nonfinite,
    )
    if run.error is not None:  # an interrupt
        raise run.error
    scale_costs(run, track.cost_scale)
    if not is_sgd:
        run.diverged |= has_grown(run, track.rates, oracle.w, rows, track.limits)
    return run


def _cost(run: solvers.Run, track: Track) -> float:
    """The cost at a run's end: by the statistics, or a read, where the run did not tell it."""
    if run.diverged:
        return math.inf
    if run.last_cost is not None:
        return run.last_cost
    if isinstance(track.limits, Survey):
        return track.limits.cost(track.oracle.w) * track.cost_scale
    cost = track.oracle.start(True)
    assert cost is not None
    return cost


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

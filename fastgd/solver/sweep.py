"""Fits with many learning rates or starts on the same data, which share passes where possible."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastgd import callers, checks, display
from fastgd.data.arrays import as_array, as_weights
from fastgd.data.backend import resolve
from fastgd.data.chunks import Source
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.losses import Loss
from fastgd.public import public
from fastgd.schedules import LearningRate
from fastgd.solver import loop, once, status, summarized
from fastgd.solver.descents import Descent, begin_descents, run_descent
from fastgd.solver.fit import check_method
from fastgd.solver.inputs import as_dataset, check_weights
from fastgd.solver.loop import Run
from fastgd.solver.objective import as_objective, as_rule, check_loss, lone_class
from fastgd.solver.options import ConvergenceWarning, Options, Plan, Solver
from fastgd.solver.orders import Shuffle, as_order
from fastgd.solver.outcome import result_of
from fastgd.solver.planner import Choice
from fastgd.solver.results import FitResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """The fits of a sweep, one for each learning rate, in the given order.

    Attributes
    ----------
    fits : list of FitResult
        The fits with their histories. A fit that diverged has its finite part. `n_passes` and `elapsed` of
        each fit are those of the sweep.
    costs : ndarray (K,)
        The final cost of each fit; inf if it diverged.
    n_passes : int
        Passes over the data, all fits together.
    elapsed : float
        Seconds, all fits together.
    """

    fits: list[FitResult]
    costs: Floats
    n_passes: int
    elapsed: float

    def __repr__(self) -> str:
        return f"SweepResult({self._outcome})"

    def _repr_html_(self) -> str:
        rows = [
            (_span(fit.learning_rates), str(fit.n_epochs), f"{cost:.3g}", status.ending(fit))
            for fit, cost in zip(self.fits, self.costs.tolist(), strict=True)
        ]
        return display.table(
            f"SweepResult: {self._outcome}", ("learning rate", "epochs", "cost", "outcome"), rows
        )

    @property
    def _outcome(self) -> str:
        """The number of fits, the number of diverged fits, and the best fit."""
        parts = [display.count(len(self.fits), "fit")]
        n_diverged = sum(fit.diverged for fit in self.fits)
        if n_diverged:
            parts.append(f"{n_diverged} diverged")
        if np.isfinite(self.costs).any():
            best, cost = self.best, self.costs.min()
            parts.append(f"best at learning rate {_span(best.learning_rates)}: cost {cost:.3g}")
        return ", ".join(parts)

    @property
    def best(self) -> FitResult:
        """The fit with the lowest final cost, the first one of equal fits."""
        if not np.isfinite(self.costs).any():
            raise ValueError("every run of this sweep diverged: sweep smaller learning rates")
        return self.fits[int(np.argmin(self.costs))]

    @property
    def learning_rates(self) -> list[Floats]:
        """The learning rates of each fit, one for each epoch done."""
        return [fit.learning_rates for fit in self.fits]

    @public
    def plot(self, *, ax: Axes | None = None, scale: Literal["linear", "log"] = "linear") -> Axes:
        """Draw cost against epoch with matplotlib, one curve for each fit, and return the axes.

        Of fits that diverged the first epochs are drawn. More than eight fits have a colour bar of their
        learning rates in place of a legend.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        scale : {"linear", "log"}, default "linear"
            The scale of the costs.

        Returns
        -------
        matplotlib axes

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed: pip install 'fastgd[plot]'.
        """
        from fastgd.plots.sweep import plot_sweep

        return plot_sweep(self, ax, scale)


@public
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
    precondition: bool | Literal["auto"] = False,
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
    history: loop.History = "epochs",
    track_cost: bool = False,
    backend: str = "auto",
    n_threads: int | None = None,
) -> SweepResult:
    """Run a solver once for each learning rate; the runs share the reads of the data.

    Parameters
    ----------
    X, y, n_epochs, fit_intercept, standardize, precondition, sample_weight, loss, l1, l2, momentum, nesterov
        As in `gradient_descent` and `sgd`. So precondition="auto" is for the runs with an automatic rate.
    batch_size, shuffle, seed, track_cost
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
    Each run equals the run of the solver alone with that rate and method, to the bit. It equals it up to
    rounding in these cases: maps of one column, several starts, statistics that were read again for an
    earlier run, and an "auto" rate among others if standardised columns are streamed. A run that diverges
    does not stop the others.

    Cost: full-batch runs on statistics share one pass. SGD runs on maps share one pass. A further rate adds
    about half a run with ten columns, much less with one column, and most of a run with many columns.
    Streamed runs read the data for each run. An interrupt's `.result` holds the runs that were done.

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
        raise ValueError('shuffle is for SGD: pass solver="sgd", or leave it out')
    rule = as_rule(momentum, nesterov, batch_size)
    if solver == "gradient_descent" and rule.batch_size > 1:
        raise ValueError('batch_size is for SGD: pass solver="sgd", or leave it out')
    options = Options(
        w0=None, learning_rate="auto", n_epochs=n_epochs, tol=None, patience=1, validation_fraction=None,
        callback=None, method=method, history=history, on_divergence="ignore", backend=backend,
        n_threads=n_threads, shuffle=shuffle, seed=seed, track_cost=track_cost,
    )  # fmt: skip
    options.check()
    _check_rates(learning_rates)
    options.n_runs = len(learning_rates)
    runs_on, order = resolve(backend), as_order(shuffle, seed)
    rows = as_dataset(X, y, sample_weight)
    check_weights(rows)
    objective = as_objective(
        loss, l1, l2, fit_intercept, standardize, precondition, has_weights=rows.has_weights
    )
    check_loss(objective.loss, rows, runs_on)
    if sentence := lone_class(objective, rows):
        callers.warn(sentence, ConvergenceWarning)
    plan = Plan(solver, objective, rule, options, order, runs_on)
    check_method(plan)
    summarized.check(plan, rows)
    once.check(plan, rows, learning_rates)
    starts = _starts(w0, len(learning_rates), rows)
    kept = options.n_gradients(rows, solver == "gradient_descent")
    loop.check_history(history, options.n_epochs, kept, rows.d, len(learning_rates))
    if order.shuffle is True and not rows.is_random:
        rows.reader()  # raises the error
    return _sweep(plan, rows, starts, learning_rates, began)


def _check_rates(learning_rates: Any) -> None:
    if (
        not isinstance(learning_rates, (list, tuple, range, np.ndarray))
        or getattr(learning_rates, "shape", True) == ()
    ):
        raise TypeError(
            "learning_rates must be a list or an array, with one entry for each run, "
            f"not {display.value(learning_rates)}"
        )
    if not len(learning_rates):
        raise ValueError("learning_rates is empty; a sweep needs at least one")


def _sweep(
    plan: Plan, rows: Dataset, starts: list[Floats], learning_rates: Sequence[LearningRate], began: float
) -> SweepResult:
    """The runs, one for each learning rate and start."""
    descents = begin_descents(plan, rows, starts, learning_rates)
    check_data = functools.cache(rows.refuse_nonfinite)  # valid data is checked once for all runs
    done: dict[int, tuple[Run, float]] = {}
    runs: list[Run] = []
    """All runs that began, the last of which may have been interrupted."""
    # An SGD run that hardly moves may read the data again about its start. Runs with larger rates come first.
    order = sorted(range(len(descents)), key=lambda k: -descents[k].first_rate if plan.solver == "sgd" else k)
    try:
        for k in order:
            run = run_descent(descents[k], plan, (), check_data)
            runs.append(run)
            if run.error is not None:  # an interrupt
                raise run.error
            done[k] = run, _final_cost(descents[k], run)
    except KeyboardInterrupt as interrupt:
        vars(interrupt)["result"] = _result(plan, rows, descents, runs, done, began)
        raise
    return _result(plan, rows, descents, runs, done, began)


def _final_cost(descent: Descent, run: Run) -> float:
    """The cost after a run, or inf if it diverged. Sets `run.diverged`."""
    run.diverged |= descent.has_grown(run)
    cost = math.inf
    if not run.diverged:
        cost = descent.cost(run) if run.last_cost is None else run.last_cost
        run.diverged = not math.isfinite(cost)
    return cost if math.isfinite(cost) else math.inf


def _result(
    plan: Plan,
    rows: Dataset,
    descents: list[Descent],
    runs: list[Run],
    done: dict[int, tuple[Run, float]],
    began: float,
) -> SweepResult:
    problems = {id(descent.problem): descent.problem for descent in descents}.values()
    n_passes = rows.passes + sum(problem.n_passes for problem in problems)
    n_passes += sum(run.state.passes for run in runs)
    fits = [result_of(done[k][0], descents[k], plan, rows, n_passes, began) for k in sorted(done)]
    costs = np.array([done[k][1] for k in sorted(done)])
    return SweepResult(fits, costs, n_passes, time.perf_counter() - began)


def _starts(w0: Any, n_runs: int, rows: Dataset) -> list[Floats]:
    """The first weights of each run. Runs share an array where they start from the same."""
    if isinstance(w0, FitResult):
        raise TypeError("a sweep cannot continue a fit: pass its weights, w0=fit.w")
    if w0 is None:
        return [np.zeros(rows.d)] * n_runs
    w0s = as_array("w0", w0)
    if w0s.ndim == (1 if rows.is_scalar else 2):
        if len(w0s) != n_runs:
            raise ValueError(f"w0 has {len(w0s)} starts for {n_runs} learning rates; they must agree")
        return [as_weights(f"w0[{k}]", start, rows.d, rows.is_scalar) for k, start in enumerate(w0s)]
    return [as_weights("w0", w0, rows.d, rows.is_scalar)] * n_runs


def _span(rates: Floats) -> str:
    """The learning rates of a fit as text: one number, or the first and the last."""
    if not len(rates):
        return "(no epochs)"
    first, last = display.number(rates[0]), display.number(rates[-1])
    return first if first == last else f"{first} … {last}"

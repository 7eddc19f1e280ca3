"""The two fits: full-batch gradient descent and SGD."""

from __future__ import annotations

import os
from typing import Any, Literal

from numpy.typing import ArrayLike

from fastgd import checks
from fastgd.data.chunks import Source
from fastgd.losses import Loss
from fastgd.public import public
from fastgd.schedules import LearningRate
from fastgd.solver import loop
from fastgd.solver.callbacks import EpochFunction
from fastgd.solver.fit import fit
from fastgd.solver.inputs import has_targets
from fastgd.solver.objective import as_rule
from fastgd.solver.options import OnDivergence, Options, Tolerance
from fastgd.solver.orders import Shuffle
from fastgd.solver.planner import Choice
from fastgd.solver.results import FitResult

Path = str | os.PathLike[str]


@public
def gradient_descent(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    w0: ArrayLike | FitResult | None = None,
    learning_rate: LearningRate = "auto",
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
    tol: Tolerance = None,
    patience: int = 5,
    validation_fraction: float | None = None,
    callback: EpochFunction | None = None,
    method: Choice = "auto",
    history: loop.History = "epochs",
    on_divergence: OnDivergence = "raise",
    backend: str = "auto",
    n_threads: int | None = None,
    progress: bool = False,
    checkpoint: Path | None = None,
    checkpoint_every: float = 60.0,
    resume: Path | None = None,
) -> FitResult:
    """Fit a linear model by full-batch gradient descent: w ← w − α ∂cost/∂w.

    cost = (1/n) Σ (x·w − y)², ∂cost/∂w = (2/n) Σ x (x·w − y); in general
    cost = (1/Σ s) Σ s·loss(x·w + b, y) + l1 Σ|w| + (l2/2) Σ w², with sample weights s and intercept b.

    Parameters
    ----------
    X : array (n,), array (n, d), table, Source, Summary or GroupedSummary
        The samples. With shape (n,) w is a float everywhere. `fastgd.chunks` and `fastgd.read_table` make
        sources, which have targets and weights of their own. `fastgd.summarize` and
        `fastgd.summarize_groups` make summaries, which stand for squared errors of their rows.
    y : array (n,) or (n, k)
        The targets; none for a source. Of k targets of squared errors, one pass makes the statistics (up to
        4096 rows, one a target), and the result is a `fastgd.MultiTargetFit`: w (d, k), intercept and cost
        (k,), histories with k as the last axis.
    w0 : float, array (d,) or FitResult, optional
        The start; zeros by default. A FitResult goes on where it ended, with its momentum, seed and epoch.
    learning_rate : "auto", float, array (n_epochs,) or callable, default "auto"
        α, one rate for each epoch, or a function of the epoch. The run converges below `diagnose`'s
        stability limit; "auto" is a rate from the curvature of the cost.
    n_epochs : int, default 100
        The number of epochs; 0 returns w0 and its cost.
    fit_intercept : bool, default False
        Fit b too. It has no penalty.
    standardize : bool, default False
        Descend in columns of mean 0 and variance 1. X is not copied. w, b and the objective stay those of X.
    precondition : bool or "auto", default False
        Descend in the metric of the curvature. For squared errors it is XᵀX/n + l2/2: the optimum in an epoch
        or two. For other smooth losses it is the Hessian of a sample (1/32 of many rows) at its optimum,
        where the run starts: the optimum in some six passes, in more if the sample tells little of all rows.
        A step that does not lower the cost is halved, and the automatic rate is 1. For quantile, hinge and
        epsilon_insensitive, with or without l1, each pass keeps the rows near a kink, and a step leads to
        the optimum of these rows and the lines of the others: some five passes, and a bound of the cost.
        It excludes l1 beside smooth losses, own losses with kinks, more than 1024 columns and, but for
        squared errors, momentum. True is then an error; "auto" descends without it, as it does beside a given
        rate. nesterov and patience are not used with it.
    sample_weight : array (n,), optional
        s ≥ 0. Weight 2 is the row twice, weight 0 leaves the row out.
    loss : str or object, default "squared_error"
        The loss of a sample: a name of `fastgd.losses.NAMED`, or an object of one of its classes, as
        `fastgd.losses.Huber(2.0)`. An object with `value(self, score, y)` and `slope(self, score, y)` is a
        loss of your own.
    l1, l2 : float, default 0.0
        Penalties of w. With l1, weights become exactly 0.
    momentum : float, default 0.0
        μ in w ← w − α ∂cost/∂w + μ (w − w_before).
    nesterov : bool, default False
        Nesterov's acceleration, with adaptive restart. With momentum=0 its momentum grows by itself (FISTA).
    tol : float, "auto" or None, default None
        Stop when the norm of the gradient has been at most tol times the first one for `patience` epochs in
        a row, or w is the optimum to rounding. Where the slope of the loss jumps, tol is compared with the
        relative decrease of the cost; with precondition the cost lies at most tol² times the cost at w0 above
        its lower bound. "auto" is 0 on statistics, else 1e-6. If n_epochs run out first,
        ConvergenceWarning says how many epochs it takes.
    patience : int, default 5
        Epochs that a stopping rule waits for.
    validation_fraction : float, optional
        Hold out this part of the rows, and stop when their mean loss has not fallen for `patience` epochs.
    callback : callable, optional
        Called after each epoch with its state (epoch, w, intercept, cost, learning_rate, validation_cost).
        Return True to stop. If it raises, the exception's `.result` is the run so far.
    method : {"auto", "summary", "stream"}, default "auto"
        "summary" makes statistics in one pass and runs all epochs on them (squared errors only); "stream"
        reads the data once an epoch; "auto" is the faster of the two by a model of the sizes.
        `FitResult.method` says which ran.
    history : {"epochs", "costs", None}, default "epochs"
        Keep weights and costs of every epoch, costs alone, or neither. At most 1 GB.
    on_divergence : {"raise", "warn", "ignore"}, default "raise"
        What to do when w or the cost is no longer finite, or a run ends above its start: raise
        DivergenceError, warn and return the finite part, or go on.
    backend : {"auto", "numba", "python"}, default "auto"
        Compiled kernels or plain Python loops; "auto" is "numba" where Numba is installed. A process that has
        not loaded Numba runs little work (20 ms) of the lesson's loop in Python, with the same bits.
    n_threads : int, optional
        The largest number of threads; by default one a processor. The result does not depend on it.
    progress : bool, default False
        Show a progress bar (needs fastgd[progress]).
    checkpoint : path, optional
        Save the run in this file while it goes, also in the middle of a pass.
    checkpoint_every : float, default 60.0
        Seconds between two checkpoints.
    resume : path, optional
        Continue from this checkpoint of the same run. The result has the bits of an uninterrupted run.

    Returns
    -------
    FitResult
        w, intercept, histories, `status`, `converged`, `predict`, `plot`, `save`. For a GroupedSummary a
        `GroupedFit`: a model for each group, in arrays. All run in compiled batches, but one by one with a
        callback. w0 starts each of them, a FitResult without its momentum.

    Raises
    ------
    InvalidDataError
        If X, y or w0 cannot be used. The message names the first NaN or infinity.
    DivergenceError
        If the run diverges and `on_divergence="raise"`. It has the stability limit and a safe rate.
    KeyboardInterrupt
        After Ctrl-C, within 0.3 s. Its `.result` is the run up to its last whole epoch.

    Notes
    -----
    Passes: "summary" reads the data once (rarely twice) and keeps d² numbers; "stream" reads it n_epochs + 1
    times. "auto" rates take one pass more, which statistics share; beyond 1024 columns up to 31. X is not
    copied.

    Precision: without any option from fit_intercept to tol, an input of one block (4096 rows, fewer where
    d > 16) has every digit of the plain loop. On statistics the weights agree with streamed ones to about
    1e-13 of the largest (to eps times the condition number of XᵀX on ill-conditioned data), and costs are
    accurate down to 1e-25 of mean(y²). `fastgd/solver/README.md` explains why, with sources.

    Examples
    --------
    >>> import fastgd
    >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
    >>> fit.w
    1.9999444396553017
    """
    checks.choice("history", history, ("epochs", "costs", None))
    objective: dict[str, Any] = dict(
        loss=loss, l1=l1, l2=l2, fit_intercept=fit_intercept, standardize=standardize,
        precondition=precondition,
    )  # fmt: skip
    rule = as_rule(momentum, nesterov)
    options = Options(
        w0, learning_rate, n_epochs, tol, patience, validation_fraction, callback, method, history,
        on_divergence, backend, n_threads, progress=progress, checkpoint=checkpoint,
        checkpoint_every=checkpoint_every, resume=resume,
    )  # fmt: skip
    various: Any
    if getattr(X, "is_grouped", False):
        from fastgd.solver import grouped

        various = grouped.fit_groups(X, y, sample_weight, objective, rule, options)
        return various
    if has_targets(y):
        from fastgd.solver import targets

        various = targets.fit_targets(X, y, sample_weight, objective, rule, options)
        return various
    return fit("gradient_descent", X, y, sample_weight, objective, rule, options)


@public
def sgd(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    w0: ArrayLike | FitResult | None = None,
    learning_rate: LearningRate = "auto",
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
    average: bool | int | float = False,
    shuffle: Shuffle = False,
    seed: int | None = None,
    tol: Tolerance = None,
    patience: int = 5,
    validation_fraction: float | None = None,
    callback: EpochFunction | None = None,
    method: Choice = "auto",
    history: loop.History = "epochs",
    track_cost: bool = False,
    on_divergence: OnDivergence = "raise",
    backend: str = "auto",
    n_threads: int | None = None,
    progress: bool = False,
    checkpoint: Path | None = None,
    checkpoint_every: float = 60.0,
    resume: Path | None = None,
) -> FitResult:
    """Fit a linear model by stochastic gradient descent: w ← w − α 2x(x·w − y), row by row.

    Parameters
    ----------
    X, y, w0, n_epochs, fit_intercept, standardize, loss, l1, l2, on_divergence, backend, n_threads, progress
        As in `gradient_descent`. Penalties act on every step.
    checkpoint, checkpoint_every, resume
        As in `gradient_descent`.
    learning_rate : "auto", float, array (n_epochs,) or callable, default "auto"
        α, one rate for each epoch, or a function of the epoch. A step is stable below
        2/(curvature·s·(‖x‖² + 1 with an intercept) + l2), where the curvature of squared errors is 2; "auto"
        is half of the least such limit.
    sample_weight : array (n,), optional
        Scales each sample's step: weight 2 is one step twice as long, which is not two steps. A batch's
        gradient is the weighted mean over its rows.
    momentum, nesterov
        As in `gradient_descent`, from step to step. `nesterov=True` requires `momentum > 0`. There is no
        adaptive restart.
    batch_size : int, default 1
        Rows of a step. The last batch of an epoch may be shorter; each averages over its own rows.
        From n on, sgd is full-batch descent, to the bit.
    average : bool, int or float, default False
        Return the mean of the weights after each step (Polyak and Ruppert): of all steps (True), from step k
        on (an int), or of the last share of the steps (a float).
    shuffle : {False, "blocks", True}, default False
        False takes the rows in order, as the lesson does. "blocks" draws a new order of the blocks (4096
        rows, fewer where d > 16) for each epoch; this costs next to nothing. True draws a new permutation of
        all rows for each epoch, and needs memory for one.
    seed : int, optional
        The seed of the shuffling; a new one each call by default. An order depends on it and the epoch alone.
    method : {"auto", "summary", "stream"}, default "auto"
        "summary" makes the affine map of each block's steps in one pass, and an epoch is their composition;
        "stream" takes the steps again each epoch; "auto" is the faster of the two. shuffle=True streams.
    history : {"epochs", "samples", "costs", None}, default "epochs"
        Keep weights and last losses of every epoch; every step's gradient too; costs and losses alone; or
        nothing. At most 1 GB.
    tol : float, "auto" or None, default None
        Stop when `patience` epochs in a row have not lowered the cost below its lowest value by more than
        tol of it, or at an exact fit (a cost of 1e-18 of the first). "auto" is 1e-6. This keeps the
        cost, for one more pass an epoch.
    patience, validation_fraction, callback
        As in `gradient_descent`.
    track_cost : bool, default False
        Keep `cost_history`, for one more pass an epoch. On one block of rows, on maps and with n_epochs=0 it
        is kept anyway.

    Returns
    -------
    FitResult

    Raises
    ------
    InvalidDataError
        If X, y or w0 cannot be used. The message names the first NaN or infinity.
    DivergenceError
        If the run overflows and `on_divergence="raise"`.

    Notes
    -----
    Passes: "summary" reads the data once (rarely twice; once an epoch where blocks are scanned); "stream"
    reads it n_epochs times, in one thread. "auto" rates take one pass more.

    Precision: without any option from fit_intercept to average, an input of one block of rows, and any input
    with `history="samples"`, has every digit of the plain loop. Otherwise the iterates are the plain loop's
    to some 1e-13 of the largest while the run is stable. `fastgd/kernels/README.md` explains maps.

    Examples
    --------
    >>> import fastgd
    >>> fit = fastgd.sgd([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
    >>> fit.w
    1.9999999999999236
    """
    checks.choice("history", history, loop.HISTORIES)
    return fit(
        "sgd", X, y, sample_weight,
        dict(loss=loss, l1=l1, l2=l2, fit_intercept=fit_intercept, standardize=standardize),
        as_rule(momentum, nesterov, batch_size, average),
        Options(
            w0, learning_rate, n_epochs, tol, patience, validation_fraction, callback, method, history,
            on_divergence, backend, n_threads, shuffle, seed, track_cost, progress=progress,
            checkpoint=checkpoint, checkpoint_every=checkpoint_every, resume=resume,
        ),
    )  # fmt: skip

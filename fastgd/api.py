"""The two fits: full-batch gradient descent and SGD."""

from __future__ import annotations

import os
from typing import Any, Literal

from numpy.typing import ArrayLike

from fastgd import checks
from fastgd.data.chunks import Source
from fastgd.losses import Loss
from fastgd.options import OnDivergence, Options, Tolerance
from fastgd.results import FitResult
from fastgd.schedules import LearningRate
from fastgd.solver import loop
from fastgd.solver.fit import fit
from fastgd.solver.loop import Callback
from fastgd.solver.objective import as_rule
from fastgd.solver.orders import Shuffle
from fastgd.solver.planner import Choice

Path = str | os.PathLike[str]


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
    callback: Callback | None = None,
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
    cost = (1/Σ s) Σ s·loss(x·w + b, y) + l1 Σ|w| + (l2/2) Σ w², s the sample weights, b the intercept.

    Parameters
    ----------
    X : array (n,), array (n, d) or Source
        The samples; shape (n,) is the lesson's case: w is a float everywhere. A source has targets and
        weights of its own: rows in chunks (`fastgd.chunks`), or in files (`fastgd.read_table`).
    y : array (n,)
        The targets; none for a source.
    w0 : number, array (d,) or FitResult, optional
        Where to start; zeros by default (as is the intercept). A fit goes on where it ended: with its
        intercept, momentum, average, seed and number of epochs, so that a + b epochs in two calls are a + b
        in one, to the bit for a given method, unless the rates depend on the total, or statistics had to be
        read anew.
    learning_rate : "auto", float, array (n_epochs,) or callable, default "auto"
        α, or a rate for each epoch (`fastgd.schedules` makes some), or a function epoch → rate. With λ the
        eigenvalues of XᵀX/n, the run converges where α is below the stability limit 1/λmax; "auto" is
        1/(λmax + max(λmin, λmax/10)). In general the limit is 2/L, L the curvature of the loss times λmax,
        plus l2; with l1 or momentum "auto" is 1/L. For a loss whose slope jumps it falls as 1/√(epoch + 1).
    n_epochs : int, default 100
        0 gives w0 and its cost.
    fit_intercept : bool, default False
        Fit b too, without penalty.
    standardize : bool, default False
        Descend in columns that are centred (with an intercept) and of variance 1. X is not copied, and the
        result is w and b for X as it is; the objective stays the same, penalties too: only the way there is
        another. A constant column gets weight 0.
    precondition : bool or "auto", default False
        Descend in the metric XᵀX/n + l2/2 of the standardized columns: one step leads to the optimum,
        whatever the condition number. It serves squared errors without l1, on statistics of up to 1024
        columns. Its inverse is the pseudo-inverse at the rank of X: where columns are sums of others, the run
        from zero ends at the weights of least norm, in units of the columns' deviations. The objective and w
        stay those of X.
        True with an option that it cannot serve is an error; "auto" is True where statistics serve the fit,
        learning_rate is "auto", and there is neither momentum nor validation_fraction.
    sample_weight : array (n,), optional
        s ≥ 0: weight 2 is the row twice, weight 0 the row left out, to rounding.
    loss : {"squared_error", "huber", "log_loss", "quantile"} or object, default "squared_error"
        The loss of a sample, see `fastgd.losses`; `fastgd.losses.Huber(delta)` and `Quantile(q)` have
        parameters, and an object with methods value(self, score, y) and slope(self, score, y) is a loss of
        your own.
    l1, l2 : float, default 0.0
        Penalties of w. An l1 step is proximal: weights become exactly 0.
    momentum : float, default 0.0
        μ: w ← w − α ∂cost/∂w + μ (w − w_before) (the heavy ball).
    nesterov : bool, default False
        Step from w + β (w − w_before) instead, β = μ; with momentum=0 β grows by itself (FISTA). Where a step
        goes against the way it came, momentum starts anew.
    tol : float, "auto" or None, default None
        Stop when the gradient's norm (in the coordinates of the descent; with l1 that of the gradient
        mapping) has been at most tol times the first for `patience` epochs in a row, or w is the optimum to
        rounding. Of a loss whose slope jumps, stop when as many epochs in a row have lowered the cost by no
        more than tol of the lowest before them. "auto" is 0 on statistics, else 1e-6. When n_epochs run out
        first, ConvergenceWarning forecasts how many it takes; and says so where the data allows few digits.
    patience : int, default 5
        With momentum that is not Nesterov's at least 2.
    validation_fraction : float, optional
        Hold out every k-th block of rows (of few rows every k-th row), k = round(1/fraction), and stop when
        their mean loss has not fallen for `patience` epochs (by more than tol of it).
    callback : callable, optional
        Called after each epoch with a `solvers.EpochState`: epoch, w, intercept, cost, learning_rate,
        validation_cost. Returning True stops the run; an exception carries the run so far as its `.result`.
    method : {"auto", "summary", "stream"}, default "auto"
        "summary" runs the epochs on the sufficient statistics XᵀX, Xᵀy and yᵀy, which one read makes;
        "stream" reads the data once an epoch, as every other loss than squared errors does, and "summary" too
        where, beside an intercept and without standardize, columns lie so far from zero that costs would
        have no digits. "auto" is what takes less time by a cost model of the sizes alone; an input of one
        block is streamed where none of the options above is used. `FitResult.method` says which ran.
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
    progress : bool, default False
        Show a bar over the epochs and the rows read, in a terminal or a notebook (needs fastgd[progress]).
    checkpoint : path, optional
        A file in which the run is kept while it goes, also in the middle of a read. It is replaced as a
        whole: killed at any moment, the run can go on from it.
    checkpoint_every : float, default 60.0
        Seconds between two of them.
    resume : path, optional
        Go on from this checkpoint of the same run: the result has the bits of a run that nothing interrupted.
        The checkpoint of other data or options is refused.

    Returns
    -------
    FitResult

    Raises
    ------
    InvalidDataError
        If X, y or w0 cannot be used, or holds NaN or infinity (the first place is named).
    DivergenceError
        If the run diverges and `on_divergence="raise"`; it names the limit and a safe rate.
    KeyboardInterrupt
        At Ctrl-C, within 0.3 s; its `.result` is the run up to its last whole epoch.

    Notes
    -----
    With none of the options from fit_intercept to tol, an input of one block of rows (4096, fewer where d >
    16) has every digit of the plain loop. Over more rows a streamed epoch's cost and gradient are those of
    `cost_and_gradient`. On statistics the weights are the streamed ones to some 1e-13 of the largest for
    well-scaled data (to about eps times the condition number of XᵀX otherwise). They are kept about weights
    that fit the first rows, so that a cost has the digits of the direct sum down to 1e-25 of mean(y²);
    where those weights tell little of the rest, the data is read once more. What costs lose is what w − w*
    does along eigenvectors of small λ: there they are right to about eps·λmax/λ.

    Cost: one read (rarely two; and the first block or so a few times more, which nothing counts) and d²
    numbers for "summary";
    n_epochs + 1 reads (the last for the cost of the result) for "stream". "auto" rates take a
    read, which the statistics share; beyond 1024 columns up to 31, by Lanczos' iteration. No copy of X.

    With an intercept, weights or standardising the statistics are those of centred columns; up to 4096 rows
    the weights they are kept about are refined with residuals in twice the working precision, so that the
    optimum has the digits that the data allows.

    Sources: Schleich, Olteanu, Ciucanu, "Learning linear regression models over factorized joins",
    SIGMOD 2016; for momentum and l1 see `kernels/proximal.py`.

    Examples
    --------
    >>> import fastgd
    >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
    >>> fit.w
    1.9999444396553017
    """
    checks.choice("history", history, ("epochs", "costs", None))
    return fit(
        "gradient_descent", X, y, sample_weight,
        dict(
            loss=loss, l1=l1, l2=l2, fit_intercept=fit_intercept, standardize=standardize,
            precondition=precondition,
        ),
        as_rule(momentum, nesterov),
        Options(
            w0, learning_rate, n_epochs, tol, patience, validation_fraction, callback, method, history,
            on_divergence, backend, n_threads, progress=progress, checkpoint=checkpoint,
            checkpoint_every=checkpoint_every, resume=resume,
        ),
    )  # fmt: skip


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
    callback: Callback | None = None,
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
        As in `gradient_descent`; penalties act on every step.
    checkpoint, checkpoint_every, resume
        As in `gradient_descent`.
    learning_rate : "auto", float, array (n_epochs,) or callable, default "auto"
        α, or a rate for each epoch, or a function epoch → rate. Every single step is stable where α
        is below 1/max‖x‖²; "auto" is half of that, where no step overshoots its own target. In general it is
        one over the curvature of the loss times max s(‖x‖² + 1 with an intercept), plus l2.
    sample_weight : array (n,), optional
        Scales each sample's step: weight 2 is one step twice as long, which is not two steps. A batch's
        gradient is the weighted mean over its rows.
    momentum, nesterov
        As in `gradient_descent`, from step to step; nesterov needs a momentum, and there is no new start.
    batch_size : int, default 1
        Rows of a step, the last of an epoch has what is left; each averages over its own. From n on it is
        full-batch descent, to the bit.
    average : bool, int or float, default False
        w is the mean of the weights after each step (Polyak and Ruppert): of all (True), from step number k
        on (int), or of the last share of the steps (float).
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
    tol : float, "auto" or None, default None
        Stop when `patience` epochs in a row have not brought the cost below its lowest value by more than
        tol of it, or when it is that of an exact fit (1e-18 of the first); "auto" is 1e-6. This keeps the
        cost, for one more read of the data an epoch.
    patience, validation_fraction, callback
        As in `gradient_descent`.
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
    With none of the options from fit_intercept to average, an input of one block of rows (4096, fewer where
    d > 16), and any input with `history="samples"`, has every digit of the plain loop. Otherwise the steps
    of several rows are taken together: the same sequence of steps, and the same iterates to rounding (some
    1e-13 of the largest) while the run is stable.

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

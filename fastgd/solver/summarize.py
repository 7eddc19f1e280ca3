"""`fastgd.summarize`: the summary of rows from one pass."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import checks
from fastgd.checks import InvalidDataError
from fastgd.data import frames
from fastgd.data.backend import resolve
from fastgd.data.chunks import Source
from fastgd.data.dataset import Dataset
from fastgd.data.files import Path
from fastgd.data.transform import ShiftedTargets
from fastgd.engine import threads
from fastgd.public import public
from fastgd.solver import blas, centring, once
from fastgd.solver.checkpoint import Checkpoint, described
from fastgd.solver.folds import MOST, Folds
from fastgd.solver.inputs import as_dataset, check_weights
from fastgd.solver.options import Options
from fastgd.solver.problem import Problem
from fastgd.solver.products import Products
from fastgd.solver.statistics import FAR, Statistics, Targets
from fastgd.solver.summarized import Summarized
from fastgd.solver.summary import Summary

FIRST_TARGETS = 4096


@public
def summarize(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    folds: int | ArrayLike | None = None,
    n_threads: int | None = None,
    progress: bool = False,
    checkpoint: Path | None = None,
    checkpoint_every: float = 60.0,
    resume: Path | None = None,
) -> Summary:
    """The count, means and products of rows, from one read: all that squared errors need of them.

    Parameters
    ----------
    X, y, sample_weight, n_threads, progress, checkpoint, checkpoint_every, resume
        As in `gradient_descent`. X may have no rows.
    folds : int or array (n,) of int, optional
        Keep a summary for each fold too, as `cross_validate` needs. With a number k, row r is in fold
        r mod k if there is one block of rows (4096, fewer where d > 16); otherwise the 32 rows of r // 32 are
        in fold (r // 32) mod k. An array holds the fold of each row, from 0.

    Returns
    -------
    Summary
        A fit of a summary equals the fit of its rows to rounding.

    Raises
    ------
    InvalidDataError
        If X or y cannot be used, or holds NaN or infinity, or overflows when squared.

    Notes
    -----
    One pass, two if the first rows do not represent the columns. Memory for about d² numbers a thread, times
    the number of folds.

    Examples
    --------
    >>> import fastgd
    >>> may = fastgd.summarize([1.0, 2.0], [2.0, 4.0])
    >>> june = fastgd.summarize([3.0], [6.0])
    >>> may + june
    Summary(3 samples, 1 feature, target y)
    >>> fastgd.gradient_descent(may + june, n_epochs=1000).w
    2.0
    """
    if (none := _no_rows(X, y, sample_weight)) is not None:
        n_folds = 0 if folds is None or np.ndim(folds) else checks.whole("folds", folds, 2, MOST)
        return replace(none, folds=(none,) * n_folds)
    return read(
        X, y, sample_weight, folds, n_threads=n_threads, progress=progress, checkpoint=checkpoint,
        checkpoint_every=checkpoint_every, resume=resume,
    )[0]  # fmt: skip


def read(X: Any, y: Any, sample_weight: Any, folds: Any, **how: Any) -> tuple[Summary, int]:
    """The summary of one row or more, and the number of passes. `how` has options."""
    options = Options(
        w0=None, learning_rate="auto", n_epochs=1, tol=None, patience=1, validation_fraction=None,
        callback=None, method="auto", history=None, on_divergence="raise", backend="auto",
        **how | {"n_threads": threads.checked_threads(how["n_threads"])},
    )  # fmt: skip
    options.check()
    rows = as_dataset(X, y, sample_weight)
    if isinstance(rows, Summarized):
        rows.refuse("summarize")
    once.check_log(options, rows)
    log = None
    try:
        if options.is_logged:
            log = Checkpoint(rows, options, {"solver": "summarize", "folds": described(folds)})
            rows.log = log.journal
        check_weights(rows)
        chosen = None if folds is None else Folds.of(folds, rows)
        summary, n_passes = of_rows(rows, options.n_threads, chosen, _target_name(rows, y))
        return summary, n_passes + rows.passes
    except KeyboardInterrupt:
        if log is not None:
            log.write()
        raise
    finally:
        if log is not None:
            log.end()


def of_rows(
    rows: Dataset, n_threads: int | None, folds: Folds | None = None, target: str = "y"
) -> tuple[Summary, int]:
    """The summary of rows, and the number of passes."""
    y_ref = _far_target(rows)
    shifted = ShiftedTargets(rows, y_ref) if y_ref else rows
    result = centring.read_centred(
        shifted, True, resolve("auto"), n_threads, None, folds, has_targets=True
    )  # fmt: skip
    whole = of_statistics(result.statistics, rows, target, y_ref)
    parts = []
    for statistics, n in result.parts:
        products = Products.of(statistics, y_ref) if n else Products.none(rows.d)
        parts.append(replace(whole, n_samples=n, products=products))
    return replace(whole, folds=tuple(parts)), result.n_passes


def _far_target(rows: Dataset) -> float:
    """A target among the first, if they are far from zero for their spread; otherwise 0."""
    y = rows.head(FIRST_TARGETS)[1].astype(np.float64)
    first = float(y[0])
    with np.errstate(all="ignore"):
        return first if np.abs(y - first).max() < abs(first) * FAR else 0.0


def of_statistics(statistics: Statistics, rows: Dataset, target: str = "y", y_ref: float = 0.0) -> Summary:
    """The summary with the statistics of √s·[x − x_ref, 1] and y − y_ref."""
    if not statistics.is_finite:
        centring.refuse_overflow(np.diag(statistics.G))
    n = rows.facts.n_counted if rows.has_weights else rows.n
    products = Products.of(statistics, y_ref)
    if not math.isfinite(products.squares_of_y):
        raise InvalidDataError("y is too large: its squares overflow; scale it")
    return Summary(
        n, rows.columns, target, rows.has_weights, False, rows.is_scalar, products, coding=rows.coding
    )


def of_problem(problem: Problem) -> Summary | None:
    """The summary from the statistics of a problem of squared errors. Without an intercept its means are 0.

    It takes no pass if the problem has statistics, and one over few rows. None for more rows without them.
    """
    rows, has_intercept = problem.rows, problem.objective.fit_intercept
    if not (problem.has_statistics or rows.has_at_most(centring.ACCURATE_ROWS)):
        return None
    if has_intercept:
        return of_statistics(_with_targets(problem.centred), rows)
    statistics = problem.statistics if problem.is_plain else problem.centred
    return of_statistics(_with_targets(_mirrored(statistics, problem.total)), rows)


def _mirrored(statistics: Statistics, total: float) -> Statistics:
    """From statistics of √s·x those of √s·[x, 1] for the rows and their mirror images (−x, −y), each of half
    the weight: means are 0, and least squares without an intercept are the same. `total` is Σ s."""
    d = len(statistics.c)
    G, c = np.zeros((d + 1, d + 1)), np.append(statistics.c, 0.0)
    G[:d, :d], G[d, d] = statistics.G, total
    return Statistics(total, np.append(statistics.w_ref, 0.0), G, c, statistics.s, np.zeros(d))


def _with_targets(statistics: Statistics) -> Statistics:
    """The statistics with sums of the targets b + (x − x_ref)·w_ref + r, from those of the residuals."""
    if not math.isnan(statistics.targets.moment):
        return statistics
    *_, b = statistics.w_ref.tolist()
    w = statistics.w_ref.copy()
    w[-1] = 0.0
    with blas.one_thread():
        moved = statistics.G @ w
    square = statistics.s + float(np.sum(w * (2.0 * statistics.c + moved)))
    targets = Targets(b, float(statistics.c[-1] + moved[-1]), max(0.0, square))
    return replace(statistics, targets=targets)


def _no_rows(X: Any, y: Any, sample_weight: Any) -> Summary | None:
    """The summary of arrays or tables without rows; None for anything else."""
    shape = np.shape(X) if isinstance(X, (list, tuple, np.ndarray)) else getattr(X, "shape", (None,))
    if y is None or len(shape) not in (1, 2) or not isinstance(shape[0], int):  # Dask counts rows later
        return None
    if shape[0] != 0 or np.shape(y) != (0,):
        return None
    d = shape[1] if len(shape) == 2 else 1
    if not d or not isinstance(d, int):
        return None
    names = frames.names_of(X)
    has_weights = sample_weight is not None
    return Summary(0, names, frames.name_of(y) or "y", has_weights, False, len(shape) == 1, Products.none(d))


def _target_name(rows: Dataset, y: Any) -> str:
    return rows.target_name or frames.name_of(y) or "y"

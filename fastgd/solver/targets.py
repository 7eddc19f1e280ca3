"""Several targets: y of shape (n, k), fitted by squared errors. One pass makes a summary for each target.

With Z = √s·[x − x_ref, 1] and residuals R = √s·(Y − …) about weights of reference for each target, ZᵀZ serves
all targets, and each adds a column of ZᵀR and of Σ r².
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import callers, display
from fastgd.checks import InvalidDataError
from fastgd.data import frames
from fastgd.data.arrays import ArrayRows, as_array
from fastgd.data.backend import resolve
from fastgd.data.dataset import Dataset, View
from fastgd.data.transform import TransformedRows
from fastgd.engine.blocks import NOTHING, Array, Floats, Reader
from fastgd.solver import centring, summarize
from fastgd.solver.divergence import DivergenceError
from fastgd.solver.fit import fit
from fastgd.solver.inputs import as_dataset
from fastgd.solver.objective import UpdateRule
from fastgd.solver.options import DIVERGED, Options, Report
from fastgd.solver.results import FitResult
from fastgd.solver.statistics import Statistics, Targets, read_statistics
from fastgd.solver.summarized import Summarized
from fastgd.solver.summary import Summary
from fastgd.wording import listed

KIND = "fit of targets"
NEEDS_ROWS = "several targets are fitted on statistics, and {what} needs rows: pass one column of y"


@dataclass(frozen=True, eq=False)
class MultiTargetFit:
    """Fits of several targets to the same rows. Target j is a `FitResult`, `result[j]` or `result["name"]`.

    Attributes
    ----------
    fits : tuple of FitResult
        The fit of each target.
    target_names : tuple of str
        The names of the columns of y, or ().
    w : ndarray (d, k), or (k,) if X has shape (n,)
    intercept, cost : ndarray (k,)
        The cost after the last epoch, including penalties.
    w_history, intercept_history, cost_history : ndarray (n_epochs + 1, …, k) or None
        Each target's history along the last axis. A fit that ended early keeps its last entry.
    converged : ndarray (k,) of bool
    n_epochs : ndarray (k,) of int
    n_samples, n_passes : int
        Numbers of rows, and of passes of all fits together: one or two, and one a target up to 4096 rows.
    elapsed : float
        Seconds, all fits together.
    """

    fits: tuple[FitResult, ...]
    target_names: tuple[str, ...]
    n_passes: int

    is_of_targets = True

    @property
    def w(self) -> Floats:
        return np.stack([fit.w for fit in self.fits], axis=-1)

    @property
    def intercept(self) -> Floats:
        return np.array([fit.intercept for fit in self.fits])

    @property
    def cost(self) -> Floats:
        return np.array([math.nan if fit.cost is None else fit.cost for fit in self.fits])

    @property
    def w_history(self) -> Floats | None:
        return self._histories("w_history")

    @property
    def intercept_history(self) -> Floats | None:
        return self._histories("intercept_history")

    @property
    def cost_history(self) -> Floats | None:
        return self._histories("cost_history")

    @property
    def converged(self) -> NDArray[np.bool_]:
        return np.array([fit.converged for fit in self.fits])

    @property
    def n_epochs(self) -> NDArray[np.int64]:
        return np.array([fit.n_epochs for fit in self.fits])

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.fits[0].feature_names

    @property
    def n_samples(self) -> int:
        return self.fits[0].n_samples

    @property
    def elapsed(self) -> float:
        return sum(fit.elapsed for fit in self.fits)

    def predict(self, X: ArrayLike) -> Floats:
        """Predictions ŷ = X w + intercept, (n, k)."""
        return np.stack([fit.predict(X) for fit in self.fits], axis=-1)

    def save(self, path: Any) -> None:
        """Write all fits to a file, which `fastgd.load` reads.

        Parameters
        ----------
        path : str or path-like
            The file; an existing one is replaced as a whole.
        """
        from fastgd.io import npz

        npz.write(path, KIND, replace(self, fits=tuple(fit._stored() for fit in self.fits)))

    def __len__(self) -> int:
        return len(self.fits)

    def __getitem__(self, target: int | str) -> FitResult:
        if isinstance(target, str):
            if target not in self.target_names:
                raise KeyError(target)
            target = self.target_names.index(target)
        return self.fits[target]

    def __repr__(self) -> str:
        n_converged = int(self.converged.sum())
        return (
            f"MultiTargetFit({display.count(len(self), 'target')}, "
            f"{display.count(int(self.n_epochs.max()), 'epoch')}, {n_converged} converged)"
        )

    def _histories(self, name: str) -> Floats | None:
        """The histories of all targets, or None if they were not kept."""
        histories = [getattr(fit, name) for fit in self.fits]
        if any(history is None for history in histories):
            return None
        most = max(map(len, histories))
        last = [np.minimum(np.arange(most), len(history) - 1) for history in histories]
        return np.stack([h[at] for h, at in zip(histories, last, strict=True)], axis=-1)


def summarize_targets(X: Any, y: Any, sample_weight: Any, n_threads: int | None) -> tuple[list[Summary], int]:
    """The summary of X and each column of y, and the number of passes."""
    names = frames.names_of(y)
    frames.refuse_repeated("y", names, names)
    targets = as_array("y", y)
    rows = as_dataset(X, np.zeros(len(targets)), sample_weight)
    if not isinstance(rows, ArrayRows):
        raise InvalidDataError("has several columns, and X is no array or table in memory: fit one", what="y")
    if not targets.shape[1]:
        raise InvalidDataError(f"has shape {targets.shape}; it needs a column at least", what="y")
    if targets.dtype.kind != "f":
        targets = targets.astype(np.float64)
    each = [rows.with_targets(np.ascontiguousarray(column)) for column in targets.T]
    called = [names[j] if names else f"y[:, {j}]" for j in range(len(each))]
    for j, one in enumerate(each):
        one.target_name, one.target_column = (names[j], None) if names else (None, j)
    if rows.has_at_most(centring.ACCURATE_ROWS) or resolve("auto") == "python":
        read = [summarize.of_rows(one, n_threads, None, name) for one, name in zip(each, called, strict=True)]
        return [summary for summary, _ in read], sum(n_passes for _, n_passes in read)
    reading = _Reading(rows, targets, each, n_threads)
    x_ref = centring.first_means(rows, True)
    statistics = reading.about(x_ref, [centring.first_weights(_centred(one, x_ref)) for one in each])
    better = [centring.better_reference(one, rows.total_weight, True) for one in statistics]
    if any(reference is not None for reference in better):
        moved = next(reference for reference in better if reference is not None)[0]
        statistics = reading.about(
            moved, [centring.with_intercept_at(moved - one.x_ref, one.optimum()) for one in statistics]
        )
    summaries = [summarize.of_statistics(*one) for one in zip(statistics, each, called, strict=True)]
    return summaries, reading.n_passes


def _centred(rows: Dataset, x_ref: Floats) -> TransformedRows:
    return TransformedRows(rows, x_ref, np.ones(rows.d), has_ones=True)


class _Reading:
    """Reads the statistics of all targets, in one pass each time."""

    def __init__(
        self, rows: ArrayRows, targets: NDArray[Any], each: Sequence[Dataset], n_threads: int | None
    ):
        self._rows, self._targets, self._each, self._n_threads = rows, targets, each, n_threads
        self.n_passes = 0

    def about(self, x_ref: Floats, references: list[Floats]) -> list[Statistics]:
        self.n_passes += 1
        residuals = _Residuals(self._rows, self._targets, x_ref, np.stack(references))
        table = read_statistics(residuals, np.zeros(residuals.d), self._n_threads)
        if not table.is_finite:
            for one in self._each:
                one.refuse_nonfinite()
            centring.refuse_overflow(np.diag(table.G)[: len(x_ref)])
        size = len(x_ref) + 1
        Z, C = table.G[:size, :size], np.column_stack([table.G[:size, size:], table.c[:size]])
        squares = np.append(np.diag(table.G)[size:], table.s)
        return [
            Statistics(
                table.n, w_ref, Z, C[:, j].copy(), float(squares[j]), x_ref, self._sums(j, float(w_ref[-1]))
            )
            for j, w_ref in enumerate(references)
        ]  # fmt: skip

    def _sums(self, j: int, about: float) -> Targets:
        """The sums over target j."""
        with np.errstate(over="ignore", invalid="ignore"):
            t = self._targets[:, j].astype(np.float64) - about
            st = t * self._rows.weights if self._rows.has_weights else t
            return Targets(about, float(np.sum(st)), float(np.sum(st * t)))


class _Residuals(View):
    """The rows [z, r_1, …] with the target r_k, where z = √s·[x − x_ref, 1] and r_j is y_j's residual."""

    def __init__(self, rows: ArrayRows, targets: NDArray[Any], x_ref: Floats, references: Floats):
        super().__init__(_centred(rows, x_ref))
        self.has_weights, self.is_scalar = False, False
        self.targets, self.references = targets, references
        self.d = sum(references.shape) - 1
        """The columns of z and all residuals but the last."""
        self.row_bytes, self.run_numbers = self.rows.row_bytes, self.rows.run_numbers

    def reader(self) -> Reader:
        return _ResidualReader(self)

    def refuse_nonfinite(self) -> None:
        """Each target is looked at by the caller, who knows its name."""


class _ResidualReader:
    def __init__(self, rows: _Residuals):
        self._rows, self._reader = rows, rows.rows.reader()
        self._table = np.empty((0, rows.d))

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        from fastgd.kernels import pointwise

        rows = self._rows
        Z = self._reader.read(start, stop)[0]
        size = Z.shape[1]
        if len(self._table) < len(Z):
            self._table = np.empty((len(Z), rows.d))
        out = self._table[: len(Z)]
        R = rows.targets[start:stop] * Z[:, -1:]  # the last column of Z is √s
        scores = np.empty(len(Z))
        for j in range(R.shape[1]):
            pointwise.scores(Z, rows.references[j], 0.0, scores)
            R[:, j] -= scores
        out[:, :size], out[:, size:] = Z, R[:, :-1]
        return out, np.ascontiguousarray(R[:, -1]), NOTHING

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        raise NotImplementedError  # statistics take runs


def fit_targets(
    X: Any,
    y: Any,
    sample_weight: Any,
    objective_options: dict[str, Any],
    rule: UpdateRule,
    options: Options,
) -> MultiTargetFit:
    """Fit each column of y."""
    options.check()
    summaries, n_passes = summarize_targets(X, y, sample_weight, options.n_threads)
    names = frames.names_of(y)
    return fit_summaries(summaries, names, n_passes, objective_options, rule, options)


def fit_summaries(
    summaries: Sequence[Summary],
    names: tuple[str, ...],
    n_passes: int,
    objective_options: dict[str, Any],
    rule: UpdateRule,
    options: Options,
) -> MultiTargetFit:
    """Fit the summary of each target. Warnings of one kind are one warning."""
    datasets = [Summarized(summary, NEEDS_ROWS) for summary in summaries]
    starts = _starts(options.w0, len(datasets))
    called = names or [f"y[:, {j}]" for j in range(len(datasets))]
    reports: list[tuple[Report, int]] = []
    fits = []
    for j, dataset in enumerate(datasets):
        own: list[Report] = []
        of_target = replace(options, w0=starts[j], reports=own, summaries=None)
        try:
            fits.append(fit("gradient_descent", dataset, None, None, objective_options, rule, of_target))
        except DivergenceError as error:
            error.args = (f"target {called[j]}: {error}",)
            raise
        reports += [(report, j) for report in own]
    for kind in dict.fromkeys(report.kind for report, _ in reports):
        same = [pair for pair in reports if pair[0].kind == kind]
        worst, j = max(same, key=lambda pair: pair[0].badness)
        if kind == DIVERGED:
            which = listed([called[j] for _, j in same])
            callers.warn(
                f"{len(same)} of {len(fits)} targets diverged ({which}): {worst.message}", RuntimeWarning
            )
        else:
            options.warn(kind, f"{len(same)} of {len(fits)} targets, the worst {called[j]}: {worst.message}")
    return MultiTargetFit(tuple(fits), names, n_passes)


def _starts(w0: Any, k: int) -> list[Any]:
    """The start of each target: the same, a column of w0, or a fit."""
    if w0 is None:
        return [None] * k
    if isinstance(w0, MultiTargetFit):
        if len(w0) != k:
            raise InvalidDataError(f"w0 is a fit of {len(w0)} targets, and y has {k}")
        return list(w0.fits)
    if isinstance(w0, FitResult):
        raise InvalidDataError(
            f"w0 is a fit of one target, and y has {k}: pass a fit of all of them, or an array of weights"
        )
    starts = as_array("w0", w0)
    if starts.ndim == 0 or starts.shape[-1] != k:
        raise InvalidDataError(
            f"has shape {starts.shape}; its last axis must have {k} entries, one a target", what="w0"
        )
    return [starts[..., j] for j in range(k)]

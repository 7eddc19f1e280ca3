"""Statistics of the squared error: all that full-batch descent needs of the data, from one pass.

They are taken about a reference w_ref. With r = y − X·w_ref in place of y, a cost that is tiny beside
mean(y²) keeps its digits, and weights that fit exactly do not move. Any reference is correct. It is computed
from the first rows. If these do not represent the rest, the data is read again about a better one: see `FAR`.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats, Rows, block_rows
from fastgd.lazy import lazy_property
from fastgd.solver import blas, linalg
from fastgd.solver.linalg import EPS, Factor

FAR = 2.0**-10
"""A cost below FAR times mean(r²) has lost ten bits, since the reference is far away."""
NEAR = 1e-22
"""If the cost at the reference is below NEAR·mean(y²), costs over 1e-25·mean(y²) keep their digits."""
ROWS_TOGETHER = 1024
"""Rows whose statistics are summed before a table of d² numbers is added to another."""
FEW = 7
"""The most columns for which a row and w, or a row of a map, stay in registers."""
GRAM_EFFORT = 16
"""Statistics or maps of d columns take about d / GRAM_EFFORT times as long as a plain read."""


NOT_CENTRED: Floats = np.empty(0)
N_OF_TARGETS = 3
"""Sums over the targets beside a table: Σ s t, Σ s t², and the number of rows of weight above 0."""
ONE_FOLD: NDArray[np.intp] = np.empty(0, np.intp)


class Reference(NamedTuple):
    """The reference of statistics, for a run that continues an earlier one."""

    x_ref: Floats
    """Subtracted from each row. It has length 0 if rows were not centred."""
    w_ref: Floats
    squares: float
    """Σ r² about the reference, which identifies the data."""


class Targets(NamedTuple):
    """Sums over the targets, for what the sums of residuals tell with few digits."""

    about: float
    moment: float
    """Σ s (y − about)."""
    square: float
    """Σ s (y − about)²."""


NO_TARGETS = Targets(0.0, math.nan, math.nan)


@dataclass
class Statistics:
    """G = XᵀX (d, d), c = Xᵀr (d,) and s = Σ r² of n rows, r = y − X·w_ref.

    cost(w) = (s − 2 v·c + vᵀ G v)/n, ∂cost/∂w = (2/n)(G v − c) with v = w − w_ref. (Cofactors:
    Schleich, Olteanu, Ciucanu, "Learning linear regression models over factorized joins", SIGMOD 2016.)
    """

    n: float
    """The number of rows, or the sum of their weights."""
    w_ref: Floats
    G: Floats
    c: Floats
    s: float
    x_ref: Floats = field(default_factory=lambda: NOT_CENTRED)
    """Near the means of the columns, if the rows of X are √s·[x − x_ref, 1]."""
    targets: Targets = NO_TARGETS
    """Only the reads of summaries sum the targets."""

    @property
    def reference(self) -> Reference:
        return Reference(self.x_ref, self.w_ref, self.s)

    @lazy_property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.s) and np.isfinite(self.c).all() and np.isfinite(self.G).all())

    def optimum(self) -> Floats:
        """Weights with the least cost, the nearest to w_ref if there are several."""
        return self.w_ref + self.solution()

    def solution(self) -> Floats:
        """v = w − w_ref with the least cost, the shortest if there are several."""
        return self.factor.solve(self.c)

    @lazy_property
    def factor(self) -> Factor:
        """The factor of XᵀX, with its rank and its dependent columns."""
        return linalg.factor(self.G)

    def cost(self, w: Floats) -> float:
        from fastgd.kernels import epochs

        return epochs.evaluate(self.G, self.c, self.s, self.n, w - self.w_ref, np.empty(len(w)))

    def least_cost(self, v: Floats) -> float:
        """The cost at the solution v: (s − v·c)/n."""
        return max(0.0, self.s - float(np.sum(v * self.c))) / self.n

    def condition_number_in_like_units(self) -> float:
        """The condition number of XᵀX with the columns of X scaled to length 1."""
        squares = np.diag(self.G)
        sizes = np.sqrt(np.where(squares > 0.0, squares, 1.0))
        smallest, largest = linalg.extreme_eigenvalues(self.G / np.outer(sizes, sizes))
        return largest / smallest

    def moved(self, v: Floats) -> Statistics:
        """The statistics about w_ref + v."""
        c = self.c - self.G @ v
        return Statistics(self.n, self.w_ref + v, self.G, c, max(0.0, self.s - float(v @ (self.c + c))))

    def with_l2(self, l2: Floats) -> Statistics:
        """The statistics of the cost with the penalty ½ Σ l2 w²."""
        if not l2.any():
            return self
        half = 0.5 * self.n * l2
        return Statistics(
            self.n,
            self.w_ref,
            self.G + np.diag(half),
            self.c - half * self.w_ref,
            self.s + float(half @ (self.w_ref * self.w_ref)),
        )

    def is_far_from(self, cost: float) -> bool:
        """Whether a cost has lost digits since it is far below the cost at the reference."""
        return cost < self.far_cost

    @lazy_property
    def far_cost(self) -> float:
        """Smaller costs have lost digits. It is 0 if costs down to 1e-25·mean(y²) keep them."""
        return FAR * self.s / self.n if self.s / self.n > NEAR * self._squares_of_y else 0.0

    def error(self, w: Floats) -> float:
        """The rounding error of cost(w), about. It is large if v is long in directions of small curvature."""
        v = w - self.w_ref
        return 16 * EPS * float(np.trace(self.G)) / self.n * float(v @ v)

    @lazy_property
    def _squares_of_y(self) -> float:
        """mean(y²), the cost at w = 0."""
        return self.cost(np.zeros(len(self.c)))


def read_statistics(
    rows: Dataset,
    w_ref: Floats,
    n_threads: int | None,
    backend: Backend = "numba",
    has_targets: bool = False,
) -> Statistics:
    """The statistics of all rows about w_ref, in one pass. Rows with NaN or infinity are refused.

    With `has_targets` the rows are √s·[…, 1], and the targets are summed about the last weight.
    """
    is_plain = backend == "python"
    statistics = _plain(rows, w_ref) if is_plain else _compiled(rows, w_ref, n_threads, has_targets)
    if not statistics.is_finite:
        rows.refuse_nonfinite()
    return statistics


def _compiled(rows: Rows, w_ref: Floats, n_threads: int | None, has_targets: bool) -> Statistics:
    d, base, shift, size = rows.d, rows, NOT_CENTRED, node_size(rows.d)
    if isinstance(rows, TransformedRows) and rows.is_weighted and (rows.scale == 1.0).all():
        base, shift = rows.rows, rows.shift  # the kernels centre and weight the rows

    def task(_start: int, X: Array, y: Array, weights: Floats) -> Floats:
        sums = sums_of(X, y, weights, shift, w_ref)
        if not has_targets:
            return sums
        # Σ s (y − b)² and Σ s (y − b) are the first two sums of a column y, centred by b.
        return np.append(sums, sums_of(y[:, None], y, weights, w_ref[-1:], np.zeros(2))[:2])

    more = 2 if has_targets else 0
    sums = reduce.reduce(base, task, n_threads, size + more, effort(d), rows_together(d))
    statistics = unpacked(sums[:size], rows.n, w_ref)
    if has_targets:
        square, moment = sums[size:].tolist()
        statistics.targets = Targets(float(w_ref[-1]), moment, square)
    return statistics


def sums_of(X: Array, y: Array, weights: Floats, shift: Floats, w_ref: Floats) -> Floats:
    """The lower triangle of Σ z zᵀ of a run of rows, with z = √s·[x − shift, 1, r].

    With an empty shift z is [x, r]. The 1 is there if w_ref has a number more than shift.
    """
    from fastgd.kernels import gram

    x, d = X.reshape(-1), len(w_ref)
    if d <= gram.FEW:
        return gram.run_few(x, y, weights, tuple(shift), tuple(w_ref), (0.0,) * gram.size(d))
    if not len(shift):
        return gram.run(x, y, w_ref, rows_together(d))
    return centred_sums(X, y, weights, ONE_FOLD, 1, shift, w_ref)[0]


def centred_sums(
    X: Array, y: Array, weights: Floats, of_row: NDArray[np.intp], k: int, shift: Floats, w_ref: Floats,
    has_targets: bool = False,
) -> Floats:  # fmt: skip
    """The sums of `kernels.gram_of_folds.run` of a run of rows, for each of k folds."""
    from fastgd.kernels import gram_of_folds

    block = rows_together(len(w_ref))
    sums: Floats = gram_of_folds.run(X.reshape(-1), y, weights, of_row, k, shift, w_ref, block, has_targets)
    return sums


def _plain(rows: Dataset, w_ref: Floats) -> Statistics:
    """The statistics by NumPy, for the pure-Python backend."""
    xs, ys, _ = rows.lists()
    return of_arrays(np.array(xs).reshape(len(ys), -1), np.array(ys), w_ref)


@np.errstate(all="ignore")
def of_arrays(X: Floats, y: Floats, w_ref: Floats) -> Statistics:
    """The statistics by NumPy, with sums of the targets as if the last column were √s."""
    r, t = y - X @ w_ref, y - X[:, -1] * w_ref[-1]
    targets = Targets(float(w_ref[-1]), float(X[:, -1] @ t), float(t @ t))
    return Statistics(len(y), w_ref, X.T @ X, X.T @ r, float(r @ r), targets=targets)


def sum_of(parts: list[Statistics]) -> Statistics:
    """The statistics of all parts, which have one reference."""
    G, c = parts[0].G.copy(), parts[0].c.copy()
    for part in parts[1:]:
        G += part.G
        c += part.c
    moments = (sum(part.targets[k] for part in parts) for k in (1, 2))
    targets = Targets(parts[0].targets.about, *moments)
    squares = sum(part.s for part in parts)
    return Statistics(parts[0].n, parts[0].w_ref, G, c, squares, targets=targets)


def rows_together(d: int) -> int:
    """The least number of rows whose statistics are one node."""
    return max(block_rows(d), ROWS_TOGETHER)


def node_size(d: int) -> int:
    from fastgd.kernels import gram

    return gram.size(d)


def effort(d: int, models: int = 1) -> int:
    """The time of statistics, or of maps of `models` rates, as a multiple of a plain read."""
    return max(1, d * models // GRAM_EFFORT)


def unpacked(sums: Floats, n: int, w_ref: Floats) -> Statistics:
    """Statistics from the lower triangle of Σ z zᵀ, z = [x, r], row by row."""
    d = len(w_ref)
    table = np.zeros((d + 1, d + 1))
    table[np.tri(d + 1, dtype=bool)] = sums
    G = table[:d, :d] + np.tril(table[:d, :d], -1).T
    return Statistics(n, w_ref, G, table[d, :d].copy(), float(table[d, d]))


def first_reference(rows: Dataset, w0: Floats) -> Floats:
    """w_ref from the first rows: w0 or their least-squares weights, whichever fits them better.

    Least-squares weights rounded to float32 are tried too, so that weights with few digits fit exactly.
    """
    d, block = rows.d, block_rows(rows.d)
    head, targets, _ = rows.head(-(-4 * d // block) * block)
    X: Floats = head.astype(np.float64, copy=False)
    y: Floats = targets.astype(np.float64, copy=False)
    held = blas.one_thread() if d > 1 else contextlib.nullcontext()  # one column needs no BLAS
    with held, np.errstate(all="ignore"):
        table = linalg.factor(X.T @ X if d > 1 else np.sum(X * X, keepdims=True))
        r = y - _scores(X, w0) if w0.any() else y
        squares, fitted = [np.sum(r * r)], w0
        for _ in range(2):
            fitted = fitted + table.solve(X.T @ r if d > 1 else np.sum(X[:, 0] * r, keepdims=True))
            r = y - _scores(X, fitted)
        in_few_digits = fitted.astype(np.float32).astype(np.float64)
        squares += [np.sum((y - _scores(X, in_few_digits)) ** 2), np.sum(r * r)]
    least = int(np.argmin(np.where(np.isfinite(squares), squares, np.inf)))
    return (w0.copy(), in_few_digits, fitted)[least]


def _scores(X: Floats, w: Floats) -> Floats:
    return X @ w if len(w) > 1 else X[:, 0] * w[0]

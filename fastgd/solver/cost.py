"""The cost and its gradient in one pass."""

from __future__ import annotations

import math

import numpy as np

from fastgd import reference
from fastgd.data.backend import for_exact_loop, resolve
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats, Task, block_rows
from fastgd.losses import Loss
from fastgd.solver.each_row import as_plain
from fastgd.solver.scaling import Scaling, plain
from fastgd.solver.statistics import FEW

FEW_SINGLE = 8
"""The most columns of float32 for which a row, w and the sums stay in registers; FEW for float64."""
OVERFLOW_IS_SEEN = np.errstate(over="ignore", invalid="ignore")
FAR_OFF = 2.0**10
"""If a column lies more than this many standard deviations from 0, Σ φ x − shift Σ φ would lose more than ten
bits. Such rows are centred while they are read."""
EXACT_PRODUCTS = 50
"""An exact product takes about as long as so many rounded ones in a plain loop."""
_NONE: Floats = np.empty(0)
ACCURATE_ROWS = 4096
"""Up to this number of rows, cost and gradient have twice the working precision. Over more rows rounding
errors average out."""


def leaf_rows(d: int) -> int:
    """Rows of a leaf, which a kernel sums in order: few for accuracy, enough for speed."""
    return 512 if d <= FEW else min(128, block_rows(d))


class SquaredCost:
    """(1/n) Σ (x·w − y)² and its gradient, by faster kernels than those of `Cost`."""

    def __init__(self, rows: Dataset, n_threads: int | None):
        from fastgd.kernels import fused

        self._kernels = fused
        self._rows = rows
        self._n_threads = n_threads

    @OVERFLOW_IS_SEEN
    def __call__(self, w: Floats, at: Floats | None = None) -> tuple[float, Floats]:
        """The cost and the gradient at w. `at` must be None."""
        assert at is None
        rows, kernels, d = self._rows, self._kernels, self._rows.d
        leaf = leaf_rows(d)
        few = tuple(w) if d <= FEW_SINGLE else ()

        def task(_start: int, X: Array, y: Array, _weights: Floats) -> Floats:
            if d <= (FEW_SINGLE if X.itemsize == 4 else FEW):
                return kernels.run_few(X.reshape(-1), y, few, leaf)
            return kernels.run(X, y, w, leaf)

        sums = reduce.reduce(rows, task, self._n_threads, d + 1)
        return cost_and_gradient_from(sums, rows.n)


def cost_and_gradient_from(sums: Floats, n: int) -> tuple[float, Floats]:
    """(1/n) Σ r² and (2/n) Σ x r from [Σ r², Σ x r]."""
    gradient = sums[1:]
    gradient *= 2.0
    gradient /= n
    return float(sums[0]) / n, gradient


def squared_cost(rows: Dataset, w: Floats, backend: str, n_threads: int | None) -> tuple[float, Floats]:
    """(1/n) Σ (x·w − y)² and its gradient (d,), as accurate as `fastgd.cost_and_gradient` says."""
    if resolve(backend) == "python":
        plain = as_plain(w, rows)
        xs, ys, _ = rows.lists()
        value, gradient = reference.cost(xs, ys, plain), np.atleast_1d(reference.gradient(xs, ys, plain))
    else:
        value, gradient = math.nan, w
        if rows.has_at_most(ACCURATE_ROWS):
            value, gradient = _accurate(rows, w, backend, n_threads)
        if not (math.isfinite(value) and np.isfinite(gradient).all()):  # more rows, or an overflow
            value, gradient = SquaredCost(rows, n_threads)(w)
    if not math.isfinite(value):
        rows.refuse_nonfinite()
    return value, gradient


def _accurate(rows: Dataset, w: Floats, backend: str, n_threads: int | None) -> tuple[float, Floats]:
    leaf = leaf_rows(rows.d)
    if rows.has_at_most(leaf) and for_exact_loop(backend, rows.n, rows.d, EXACT_PRODUCTS) == "python":
        xs, ys, _ = rows.lists()
        return cost_and_gradient_from(np.array(reference.accurate_sums(xs, ys, w.tolist())), rows.n)
    from fastgd.kernels import accurate

    def task(_start: int, X: Array, y: Array, _weights: Floats) -> Floats:
        return accurate.run(X, y, w, leaf, False)

    sums = reduce.reduce(rows, task, n_threads, rows.d + 1)
    return cost_and_gradient_from(sums, rows.n)


class Cost:
    """(1/Σ s) Σ s·loss at θ, without penalties, and its gradient there or at another point."""

    def __init__(
        self,
        rows: Dataset,
        loss: Loss,
        scaling: Scaling,
        n_threads: int | None,
    ):
        from fastgd.kernels import scored

        self._kernels, self.loss = scored, loss
        self.rows: Dataset = rows
        self.scaling, self._n_threads = scaling, n_threads
        if (np.abs(scaling.shift) * scaling.scale > FAR_OFF).any():
            self.rows = TransformedRows(rows, scaling.shift, scaling.scale, has_ones=False, is_weighted=False)
            self.scaling = plain(rows.d, scaling.has_intercept)

    @OVERFLOW_IS_SEEN
    def __call__(self, theta: Floats, at: Floats | None = None) -> tuple[float, Floats]:
        """The cost at θ, and the gradient at `at` (at θ by default)."""
        return self.mean(reduce.reduce(self.rows, self.task(theta, at), self._n_threads, self.rows.d + 2))

    def task(self, theta: Floats, at: Floats | None = None) -> Task:
        """Sums over a run of `rows`: of the losses, of their slopes, and of slopes·x."""
        to, kernels, leaf, loss = self.scaling, self._kernels, leaf_rows(self.rows.d), self.loss
        w, intercept = to.model(theta)
        w_at, intercept_at = (_NONE, _NONE.sum()) if at is None else to.model(at)
        point = w, float(intercept), w_at, float(intercept_at)

        def task(_start: int, X: Array, y: Array, weights: Floats) -> Floats:
            return kernels.run(X, y, weights, *point, loss, leaf)

        return task

    def mean(self, sums: Floats) -> tuple[float, Floats]:
        """The cost and the gradient from the sums over all rows."""
        sums /= self.rows.total_weight
        return float(sums[0]), self.scaling.gradient(sums[2:], float(sums[1]))

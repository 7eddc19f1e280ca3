"""Any number of rows, read once an epoch: a fold for full-batch descent, a scan for SGD."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.data.dataset import Table
from fastgd.engine import reduce, scan
from fastgd.engine.blocks import Array, Floats, Step, block_rows
from fastgd.solver.orders import Order
from fastgd.solver.planner import Method
from fastgd.solver.statistics import FEW
from fastgd.solver.steppers.base import OVERFLOW_IS_SEEN, EpochBatch, StallRule

FEW_SINGLE = 8
"""Up to so many columns of float32 the compiler keeps a row, w and the sums in registers; FEW of float64."""


class FoldedCost:
    """cost_and_gradient(w) by one fold over the rows."""

    def __init__(self, rows: Table, n_threads: int | None):
        from fastgd.kernels import fused

        self._kernels = fused
        self._rows = rows
        self._n_threads = n_threads

    @OVERFLOW_IS_SEEN
    def __call__(self, w: Floats) -> tuple[float, Floats]:
        rows, kernels, d = self._rows, self._kernels, self._rows.d
        leaf = leaf_rows(d)
        few = tuple(w) if d <= FEW_SINGLE else ()

        def task(_start: int, X: Array, y: Array, _weights: Floats) -> Floats:
            if d <= (FEW_SINGLE if X.itemsize == 4 else FEW):
                return kernels.run_few(X.reshape(-1), y, few, leaf)
            return kernels.run(X, y, w, leaf)

        sums = reduce.fold(rows, task, self._n_threads, d + 1)
        return cost_and_gradient_from(sums, rows.n)


def leaf_rows(d: int) -> int:
    """Rows that a kernel adds up running before it adds pairwise: few for accuracy, enough for speed."""
    return 512 if d <= FEW else min(128, block_rows(d))


def cost_and_gradient_from(sums: Floats, n: int) -> tuple[float, Floats]:
    """(1/n) Σ r² and (2/n) Σ x r from [Σ r², Σ x r]."""
    gradient = sums[1:]
    gradient *= 2.0
    gradient /= n
    return float(sums[0]) / n, gradient


class StreamedDescent(StallRule):
    """Full-batch descent on any number of rows: a fold an epoch."""

    state_attributes = ("w", "before", "_gradient", "passes")
    epochs_per_call = 1
    has_costs = True
    method: Method = "stream"

    def __init__(self, rows: Table, w: Floats, n_threads: int | None):
        self.w, self.before, self.passes = w, w, 0
        self._cost_and_gradient = FoldedCost(rows, n_threads)

    def start(self, want_cost: bool) -> float | None:
        self.passes += 1
        value, self._gradient = self._cost_and_gradient(self.w)
        return value

    @OVERFLOW_IS_SEEN
    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        w = rates[0] * self._gradient
        np.subtract(self.w, w, out=w)
        self.passes += 1
        value, gradient = self._cost_and_gradient(w)
        if not (allow_divergence or (math.isfinite(value) and np.isfinite(w).all())):
            return 0
        self.before, self.w, self._gradient = self.w, w, gradient
        batch.costs[:] = value
        batch.weights[:] = w
        return 1


class StreamedSgd(StallRule):
    """SGD on any number of rows: a scan an epoch; the cost is one more read."""

    state_attributes = ("w", "before", "_epoch", "passes")
    epochs_per_call = 1
    has_costs = False
    method: Method = "stream"

    def __init__(self, rows: Table, w: Floats, n_threads: int | None, order: Order, epoch: int):
        from fastgd.kernels import strict

        self.w, self.before, self.passes = w, w, 0
        self._rows, self._order, self._epoch = rows, order, epoch
        self._strict = strict
        self._cost_and_gradient = FoldedCost(rows, n_threads)

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self.w) if want_cost else None

    def _cost(self, w: Floats) -> float:
        self.passes += 1
        return self._cost_and_gradient(w)[0]

    def advance(self, rates: Floats, batch: EpochBatch, allow_divergence: bool) -> int:
        w, rate = self.w.copy(), float(rates[0])
        is_plain = len(batch.gradients) > 0
        last_X, last_y = self._steps(w, rate, batch.gradients, is_plain)
        if not is_plain and not np.isfinite(w).all() and np.isfinite(self.w).all():
            # Products of several rows overflow before the steps do: these have the last word.
            w = self.w.copy()
            last_X, last_y = self._steps(w, rate, batch.gradients, True)
        value = self._cost(w) if len(batch.costs) else 0.0
        if not (allow_divergence or (math.isfinite(value) and np.isfinite(w).all())):
            return 0
        self.before, self.w = self.w, w
        self._epoch += 1
        batch.costs[:] = value
        batch.weights[:] = w
        if len(batch.losses):
            batch.losses[0] = self._strict.cost(last_X, last_y, w, 2.0)
        return 1

    def _steps(self, w: Floats, rate: float, gradients: Floats, is_plain: bool) -> tuple[Array, Array]:
        """One epoch of steps on w, by the plain loop or several rows at once; returns the last row."""
        self.passes += 1
        rows, order = self._rows, self._order
        last = np.empty(rows.d + 1)
        state: list[Any] = [w, last]
        step: Step = functools.partial(_take_steps, rate)
        if is_plain:
            state += [gradients, np.zeros(1, np.int64)]
            step = functools.partial(_take_plain_steps, rate)
        if order.shuffle is True:
            scan.scan_rows(rows, step, order.rows(self._epoch, rows.n), state)
        elif order.shuffle == "blocks":
            n_blocks = -(-rows.n // block_rows(rows.d))
            blocks = order.blocks(range(self._epoch, self._epoch + 1), n_blocks)[0]
            scan.scan_blocks(rows, step, blocks, state)
        else:
            scan.scan(rows, step, state)
        return last[None, :-1], last[-1:]


def _take_steps(
    rate: float, _start: int, X: Array, y: Array, _weights: Floats, w: Floats, last: Floats
) -> None:
    """Several rows at once."""
    in_order_steps(X.shape[1])(X, y, w, rate)
    last[:-1], last[-1] = X[-1], y[-1]


def _take_plain_steps(
    rate: float, _start: int, X: Array, y: Array, _weights: Floats,
    w: Floats, last: Floats, gradients: Floats, done: NDArray[np.int64],
) -> None:  # fmt: skip
    """The plain loop."""
    from fastgd.kernels import strict

    none, no_weights, taken = np.empty(0), np.empty((0, 0)), int(done[0])
    part = gradients[:, taken : taken + len(y)]
    strict.descend_in_order(
        X, y, w, np.empty_like(w), np.array([rate]), 2.0, True, none, none, no_weights, part
    )
    done += len(y)
    last[:-1], last[-1] = X[-1], y[-1]


def in_order_steps(d: int) -> Callable[[Array, Array, Floats, float], None]:
    """The kernel of SGD steps on rows in order: f(X, y, w, rate) moves w."""
    from fastgd.kernels import in_order

    if d == 1:
        return lambda X, y, w, rate: in_order.run_1d(X.reshape(-1), y, w, rate)
    if d <= FEW:

        def few(X: Array, y: Array, w: Floats, rate: float) -> None:
            w[:] = in_order.run_few(X.reshape(-1), y, tuple(w), 2.0 * rate)

        return few
    return in_order.run_nd

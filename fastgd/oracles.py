"""What the epoch loop asks of the data, answered in several ways.

An oracle holds the weights and moves them on. `start` looks at the data once where the method needs
it; `advance` does the next epochs, as many as one call may take, and says how many ended finite.
Each of the lesson's two loops has three oracles: one block of rows (compiled whole, strict), any
number of rows (a `fold` or a `scan` an epoch), and the pure-Python twin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastgd import engine, reference
from fastgd.data.arrays import ArrayRows
from fastgd.engine import Floats

if TYPE_CHECKING:
    from fastgd.data.backend import Backend

# An epoch of a compiled loop costs about this many nanoseconds a number; a call may take 50 ms.
_STRICT_NS = 10
_CALL_NS = 50_000_000
# Up to so many columns the compiler keeps a row, w and the sums in registers.
FEW = 7
_OVERFLOW_IS_SEEN = np.errstate(over="ignore", invalid="ignore")


@dataclass
class Histories:
    """Where an oracle writes what it saw, an entry an epoch; an array of length 0 is not kept."""

    costs: Floats
    losses: Floats
    weights: Floats
    gradients: Floats

    def part(self, start: int, stop: int) -> Histories:
        return Histories(
            self.costs[start:stop],
            self.losses[start:stop],
            self.weights[start:stop],
            self.gradients[start:stop],
        )


class Oracle(Protocol):
    w: Floats
    """The weights (d,), moved by `advance`."""
    before: Floats
    """The weights before the last epoch that was done."""
    passes: int
    """Reads of the data so far."""
    epochs_per_call: int
    """How many epochs one `advance` may do without keeping an interrupt waiting."""

    def start(self, want_cost: bool) -> float | None:
        """The cost at w, or None where it was neither wanted nor needed."""

    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        """Do an epoch a rate; return how many were done.

        Unless `go_on`, an epoch after which w or its cost is not finite is taken back and is the last.
        """


class BlockDescent:
    """Full-batch descent on one block: the compiled textbook."""

    def __init__(self, rows: ArrayRows, w: Floats):
        from fastgd.kernels import strict

        self.w, self.passes = w, 0
        self._kernels = strict
        self._X, self._y = rows.whole()
        self.before, self._gradient = np.empty(rows.d), np.empty(rows.d)
        self.epochs_per_call = _epochs_per_call(rows)

    def start(self, want_cost: bool) -> float | None:
        self.passes += 1
        return self._kernels.cost_and_gradient(self._X, self._y, self.w, 2.0, self._gradient)

    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        done: int = self._kernels.descend(
            self._X, self._y, self.w, self.before, self._gradient, rates, 2.0, go_on, keep.costs, keep.weights
        )
        self.passes += min(done + 1, len(rates))
        return done


class BlockSgd:
    """SGD on one block: the compiled textbook. The cost after each epoch is free here and always kept."""

    def __init__(self, rows: ArrayRows, w: Floats):
        from fastgd.kernels import strict

        self.w, self.passes = w, 0
        self._kernels = strict
        self._X, self._y = rows.whole()
        self.before = np.empty(rows.d)
        self.epochs_per_call = _epochs_per_call(rows)

    def start(self, want_cost: bool) -> float | None:
        if not want_cost:
            return None
        self.passes += 1
        return self._kernels.cost(self._X, self._y, self.w, 2.0)

    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        done: int = self._kernels.descend_in_order(
            self._X,
            self._y,
            self.w,
            self.before,
            rates,
            2.0,
            go_on,
            keep.costs,
            keep.losses,
            keep.weights,
            keep.gradients,
        )
        self.passes += min(done + 1, len(rates)) * (2 if len(keep.costs) else 1)
        return done


def _epochs_per_call(rows: ArrayRows) -> int:
    return max(1, _CALL_NS // (_STRICT_NS * rows.n * (rows.d + 3)))


class FoldedCost:
    """cost_and_gradient(w) by one fold over the rows."""

    def __init__(self, rows: ArrayRows, n_threads: int | None):
        from fastgd.kernels import fused

        self._kernels = fused
        self._rows = rows
        self._n_threads = engine.default_threads() if n_threads is None else n_threads

    @_OVERFLOW_IS_SEEN
    def __call__(self, w: Floats) -> tuple[float, Floats]:
        rows, kernels = self._rows, self._kernels
        leaf = leaf_rows(rows.d)
        few = tuple(w) if rows.d <= FEW else ()

        def run_few(_start: int, X: engine.Array, y: engine.Array) -> Floats:
            return kernels.run_few(X.reshape(-1), y, few, leaf)

        def run(_start: int, X: engine.Array, y: engine.Array) -> Floats:
            return kernels.run(X, y, w, leaf)

        task = run_few if rows.d <= FEW else run
        return cost_and_gradient_from(engine.fold(rows, task, self._n_threads, rows.d + 1), rows.n)


def leaf_rows(d: int) -> int:
    """Rows that a kernel adds up running before it adds pairwise: few for accuracy, enough for speed."""
    return 512 if d <= FEW else min(128, engine.block_rows(d))


def cost_and_gradient_from(sums: Floats, n: int) -> tuple[float, Floats]:
    """(1/n) Σ r² and (2/n) Σ x r from [Σ r², Σ x r]."""
    gradient = sums[1:]
    gradient *= 2.0
    gradient /= n
    return float(sums[0]) / n, gradient


class StreamedDescent:
    """Full-batch descent on any number of rows: a fold an epoch."""

    epochs_per_call = 1

    def __init__(self, rows: ArrayRows, w: Floats, n_threads: int | None):
        self.w, self.before, self.passes = w, w, 0
        self._cost_and_gradient = FoldedCost(rows, n_threads)

    def start(self, want_cost: bool) -> float | None:
        self.passes += 1
        value, self._gradient = self._cost_and_gradient(self.w)
        return value

    @_OVERFLOW_IS_SEEN
    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        w = rates[0] * self._gradient
        np.subtract(self.w, w, out=w)
        self.passes += 1
        value, gradient = self._cost_and_gradient(w)
        if not (go_on or (math.isfinite(value) and np.isfinite(w).all())):
            return 0
        self.before, self.w, self._gradient = self.w, w, gradient
        keep.costs[:] = value
        keep.weights[:] = w
        return 1


class StreamedSgd:
    """SGD on any number of rows: a scan an epoch; the cost is one more read."""

    epochs_per_call = 1

    def __init__(self, rows: ArrayRows, w: Floats, n_threads: int | None):
        from fastgd.kernels import in_order, strict

        self.w, self.before, self.passes = w, w, 0
        self._rows = rows
        self._fast, self._strict = in_order, strict
        self._cost_and_gradient = FoldedCost(rows, n_threads)

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self.w) if want_cost else None

    def _cost(self, w: Floats) -> float:
        self.passes += 1
        return self._cost_and_gradient(w)[0]

    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        w, rate = self.w.copy(), float(rates[0])
        self.passes += 1
        self._epoch(w, rate, keep.gradients)
        value = self._cost(w) if len(keep.costs) else 0.0
        if not (go_on or (math.isfinite(value) and np.isfinite(w).all())):
            return 0
        self.before, self.w = self.w, w
        keep.costs[:] = value
        keep.weights[:] = w
        if len(keep.losses):
            keep.losses[0] = self._last_loss(w)
        return 1

    def _epoch(self, w: Floats, rate: float, gradients: Floats) -> None:
        fast, strict = self._fast, self._strict
        none, before, rates = np.empty(0), np.empty_like(w), np.array([rate])

        def line(_start: int, X: engine.Array, y: engine.Array) -> None:
            fast.run_1d(X.reshape(-1), y, w, rate)

        def table(_start: int, X: engine.Array, y: engine.Array) -> None:
            fast.run_nd(X, y, w, rate)

        def recorded(start: int, X: engine.Array, y: engine.Array) -> None:
            part = gradients[0, start : start + len(y)][None]
            strict.descend_in_order(X, y, w, before, rates, 2.0, True, none, none, gradients[:0, 0], part)

        engine.scan(self._rows, recorded if len(gradients) else line if self._rows.d == 1 else table)

    def _last_loss(self, w: Floats) -> float:
        X, y = self._rows.reader().read(self._rows.n - 1, self._rows.n)
        return self._strict.cost(X, y, w, 2.0)


class _Twin:
    """What the two twins share: the rows as lists, w as the number or the list that `reference` takes."""

    epochs_per_call = 1

    def __init__(self, rows: ArrayRows, w: Floats):
        self.w, self.before, self.passes = w, w, 0
        self._xs, self._ys = rows.lists()
        self._is_scalar = rows.is_scalar

    def _plain(self) -> Any:
        return float(self.w[0]) if self._is_scalar else self.w.tolist()

    def _cost(self, w: Any) -> float:
        self.passes += 1
        return reference.cost(self._xs, self._ys, w)

    def _take(self, w: Any, value: float, keep: Histories, go_on: bool) -> bool:
        if not (go_on or (math.isfinite(value) and np.isfinite(w).all())):
            return False
        self.before, self.w = self.w, np.array(w, dtype=np.float64).reshape(-1)
        keep.costs[:] = value
        keep.weights[:] = w
        return True


class TwinDescent(_Twin):
    """Full-batch descent in plain Python."""

    def start(self, want_cost: bool) -> float | None:
        w = self._plain()
        self._gradient = reference.gradient(self._xs, self._ys, w)
        return self._cost(w)

    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        w = reference.step(self._plain(), self._gradient, float(rates[0]))
        gradient = reference.gradient(self._xs, self._ys, w)
        if not self._take(w, self._cost(w), keep, go_on):
            return 0
        self._gradient = gradient
        return 1


class TwinSgd(_Twin):
    """SGD in plain Python."""

    def start(self, want_cost: bool) -> float | None:
        return self._cost(self._plain()) if want_cost else None

    def advance(self, rates: Floats, keep: Histories, go_on: bool) -> int:
        w, rate = self._plain(), float(rates[0])
        self.passes += 1
        for i, (x, y) in enumerate(zip(self._xs, self._ys, strict=True)):
            grad = reference.sample_gradient(x, y, w)
            w = reference.step(w, grad, rate)
            if len(keep.gradients):
                keep.gradients[0, i] = grad
        if not self._take(w, self._cost(w) if len(keep.costs) else 0.0, keep, go_on):
            return 0
        if len(keep.losses):
            keep.losses[0] = reference.loss(self._xs[-1], self._ys[-1], w)
        return 1


def for_descent(rows: ArrayRows, w: Floats, backend: Backend, n_threads: int | None) -> Oracle:
    """The oracle of full-batch descent for these rows."""
    if backend == "python":
        return TwinDescent(rows, w)
    return BlockDescent(rows, w) if rows.is_one_block else StreamedDescent(rows, w, n_threads)


def for_sgd(rows: ArrayRows, w: Floats, backend: Backend, n_threads: int | None) -> Oracle:
    """The oracle of SGD for these rows."""
    if backend == "python":
        return TwinSgd(rows, w)
    return BlockSgd(rows, w) if rows.is_one_block else StreamedSgd(rows, w, n_threads)

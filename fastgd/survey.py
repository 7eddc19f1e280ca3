"""What is learnt of the data beside the weights: its summaries, and the learning rates that are safe.

For the squared loss the Hessian of the cost is 2 XᵀX/n. With λ the eigenvalues of XᵀX/n, full-batch
descent at rate α multiplies the error along each by 1 − 2αλ: it converges below 1/λmax, and the constant
rate that is fastest for the slowest error is 1/(λmax + λmin). A step of SGD multiplies the
error along x by 1 − 2α‖x‖²: no step of any row overshoots its own target at 1/(2 max‖x‖²), none can grow the
error below 1/max‖x‖².
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastgd import engine, planner, summaries
from fastgd.data.arrays import ArrayRows
from fastgd.data.backend import Backend
from fastgd.data.checks import InvalidDataError
from fastgd.engine import Array, Floats
from fastgd.oracles.streamed import FoldedCost
from fastgd.summaries import Maps, Statistics

NULL = 1e-12
"""Eigenvalues below this part of the largest are rounding errors: directions that the data does not know."""
SLOWEST = 0.1
"""The automatic rate is fastest for errors down to this part of λmax: slower ones hardly gain, and
the error along λmax would take as long as they."""
LANCZOS_STEPS = 30
LANCZOS_CLOSE = 1e-3


class Eigenvalues(NamedTuple):
    """Of XᵀX/n: the smallest that is not zero, and the largest."""

    smallest: float
    largest: float
    is_estimate: bool
    """By Lanczos' iteration: the largest to about 0.1 %, the smallest only from above."""


class Survey:
    """Reads the data when something is asked that no read so far has told; `passes` counts them."""

    def __init__(self, rows: ArrayRows, w0: Floats, backend: Backend, n_threads: int | None):
        self._rows, self._w0, self._backend, self._n_threads = rows, w0, backend, n_threads
        self._statistics: Statistics | None = None
        self._maps: Maps | None = None
        self.is_recentred = False
        self.passes = 0

    @property
    def has_statistics(self) -> bool:
        return self._statistics is not None

    @property
    def statistics(self) -> Statistics:
        """About weights that fit the first rows; data that is not finite is refused."""
        if self._statistics is None:
            self._statistics = self._read_statistics(self._reference)
        return self._statistics

    @cached_property
    def _reference(self) -> Floats:
        is_plain = self._backend == "python"
        return np.zeros(self._rows.d) if is_plain else summaries.reference(self._rows, self._w0)

    def _read_statistics(self, w_ref: Floats) -> Statistics:
        self.passes += 1
        rows = self._rows
        if self._backend == "python":
            X, y = rows.X.astype(np.float64).reshape(rows.n, rows.d), rows.y.astype(np.float64)
            return self._accepted(Statistics(rows.n, w_ref, X.T @ X, X.T @ y, float(y @ y)))
        return self._accepted(summaries.statistics(rows, w_ref, self._n_threads))

    def _accepted(self, statistics: Statistics) -> Statistics:
        if not statistics.is_finite():
            self._rows.refuse_nonfinite()
        return statistics

    def maps(self, rates: Floats) -> Maps:
        """The maps of all blocks for these rates, ascending; the same read makes the statistics."""
        if self._maps is None:
            self._read_maps(self._reference, rates)
        assert self._maps is not None
        return self._maps

    def _read_maps(self, w_ref: Floats, rates: Floats) -> None:
        self.passes += 1
        self._maps = summaries.maps(self._rows, w_ref, rates, self._n_threads)
        self._statistics = self._accepted(self._maps.statistics)

    def recentred(self) -> bool:
        """Read the data again about its optimum; once at most: False where that has been done."""
        if self.is_recentred:
            return False
        self.is_recentred = True
        optimum = self.statistics.optimum()
        if self._maps is None:
            self._statistics = self._read_statistics(optimum)
        else:
            rates, self._maps = self._maps.rates, None
            self._read_maps(optimum, rates)
        return True

    @cached_property
    def eigenvalues(self) -> Eigenvalues:
        rows = self._rows
        if rows.d > planner.MOST_COLUMNS and self._backend == "numba":
            return self._lanczos()
        if rows.is_one_block and self._backend == "numba" and not self.has_statistics:
            self.passes += 1  # any reference will do: finding a good one would take longer
            G = self._accepted(summaries.statistics(rows, self._w0, 1)).G
        else:
            G = self.statistics.G
        if not np.isfinite(G).all():
            return Eigenvalues(math.nan, math.nan, False)
        if len(G) == 1:
            found = (float(G[0, 0]), float(G[0, 0]))
        elif self._backend == "python":
            values = np.linalg.eigvalsh(G)
            smallest, largest = values[values > NULL * values[-1]][:1], values[-1]
            found = (float(smallest[0]) if len(smallest) else float(largest), float(largest))
        else:
            from fastgd.kernels import symmetric

            found = symmetric.extreme_eigenvalues(G, NULL)
        return Eigenvalues(found[0] / rows.n, found[1] / rows.n, False)

    @cached_property
    def largest_square(self) -> float:
        """max ‖x‖², by a read of its own."""
        self.passes += 1
        rows = self._rows
        if self._backend == "python":
            return float(np.max(np.sum(np.square(rows.X.astype(np.float64).reshape(rows.n, rows.d)), axis=1)))
        from fastgd.kernels import norms

        found: list[float] = []

        def task(_start: int, X: Array, _y: Array) -> Floats:
            found.append(norms.largest_square(X))
            return engine.NOTHING

        engine.fold(rows, task, self._n_threads)
        largest = float(np.max(found))
        if not math.isfinite(largest):
            rows.refuse_nonfinite()
        return largest

    def optimum(self, l2: float = 0.0) -> tuple[Floats, float]:
        """Weights of the least cost + (l2/2) Σ w², and that."""
        statistics = self.statistics
        if self._backend == "python":
            system = statistics.G / statistics.n + 0.5 * l2 * np.eye(len(statistics.c))
            w = np.linalg.lstsq(system, statistics.c / statistics.n, rcond=NULL)[0]
            residual = self._rows.X.reshape(self._rows.n, self._rows.d) @ w - self._rows.y
            penalty = 0.5 * l2 * float(w @ w)
            return np.asarray(w), float(residual @ residual) / statistics.n + penalty
        w = statistics.optimum(l2)
        cost = statistics.cost(w)
        if statistics.is_far_from(cost) and self.recentred():
            w = self.statistics.optimum(l2)
            cost = self.statistics.cost(w)
        return w, cost + 0.5 * l2 * float(w @ w)

    def cost(self, w: Floats) -> float:
        """The cost at w, by the statistics; by a read where there are too many columns for them."""
        if self._backend == "python":
            self.passes += 1
            residual = self._rows.X.astype(np.float64).reshape(self._rows.n, -1) @ w - self._rows.y
            return float(residual @ residual) / self._rows.n
        if self._rows.d > planner.MOST_COLUMNS:
            self.passes += 1
            return FoldedCost(self._rows, self._n_threads)(w)[0]
        return self.statistics.cost(w)

    def descent_limit(self, l2: float = 0.0) -> float:
        """Full-batch descent at a constant rate converges below it: 2/(2 λmax + l2)."""
        return _one_over(self.eigenvalues.largest + l2 / 2)

    def descent_rate(self, l2: float = 0.0) -> float:
        smallest, largest, is_estimate = self.eigenvalues
        slowest = max(SLOWEST * largest, 0.0 if is_estimate else smallest)
        return _usable(_one_over(largest + slowest + l2))

    def sgd_limit(self) -> float:
        """Below it no step of SGD can grow the error, whatever the row."""
        return _one_over(self.largest_square)

    def sgd_rate(self) -> float:
        return _usable(0.5 * self.sgd_limit())

    def _lanczos(self) -> Eigenvalues:
        """The extreme eigenvalues of the Krylov space of the gradient: a read a dimension.

        (Lanczos, J. Research of the National Bureau of Standards 45, 1950; each vector is made orthogonal
        to all before it.)
        """
        from fastgd.kernels import epochs, symmetric

        rows = self._rows
        cost_and_gradient = FoldedCost(rows, self._n_threads)
        self.passes += 1
        at_zero = cost_and_gradient(np.zeros(rows.d))[1]
        if not np.isfinite(at_zero).all():
            rows.refuse_nonfinite()
            return Eigenvalues(math.nan, math.nan, True)
        size = math.sqrt(epochs.dot(at_zero, at_zero))
        basis = [at_zero / size if size > 0.0 else np.full(rows.d, rows.d**-0.5)]
        diagonal: list[float] = []
        off: list[float] = []
        smallest = largest = 0.0
        for _ in range(min(LANCZOS_STEPS, rows.d)):
            self.passes += 1
            product = 0.5 * (cost_and_gradient(basis[-1])[1] - at_zero)
            diagonal.append(epochs.dot(product, basis[-1]))
            for vector in basis + basis:  # twice is enough
                product -= epochs.dot(product, vector) * vector
            before = largest
            smallest, largest = symmetric.extreme_of_tridiagonal(np.array(diagonal), np.array(off), NULL)
            size = math.sqrt(epochs.dot(product, product))
            if abs(largest - before) <= LANCZOS_CLOSE * largest or not size > NULL * largest:
                break
            off.append(size)
            basis.append(product / size)
        return Eigenvalues(smallest, largest * (1.0 + LANCZOS_CLOSE), True)


def _one_over(value: float) -> float:
    return math.inf if value == 0.0 else 1.0 / value


def _usable(rate: float) -> float:
    """The rate; 1 where X is all zeros and any would do."""
    if math.isnan(rate) or rate == 0.0:
        raise InvalidDataError('X is too large for learning_rate="auto": its squares overflow; scale X')
    return 1.0 if rate == math.inf else rate

"""What is learnt of the data beside the weights: its summaries, and the learning rates that are safe.

For the squared loss the Hessian of the cost is 2 XᵀX/n. With λ the eigenvalues of XᵀX/n, full-batch
descent at rate α multiplies the error along each by 1 − 2αλ: it converges below 1/λmax, and the constant
rate that is fastest for the slowest error is 1/(λmax + λmin). A step of SGD multiplies the
error along x by 1 − 2α‖x‖²: no step of any row overshoots its own target at 1/(2 max‖x‖²), none can grow the
error below 1/max‖x‖².
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.dataset import Table
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats, Rows
from fastgd.lazy import lazy_property
from fastgd.solver import linalg, planner
from fastgd.solver.linalg import NULL, extreme_eigenvalues
from fastgd.solver.maps import AffineMaps, read_maps
from fastgd.solver.statistics import Statistics, first_reference, read_statistics
from fastgd.solver.steppers.streaming import FoldedCost
from fastgd.wording import Option

SLOWEST = 0.1
"""The automatic rate is fastest for errors down to this part of λmax: slower ones hardly gain, and
the error along λmax would take as long as they."""
LANCZOS_STEPS = 30
LANCZOS_CLOSE = 1e-4


class Eigenvalues(NamedTuple):
    """Of XᵀX/n: the smallest that is not zero, and the largest."""

    smallest: float
    largest: float
    is_estimate: bool
    """By Lanczos' iteration: the largest to about 0.1 %, the smallest only from above."""


class Kept(NamedTuple):
    """A reference that served before, and Σ r² about it, by which the same data is known."""

    w_ref: Floats
    squares: float


class Survey:
    """Reads the data when something is asked that no read so far has told; `passes` counts them."""

    def __init__(
        self, rows: Table, w0: Floats, backend: Backend, n_threads: int | None, kept: Kept | None = None
    ):
        self._rows, self._w0, self._backend, self._n_threads = rows, w0, backend, n_threads
        self._kept = kept
        self._statistics: Statistics | None = None
        self._maps: AffineMaps | None = None
        self.is_recentred = False
        self.is_near_weights = False
        """Whether the data was read again about weights that a run had, and may be once more."""
        self.passes = 0

    @property
    def has_statistics(self) -> bool:
        return self._statistics is not None

    @property
    def statistics(self) -> Statistics:
        """About weights that fit the first rows; data that is not finite is refused."""
        if self._statistics is None:
            self._statistics = self._read_statistics(self._reference)
            if self._is_other_data():
                self._statistics = self._read_statistics(self._reference)
        return self._statistics

    @property
    def kept(self) -> Kept | None:
        """For a run that goes on where this one ends."""
        if self._statistics is None:
            return self._kept
        return Kept(self._statistics.w_ref, self._statistics.s)

    @property
    def recentred(self) -> Floats | None:
        """The reference that data was read again about, if it was."""
        is_other = self.is_recentred or self.is_near_weights
        return self._statistics.w_ref if is_other and self._statistics is not None else None

    def _is_other_data(self) -> bool:
        """Whether a reference was handed on that is not of this data: it is then forgotten."""
        kept, self._kept = self._kept, None
        if kept is None or self._statistics is None:
            return False
        self.is_recentred = kept.squares == self._statistics.s
        if not self.is_recentred:
            del self._reference
        return not self.is_recentred

    @lazy_property
    def _reference(self) -> Floats:
        if self._kept is not None and len(self._kept.w_ref) == self._rows.d:
            return self._kept.w_ref
        is_plain = self._backend == "python"
        return np.zeros(self._rows.d) if is_plain else first_reference(self._rows, self._w0)

    def _read_statistics(self, w_ref: Floats) -> Statistics:
        self.passes += 1
        rows = self._rows
        if self._backend == "python":
            with np.errstate(all="ignore"):
                X, r = self._table(), rows.y - self._table() @ w_ref
                return self._accepted(Statistics(rows.n, w_ref, X.T @ X, X.T @ r, float(r @ r)))
        return self._accepted(read_statistics(rows, w_ref, self._n_threads))

    def _accepted(self, statistics: Statistics) -> Statistics:
        if not statistics.is_finite():
            self._rows.refuse_nonfinite()
        return statistics

    def maps(self, rates: Floats) -> AffineMaps:
        """The maps of all blocks for these rates, ascending; the same read makes the statistics."""
        if self._maps is None:
            self._read_maps(self._reference, rates)
            if self._is_other_data():
                self._read_maps(self._reference, rates)
        assert self._maps is not None
        return self._maps

    def _read_maps(self, w_ref: Floats, rates: Floats) -> None:
        self.passes += 1
        self._maps = read_maps(self._rows, w_ref, rates, self._n_threads)
        self._statistics = self._accepted(self._maps.statistics)

    def recentre(self, w_ref: Floats | None = None, is_last: bool = True) -> bool:
        """Read the data again about w_ref, or its optimum; False where a last time has been."""
        if self.is_recentred:
            return False
        self.is_recentred, self.is_near_weights = is_last, not is_last
        w_ref = self.statistics.optimum() if w_ref is None else w_ref
        if self._maps is None:
            self._statistics = self._read_statistics(w_ref)
        else:
            rates, self._maps = self._maps.rates, None
            self._read_maps(w_ref, rates)
        return True

    def cost_with_digits(self, w: Floats) -> float:
        """The cost at w by the statistics, about a better reference where that is due."""
        cost = self.statistics.cost(w)
        if self.statistics.is_far_from(cost) and self.recentre():
            cost = self.statistics.cost(w)
        return cost

    @lazy_property
    def eigenvalues(self) -> Eigenvalues:
        rows = self._rows
        if rows.d > planner.MOST_COLUMNS and self._backend == "numba":
            return self._lanczos()
        if rows.is_one_block and self._backend == "numba" and not self.has_statistics:
            self.passes += 1  # any reference will do: finding a good one would take longer
            G = self._accepted(read_statistics(rows, self._w0, 1)).G
        else:
            G = self.statistics.G
        found = extreme_eigenvalues(G)
        return Eigenvalues(found[0] / rows.n, found[1] / rows.n, False)

    @lazy_property
    def largest_square(self) -> float:
        """max ‖x‖², by a read of its own."""
        self.passes += 1
        rows = self._rows
        if self._backend == "python":
            with np.errstate(all="ignore"):
                largest = float(np.max(np.sum(np.square(self._table()), axis=1)))
        else:
            largest = largest_square(rows, self._n_threads)
        if not math.isfinite(largest):
            rows.refuse_nonfinite()
        return largest

    def optimum(self) -> tuple[Floats, float, float]:
        """Weights of the least cost, no intercept, and that cost."""
        statistics = self.statistics
        w = statistics.optimum()
        if self._backend == "python":
            residual = self._table() @ w - self._rows.y
            return w, 0.0, float(residual @ residual) / statistics.n
        cost = statistics.cost(w)
        if statistics.is_far_from(cost) and self.recentre():
            w = self.statistics.optimum()
            cost = self.statistics.cost(w)
        return w, 0.0, cost

    def cost(self, w: Floats) -> float:
        """The cost at w: by the statistics where they are there and hold its digits, else by a read."""
        if self.has_statistics and self.statistics.is_finite():
            cost = self.cost_with_digits(w)
            if self.statistics.error(w) <= 1e-9 * cost:
                return cost
        self.passes += 1
        if self._backend == "python":
            with np.errstate(all="ignore"):
                residual = self._table() @ w - self._rows.y
                return float(residual @ residual) / self._rows.n
        return FoldedCost(self._rows, self._n_threads)(w)[0]

    def _table(self) -> Floats:
        return np.asarray(self._rows.X.astype(np.float64).reshape(self._rows.n, self._rows.d))

    @property
    def curvatures(self) -> tuple[float, float]:
        """Of the cost: the least that is not 0, and the largest."""
        return 2.0 * self.eigenvalues.smallest, 2.0 * self.eigenvalues.largest

    def descent_limit(self) -> float:
        """Full-batch descent at a constant rate converges below it: 1/λmax."""
        return ratio(1.0, self.eigenvalues.largest)

    def descent_rate(self) -> float:
        smallest, largest, is_estimate = self.eigenvalues
        slowest = max(SLOWEST * largest, 0.0 if is_estimate else smallest)
        return usable(ratio(1.0, largest + slowest))

    def auto_rate(self, solver: str) -> float:
        """What learning_rate="auto" takes."""
        return self.sgd_rate() if solver == "sgd" else self.descent_rate()

    def limit(self, solver: str) -> float:
        return self.sgd_limit() if solver == "sgd" else self.descent_limit()

    def sgd_limit(self) -> float:
        """Below it no step of SGD can grow the error, whatever the row."""
        return ratio(1.0, self.largest_square)

    def sgd_rate(self) -> float:
        return usable(0.5 * self.sgd_limit())

    def _lanczos(self) -> Eigenvalues:
        rows = self._rows
        cost_and_gradient = FoldedCost(rows, self._n_threads)

        def gradient(w: Floats) -> Floats:
            self.passes += 1
            return cost_and_gradient(w)[1]

        smallest, largest = lanczos(gradient, rows.d)
        if not math.isfinite(largest):
            rows.refuse_nonfinite()
        return Eigenvalues(smallest, largest, True)


def largest_square(rows: Rows, n_threads: int | None) -> float:
    """max ‖x‖² of the rows, NaN where one is: one read."""
    from fastgd.kernels import norms

    def task(_start: int, X: Array, _y: Array, _weights: Floats) -> Floats:
        return np.array([norms.largest_square(X)])

    return float(reduce.fold(rows, task, n_threads, add=np.maximum)[0])


@np.errstate(over="ignore", invalid="ignore")
def lanczos(gradient: Callable[[Floats], Floats], d: int) -> tuple[float, float]:
    """The extreme eigenvalues of XᵀX/n in the Krylov space of Xᵀy and a fixed random vector.

    `gradient(w)` is (2/n) Xᵀ(X w − y), and is called up to 31 times. The largest is right to about 0.1 %, the
    smallest only a bound from above; nan where the data overflows. (Lanczos, J. Research of the National
    Bureau of Standards 45, 1950; each vector is made orthogonal to all before it.)
    """
    from fastgd.kernels import epochs

    at_zero = gradient(np.zeros(d))
    if not np.isfinite(at_zero).all():
        return math.nan, math.nan
    size = math.sqrt(epochs.dot(at_zero, at_zero))
    # What Xᵀy does not see must not be missed: something of every direction, always the same.
    start = np.random.Generator(np.random.Philox(key=0)).uniform(-1.0, 1.0, d)
    start *= d**-0.5
    if size > 0.0:
        start += at_zero / size
    basis = [start / math.sqrt(epochs.dot(start, start))]
    diagonal: list[float] = []
    off: list[float] = []
    smallest = largest = 0.0
    still = 0  # steps that changed the largest hardly
    for _ in range(min(LANCZOS_STEPS, d)):
        product = 0.5 * (gradient(basis[-1]) - at_zero)
        if not np.isfinite(product).all():
            return math.nan, math.nan
        diagonal.append(epochs.dot(product, basis[-1]))
        for vector in basis + basis:  # twice is enough
            product -= epochs.dot(product, vector) * vector
        before = largest
        smallest, largest = _of_tridiagonal(diagonal, off)
        size = math.sqrt(epochs.dot(product, product))
        still = still + 1 if abs(largest - before) <= LANCZOS_CLOSE * largest else 0
        if still == 3 or not size > NULL * largest:
            break
        off.append(size)
        basis.append(product / size)
    return smallest, largest * (1.0 + 10 * LANCZOS_CLOSE)


def _of_tridiagonal(diagonal: list[float], off: list[float]) -> tuple[float, float]:
    """The extreme eigenvalues of the symmetric tridiagonal matrix, the smallest above rounding."""
    values = linalg.eigenvalues(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    largest = float(values[-1])
    return float(values[values > NULL * largest].min(initial=largest)), largest


def ratio(a: float, b: float) -> float:
    """a / b; inf where b is 0."""
    return math.inf if b == 0.0 else a / b


def usable(rate: float) -> float:
    """The rate; 1 where X is all zeros and any would do."""
    if math.isnan(rate) or rate == 0.0:
        raise InvalidDataError(
            ["is too large for ", Option("learning_rate", "auto"), ": its squares overflow"],
            what="X",
            remedy="scale X",
        )
    return 1.0 if rate == math.inf else rate

"""Curvature of the squared error: eigenvalues of XᵀX/n, the longest row, and what they make of a rate.

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
from fastgd.data.dataset import Dataset
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats
from fastgd.losses import SquaredError
from fastgd.solver import linalg
from fastgd.solver.cost import Cost, SquaredCost
from fastgd.solver.linalg import EPS, NULL, Parted
from fastgd.solver.scaling import Scaling
from fastgd.wording import Option

SLOWEST = 0.1
"""The automatic rate is fastest for errors along eigenvalues down to this part of λmax. A rate for slower
errors hardly helps them, and the error along λmax would take as long as they do."""
LANCZOS_STEPS = 30
LANCZOS_CLOSE = 1e-4
CONSTANT = 64 * EPS
"""A variance below this part of the mean square is rounding."""


class Eigenvalues(NamedTuple):
    """Eigenvalues of XᵀX/n: the smallest that is not zero, and the largest."""

    smallest: float
    largest: float
    is_estimate: bool
    """Whether they come from Lanczos' iteration: the largest to about 0.1 %, the smallest only from above."""


def largest_square(rows: Dataset, backend: Backend, n_threads: int | None) -> float:
    """max ‖x‖² over the rows, by one pass; rows with NaN or infinity are refused."""
    if backend == "python":
        with np.errstate(all="ignore"):
            largest = float(np.max(np.sum(np.square(table_of(rows)), axis=1)))
    else:
        from fastgd.kernels import norms

        def task(_start: int, X: Array, _y: Array, _weights: Floats) -> Floats:
            return np.array([norms.largest_square(X)])

        largest = float(reduce.reduce(rows, task, n_threads, add=np.maximum)[0])
    if not math.isfinite(largest):
        rows.refuse_nonfinite()
    return largest


def table_of(rows: Dataset) -> Floats:
    """X as an array (n, d) of float64, for the pure-Python backend."""
    return np.asarray(rows.X.astype(np.float64).reshape(rows.n, rows.d))


def parted(G: Floats, x_ref: Floats) -> Parted:
    """The table of √s·[x − x_ref, 1], divided by Σ s, as variances and means beside an intercept."""
    d = len(x_ref)
    m = G[d, :d]
    S = G[:d, :d] - np.outer(m, m)
    is_constant = ~(np.diag(S) > CONSTANT * np.diag(G)[:d])
    S[is_constant], S[:, is_constant] = 0.0, 0.0
    return Parted(S, x_ref + m, 1.0)


def least_in_units(H: Floats, units: Floats, by_parts: Parted | None, l2: Floats) -> float:
    """The least eigenvalue but 0 of H with its columns in like units: those of 1/units."""
    units = np.where(units > 0.0, units, 1.0)
    if by_parts is not None:
        S = (2.0 * by_parts.S + np.diag(l2[:-1])) / np.outer(units[:-1], units[:-1])
        by_parts = Parted(S, by_parts.means * (units[-1] / units[:-1]), 1.0)
    return linalg.extreme_eigenvalues(H / np.outer(units, units), by_parts)[0]


def estimated_eigenvalues(
    rows: Dataset, to: Scaling | None, n_threads: int | None
) -> tuple[Eigenvalues, int]:
    """Eigenvalues in this scaling by Lanczos' iteration, and how many passes it took."""
    cost_and_gradient: Callable[[Floats], tuple[float, Floats]]
    cost_and_gradient, d = SquaredCost(rows, n_threads), rows.d
    if to is not None:
        cost_and_gradient, d = Cost(rows, SquaredError(), to, n_threads), to.size
    n_passes = 0

    def gradient(theta: Floats) -> Floats:
        nonlocal n_passes
        n_passes += 1
        return cost_and_gradient(theta)[1]

    smallest, largest = lanczos(gradient, d)
    if not math.isfinite(largest):
        rows.refuse_nonfinite()
    return Eigenvalues(smallest, largest, True), n_passes


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

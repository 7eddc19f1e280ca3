"""Curvature of the squared error: eigenvalues of XᵀX/n, and the longest row.

The Hessian of the cost is 2 XᵀX/n. Let λ be the eigenvalues of XᵀX/n. Full-batch descent at rate α multiplies
the error along each eigenvector by 1 − 2αλ. It converges for α < 1/λmax, and the slowest error falls fastest
at α = 1/(λmax + λmin). A step of SGD multiplies the error along x by 1 − 2α‖x‖². For α < 1/max‖x‖² no step
increases the error, and at α = 1/(2 max‖x‖²) no step overshoots its target.
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
"""The automatic rate is optimal for eigenvalues from SLOWEST·λmax to λmax. A larger rate would hardly help
slower errors, and the error along λmax would become as slow as they are."""
LANCZOS_STEPS = 30
LANCZOS_CLOSE = 1e-4
CONSTANT = 64 * EPS
"""A variance below CONSTANT times the mean square is rounding."""


class Eigenvalues(NamedTuple):
    """Eigenvalues of XᵀX/n: the smallest that is not zero, and the largest."""

    smallest: float
    largest: float
    is_estimate: bool
    """Whether they are estimates by Lanczos' iteration: the largest to about 0.1 %, the smallest from
    above."""


def largest_square(rows: Dataset, backend: Backend, n_threads: int | None) -> float:
    """max ‖x‖² over the rows, in one pass. Rows with NaN or infinity are refused."""
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
    """Split G of the rows √s·[x − x_ref, 1], divided by Σ s, into covariances and means."""
    d = len(x_ref)
    m = G[d, :d]
    S = G[:d, :d] - np.outer(m, m)
    is_constant = ~(np.diag(S) > CONSTANT * np.diag(G)[:d])
    S[is_constant], S[:, is_constant] = 0.0, 0.0
    return Parted(S, x_ref + m, 1.0)


def least_in_units(H: Floats, units: Floats, by_parts: Parted | None, l2: Floats) -> float:
    """The smallest eigenvalue that is not 0 of H_jk/(units_j units_k): columns are in like units."""
    units = np.where(units > 0.0, units, 1.0)
    if by_parts is not None:
        S = (2.0 * by_parts.S + np.diag(l2[:-1])) / np.outer(units[:-1], units[:-1])
        by_parts = Parted(S, by_parts.means * (units[-1] / units[:-1]), 1.0)
    return linalg.extreme_eigenvalues(H / np.outer(units, units), by_parts)[0]


def estimated_eigenvalues(
    rows: Dataset, to: Scaling | None, n_threads: int | None
) -> tuple[Eigenvalues, int]:
    """Eigenvalues in this scaling by Lanczos' iteration, and the number of passes."""
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

    `gradient(w)` is (2/n) Xᵀ(X w − y). It is called up to 31 times. The largest eigenvalue is accurate to
    about 0.1 %, the smallest is an upper bound. Both are NaN if the data overflows. (Lanczos, J. Research of
    the National Bureau of Standards 45, 1950, with full reorthogonalisation.)
    """
    from fastgd.kernels import epochs

    gradient_at_zero = gradient(np.zeros(d))
    if not np.isfinite(gradient_at_zero).all():
        return math.nan, math.nan
    size = math.sqrt(epochs.dot(gradient_at_zero, gradient_at_zero))
    # Xᵀy may lack some directions. The fixed random vector has a part along each.
    start = np.random.Generator(np.random.Philox(key=0)).uniform(-1.0, 1.0, d)
    start *= d**-0.5
    if size > 0.0:
        start += gradient_at_zero / size
    basis = [start / math.sqrt(epochs.dot(start, start))]
    diagonal: list[float] = []
    off: list[float] = []
    smallest = largest = 0.0
    n_still = 0  # steps in a row that hardly changed the largest
    for _ in range(min(LANCZOS_STEPS, d)):
        product = 0.5 * (gradient(basis[-1]) - gradient_at_zero)
        if not np.isfinite(product).all():
            return math.nan, math.nan
        diagonal.append(epochs.dot(product, basis[-1]))
        for vector in basis + basis:  # twice is enough
            product -= epochs.dot(product, vector) * vector
        before = largest
        smallest, largest = _of_tridiagonal(diagonal, off)
        size = math.sqrt(epochs.dot(product, product))
        n_still = n_still + 1 if abs(largest - before) <= LANCZOS_CLOSE * largest else 0
        if n_still == 3 or not size > NULL * largest:
            break
        off.append(size)
        basis.append(product / size)
    return smallest, largest * (1.0 + 10 * LANCZOS_CLOSE)


def _of_tridiagonal(diagonal: list[float], off: list[float]) -> tuple[float, float]:
    """The extreme eigenvalues of a symmetric tridiagonal matrix, without those that are rounding."""
    values = linalg.eigenvalues(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    largest = float(values[-1])
    return float(values[values > NULL * largest].min(initial=largest)), largest


def ratio(a: float, b: float) -> float:
    """a / b, or inf if b is 0."""
    return math.inf if b == 0.0 else a / b


def usable(rate: float) -> float:
    """The rate, or 1 if it is infinite since X is all zeros."""
    if math.isnan(rate) or rate == 0.0:
        raise InvalidDataError(
            ["is too large for ", Option("learning_rate", "auto"), ": its squares overflow"],
            what="X",
            remedy="scale X",
        )
    return 1.0 if rate == math.inf else rate

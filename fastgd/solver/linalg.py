"""Dense linear algebra of symmetric tables (d × d, d up to about 1000): solving G x = c, and eigenvalues.

A table is scaled by powers of two to a diagonal near 1, which is exact, and then factorised. NumPy does the
work. BLAS is held to one thread (`blas.one_thread`), so that results do not depend on the number of its
threads. A table of one column needs no BLAS: its solution is c/G, rounded once.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.engine.blocks import Floats
from fastgd.solver import blas

Indices = NDArray[np.intp]

EPS = float(np.finfo(np.float64).eps)
NULL = 16 * EPS
"""Eigenvalues below d·NULL·largest are rounding errors if columns are in like units."""
RANK_TOLERANCE = 1e-13
"""A column is a linear combination of others if they explain all but this share of its square."""
ALIKE = 1e-6
"""Columns are in like units if no mean square is below this share of another."""
NOISE = 2.0**-44
"""Smaller shares of a column are rounding errors."""
LARGE = 4.0
"""A column more than this many times a chosen one replaces it."""
PANEL = 48
"""Number of pivots between two updates of the whole table. Each update is a matrix product."""
CLEAR = 8.0
"""The rank is full, without a search for pivots, if no share can be below CLEAR times the tolerance."""


REFINEMENTS = 2


@dataclass(slots=True, eq=False)
class Factor:
    """A factorised symmetric positive semidefinite table: P S G S Pᵀ = L Lᵀ on the chosen columns.

    S scales by powers of two. P puts the chosen columns first. Each pivot is the column with the largest
    share of its square that the previous columns do not explain. Columns with a share of at most `tolerance`
    are linear combinations of the chosen ones. (Golub and Van Loan, Matrix Computations, 4th ed., 4.1.2,
    4.2.8.)

    Attributes
    ----------
    rank : int
        Number of chosen columns; 0 if the table contains NaN or infinity.
    order : ndarray (d,)
        The columns, the chosen ones first.
    sums : ndarray (rank, d - rank)
        Column `dependent[j]` of the data is Σ_i sums[i, j]·(column `chosen[i]`).
    """

    rank: int
    order: Indices
    scale: Floats
    """Powers of two, or 0 for a column of zeros."""
    table: Floats
    """S G S of the chosen columns, (rank, rank)."""
    root: Floats
    """L⁻¹, lower triangular, (rank, rank)."""
    sums: Floats
    _reduction: _Reduction | None = field(default=None, repr=False)

    @property
    def chosen(self) -> Indices:
        return self.order[: self.rank]

    @property
    def dependent(self) -> Indices:
        """Columns that are linear combinations of the chosen ones, including columns of zeros."""
        return self.order[self.rank :]

    def involved(self) -> list[int]:
        """Dependent columns and the chosen columns that they combine, ascending. Columns of zeros are left
        out."""
        is_sum = self.sums.any(axis=0)
        return sorted([*self.dependent[is_sum].tolist(), *self.chosen[self.sums.any(axis=1)].tolist()])

    def solve(self, c: Floats, *, basic: bool = False) -> Floats:
        """The shortest x with G x = c. With `basic`, the solution that is 0 on dependent columns.

        c is (d,) or (d, k), in the range of G. If c contains NaN or infinity, x is 0.
        """
        if len(c) == 1:
            with np.errstate(over="ignore"):
                return c / self.table[0] if self.rank and np.isfinite(c).all() else np.zeros_like(c)
        x = np.zeros(c.shape)
        if not self.rank or not np.isfinite(c).all():
            return x
        with blas.one_thread(), np.errstate(over="ignore", invalid="ignore"):
            scale = _beside(self.scale[self.chosen], c)
            x[self.chosen] = scale * self._solve_scaled(scale * c[self.chosen])
            return x if basic else self._shortest(x)

    def _shortest(self, x: Floats) -> Floats:
        if not len(self.dependent):
            return x
        if self._reduction is None:
            self._reduction = _Reduction.of(self)
        return self._reduction.shorten(x)

    def _solve_scaled(self, b: Floats) -> Floats:
        """The solution on the chosen columns, in units of the scale. Multiplies by L⁻¹ and its transpose, and
        refines."""
        x = self.root.T @ (self.root @ b)
        for _ in range(REFINEMENTS):
            x = x + self.root.T @ (self.root @ (b - self.table @ x))
        return x

    def inverse_root(self) -> Floats:
        """R (rank, rank) in the table's units, such that RᵀR is the inverse of the table of the chosen
        columns."""
        return self.root * self.scale[self.chosen]

    def null_part(self, v: Floats) -> Floats:
        """The part of v (d,) along which the table is 0."""
        d, dependent = len(self.order), self.dependent
        if not len(dependent):
            return np.zeros(d)
        with blas.one_thread():
            null = np.zeros((d, len(dependent)))
            null[self.chosen], null[dependent] = -self.sums, np.eye(len(dependent))
            basis = np.linalg.qr(null)[0]
            return np.asarray(basis @ (basis.T @ v), np.float64)

    def whitening(self) -> Floats:
        """W (d, rank) such that W Wᵀ is the pseudo-inverse of the table: Wᵀ G W = 1."""
        W = np.zeros((len(self.order), self.rank))
        if len(W) == 1:
            W[self.chosen] = self.inverse_root().T
            return W
        with blas.one_thread(), np.errstate(over="ignore", invalid="ignore"):
            W[self.chosen] = self.inverse_root().T
            return self._shortest(W)


class _Reduction(NamedTuple):
    """The map from any solution to the shortest: x = [I K]ᵀ (I + K Kᵀ)⁻¹ z, with z on the kept columns.

    Column j of K holds the coefficients of another column as a combination of the kept ones. (Golub and Van
    Loan, 5.6.2.)
    """

    kept: Indices
    others: Indices
    K: Floats
    inner: Factor | None
    """The factor of I + K Kᵀ, or None if units are so different that K overflows."""

    @classmethod
    def of(cls, factor: Factor) -> _Reduction:
        kept, others, K = factor.chosen, factor.dependent, factor.sums.copy()
        if not np.isfinite(K).all():
            return cls(kept, others, K, None)
        kept, others = exchange(K, kept, others)
        return cls(kept, others, K, _factorised(np.eye(len(kept)) + K @ K.T, 0.0))

    def shorten(self, x: Floats) -> Floats:
        if self.inner is None:
            return x
        t = self.inner.solve(x[self.kept] + self.K @ x[self.others])
        out = np.empty_like(x)
        out[self.kept], out[self.others] = t, self.K.T @ t
        return out


def factor(G: Floats, tolerance: float = RANK_TOLERANCE) -> Factor:
    """Factorise a symmetric positive semidefinite table. The table is not modified."""
    if len(G) == 1:
        square = float(G[0, 0])
        if not 0.0 < square < math.inf:
            return Factor(0, np.zeros(1, np.intp), np.zeros(1), G[:0, :0], G[:0, :0], np.zeros((0, 1)))
        root = np.full((1, 1), 1.0 / math.sqrt(square))
        return Factor(1, np.zeros(1, np.intp), np.ones(1), G.copy(), root, np.empty((1, 0)))
    with blas.one_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _factorised(G, tolerance)


def _factorised(G: Floats, tolerance: float) -> Factor:
    d = len(G)
    if d == 1:
        return factor(G, tolerance)
    if not (d and np.isfinite(G).all()):
        return Factor(0, np.arange(d), np.zeros(d), G[:0, :0], G[:0, :0], np.zeros((0, d)))
    scale = _scale(np.diag(G))
    S = G * scale[:, None] * scale
    root = _clear_root(S, tolerance)
    if root is not None:
        return Factor(d, np.arange(d), scale, S, root, np.empty((d, 0)))
    F, order = _pivoted(S, max(tolerance, 0.0))
    rank = F.shape[1]
    chosen, rest = order[:rank], order[rank:]
    L = F[chosen]
    K = np.linalg.solve(L.T, F[rest].T)
    K[np.abs(K) <= NOISE] = 0.0
    there = scale[rest] > 0.0  # a column of zeros combines others with weights 0
    units = scale[chosen][:, None] / np.where(there, scale[rest], 1.0)
    K = np.where(there & (K != 0.0), K * units, 0.0)
    root = np.asarray(np.linalg.inv(L), np.float64)
    return Factor(rank, order, scale, S[np.ix_(chosen, chosen)], root, np.asarray(K, np.float64))


def _scale(squares: Floats) -> Floats:
    """Powers of two that bring each square into [1/2, 2). 0 for squares that are not positive."""
    exponents = np.frexp(squares)[1] >> 1
    return np.where(squares > 0.0, np.ldexp(1.0, -exponents), 0.0)


def _clear_root(S: Floats, tolerance: float) -> Floats | None:
    """L⁻¹ of S = L Lᵀ in the given order, or None if some share may be below `tolerance`.

    In any order of pivots, no pivot is below the smallest eigenvalue of S, which is above 1/‖L⁻¹‖².
    """
    try:
        L = np.linalg.cholesky(S)
    except np.linalg.LinAlgError:
        return None
    root = np.tril(np.linalg.inv(L))
    norm = float(np.sum(root * root)) * float(np.diag(S).max())
    return root if norm * max(tolerance, EPS) * CLEAR < 1.0 else None


def _pivoted(S: Floats, tolerance: float) -> tuple[Floats, Indices]:
    """F (d, rank) with S = F Fᵀ up to shares of `tolerance`, and the order of the columns, chosen ones
    first."""
    d, squares = len(S), np.diag(S)
    left, S, F = squares.copy(), S.copy(), np.zeros(S.shape)
    squares = np.where(squares > 0.0, squares, 1.0)
    order, start = np.empty(d, np.intp), 0
    for k in range(d):
        p = int(np.argmax(left / squares))
        if not left[p] > tolerance * squares[p]:
            break
        if k - start == PANEL:
            S -= F[:, start:k] @ F[:, start:k].T
            start = k
        root = math.sqrt(left[p])
        column = (S[:, p] - F[:, start:k] @ F[p, start:k]) / root
        column[order[:k]], column[p] = 0.0, root
        F[:, k], order[k] = column, p
        left -= column * column
        left[order[: k + 1]] = -1.0
    else:
        k = d
    order[k:] = np.setdiff1d(np.arange(d), order[:k])
    return F[:, :k], order


def exchange(K: Floats, chosen: Indices, rest: Indices) -> tuple[Indices, Indices]:
    """Swap columns of `rest` with chosen ones, by Gauss-Jordan steps on K, until no entry exceeds LARGE.

    Column rest[j] is Σ_i K[i, j]·(column chosen[i]). K is overwritten. Afterwards I + K Kᵀ is far from
    singular, in any units of the columns. (Gu and Eisenstat, SIAM Journal on Scientific Computing 17, 1996.)
    """
    chosen, rest = chosen.copy(), rest.copy()
    while K.size and np.abs(K).max() > LARGE:
        i, j = np.unravel_index(np.abs(K).argmax(), K.shape)
        swap(K, chosen, rest, int(i), int(j))
    return chosen, rest


def swap(K: Floats, chosen: Indices, rest: Indices, i: int, j: int) -> None:
    """Swap chosen[i] and rest[j], by a Gauss-Jordan step on K. All arrays are overwritten."""
    chosen[i], rest[j] = rest[j], chosen[i]
    pivot, column, row = K[i, j], K[:, j].copy(), K[i].copy()
    column[i], row[j] = -1.0, -1.0
    moved = K - np.outer(column, row / pivot)
    moved[np.abs(moved) <= NOISE * np.abs(K)] = 0.0
    moved[i], moved[:, j] = row / pivot, -column / pivot
    moved[i, j] = 1.0 / pivot
    K[:] = moved


def _beside(v: Floats, c: Floats) -> Floats:
    """Reshape v so that it multiplies the rows of c."""
    return v if c.ndim == 1 else v[:, None]


# Eigenvalues ------------------------------------------------------------------------------------------------


class Parted(NamedTuple):
    """The parts of H = [[S + c m mᵀ, c m], [c mᵀ, c]], for columns with an intercept. H has lost digits of
    S."""

    S: Floats
    """The table of the centred columns."""
    means: Floats
    corner: float


def eigenvalues(H: Floats) -> Floats:
    """The eigenvalues of a symmetric table, ascending."""
    if len(H) == 1:
        return H[0].copy()
    with blas.one_thread():
        return np.asarray(np.linalg.eigvalsh(H), np.float64)


def general_eigenvalues(A: Floats) -> NDArray[np.complexfloating]:
    """The eigenvalues of a square table that need not be symmetric."""
    if len(A) == 1:
        return A[0].astype(np.complex128)
    with blas.one_thread():
        return np.linalg.eigvals(A).astype(np.complex128)


def product(maps: Floats) -> Floats:
    """maps[-1] ⋯ maps[1] maps[0], for maps of shape (k, d, d)."""
    if maps.shape[1] == 1:
        return np.multiply.reduce(maps, axis=0)
    with blas.one_thread():
        return functools.reduce(lambda A, block: block @ A, maps)


def extreme_eigenvalues(H: Floats, parted: Parted | None = None) -> tuple[float, float]:
    """The smallest eigenvalue that is not 0, and the largest, of a positive semidefinite H. NaN if H is not
    finite.

    Eigenvalues below a few roundings of the largest belong to directions without data. Small eigenvalues look
    the same if columns are in unlike units, or far from zero with an intercept. Then the smallest is computed
    as 1 over the largest eigenvalue of an inverse, in which each column keeps its digits.
    """
    S, means, corner = parted if parted is not None else (H, np.zeros(len(H)), 0.0)
    if not np.isfinite(H).all():
        return math.nan, math.nan
    values = eigenvalues(H)
    smallest, largest = float(values[0]), float(values[-1])
    if len(H) == 1 or not largest > 0.0:
        return smallest, largest
    squares = np.diag(H)
    counted = squares[squares > 0.0]
    are_alike = bool(counted.min() > ALIKE * counted.max())
    if corner > 0.0:
        are_alike &= bool((np.diag(S) > ALIKE * squares[: len(S)]).all())
    if are_alike and smallest > NULL * len(H) * largest:
        return smallest, largest
    with blas.one_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _least_by_inverse(S, means, corner), largest


def _least_by_inverse(S: Floats, means: Floats, corner: float) -> float:
    """The smallest eigenvalue that is not 0 of S, or of H as in `Parted` if `corner` > 0.

    K holds the dependent columns as combinations of the kept ones, A = I + K Kᵀ, and S₁₁⁻¹ = RᵀR for the kept
    columns. The eigenvalues of S, without 0, are those of (R A⁻¹ Rᵀ)⁻¹. With an intercept let a = [I K] m,
    let p be the part of m outside the range of [I K]ᵀ, and v = (R A⁻¹ a, −1/√c). Then the eigenvalues of H
    are those of the inverse of [[R A⁻¹ Rᵀ, 0], [0, 0]] + v vᵀ/(1 + p·p).
    """
    whole = _factorised(S, RANK_TOLERANCE)
    K = whole.sums.copy()
    # Shares give the rank. Combinations of the largest columns have no large coefficients.
    kept, others = exchange(K, whole.chosen, whole.dependent)
    part = whole if not len(others) else _factorised(S[np.ix_(kept, kept)], 0.0)
    own = part.chosen
    C = np.linalg.cholesky(np.eye(len(kept)) + K @ K.T)
    unit = 1.0 / float(part.scale[own].max(initial=0.0) or 1.0)  # so that the inverse does not overflow
    R = np.zeros((len(own), len(kept)))
    R[:, own] = part.root * (part.scale[own] * unit)
    Y = np.linalg.solve(C, R.T).T
    W = Y @ Y.T
    if corner > 0.0:
        t = np.linalg.solve(C, means[kept] + K @ means[others])
        b = np.linalg.solve(C.T, t)
        m = means[[*kept, *others]]
        left = m - np.append(b, K.T @ b)
        beyond = 1.0 + np.sum(np.where(np.abs(left) > NOISE * np.abs(m), left, 0.0) ** 2)
        v = np.append(Y @ t, -unit / math.sqrt(corner))
        W = np.pad(W, (0, 1)) + np.outer(v, v) / beyond
    largest = float(np.linalg.eigvalsh(W)[-1]) if len(W) else 0.0
    return unit / largest * unit if largest > 0.0 else 0.0

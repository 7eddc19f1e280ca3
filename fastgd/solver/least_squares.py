"""Least squares from products: estimates, residual sum of squares, and the inverse of the table.

Of columns that are linear combinations of others, the last ones in the order of the columns are left out, as
R does. Everything is about the means of the columns if there is an intercept, so digits of columns far from
zero hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.solver import blas, linalg
from fastgd.solver.cost import ACCURATE_ROWS
from fastgd.solver.linalg import RANK_TOLERANCE, Indices
from fastgd.solver.products import Products

SMALL = math.sqrt(RANK_TOLERANCE)
"""Smaller coefficients of a combination, in like units, are rounding errors."""


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """The least squares of products whose columns are independent.

    With an intercept the design is z = [x − mean, 1], otherwise z = x. Its table Σ s z zᵀ is block diagonal.
    """

    has_intercept: bool
    total: float
    """Σ s."""
    mean: Floats
    """The means of the columns, or 0 without an intercept."""
    w: Floats
    level: float
    """The coefficient of the 1 in z, which is the mean of y; 0 without an intercept."""
    intercept: float
    squares: float
    """The residual sum of squares, Σ s r²."""
    error: float
    """About the rounding error of `squares`."""
    table: Floats
    """The table of the columns of z, without the 1."""
    factor: linalg.Factor
    """The factor of `table`."""
    inverse_root: Floats
    """(rank, d). Its transpose times itself is the inverse of `table`."""

    @classmethod
    def of(cls, products: Products, has_intercept: bool) -> LeastSquares:
        """The least squares of products. Dependent columns get a share of 0."""
        table, c = _table(products, has_intercept)
        factor = linalg.factor(table)
        d = len(c)
        w = products.w_ref + factor.solve(c) if d else np.zeros(0)
        x_ref, y_ref = (products.x_ref, products.y_ref) if has_intercept else (np.zeros(d), 0.0)
        moved = products.about(x_ref, y_ref, w)
        squares, intercept, mean, level = moved.s, 0.0, np.zeros(d), 0.0
        if has_intercept:
            mean, level = products.mean, products.y_mean
            intercept = math.fsum([y_ref, moved.r_mean, *(moved.offset * w).tolist(), *(-mean * w).tolist()])
        else:
            squares += moved.total * moved.r_mean**2
        root = np.zeros((factor.rank, d))
        root[:, factor.chosen] = factor.inverse_root()
        return cls(
            has_intercept,
            products.total,
            mean,
            w,
            level,
            intercept,
            squares,
            moved.error,
            table,
            factor,
            root,
        )

    def refined(self, rows: Dataset, columns: list[int]) -> LeastSquares:
        """The same with an inverse that has more digits, if there are few rows.

        The rows have these columns among others. Columns that are nearly dependent lose half as many digits
        in a QR decomposition of the rows as in their table.
        """
        if not (rows.has_rows and len(columns) and rows.has_at_most(ACCURATE_ROWS)):
            return self
        X, _, s = rows.whole()
        Z = X[:, columns] - self.mean
        if len(s):
            Z *= np.sqrt(s)[:, None]
        with blas.one_thread():
            root = np.linalg.inv(np.linalg.qr(Z, mode="r")).T
        return replace(self, inverse_root=np.ascontiguousarray(root))

    @property
    def size(self) -> int:
        """The number of coefficients."""
        return len(self.w) + self.has_intercept

    @property
    def theta(self) -> Floats:
        """The coefficients, the intercept last."""
        return np.append(self.w, self.intercept) if self.has_intercept else self.w

    @property
    def theta_of_design(self) -> Floats:
        """The coefficients of z."""
        return np.append(self.w, self.level) if self.has_intercept else self.w

    def root(self) -> Floats:
        """R (size, size) such that RᵀR is the inverse of Σ s z zᵀ."""
        if not self.has_intercept:
            return self.inverse_root
        root = np.pad(self.inverse_root, ((0, 1), (0, 1)))
        root[-1, -1] = 1.0 / math.sqrt(self.total)
        return root

    def root_of_coefficients(self) -> Floats:
        """The same of Σ s [x, 1][x, 1]ᵀ, since the intercept is level − mean·w."""
        root = self.root()
        if self.has_intercept and len(self.w):
            with blas.one_thread():
                root[:, -1] -= root[:, :-1] @ self.mean
        return root

    def explained(self, total: float) -> float:
        """Σ s (z·θ)² of the columns of z: about the mean with an intercept.

        `total` is Σ s y², about the mean with an intercept. What r² leaves of it has more digits than the
        weights of columns that are nearly dependent.
        """
        size = float(np.sum(np.abs(self.w) * np.sqrt(np.diag(self.table))))
        if total < size * size:
            return max(0.0, total - self.squares)
        with blas.one_thread():
            return float(self.w @ (self.table @ self.w)) if len(self.w) else 0.0

    def inflation(self) -> Floats:
        """1/(1 − R²) of each column from the others."""
        return np.diag(self.table) * np.sum(self.inverse_root**2, axis=0)

    def condition_number(self) -> float:
        """Of z, with columns of length 1. The 1 is orthogonal to the others and changes nothing."""
        if not len(self.w):
            return 1.0
        sizes = np.sqrt(np.diag(self.table))
        least, most = linalg.extreme_eigenvalues(self.table / np.outer(sizes, sizes))
        return math.sqrt(most / least)


def independent(products: Products, has_intercept: bool) -> list[int]:
    """The columns that are no linear combination of those before them, ascending."""
    table, _ = _table(products, has_intercept)
    factor = linalg.factor(table)
    chosen, rest = factor.chosen.copy(), factor.dependent.copy()
    sizes = np.sqrt(np.diag(table))
    K = factor.sums * sizes[chosen][:, None] / np.where(sizes[rest] > 0.0, sizes[rest], 1.0)
    while (place := _later(K, chosen, rest)) is not None:
        linalg.swap(K, chosen, rest, *place)
    first: list[int] = sorted(chosen.tolist())
    is_clear = linalg.factor(table[np.ix_(first, first)]).rank == len(first)
    return first if is_clear else sorted(factor.chosen.tolist())


def _later(K: Floats, chosen: Indices, rest: Indices) -> tuple[int, int] | None:
    """The last chosen column that combines into a column before it, and that column; None if there is
    none."""
    is_later = (np.abs(K) > SMALL) & (chosen[:, None] > rest)
    if not is_later.any():
        return None
    i = int(np.argmax(np.where(is_later.any(axis=1), chosen, -1)))
    return i, int(np.argmax(np.where(is_later[i], np.abs(K[i]), 0.0)))


def _table(products: Products, has_intercept: bool) -> tuple[Floats, Floats]:
    """Σ s z zᵀ and Σ s z r of the columns of z."""
    if has_intercept:
        return products.S, products.c
    statistics = products.statistics(False)
    return statistics.G, statistics.c

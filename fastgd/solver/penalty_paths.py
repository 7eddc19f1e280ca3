"""The optima of squared errors for many penalties, from the products of the rows.

With an intercept the table is that of centred rows, since the optimal intercept is mean(y) − mean(x)·w. The
optima are v = w − w_ref: near an exact fit v has digits that w lacks.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.engine.blocks import Floats
from fastgd.solver import blas, linalg
from fastgd.solver.linalg import EPS
from fastgd.solver.products import Products

ROUNDING = 16 * EPS
"""A residual below this share of its terms is a rounding error."""
REFINEMENTS = 3
N_PENALTIES, SHARE = 100, 1e-3
"""The automatic penalties: their number, and the smallest as a share of the largest (l1)."""


class Table(NamedTuple):
    """The cost of rows as a function of v = w − w_ref with the best intercept: (vᵀS v − 2 v·c + …)/total."""

    total: float
    S: Floats
    c: Floats
    w_ref: Floats

    @classmethod
    def of(cls, products: Products, fit_intercept: bool) -> Table:
        if fit_intercept:
            return cls(products.total, products.S, products.c, products.w_ref)
        statistics = products.statistics(False)
        return cls(statistics.n, statistics.G, statistics.c, statistics.w_ref)

    def optima(self, l1: Floats, l2: Floats) -> tuple[Floats, int]:
        """v (m, d) for each pair l1[k], l2[k], and how many pairs were not reached.

        Successive pairs should be neighbours, the strongest first: each descent starts at the last optimum.
        """
        out = np.empty((len(l1), len(self.c)))
        has_l1 = l1 > 0.0
        if not has_l1.all():
            out[~has_l1] = self._without_l1(l2[~has_l1])
        if not has_l1.any():
            return out, 0
        from fastgd.kernels import l1_path

        found = np.empty((np.count_nonzero(has_l1), len(self.c)))
        missed = l1_path.optima(self.S, self.c, self.total, self.w_ref, l1[has_l1], l2[has_l1], found)
        out[has_l1] = found
        return out, missed

    def _without_l1(self, l2: Floats) -> Floats:
        """v for each l2: (S + κ) v = c − κ w_ref with κ = total·l2/2. Without l2 the shortest w."""
        values, n_solved = np.unique(l2, return_inverse=True)
        v, is_done = self._by_eigenvectors(0.5 * self.total * values)
        for k in np.flatnonzero(~is_done):
            kappa = 0.5 * self.total * values[k]
            table = linalg.factor(self.S + kappa * np.eye(len(self.c)))
            v[k] = table.solve(self.c - kappa * self.w_ref)
            v[k] -= table.null_part(self.w_ref + v[k])
        return v[n_solved]

    def _by_eigenvectors(self, kappa: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """v for each κ from one factorisation S = Q diag(λ) Qᵀ, and whether v has all its digits.

        Residuals refine v. It keeps an error if columns have unlike units, or S + κ is nearly singular.
        """
        S, units = self.S, np.sqrt(np.diag(self.S))
        right = self.c - kappa[:, None] * self.w_ref
        with blas.one_thread(), np.errstate(all="ignore"):
            values, Q = np.linalg.eigh(S)
            shifted = np.maximum(values, 0.0) + kappa[:, None]
            v, is_done = np.zeros(right.shape), np.zeros(len(kappa), np.bool_)
            for _ in range(REFINEMENTS):
                rest = right - v @ S - kappa[:, None] * v
                v = v + ((rest @ Q) / shifted) @ Q.T
            rest = right - v @ S - kappa[:, None] * v
            size = (
                np.outer(np.abs(v) @ units, units) + np.abs(self.c) + kappa[:, None] * np.abs(self.w_ref + v)
            )
            is_done = (np.abs(rest) <= ROUNDING * size).all(axis=1) & (kappa > len(S) * EPS * values[-1])
        return v, is_done


def automatic_l1(
    products: Products, fit_intercept: bool, n: int = N_PENALTIES, share: float = SHARE
) -> Floats:
    """n penalties from the least one without weights, max |∂cost/∂w| at w = 0, down to a share of it."""
    table = Table.of(products, fit_intercept)
    with blas.one_thread():
        largest = 2.0 * float(np.max(np.abs(table.c + table.S @ table.w_ref))) / table.total
    return _descending(largest, share * largest, n)


def automatic_l2(
    products: Products, fit_intercept: bool, n: int = N_PENALTIES, share: float = SHARE
) -> Floats:
    """n penalties from the largest eigenvalue of the Hessian down to a share of the smallest above 0.

    The first halves the weights at least, and the last changes them by less than this share.
    """
    table = Table.of(products, fit_intercept)
    smallest, largest = linalg.extreme_eigenvalues(2.0 * table.S / table.total)
    return _descending(largest, share * max(smallest, EPS * largest), n)


def _descending(largest: float, smallest: float, n: int) -> Floats:
    if not largest > 0.0:  # no column explains anything: any penalty does
        return np.full(n, float(np.finfo(np.float64).resolution))
    return np.geomspace(largest, max(smallest, math.ulp(0.0)), n) if n > 1 else np.array([largest])

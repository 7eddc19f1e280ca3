"""The problem of every group at once: scaling, statistics for θ, metric and curvature.

Each group has the problem of `solver/problem.py`, here in stacked arrays: the first axis is that of the
groups, d the number of columns and p that of parameters θ. Results agree with a group's own to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastgd.engine.blocks import Floats
from fastgd.engine.threads import Team
from fastgd.lazy import lazy_property
from fastgd.solver import blas, curvature, summarized
from fastgd.solver.curvature import SLOWEST
from fastgd.solver.groups import GroupedSummary, in_threads
from fastgd.solver.linalg import NULL, RANK_TOLERANCE
from fastgd.solver.objective import Objective, UpdateRule
from fastgd.solver.problem import OFF

Flags = NDArray[np.bool_]


MOST_GROUPS = 256


def pieces(n_groups: int, most: int = MOST_GROUPS) -> list[tuple[int, int]]:
    """Runs of at most so many groups."""
    return [(k, min(k + most, n_groups)) for k in range(0, n_groups, most)]


@dataclass
class GroupedProblem:
    """The statistics of all groups for θ, and what follows from them."""

    grouped: GroupedSummary
    objective: Objective
    n_threads: int | None = None

    def __post_init__(self) -> None:
        p, objective = self.grouped.products, self.objective
        self.n = np.asarray(p.total)
        self.d, self.has_intercept = p.c.shape[1], objective.fit_intercept
        self.size = self.d + self.has_intercept
        mean = p.x_ref + p.offset
        is_centred = objective.is_standardized and self.has_intercept
        self.shift = mean if is_centred else np.zeros_like(mean)
        self.about = mean - self.shift
        self.table = p.S + self.n[:, None, None] * _outer(self.about)
        """Σ s (x − shift)(x − shift)ᵀ."""
        self.scale = self._scale() if objective.is_standardized else np.ones_like(mean)
        self.l1, self.l2 = objective.l1 * self.scale, objective.l2 * self.scale**2
        if self.has_intercept:
            self.l1, self.l2 = (np.pad(part, ((0, 0), (0, 1))) for part in (self.l1, self.l2))
        self._set_statistics()

    def _scale(self) -> Floats:
        """1/√(variance + l2/2), or 0 for constant columns."""
        variance = np.diagonal(self.table, axis1=1, axis2=2) / self.n[:, None]
        ridge = 0.5 * self.objective.l2
        return np.where(variance > 0.0, 1.0 / np.sqrt(np.where(variance > 0.0, variance + ridge, 1.0)), 0.0)

    def _set_statistics(self) -> None:
        """G, c and s about θ_ref, including l2."""
        p, d, m, n = self.grouped.products, self.d, self.about, self.n
        r_mean = np.asarray(p.r_mean)
        self.at_zero = p.y_ref - np.sum(p.x_ref * p.w_ref, axis=1)
        """The score of the reference at x = 0."""
        if not self.has_intercept:
            r_mean = r_mean + self.at_zero
        self.w_ref = p.w_ref * (self.scale != 0.0)
        sums = m * self.scale * n[:, None]
        G, c = np.zeros((len(n), self.size, self.size)), np.empty((len(n), self.size))
        theta = np.zeros_like(c)
        G[:, :d, :d] = self.table * _outer(self.scale)
        c[:, :d] = (p.c * self.scale) + sums * r_mean[:, None]
        np.divide(p.w_ref, self.scale, out=theta[:, :d], where=self.scale != 0.0)
        if self.has_intercept:
            G[:, d, :d] = G[:, :d, d] = sums
            G[:, d, d], c[:, d] = n, n * r_mean
            theta[:, d] = p.y_ref + np.sum((self.shift - p.x_ref) * p.w_ref, axis=1)
        s = p.s + n * r_mean**2
        half = 0.5 * n[:, None] * self.l2
        squares = s + np.sum(half * theta**2, axis=1)
        if self.objective.l2:  # about weights 0 where the penalised cost is lower there
            v = np.zeros_like(theta)
            v[:, :d] = -theta[:, :d]
            moved = c - np.einsum("gij,gj->gi", G, v)
            at_zero = np.maximum(0.0, s - np.sum(v * (c + moved), axis=1))
            is_moved = at_zero < squares
            c[is_moved], squares[is_moved] = moved[is_moved], at_zero[is_moved]
            theta[is_moved, :d], self.w_ref[is_moved] = 0.0, 0.0
        G[:, range(self.size), range(self.size)] += half
        self.G, self.c, self.s, self.theta_ref = G, c - half * theta, squares, theta

    def refuse_off(self) -> None:
        """Refuse columns whose weights lose their digits beside the intercept, or that overflow."""
        if not (np.isfinite(self.G).all() and np.isfinite(self.s).all()):
            summarized.refuse_off()
        if self.has_intercept and not self.objective.is_standardized:
            variance = np.diagonal(self.grouped.products.S, axis1=1, axis2=2) / self.n[:, None]
            if ((variance > 0.0) & (self.about**2 > OFF * variance)).any():
                summarized.refuse_off()

    def theta(self, w: Floats, intercept: float) -> Floats:
        """θ of w and intercept, for each group."""
        theta = np.zeros((len(self.n), self.size))
        np.divide(w, self.scale, out=theta[:, : self.d], where=self.scale != 0.0)
        if self.has_intercept:
            theta[:, self.d] = intercept + np.sum(self.shift * w, axis=1)
        return theta

    def model(self, v: Floats) -> tuple[Floats, Floats]:
        """w and intercept of θ_ref + v, with all digits of v."""
        d, moved = self.d, v[:, : self.d] * self.scale
        w = np.where(v[:, :d] == -self.theta_ref[:, :d], 0.0, self.w_ref + moved)
        if not self.has_intercept:
            return w, np.zeros(len(v))
        dropped = np.sum((self.grouped.products.w_ref - self.w_ref) * self.shift, axis=1)
        return w, self.at_zero + dropped + (v[:, d] - np.sum(moved * self.shift, axis=1))

    # Curvature --------------------------------------------------------------------------------------------

    @lazy_property
    def _data_rank(self) -> NDArray[np.int64]:
        """The rank of the columns, about their means if there is an intercept."""
        p = self.grouped.products
        table = p.S if self.has_intercept else self.table
        return self._inverted(table)[0] + self.has_intercept

    @property
    def is_determined(self) -> Flags:
        """Whether the rows of each group determine all its weights."""
        return self._data_rank == self.size

    @lazy_property
    def rank(self) -> NDArray[np.int64]:
        """The rank of G, which includes l2."""
        if not self.objective.l2:
            return self._data_rank
        return np.count_nonzero(self.scale, axis=1) + self.has_intercept

    @lazy_property
    def metric(self) -> Floats:
        """The pseudo-inverse of G/n, or no table without preconditioning."""
        if not self.objective.precondition:
            return np.empty((0, self.size, self.size))
        H = self.G / self.n[:, None, None]
        ranks, metric = self._inverted(H, len(H))
        is_few = np.minimum(ranks, self.rank) < self.size
        if is_few.any():
            with blas.one_thread():
                values, vectors = np.linalg.eigh(H[is_few])
                is_kept = np.arange(self.size) >= self.size - self.rank[is_few, None]
                inverse = np.where(is_kept, 1.0 / np.where(is_kept, values, 1.0), 0.0)
                metric[is_few] = (vectors * inverse[:, None, :]) @ np.swapaxes(vectors, 1, 2)
        return metric

    @lazy_property
    def curvatures(self) -> tuple[Floats, Floats]:
        """The least eigenvalue of the Hessian that is not 0, and the largest; in the metric both are 2."""
        if self.objective.precondition:
            both = np.where(self.rank > 0, 2.0, 0.0)
            return both, both
        return self._extremes(2.0 / self.n[:, None, None] * self.G, self.rank)

    def auto_rates(self, rule: UpdateRule) -> Floats:
        """The rate of learning_rate="auto" of each group."""
        smallest, largest = self.curvatures
        if rule.nesterov or rule.momentum or self.objective.l1:
            rates = 1.0 / np.where(largest > 0.0, largest, 1.0)
        else:
            sums = largest + np.maximum(SLOWEST * largest, smallest)
            rates = 2.0 / np.where(largest > 0.0, sums, 2.0)
        return rates

    @lazy_property
    def units(self) -> Floats:
        """√H_jj, as in `Problem`."""
        return np.sqrt(2.0 / self.n[:, None] * np.diagonal(self.G, axis1=1, axis2=2))

    def least_alike(self) -> Floats:
        """The least eigenvalue that is not 0 of H in like units."""
        units = np.where(self.units > 0.0, self.units, 1.0)
        H = 2.0 / self.n[:, None, None] * self.G
        smallest, largest = self._extremes(H / (units[:, :, None] * units[:, None, :]), self.rank)
        if self.has_intercept and not self.objective.is_standardized:
            for k in np.flatnonzero(~(smallest > NULL * self.size * largest)).tolist():
                parted = curvature.parted(self.G[k] / self.n[k], np.zeros(self.d))
                smallest[k] = curvature.least_in_units(H[k], self.units[k], parted, self.l2[k])
        return np.maximum(smallest, 0.0)

    def _inverted(self, tables: Floats, n_inverses: int = 0) -> tuple[NDArray[np.int64], Floats]:
        """The ranks of tables, and their inverses if they are asked for."""
        from fastgd.kernels import groups as kernels

        ranks = np.empty(len(tables), np.int64)
        tables, inverses = np.ascontiguousarray(tables), np.zeros((n_inverses, *tables.shape[1:]))

        def task(first: int, last: int, _team: Team) -> None:
            part = slice(first, last)
            kernels.invert(tables[part], RANK_TOLERANCE, ranks[part], inverses[part])

        in_threads(task, pieces(len(tables)), self.n_threads)
        return ranks, inverses

    def _extremes(self, H: Floats, rank: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """The smallest eigenvalue that is not 0, and the largest, of tables of these ranks."""
        values = np.empty(H.shape[:2])

        def task(first: int, last: int, _team: Team) -> None:
            values[first:last] = np.linalg.eigvalsh(H[first:last])

        with blas.one_thread():
            in_threads(task, pieces(len(H)), self.n_threads)
        first = np.minimum(H.shape[1] - rank, H.shape[1] - 1)
        return np.asarray(values[np.arange(len(H)), first]), np.asarray(values[:, -1])

    def conditions(self) -> Floats:
        """Upper bounds of `caveats.condition`."""
        table = self.grouped.products.S if self.has_intercept else self.table
        variance = np.diagonal(table, axis1=1, axis2=2) / self.n[:, None]
        offset = self.about**2 * self.has_intercept
        variance = np.where(variance > 0.0, variance, np.nan)
        with np.errstate(all="ignore"):
            largest, smallest = np.fmax.reduce(variance + offset, axis=1), np.fmin.reduce(variance, axis=1)
            if self.has_intercept:
                largest = np.maximum(largest, 1.0)
                smallest = np.minimum(smallest, 1.0 / np.fmax.reduce(1.0 + offset / variance, axis=1))
            return np.asarray(largest / smallest)


def _outer(v: Floats) -> Floats:
    return v[:, :, None] * v[:, None, :]

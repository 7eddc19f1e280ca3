"""Means and squares of the columns: what standardized coordinates are made of."""

from __future__ import annotations

import numpy as np

from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats
from fastgd.lazy import lazy_property
from fastgd.solver.centred import Centred
from fastgd.solver.seen import Seen
from fastgd.solver.statistics import FAR
from fastgd.solver.steppers.streaming import leaf_rows


class Moments(Centred):
    """The moments of the rows; each is computed at its first use, by a read."""

    seen: Seen | None
    """The moments of the rows of all calls of partial_fit, these included."""

    @lazy_property
    def _centred_moments(self) -> tuple[Floats, Floats, Floats]:
        """x_ref, Σ s u and Σ s u², u = x − x_ref; x_ref is 0 where columns are taken as they are."""
        if not self.objective.is_standardized:
            x_ref = np.zeros(self.rows.d)
            return x_ref, x_ref, self._read_moments(x_ref)[1]
        x_ref = self.x_ref() if self._given is None else self._given.x_ref
        return x_ref, *self._moments(x_ref)

    @np.errstate(over="ignore", invalid="ignore")
    def moments(self) -> Seen:
        """The moments of the rows, by themselves."""
        total, (x_ref, sums, squares) = self.total, self._centred_moments
        squares = np.maximum(squares - sums * sums / total, 0.0)
        return Seen(self.rows.n, total, x_ref + sums / total, squares)

    @property
    def known_moments(self) -> Seen | None:
        """The moments of all rows so far, where a read has computed them."""
        if self.seen is None and "_centred_moments" not in vars(self):
            return None
        return self.seen or self.moments()

    @np.errstate(over="ignore", invalid="ignore")
    def _moments(self, x_ref: Floats) -> tuple[Floats, Floats]:
        """Σ s u and Σ s u², u = x − x_ref (about a better one where that is due)."""
        sums, squares = self._read_moments(x_ref)
        if not self.objective.fit_intercept:
            return 0.0 * sums, squares
        m = sums / self.total
        if (m * m * FAR > squares / self.total - m * m).any():
            better = self._read_moments(x_ref + m)
            # Moved back exactly enough: the variance is what must keep its digits.
            squares = better[1] - self.total * (better[0] / self.total) ** 2
            m = m + better[0] / self.total
            return m * self.total, squares + self.total * m * m
        return sums, squares

    def _read_moments(self, x_ref: Floats) -> tuple[Floats, Floats]:
        self.passes += 1
        rows, d = self.rows, self.rows.d
        if self._backend == "python":
            table = np.array(self.transformed(x_ref, np.ones(d)).lists()[0])[:, :d]
            weights = rows.lists()[2]
            roots = np.sqrt(weights)[:, None] if weights else 1.0
            return np.sum(table * roots, axis=0), np.sum(table * table, axis=0)
        from fastgd.kernels import prepare

        def task(_start: int, X: Array, _y: Array, weights: Floats) -> Floats:
            return prepare.moments(X, weights, x_ref, leaf_rows(d))

        sums = reduce.fold(rows, task, self._n_threads, 1 + 2 * d)
        if not np.isfinite(sums).all():
            rows.refuse_nonfinite()
        return sums[1 : d + 1], sums[d + 1 :]

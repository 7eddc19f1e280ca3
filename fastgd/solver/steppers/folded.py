"""The cost of any loss, and its gradient, by one fold over the rows."""

from __future__ import annotations

import numpy as np

from fastgd.data.dataset import Table
from fastgd.data.transform import TransformedRows
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats
from fastgd.losses import Loss
from fastgd.solver.scaling import Scaling, plain
from fastgd.solver.steppers.base import OVERFLOW_IS_SEEN
from fastgd.solver.steppers.streaming import leaf_rows

_NONE: Floats = np.empty(0)
FAR_OFF = 2.0**10
"""Of columns that lie so many deviations from 0, Σ φ x − shift Σ φ would lose more than ten bits: their rows
are centred as they are read."""


class FoldedObjective:
    """(1/Σ s) Σ s·loss at θ, and its gradient there or at another point, in one read; without penalties."""

    def __init__(
        self,
        rows: Table,
        loss: Loss,
        scaling: Scaling,
        n_threads: int | None,
    ):
        from fastgd.kernels import scored

        self._kernels, self._loss = scored, loss
        self._rows: Table = rows
        self._scaling, self._n_threads = scaling, n_threads
        if (np.abs(scaling.shift) * scaling.scale > FAR_OFF).any():
            self._rows = TransformedRows(
                rows, scaling.shift, scaling.scale, has_ones=False, is_weighted=False
            )
            self._scaling = plain(rows.d, scaling.has_intercept)

    @OVERFLOW_IS_SEEN
    def __call__(self, theta: Floats, at: Floats | None = None) -> tuple[float, Floats]:
        """The cost at θ, and the gradient at `at` (at θ by default)."""
        to, kernels, leaf, loss = self._scaling, self._kernels, leaf_rows(self._rows.d), self._loss
        w, intercept = to.model(theta)
        w_at, intercept_at = (_NONE, _NONE.sum()) if at is None else to.model(at)
        point = w, float(intercept), w_at, float(intercept_at)

        def task(_start: int, X: Array, y: Array, weights: Floats) -> Floats:
            return kernels.run(X, y, weights, *point, loss, leaf)

        sums = reduce.fold(self._rows, task, self._n_threads, self._rows.d + 2)
        sums /= self._rows.total_weight
        return float(sums[0]), to.gradient(sums[2:], float(sums[1]))

"""Statistics and maps with a reference that moves when digits would be lost."""

from __future__ import annotations

import numpy as np

from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.solver.cost import SquaredCost
from fastgd.solver.curvature import table_of
from fastgd.solver.maps import AffineMaps, read_maps
from fastgd.solver.statistics import Reference, Statistics, first_reference, read_statistics

FIRST, AT_WEIGHTS, AT_OPTIMUM = 0, 1, 2
"""Stages of the reference: from the first rows, moved to weights of a run, moved to the optimum. It moves
forward only."""


class Summaries:
    """Statistics of rows for runs that begin near `start`, and the maps of SGD, by one pass in most cases.

    The first reference comes from the first rows and `start`. `recentre` reads the data again about a better
    one. `n_passes` counts the passes.
    """

    def __init__(
        self,
        rows: Dataset,
        start: Floats,
        backend: Backend,
        n_threads: int | None,
        saved: Reference | None = None,
    ):
        """`saved` is the reference of an earlier run, used if the data is the same."""
        self._rows, self._start, self._backend, self._n_threads = rows, start, backend, n_threads
        is_alike = saved is not None and not len(saved.x_ref) and len(saved.w_ref) == rows.d
        self._saved = saved if is_alike else None
        self._reference: Floats | None = None
        self._statistics: Statistics | None = None
        self._maps: AffineMaps | None = None
        self.stage = FIRST
        self.n_passes = 0

    @property
    def has_statistics(self) -> bool:
        return self._statistics is not None

    @property
    def statistics(self) -> Statistics:
        if self._statistics is None:
            self._read(None)
        assert self._statistics is not None
        return self._statistics

    def maps(self, rates: Floats) -> AffineMaps:
        """The maps of all blocks for these ascending rates. The same pass makes the statistics."""
        if self._maps is None:
            self._read(rates)
        assert self._maps is not None
        return self._maps

    @property
    def reference(self) -> Reference | None:
        """The reference for a run that continues this one."""
        return self._saved if self._statistics is None else self._statistics.reference

    def move_reference(self, w_ref: Floats, stage: int) -> None:
        """Move the reference to w_ref as an earlier process did, unless this one has done so."""
        if w_ref.shape != self._start.shape or stage not in (AT_WEIGHTS, AT_OPTIMUM):
            raise ValueError
        self.recentre(w_ref, stage)

    def recentre(self, w_ref: Floats | None = None, stage: int = AT_OPTIMUM) -> bool:
        """Read the data again about w_ref, by default the optimum; False after the last time."""
        if self.stage == AT_OPTIMUM:
            return False
        self.stage = stage
        w_ref = self.statistics.optimum() if w_ref is None else w_ref
        rates = None if self._maps is None else self._maps.rates
        self._maps = None
        self._read_about(w_ref, rates)
        return True

    def cost_with_digits(self, w: Floats) -> float:
        """The cost at w by the statistics, which are read again about the optimum if it would lose digits."""
        cost = self.statistics.cost(w)
        if self.statistics.is_far_from(cost) and self.recentre():
            cost = self.statistics.cost(w)
        return cost

    def cost(self, w: Floats) -> float:
        """The cost at w, from existing statistics if they hold its digits, otherwise by a pass."""
        if self.has_statistics and self.statistics.is_finite:
            cost = self.cost_with_digits(w)
            if self.statistics.error(w) <= 1e-9 * cost:
                return cost
        self.n_passes += 1
        if self._backend == "python":
            with np.errstate(all="ignore"):
                residual = table_of(self._rows) @ w - self._rows.y
                return float(residual @ residual) / self._rows.n
        return SquaredCost(self._rows, self._n_threads)(w)[0]

    def optimum(self) -> tuple[Floats, float]:
        """Weights with the least cost, and that cost."""
        w = self.statistics.optimum()
        if self._backend == "python":
            residual = table_of(self._rows) @ w - self._rows.y
            return w, float(residual @ residual) / self.statistics.n
        cost = self.statistics.cost(w)
        if self.statistics.is_far_from(cost) and self.recentre():
            w = self.statistics.optimum()
            cost = self.statistics.cost(w)
        return w, cost

    def table(self) -> Floats:
        """XᵀX. For one block it is read about `start`, since XᵀX does not depend on the reference."""
        if self.has_statistics or not self._rows.is_one_block or self._backend == "python":
            return self.statistics.G
        self.n_passes += 1
        return read_statistics(self._rows, self._start, 1, self._backend).G

    def _read(self, rates: Floats | None) -> None:
        """The first pass, about the saved reference if the data is the same."""
        if self._saved is not None:
            self._read_about(self._saved.w_ref, rates)
            saved, self._saved = self._saved, None
            if saved.squares == self.statistics.s:
                self.stage, self._reference = AT_OPTIMUM, saved.w_ref
                return
        if self._reference is None:
            is_plain = self._backend == "python"
            self._reference = (
                np.zeros(len(self._start)) if is_plain else first_reference(self._rows, self._start)
            )
        self._read_about(self._reference, rates)

    def _read_about(self, w_ref: Floats, rates: Floats | None) -> None:
        self.n_passes += 1
        if rates is None:
            self._statistics = read_statistics(self._rows, w_ref, self._n_threads, self._backend)
            return
        self._maps = read_maps(self._rows, w_ref, rates, self._n_threads)
        self._statistics = self._maps.statistics
        if not self._statistics.is_finite:
            self._rows.refuse_nonfinite()

"""Blocks of SGD steps as affine maps: any number of epochs in order, or by blocks, from one pass.

The maps act on u = w − w_ref. See `solver/statistics.py` for the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats, Kept, Rows, block_rows
from fastgd.lazy import lazy_property
from fastgd.solver.statistics import Statistics, effort, node_size, unpacked

GROWTH = 2.0**8
"""Maps whose steps may amplify a difference by more than this lose digits, since differences cancel."""
MAPS_BYTES = 32_000_000


@dataclass
class AffineMaps:
    """Blocks of SGD steps as maps u ← a u + b of u = w − w_ref, for each of K rates.

    a is (K, blocks, d, d) and b is (K, blocks, d). growth (K, blocks) bounds the amplification of a
    difference by the steps within a block. last_x (blocks, d) and last_y (blocks,) are the last rows of the
    blocks. (Composition: Maleki, Musuvathi, Mytkowicz, arXiv 1705.08030, here exact up to rounding.)
    """

    statistics: Statistics
    rates: Floats
    a: Floats
    b: Floats
    growth: Floats
    last_x: Floats
    last_y: Floats
    _composed: dict[int, tuple[Floats, Floats] | None] = field(default_factory=dict)

    @lazy_property
    def is_safe(self) -> NDArray[np.bool_]:
        """(K, blocks): whether the map of a block has the digits of its steps. Other blocks are scanned."""
        is_finite = np.isfinite(self.b).all(axis=2) & np.isfinite(self.a).all(axis=(2, 3))
        return is_finite & (self.growth <= GROWTH)

    def composed(self, k: int) -> tuple[Floats, Floats] | None:
        """The map of all blocks in order for rate k, a (1, d, d) and b (1, d); None if it would lose
        digits."""
        from fastgd.kernels import epochs

        if k not in self._composed:
            d = self.b.shape[2]
            a, b = np.empty((1, d, d)), np.empty((1, d))
            safe = bool(self.is_safe[k].all()) and epochs.compose_all(
                self.a[k], self.b[k], self.growth[k], GROWTH, a[0], b[0]
            )
            self._composed[k] = (a, b) if safe else None
        return self._composed[k]


def maps_bytes(n: int, d: int, n_rates: int) -> int:
    """The size of the maps of n rows in bytes."""
    return 8 * (d * d + d + 1) * n_rates * -(-n // block_rows(d))


def read_maps(
    rows: Rows, w_ref: Floats, rates: Sequence[float] | Floats, n_threads: int | None
) -> AffineMaps:
    """The maps of all blocks for each rate, and the statistics, in one pass."""
    from fastgd.kernels import maps, stretches

    d, block = rows.d, block_rows(rows.d)
    n_blocks, n_rates = -(-rows.n // block), len(rates)
    a, b = np.empty((n_rates, n_blocks, d, d)), np.empty((n_rates, n_blocks, d))
    growth = np.empty((n_rates, n_blocks))
    last_x, last_y = np.empty((n_blocks, d)), np.empty(n_blocks)
    rates = np.ascontiguousarray(rates, dtype=np.float64)
    kept = Kept([a, b, growth, last_x, last_y], [1, 1, 1, 0, 0], block)

    def task(_start: int, X: Array, y: Array, _weights: Floats, *parts: Floats) -> Floats:
        a, b, growth, last_x, last_y = parts
        last = np.minimum(np.arange(1, len(last_y) + 1) * block, len(y)) - 1
        last_x[:], last_y[:] = X[last], y[last]
        if d == 1:
            line = a[:, :, 0, 0], b[:, :, 0], growth
            return maps.run_1d(X.reshape(-1), y, w_ref[0], rates, block, *line)
        return stretches.run(X.reshape(-1), y, w_ref, rates, block, a, b, growth)

    sums = reduce.reduce(rows, task, n_threads, node_size(d), effort(d, n_rates), kept=kept)
    return AffineMaps(unpacked(sums, rows.n, w_ref), rates, a, b, growth, last_x, last_y)

"""Rows in other coordinates, made while they are read: centred, scaled, weighted, with a column of ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import reference
from fastgd.data.arrays import Table
from fastgd.engine import Array, Floats, RandomReader, block_rows

RUN_NUMBERS = 1 << 15
"""A thread's buffer of so many numbers stays in its second-level cache."""
NO_WEIGHTS: Floats = np.empty(0)


class TransformedRows:
    """The rows √s·[(x − shift)·scale, 1], √s·y of `rows`; nothing is copied but a run at a time."""

    is_scalar = False

    def __init__(
        self,
        rows: Table,
        shift: Floats,
        scale: Floats,
        *,
        has_ones: bool,
        weights: Floats = NO_WEIGHTS,
    ):
        self._rows, self._shift, self._scale, self._weights = rows, shift, scale, weights
        self.n, self.d = rows.n, rows.d + has_ones
        self.row_bytes = 8 * (self.d + 1)
        self.is_one_block = self.n <= block_rows(self.d)
        self.run_numbers = RUN_NUMBERS

    @property
    def y(self) -> NDArray[Any]:
        return self._rows.y

    @property
    def X(self) -> Floats:  # noqa: N802 - as the rows of arrays have it
        """The whole table, for plain Python."""
        return np.array(self.lists()[0])

    def reader(self) -> TransformedReader:
        return TransformedReader(self, self._rows.reader())

    def whole(self) -> tuple[Array, Array]:
        return self.reader().read(0, self.n)

    def lists(self) -> tuple[list[list[float]], list[float]]:
        xs, ys = self._rows.lists()
        if self._rows.is_scalar:
            xs = [[x] for x in xs]
        return reference.transformed(
            xs, ys, self._shift.tolist(), self._scale.tolist(), self._weights.tolist(), self.d > self._rows.d
        )

    def refuse_nonfinite(self) -> None:
        self._rows.refuse_nonfinite()


class TransformedReader:
    """Reads for one thread; what `read` returned is overwritten by the next."""

    def __init__(self, rows: TransformedRows, reader: RandomReader):
        self._rows, self._reader = rows, reader
        self._X, self._y = np.empty((0, rows.d)), np.empty(0)

    def read(self, start: int, stop: int) -> tuple[Array, Array]:
        return self._filled(*self._reader.read(start, stop), slice(start, stop))

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array]:
        return self._filled(*self._reader.take(order), order)

    def _filled(self, X: Array, y: Array, which: Any) -> tuple[Array, Array]:
        from fastgd.kernels import prepare

        rows = self._rows
        if len(self._y) < len(y):
            self._X, self._y = np.empty((len(y), rows.d)), np.empty(len(y))
        out, target = self._X[: len(y)], self._y[: len(y)]
        weights = rows._weights[which] if len(rows._weights) else NO_WEIGHTS
        prepare.fill(X, y, weights, rows._shift, rows._scale, out, target)
        out.flags.writeable = target.flags.writeable = False
        return out, target

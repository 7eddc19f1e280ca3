"""Rows of a table in memory whose columns lie apart: a run of them is put together when it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.data import rounding
from fastgd.data.arrays import CONVERTED_RUN_NUMBERS, ArrayRows, Column, as_array, check_shapes, read_only
from fastgd.data.frames import ColumnTable
from fastgd.engine.blocks import NOTHING, Array, Floats, Reader
from fastgd.lazy import lazy_property


class FrameRows(ArrayRows):
    """The rows of a data frame, and their targets."""

    def __init__(self, table: ColumnTable, y: Any):
        self._columns = table
        self.y = as_array("y", y)
        check_shapes((table.n, table.d), self.y.shape)
        table.warn_of_rounding("X")
        rounding.warn_of_rounded(("y", self.y))
        self.known_n, self.d = table.n, table.d
        self.row_bytes = self.d * table.dtype.itemsize + self.y.itemsize
        self.weights, self.has_weights = NOTHING, False
        self._target = read_only(self.y)
        self._is_direct = False
        self.run_numbers = CONVERTED_RUN_NUMBERS

    @lazy_property
    def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
        """A copy, for plain Python and for pictures."""
        return self._columns.whole()

    def reader(self) -> Reader:
        return FrameReader(self._columns, self._target, self.weights)


class FrameReader:
    """Reads for one thread; what `read` returned is overwritten by the next."""

    def __init__(self, table: ColumnTable, target: NDArray[Any], weights: Floats):
        self._table, self._target, self._weights = table, Column(target), weights
        self._room: Array = np.empty((0, table.d), table.dtype)

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        X = self._rows(stop - start)
        self._table.fill(start, stop, X)
        return read_only(X), self._target.read(start, stop), self._weights[start:stop]

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        X = self._rows(len(order))
        self._table.take(order, X)
        weights = self._weights[order] if len(self._weights) else NOTHING
        return read_only(X), self._target.take(order), weights

    def _rows(self, m: int) -> Array:
        if len(self._room) < m:
            self._room = np.empty((m, self._table.d), self._table.dtype)
        return self._room[:m]

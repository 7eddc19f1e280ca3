"""Rows in other coordinates, made while they are read: centred, scaled, weighted, with a column of ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import reference
from fastgd.data.arrays import ArrayReader
from fastgd.data.dataset import Dataset, View
from fastgd.engine.blocks import NOTHING, Array, Floats, Pass, Piece, Reader, Run, block_rows

RUN_NUMBERS = 1 << 15
"""A thread's buffer of so many numbers stays in its second-level cache."""


class TransformedRows(View):
    """The rows √s·[(x − shift)·scale, 1], √s·y of `rows`; nothing is copied but a run at a time.

    With is_weighted=False the weights s stay beside [(x − shift)·scale, 1], y.
    """

    def __init__(
        self, rows: Dataset, shift: Floats, scale: Floats, *, has_ones: bool, is_weighted: bool = True
    ):
        super().__init__(rows)
        self.shift, self.scale = shift, scale
        self.has_ones, self.is_weighted = has_ones, is_weighted
        self.d = rows.d + has_ones
        self.row_bytes = 8 * (self.d + 1)
        self.run_numbers = RUN_NUMBERS
        self.has_weights = rows.has_weights and not is_weighted
        self._block: tuple[Array, Array, Floats] | None = None

    def reader(self) -> Reader:
        if self.known_n is not None and self.known_n <= block_rows(self.rows.d):
            # One block is kept: it is made once, not once an epoch.
            if self._block is None:
                self._block = Filled(self)(*self.rows.head(self.known_n))
            return ArrayReader(*self._block)
        return TransformedReader(self, self.rows.reader())

    def begin(self, pieces: Iterable[Piece]) -> TransformedPass:
        return TransformedPass(self, self.rows.begin(pieces))

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        return Filled(self)(*self.rows.head(rows))

    def whole(self) -> tuple[Array, Array, Floats]:
        return Filled(self)(*self.rows.whole())

    def lists(self) -> tuple[list[list[float]], list[float], list[float]]:
        xs, ys, weights = self.rows.lists()
        if self.rows.is_scalar:
            xs = [[x] for x in xs]
        by = weights if self.is_weighted else []
        xs, ys = reference.transformed(xs, ys, self.shift.tolist(), self.scale.tolist(), by, self.has_ones)
        return xs, ys, [] if self.is_weighted else weights

    def over(self, base: Any) -> TransformedRows:
        return TransformedRows(
            self.rows.over(base), self.shift, self.scale, has_ones=self.has_ones, is_weighted=self.is_weighted
        )


class Filled:
    """Makes transformed rows for one thread; what it made is overwritten by the next."""

    def __init__(self, rows: TransformedRows):
        self._rows = rows
        self._X, self._y = np.empty((0, rows.d)), np.empty(0)

    def __call__(self, X: Array, y: Array, weights: Floats) -> tuple[Array, Array, Floats]:
        from fastgd.kernels import prepare

        rows = self._rows
        if len(self._y) < len(y):
            self._X, self._y = np.empty((len(y), rows.d)), np.empty(len(y))
        out, target = self._X[: len(y)], self._y[: len(y)]
        by = weights if rows.is_weighted else NOTHING
        prepare.fill(X, y, by, rows.shift, rows.scale, out, target)
        out.flags.writeable = target.flags.writeable = False
        return out, target, NOTHING if rows.is_weighted else weights


class TransformedReader:
    """Reads for one thread; what `read` returned is overwritten by the next."""

    def __init__(self, rows: TransformedRows, reader: Reader):
        self._filled, self._reader = Filled(rows), reader

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        return self._filled(*self._reader.read(start, stop))

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        return self._filled(*self._reader.take(order))


class TransformedPass:
    def __init__(self, rows: TransformedRows, reading: Pass):
        self._rows, self._reading = rows, reading

    def runs(self) -> Iterator[Run]:
        filled = Filled(self._rows)
        for start, X, y, weights in self._reading.runs():
            yield start, *filled(X, y, weights)

    def end(self) -> None:
        self._reading.end()

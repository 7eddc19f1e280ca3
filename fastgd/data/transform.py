"""Rows in other coordinates (centred, scaled, weighted, with a column of ones), computed as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import reference
from fastgd.data.arrays import ArrayReader
from fastgd.data.dataset import Dataset, View
from fastgd.engine.blocks import NOTHING, Array, Floats, Pass, Piece, Reader, Run, block_rows

Mapping = Callable[[Array, Array, Floats], tuple[Array, Array, Floats]]

RUN_NUMBERS = 1 << 15
"""A buffer of this many numbers fits in the second-level cache of a processor."""


class MappedRows(View):
    """Rows made from those of another dataset by a function of a run of rows. Only runs are copied."""

    def mapping(self) -> Mapping:
        """The function, for one thread: X, y and weights of a run to those of this dataset."""
        raise NotImplementedError

    def reader(self) -> Reader:
        return MappedReader(self.mapping(), self.rows.reader())

    def begin(self, pieces: Iterable[Piece]) -> MappedPass:
        return MappedPass(self, self.rows.begin(pieces))

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        return self.mapping()(*self.rows.head(rows))

    def whole(self) -> tuple[Array, Array, Floats]:
        return self.mapping()(*self.rows.whole())


class MappedReader:
    """A reader for one thread. Each call may overwrite the rows of the previous one."""

    def __init__(self, mapping: Mapping, reader: Reader):
        self._mapping, self._reader = mapping, reader

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        return self._mapping(*self._reader.read(start, stop))

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        return self._mapping(*self._reader.take(order))


class MappedPass:
    def __init__(self, rows: MappedRows, reading: Pass):
        self._rows, self._reading = rows, reading

    def runs(self) -> Iterator[Run]:
        mapping = self._rows.mapping()
        for start, X, y, weights in self._reading.runs():
            yield start, *mapping(X, y, weights)

    def end(self) -> None:
        self._reading.end()


class ShiftedTargets(MappedRows):
    """Rows with the targets y − y_ref."""

    def __init__(self, rows: Dataset, y_ref: float):
        super().__init__(rows)
        self.d, self.row_bytes, self.run_numbers = rows.d, rows.row_bytes, rows.run_numbers
        self.is_scalar, self.y_ref = rows.is_scalar, y_ref

    def mapping(self) -> Mapping:
        return lambda X, y, weights: (X, y.astype(np.float64) - self.y_ref, weights)

    def lists(self) -> tuple[list[Any], list[float], list[float]]:
        X, y, weights = self.rows.lists()
        return X, [target - self.y_ref for target in y], weights

    def over(self, base: Any) -> ShiftedTargets:
        return ShiftedTargets(self.rows.over(base), self.y_ref)


class TransformedRows(MappedRows):
    """The rows √s·[(x − shift)·scale, 1] and √s·y of another dataset.

    With is_weighted=False the rows are [(x − shift)·scale, 1] and y, and the weights s are kept.
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

    def mapping(self) -> Mapping:
        return Filled(self)

    def reader(self) -> Reader:
        if self.known_n is not None and self.known_n <= block_rows(self.rows.d):
            # A single block is computed once and kept.
            if self._block is None:
                self._block = self.head(self.known_n)
            return ArrayReader(*self._block)
        return super().reader()

    @property
    def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
        return np.array(self.lists()[0])

    def lists(self) -> tuple[list[list[float]], list[float], list[float]]:
        xs, ys, weights = self.rows.lists()
        if self.rows.is_scalar:
            xs = [[x] for x in xs]
        factors = weights if self.is_weighted else []
        shift, scale = self.shift.tolist(), self.scale.tolist()
        xs, ys = reference.transformed(xs, ys, shift, scale, factors, self.has_ones)
        return xs, ys, [] if self.is_weighted else weights

    def over(self, base: Any) -> TransformedRows:
        return TransformedRows(
            self.rows.over(base), self.shift, self.scale, has_ones=self.has_ones, is_weighted=self.is_weighted
        )


class Filled:
    """Transforms runs of rows for one thread. Each run overwrites the previous one."""

    def __init__(self, rows: TransformedRows):
        self._rows = rows
        self._X, self._y = np.empty((0, rows.d)), np.empty(0)

    def __call__(self, X: Array, y: Array, weights: Floats) -> tuple[Array, Array, Floats]:
        from fastgd.kernels import prepare

        rows = self._rows
        if len(self._y) < len(y):
            self._X, self._y = np.empty((len(y), rows.d)), np.empty(len(y))
        out, target = self._X[: len(y)], self._y[: len(y)]
        factors = weights if rows.is_weighted else NOTHING
        prepare.fill(X, y, factors, rows.shift, rows.scale, out, target)
        out.flags.writeable = target.flags.writeable = False
        return out, target, NOTHING if rows.is_weighted else weights

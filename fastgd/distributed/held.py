"""The rows of a table that one process holds, with their row numbers in the whole table."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.data.arrays import read_only
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import NOTHING, Array, Floats, Pass, Piece, RunsAnywhere, block_rows

LEAST_ALIGNED = 1024
"""Equals `statistics.ROWS_TOGETHER`. Only the last node of a reduction may have fewer rows."""
RUN_NUMBERS = 1 << 21
CONVERTED_NUMBERS = 1 << 17
BORROWED = 16
"""Arrays that other objects hold too count only this fraction of their size, since Dask counts them there."""


def aligned_rows(d: int) -> int:
    """If rows are cut at multiples of this number, every reduction has whole nodes, also for views with one
    more column."""
    return max(block_rows(d), LEAST_ALIGNED)


class Shape(Dataset):
    """The shape of a table without its rows. Views are sent to workers over a Shape."""

    known_n: int
    passes: int = 0

    def __init__(
        self,
        n: int,
        d: int,
        is_scalar: bool,
        has_weights: bool,
        row_bytes: int,
        dtypes: tuple[np.dtype[Any], np.dtype[Any]],
    ):
        self.known_n = n
        self.d, self.is_scalar, self.has_weights, self.row_bytes = d, is_scalar, has_weights, row_bytes
        self.dtypes = dtypes
        """The dtypes of X and y in kernels."""
        self.run_numbers = RUN_NUMBERS


@dataclass(slots=True)
class Stretch:
    """Consecutive rows in arrays: X (m, d), y (m,), weights (m,) or (0,)."""

    start: int
    X: NDArray[Any]
    y: NDArray[Any]
    weights: Floats

    @property
    def stop(self) -> int:
        return self.start + len(self.y)

    def is_direct(self, dtypes: tuple[np.dtype[Any], np.dtype[Any]]) -> bool:
        """Whether kernels can read the arrays without a copy."""
        return all(
            part.dtype == dtype and part.flags.c_contiguous and part.flags.aligned
            for part, dtype in zip((self.X, self.y), dtypes, strict=True)
        )

    @property
    def nbytes(self) -> int:
        return self.X.nbytes + self.y.nbytes + self.weights.nbytes


class Held(Shape):
    """Some stretches of the rows of a table. Other processes hold the rows between them."""

    def __init__(self, shape: Shape, stretches: Iterable[Stretch], is_owner: bool):
        super().__init__(shape.n, shape.d, shape.is_scalar, shape.has_weights, shape.row_bytes, shape.dtypes)
        self._stretches = sorted(stretches, key=lambda stretch: stretch.start)
        self._starts = [stretch.start for stretch in self._stretches]
        self._is_owner = is_owner
        if not all(stretch.is_direct(self.dtypes) for stretch in self._stretches):
            self.run_numbers = CONVERTED_NUMBERS

    def __sizeof__(self) -> int:
        return 1000 + sum(stretch.nbytes for stretch in self._stretches) // (
            1 if self._is_owner else BORROWED
        )

    def with_more(self, stretches: Iterable[Stretch]) -> Held:
        return Held(self, [*self._stretches, *stretches], False)

    def reader(self) -> HeldReader:
        return HeldReader(self)

    def begin(self, pieces: Iterable[Piece]) -> Pass:
        """Begin a read. Pieces that span two stretches are cut, so that few rows are copied."""
        return RunsAnywhere(self, [part for piece in pieces for part in self._cut(*piece)])

    def _cut(self, start: int, stop: int) -> Iterator[Piece]:
        least = aligned_rows(self.d)
        while start < stop:
            size, end = min(stop - start, start & -start or stop), self.at(start).stop
            while size > least and start + size > end:
                size = 1 << (size - 1).bit_length() - 1  # the next lower power of two
            yield start, start + size
            start += size

    def has(self, row: int) -> bool:
        at = bisect.bisect_right(self._starts, row) - 1
        return at >= 0 and row < self._stretches[at].stop

    def at(self, row: int) -> Stretch:
        """The stretch that contains the row."""
        stretch = self._stretches[bisect.bisect_right(self._starts, row) - 1]
        assert stretch.start <= row < stretch.stop, f"row {row} is elsewhere"
        return stretch


class HeldReader:
    """A reader for one thread. It returns a slice if possible, otherwise a copy that the next call
    overwrites."""

    def __init__(self, held: Held):
        self._held = held
        self._X, self._y = (np.empty(0, dtype) for dtype in held.dtypes)
        self._weights = NOTHING

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        stretch = self._held.at(start)
        if stop > stretch.stop or not stretch.is_direct(self._held.dtypes):
            return self._together([(start, stop)])
        part = slice(start - stretch.start, stop - stretch.start)
        return read_only(stretch.X[part]), read_only(stretch.y[part]), stretch.weights[part]

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        return self._together(ranges_of(order))

    def _together(self, ranges: list[Piece]) -> tuple[Array, Array, Floats]:
        held, m = self._held, sum(stop - start for start, stop in ranges)
        if len(self._y) < m:
            self._X, self._y = np.empty((m, held.d), held.dtypes[0]), np.empty(m, held.dtypes[1])
            self._weights = np.empty(m) if held.has_weights else NOTHING
        at = 0
        for start, stop in ranges:
            while start < stop:
                stretch = held.at(start)
                size = min(stop, stretch.stop) - start
                source = slice(start - stretch.start, start - stretch.start + size)
                np.copyto(self._X[at : at + size], stretch.X[source], casting="unsafe")
                np.copyto(self._y[at : at + size], stretch.y[source], casting="unsafe")
                if held.has_weights:
                    self._weights[at : at + size] = stretch.weights[source]
                start, at = start + size, at + size
        return read_only(self._X[:m]), read_only(self._y[:m]), self._weights[:m]


def ranges_of(order: NDArray[np.integer]) -> list[Piece]:
    """Row numbers as ranges of consecutive rows."""
    cuts = np.flatnonzero(np.diff(order) != 1) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(order, cuts) if len(part)]

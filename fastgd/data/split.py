"""Training and validation rows: every k-th block is held out. Only rows at seams of blocks are copied."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.data.arrays import ArrayRows
from fastgd.data.dataset import Dataset, Facts, View, look_at_rows
from fastgd.data.streams import StreamRows
from fastgd.engine import scan
from fastgd.engine.blocks import Array, Floats, Pass, Piece, Reader, block_rows
from fastgd.lazy import lazy_property

COPIED_NUMBERS = 1 << 18
"""Smaller data is copied once, instead of being put together in each pass."""


def split(rows: Dataset, fraction: float) -> tuple[Dataset, Dataset]:
    """(training rows, validation rows).

    Every round(1/fraction)-th unit of rows is held out. A unit is a block of the grid. If there are too few
    blocks, units are the largest half, quarter, ... of a block for which one can be held out. For small data
    units are single rows, and the parts are copies.
    """
    every = max(2, round(1.0 / fraction))
    if rows.n < every:
        raise ValueError(
            f"validation_fraction={fraction:g} holds out one row in {every}, and there are {rows.n}; take a "
            "larger fraction"
        )
    kept, held = rows.derived("parts", functools.partial(_parts, every))
    return kept, held


def _parts(every: int, rows: Dataset) -> list[Dataset]:
    unit = block_rows(rows.d)
    is_small = rows.n < every * unit and rows.n * rows.d <= COPIED_NUMBERS
    while rows.n < every * unit:
        unit //= 2
    unit = 1 if is_small else unit
    make: Any = Copied if is_small else PartRows
    return [make(rows, Part(rows.n, unit, every, is_held)) for is_held in (False, True)]


class Part:
    """Row numbers of the validation rows (units every − 1, 2·every − 1, …) or the training rows (others)."""

    def __init__(self, n: int, unit: int, every: int, is_held: bool):
        self.unit, self._every, self.is_held = unit, every, is_held
        self.n = self.before(n)

    @property
    def key(self) -> tuple[int, int, bool]:
        """Identifies a part among the parts of the same rows."""
        return self.unit, self._every, self.is_held

    def before(self, row: int) -> int:
        """The number of rows of this part before row `row` of all rows."""
        whole, rest = divmod(row, self.unit * self._every)
        held = whole * self.unit + max(0, rest - self.unit * (self._every - 1))
        return held if self.is_held else row - held

    def row(self, number: Any) -> Any:
        """The number among all rows of row `number` of this part. Works on arrays too."""
        unit, place = number // self.unit, number % self.unit
        if self.is_held:
            return (unit * self._every + self._every - 1) * self.unit + place
        return (unit + unit // (self._every - 1)) * self.unit + place

    def ranges(self, piece: Piece) -> tuple[int, list[Piece]]:
        """The first row of a piece of this part, and the ranges of its rows among all rows."""
        start, stop = piece
        cuts = [start, *range((start // self.unit + 1) * self.unit, stop, self.unit), stop]
        pairs = itertools.pairwise(cuts)
        return start, [(first, first + b - a) for a, b in pairs for first in [self.row(a)]]

    def numbers(self) -> NDArray[np.int64]:
        return np.asarray(self.row(np.arange(self.n)))


class Copied(ArrayRows):
    """A copy of the rows of a part."""

    def __init__(self, rows: Dataset, part: Part):
        X, y, weights = rows.whole()
        numbers = part.numbers()
        X, weights = X[numbers], weights[numbers] if rows.has_weights else weights
        super().__init__(X[:, 0] if rows.is_scalar else X, y[numbers], weights)
        self.part = part
        self._whole_rows = rows

    def refuse_nonfinite(self) -> None:
        """Errors name the row among all rows."""
        self._whole_rows.refuse_nonfinite()


class PartRows(View):
    """The rows of a part, not copied."""

    def __init__(self, rows: Dataset, part: Part):
        super().__init__(rows)
        self.part = part
        self.is_scalar, self.d, self.row_bytes = rows.is_scalar, rows.d, rows.row_bytes
        self.run_numbers = 1  # a run is a block, which lies in one unit

    @property
    def known_n(self) -> int:
        return self.part.n

    @property
    def n(self) -> int:
        return self.part.n

    @property
    def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
        return self.rows.X[self.part.numbers()]

    @property
    def y(self) -> NDArray[Any]:
        return self.rows.y[self.part.numbers()]

    @lazy_property
    def facts(self) -> Facts:
        facts = Facts()
        if isinstance(self.rows, StreamRows):
            self.rows.passes += 1
        scan.scan(self, functools.partial(look_at_rows, block_rows(self.d)), [facts.state])
        return facts

    def reader(self) -> PartReader:
        return PartReader(self.rows.reader(), self.part)

    def begin(self, pieces: Iterable[Piece]) -> Pass:
        if not isinstance(self.rows, StreamRows):
            return super().begin(pieces)
        return self.rows.begin_ranges(map(self.part.ranges, pieces))

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        if not isinstance(self.rows, StreamRows):
            return super().head(rows)
        return self.rows.read_ranges(self.part.ranges((0, min(rows, self.n))))

    def has_at_most(self, rows: int) -> bool:
        return self.n <= rows

    def over(self, base: Any) -> PartRows:
        return PartRows(self.rows.over(base), self.part)


class PartReader:
    def __init__(self, reader: Reader, part: Part):
        self._reader, self._part = reader, part

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        unit, row = self._part.unit, self._part.row
        if start // unit == (stop - 1) // unit:
            first = row(start)
            return self._reader.read(first, first + stop - start)
        return self._reader.take(row(np.arange(start, stop)))

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        return self._reader.take(self._part.row(order))

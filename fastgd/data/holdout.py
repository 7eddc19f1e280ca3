"""Every k-th block of the rows held out for validation; nothing is copied but the seams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.data.arrays import ArrayRows, Table
from fastgd.engine import Array, RandomReader, block_rows

COPIED_NUMBERS = 1 << 18
"""Up to so many numbers are copied rather than pieced together at every read."""


def split(rows: Table, fraction: float) -> tuple[Table, Table, Part, Part]:
    """(training rows, validation rows, and which of `rows` each has).

    Every round(1/fraction)-th is held out, of the blocks of the grid; of too few rows for that, of single
    rows, which are copied; of few but long rows, of the largest parts of blocks that leave one to hold out.
    """
    every = max(2, round(1.0 / fraction))
    if rows.n < every:
        raise ValueError(
            f"validation_fraction={fraction:g} holds out one row in {every}, and there are {rows.n}; take a "
            "larger fraction"
        )
    unit = block_rows(rows.d)
    is_small = rows.n < every * unit and rows.n * rows.d <= COPIED_NUMBERS
    while rows.n < every * unit:
        unit //= 2
    unit = 1 if is_small else unit
    parts = Part(rows.n, unit, every, False), Part(rows.n, unit, every, True)
    of = Copied if is_small else PartRows
    return of(rows, parts[0]), of(rows, parts[1]), *parts


class Part:
    """Which rows: of units 0, 1, …, the held ones are every − 1, 2·every − 1, …; the others are not."""

    def __init__(self, n: int, unit: int, every: int, is_held: bool):
        self.unit, self._every, self._is_held = unit, every, is_held
        whole, rest = divmod(n, unit * every)
        held = whole * unit + max(0, rest - unit * (every - 1))
        self.n = held if is_held else n - held

    def row(self, number: Any) -> Any:
        """The number among all rows of this part's row `number`; of an array, of each."""
        unit, place = number // self.unit, number % self.unit
        if self._is_held:
            return (unit * self._every + self._every - 1) * self.unit + place
        return (unit + unit // (self._every - 1)) * self.unit + place

    def numbers(self) -> NDArray[np.int64]:
        return np.asarray(self.row(np.arange(self.n)))


class Copied(ArrayRows):
    """The rows of a part, copied: where there are few of them."""

    def __init__(self, rows: Table, part: Part):
        numbers = part.numbers()
        super().__init__(rows.X[numbers], rows.y[numbers])
        self._whole_rows = rows

    def refuse_nonfinite(self) -> None:
        """The place that is named is that among all rows."""
        self._whole_rows.refuse_nonfinite()


class PartRows:
    """The rows of a part, read where they are."""

    def __init__(self, rows: Table, part: Part):
        self._rows, self._part = rows, part
        self.is_scalar, self.d = rows.is_scalar, rows.d
        self.n, self.row_bytes = part.n, rows.row_bytes
        self.is_one_block = self.n <= block_rows(self.d)
        self.run_numbers = 1  # a run is a block, which lies in one piece

    @property
    def X(self) -> NDArray[Any]:  # noqa: N802 - as the rows of arrays have it
        """A copy."""
        return self._rows.X[self._part.numbers()]

    @property
    def y(self) -> NDArray[Any]:
        """A copy."""
        return self._rows.y[self._part.numbers()]

    def reader(self) -> PartReader:
        return PartReader(self._rows.reader(), self._part)

    def whole(self) -> tuple[Array, Array]:
        return self.reader().read(0, self.n)

    def lists(self) -> tuple[list[Any], list[float]]:
        return ArrayRows(self.X, self.y).lists()

    def refuse_nonfinite(self) -> None:
        self._rows.refuse_nonfinite()


class PartReader:
    def __init__(self, reader: RandomReader, part: Part):
        self._reader, self._part = reader, part

    def read(self, start: int, stop: int) -> tuple[Array, Array]:
        unit, row = self._part.unit, self._part.row
        if start // unit == (stop - 1) // unit:
            first = row(start)
            return self._reader.read(first, first + stop - start)
        return self._reader.take(row(np.arange(start, stop)))

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array]:
        return self._reader.take(self._part.row(order))

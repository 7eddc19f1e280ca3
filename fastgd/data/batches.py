"""Batches of the files of a table, as chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import RowPlace
from fastgd.data import columns
from fastgd.data.formats import File
from fastgd.engine.blocks import Array, Floats


class Place(NamedTuple):
    """Where a batch is."""

    file: File
    before: int
    """Rows of the files before."""
    first: int
    """The number of its first row in the file."""
    size: int
    kept: Any
    """The rows without a missing value, in the batch; None for all."""


class TableChunk:
    """A batch of a file, without missing values."""

    def __init__(
        self,
        features: list[columns.Numbers],
        target: columns.Numbers | None,
        weights: columns.Numbers | None,
        m: int,
        place: Place,
    ):
        self._features, self._target, self._weights = features, target, weights
        self._m, self._place = m, place

    def __len__(self) -> int:
        return self._m

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        for j, values in enumerate(self._features):
            X[:, j] = columns.part(values, start, stop)
        if self._target is not None:
            y[:] = columns.part(self._target, start, stop)
        if self._weights is not None:
            weights[:] = columns.part(self._weights, start, stop)

    def numbers(self, names: Sequence[str], target: str | None) -> Iterator[tuple[str, Array]]:
        """The columns that are arrays, by their names."""
        named = [*zip(names, self._features, strict=True), (target, self._target)]
        return ((name or "", values) for name, values in named if isinstance(values, np.ndarray))

    def targets(self) -> tuple[Array, Array | None]:
        """All of y, and the weights where there are any."""
        both = (
            None if one is None else columns.part(one, 0, self._m) for one in (self._target, self._weights)
        )
        y, weights = both
        assert y is not None
        return y, weights

    @property
    def rows(self) -> NDArray[np.int64]:
        """The numbers of its rows among all rows of the table, those with a missing value counted too."""
        place = self._place
        first = place.before + place.first
        within = np.arange(self._m) if place.kept is None else columns.as_numpy(place.kept)
        return first + within

    @property
    def stop(self) -> int:
        """The number of the row after the batch."""
        place = self._place
        return place.before + place.first + place.size

    def place(self, row: int) -> RowPlace:
        place = self._place
        return place.file.place(place.first + (row if place.kept is None else place.kept[row].as_py()))

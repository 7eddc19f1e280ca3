"""Sources whose targets are labels: which there are, and each class against the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import numpy as np

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data.chunks import Chunk, Source
from fastgd.data.streams import StreamRows
from fastgd.engine import scan
from fastgd.engine.blocks import NOTHING, Array, Floats

MOST = 1000


def labels(source: Source) -> tuple[Floats, Floats]:
    """The distinct targets, ascending, and the sum of the weights of the rows of each: by a read."""
    rows = StreamRows(source)
    sums: dict[float, float] = {}

    def look(_start: int, _X: Array, y: Array, weights: Floats) -> None:
        found, which = np.unique(y, return_inverse=True)
        if not np.isfinite(found).all():
            raise FloatingPointError
        if (broken := found != np.floor(found)).any():
            raise InvalidDataError(
                f"{source.name} has the target {found[broken.argmax()]:g}; classes must be whole numbers"
            )
        if len(sums.keys() | found.tolist()) > MOST:
            raise InvalidDataError(
                f"{source.name} has more than {MOST} different targets: these are no classes"
            )
        totals = np.array([sums.get(label, 0.0) for label in found.tolist()])
        np.add.at(totals, which, weights if len(weights) else 1.0)  # row by row, wherever the run begins
        sums.update(zip(found.tolist(), totals.tolist(), strict=True))

    try:
        scan.scan(rows, look)
    except FloatingPointError:
        rows.refuse_nonfinite()
    ascending = np.array(sorted(sums))
    return ascending, np.array([sums[label] for label in ascending.tolist()])


class OneAgainstRest(Source):
    """A source's rows, their targets 1 where they were `label`, else 0, and their weights times those of the
    classes, where there are any."""

    def __init__(self, source: Source, label: float, classes: Floats, of_class: Floats | None):
        self.source, self.label, self.classes, self.of_class = source, label, classes, of_class
        self.d, self.n, self.is_scalar, self.name = source.d, source.n, source.is_scalar, source.name
        self.columns, self.is_lasting = source.columns, source.is_lasting
        self.target, self.weight = source.target, source.weight
        self.dtypes = source.dtypes[0], np.dtype(np.float64)
        self.has_weights = source.has_weights or of_class is not None

    def chunks(self) -> Generator[Chunk]:
        with contextlib.closing(self.source.chunks()) as chunks:
            for chunk in chunks:
                yield Labelled(chunk, self)

    def place(self, row: int) -> RowPlace:
        return self.source.place(row)


class Labelled:
    """A chunk of them."""

    def __init__(self, chunk: Chunk, of: OneAgainstRest):
        self._chunk, self._of = chunk, of

    def __len__(self) -> int:
        return len(self._chunk)

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        of = self._of
        own = weights if of.source.has_weights else NOTHING
        self._chunk.fill(start, stop, X, y, own)
        if of.of_class is not None:
            factors = of.of_class.take(np.searchsorted(of.classes, y), mode="clip")
            np.multiply(factors, own if len(own) else 1.0, out=weights)
        np.equal(y, of.label, out=y)

"""Sources whose targets are labels of classes."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.data.chunks import Chunk, DerivedSource, Source
from fastgd.data.streams import StreamRows
from fastgd.engine import scan
from fastgd.engine.blocks import NOTHING, Array, Floats

MOST = 1000
"""The largest number of classes."""


def labels(source: Source) -> tuple[Floats, Floats]:
    """The distinct targets, ascending, and the total weight of each class. Takes a pass."""
    rows = StreamRows(source)
    sums: dict[float, float] = {}

    def look(_start: int, _X: Array, y: Array, weights: Floats) -> None:
        targets, which = np.unique(y, return_inverse=True)
        if not np.isfinite(targets).all():
            raise FloatingPointError
        if (is_fraction := targets != np.floor(targets)).any():
            raise InvalidDataError(
                f"{source.name} has the target {targets[is_fraction.argmax()]:g}; "
                "classes must be whole numbers"
            )
        if len(sums.keys() | targets.tolist()) > MOST:
            raise InvalidDataError(
                f"{source.name} has more than {MOST} different targets: these are not classes"
            )
        totals = np.array([sums.get(label, 0.0) for label in targets.tolist()])
        np.add.at(totals, which, weights if len(weights) else 1.0)  # in row order, whatever the runs
        sums.update(zip(targets.tolist(), totals.tolist(), strict=True))

    try:
        scan.scan(rows, look)
    except FloatingPointError:
        rows.refuse_nonfinite()
    ascending = np.array(sorted(sums))
    return ascending, np.array([sums[label] for label in ascending.tolist()])


class OneAgainstRest(DerivedSource):
    """A source with targets 1 for one label and 0 for all others.

    If `factors` has a weight for each class, it multiplies the weights of the rows.
    """

    def __init__(self, source: Source, label: float, classes: Floats, factors: Floats | None):
        super().__init__(source)
        self.label, self.classes, self.factors = label, classes, factors
        self.dtypes = source.dtypes[0], np.dtype(np.float64)
        self.has_weights = source.has_weights or factors is not None

    def chunks(self) -> Generator[Chunk]:
        with contextlib.closing(self.source.chunks()) as chunks:
            for chunk in chunks:
                yield LabelledChunk(chunk, self)


class LabelledChunk:
    """A chunk of OneAgainstRest."""

    def __init__(self, chunk: Chunk, source: OneAgainstRest):
        self._chunk, self._source = chunk, source

    def __len__(self) -> int:
        return len(self._chunk)

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        source = self._source
        own = weights if source.source.has_weights else NOTHING
        self._chunk.fill(start, stop, X, y, own)
        if source.factors is not None:
            factors = source.factors.take(np.searchsorted(source.classes, y), mode="clip")
            np.multiply(factors, own if len(own) else 1.0, out=weights)
        np.equal(y, source.label, out=y)

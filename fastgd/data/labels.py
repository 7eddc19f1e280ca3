"""Rows whose targets are labels of classes, and the rows of one class against the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data.arrays import ArrayRows, read_only
from fastgd.data.chunks import Chunk, DerivedSource, Source
from fastgd.data.coding import Coding, values_of
from fastgd.data.dataset import FIRST, LARGEST, MOMENT, OTHER_ROW, SMALLEST, SQUARE, Dataset, Facts
from fastgd.data.streams import StreamRows
from fastgd.data.together import Together
from fastgd.data.transform import MappedRows, Mapping
from fastgd.engine import scan
from fastgd.engine.blocks import NOTHING, Array, Floats
from fastgd.lazy import lazy_property

MOST = 1000
"""The largest number of classes of a source."""


class Labels(NamedTuple):
    """Labels, ascending, with the number and the total weight of the rows of each."""

    values: Floats
    counts: NDArray[np.integer]
    weights: Floats

    def named(self, coding: Coding) -> NDArray[Any]:
        """The labels as the table has them, where its targets are coded."""
        return values_of(coding.classes)[self.values.astype(int)] if coding.classes else self.values

    def of(self, label: float) -> tuple[int, float]:
        """The number and the weight of the rows with this label, which may be none."""
        at = int(np.searchsorted(self.values, label))
        if at == len(self.values) or self.values[at] != label:
            return 0, 0.0
        return int(self.counts[at]), float(self.weights[at])


def labels(rows: Dataset) -> Labels:
    """The distinct targets of the rows. Takes a pass."""
    rows.refuse_reads("a classifier")
    sums: dict[float, tuple[int, float]] = {}

    def see(_start: int, _X: Array, y: Array, weights: Floats) -> None:
        targets, which, counts = np.unique(y, return_inverse=True, return_counts=True)
        if not np.isfinite(targets).all():
            raise FloatingPointError
        if (is_fraction := targets != np.floor(targets)).any():
            raise InvalidDataError(
                f"{_name(rows)} has the target {targets[is_fraction.argmax()]:g}; "
                "classes must be whole numbers"
            )
        if len(sums.keys() | targets.tolist()) > MOST:
            raise InvalidDataError(
                f"{_name(rows)} has more than {MOST} different targets: these are not classes"
            )
        before = [sums.get(label, (0, 0.0)) for label in targets.tolist()]
        counts += [count for count, _ in before]
        totals = np.array([total for _, total in before])
        np.add.at(totals, which, weights if len(weights) else 1.0)  # in row order, whatever the runs
        sums.update(zip(targets.tolist(), zip(counts.tolist(), totals.tolist(), strict=True), strict=True))

    try:
        scan.scan(rows, see)
    except FloatingPointError:
        rows.refuse_nonfinite()
    ascending = np.array(sorted(sums))
    counts, totals = zip(*(sums[label] for label in ascending.tolist()), strict=True)
    return Labels(ascending, np.array(counts), np.array(totals))


def labels_of_codes(codes: NDArray[np.integer], n_classes: int, weights: Floats | None) -> Labels:
    """The labels 0, 1, … of rows in memory, without a pass."""
    counts, sums = np.bincount(codes, None, n_classes), np.bincount(codes, weights, n_classes)
    return Labels(np.arange(n_classes, dtype=np.float64), counts, sums.astype(np.float64))


def keep_labels(rows: Dataset, found: Labels) -> None:
    """Keep the labels of these rows for `OneAgainstRest`, which needs no pass then."""
    _known(rows)["labels"] = found


def _known(rows: Dataset) -> dict[str, Any]:
    """What was read once for all labels of these rows."""
    return vars(rows).setdefault("_known_for_all_labels", {})


def _name(rows: Dataset) -> str:
    return rows.source.name if isinstance(rows, StreamRows) else "y"


class OneAgainstRest(MappedRows):
    """The rows of another dataset with targets 1 for one label and 0 for all others.

    What does not depend on the label is read once for all labels of these rows, and kept with the rows.
    """

    def __init__(self, rows: Dataset, label: float, together: Together | None = None):
        """`together` joins the reads of fits side by side."""
        super().__init__(rows)
        self.label, self._together = label, together
        self.executor = rows.executor if together is None else together
        self.d, self.is_scalar, self.row_bytes = rows.d, rows.is_scalar, rows.row_bytes
        self.run_numbers = rows.run_numbers
        self._known = _known(rows)

    def shared(self, what: str, read: Callable[[Dataset], Any]) -> Any:
        def look() -> None:
            if what not in self._known:
                self._known[what] = read(self.rows)

        if what not in self._known:
            look() if self._together is None else self._together.call(look)
        return self._known[what]

    def derived(self, what: str, read: Callable[[Dataset], Sequence[Dataset]]) -> list[Dataset]:
        return [self.over(rows) for rows in self.shared(what, read)]

    def over(self, base: Any) -> OneAgainstRest:
        return OneAgainstRest(base, self.label, self._together)

    def mapping(self) -> Mapping:
        room = np.empty(0)

        def map_run(X: Array, y: Array, weights: Floats) -> tuple[Array, Array, Floats]:
            nonlocal room
            if len(room) < len(y):
                room = np.empty(len(y))
            targets = room[: len(y)]
            np.equal(y, self.label, out=targets)
            return X, read_only(targets), weights

        return map_run

    @property
    def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
        return self.rows.X

    @property
    def y(self) -> NDArray[Any]:
        return (self.rows.y == self.label).astype(np.float64)

    @lazy_property
    def facts(self) -> Facts:
        """Those of all labels but for the targets."""
        facts = Facts()
        facts.state[:] = self.shared("facts", lambda rows: rows.facts).state
        count, weight = self.shared("labels", labels).of(self.label)
        facts.state[[FIRST, OTHER_ROW]] = 0.0, -1.0
        facts.state[[SMALLEST, LARGEST]] = count == facts.n, count > 0
        facts.state[[MOMENT, SQUARE]] = weight
        return facts

    @property
    def total_weight(self) -> float:
        return self.rows.total_weight

    @property
    def least_weight(self) -> float:
        return self.rows.least_weight

    def mark(self) -> tuple[Any, ...]:
        return *self.rows.mark(), self.label

    def refuse_nonfinite(self) -> None:
        self.shared("finite", lambda rows: rows.refuse_nonfinite())

    def place(self, row: int) -> RowPlace:
        return self.rows.place(row)

    def name_of(self, what: str, column: int | None = None) -> str | None:
        return self.rows.name_of(what, column)


def one_against_rest(rows: Dataset, label: float, together: Together | None) -> Dataset:
    """The rows with targets 1 for this label and 0 for all others. Arrays get new targets if no reads are
    shared, which costs less in each read."""
    if together is None and isinstance(rows, ArrayRows):
        return rows.with_targets((rows.y == label).astype(np.float64))
    return OneAgainstRest(rows, label, together)


class WeightedClasses(DerivedSource):
    """A source whose weights are multiplied by the factor of the row's class."""

    def __init__(self, source: Source, classes: Floats, factors: Floats):
        super().__init__(source)
        self.classes, self.factors = classes, factors
        self.has_weights = True

    def chunks(self) -> Generator[Chunk]:
        with contextlib.closing(self.source.chunks()) as chunks:
            for chunk in chunks:
                yield WeightedChunk(chunk, self)


class WeightedChunk:
    """A chunk of WeightedClasses."""

    def __init__(self, chunk: Chunk, source: WeightedClasses):
        self._chunk, self._source = chunk, source

    def __len__(self) -> int:
        return len(self._chunk)

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        source = self._source
        own = weights if source.source.has_weights else NOTHING
        self._chunk.fill(start, stop, X, y, own)
        factors = source.factors.take(np.searchsorted(source.classes, y), mode="clip")
        np.multiply(factors, own if len(own) else 1.0, out=weights)

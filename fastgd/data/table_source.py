"""The columns of tables in files as a source of rows."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from fastgd import display
from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data import arrow, keys, rounding, selection, table_checks
from fastgd.data.categories import Found, Known, codes_of
from fastgd.data.chunks import Source, rows_to_keep
from fastgd.data.coding import UNKNOWN, Codes, Layout, feature, unknown_text
from fastgd.data.csv import CsvFile
from fastgd.data.formats import File, Place, TableChunk
from fastgd.data.selection import Wanted
from fastgd.wording import Option, Text, column_text, listed, printable, shown

EMPTY: Mapping[str, bool] = MappingProxyType({})


class TableSource(Source):
    """Some columns of one or more files."""

    is_scalar = False
    n_left_out: int | None = None
    """The number of rows with a missing value that the last full pass dropped. None if they are refused."""

    def __init__(
        self,
        name: str,
        files: list[File],
        others: tuple[str | None, str | None],
        wanted: Wanted,
        coder: Found | Known,
        *,
        drops: bool,
        carried: Mapping[str, bool] = EMPTY,
        by: Sequence[str] = (),
    ):
        """`others` are the target and the weight. Without a target the chunks do not write y.

        `carried` are columns that the chunks carry along, and whether as text where the file is text. Columns
        of `by` are keys of groups, of any type.
        """
        self._digest: int | None = None
        """A checksum of the targets of a query, from the last full read."""
        others = target, weight = files[0].column(others[0]), files[0].column(others[1])
        for what, column in (("target", target), ("weight", weight)):
            if column is not None and not isinstance(column, str):
                raise TypeError(f"{what} must be the name of a column, not {display.value(column)}")
        self.name = name
        self._files, self._drops, self._watch = files, drops, rounding.Watch()
        self.target, self.weight = target, weight
        self._keys = tuple(by)
        self._others = [*(column for column in others if column is not None), *by]
        raw = self._raw(wanted, coder.columns(target), carried)
        self._coded = coder.of(name, files, raw, target)
        self.coding, self.columns = self._coded.coding, self._coded.layout.names
        table_checks.refuse_twice(self.columns)
        if not self.columns:
            raise InvalidDataError(
                f"{name} has categories of one level only, {listed(raw)}; X needs at least one other column"
            )
        places = self._coded.layout.places
        self._used, self._carried = [*places, *self._others], carried
        self.d, self.has_weights = len(self.columns), weight is not None
        self.head_rows = rows_to_keep(self.d) if any(file.is_query for file in files) else 0
        numeric = [name for name in places if name not in self.coding.categories]
        y = np.dtype(np.float64) if target is None or self.coding.classes else self._dtype([target])
        self.dtypes = self._dtype(numeric), y
        counts = [file.n for file in files]
        self.n = None if drops or None in counts else sum(n for n in counts if n is not None)
        if self.n == 0:
            raise InvalidDataError(f"{name} has no rows; at least one is needed")

    def _raw(self, wanted: Wanted, coded: set[str], carried: Mapping[str, bool]) -> tuple[str, ...]:
        """The columns of the features, checked. `coded` are columns that need not be numeric."""
        are_all, others, first = wanted.features is None, self._others, self._files[0]
        raw = selection.choose(first, wanted.features, wanted.exclude, others)
        if are_all and not raw and (self.target is None or self.target in first.names):
            raise InvalidDataError(
                f"{self.name} has no other columns than {listed(others)}", remedy="X needs at least one"
            )
        table_checks.check_names(raw, self.target, self.weight)
        if not raw:
            raise InvalidDataError("features is empty; at least one is needed")
        texts = {name for name, is_text in carried.items() if is_text} - {*raw, *others}
        for file in self._files:
            for name in carried:
                if name not in file.names:
                    raise selection.lacks(file, name)
            file.texts = frozenset(coded | texts)
            table_checks.check_file(file, raw, others, {*coded, *self._keys}, are_all=are_all)
        return raw

    @property
    def carried(self) -> tuple[str, ...]:
        """The columns that chunks carry along."""
        return tuple(self._carried)

    @property
    def label_counts(self) -> dict[str, int]:
        """The rows of each label, if a read has found the labels."""
        return self._coded.counts

    def __repr__(self) -> str:
        dialect = f" ({self.dialect})" if self.dialect else ""
        target = "" if self.target is None else f"{shown(self.target)} from "
        return f"read_table({printable(self.name)}{dialect}: {target}{listed(self.columns)})"

    @property
    def dialect(self) -> str:
        """The dialect of CSV files for messages, empty if it is the usual one."""
        unusual = [file for file in self._files if isinstance(file, CsvFile) and not file.is_usual]
        return str(unusual[0].dialect) if unusual else ""

    def _dtype(self, names: Sequence[str]) -> np.dtype[Any]:
        """float32 if these columns are float32 in all files, otherwise float64."""
        kinds = [file.kinds.get(name) for file in self._files for name in names]
        is_single = len(kinds) > 0 and all(kind is not None and arrow.is_single(kind) for kind in kinds)
        return np.dtype(np.float32 if is_single else np.float64)

    def chunks(self) -> Generator[TableChunk]:
        missing = dict.fromkeys(self._used, 0)
        n = before = digest = 0
        for file in self._files:
            first = 0
            codes = self._coded.codes(file)
            names = [name for name in [*self._used, *self._carried] if name in file.kinds]
            with contextlib.closing(file.batches([*dict.fromkeys(names)])) as batches:
                for batch in batches:
                    values, kept = self._values(file, batch, codes), None
                    if self._drops:
                        kept = _kept(values)
                    else:
                        for name, column in values.items():
                            missing[name] += column.null_count
                    if any(missing.values()):  # only counts missing values from here on
                        values, kept = {name: column[:0] for name, column in values.items()}, None
                    if kept is not None:
                        values = {name: column.take(kept) for name, column in values.items()}
                    place = Place(file, before, first, batch.num_rows, kept)
                    chunk = self._chunk(file, values, codes, place)
                    chunk.n_unknown = self._unknown(batch, values, codes, chunk)
                    chunk.carried = {name: _column(file, batch, name) for name in self._carried}
                    first += batch.num_rows
                    for name, array in chunk.numbers(self.columns, self.target):
                        is_whole = name in file.kinds and arrow.is_whole(file.kinds[name])
                        self._watch.look(column_text(name), n, array, chunk.place, is_whole)
                    if file.is_query and self.target is not None:
                        digest = zlib.crc32(chunk.targets()[0].tobytes(), digest)
                    n += len(chunk)
                    yield chunk
            before += first
        if any(missing.values()):
            raise table_checks.counted(self.name, {k: v for k, v in missing.items() if v})
        if not n:
            left = " without a missing value" if self._drops else ""
            raise InvalidDataError(f"{self.name} has no rows{left}; at least one is needed")
        if self._digest not in (None, digest):
            raise InvalidDataError(
                f"{self.name} gave its rows in another order than at an earlier read, or other rows",
                remedy="order the query by a column without ties, or load its result",
            )
        self._digest = digest
        self.n_left_out = before - n if self._drops else None

    def _values(self, file: File, batch: Any, codes: dict[str, Codes]) -> dict[str, Any]:
        """The columns of a batch as numbers or codes, with missing values."""
        columns = {name: batch.column(name) for name in self._used if name in file.kinds}
        return {
            name: codes_of(column, codes[name]) if name in codes else arrow.decoded(column)
            for name, column in columns.items()
        }

    def _chunk(self, file: File, values: dict[str, Any], codes: dict[str, Codes], place: Place) -> TableChunk:
        m = len(next(iter(values.values()))) if values else place.size
        constants = file.constants

        def numbers(name: str) -> arrow.Numbers:
            if name in values:
                return arrow.numbers(values[name])
            constant = codes[name].of([constants[name]])[0] if name in codes else np.float64(constants[name])
            return np.broadcast_to(constant, m)

        features = [(at, numbers(name)) for name, at in self._coded.layout.places.items()]
        weights = None if self.weight is None else numbers(self.weight)
        target = None if self.target is None else numbers(self.target)
        chunk = TableChunk(features, target, weights, m, place)
        chunk.keys = [values[name] if name in values else np.full(m, constants[name]) for name in self._keys]
        return chunk

    def _unknown(self, batch: Any, values: dict[str, Any], codes: dict[str, Codes], chunk: TableChunk) -> int:
        """The number of unknown levels in a chunk. Refuse the first, unless their features are 0."""
        n = 0
        for name, known in codes.items():
            if name not in values:
                continue
            is_unknown = arrow.as_numpy(values[name]) == UNKNOWN
            n += int(np.count_nonzero(is_unknown))
            is_target = name == self.target
            if not is_unknown.any() or (self._coded.unknown == "zero" and not is_target):
                continue
            row = int(is_unknown.argmax())
            value = batch.column(name)[chunk.row_in_batch(row)].as_py()
            what = "labels" if is_target else "levels"
            remedy: Text = (
                "" if is_target else ["pass ", Option("unknown", "zero"), " to set its features to 0"]
            )
            raise InvalidDataError(
                unknown_text(value, known.texts, what), what="y" if is_target else "X", name=name,
                value=value, remedy=remedy, at=chunk.place(row),
            )  # fmt: skip
        return n

    def keyed(self, by: Any) -> TableSource:
        names = keys.named(by)
        if not isinstance(names[0], str):
            raise InvalidDataError(f"by is {display.value(by)}; name the columns of {self.name}")
        if taken := [name for name in names if name in (self.target, self.weight)]:
            raise InvalidDataError(f"by names {shown(taken[0])}, which is the target or the weight")
        layout = self._coded.layout
        features = [name for name in layout.places if name not in names]
        if not features:
            raise InvalidDataError("by names every feature, and none is left")
        coded = {name: levels for name, levels in self.coding.categories.items() if name in features}
        dropped = {feature(name, level) for name in names for level in self.coding.categories.get(name, ())}
        kept = [name for name in layout.names if name not in dropped and name not in names]
        coder = Known(Layout.of(kept, coded), self.coding._replace(categories=coded))
        others = self.target, self.weight
        files = [file.with_keys(names) for file in self._files]
        return TableSource(self.name, files, others, Wanted(features), coder, drops=self._drops, by=names)

    def sample(self) -> bytes:
        return b"".join([*(file.sample() for file in self._files), repr(self.coding[1:]).encode()])

    def place(self, row: int) -> RowPlace:
        """The place of a row. Reads the files up to this row."""
        with contextlib.closing(self.chunks()) as chunks:
            for chunk in chunks:
                if row < len(chunk):
                    return chunk.place(row)
                row -= len(chunk)
        return super().place(row)


def _kept(values: dict[str, Any]) -> Any:
    """The numbers of the rows without a missing value, or None for all."""
    incomplete = [column for column in values.values() if column.null_count or arrow.has_nan(column)]
    if not incomplete:
        return None
    is_complete = np.logical_and.reduce([arrow.are_there(column) for column in incomplete])
    return arrow.as_arrow(np.flatnonzero(is_complete))


def _column(file: File, batch: Any, name: str) -> Any:
    """A column of a batch as it is, or one from the names of folders."""
    import pyarrow as pa

    return batch.column(name) if name in file.kinds else pa.repeat(file.constants[name], batch.num_rows)

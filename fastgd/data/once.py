"""Streams that can be read once. Their first rows are kept, and one read does what it can.

The read finds the facts about targets and weights on its way, and refuses invalid numbers at their row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from typing import Any, NoReturn

from fastgd.checks import InvalidDataError, RowPlace, first_nonfinite, refused_nonfinite
from fastgd.data.chunks import Chunk, DerivedSource, Source, rows_to_keep
from fastgd.data.dataset import Check, Facts, look
from fastgd.data.formats import TableChunk
from fastgd.data.streams import Parts, Room, StreamPass, StreamRows
from fastgd.engine.blocks import Array, Piece, block_rows

REMEDY = "load it into a table, or pass what can be read again: a file, a DuckDB relation or a LazyFrame"


class ReadOnce(DerivedSource):
    """The chunks of a source that can be iterated over once. The first chunks are kept for other reads."""

    def __init__(self, source: Source):
        super().__init__(source)
        self._chunks = source.chunks()
        self._kept: list[Chunk] = []
        self._n_kept = 0
        self.n_to_keep = rows_to_keep(self.d)
        self.is_whole = False
        """Whether all chunks are kept, so that they can be read again."""
        self._is_used_up = False

    def __repr__(self) -> str:
        return repr(self.source)

    def chunks(self) -> Generator[Chunk]:
        at = 0
        while at < len(self._kept) or self._has_kept_another():
            yield self._kept[at]
            at += 1
        if self.is_whole:
            return
        if self._is_used_up:
            raise InvalidDataError(
                f"{self.name} can be read once, and an earlier read has used it up", remedy=REMEDY
            )
        self._is_used_up = True
        with contextlib.closing(self._chunks):
            yield from self._chunks

    def keyed(self, by: Any) -> ReadOnce:
        if self._kept or self._is_used_up:
            raise InvalidDataError(
                f"{self.name} can be read once, and an earlier call has read rows", remedy=REMEDY
            )
        return ReadOnce(self.source.keyed(by))

    def _has_kept_another(self) -> bool:
        """Keep the next chunk, unless there is none or enough rows are kept."""
        if self.is_whole or self._is_used_up or self._n_kept >= self.n_to_keep:
            return False
        try:
            chunk = next(self._chunks, None)
        except BaseException:
            self._is_used_up = True
            raise
        if chunk is None:
            self.is_whole = True
            return False
        self._kept.append(chunk)
        self._n_kept += len(chunk)
        return True

    def place(self, row: int) -> RowPlace:
        """The place of a row. Nothing is read, so rows after the kept ones are counted as they come."""
        first = 0
        for chunk in self._kept:
            if row - first < len(chunk) and isinstance(chunk, TableChunk):
                return chunk.place(row - first)
            first += len(chunk)
        return RowPlace(self.name, row)


class OnceRows(StreamRows):
    """The rows of a source that can be read once. If all are kept, they are as those of any source."""

    source: ReadOnce

    def __init__(self, source: ReadOnce):
        super().__init__(source)
        self._checks: list[Check] = []
        self._seen = Facts()
        self._parts: tuple[int, Parts] = 0, []
        """The first row of the run that the read is at, and its parts of chunks."""

    @property
    def is_once(self) -> bool:
        if not self.source.is_whole:
            self.head(self.source.n_to_keep)
        return not self.source.is_whole

    def check_in_read(self, check: Check) -> None:
        self._checks.append(check)
        _, y, weights = self.head(self.source.n_to_keep)
        look(0, y, weights, block_rows(self.d), self._seen.state)
        check(0, y, False)
        self._seen = Facts()

    def refuse_reads(self, what: str) -> None:
        if self.is_once:
            self._refuse(what)

    def _refuse(self, what: str) -> NoReturn:
        raise InvalidDataError(
            f"{self.source.name} can be read once, and {what} needs more than one read", remedy=REMEDY
        )

    @property
    def facts(self) -> Facts:
        """The facts that the one read has found so far, or those of the kept rows if they are all."""
        if not self._seen.n:
            if self.is_once:
                self._refuse("this call")
            _, y, weights = self.whole()
            look(0, y, weights, block_rows(self.d), self._seen.state)
        return self._seen

    def begin(self, pieces: Iterable[Piece]) -> StreamPass:
        if not self.is_once or (self.known_n is not None and self._seen.n == self.known_n):
            return super().begin(pieces)
        return StreamPass(self, ((piece[0], [piece]) for piece in pieces), self._look)

    def _look(self, start: int, room: Room, parts: Parts) -> None:
        """Collect the facts of a run, and refuse what is invalid in it."""
        if start == 0:
            self._seen = Facts()
        if start != self._seen.n:
            return
        self._parts = start, parts
        look(start, room.y, room.weights, block_rows(self.d), self._seen.state)
        self._refuse_nonfinite_in(start, room.X, room.y)
        self._check(start, room.y, self._seen.n == self.known_n)

    def _check(self, start: int, y: Array, is_over: bool) -> None:
        for check in self._checks:
            check(start, y, is_over)

    def expect(self, n: int) -> None:
        n_kept = len(self.head(self.source.n_to_keep)[1])
        self.known_n = n
        if n_kept > n:
            self.found_end(n_kept)

    def found_end(self, n: int) -> None:
        super().found_end(n)
        if n == self._seen.n:
            self._check(n, self.head(0)[1], True)

    def _refuse_nonfinite_in(self, start: int, X: Array, y: Array) -> None:
        if (first := first_nonfinite(X, y)) is not None:
            row, column, value = first
            what = "y" if column is None else "X"
            named = None if self.is_scalar else column
            raise refused_nonfinite(
                what, value, column=named, name=self.name_of(what, column), at=self.place(start + row)
            )

    def refuse_nonfinite(self) -> None:
        """The one read has refused them in all other rows."""
        self._refuse_nonfinite_in(0, *self.head(self.source.n_to_keep)[:2])

    def place(self, row: int) -> RowPlace:
        """The place of a row, if the read is there now."""
        start, parts = self._parts
        for at, chunk, first, stop in parts:
            if 0 <= row - start - at < stop - first and isinstance(chunk, TableChunk):
                return chunk.place(first + row - start - at)
        return super().place(row)

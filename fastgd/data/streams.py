"""Chunks of any sizes, cut anew on the grid, read ahead by a thread of their own."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import queue
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, OrderError, RowPlace
from fastgd.data.chunks import Chunk, Source
from fastgd.data.dataset import Elsewhere
from fastgd.data.validation import Facts, look_at_rows
from fastgd.engine import scan
from fastgd.engine.blocks import NOTHING, Array, Floats, Piece, Reader, Run, block_rows
from fastgd.lazy import lazy_property

RUN_NUMBERS = 1 << 17
AHEAD = 8
"""Runs that are read ahead."""
POLL = 0.05
"""Seconds after which one who waits looks whether he still should."""
AT_EXIT = 5.0
"""Seconds that a process which ends waits for the threads that read."""

Ranges = tuple[int, list[Piece]]
"""The first row of a run, and where its rows lie among those of the source."""
Ready = tuple[int, int, "Room", list[tuple[int, Chunk, int, int]]]
"""The first row of a run, its rows, where it is put together, and the pieces yet to be put there: at a place
of the run, of a chunk, from a row on, to a row."""


class StreamRows(Elsewhere):
    """The rows of a source; they come in order only, and are counted by the first whole read."""

    is_random = False
    run_numbers = RUN_NUMBERS
    known_n: int | None
    passes: int = 0

    def __init__(self, source: Source):
        self.source = source
        self.known_n = source.n
        self.d, self.is_scalar, self.has_weights = source.d, source.is_scalar, source.has_weights
        self.columns, self.target_name, self.weight_name = source.columns, source.target, source.weight
        self.row_bytes = source.row_bytes
        self._head: tuple[Array, Array, Floats] | None = None

    @property
    def n(self) -> int:
        return self.facts.n if self.known_n is None else self.known_n

    @lazy_property
    def facts(self) -> Facts:
        """By a read."""
        facts = Facts()
        self.passes += 1
        scan.scan(self, functools.partial(look_at_rows, block_rows(self.d)), [facts.state])
        self.found_end(facts.n)
        return facts

    def sample(self) -> bytes:
        return self.source.sample()

    def found_end(self, n: int) -> None:
        """A read has come to the end after n rows: the source must have as many at each read."""
        if self.known_n is None:
            self.known_n = n
        if n != self.known_n:
            least = "at least " if n > self.known_n else ""
            raise InvalidDataError(
                f"{self.source.name} gave {least}{n} rows at this read, and {self.known_n} were to be "
                "expected (by the first read, or by n_samples); it must give the same rows at every read"
            )
        if not n:
            raise InvalidDataError(f"{self.source.name} has no rows; at least one is needed")

    def has_at_most(self, rows: int) -> bool:
        if self.known_n is not None:
            return self.known_n <= rows
        return len(self.head(rows + 1)[1]) <= rows

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        if self.known_n is not None:
            rows = min(rows, self.known_n)
        if self._head is None or len(self._head[1]) < rows:
            self._head = self.read_ranges((0, [(0, rows)]))
        X, y, weights = self._head
        return X[:rows], y[:rows], weights[:rows]

    def read_ranges(self, ranges: Ranges) -> tuple[Array, Array, Floats]:
        """Some rows in memory of their own; fewer where the source ends before."""
        reading = self.begin_ranges([ranges])
        try:
            runs = reading.runs()
            found = next(runs, None)
            if ranges[1][-1][1] == self.known_n:
                next(runs, None)  # which finds that there are no more rows, as there must not be
        finally:
            reading.end()
        if found is None:
            raise InvalidDataError(f"{self.source.name} has no rows; at least one is needed")
        return found[1:]

    def begin(self, pieces: Iterable[Piece]) -> StreamPass:
        return self.begin_ranges((piece[0], [piece]) for piece in pieces)

    def begin_ranges(self, ranges: Iterable[Ranges]) -> StreamPass:
        return StreamPass(self, ranges)

    def reader(self) -> Reader:
        raise OrderError(
            "gives its rows in order only, and this takes them in another",
            what=self.source.name,
            remedy='pass shuffle=False, or, of squared errors by single steps, shuffle="blocks" with '
            'method="summary"; or write them to a .npy file and pass np.load(file, mmap_mode="r"), which can '
            "be shuffled",
        )

    def mark(self) -> tuple[Any, ...]:
        return self.source.n, *(part.tobytes() for part in self.head(1))

    def place(self, row: int) -> RowPlace:
        return self.source.place(row)


class Room(NamedTuple):
    """Where a run is put together."""

    X: Array
    y: Array
    weights: Floats


_passes: weakref.WeakSet[StreamPass] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_passes.clear)  # which has none of these threads


@atexit.register
def _end_all() -> None:
    """End the reads under way, and wait for their threads.

    A thread that comes back from C++ to an interpreter that has ended aborts the process.
    """
    until = time.monotonic() + AT_EXIT
    for one in [*_passes]:
        one.end()
    for one in [*_passes]:
        one.join(max(0.0, until - time.monotonic()))


class StreamPass:
    """One read: a thread goes through the chunks and hands over runs, put together already where a chunk
    lasts only until the next is asked for; else those who take them do it, several at once."""

    def __init__(self, rows: StreamRows, ranges: Iterable[Ranges]):
        self._rows, self._source, self._ranges = rows, rows.source, ranges
        self._ready: queue.Queue[Ready | BaseException | None] = queue.Queue(AHEAD)
        self._rooms: list[Room] = []
        """Of runs that are done with."""
        self._is_ended = False
        self._thread = threading.Thread(target=self._read_ahead, name="fastgd reads ahead", daemon=True)
        if isinstance(before := self._source.reading, StreamPass) and before._is_ended:
            before.join()  # a source gives one chunk at a time: it may have but one place to write it to
        self._source.reading = self
        _passes.add(self)
        self._thread.start()

    def runs(self) -> Iterator[Run]:
        while (taken := self._take()) is not None:
            start, m, room, parts = taken
            for at, chunk, first, stop in parts:
                self._fill(room, at, chunk, first, stop)
            yield start, _read_only(room.X[:m]), _read_only(room.y[:m]), room.weights[:m]
            self._rooms.append(room)

    def _take(self) -> Ready | None:
        while not self._is_ended:
            try:
                taken = self._ready.get(timeout=POLL)
            except queue.Empty:
                continue
            if taken is None or isinstance(taken, BaseException):
                self._tell(taken)
            if isinstance(taken, BaseException):
                self._is_ended = True
                raise taken
            return taken
        return None

    def end(self) -> None:
        self._is_ended = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._tell(None)
        if self._thread is not threading.current_thread():
            self._thread.join(POLL)  # it closes what it has open; one that waits for its source is left alone

    def _tell(self, item: BaseException | None) -> None:
        """To those who wait for a run: there is none."""
        with contextlib.suppress(queue.Full):
            self._ready.put_nowait(item)

    def join(self, most: float = float("inf")) -> None:
        """Wait until the thread has ended, for so many seconds at most."""
        until = time.monotonic() + most
        while self._thread.is_alive() and (left := until - time.monotonic()) > 0.0:
            self._thread.join(min(POLL, left))

    def _put(self, item: Any) -> bool:
        """Whether it was handed over, before the end."""
        while not self._is_ended:
            with contextlib.suppress(queue.Full):
                self._ready.put(item, timeout=POLL)
                return True
        return False

    def _room(self, m: int) -> Room:
        """For m rows, or more."""
        source = self._source
        with contextlib.suppress(IndexError):
            if len((room := self._rooms.pop()).y) >= m:
                return room
        X, y = np.empty((m, source.d), source.dtypes[0]), np.empty(m, source.dtypes[1])
        return Room(X, y, np.empty(m) if source.has_weights else NOTHING)

    @staticmethod
    def _fill(room: Room, at: int, chunk: Chunk, first: int, stop: int) -> None:
        these = slice(at, at + stop - first)
        chunk.fill(first, stop, room.X[these], room.y[these], room.weights[these])

    def _read_ahead(self) -> None:
        try:
            with contextlib.closing(self._source.chunks()) as chunks:
                self._cut(chunks)
            self._put(None)
        except BaseException as error:
            self._put(error)
        finally:
            if self._source.reading is self:
                self._source.reading = None

    def _cut(self, chunks: Iterator[Chunk]) -> None:
        """Hand over the runs, each from pieces of the chunks that it lies in."""
        chunk: Chunk | None = None
        begin = end = last = 0
        """Of the chunk, among the rows; and where the range before ended."""
        for start, ranges in self._ranges:
            room, parts, m = self._room(sum(stop - first for first, stop in ranges)), [], 0
            for first, stop in ranges:
                if first < last:
                    self._rows.reader()  # which says that rows come in order only
                last = stop
                while first < stop and not self._is_ended:
                    if end <= first:
                        if (chunk := next(chunks, None)) is None:
                            self._rows.found_end(end)
                            break
                        begin, end = end, end + len(chunk)
                        continue
                    assert chunk is not None
                    piece = m, chunk, first - begin, min(stop, end) - begin
                    if self._source.is_lasting:
                        parts.append(piece)
                    else:
                        self._fill(room, *piece)
                    m += piece[3] - piece[2]
                    first = min(stop, end)
            if self._is_ended or not m or not self._put((start, m, room, parts)):
                return
            if chunk is None:
                return
        if last == self._rows.known_n:  # there must be no more
            while end <= last and (chunk := next(chunks, None)) is not None:
                end += len(chunk)
            self._rows.found_end(end)


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view

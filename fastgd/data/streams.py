"""Datasets that come in chunks. A thread reads ahead and cuts the chunks on the grid of blocks."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fastgd.checks import InvalidDataError, OrderError, RowPlace
from fastgd.data.arrays import read_only
from fastgd.data.chunks import Chunk, Source
from fastgd.data.dataset import Elsewhere, Facts, look_at_rows
from fastgd.engine import scan
from fastgd.engine.blocks import NOTHING, Array, Floats, Piece, Reader, Run, block_rows
from fastgd.lazy import lazy_property

RUN_NUMBERS = 1 << 17
AHEAD = 8
"""The number of runs to read ahead."""
POLL = 0.05
"""Seconds between two checks of a waiting thread whether the read has ended."""
AT_EXIT = 5.0
"""Seconds that an ending process waits for the threads that read."""

Ranges = tuple[int, list[Piece]]
"""The first row of a run, and the ranges of its rows in the source."""
Parts = list[tuple[int, Chunk, int, int]]
"""The parts of a run: (position in the run, chunk, start and stop in the chunk)."""
Ready = tuple[int, int, "Room", Parts]
"""The first row of a run, its number of rows, its buffers, and the parts that are not yet in the buffers."""
Look = Callable[[int, "Room", Parts], None]
"""look(start, room, parts) of a run, called in the order of the rows."""


class StreamRows(Elsewhere):
    """The rows of a source. They come in order only. The first pass counts them if n is unknown."""

    is_random = False
    run_numbers = RUN_NUMBERS
    known_n: int | None
    passes: int = 0

    def __init__(self, source: Source):
        self.source = source
        self.known_n = source.n
        self.d, self.is_scalar, self.has_weights = source.d, source.is_scalar, source.has_weights
        self.columns, self.target_name, self.weight_name = source.columns, source.target, source.weight
        self.coding = source.coding
        self.row_bytes = source.row_bytes
        self._head: tuple[Array, Array, Floats] | None = None

    @property
    def n(self) -> int:
        return self.facts.n if self.known_n is None else self.known_n

    @lazy_property
    def facts(self) -> Facts:
        """Takes a pass."""
        facts = Facts()
        self.passes += 1
        scan.scan(self, functools.partial(look_at_rows, block_rows(self.d)), [facts.state])
        self.found_end(facts.n)
        return facts

    def sample(self) -> bytes:
        return self.source.sample()

    def found_end(self, n: int) -> None:
        """Note that a read has found n rows, and refuse a number that differs from that of earlier reads."""
        if self.known_n is None:
            self.known_n = n
        if n != self.known_n:
            least = "at least " if n > self.known_n else ""
            raise InvalidDataError(
                f"{self.source.name} gave {least}{n} rows at this read, and {self.known_n} were "
                "expected (from the first read, n_samples or folds); it must give the same rows at every read"
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
            self._head = self.read_ranges((0, [(0, max(rows, self.source.head_rows))]))
        X, y, weights = self._head
        return X[:rows], y[:rows], weights[:rows]

    def read_ranges(self, ranges: Ranges) -> tuple[Array, Array, Floats]:
        """A copy of these rows, or of fewer rows if the source ends before."""
        reading = self.begin_ranges([ranges])
        try:
            runs = reading.runs()
            run = next(runs, None)
            if ranges[1][-1][1] == self.known_n:
                next(runs, None)  # refuses a source with more rows
        finally:
            reading.end()
        if run is None:
            raise InvalidDataError(f"{self.source.name} has no rows; at least one is needed")
        return run[1:]

    def begin(self, pieces: Iterable[Piece]) -> StreamPass:
        return self.begin_ranges((piece[0], [piece]) for piece in pieces)

    def begin_ranges(self, ranges: Iterable[Ranges]) -> StreamPass:
        return StreamPass(self, ranges)

    def reader(self) -> Reader:
        raise OrderError(
            "gives its rows in order only, but this fit needs another order",
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
    """Buffers for a run."""

    X: Array
    y: Array
    weights: Floats


_passes: weakref.WeakSet[StreamPass] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_passes.clear)  # a forked child has none of these threads


@atexit.register
def _end_all() -> None:
    """End all reads, and wait for their threads.

    A thread that returns from C++ after the interpreter has ended would abort the process.
    """
    until = time.monotonic() + AT_EXIT
    for reading in [*_passes]:
        reading.end()
    for reading in [*_passes]:
        reading.join(max(0.0, until - time.monotonic()))


class StreamPass:
    """One read of a source. A thread iterates over the chunks and puts runs into a queue.

    If a chunk is valid only until the next one, or runs are looked at, that thread copies its rows into the
    buffers of the run. Otherwise the threads that take the runs copy them, several at a time."""

    def __init__(self, rows: StreamRows, ranges: Iterable[Ranges], look: Look | None = None):
        self._rows, self._source, self._ranges, self._look = rows, rows.source, ranges, look
        self._copies_later = self._source.is_lasting and look is None
        self._ready: queue.Queue[Ready | BaseException | None] = queue.Queue(AHEAD)
        self._rooms: list[Room] = []
        """Buffers to use again."""
        self._is_ended = False
        self._thread = threading.Thread(target=self._read_ahead, name="fastgd reads ahead", daemon=True)
        if isinstance(before := self._source.reading, StreamPass) and before._is_ended:
            before.join()  # a source makes one chunk at a time, as all chunks may share their memory
        self._source.reading = self
        _passes.add(self)
        self._thread.start()

    def runs(self) -> Iterator[Run]:
        while (ready := self._take()) is not None:
            start, m, room, parts = ready
            for at, chunk, first, stop in parts:
                self._fill(room, at, chunk, first, stop)
            yield start, read_only(room.X[:m]), read_only(room.y[:m]), room.weights[:m]
            self._rooms.append(room)

    def _take(self) -> Ready | None:
        while not self._is_ended:
            try:
                ready = self._ready.get(timeout=POLL)
            except queue.Empty:
                continue
            if ready is None or isinstance(ready, BaseException):
                self._wake_others(ready)
            if isinstance(ready, BaseException):
                self._is_ended = True
                raise ready
            return ready
        return None

    def end(self) -> None:
        self._is_ended = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._wake_others(None)
        if self._thread is not threading.current_thread():
            self._thread.join(POLL)  # time to close its files; do not wait longer for a slow source

    def _wake_others(self, item: BaseException | None) -> None:
        """Pass the end or an error of the read on to the next thread that waits for a run."""
        with contextlib.suppress(queue.Full):
            self._ready.put_nowait(item)

    def join(self, seconds: float = float("inf")) -> None:
        """Wait until the thread has ended, but not longer than this."""
        until = time.monotonic() + seconds
        while self._thread.is_alive() and (left := until - time.monotonic()) > 0.0:
            self._thread.join(min(POLL, left))

    def _put(self, item: Any) -> bool:
        """Put an item into the queue. Return False if the read ended before."""
        while not self._is_ended:
            with contextlib.suppress(queue.Full):
                self._ready.put(item, timeout=POLL)
                return True
        return False

    def _room(self, m: int) -> Room:
        """Buffers for at least m rows."""
        source = self._source
        with contextlib.suppress(IndexError):
            if len((room := self._rooms.pop()).y) >= m:
                return room
        X, y = np.empty((m, source.d), source.dtypes[0]), np.empty(m, source.dtypes[1])
        return Room(X, y, np.empty(m) if source.has_weights else NOTHING)

    @staticmethod
    def _fill(room: Room, at: int, chunk: Chunk, first: int, stop: int) -> None:
        rows = slice(at, at + stop - first)
        chunk.fill(first, stop, room.X[rows], room.y[rows], room.weights[rows])

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
        """Put the runs into the queue, each with its pieces of the chunks."""
        chunk: Chunk | None = None
        begin = end = last = 0
        """The first row of the chunk, the row after it, and the row after the previous range."""
        for start, ranges in self._ranges:
            room, parts, m = self._room(sum(stop - first for first, stop in ranges)), [], 0
            for first, stop in ranges:
                if first < last:
                    self._rows.reader()  # raises the error that rows come in order only
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
                    parts.append(piece)
                    if not self._copies_later:
                        self._fill(room, *piece)
                    m += piece[3] - piece[2]
                    first = min(stop, end)
            if self._look is not None and m:
                self._look(start, Room(room.X[:m], room.y[:m], room.weights[:m]), parts)
            left = parts if self._copies_later else []
            if self._is_ended or not m or not self._put((start, m, room, left)):
                return
            if chunk is None:
                return
        if last == self._rows.known_n:  # refuse a source with more rows
            while end <= last and (chunk := next(chunks, None)) is not None:
                end += len(chunk)
            self._rows.found_end(end)

"""The grid that rows are cut on, and what rows are to those who read them.

A block is `block_rows(d)` rows, from row 0 on: told by row numbers and d alone. Reads go by aligned runs of
2^k whole blocks.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Summary = Floats

NOTHING: Summary = np.empty(0)
"""The summary of a run that only writes; the weights of rows that all count alike."""

BLOCK_ROWS = 4096
BLOCK_NUMBERS = 1 << 16

Task = Callable[..., Summary]
"""task(start, X, y, weights, *kept): the summary of a run, a new array. Tasks go to other processes: what
they hold is small, and none of it the rows."""
Step = Callable[..., None]
"""step(start, X, y, weights, *state): moves the arrays of a state."""
Piece = tuple[int, int]
"""start, stop: some rows."""
Run = tuple[int, Array, Array, Floats]
"""start, X, y, weights: the rows of a run; weights have the length 0 where all rows count alike."""


@functools.cache
def block_rows(d: int) -> int:
    """Rows of a block of the grid: 4096, or a power of two with about 64 Ki numbers when d is large."""
    return min(BLOCK_ROWS, 1 << max(0, (BLOCK_NUMBERS // max(1, d)).bit_length() - 1))


class Reader(Protocol):
    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        """X, y and weights of rows start:stop: C-contiguous, float32 or float64, not to be written (unless
        they are what a task is there to fill)."""

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        """The rows of these numbers, in their order."""


class Pass(Protocol):
    """One read of the rows; several threads may take its runs."""

    def runs(self) -> Iterator[Run]:
        """For one thread: the next run that no thread has taken, as long as there is one. It may be
        overwritten when the next is asked for."""

    def end(self) -> None:
        """No more runs are wanted."""


class Rows(Protocol):
    """What `fold` and `scan` read: rows of d numbers and a target."""

    d: int
    run_numbers: int
    """About how many numbers a run holds: enough that Python's share is small, few enough that an
    interrupt is answered within some milliseconds and a thread's buffer stays small."""

    @property
    def known_n(self) -> int | None:
        """How many; None where that is told by the first read."""

    @property
    def n(self) -> int:
        """How many; a read where that is not known."""

    @property
    def log(self) -> Log | None: ...

    @property
    def executor(self) -> Executor | None:
        """Who reads them, where that is not this process."""

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        """The first rows."""

    def reader(self) -> Reader:
        """A reader for one thread; it may reuse its memory from one `read` to the next."""

    def begin(self, pieces: Iterable[Piece]) -> Pass:
        """A read of these rows, which ascend where rows can only be read in order."""


class Place(NamedTuple):
    """How far a read has come: before this row, with these nodes (and their rows), or this state."""

    row: int
    sizes: list[int]
    arrays: list[NDArray[Any]]


class Entry(Protocol):
    """One read in a log."""

    found: Place | None
    """How far an earlier process came."""

    def reached(self, row: int, place: Callable[[], Place]) -> None:
        """The read has come before this row: `place` tells all, while it is called."""


class Log(Protocol):
    """Is told of each read, in their order, and may know how far one has come already."""

    def read(self, rows: Rows) -> Entry: ...


class Executor(Protocol):
    """Runs folds and scans where the rows are."""

    def fold(self, rows: Any, order: Fold, n_threads: int | None) -> Summary: ...

    def scan(self, rows: Any, step: Step, state: Sequence[Any], blocks: NDArray[np.integer] | None) -> None:
        """Over all rows, or over the blocks of these numbers."""


@dataclass(slots=True)
class Kept:
    """Arrays that a fold's task fills beside its summaries, with an entry a block along an axis each."""

    arrays: list[NDArray[Any]]
    axes: list[int]
    block: int

    def part(self, start: int, stop: int) -> list[NDArray[Any]]:
        """Views of what belongs to the blocks of rows start:stop."""
        blocks = slice(start // self.block, -(-stop // self.block))
        return [
            array[(slice(None),) * axis + (blocks,)]
            for array, axis in zip(self.arrays, self.axes, strict=True)
        ]

    def room(self, start: int, stop: int) -> Kept:
        """New arrays for these rows alone."""
        return Kept([np.empty_like(part) for part in self.part(start, stop)], self.axes, self.block)


@dataclass(slots=True)
class Fold:
    """What `fold` is asked for."""

    task: Task
    node_size: int = 1
    effort: int = 1
    least_rows: int = 1
    add: Callable[..., Any] = np.add
    kept: Kept | None = None

    def __call__(self, start: int, X: Array, y: Array, weights: Floats, offset: int = 0) -> Summary:
        if self.kept is None:
            return self.task(start, X, y, weights)
        return self.task(start, X, y, weights, *self.kept.part(start - offset, start - offset + len(y)))


def pieces(start: int, stop: int | None, run: int, n: int | None) -> Iterable[Piece]:
    """Rows start:stop (to the end, where stop is None) in aligned powers of two of at most `run` rows.

    `n` is where the rows end, if known: only there a piece may have another length. Several threads may take
    pieces of the iterable at once.
    """
    if stop is None:
        first = list(_aligned(start, -(-start // run) * run, run, None))
        whole = itertools.count(-(-start // run) * run, run)
        return itertools.chain(first, zip(whole, itertools.count(-(-start // run) * run + run, run)))
    if start % run == 0 and start < stop == n:
        return zip(
            range(start, stop, run), itertools.chain(range(start + run, stop, run), (stop,)), strict=True
        )
    return list(_aligned(start, stop, run, n))


def _aligned(start: int, stop: int, run: int, n: int | None) -> Iterator[Piece]:
    while start < stop:
        size = min(run, start & -start or run)
        if start + size > stop:
            size = stop - start if stop == n else 1 << (stop - start).bit_length() - 1
        yield start, start + size
        start += size


class RunsAnywhere:
    """A read of rows that can be read in any order: a thread that is free takes the next piece."""

    def __init__(self, rows: Rows, pieces: Iterable[Piece]):
        self._rows, self._pieces = rows, iter(pieces)  # whose next() is atomic

    def runs(self) -> Iterator[Run]:
        reader = self._rows.reader()
        for start, stop in self._pieces:
            yield start, *reader.read(start, stop)

    def end(self) -> None: ...

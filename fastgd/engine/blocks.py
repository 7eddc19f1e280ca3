"""The grid of blocks, and the interface that `reduce` and `scan` need from rows.

A block is `block_rows(d)` rows, counted from row 0. Row numbers and d alone decide where a block begins.
Kernels are called on runs: 2^k whole blocks, aligned.
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
"""An empty array: the summary of a task that only writes, and the weights of unweighted rows."""

BLOCK_ROWS = 4096
BLOCK_NUMBERS = 1 << 16

Task = Callable[..., Summary]
"""task(start, X, y, weights, *kept) returns the summary of a run, a new array. Tasks are sent to other
processes, so they hold little, and no rows."""
Step = Callable[..., None]
"""step(start, X, y, weights, *state) updates the arrays of a state in place."""
Piece = tuple[int, int]
"""Row numbers: start, stop."""
Run = tuple[int, Array, Array, Floats]
"""start, X, y, weights of a run. Weights have length 0 if the rows are unweighted."""


@functools.cache
def block_rows(d: int) -> int:
    """Rows of a block: 4096, or a smaller power of two with about 64 Ki numbers if d > 16."""
    return min(BLOCK_ROWS, 1 << max(0, (BLOCK_NUMBERS // max(1, d)).bit_length() - 1))


class Reader(Protocol):
    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        """X, y and weights of rows start:stop, C-contiguous, float32 or float64. Callers must not write them,
        except tasks that fill an output array."""

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        """X, y and weights of the rows with these numbers, in this order."""


class Pass(Protocol):
    """One read of the rows. Several threads may share its runs."""

    def runs(self) -> Iterator[Run]:
        """Iterate over runs that no other thread has taken. A run may be overwritten by the next one."""

    def end(self) -> None:
        """Stop reading."""


class Rows(Protocol):
    """Rows of d numbers, each with a target, for `reduce` and `scan`."""

    d: int
    run_numbers: int
    """The approximate number of numbers in a run. Large runs reduce the overhead of Python. Small runs keep
    buffers small and interrupts quick."""

    @property
    def known_n(self) -> int | None:
        """The number of rows; None until the first read has counted them."""

    @property
    def n(self) -> int:
        """The number of rows. May read the data to count them."""

    @property
    def log(self) -> Log | None: ...

    @property
    def executor(self) -> Executor | None:
        """The executor that reads the rows, or None if this process reads them."""

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        """The first rows."""

    def reader(self) -> Reader:
        """A reader for one thread. It may reuse its memory from one `read` to the next."""

    def begin(self, pieces: Iterable[Piece]) -> Pass:
        """Begin a read of these pieces. Pieces ascend unless rows can be read in any order."""


class Place(NamedTuple):
    """The state of an interrupted read: the next row, and either nodes with their sizes or the scan's
    state."""

    row: int
    sizes: list[int]
    arrays: list[NDArray[Any]]


class Entry(Protocol):
    """One read in a log."""

    found: Place | None
    """Where an earlier process stopped in this read."""

    def reached(self, row: int, place: Callable[[], Place]) -> None:
        """Note that the read has reached this row. `place()` copies its state; valid during this call
        only."""


class Log(Protocol):
    """Records each read, in order, and knows where reads of an earlier process stopped."""

    def read(self, rows: Rows) -> Entry: ...


class Executor(Protocol):
    """Runs reductions and scans on the processes that hold the rows."""

    def reduce(self, rows: Any, order: Reduction, n_threads: int | None) -> Summary: ...

    def scan(self, rows: Any, step: Step, state: Sequence[Any], blocks: NDArray[np.integer] | None) -> None:
        """Scan all rows, or the blocks with these numbers."""


@dataclass(slots=True)
class Kept:
    """Arrays that a task fills beside its summaries. Each has an entry for each block along one axis."""

    arrays: list[NDArray[Any]]
    axes: list[int]
    block: int

    def part(self, start: int, stop: int) -> list[NDArray[Any]]:
        """Views of the entries of the blocks in rows start:stop."""
        blocks = slice(start // self.block, -(-stop // self.block))
        return [
            array[(slice(None),) * axis + (blocks,)]
            for array, axis in zip(self.arrays, self.axes, strict=True)
        ]

    def room(self, start: int, stop: int) -> Kept:
        """New arrays for rows start:stop only."""
        return Kept([np.empty_like(part) for part in self.part(start, stop)], self.axes, self.block)


@dataclass(slots=True)
class Reduction:
    """The arguments of a reduction."""

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
    """Divide rows start:stop (without end if stop is None) into aligned powers of two of at most `run` rows.

    Only the piece that ends at `n`, the number of rows, may have another length. Several threads may take
    pieces from the iterable.
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
    """A read of rows in any order. A free thread takes the next piece."""

    def __init__(self, rows: Rows, pieces: Iterable[Piece]):
        self._rows, self._pieces = rows, iter(pieces)  # next() of this iterator is atomic

    def runs(self) -> Iterator[Run]:
        reader = self._rows.reader()
        for start, stop in self._pieces:
            yield start, *reader.read(start, stop)

    def end(self) -> None: ...

"""`scan`: runs in order, each updating a state. An interrupted scan continues from its saved state."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engine.blocks import Entry, Pass, Place, Rows, Run, Step, block_rows, pieces
from fastgd.engine.reduce import MANY_ROWS, put_back, run_rows


def scan(rows: Rows, step: Step, state: Sequence[Any] = ()) -> None:
    """Call `step(start, X, y, weights, *state)` on all runs in order. The step updates the arrays of the
    state."""
    if (executor := rows.executor) is not None:
        _in_one_piece(rows, state, lambda: executor.scan(rows, step, state, None))
        return
    n = rows.known_n
    run = run_rows(rows, MANY_ROWS if n is None else n, 1, 1)
    _scan(rows, step, state, lambda start: rows.begin(pieces(start, n, run, n)))


def scan_blocks(rows: Rows, step: Step, blocks: NDArray[np.integer], state: Sequence[Any] = ()) -> None:
    """Scan the blocks with these numbers, in this order, one block at a time."""
    if (executor := rows.executor) is not None:
        _in_one_piece(rows, state, lambda: executor.scan(rows, step, state, blocks))
        return
    n, block = rows.n, block_rows(rows.d)
    each = [(start, min(start + block, n)) for start in (blocks * block).tolist()]
    _scan(rows, step, state, lambda done: rows.begin(each[-(-done // block) :]))


def scan_rows(rows: Rows, step: Step, order: NDArray[np.integer], state: Sequence[Any] = ()) -> None:
    """Scan the rows with these numbers, in this order. `start` is then a position in the order."""
    _scan(rows, step, state, functools.partial(Taken, rows, order))


@dataclass(frozen=True)
class Taken:
    """A read of the rows with these numbers, in this order, from position `first` on."""

    rows: Rows
    order: NDArray[np.integer]
    first: int

    def runs(self) -> Iterator[Run]:
        reader, run = self.rows.reader(), block_rows(self.rows.d)
        for start in range(self.first, len(self.order), run):
            yield start, *reader.take(self.order[start : start + run])

    def end(self) -> None: ...


def _scan(rows: Rows, step: Step, state: Sequence[Any], begin: Callable[[int], Pass]) -> None:
    """Call `step` on the runs of `begin(done)`, where `done` rows were read by an earlier process."""
    entry = None if rows.log is None else rows.log.read(rows)
    done = _restored(entry, state)
    n = rows.known_n
    if done and done == n:
        return
    reading = begin(done)
    try:
        for start, X, y, weights in reading.runs():
            step(start, X, y, weights, *state)
            done += len(y)
            if entry is not None:
                entry.reached(done, functools.partial(Place, done, [], list(state)))
    finally:
        reading.end()
    if entry is not None and n is None:  # the read has counted the rows, perhaps after its last run
        entry.reached(done, functools.partial(Place, done, [], list(state)))


def _in_one_piece(rows: Rows, state: Sequence[Any], scan: Callable[[], None]) -> None:
    """A scan by an executor, logged as a whole."""
    n, entry = rows.known_n, None if rows.log is None else rows.log.read(rows)
    if entry is None or n is None or _restored(entry, state) < n:
        scan()
    if entry is not None and n is not None:
        entry.reached(n, lambda: Place(n, [], list(state)))


def _restored(entry: Entry | None, state: Sequence[Any]) -> int:
    """Restore the state of an earlier process and return the number of rows that it read."""
    if entry is None or entry.found is None:
        return 0
    put_back(state, entry.found.arrays)
    return entry.found.row

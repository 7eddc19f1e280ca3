"""Partial results of a pass, saved so that an interrupted fit can resume.

A fit is a sequence of reads, and everything between two reads follows from their results to the bit. So the
journal keeps the results of finished reads and the state of the current one: the nodes of a reduction, or the
state of a scan. A resumed fit takes the results from the journal and reads the rest. After each epoch the
journal drops the reads of that epoch, since the state of the epoch loop replaces them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from fastgd.engine.blocks import Place, Rows

SHOWN_EVERY = 0.1
"""Seconds between two updates of the progress bar."""


class Bar(Protocol):
    """A progress display."""

    def read(self, number: int, row: int, n: int | None, began: float) -> None:
        """Show that the read with this number (since the last epoch) has reached this row of n.

        It began at this value of `time.monotonic()`.
        """

    def epoch(self, done: int, cost: float | None) -> None: ...

    def close(self) -> None: ...


class Journal:
    """The log of one fit. It calls `write` when a checkpoint is due."""

    def __init__(
        self,
        write: Callable[[Journal], None] | None,
        every: float,
        bar: Bar | None,
        found: list[Place],
        end: int | None = None,
        at_end: Callable[[int], None] | None = None,
    ):
        """`found` holds the reads of an earlier process before its first epoch. If one of them had reached
        the `end` of rows that were not counted, `at_end` is called when this process repeats that read."""
        self.bar, self._write, self._every = bar, write, every
        self.keeps = write is not None
        self._found, self.end, self._at_end = found, end, at_end
        self._places: list[Place] = []
        self.before_epochs = 0
        self.point: Callable[[], Any] | None = None
        """The state of the epoch loop before the reads of the current epoch."""
        self._due = time.monotonic() + every
        self._writing = threading.Lock()

    def read(self, rows: Rows) -> JournalEntry:
        number = len(self._places)
        found = self._found[number] if number < len(self._found) else None
        if found is None or not found.row:
            self._places.append(Place(0, [], []))
            return JournalEntry(self, number, rows, None)
        if self._at_end is not None and found.row == self.end:
            self._at_end(found.row)
        self._places.append(found)
        # The reader adds to these arrays in place; the saved ones stay valid until the next copy.
        copies = [array.copy() for array in found.arrays]
        return JournalEntry(self, number, rows, Place(found.row, found.sizes, copies))

    @property
    def places(self) -> list[Place]:
        """The state of each read, of this or an earlier process: reads before the first epoch, and reads of
        the current epoch."""
        return self._places + self._found[len(self._places) :]

    def put(self, number: int, place: Place) -> None:
        self._places[number] = place

    def has_started(self, found: list[Place]) -> None:
        """Note that the reads before the first epoch are done, and that these belong to the current epoch."""
        self.before_epochs = len(self._places)
        self._found = self._places + found

    def at_epoch(self, done: int, cost: float | None, point: Callable[[], Any]) -> None:
        """Note that `done` epochs are done; called between two epochs."""
        # An interrupt between these lines leaves the previous point, which repeats its epoch, and never this
        # point with reads of the previous epoch.
        if self.point is not None:
            del self._found[self.before_epochs :]
        del self._places[self.before_epochs :]
        self.point = point
        if self.bar is not None:
            self.bar.epoch(done, cost)
        if self.is_due():
            self.write()

    def is_due(self) -> bool:
        return self.keeps and time.monotonic() >= self._due

    def write(self) -> None:
        if self._write is not None and self._writing.acquire(blocking=False):
            try:
                self._write(self)
            finally:
                self._due = time.monotonic() + self._every
                self._writing.release()


class JournalEntry:
    """One read in the journal."""

    def __init__(self, journal: Journal, number: int, rows: Rows, found: Place | None):
        self._journal, self._number, self._rows, self.found = journal, number, rows, found
        self._began = self._shown = 0.0 if journal.bar is None else time.monotonic()

    def reached(self, row: int, place: Callable[[], Place]) -> None:
        journal = self._journal
        if journal.bar is not None and (now := time.monotonic()) >= self._shown + SHOWN_EVERY:
            self._shown = now
            journal.bar.read(self._number, row, self._rows.known_n, self._began)
        is_over, is_due = row == self._rows.known_n, journal.is_due()
        if journal.keeps and (is_over or is_due):
            at, sizes, arrays = place()
            journal.put(self._number, Place(at, list(sizes), [array.copy() for array in arrays]))
        if is_due:
            journal.write()

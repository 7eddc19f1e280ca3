"""Fits that are killed at a chosen moment, and their bits, for the tests of checkpoints."""

from __future__ import annotations

import os

import pytest

from fastgd.data import arrays, streams, transform
from fastgd.engine import blocks, journal, reduce
from fastgd.io import npz
from fastgd.solver import centring, statistics
from fastgd.solver.steppers import exact, summary

BLOCK = 64
"""Rows of a block, and of a run, in these tests: few rows then make many runs."""


class Killed(BaseException):
    """Stands for the death of the process."""


@pytest.fixture
def small_runs(monkeypatch):
    """Use blocks of few rows, runs of one block, and several threads if there are some. Do not wait for
    disks."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS", BLOCK)
    monkeypatch.setattr(statistics, "ROWS_TOGETHER", BLOCK)
    monkeypatch.setattr(centring, "ACCURATE_ROWS", BLOCK)
    for module, name in (
        (arrays, "_SLICED_RUN_NUMBERS"),
        (arrays, "CONVERTED_RUN_NUMBERS"),
        (streams.StreamRows, "run_numbers"),
        (transform, "RUN_NUMBERS"),
        (reduce, "LEAST_RUN_NUMBERS"),
        (reduce, "LEAST_THREAD_NUMBERS"),
    ):
        monkeypatch.setattr(module, name, 1)
    for module in (summary, exact):
        monkeypatch.setattr(module, "_CALL_NS", 600)  # several calls for these rows
    monkeypatch.setattr(streams, "POLL", 0.002)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    blocks.block_rows.cache_clear()
    yield
    blocks.block_rows.cache_clear()


class Fate:
    """While it is installed, a checkpoint is due at every `every`-th moment, and the process dies after
    `lives` moments.

    A moment is a time at which a checkpoint may be due: a run of a read, the end of a read, an epoch. With
    `of_reads` only moments count in which a read got further than in an earlier process.
    """

    def __init__(self, monkeypatch):
        self.lives, self.every, self.moments, self.of_reads = None, 1, 0, False
        self.how: type[BaseException] = Killed
        fate = self
        at_epoch, reached = journal.Journal.at_epoch, journal.JournalEntry.reached

        def is_due(log):
            return log.keeps and fate.moments % fate.every == 0

        def live(log):
            fate.moments += 1
            if fate.lives is not None and log.keeps and fate.moments > fate.lives:
                fate.lives = None  # only once
                raise fate.how

        def epoch(log, *what):
            at_epoch(log, *what)
            if not fate.of_reads:
                live(log)

        def run(entry, row, place):
            reached(entry, row, place)
            if not fate.of_reads or row > (entry.found.row if entry.found else 0):
                live(entry._journal)

        monkeypatch.setattr(journal.Journal, "is_due", is_due)
        monkeypatch.setattr(journal.Journal, "at_epoch", epoch)
        monkeypatch.setattr(journal.JournalEntry, "reached", run)

    def run(self, fit, lives=None, every=1):
        """The result of the fit, or None if it died."""
        self.lives, self.every, self.moments = lives, every, 0
        try:
            return fit()
        except Killed:
            return None
        finally:
            self.lives = None


@pytest.fixture
def fate(monkeypatch):
    return Fate(monkeypatch)


def bits(fit):
    """All parts of a fit except its elapsed time. They are equal if and only if all bits are."""
    values = {name: value for name, value in fit.__getstate__().items() if name not in ("elapsed", "_w0")}
    arrays_of: dict = {}
    tree = npz.pack(values, arrays_of, "fit")
    return tree, {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays_of.items()}

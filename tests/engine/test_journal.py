"""Reads that end in the middle and go on: at every run, for every kind of read, the same bits."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.engine import journal as journal_module
from fastgd.engine import reduce
from fastgd.engine import scan as in_order
from fastgd.engine.blocks import Kept, Place
from fastgd.engine.journal import Journal
from tests.crashes import BLOCK, Killed, small_runs  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("small_runs")
N = 6 * BLOCK + 5


def journal(found=(), every=0.0, written=None, dies_at=None, end=None, at_end=None):
    """One whose checkpoints go into a list, and which dies after the `dies_at`-th."""
    written = [] if written is None else written

    def write(log):
        written.append(copy.deepcopy(log.places))
        if len(written) == dies_at:
            raise Killed

    return Journal(write, every, None, list(found), end, at_end)


def rows_of(log):
    X = np.random.default_rng(3).standard_normal((N, 2))
    rows = ArrayRows(X, X[:, 0])
    rows.log = log
    return rows


def sums(start, X, y, weights, *kept):
    for array in kept:
        array[...] = start
    return np.array([1e16 if not start else X.sum(), 1.0 * len(y)])


def mixed(start, X, y, weights, w, order):
    """Depends on the order of the runs."""
    w[:] = 0.9 * w + X.sum(axis=0)
    order[:] = np.append(order[len(X) :], X[:, 0])


def reduce_once(rows, n_threads=1):
    return [reduce.reduce(rows, sums, n_threads, 2)]


def reduce_in_threads(rows):
    return reduce_once(rows, 2)


def reduce_that_keeps(rows):
    kept = Kept([np.zeros((2, 7)), np.zeros(7)], [1, 0], BLOCK)
    return [reduce.reduce(rows, sums, 2, 2, kept=kept), *kept.arrays]


def state():
    return [np.zeros(2), np.zeros(N)]


def scan(rows):
    in_order.scan(rows, mixed, moved := state())
    return moved


def scan_blocks(rows):
    in_order.scan_blocks(rows, mixed, np.array([3, 6, 0, 2, 5, 1, 4]), moved := state())  # 6 is the short one
    return moved


def scan_some_blocks(rows):
    in_order.scan_blocks(rows, mixed, np.array([6, 1, 4]), moved := state())
    return moved


def scan_rows(rows):
    in_order.scan_rows(rows, mixed, np.random.default_rng(4).permutation(N), moved := state())
    return moved


READS = [reduce_once, reduce_in_threads, reduce_that_keeps, scan, scan_blocks, scan_some_blocks, scan_rows]


@pytest.mark.parametrize("read", READS)
def test_a_read_that_died_goes_on_to_the_same_bits(read):
    whole = read(rows_of(None))
    written = []
    read(rows_of(journal(written=written)))
    n_runs = len(written)
    assert n_runs >= 3
    for dies_at in range(1, n_runs + 1):
        written = []
        with pytest.raises(Killed):
            read(rows_of(journal(written=written, dies_at=dies_at)))
        found = written[-1]
        assert found[0].row > 0
        again = []
        got = read(rows_of(journal(found, written=again)))
        assert all(map(np.array_equal, got, whole))
        assert len(again) <= n_runs - dies_at + 1  # what was read is not read again


@pytest.mark.parametrize("read", READS)
def test_what_was_found_is_valid_until_more_is_known(read):
    """Nodes are added in place; a checkpoint in between must not see it."""
    written = []
    with pytest.raises(Killed):
        read(rows_of(journal(written=written, dies_at=2)))
    log = journal(copy.deepcopy(written[-1]), every=1e9)
    seen, last = [], []

    class Watched(ArrayRows):
        def reader(self):
            reader, places = super().reader(), copy.deepcopy(log.places)
            if not last:  # a thread that starts late finds what the others have added
                seen.append(places)
            return reader

    rows = rows_of(log)
    rows.__class__ = Watched
    log.put, put = (
        (lambda number, place: last.append(copy.deepcopy(log.places)) or put(number, place)),
        log.put,
    )
    read(rows)
    for places in [*seen, *last[:1]]:
        assert places[0].row == written[-1][0].row
        assert all(map(np.array_equal, places[0].arrays, written[-1][0].arrays))


def test_reads_are_known_by_their_number():
    log = journal()
    rows = rows_of(log)
    first, second = reduce_once(rows)[0], scan(rows)
    assert [place.row for place in log.places] == [N, N]
    later = journal(log.places)
    rows = rows_of(later)
    assert np.array_equal(reduce_once(rows)[0], first)
    assert [place.row for place in later.places] == [N, N]  # also before the second is asked for again
    assert all(map(np.array_equal, scan(rows), second))


def test_reads_of_an_epoch_are_forgotten_after_it():
    log = journal()
    rows = rows_of(log)
    reduce_once(rows)
    log.has_started([])
    for epoch in range(3):
        log.at_epoch(epoch, None, dict)
        assert len(log.places) == 1
        scan(rows)
        assert len(log.places) == 2
    later = journal(log.places[:1])
    rows = rows_of(later)
    reduce_once(rows)
    later.has_started(log.places[1:])
    later.at_epoch(2, None, dict)
    assert [place.row for place in later.places] == [N, N]
    later.at_epoch(3, None, dict)
    assert len(later.places) == 1


def test_an_interrupt_between_epochs_leaves_no_reads_of_another_epoch():
    """Otherwise a resumed run would take the gradient of the previous epoch for the next one's."""

    class Interrupted(list):
        def __delitem__(self, part):
            super().__delitem__(part)
            raise KeyboardInterrupt

    log = journal()
    log.has_started([])
    log.at_epoch(0, None, before := lambda: {"epoch": 0})
    log.read(rows_of(log))
    log._places = Interrupted(log._places)
    with pytest.raises(KeyboardInterrupt):
        log.at_epoch(1, None, lambda: {"epoch": 1})
    assert log.places == []
    assert log.point is before


def test_a_checkpoint_is_written_when_it_is_due(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    written = []
    log = journal(every=10.0, written=written)
    rows = rows_of(log)
    reduce_once(rows)
    assert not written
    now[0] = 10.0
    reduce_once(rows)
    assert len(written) == 1  # at its first run; the next is due ten seconds later
    assert [place.row for place in written[0]] == [N, BLOCK]


def test_one_that_only_shows_a_bar_keeps_nothing(monkeypatch):
    shown, begins, now = [], set(), itertools.count(1.0)

    class Bar:
        def read(self, number, row, n, began):
            shown.append((number, row, n))
            begins.add(began)

        def epoch(self, done, cost):
            shown.append(done)

        def close(self):
            shown.append("closed")

    monkeypatch.setattr(journal_module, "SHOWN_EVERY", 0.0)
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    log = Journal(None, 0.0, Bar(), [])
    created = next(now)
    rows = rows_of(log)
    assert np.array_equal(reduce_once(rows)[0], reduce_once(rows_of(None))[0])
    assert log.places == [Place(0, [], [])]
    log.at_epoch(1, 2.0, dict)
    assert shown == [*((0, min(row, N), N) for row in range(BLOCK, N + BLOCK, BLOCK)), (0, N, N), 1]
    assert begins == {created + 1.0}  # the time of the first look at the read, before its first row


def test_rows_that_were_counted_are_counted_again_without_a_read():
    told = []
    place = Place(N, [], state())
    log = journal([place, Place(3, [], [])], end=N, at_end=told.append)
    rows = rows_of(log)
    log.read(rows)
    log.read(rows)
    assert told == [N]

"""The grid, reduce, scan and the pool: one answer, whatever reads."""

from __future__ import annotations

import multiprocessing
import re
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows
from fastgd.engine import blocks, reduce, scan
from fastgd.engine import threads as threads_module
from tests.problems import plain_tree


@pytest.mark.parametrize(
    ("d", "rows"),
    [
        (1, 4096),
        (2, 4096),
        (16, 4096),
        (17, 2048),
        (64, 1024),
        (257, 128),
        (1000, 64),
        (65536, 1),
        (10**7, 1),
    ],
)
def test_the_grid(d, rows):
    assert blocks.block_rows(d) == rows


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_the_counter_adds_as_the_tree(values):
    counter = reduce.Counter()
    for value in values:
        counter.push(np.array([value]))
    assert counter.total()[0] == plain_tree(values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(0, 5))
def test_the_tree_does_not_depend_on_the_runs(values, power):
    run = 1 << power
    counter = reduce.Counter()
    for start in range(0, len(values), run):
        counter.push(np.array([plain_tree(values[start : start + run])]))
    assert counter.total()[0] == plain_tree(values)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 4096, 4097, 50_000])
def test_fold_sees_every_row_once_in_aligned_runs(threads_for_all, n, n_threads):
    rows = ArrayRows(np.arange(n, dtype=float), np.zeros(n))
    starts = []

    def task(start, X, y, weights):
        assert start % blocks.BLOCK_ROWS == 0
        np.testing.assert_array_equal(X[:, 0], np.arange(start, start + len(y)))
        starts.append(start)
        return np.array([X.sum(), float(len(y))])

    total = reduce.reduce(rows, task, n_threads)
    assert total.tolist() == [n * (n - 1) / 2, n]
    assert len(set(starts)) == len(starts)
    assert len(threads_for_all) > 1 or n_threads == 1 or n < 50_000


def test_scan_goes_in_order(many):
    rows = ArrayRows(np.arange(many, dtype=np.int32), np.zeros(many))  # converted: many runs
    seen = []
    scan.scan(rows, lambda start, X, y, weights: seen.append((start, float(X[0, 0]), len(y))))
    assert [start for start, _, _ in seen] == sorted({start for start, _, _ in seen})
    assert all(start == first for start, first, _ in seen)
    assert sum(length for _, _, length in seen) == many


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_an_error_in_a_thread_reaches_the_caller_and_stops_the_others(threads_for_all, n_threads):
    rows = ArrayRows(np.zeros(100 * 4096, int), np.zeros(100 * 4096))  # converted: many runs
    calls = []

    def task(start, X, y, weights):
        calls.append(start)
        if start > 0:
            raise RuntimeError(f"row {start}")
        return np.zeros(1)

    with pytest.raises(RuntimeError, match="row"):
        reduce.reduce(rows, task, n_threads)
    assert len(calls) <= 1 + n_threads
    assert (
        reduce.reduce(rows, lambda s, X, y, weights: X.sum(keepdims=True)[0], n_threads)[0] == 0.0
    )  # still works


def test_work_ends_before_run_on_threads_returns():
    done = []
    threads_module.run_on_threads(lambda team: done.append(threading.get_ident()), 4)
    assert 1 <= len(done) <= 4
    assert threading.get_ident() in done


def test_folds_of_many_threads_from_many_threads(threads_for_all):
    rows = ArrayRows(np.ones(64 * 4096), np.zeros(64 * 4096))
    results = []

    def user():
        results.append(reduce.reduce(rows, lambda s, X, y, weights: np.array([X.sum()]), 100)[0])

    users = [threading.Thread(target=user) for _ in range(8)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join(60)
    assert results == [64 * 4096.0] * 8


def test_a_helper_that_nobody_waits_for_takes_no_run(threads_for_all, monkeypatch):
    """`submit` queues the work before it fails to start a thread; a thread that is free later finds it."""
    rows = ArrayRows(np.ones(64 * 4096), np.zeros(64 * 4096))
    threads = threads_module._pool()
    threads.submit(lambda: None).result()
    busy = threading.Event()
    blockers = [threads.submit(busy.wait) for _ in range(len(threads._threads))]

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    def task(start, X, y, weights):
        busy.set()  # the blocked threads become free in the middle of the reduction
        return np.array([X.sum()])

    for _ in range(20):
        assert reduce.reduce(rows, task, 4)[0] == 64 * 4096.0
    monkeypatch.undo()
    for blocker in blockers:
        blocker.result()


@pytest.mark.parametrize("where", ["submit", "reader", "task"])
def test_an_interrupt_anywhere_in_the_caller_stops_the_helpers(monkeypatch, where):
    rows = ArrayRows(np.ones(2000 * 4096, np.int8), np.zeros(2000 * 4096, np.int8))
    caller = threading.get_ident()
    runs = []

    def interrupt_the_caller():
        if threading.get_ident() == caller:
            raise KeyboardInterrupt

    def task(start, X, y, weights):
        runs.append(start)
        if where == "task":
            interrupt_the_caller()
        time.sleep(0.001)
        return np.zeros(1)

    if where == "submit":
        threads = threads_module._pool()

        class Pool:
            def submit(self, work):
                threads.submit(work)
                raise KeyboardInterrupt

        monkeypatch.setattr(threads_module, "_pool", Pool)
    if where == "reader":
        reader = ArrayRows.reader
        monkeypatch.setattr(ArrayRows, "reader", lambda self: (interrupt_the_caller(), reader(self))[1])
    with pytest.raises(KeyboardInterrupt):
        reduce.reduce(rows, task, 4)
    done = len(runs)
    assert done < 100
    time.sleep(0.05)
    assert len(runs) == done


def _fold_in_child(queue):
    rows = ArrayRows(np.ones(64 * 4096), np.zeros(64 * 4096))
    queue.put(reduce.reduce(rows, lambda s, X, y, weights: np.array([X.sum()]), 4)[0])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_pool_is_made_anew_in_a_forked_child(threads_for_all):
    rows = ArrayRows(np.ones(64 * 4096), np.zeros(64 * 4096))
    assert (
        reduce.reduce(rows, lambda s, X, y, weights: np.array([X.sum()]), 4)[0] == 64 * 4096.0
    )  # the parent has a pool
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_fold_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == 64 * 4096.0
    child.join(60)
    assert child.exitcode == 0


def test_the_first_row_and_column_of_several_blocks_is_named():
    X, y = np.zeros((9000, 3)), np.zeros(9000)
    ArrayRows(X, y).refuse_nonfinite()
    for array, place, value, sentence in (
        (y, 8500, np.inf, "y[8500] is infinite"),
        (X, (8500, 2), np.nan, "X[8500, 2] is NaN"),
        (X, (4097, 1), -np.inf, "X[4097, 1] is minus infinite"),
    ):
        array[place] = value
        with pytest.raises(InvalidDataError, match=rf"^{re.escape(sentence)}; drop"):
            ArrayRows(X, y).refuse_nonfinite()

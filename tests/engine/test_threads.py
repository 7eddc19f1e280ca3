"""The pool of threads: its end, its interrupts and its children."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.engine import reduce
from fastgd.engine import threads as threads_module


def test_work_ends_before_run_on_threads_returns():
    done = []
    threads_module.run_on_threads(lambda team: done.append(threading.get_ident()), 4)
    assert 1 <= len(done) <= 4
    assert threading.get_ident() in done


@pytest.mark.parametrize("fails", ["nobody", "the caller", "a helper"])
def test_a_team_knows_whether_a_thread_has_failed(fails):
    """After good work `stop` is set too, while helpers end their runs."""
    caller, teams, both = threading.get_ident(), [], threading.Barrier(2, timeout=10)

    def work(team):
        teams.append(team)
        both.wait()
        if fails == ("the caller" if threading.get_ident() == caller else "a helper"):
            raise ArithmeticError

    with pytest.raises(ArithmeticError) if fails != "nobody" else contextlib.nullcontext():
        threads_module.run_on_threads(work, 2)
    assert teams[0] is teams[1]
    assert teams[0].stop
    assert teams[0].has_failed is (fails != "nobody")


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

"""Runs side by side: their reads are one read, and each is the run alone."""

from __future__ import annotations

import functools
import signal
import threading
import time

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.data.labels import OneAgainstRest
from fastgd.data.together import MOST, Ended, Together
from fastgd.data.transform import TransformedRows
from fastgd.engine import reduce, scan
from fastgd.solver.inputs import as_dataset

N, D = 20_000, 5
Y = np.arange(N) % 3


def data(rng):
    """Small whole numbers, whose sums are exact in any order."""
    return rng.integers(-9, 9, (N, D)).astype(float), Y


def source(X, y, read):
    """Chunks that note each read."""

    def parts():
        read.append(None)
        return ((X[at : at + 3000], y[at : at + 3000]) for at in range(0, N, 3000))

    return fastgd.chunks(parts, n_samples=N)


def sums(_start, X, y, weights):
    return np.concatenate([X.T @ y, [len(y), np.sum(weights)]])


def read(rows, times):
    return [reduce.reduce(rows, sums, None, rows.d + 2) for _ in range(times)]


def threads():
    return {thread.name for thread in threading.enumerate() if thread.name == "fastgd run"}


def test_reads_are_shared_and_give_what_reads_alone_give(rng):
    """Runs of 1, 2, 3, 4 reads; the even ones read centred columns."""
    X, y = data(rng)
    noted = []
    rows = as_dataset(source(X, y, noted), None)

    def view(rows, k, together=None):
        one = OneAgainstRest(rows, k % 3, together)
        return TransformedRows(one, np.full(D, 3.0), np.full(D, 2.0), has_ones=True) if k % 2 else one

    noted.clear()
    together = Together()
    ours = together.run([functools.partial(read, view(rows, k, together), k + 1) for k in range(4)])
    assert len(noted) == 4
    for k, tables in enumerate(ours):
        expected = read(view(ArrayRows(X, y), k), k + 1)
        np.testing.assert_array_equal(tables, expected)
    assert not threads()


def test_the_reads_of_a_sample_come_before_the_shared_ones(rng):
    """One run reads few rows three times before it asks for all; the other waits for it."""
    X, y = data(rng)
    noted = []
    rows, few = as_dataset(source(X, y, noted), None), ArrayRows(X[:9], y[:9])
    noted.clear()
    together, seen = Together(), []

    def run(times):
        for _ in range(times):
            reduce.reduce(OneAgainstRest(few, 1, together), sums, None)
            seen.append((times, len(noted)))
        return read(OneAgainstRest(rows, 1, together), 1)

    together.run([functools.partial(run, 0), functools.partial(run, 3)])
    assert seen == [(3, 0)] * 3
    assert len(noted) == 1


def test_scans_and_calls_are_done_by_the_caller_s_thread(rng):
    X, y = data(rng)
    together, found = Together(), []

    def run(k):
        state = np.zeros(1)

        def step(_start, _X, y, _weights, state):
            found.append(threading.current_thread())
            state += y.sum()

        scan.scan(OneAgainstRest(ArrayRows(X, y), k, together), step, [state])
        together.call(lambda: found.append(threading.current_thread()))
        return state[0]

    runs = [functools.partial(run, k) for k in range(3)]
    assert together.run(runs) == np.bincount(y).tolist()
    assert set(found) == {threading.current_thread()}
    assert run(0) == np.count_nonzero(y == 0)  # no run works


def test_many_runs_work_in_groups():
    at_once, most = [], []

    def run(k):
        at_once.append(k)
        together.call(lambda: most.append(len(at_once)))
        at_once.remove(k)
        return k

    together = Together()
    assert together.run([functools.partial(run, k) for k in range(2 * MOST + 1)]) == [*range(2 * MOST + 1)]
    assert max(most) == MOST


def test_numpy_s_settings_are_those_of_the_run():
    X = np.full((N, 1), 1e300)
    rows = ArrayRows(X, np.ones(N))
    together = Together()

    def run(how):
        with np.errstate(over=how):
            return reduce.reduce(OneAgainstRest(rows, 1, together), lambda _start, X, *_: X[0] * X[0], 1)

    assert np.isinf(together.run([functools.partial(run, "ignore")])[0])
    with pytest.raises(FloatingPointError):
        together.run([functools.partial(run, "raise")])


@pytest.mark.parametrize("where", ["in a run", "in a read"])
def test_the_first_error_ends_all_runs(rng, where):
    rows, together, ends = ArrayRows(*data(rng)), Together(), []

    def run(k):
        try:
            read(OneAgainstRest(rows, k, together), 2)
            if where == "in a run" and k == 1:
                raise ValueError("so")
            if where == "in a read" and k == 1:
                together.call(functools.partial(int, "so"))
            read(OneAgainstRest(rows, k, together), 2)
        except BaseException as error:
            ends.append((k, type(error)))
            raise

    with pytest.raises(ValueError, match="so"):
        together.run([functools.partial(run, k) for k in range(3)])
    assert ends == [(1, ValueError), (0, Ended), (2, Ended)]
    assert not threads()


@pytest.mark.parametrize("where", ["in a run", "in a read"])
def test_an_interrupt_ends_all_runs_and_is_that_of_the_first(rng, where):
    """The run that works goes on to its next read. None of them is lost, and each may clear up."""
    rows, together, ends, stands = ArrayRows(*data(rng)), Together(), [], threading.Event()

    def wait():
        if not stands.is_set():
            stands.set()
            time.sleep(0.3)

    def run(k):
        try:
            read(OneAgainstRest(rows, k, together), 1)
            if k == 1:
                wait() if where == "in a run" else together.call(wait)
            for _ in range(10**6):
                read(OneAgainstRest(rows, k, together), 1)
        except KeyboardInterrupt as interrupt:
            vars(interrupt)["result"] = k
            ends.append(k)
            raise

    def send():
        stands.wait()
        signal.raise_signal(signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        together.run([functools.partial(run, k) for k in range(3)])
    sender.join()
    assert (ends, caught.value.result) == ([0, 1, 2], 0)
    assert not threads()

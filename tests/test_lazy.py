"""Attributes computed at their first use: no lock is held while they read the data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd.lazy import lazy_property

ROOT = Path(__file__).parents[1]
SECONDS = 60

FITS = [
    lambda X, y: fastgd.gradient_descent(X, y, n_epochs=3),
    lambda X, y: fastgd.gradient_descent(X, y, n_epochs=3, fit_intercept=True),
    lambda X, y: fastgd.gradient_descent(X, y, n_epochs=3, fit_intercept=True, standardize=True),
    lambda X, y: fastgd.gradient_descent(X, y, n_epochs=3, method="stream", standardize=True),
    lambda X, y: fastgd.gradient_descent(X, y, n_epochs=3, loss="huber", fit_intercept=True),
    lambda X, y: fastgd.gradient_descent(X, y, n_epochs=3, loss="quantile"),
    lambda X, y: fastgd.sgd(X, y, n_epochs=3),
    lambda X, y: fastgd.sgd(X, y, n_epochs=3, fit_intercept=True, standardize=True, loss="huber"),
    lambda X, y: fastgd.diagnose(X, y, fit_intercept=True),
]


class Doubled:
    """Counts how often its attribute is computed."""

    def __init__(self, value):
        self.value, self.computed = value, 0
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.may_end.set()

    @lazy_property
    def twice(self):
        """Two of it."""
        self.computed += 1
        self.begun.set()
        assert self.may_end.wait(SECONDS)
        return [self.value, self.value]


def in_thread(call):
    """The future of a call in a thread that does not keep the process alive."""
    future = Future()

    def work():
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def test_a_lazy_property_is_computed_once_and_again_after_del():
    doubled = Doubled(3)
    assert doubled.twice == [3, 3]
    assert doubled.twice is doubled.twice
    assert doubled.computed == 1
    del doubled.twice
    assert doubled.twice == [3, 3]
    assert doubled.computed == 2
    assert Doubled.twice.__doc__ == "Two of it."


def test_a_failed_computation_is_tried_again():
    class Failing:
        calls = 0

        @lazy_property
        def number(self):
            self.calls += 1
            if self.calls == 1:
                raise ValueError("the disk is gone")
            return 7

    failing = Failing()
    with pytest.raises(ValueError, match="gone"):
        _ = failing.number
    assert failing.number == 7


def test_one_instance_does_not_wait_for_another():
    slow, quick = Doubled(1), Doubled(2)
    slow.may_end.clear()
    found = in_thread(lambda: slow.twice)
    assert slow.begun.wait(SECONDS)
    assert in_thread(lambda: quick.twice).result(SECONDS) == [2, 2]
    assert not found.done()
    slow.may_end.set()
    assert found.result(SECONDS) == [1, 1]


def test_threads_that_compute_it_at_once_get_one_value():
    shared = Doubled(1)
    shared.may_end.clear()
    found = in_thread(lambda: shared.twice)
    assert shared.begun.wait(SECONDS)
    shared.begun.clear()
    found_too = in_thread(lambda: shared.twice)
    assert shared.begun.wait(SECONDS)
    shared.may_end.set()
    assert found.result(SECONDS) is found_too.result(SECONDS) is shared.twice
    assert shared.computed == 2


def chunks_of(X, y, between):
    """A source that calls `between` in the middle of every read."""

    def factory():
        yield X[:100], y[:100]
        between()
        yield X[100:], y[100:]

    return fastgd.chunks(factory)


def answer(result):
    """The numbers of a fit or a diagnosis that matter."""
    return result.w if hasattr(result, "w") else result.optimum


@pytest.mark.parametrize("number", range(len(FITS)))
def test_a_fit_inside_the_function_of_chunks(number):
    """It waited for itself, for ever, while a lock was held during a read."""
    fit = FITS[number]
    X, y, _ = fastgd.make_linear(300, 3, noise=0.1, seed=1)
    expected = answer(fit(X, y))
    inside = []
    source = chunks_of(X, y, lambda: inside.append(answer(fit(X, y))))
    found = answer(in_thread(lambda: fit(source, None)).result(SECONDS))
    assert inside
    assert all(np.array_equal(other, expected) for other in [found, *inside])


@pytest.mark.parametrize("number", range(len(FITS)))
def test_a_fit_does_not_wait_for_the_slow_source_of_another_thread(number):
    fit = FITS[number]
    X, y, _ = fastgd.make_linear(300, 3, noise=0.1, seed=1)
    expected = [answer(other(X, y)) for other in FITS]
    is_read, may_go_on = threading.Event(), threading.Event()

    def wait():
        is_read.set()
        assert may_go_on.wait(SECONDS)

    source = chunks_of(X, y, wait)
    slow = in_thread(lambda: fit(source, None))
    assert is_read.wait(SECONDS)
    for other, right in zip(FITS, expected, strict=True):
        quick = in_thread(lambda other=other: other(X, y))
        assert np.array_equal(answer(quick.result(SECONDS)), right)
    assert not slow.done()
    may_go_on.set()
    assert np.array_equal(answer(slow.result(SECONDS)), expected[number])


FORKED_AMID_A_READ = """
import os
import signal
import threading
import fastgd

X, y, _ = fastgd.make_linear(300, 3, noise=0.1, seed=1)

def fit(data, targets):
    return fastgd.gradient_descent(data, targets, fit_intercept=True, standardize=True, n_epochs=3)

is_read, may_go_on = threading.Event(), threading.Event()

def factory():
    yield X[:100], y[:100]
    is_read.set()
    assert may_go_on.wait(60)
    yield X[100:], y[100:]

expected = fit(X, y).w.tobytes()
source = fastgd.chunks(factory)
thread = threading.Thread(target=lambda: fit(source, None))
thread.start()
assert is_read.wait(60)
child = os.fork()
if child == 0:
    signal.alarm(30)
    same = fit(X, y).w.tobytes() == expected
    same &= fit(fastgd.chunks(lambda: iter([(X, y)])), None).w.tobytes() == expected
    os._exit(0 if same else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
may_go_on.set()
thread.join()
print("child:", code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_while_another_thread_reads():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED_AMID_A_READ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "child: 0\n"

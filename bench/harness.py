"""What every benchmark shares: the cases, their data, the plain read, and the one body that times."""

from __future__ import annotations

import functools
import os
import statistics
import time
from dataclasses import dataclass

import numpy as np

import fastgd
from fastgd.cli import demo
from fastgd.data.arrays import ArrayRows
from fastgd.engine.threads import default_threads

SMOKE = os.environ.get("FASTGD_BENCH_SMOKE", "0") not in ("", "0")
"""Tiny sizes and one round: that everything runs, not how fast."""

SECONDS = 0.3  # about what the rounds of one benchmark may take together
ROUND_SECONDS = 0.03  # a round gets ten times the epochs while it takes less than this
MOST_EPOCHS = 10 if SMOKE else 100
MOST_ROUNDS = 7
SPIN_SECONDS = 0.0 if SMOKE else 0.03
"""So long the threads of OpenMP and of BLAS spin after their work; what is timed next would wait for them."""
LEAST_BYTES = 1_000_000
"""Of less, a read takes the time of its call: no share of it is told."""


@dataclass(frozen=True)
class Case:
    """Data of one size. `d=None` is the lesson's case: X of shape (n,), w a number."""

    n: int
    d: int | None = None
    dtype: str = "float64"

    @property
    def numbers(self):
        return self.n * (self.d or 1)

    def __str__(self):
        n = next((f"{self.n // unit}{sign}" for unit, sign in _UNITS if self.n % unit == 0), str(self.n))
        return f"n={n},d={self.d or 1},{self.dtype}"


_UNITS = ((10**6, "M"), (10**3, "k"))

CASES = (
    [Case(3), Case(1000), Case(5000, 10)]
    if SMOKE
    else [
        Case(3),
        Case(1000),
        Case(100_000),
        Case(10_000_000),
        Case(1_000_000, 10),
        Case(100_000, 100),
    ]
)

TOLERANCE = {
    "float64": 1e-9,
    "float32": 2e-3,  # the others add up in float32 too, over millions of rows; fastgd adds in float64
}


@functools.lru_cache(maxsize=2)  # the largest data set has 160 MB
def data(case):
    """X, y and the weights they were made with."""
    return fastgd.make_linear(case.n, case.d, noise=0.1, seed=1, dtype=case.dtype)


def read_once(X, y, n_threads):
    """*The* plain read, through the engine: what a share of a read is a share of."""
    return float(demo.plain_read(ArrayRows(X, y), n_threads)[0])


def assert_close(result, expected, tolerance, what):
    """Equal within `tolerance` times the largest number of `expected`."""
    result, expected = np.asarray(result, float), np.asarray(expected, float)
    assert result.shape == expected.shape, f"{what}: shape {result.shape} instead of {expected.shape}"
    error = float(np.max(np.abs(result - expected)) / np.max(np.abs(expected)))
    assert error <= tolerance, (
        f"{what} is off by {error:.1e} of the largest number; {tolerance:.0e} is allowed"
    )


def measure(benchmark, group, contender, call, *, check, X, y, read_threads=None):
    """The body of every benchmark of epochs: warm up, assert, time and read plainly in turn, note.

    `call(n)` runs n epochs and returns a result; `check(result, n)` raises if it is wrong. Reported times
    are seconds an *epoch*: slow contenders run fewer epochs a round, and can still be compared.
    """
    epochs, seconds = _epochs_of_a_round(call)
    check(call(epochs), epochs)
    threads = read_threads or default_threads()
    beside = Beside(X, y, {"read": lambda: read_once(X, y, threads)}, times=min(epochs, 3))
    rounds = 1 if SMOKE else min(MOST_ROUNDS, max(5 if seconds < 1 else 3, int(SECONDS / seconds)))
    benchmark.group = group
    benchmark.pedantic(call, args=(epochs,), setup=beside.time, rounds=rounds)
    if benchmark.stats:  # none under --benchmark-disable
        median = _scale(benchmark, 1 / epochs)
        note(benchmark, contender, "epoch", median, epochs=epochs, X=X, y=y)
        beside.note(benchmark, median, threads)


def measure_function(benchmark, function, case, contender, tolerance, read_threads=None):
    """An evaluation of cost, gradient or both, as an epoch."""
    X, y, _ = data(case)
    w = 0.5 if case.d is None else np.full(case.d, 0.5, case.dtype)
    evaluate = contender.prepare(X, y)
    expected = function(X, y, w)

    def call(n_evaluations):
        for _ in range(n_evaluations):
            result = evaluate(w)
        return result

    def check(result, _n):
        pairs = zip(result, expected, strict=True) if isinstance(expected, tuple) else [(result, expected)]
        for ours, theirs in pairs:
            assert_close(ours, theirs, tolerance, f"{function.__name__} of {contender}")

    group = f"{function.__name__} {case}"
    measure(benchmark, group, contender.name, call, check=check, X=X, y=y, read_threads=read_threads)


def measure_loop(benchmark, function, case, contender, rate, read_threads, tolerance=1e-9):
    """Epochs of gradient_descent or sgd; what is expected is what the library does when left to choose."""
    X, y, _ = data(case)
    w0 = start_of(case)
    run = contender.prepare(X, y)

    def call(n_epochs):
        return run(w0, rate, n_epochs)

    def check(w, n_epochs):
        expected = function(X, y, w0=w0, learning_rate=rate, n_epochs=n_epochs).w
        assert_close(w, expected, tolerance, f"w of {contender} after {n_epochs} epochs")

    group = f"{function.__name__} {case}"
    measure(benchmark, group, contender.name, call, check=check, X=X, y=y, read_threads=read_threads)


def start_of(case):
    return 0.0 if case.d is None else np.zeros(case.d)


def measure_whole(benchmark, group, contender, call, seconds, *, X, y, scale=1.0, beside=None):
    """Times of whole calls on X and y, a plain read (and what else is `beside`) timed before each.

    The caller has checked the call: it takes about so many seconds. `scale` turns what is timed into what
    is told.
    """
    threads = default_threads()
    others = Beside(X, y, {"read": lambda: read_once(X, y, threads)} | (beside or {}))
    rounds = 1 if SMOKE or seconds > 1.5 else 3 if seconds > 0.3 else 7
    benchmark.group = group
    benchmark.pedantic(call, setup=others.time, rounds=rounds)
    if benchmark.stats:
        median = _scale(benchmark, scale)
        note(benchmark, contender, "call", median, X=X, y=y)
        others.note(benchmark, median, threads)


class Beside:
    """What is timed in turn with a benchmark: on a noisy machine a ratio needs both of its times at once."""

    def __init__(self, X, y, calls, times=1):
        """Each call is timed `times` times at a stretch, where the benchmark's own is."""
        self._times = times
        self._is_tiny = X.nbytes + y.nbytes < LEAST_BYTES
        self._calls = calls
        self._seconds = {name: [] for name in calls}
        for call in calls.values():
            call()

    def time(self):
        """Before each round."""
        if self._is_tiny and self._seconds["read"]:
            return  # no share of a read is told, and a pause would cool what is in the cache
        time.sleep(SPIN_SECONDS)
        self._calls["read"]()  # wakes the threads up
        for name, call in self._calls.items():
            seconds = seconds_of(lambda call=call: [call() for _ in range(self._times)])
            self._seconds[name].append(seconds / self._times)

    def note(self, benchmark, median, threads):
        medians = {name: statistics.median(seconds) for name, seconds in self._seconds.items()}
        read = medians.pop("read")
        benchmark.extra_info |= {
            "share_of_read": read / median,
            "reads": median / read,
            "read_seconds": read,
            "read_threads": threads,
            "beside": {name: {"seconds": other, "times": median / other} for name, other in medians.items()},
        }


def measure_calls(benchmark, group, contender, function, *, rounds, args=(), setup=None):
    """Times of whole calls, for what has no epochs; the caller has called and checked it once."""
    benchmark.group = group
    benchmark.pedantic(function, args=args, setup=setup, rounds=1 if SMOKE else rounds)
    if benchmark.stats:
        note(benchmark, contender, "call", benchmark.stats.stats.median)


def _epochs_of_a_round(call):
    """As many as fit, and the seconds they take; the calls also warm everything up."""
    epochs = 1
    call(epochs)
    while (seconds := seconds_of(call, epochs)) < ROUND_SECONDS and epochs < MOST_EPOCHS:
        epochs *= 10
        call(epochs)  # jax compiles for each number of epochs
    return epochs, seconds


def seconds_of(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def _scale(benchmark, factor):
    """Turn the seconds of rounds into those of one epoch, or of more epochs than were run."""
    stats = benchmark.stats.stats
    stats.data[:] = [seconds * factor for seconds in stats.data]
    return stats.median


def note(benchmark, contender, unit, median, *, epochs=1, X=None, y=None):
    """What the report reads, beside the times: `unit` says what one time is the time of."""
    benchmark.extra_info |= {"contender": contender, "unit": unit, "epochs_per_round": epochs}
    if X is not None:
        benchmark.extra_info |= {
            "n": len(y),
            "d": 1 if X.ndim == 1 else X.shape[1],
            "dtype": str(X.dtype),
            "bytes": X.nbytes + y.nbytes,
            "ns_per_sample": median / len(y) * 1e9,
            "samples_per_second": len(y) / median,
            "gb_per_second": (X.nbytes + y.nbytes) / median / 1e9,
        }

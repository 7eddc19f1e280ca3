"""Code that all benchmarks share: cases, data, the plain read, and timing."""

from __future__ import annotations

import functools
import os
import statistics
import time
from dataclasses import dataclass

import numpy as np

import fastgd
from bench.roofline import multiply_adds
from fastgd.cli import demo
from fastgd.data.arrays import ArrayRows
from fastgd.engine.threads import default_threads

SMOKE = os.environ.get("FASTGD_BENCH_SMOKE", "0") not in ("", "0")
"""Tiny sizes and one round, to check that everything runs."""

SECONDS = 0.3  # of all rounds of a benchmark, about
ROUND_SECONDS = 0.03  # a round gets ten times the epochs until it takes this long
MOST_EPOCHS = 10 if SMOKE else 100
MOST_ROUNDS = 7
SPIN_SECONDS = 0.0 if SMOKE else 0.03
"""Seconds that threads of OpenMP and BLAS spin after their work. The next measurement waits for them."""
LEAST_BYTES = 1_000_000
"""Reading fewer bytes takes no longer than a call, so the report states no share of a read."""


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
    "float32": 2e-3,  # other libraries add in float32 over millions of rows, fastgd in float64
}


@functools.lru_cache(maxsize=2)  # the largest data set has 160 MB
def data(case):
    """X, y and the true weights."""
    return fastgd.make_linear(case.n, case.d, noise=0.1, seed=1, dtype=case.dtype)


def read_once(X, y, n_threads):
    """The plain read, through the engine. Shares of a read refer to it."""
    return float(demo.plain_read(ArrayRows(X, y), n_threads)[0])


def assert_close(result, expected, tolerance, what):
    """Assert that results agree within `tolerance` times the largest absolute value of `expected`."""
    result, expected = np.asarray(result, float), np.asarray(expected, float)
    assert result.shape == expected.shape, f"{what}: shape {result.shape} instead of {expected.shape}"
    error = float(np.max(np.abs(result - expected)) / np.max(np.abs(expected)))
    assert error <= tolerance, (
        f"{what} is off by {error:.1e} of the largest number; {tolerance:.0e} is allowed"
    )


def measure(benchmark, group, contender, call, *, check, X, y, read_threads=None):
    """Benchmark epochs: warm up, assert, time rounds and plain reads in turn, and note the results.

    `call(n)` runs n epochs and returns a result. `check(result, n)` raises if the result is wrong. Reported
    times are seconds for each epoch, since slow contenders run fewer epochs in a round.
    """
    epochs, seconds = _epochs_of_a_round(call)
    check(call(epochs), epochs)
    threads = read_threads or default_threads()
    beside = Beside(X, y, {"read": lambda: read_once(X, y, threads)}, times=min(epochs, 3))
    rounds = 1 if SMOKE else min(MOST_ROUNDS, max(5 if seconds < 1 else 3, int(SECONDS / seconds)))
    benchmark.group = group
    benchmark.pedantic(call, args=(epochs,), setup=beside.time, rounds=rounds)
    if benchmark.stats:  # no stats under --benchmark-disable
        median = _scale(benchmark, 1 / epochs)
        note(benchmark, contender, "epoch", median, epochs=epochs, X=X, y=y)
        beside.note(benchmark, median, threads)


def measure_function(benchmark, function, case, contender, tolerance, read_threads=None):
    """Benchmark cost, gradient or both. An evaluation counts as an epoch."""
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
    """Benchmark epochs of gradient_descent or sgd. The expected w is fastgd's with default options."""
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


def measure_whole(
    benchmark, group, contender, call, seconds, *, X, y, scale=1.0, beside=None, arithmetic=None
):
    """Benchmark whole calls on X and y. A plain read, and the calls in `beside`, are timed before each round.

    The caller has checked the call, which takes about `seconds`. `scale` converts the measured time to the
    reported one. If the least number of multiply-adds of the call is given as `arithmetic`, they are timed as
    well. The longer of the plain read and the multiply-adds is the roofline.
    """
    threads = default_threads()
    calls = {"read": lambda: read_once(X, y, threads)} | (beside or {})
    if arithmetic:
        calls["multiply-adds"] = lambda: multiply_adds(arithmetic, threads)
    others = Beside(X, y, calls)
    rounds = 1 if SMOKE or seconds > 1.5 else 3 if seconds > 0.3 else 7
    benchmark.group = group
    benchmark.pedantic(call, setup=others.time, rounds=rounds)
    if benchmark.stats:
        median = _scale(benchmark, scale)
        note(benchmark, contender, "call", median, X=X, y=y)
        others.note(benchmark, median, threads)


class Beside:
    """Calls that are timed in turn with a benchmark. On a noisy machine both times of a ratio must be
    measured together."""

    def __init__(self, X, y, calls, times=1):
        """Each measurement makes `times` calls, as a round of the benchmark does."""
        self._times = times
        self._is_tiny = X.nbytes + y.nbytes < LEAST_BYTES
        self._calls = calls
        self._seconds = {name: [] for name in calls}
        for call in calls.values():
            call()

    def time(self):
        """Time all calls once; called before each round."""
        if self._is_tiny and self._seconds["read"]:
            return  # no share of a read is reported, and a pause would cool the cache
        time.sleep(SPIN_SECONDS)
        self._calls["read"]()  # wakes the threads
        for name, call in self._calls.items():
            seconds = seconds_of(lambda call=call: [call() for _ in range(self._times)])
            self._seconds[name].append(seconds / self._times)

    def note(self, benchmark, median, threads):
        medians = {name: statistics.median(seconds) for name, seconds in self._seconds.items()}
        read = medians.pop("read")
        if "multiply-adds" in medians:
            medians["the roofline"] = max(read, medians["multiply-adds"])
        benchmark.extra_info |= {
            "share_of_read": read / median,
            "reads": median / read,
            "read_seconds": read,
            "read_threads": threads,
            "beside": {name: {"seconds": other, "times": median / other} for name, other in medians.items()},
        }


def measure_calls(benchmark, group, contender, function, *, rounds, args=(), setup=None):
    """Benchmark whole calls without epochs. The caller has checked one call."""
    benchmark.group = group
    benchmark.pedantic(function, args=args, setup=setup, rounds=1 if SMOKE else rounds)
    if benchmark.stats:
        note(benchmark, contender, "call", benchmark.stats.stats.median)


def _epochs_of_a_round(call):
    """The number of epochs that fit into a round, and their seconds. Also warms up."""
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
    """Scale the times of rounds to one epoch, or to more epochs than were run."""
    stats = benchmark.stats.stats
    stats.data[:] = [seconds * factor for seconds in stats.data]
    return stats.median


def note(benchmark, contender, unit, median, *, epochs=1, X=None, y=None):
    """Note facts for the report. `unit` names what one time measures."""
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

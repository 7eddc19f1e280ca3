"""What every benchmark shares: the cases, their data, the plain read, and the one body that times."""

from __future__ import annotations

import functools
import os
import statistics
import time
from dataclasses import dataclass

import numpy as np

import fastgd
from fastgd import demo
from fastgd.data.arrays import ArrayRows
from fastgd.engine import default_threads

SMOKE = os.environ.get("FASTGD_BENCH_SMOKE", "0") not in ("", "0")
"""Tiny sizes and one round: that everything runs, not how fast."""

SECONDS = 0.3  # about what the rounds of one benchmark may take together
ROUND_SECONDS = 0.03  # a round gets ten times the epochs while it takes less than this
MOST_EPOCHS = 10 if SMOKE else 100


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
    """The body of every benchmark of epochs: warm up, assert, read plainly, time, note.

    `call(n)` runs n epochs and returns a result; `check(result, n)` raises if it is wrong. Reported times
    are seconds an *epoch*: slow contenders run fewer epochs a round, and can still be compared.
    """
    epochs, seconds = _epochs_of_a_round(call)
    check(call(epochs), epochs)
    threads = read_threads or default_threads()
    read_once(X, y, threads)
    reads = [seconds_of(read_once, X, y, threads) for _ in range(5)]
    rounds = 1 if SMOKE else min(50, max(5 if seconds < 1 else 3, int(SECONDS / seconds)))
    benchmark.group = group
    benchmark.pedantic(call, args=(epochs,), rounds=rounds)
    reads += [seconds_of(read_once, X, y, threads) for _ in range(5)]
    if benchmark.stats:  # none under --benchmark-disable
        median = _divide(benchmark, epochs)
        note(benchmark, contender, "epoch", median, epochs=epochs, X=X, y=y)
        read = statistics.median(reads)
        benchmark.extra_info |= {
            "share_of_read": read / median,
            "read_seconds": read,
            "read_threads": threads,
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


def _divide(benchmark, epochs):
    """Turn the seconds of rounds into seconds of an epoch, so that the table compares epochs."""
    stats = benchmark.stats.stats
    stats.data[:] = [seconds / epochs for seconds in stats.data]
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

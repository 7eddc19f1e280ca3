"""Chunks of any sizes give the bits of the arrays they were cut from."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd.data import streams
from fastgd.data.streams import StreamRows
from fastgd.engine.blocks import block_rows
from tests.conftest import JIT_IS_OFF

ROOT = Path(__file__).parents[2]
N = 5000 if JIT_IS_OFF else 30_000
CUTS = [1000, 4097] if JIT_IS_OFF else [37, 4095, 4096, 4097, 10**9]


def data(n=N, d=3, dtype=np.float64, seed=1):
    X, y, _ = fastgd.make_linear(n, d, noise=0.1, seed=seed, dtype=dtype)
    return X, y


def cut(size, X, y, *weights, **how):
    def parts():
        for start in range(0, len(y), size):
            these = slice(start, start + size)
            yield tuple(part[these] for part in (X, y, *weights))

    return fastgd.chunks(parts, **how)


def same(a, b):
    assert np.asarray(a.w).tobytes() == np.asarray(b.w).tobytes()
    assert a.intercept == b.intercept
    for name in ("w_history", "cost_history", "loss_history", "validation_history", "learning_rates"):
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None), name
        assert one is None or one.tobytes() == other.tobytes(), name
    assert (a.n_samples, a.n_updates, a.method, a.status) == (b.n_samples, b.n_updates, b.method, b.status)


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize("n_samples", [None, N])
def test_the_sizes_of_chunks_change_no_bit(size, n_samples):
    X, y = data()
    given = cut(size, X, y, n_samples=n_samples)
    same(fastgd.gradient_descent(given, n_epochs=20), fastgd.gradient_descent(X, y, n_epochs=20))
    how = dict(n_epochs=3, method="stream", learning_rate=0.1)
    same(fastgd.gradient_descent(given, **how), fastgd.gradient_descent(X, y, **how))
    how = dict(n_epochs=2, method="stream", learning_rate=0.001)
    same(fastgd.sgd(given, **how), fastgd.sgd(X, y, **how))
    assert fastgd.cost_and_gradient(given, w=np.ones(3))[0] == fastgd.cost(X, y, np.ones(3))


@pytest.mark.parametrize("n", [1, 2, 4095, 4096, 4097])
def test_few_rows(n):
    X, y = data(n, None)
    given = cut(777, X, y)
    same(fastgd.gradient_descent(given, n_epochs=2), fastgd.gradient_descent(X, y, n_epochs=2))
    how = dict(n_epochs=1, learning_rate=1e-3)
    same(fastgd.sgd(given, **how), fastgd.sgd(X, y, **how))
    assert fastgd.cost_and_gradient(given, w=0.5) == fastgd.cost_and_gradient(X, y, 0.5)


KINDS = [
    ("gradient_descent", dict(fit_intercept=True)),
    ("gradient_descent", dict(fit_intercept=True, standardize=True, tol="auto", n_epochs=60)),
    ("gradient_descent", dict(loss="huber", l1=0.01, standardize=True, n_epochs=4)),
    ("gradient_descent", dict(loss="quantile", n_epochs=3)),
    ("gradient_descent", dict(validation_fraction=0.3, n_epochs=4, loss="huber")),
    ("gradient_descent", dict(validation_fraction=0.001, n_epochs=4)),
    ("sgd", dict(n_epochs=30)),
    ("sgd", dict(n_epochs=3, track_cost=True, standardize=True)),
    ("sgd", dict(shuffle="blocks", method="summary", seed=3, n_epochs=5)),
    ("sgd", dict(loss="huber", momentum=0.5, batch_size=7, average=0.5, n_epochs=2)),
    ("sgd", dict(loss="huber", fit_intercept=True, n_epochs=2, tol=1e-3)),
    ("sgd", dict(batch_size=N, n_epochs=3)),
]


@pytest.mark.parametrize(("name", "how"), KINDS)
@pytest.mark.parametrize("is_weighted", [True] if JIT_IS_OFF else [False, True])
def test_every_kind_of_fit(name, how, is_weighted):
    fit_by = getattr(fastgd, name)
    X, y = data()
    weights = (np.arange(N) % 5 / 2.0,) if is_weighted else ()
    how = {"n_epochs": 10} | how
    how["n_epochs"] = min(how["n_epochs"], 2) if JIT_IS_OFF else how["n_epochs"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastgd.ConvergenceWarning)
        expected = fit_by(X, y, sample_weight=weights[0] if weights else None, **how)
        same(fit_by(cut(1234, X, y, *weights), **how), expected)


@pytest.mark.parametrize("d", [None, 3] if JIT_IS_OFF else [None, 1, 17, 100])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_widths_and_dtypes(d, dtype):
    n = (1 if JIT_IS_OFF else 3) * block_rows(d or 1) + 5
    X, y = data(n, d)
    if dtype is np.int16:
        X, y = (10 * X).astype(dtype), (10 * y).astype(dtype)
    else:
        X, y = X.astype(dtype), y.astype(dtype)
    same(fastgd.gradient_descent(cut(1000, X, y), n_epochs=5), fastgd.gradient_descent(X, y, n_epochs=5))
    how = dict(loss="huber", n_epochs=2, fit_intercept=True)
    same(fastgd.gradient_descent(cut(1000, X, y), **how), fastgd.gradient_descent(X, y, **how))


def test_classes_are_checked_and_fitted():
    X, y = data()
    y = (y > 0).astype(np.int8)
    how = dict(loss="log_loss", n_epochs=3, fit_intercept=True)
    same(fastgd.gradient_descent(cut(5000, X, y), **how), fastgd.gradient_descent(X, y, **how))
    y[N - 7] = 3
    with pytest.raises(
        fastgd.InvalidDataError, match=rf"^row {N - 7} of chunks\(\): y is 3; log_loss takes y of 0 and 1"
    ):
        fastgd.gradient_descent(cut(5000, X, y), **how)


def test_sweeps_and_diagnoses():
    X, y = data()
    for solver in ("gradient_descent",) if JIT_IS_OFF else ("gradient_descent", "sgd"):
        how = dict(learning_rates=[0.001, 0.002], n_epochs=3, solver=solver)
        for a, b in zip(
            fastgd.sweep(cut(999, X, y), **how).fits, fastgd.sweep(X, y, **how).fits, strict=True
        ):
            same(a, b)
        found, expected = fastgd.diagnose(cut(999, X, y), solver=solver), fastgd.diagnose(X, y, solver=solver)
        assert str(found) == str(expected)
        assert found.optimum.tobytes() == expected.optimum.tobytes()


@pytest.mark.skipif(JIT_IS_OFF, reason="takes more rows than kernels that run as Python are good for")
def test_blocks_that_are_not_safe_to_map_are_scanned_in_the_stream():
    X, y = data()
    X[4096:4200] *= 40.0
    how = dict(learning_rate=0.01, n_epochs=3, method="summary", on_divergence="ignore")
    expected = fastgd.sgd(X, y, **how)
    assert expected.n_passes > 2  # an epoch, some of its blocks scanned
    same(fastgd.sgd(cut(1500, X, y), **how), expected)
    if not JIT_IS_OFF:  # where one of few blocks is unsafe, all are scanned
        how |= dict(shuffle="blocks", seed=1)  # one block alone is in order in any order
        same(fastgd.sgd(cut(1500, X, y), **how), fastgd.sgd(X, y, **how))


@pytest.mark.parametrize("how", [dict(shuffle=True), dict(shuffle="blocks", method="stream")])
def test_orders_that_a_stream_cannot_take_are_refused(how):
    X, y = data(8 * 4096)
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.sgd(cut(1500, X, y), n_epochs=1, learning_rate=1e-3, seed=1, **how)
    assert (
        'pass shuffle=False, or, of squared errors by single steps, shuffle="blocks" with method="summary"'
        in str(caught.value)
    )


def test_the_plain_loops_on_chunks():
    X, y = data(50)
    how = dict(backend="python", n_epochs=3, learning_rate=0.01)
    same(fastgd.gradient_descent(cut(7, X, y), **how), fastgd.gradient_descent(X, y, **how))
    same(fastgd.sgd(cut(7, X, y), **how), fastgd.sgd(X, y, **how))


def test_a_chunk_may_be_overwritten_by_the_next():
    X, y = data()
    room, targets = np.empty((1000, 3)), np.empty(1000)

    def parts():
        for start in range(0, N, 1000):
            m = len(y[start : start + 1000])
            room[:m], targets[:m] = X[start : start + m], y[start : start + m]
            yield room[:m], targets[:m]

    same(fastgd.gradient_descent(fastgd.chunks(parts), n_epochs=5), fastgd.gradient_descent(X, y, n_epochs=5))


def test_a_slow_function_is_asked_for_one_chunk_at_a_time(monkeypatch):
    """A read that is broken off leaves its thread with a chunk that is being made: in the one room of all."""
    monkeypatch.setattr(streams, "POLL", 0.001)
    X, y = data(3 * 4096 + 7, None)
    room, targets, at_work = np.empty(1000), np.empty(1000), []

    def parts():
        for start in range(0, len(y), 1000):
            at_work.append(start)
            time.sleep(0.01)
            m = len(y[start : start + 1000])
            room[:m], targets[:m] = X[start : start + m], y[start : start + m]
            assert at_work == [start]
            at_work.clear()
            yield room[:m], targets[:m]

    source = fastgd.chunks(parts)
    for _ in range(3):
        reading = StreamRows(source).begin([(0, 1024), (1024, 2048), (2048, 4096)])
        assert next(reading.runs())[0] == 0
        reading.end()
    same(fastgd.gradient_descent(source, n_epochs=5), fastgd.gradient_descent(X, y, n_epochs=5))


def test_chunks_need_not_lie_as_kernels_read_them():
    X, y = data(N, 4)
    layouts = [
        np.asfortranarray,
        lambda part: np.repeat(part, 2, axis=0)[::2],
        lambda part: part.astype(">f8"),
    ]

    def parts():
        for k, start in enumerate(range(0, N, 999)):
            layout = layouts[k % len(layouts)]
            yield layout(X[start : start + 999]), layout(y[start : start + 999])

    expected = fastgd.gradient_descent(X, y, n_epochs=3)
    same(fastgd.gradient_descent(fastgd.chunks(parts), n_epochs=3), expected)


def test_chunks_of_one_and_two_rows():
    X, y = data(4096 + 3, 2)
    for size in (1, 2):
        same(fastgd.gradient_descent(cut(size, X, y), n_epochs=2), fastgd.gradient_descent(X, y, n_epochs=2))


def test_small_integers_are_planned_as_arrays_of_them():
    X, y = data(10_000 if not JIT_IS_OFF else 700, 60)
    X, y = (100 * X).astype(np.int16), (100 * y).astype(np.int32)
    assert StreamRows(cut(777, X, y)).row_bytes == 60 * 2 + 4
    how = dict(learning_rate=1e-7, n_epochs=3, history=None)
    assert (
        fastgd.gradient_descent(cut(777, X, y), **how).method == fastgd.gradient_descent(X, y, **how).method
    )


def test_empty_chunks_in_between():
    X, y = data(100)

    def parts():
        yield X[:0], y[:0]
        yield X[:50], y[:50]
        yield X[:0], y[:0]
        yield X[50:], y[50:]

    same(fastgd.gradient_descent(fastgd.chunks(parts), n_epochs=5), fastgd.gradient_descent(X, y, n_epochs=5))


def test_reads_are_counted():
    X, y = data()
    assert fastgd.gradient_descent(cut(999, X, y)).n_passes == 1
    assert fastgd.gradient_descent(cut(999, X, y, n_samples=N), learning_rate=0.1).n_passes == 1
    fit = fastgd.gradient_descent(cut(999, X, y), learning_rate=0.1, method="stream", n_epochs=3)
    assert fit.n_passes == 4


@pytest.mark.parametrize(
    "how",
    [
        dict(learning_rate=0.1),
        dict(fit_intercept=True),
        dict(fit_intercept=True, standardize=True, nesterov=True, tol="auto", n_epochs=1000),
        dict(l1=0.01, l2=0.1, learning_rate=0.1),
    ],
)
def test_statistics_of_rows_that_nobody_counted_take_one_read(how):
    X, y = data()
    calls = []

    def parts():
        calls.append(0)
        for start in range(0, N, 999):
            yield X[start : start + 999], y[start : start + 999]
        calls[-1] = 1

    fit = fastgd.gradient_descent(fastgd.chunks(parts), **how)
    assert (fit.method, fit.n_passes) == ("summary", 1)
    assert sum(calls) == 1 or JIT_IS_OFF  # the first rows are all there are
    same(fit, fastgd.gradient_descent(X, y, **how))


def test_reads_of_held_out_rows_are_counted():
    X, y = data(2 * 4096 + 9, 1)
    how = dict(n_epochs=2, loss="huber", learning_rate=0.1)
    plain = fastgd.gradient_descent(cut(999, X, y, n_samples=len(y)), **how)
    held = fastgd.gradient_descent(cut(999, X, y, n_samples=len(y)), **how, validation_fraction=0.5)
    assert plain.n_passes == 3
    assert held.n_passes == 3 + len(held.validation_history)


def test_reads_for_the_weights_of_two_parts_are_counted():
    X, y = data(2 * 4096 + 9, 1)
    given = cut(999, X, y, np.ones(len(y)), n_samples=len(y))
    how = dict(n_epochs=2, loss="huber", learning_rate=0.1)
    assert fastgd.gradient_descent(given, **how).n_passes == 1 + 3
    held = fastgd.gradient_descent(given, **how, validation_fraction=0.5)
    assert held.n_passes == 3 + 3 + len(held.validation_history)


def test_chunks_are_made_while_those_before_are_computed_with():
    X, y = data(20 * 4096, None)
    made, seen = threading.Semaphore(0), []

    def parts():
        for start in range(0, len(y), 4096):
            yield X[start : start + 4096], y[start : start + 4096]
            made.release()

    rows = StreamRows(cut(4096, X, y))
    rows.source = fastgd.chunks(parts)
    while made.acquire(blocking=False):
        pass
    reading = rows.begin([(start, start + 4096) for start in range(0, len(y), 4096)])
    for start, *_ in itertools.islice(reading.runs(), 5):
        # The next is made although nobody has asked for it.
        seen.append((start // 4096, made.acquire(timeout=30)))
    reading.end()
    assert seen == [(block, True) for block in range(5)]


@pytest.mark.skipif(JIT_IS_OFF, reason="kernels that run as Python are too slow for a gigabyte")
def test_a_stream_of_a_gigabyte_takes_little_memory():
    code = """
import numpy as np, fastgd
def grown():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1e3
X, y, _ = fastgd.make_linear(500_000, 10, seed=1, dtype="float32")
how = dict(fit_intercept=True, n_epochs=20)
fastgd.gradient_descent(fastgd.chunks(lambda: iter([(X[:50_000], y[:50_000])] * 2)), **how)
before = grown()
fit = fastgd.gradient_descent(fastgd.chunks(lambda: ((X, y) for _ in range(50))), **how)
print(fit.n_samples, grown() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    n, growth = done.stdout.split()
    assert int(n) == 25_000_000
    assert float(growth) < 100


EXIT = """
import threading, time, fastgd
stands = threading.Event()
def chunks():
    for number in range(9):
        if is_slow and number == 2:
            stands.set()
            time.sleep(0.5)
            print("read", flush=True)
        yield np.ones(3000), np.ones(3000)
import numpy as np
is_slow = False
source = fastgd.chunks(chunks)
is_slow = True
from fastgd.data.streams import StreamRows
reading = StreamRows(source).begin((at, at + 3000) for at in range(0, 27000, 3000))
runs = reading.runs()
next(runs)
assert stands.wait(9)
"""


def test_a_process_that_ends_waits_for_the_thread_that_reads():
    done = subprocess.run(
        [sys.executable, "-c", EXIT],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "read\n", "")

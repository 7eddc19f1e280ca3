"""What `fastgd` alone shows: the lesson in short, then a fit of millions of rows and its speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fastgd import engine, lesson
from fastgd.api import gradient_descent, sgd
from fastgd.data.arrays import ArrayRows
from fastgd.data.backend import resolve
from fastgd.data.synthetic import make_linear
from fastgd.engine import Floats
from fastgd.results import FitResult

PYTHON_ROWS = 50_000
RATE = {"gradient_descent": 0.3, "sgd": 1e-4}
N_EPOCHS = 10


class Timing(NamedTuple):
    what: str
    seconds: float
    """Of one epoch, or of one read."""
    rows: int


def plain_read(rows: ArrayRows, n_threads: int) -> Floats:
    """Read every byte of X and y once, by *the* plain-read kernel: what speeds are compared with."""
    from fastgd.kernels import plain_read as kernel

    def task(_start: int, X: engine.Array, y: engine.Array) -> Floats:
        return kernel.run(X.reshape(-1), y)

    return engine.fold(rows, task, n_threads)


def demo(n_samples: int) -> Iterator[str]:
    """The lines to print, as they come to be known."""
    yield "The lesson: x = 1, 2, 3 hours, y = 2, 4, 6 points, w = 1 to begin with, learning rate 0.01"
    yield ""
    yield lesson.full_batch().trace(digits=2)
    yield ""
    yield from _fit_millions(n_samples)


def _fit_millions(n_samples: int) -> Iterator[str]:
    threads = engine.default_threads()
    backend = resolve("auto")
    if backend == "python":
        n_samples = min(n_samples, PYTHON_ROWS)
        yield f"Numba is not installed: plain Python on {n_samples:,} rows (pip install numba)"
    _warm_up()
    begin = time.perf_counter()
    X, y, w = make_linear(n_samples, noise=0.1, seed=3)
    drawn = time.perf_counter() - begin
    rows = ArrayRows(X, y)
    n_bytes = X.nbytes + y.nbytes
    yield (
        f"{n_samples:,} synthetic samples, y = {w:.4f}·x + noise, {n_bytes / 1e6:,.0f} MB, "
        f"drawn in {drawn:.2f} s ({threads} threads, backend {backend})"
    )
    few = ArrayRows(X[:PYTHON_ROWS], y[:PYTHON_ROWS])
    descent, in_order = _descent(rows, "auto"), _sgd(rows, "auto")
    timings = [
        _timed("gradient_descent, an epoch", descent, n_samples),
        _timed("sgd in order, an epoch", in_order, n_samples),
        _timed("plain Python, full batch", _descent(few, "python"), few.n),
        _timed("plain Python, sgd", _sgd(few, "python"), few.n),
    ]
    if backend == "numba":
        timings.insert(0, _timed("a plain read", lambda: plain_read(rows, threads), n_samples, epochs=1))
    yield from _table(timings, n_bytes / n_samples)
    yield f"(plain Python was timed on {few.n:,} rows)"
    yield f"true w {w:.6f}; full batch found {descent().w:.6f}, sgd {in_order().w:.6f} in {N_EPOCHS} epochs"


def _descent(rows: ArrayRows, backend: str) -> Callable[[], FitResult]:
    rate = RATE["gradient_descent"]
    return lambda: gradient_descent(rows.X, rows.y, learning_rate=rate, n_epochs=N_EPOCHS, backend=backend)


def _sgd(rows: ArrayRows, backend: str) -> Callable[[], FitResult]:
    rate = RATE["sgd"]
    return lambda: sgd(rows.X, rows.y, learning_rate=rate, n_epochs=N_EPOCHS, backend=backend)


def _warm_up() -> None:
    """Compile, so that the timings are of the work alone."""
    X, y, _ = make_linear(3 * engine.BLOCK_ROWS, noise=0.1)
    if resolve("auto") == "numba":
        plain_read(ArrayRows(X, y), 1)
    gradient_descent(X, y, n_epochs=1)
    sgd(X, y, n_epochs=1, learning_rate=1e-4)


def _timed(what: str, call: Callable[[], object], rows: int, epochs: int = N_EPOCHS) -> Timing:
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        call()
        seconds.append((time.perf_counter() - begin) / epochs)
    return Timing(what, statistics.median(seconds), rows)


def _table(timings: list[Timing], row_bytes: float) -> Iterator[str]:
    yield f"{'':28}{'time':>10}{'samples/s':>12}{'GB/s':>8}  share of {timings[0].what}"
    read = timings[0].seconds / timings[0].rows
    for what, seconds, rows in timings:
        each = seconds / rows
        share = f"{read / each:.1%}" if read / each < 0.995 else f"{read / each:.0%}"
        rate, speed = _engineering(1 / each), row_bytes / each / 1e9
        yield f"{what:28}{seconds * 1e3:>7.2f} ms{rate:>12}{speed:>8.3g}  {share:>9}"


def _engineering(number: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"

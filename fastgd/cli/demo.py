"""The demo of the command `fastgd`: the lesson, then fits of many rows."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastgd import reference
from fastgd.api import gradient_descent, sgd
from fastgd.cli.lesson import N_EPOCHS, full_batch_lesson
from fastgd.data.arrays import ArrayRows
from fastgd.data.backend import resolve
from fastgd.data.synthetic import make_linear
from fastgd.engine import blocks, reduce
from fastgd.engine.blocks import Floats
from fastgd.engine.threads import default_threads
from fastgd.solver.diagnose import diagnose
from fastgd.solver.results import FitResult

N_SAMPLES, PYTHON_ROWS = 10_000_000, 50_000


class Timing(NamedTuple):
    """The seconds of a call."""

    what: str
    seconds: float
    rows: int
    epochs: int
    passes: int | None = None


def plain_read(rows: ArrayRows, n_threads: int) -> Floats:
    """Read X and y once without computing, to compare speeds with."""
    from fastgd.kernels import plain_read as kernel

    def task(_start: int, X: blocks.Array, y: blocks.Array, _weights: Floats) -> Floats:
        return kernel.run(X.reshape(-1), y)

    return reduce.reduce(rows, task, n_threads)


def run(options: Namespace) -> int:
    """The command `fastgd` alone."""
    for line in demo(options.samples or N_SAMPLES):
        print(line, flush=True)
    return 0


def demo(n_samples: int) -> Iterator[str]:
    """The lines to print."""
    yield "The lesson: x = 1, 2, 3 hours, y = 2, 4, 6 points, w = 1 to begin with, learning rate 0.01"
    yield ""
    first, *others = _RUNS
    lesson = full_batch_lesson()  # before the kernels are loaded: a plain loop, which needs no compiler
    with _compiled_beside(others):
        yield lesson.trace(digits=2)
        yield ""
        _warm_up(first)
    for what in others:
        _warm_up(what)
    yield from _fit_millions(n_samples)


def _fit_millions(n_samples: int) -> Iterator[str]:
    threads = default_threads()
    backend = resolve("auto")
    if backend == "python":
        n_samples = min(n_samples, PYTHON_ROWS)
        yield f"Numba is not installed: plain Python on {n_samples:,} rows (pip install numba)"
    begin = time.perf_counter()
    X, y, w = make_linear(n_samples, noise=0.1, seed=3)
    drawn = time.perf_counter() - begin
    rows = ArrayRows(X, y)
    yield (
        f"{n_samples:,} synthetic samples, y = {w:.4f}·x + noise, {(X.nbytes + y.nbytes) / 1e6:,.0f} MB, "
        f"drawn in {drawn:.2f} s ({threads} threads, backend {backend})"
    )
    limits = diagnose(X, y)
    yield (
        f"diagnosed: full batch converges at learning rates below {limits.stability_limit:.4f}; "
        f'"auto" takes {limits.learning_rate:.4f}'
    )
    yield ""
    timings = [] if backend == "python" else [_read(rows, threads)]
    fits = []
    n_epochs = N_EPOCHS if backend == "numba" else 1
    for what, fit_by in _RUNS.items():
        fit, seconds = _timed(partial(fit_by, X, y, n_epochs=n_epochs))
        fits.append(fit)
        timings.append(Timing(what, seconds, n_samples, n_epochs, fit.n_passes))
    few, few_y = X[:PYTHON_ROWS].tolist(), y[:PYTHON_ROWS].tolist()
    for what, epoch in (("plain Python, full batch", _plain_descent), ("plain Python, sgd", _plain_sgd)):
        _, seconds = _timed(partial(epoch, few, few_y))
        timings.append(Timing(what, seconds, len(few), 1, 1))
    yield from _table(timings)
    yield f"(plain Python: one epoch of {len(few):,} rows)"
    fitted = ", ".join(f"{what.split(',')[0]} {fit.w:.6f}" for what, fit in zip(_RUNS, fits, strict=True))
    yield f"true w {w:.6f}; found by {fitted}"


def _plain_descent(xs: list[float], ys: list[float]) -> tuple[float, float]:
    """An epoch of the lesson's full-batch program: w and its cost."""
    w = 0.0 - 1e-4 * float(reference.gradient(xs, ys, 0.0))
    return w, reference.cost(xs, ys, w)


def _plain_sgd(xs: list[float], ys: list[float]) -> tuple[float, float]:
    """An epoch of the lesson's stochastic program: w and the last loss."""
    w = 0.0
    for x, y in zip(xs, ys, strict=True):
        w -= 1e-4 * float(reference.sample_gradient(x, y, w))
    return w, reference.loss(xs[-1], ys[-1], w)


_RUNS: dict[str, Callable[..., FitResult]] = {
    "gradient_descent": gradient_descent,
    "sgd in order": sgd,
    "sgd, blocks shuffled": partial(sgd, shuffle="blocks", seed=1),
}


def _warm_up(what: str) -> None:
    """Compile the kernels of a run, so that its timing has no compile time."""
    if resolve("auto") == "python":
        return
    x = np.linspace(-1.0, 1.0, 3 * blocks.BLOCK_ROWS)
    _RUNS[what](x, x + x**2, n_epochs=N_EPOCHS)
    if what == "gradient_descent":
        make_linear(len(x), noise=0.1)
        diagnose(x, x)
        plain_read(ArrayRows(x, x), 1)


@contextlib.contextmanager
def _compiled_beside(runs: Iterable[str]) -> Iterator[None]:
    """Compile the kernels of these runs in another process, which puts them into the disk cache.

    Nothing happens if there is no disk cache. If the process fails, this process compiles the kernels.
    """
    if default_threads() < 2 or resolve("auto") == "python" or not _can_compile_beside():
        yield
        return
    program = f"from fastgd.cli import demo\nfor what in {[*runs]!r}: demo._warm_up(what)"
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            yield
        except BaseException:
            process.kill()
            raise


def _can_compile_beside() -> bool:
    """Whether there are kernels to compile and a disk cache."""
    from fastgd.kernels import _jit, maps

    is_compiler_on = hasattr(maps.run_1d, "signatures")
    return is_compiler_on and not _jit.is_kept("maps.run_1d") and _jit.can_keep()


def _read(rows: ArrayRows, threads: int) -> Timing:
    return Timing("a plain read", _timed(lambda: plain_read(rows, threads))[1], rows.n, 1, 1)


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call, and the median seconds of three calls."""
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - begin)
    return result, statistics.median(seconds)


def _table(timings: list[Timing]) -> Iterator[str]:
    yield f"{'':26}{'epochs':>7}{'reads':>6}{'time':>12}{'epochs x samples/s':>20}  in plain reads"
    read = timings[0].seconds / timings[0].rows
    for what, seconds, rows, epochs, passes in timings:
        speed = _engineering(rows * epochs / seconds)
        yield (
            f"{what:26}{epochs:>7}{passes:>6}{seconds * 1e3:>9.2f} ms{speed:>20}  {seconds / rows / read:.3g}"
        )


def _engineering(number: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"

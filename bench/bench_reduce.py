"""Streamed passes over few and over many columns: cost_and_gradient, and an epoch of SGD."""

from __future__ import annotations

import pytest

import fastgd
from bench import contenders
from bench.harness import SMOKE, TOLERANCE, Case, measure_function, measure_loop

NUMBERS = 30_000 if SMOKE else 16_000_000
"""Numbers in X and y: 128 MB of float64."""
DTYPES = ("float64", "float32")


def wide(columns, dtypes=("float64",)):
    sizes = [(max(1, NUMBERS // (d + 1) // 1000) * 1000, d) for d in columns]
    return [Case(n, d, dtype) for n, d in sizes for dtype in dtypes]


LINES = [Case(3000 if SMOKE else n, None, dtype) for n in (10_000_000, 50_000_000) for dtype in DTYPES]
REDUCED = wide((2, 4, 10) if SMOKE else (2, 4, 10, 32, 100, 300, 1000), DTYPES)
SCANNED = wide((2, 10, 16) if SMOKE else (2, 4, 10, 16, 32, 64, 100, 300, 1000))


@pytest.mark.short(contender=["fastgd"])
@pytest.mark.parametrize(
    ("case", "contender"),
    contenders.parameters(contenders.REDUCE, LINES[:2] + REDUCED)
    + contenders.parameters(contenders.REDUCE_LONG, LINES[2:])
    + contenders.parameters(contenders.REDUCE_AUTOGRAD, LINES[:2]),
    ids=str,
)
def test_fold(benchmark, case, contender):
    measure_function(benchmark, fastgd.cost_and_gradient, case, contender, TOLERANCE[case.dtype])


@pytest.mark.parametrize(
    ("case", "contender"), contenders.parameters(contenders.REDUCE_ONE_THREAD, REDUCED[::2]), ids=str
)
def test_fold_on_one_thread(benchmark, case, contender):
    tolerance = TOLERANCE[case.dtype]
    measure_function(benchmark, fastgd.cost_and_gradient, case, contender, tolerance, read_threads=1)


@pytest.mark.short(contender=["fastgd"])
@pytest.mark.parametrize(
    ("case", "contender"), contenders.parameters(contenders.STREAMED_SGD, SCANNED), ids=str
)
def test_scan(benchmark, case, contender):
    measure_loop(benchmark, fastgd.sgd, case, contender, 0.02 / case.d, 1)

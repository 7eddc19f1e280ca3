"""Up to 1e9 rows that are drawn during the pass and never held at once."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench.harness import SMOKE, measure_calls
from fastgd.data.arrays import ArrayRows
from fastgd.data.dataset import Dataset
from fastgd.engine import blocks
from fastgd.engine.blocks import NOTHING
from fastgd.kernels import random
from fastgd.solver.statistics import read_statistics

SIZES = [10_000] if SMOKE else [10**7, 10**8, 10**9]
W, NOISE, SEED = np.array([1.5]), 0.1, 1


class DrawnRows(Dataset):
    """The rows of `make_linear(n, noise=0.1, dtype="float32")`, drawn run by run into one buffer for each
    thread."""

    run_numbers = 1 << 19
    d = 1

    def __init__(self, n):
        self.known_n = n

    def reader(self):
        return _Drawing()


class _Drawing:
    def __init__(self):
        self.X, self.y = np.empty((0, 1), np.float32), np.empty(0, np.float32)

    def read(self, start, stop):
        if len(self.y) < stop - start:
            self.X, self.y = np.empty((stop - start, 1), np.float32), np.empty(stop - start, np.float32)
        X, y, block = self.X[: stop - start], self.y[: stop - start], blocks.block_rows(1)
        errors, seed, first_block = np.empty(len(y)), np.uint64(SEED), np.uint64(start // block)
        random.fill(X.reshape(-1), seed, random.X_STREAM, first_block, block)
        random.fill(errors, seed, random.NOISE_STREAM, first_block, block)
        random.targets(X, W, 0.0, NOISE, errors, y)
        for part in (X, y):
            part.flags.writeable = False
        return X, y, NOTHING


def statistics(rows):
    return read_statistics(rows, W, None)


@pytest.mark.parametrize("n", SIZES)
def test_statistics_of_drawn_rows(benchmark, n):
    held = statistics(
        ArrayRows(*fastgd.make_linear(SIZES[0], w=1.5, noise=NOISE, seed=SEED, dtype="float32")[:2])
    )
    drawn = statistics(DrawnRows(SIZES[0]))
    assert (held.G[0, 0], held.c[0], held.s) == (drawn.G[0, 0], drawn.c[0], drawn.s)
    measure_calls(benchmark, f"drawn on the fly and read once, n={n:.0e},d=1,float32", "fastgd", statistics,
                  args=(DrawnRows(n),), rounds=1 if n == 10**9 else 3)  # fmt: skip
    if benchmark.stats:
        benchmark.extra_info |= {"n": n, "ns_per_sample": benchmark.stats.stats.median / n * 1e9}

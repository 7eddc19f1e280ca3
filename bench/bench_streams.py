"""A whole fit of rows in chunks, compared with the fit of the arrays and with a bare loop over the chunks."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench.harness import SMOKE, Case, data, measure_whole, seconds_of

CASES = [Case(5000), Case(5000, 10)] if SMOKE else [Case(10_000_000), Case(1_000_000, 10)]
SIZE = 700 if SMOKE else 100_000
N_EPOCHS = 100


def chunks_of(X, y):
    for start in range(0, len(y), SIZE):
        yield X[start : start + SIZE], y[start : start + SIZE]


def copied(X, y):
    """Copy each chunk to one place, the least work of reading it."""
    room, targets = np.empty((SIZE, *X.shape[1:]), X.dtype), np.empty(SIZE, y.dtype)
    for part, target in chunks_of(X, y):
        room[: len(target)], targets[: len(target)] = part, target


FITS = {
    "gradient_descent": lambda *rows: fastgd.gradient_descent(*rows, n_epochs=N_EPOCHS),
    "gradient_descent, huber, an epoch": lambda *rows: fastgd.gradient_descent(
        *rows, n_epochs=1, loss="huber", learning_rate=0.1
    ),
    "sgd in order, an epoch": lambda *rows: fastgd.sgd(
        *rows, n_epochs=1, learning_rate=1e-3, method="stream"
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("what", FITS)
def test_fit(benchmark, what, case):
    X, y, _ = data(case)
    fit = FITS[what]
    source = fastgd.chunks(lambda: chunks_of(X, y))

    def call():
        return fit(source)

    assert np.array_equal(call().w, fit(X, y).w)  # equal to the bit
    beside = {"in memory": lambda: fit(X, y), "bare copy": lambda: copied(X, y)}
    measure_whole(
        benchmark, f"chunks() {what} {case}", "chunks()", call, seconds_of(call), X=X, y=y, beside=beside
    )

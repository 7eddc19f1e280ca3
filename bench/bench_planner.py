"""method="auto" compared with the methods it chooses from, timed in turn for a grid of sizes and epochs.

`python -m bench.report` prints the cases in which it took over 20 % longer than the faster method.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

import fastgd
from bench.harness import SMOKE, Case, assert_close, data, note, seconds_of
from fastgd.data.arrays import ArrayRows

SOLVERS = {"gradient_descent": fastgd.gradient_descent, "sgd": fastgd.sgd}
METHODS = ("summary", "stream", "auto")
EPOCHS = (1, 3) if SMOKE else (1, 3, 10, 30, 100)
ROWS = (5000,) if SMOKE else (5000, 50_000, 500_000, 2_000_000)
COLUMNS = (1, 10) if SMOKE else (1, 3, 10, 32, 100, 300)
MOST_NUMBERS = 20_000_000
MOST_PRODUCTS = 1e9
"""About this many products of d × d tables are computed each second for maps."""
ROUNDS = 1 if SMOKE else 3
LONG = 0.2
"""Calls over this many seconds are not repeated, and no more epochs are tried."""
PLAIN = 4.0
"""If the summary is this many times as fast, more epochs cannot change the choice."""
TOLERANCE = 1e-9
CASES = [Case(n, d) for n in ROWS for d in COLUMNS if n * d <= MOST_NUMBERS]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("solver", SOLVERS)
def test_planner(benchmark, solver, case):
    X, y, _ = data(case)
    X = X[:, 0] if case.d == 1 else X
    if ArrayRows(X, y).is_one_block:
        pytest.skip("an input of one block is streamed, for its digits")
    if solver == "sgd" and case.n * case.d**2 > MOST_PRODUCTS:
        pytest.skip("the maps would take seconds")
    grid = []

    def compare_methods():
        for n_epochs in EPOCHS:
            times, chosen = compared(SOLVERS[solver], X, y, 0.02 / case.d, n_epochs)
            best = min(times["summary"], times["stream"])
            grid.append({"n_epochs": n_epochs, **times, "chosen": chosen, "ratio": times[chosen] / best})
            if max(times.values()) > LONG or PLAIN * times["summary"] < times["stream"]:
                break

    benchmark.group = f"planner, {solver} {case}"
    benchmark.pedantic(compare_methods, rounds=1)
    if benchmark.stats:
        note(benchmark, "fastgd", "grid", benchmark.stats.stats.median)
        benchmark.extra_info |= {"grid": grid, "worst_ratio": max(line["ratio"] for line in grid)}


def compared(function, X, y, rate, n_epochs):
    """The least seconds of a call by each method, timed in turn, and the method that "auto" chose."""
    calls = {
        method: functools.partial(function, X, y, learning_rate=rate, n_epochs=n_epochs, method=method)
        for method in METHODS
    }
    fits = {method: call() for method, call in calls.items()}
    scale = 1.0 if np.isscalar(fits["auto"].w) else np.abs(fits["stream"].w).max()
    for method, fit in fits.items():
        assert_close(fit.w / scale, fits["stream"].w / scale, TOLERANCE, f"w by {method}")
    times = dict.fromkeys(METHODS, float("inf"))
    for _ in range(ROUNDS):
        for method, call in calls.items():
            times[method] = min(times[method], seconds_of(call))
        if sum(times.values()) > LONG:
            break
    return times, fits["auto"].method

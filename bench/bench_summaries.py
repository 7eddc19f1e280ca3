"""Whole fits on summaries: any number of epochs in about one pass.

They are compared with alternatives for the same epochs, or for the solution.
"""

from __future__ import annotations

import functools
import time

import numpy as np
import pytest

import fastgd
from bench import contenders
from bench.harness import SMOKE, Case, assert_close, data, measure_whole, seconds_of, start_of
from bench.roofline import products
from fastgd.solver.orders import Order

TOLERANCE = 1e-9
TOLERANCE_OF_SOLUTION = {"float64": 1e-6, "float32": 2e-3}  # direct solvers add float32 in float32
TOLERANCE_OF_NOISE = 0.05  # for SGD in its own random order
MANY = 100


def sized(*sizes, dtypes=("float64",)):
    smaller = [(5000 * (d or 1) if d is None else 10_000, d) for _, d in sizes]
    return [Case(n, d, dtype) for n, d in (smaller if SMOKE else sizes) for dtype in dtypes]


LINE = sized((10_000_000, None))
TABLES = sized((1_000_000, 10), (500_000, 32), (500_000, 100), dtypes=("float64", "float32"))
IN_ORDER = LINE + sized((3_000_000, 2), (2_000_000, 4), (1_000_000, 10), (500_000, 20), (300_000, 32))
SHUFFLED = LINE + sized((1_000_000, 10))
SWEPT = LINE + sized((2_000_000, 4), (1_000_000, 10))
IN_DOUBLE = LINE + [case for case in TABLES if case.dtype == "float64"]


def measure_fit(benchmark, group, case, contender, rate, n_epochs, check, **options):
    """Time a whole fit. If a contender runs fewer epochs, its name says so."""
    X, y, _ = data(case)
    run = contender.prepare(X, y)
    epochs = min(n_epochs, contender.most_epochs)
    call = functools.partial(run, start_of(case), rate, epochs)
    if contender not in contenders.DIRECT and contender.most_epochs > 1:
        run(start_of(case), rate, 1)  # compiles
    began = time.perf_counter()
    w = call()
    seconds = time.perf_counter() - began
    check(w, epochs)
    name = f"{contender} (from {epochs} epoch{'s' * (epochs > 1)})" if epochs < n_epochs else contender.name
    measure_whole(benchmark, group, name, call, seconds, X=X, y=y, scale=n_epochs / epochs, **options)


def streamed(solver, case, rate, **options):
    """A check that w equals the result of streamed epochs."""
    X, y, _ = data(case)

    def check(w, n_epochs):
        expected = solver(X, y, learning_rate=rate, n_epochs=n_epochs, method="stream", **options).w
        assert_close(w, expected, TOLERANCE, f"w after {n_epochs} epochs")

    return check


def close_to(w, tolerance):
    return lambda found, _n_epochs: assert_close(found, w, tolerance, "w")


@pytest.mark.short(case=IN_DOUBLE)
@pytest.mark.parametrize(
    ("case", "contender"), contenders.parameters(contenders.WHOLE_DESCENT, LINE + TABLES), ids=str
)
def test_gradient_descent(benchmark, case, contender):
    group, rate = f"gradient_descent, {MANY} epochs {case}", 0.01
    least = products(case.n, case.d or 1) if contender.name == "fastgd" else None
    check = streamed(fastgd.gradient_descent, case, rate)
    measure_fit(benchmark, group, case, contender, rate, MANY, check, arithmetic=least)


OURS = contenders.Contender("fastgd", contenders.fastgd_descent)
SOLVERS = [OURS, *contenders.DIRECT]
SLOW_IN_SINGLE = "LinearRegression", "polars-online, ridge"
"""float32 adds nothing to these, and they take seconds."""


@functools.lru_cache(maxsize=1)
def solution(case):
    X, y, _ = data(case)
    return contenders.numpy_normal_equations(X.astype(np.float64), y.astype(np.float64))()


@pytest.mark.short(case=IN_DOUBLE, contender=contenders.quick(SOLVERS))
@pytest.mark.parametrize(
    ("case", "contender"),
    [
        (case, contender)
        for case, contender in contenders.parameters(SOLVERS, LINE + TABLES)
        if case.dtype == "float64" or contender.name not in SLOW_IN_SINGLE
    ],
    ids=str,
)
def test_solution(benchmark, case, contender):
    """The automatic rate takes gradient_descent to the solution in MANY epochs."""
    check = close_to(solution(case), TOLERANCE_OF_SOLUTION["float64" if contender is OURS else case.dtype])
    measure_fit(benchmark, f"to the solution {case}", case, contender, "auto", MANY, check)


@pytest.mark.short
@pytest.mark.parametrize("contender", contenders.LINES, ids=str)
@pytest.mark.parametrize("case", LINE, ids=str)
def test_line_with_intercept(benchmark, case, contender):
    X, y, _ = data(case)
    y = y + 3.0
    call = contender.prepare(X, y)
    assert_close(call(), contenders.fastgd_line(X, y)(), TOLERANCE, "slope and intercept")
    group = f"a line with its intercept, to the solution {case}"
    measure_whole(benchmark, group, contender.name, call, seconds_of(call), X=X, y=y)


@pytest.mark.short(case=SHUFFLED, contender=contenders.quick(contenders.WHOLE_SGD))
@pytest.mark.parametrize("n_epochs", [1, MANY])
@pytest.mark.parametrize(
    ("case", "contender"), contenders.parameters(contenders.WHOLE_SGD, IN_ORDER), ids=str
)
def test_sgd(benchmark, case, contender, n_epochs):
    X, y, _ = data(case)
    rate = rate_of(case)
    group = f"sgd in order, {n_epochs} epoch{'s' * (n_epochs > 1)} {case}"
    own = {"epoch": functools.partial(fastgd.sgd, X, y, learning_rate=rate, n_epochs=1)}
    beside = own if contender.name == "fastgd" and n_epochs > 1 else None
    check = streamed(fastgd.sgd, case, rate)
    measure_fit(benchmark, group, case, contender, rate, n_epochs, check, beside=beside)


def rate_of(case):
    """A rate below 1/max‖x‖² for normal rows."""
    return 0.02 / (case.d or 1)


@pytest.mark.short
@pytest.mark.parametrize("case", LINE, ids=str)
def test_blocks_shuffled(benchmark, case):
    X, y, _ = data(case)
    rate = rate_of(case)
    options = {"shuffle": "blocks", "seed": 1}
    contender = contenders.Contender("fastgd", functools.partial(contenders.fastgd_sgd, **options))
    in_order = {"in order": functools.partial(fastgd.sgd, X, y, learning_rate=rate, n_epochs=MANY)}
    check = streamed(fastgd.sgd, case, rate, **options)
    group = f'sgd, shuffle="blocks", {MANY} epochs {case}'
    measure_fit(benchmark, group, case, contender, rate, MANY, check, beside=in_order)


@pytest.mark.short(case=LINE)
@pytest.mark.parametrize(
    ("case", "contender"), contenders.parameters(contenders.SHUFFLED_SGD, SHUFFLED), ids=str
)
def test_rows_shuffled(benchmark, case, contender):
    """scikit-learn draws its own order."""
    X, y, w = data(case)
    rate = rate_of(case)
    if contender.name == "fastgd":
        order = Order(True, 1).rows(0, len(y))
        by_hand = contenders.numba_sgd(X[order], y[order])(start_of(case), rate, 1)
        check = close_to(by_hand, TOLERANCE)
    else:
        check = close_to(w, TOLERANCE_OF_NOISE)
    measure_fit(benchmark, f"sgd, shuffle=True, 1 epoch {case}", case, contender, rate, 1, check)


@pytest.mark.short(solver=["gradient_descent"], case=LINE)
@pytest.mark.parametrize(("solver", "n_rates", "case"), [
    *(("gradient_descent", 64, case) for case in SWEPT),
    *(("sgd", 8, case) for case in SWEPT),
], ids=str)  # fmt: skip
def test_sweep(benchmark, solver, n_rates, case):
    """Timed beside one fit. Asserts that the last fit of the sweep equals the fit of the solver alone."""
    X, y, _ = data(case)
    highest = 0.3 if solver == "gradient_descent" else rate_of(case)
    rates = np.geomspace(highest / 10, highest, n_rates)
    alone = functools.partial(getattr(fastgd, solver), X, y, learning_rate=highest, n_epochs=MANY)

    def call():
        return fastgd.sweep(X, y, learning_rates=rates, solver=solver, n_epochs=MANY).fits

    assert_close(call()[-1].w, alone().w, TOLERANCE, "w of the last run")
    group = f"sweep, {n_rates} rates, {solver}, {MANY} epochs {case}"
    seconds = seconds_of(call)
    measure_whole(benchmark, group, "fastgd", call, seconds, X=X, y=y, beside={"run": alone})

"""Growth of the time of a whole fit with the numbers of samples and of epochs, for the two charts."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import fastgd
from bench import contenders
from bench.bench_summaries import measure_fit, rate_of
from bench.contenders import CHARTED, Contender
from bench.harness import SMOKE, Case, assert_close, data

TOLERANCE = 1e-9
SAMPLES = [Case(n) for n in ((1000, 10_000) if SMOKE else [10**power for power in range(3, 9)])]
SAMPLES += [] if SMOKE else [Case(10**8, None, "float32")]
EPOCHS = (1, 10) if SMOKE else (1, 10, 100, 1000, 10_000)
TABLE = Case(10_000 if SMOKE else 1_000_000, 10)
CHECKED = 1e9
"""Up to this product of numbers and epochs a whole fit is compared with streamed epochs. Beyond it the first
FEW epochs are."""
FEW = 3

NUMPY = Contender("numpy", contenders.descent_by(contenders.numpy_cost_and_gradient))
PARALLEL = Contender("numba-parallel", contenders.descent_by(contenders.NUMBA_PARALLEL), "numba")
NUMBA = Contender("numba", contenders.numba_sgd, "numba")
SKLEARN = Contender("SGDRegressor", contenders.sklearn_sgd, "sklearn")
DESCENT = Contender("fastgd", contenders.fastgd_descent)
SGD = Contender("fastgd", contenders.fastgd_sgd)

# (contender, most samples times epochs), about a second.
DESCENTS = [(DESCENT, np.inf), (NUMPY, 1e8), (PARALLEL, 1e9), *((direct, np.inf) for direct in CHARTED)]
SGDS = [(SGD, np.inf), (NUMBA, 3e8), (SKLEARN, 1e7)]


def chosen(solvers, cases, epochs):
    return [
        (case, contender, n_epochs)
        for case in cases
        for n_epochs in epochs
        for contender, most in solvers
        if case.n * n_epochs <= most and (case.dtype == "float64" or contender.name == "fastgd")
    ]


BY_EPOCHS = [
    (case, contender, n_epochs)
    for case, contender, n_epochs in chosen(DESCENTS, [TABLE], EPOCHS)
    if contender is DESCENT
    or n_epochs in ((EPOCHS[0], EPOCHS[-1]) if contender in CHARTED else (1, 10, 100))  # ends of a level line
]


def measure_growth(benchmark, solver, case, contender, n_epochs, rate, chart, panel, x):
    X, y, _ = data(case)

    def check(w, epochs):
        if contender in CHARTED:
            return assert_close(w, fastgd.gradient_descent(X, y, n_epochs=100).w, 1e-6, "w")
        if case.numbers * epochs > CHECKED:  # then FEW epochs by the same method
            method = fit(epochs).method
            return assert_close(fit(FEW, method=method).w, fit(FEW, method="stream").w, TOLERANCE, "w")
        return assert_close(w, fit(epochs, method="stream").w, TOLERANCE, "w")

    fit = functools.partial(_fit, solver, X, y, rate)
    group = f"growth, {solver.__name__}, {n_epochs} epoch{'s' * (n_epochs > 1)} {case}"
    measure_fit(benchmark, group, case, contender, rate, n_epochs, check)
    line = contender.name if case.dtype == "float64" else f"{contender}, {case.dtype}"
    benchmark.extra_info |= {"chart": chart, "panel": panel, "line": line, "x": x}


def _fit(solver, X, y, rate, n_epochs, **options):
    return solver(X, y, learning_rate=rate, n_epochs=n_epochs, **options)


@pytest.mark.parametrize(("case", "contender", "n_epochs"), chosen(DESCENTS, SAMPLES, [100]), ids=str)
def test_gradient_descent_by_samples(benchmark, case, contender, n_epochs):
    panel = f"gradient_descent, {n_epochs} epochs"
    measure_growth(
        benchmark, fastgd.gradient_descent, case, contender, n_epochs, 0.01, "samples", panel, case.n
    )


@pytest.mark.parametrize(("case", "contender", "n_epochs"), chosen(SGDS, SAMPLES, [1, 100]), ids=str)
def test_sgd_by_samples(benchmark, case, contender, n_epochs):
    panel = f"sgd in order, {n_epochs} epoch{'s' * (n_epochs > 1)}"
    measure_growth(benchmark, fastgd.sgd, case, contender, n_epochs, rate_of(case), "samples", panel, case.n)


@pytest.mark.parametrize(("case", "contender", "n_epochs"), BY_EPOCHS, ids=str)
def test_gradient_descent_by_epochs(benchmark, case, contender, n_epochs):
    panel = "gradient_descent"
    measure_growth(
        benchmark, fastgd.gradient_descent, case, contender, n_epochs, 0.01, "epochs", panel, n_epochs
    )


@pytest.mark.parametrize(("case", "contender", "n_epochs"), chosen(SGDS, [TABLE], EPOCHS), ids=str)
def test_sgd_by_epochs(benchmark, case, contender, n_epochs):
    measure_growth(
        benchmark, fastgd.sgd, case, contender, n_epochs, rate_of(case), "epochs", "sgd in order", n_epochs
    )

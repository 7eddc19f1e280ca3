"""cost, gradient and cost_and_gradient, an evaluation being an epoch; and the plain read itself."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench import contenders
from bench.harness import CASES, Case, assert_close, data, default_threads, measure, read_once

FEW = CASES[1::2]  # for the functions that are halves of cost_and_gradient
SINGLE = [Case(case.n, case.d, "float32") for case in CASES if case.n > 3]
TOLERANCE = {
    "float64": 1e-9,
    "float32": 2e-3,  # the others add up in float32 too, over millions of rows; fastgd adds in float64
}


def measure_function(benchmark, function, case, contender):
    X, y, _ = data(case)
    w = 0.5 if case.d is None else np.full(case.d, 0.5, case.dtype)
    evaluate = contender.prepare(X, y)
    expected = function(X, y, w)

    def call(n_evaluations):
        for _ in range(n_evaluations):
            result = evaluate(w)
        return result

    def check(result, _n):
        pairs = zip(result, expected, strict=True) if isinstance(expected, tuple) else [(result, expected)]
        for ours, theirs in pairs:
            assert_close(ours, theirs, TOLERANCE[case.dtype], f"{function.__name__} of {contender}")

    measure(benchmark, f"{function.__name__} {case}", contender.name, call, check=check, X=X, y=y)


@pytest.mark.parametrize(
    ("case", "contender"), contenders.parameters(contenders.COST_AND_GRADIENT, CASES + SINGLE), ids=str
)
def test_cost_and_gradient(benchmark, case, contender):
    measure_function(benchmark, fastgd.cost_and_gradient, case, contender)


@pytest.mark.parametrize(("case", "contender"), contenders.parameters(contenders.COST, FEW), ids=str)
def test_cost(benchmark, case, contender):
    measure_function(benchmark, fastgd.cost, case, contender)


@pytest.mark.parametrize(("case", "contender"), contenders.parameters(contenders.GRADIENT, FEW), ids=str)
def test_gradient(benchmark, case, contender):
    measure_function(benchmark, fastgd.gradient, case, contender)


@pytest.mark.parametrize("n_threads", sorted({1, default_threads()}))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_plain_read(benchmark, case, n_threads):
    X, y, _ = data(case)

    def call(n_reads):
        for _ in range(n_reads):
            result = read_once(X, y, n_threads)
        return result

    def check(result, _n):
        absolute = np.abs(X).sum() + np.abs(y).sum()
        assert abs(result - (X.sum() + y.sum())) <= 1e-9 * absolute

    name = f"plain read, {n_threads} thread{'s' if n_threads > 1 else ''}"
    measure(benchmark, f"plain read {case}", name, call, check=check, X=X, y=y, read_threads=n_threads)

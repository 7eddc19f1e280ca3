"""cost, gradient and cost_and_gradient (one evaluation counts as an epoch), and the plain read."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench import contenders
from bench.harness import CASES, TOLERANCE, Case, data, default_threads, measure, measure_function, read_once

FEW = CASES[1::2]  # for cost and gradient alone
SINGLE = [Case(case.n, case.d, "float32") for case in CASES if case.n > 3]


@pytest.mark.parametrize(
    ("case", "contender"), contenders.parameters(contenders.COST_AND_GRADIENT, CASES + SINGLE), ids=str
)
def test_cost_and_gradient(benchmark, case, contender):
    measure_function(benchmark, fastgd.cost_and_gradient, case, contender, TOLERANCE[case.dtype])


@pytest.mark.parametrize(("case", "contender"), contenders.parameters(contenders.COST, FEW), ids=str)
def test_cost(benchmark, case, contender):
    measure_function(benchmark, fastgd.cost, case, contender, TOLERANCE[case.dtype])


@pytest.mark.parametrize(("case", "contender"), contenders.parameters(contenders.GRADIENT, FEW), ids=str)
def test_gradient(benchmark, case, contender):
    measure_function(benchmark, fastgd.gradient, case, contender, TOLERANCE[case.dtype])


@pytest.mark.short
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

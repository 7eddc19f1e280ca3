"""Summaries beside the fits that they replace, and several targets beside LinearRegression."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench.contenders import Contender
from bench.harness import SMOKE, Case, assert_close, data, measure_whole, seconds_of

TOLERANCE = 1e-8
CASES = [Case(5000, d, "float64") for d in (10, 50)] if SMOKE else [
    Case(1_000_000, 10, "float64"), Case(1_000_000, 50, "float64"),
]  # fmt: skip
TARGETS = 5
PRECISE = dict(fit_intercept=True, precondition=True, n_epochs=3, history="costs")


def parts_of(X, y, k=12):
    return [fastgd.summarize(*part) for part in zip(np.array_split(X, k), np.array_split(y, k), strict=True)]


CALLS = {
    "summarize": lambda X, y: lambda: fastgd.summarize(X, y),
    "summarize 5 folds": lambda X, y: lambda: fastgd.summarize(X, y, folds=5),
    "a fit of the rows": lambda X, y: lambda: fastgd.gradient_descent(X, y, **PRECISE),
}


@pytest.mark.short(case=CASES[:1])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_read(benchmark, case, name):
    X, y, _ = data(case)
    call = CALLS[name](X, y)
    of_rows, of_parts = (
        fastgd.gradient_descent(*part, **PRECISE) for part in ((X, y), (sum(parts_of(X, y)),))
    )
    assert_close(of_parts.w, of_rows.w, TOLERANCE, "weights of the sum of twelve parts")
    measure_whole(benchmark, f"one read {case}", name, call, seconds_of(call), X=X, y=y)


@pytest.mark.parametrize("what", ["sum of 12 summaries", "a fit of a summary"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_after_the_read(benchmark, case, what):
    X, y, _ = data(case)
    parts = parts_of(X, y)
    whole = sum(parts)
    assert whole.n_samples == len(y)
    call = (
        (lambda: sum(parts))
        if what.startswith("sum")
        else (lambda: fastgd.gradient_descent(whole, **PRECISE))
    )
    measure_whole(benchmark, f"after the read {case}", what, call, seconds_of(call), X=X, y=y)


def targets_of(X, y):
    return np.column_stack([y + j * X[:, j] for j in range(TARGETS)])


def several_by_fastgd(X, y):
    Y = targets_of(X, y)
    return lambda: fastgd.gradient_descent(X, Y, **PRECISE).w


def several_by_sklearn(X, y):
    from sklearn.linear_model import LinearRegression

    Y = targets_of(X, y)
    return lambda: LinearRegression().fit(X, Y).coef_.T


CONTENDERS = [
    Contender("fastgd", several_by_fastgd),
    Contender("LinearRegression", several_by_sklearn, "sklearn"),
]


@pytest.mark.parametrize("contender", CONTENDERS, ids=str)
@pytest.mark.parametrize("case", CASES[:1], ids=str)
def test_several_targets(benchmark, case, contender):
    X, y, _ = data(case)
    call = contender.prepare(X, y)
    assert_close(call(), CONTENDERS[0].prepare(X, y)(), TOLERANCE, "weights of five targets")
    group = f"{TARGETS} targets, least squares {case}"
    measure_whole(benchmark, group, contender.name, call, seconds_of(call), X=X, y=y)

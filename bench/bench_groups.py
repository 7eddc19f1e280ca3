"""A model for each of many groups of rows, beside pandas' groupby-apply of least squares."""

from __future__ import annotations

import functools
import time

import numpy as np
import pytest

import fastgd
from bench.harness import SMOKE, assert_close, measure_whole

N, D, GROUPS = (10_000, 5, 100) if SMOKE else (1_000_000, 5, 10_000)
TOLERANCE = 1e-9


@functools.lru_cache(maxsize=1)
def problem():
    """X, y and the codes of the groups, in random order; each group has weights of its own."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, GROUPS, N)
    codes[:GROUPS] = np.arange(GROUPS)
    X, w = rng.normal(size=(N, D)) + 1.0, rng.normal(size=(GROUPS, D))
    return X, np.sum(X * w[codes], axis=1) + codes % 7 + 0.1 * rng.normal(size=N), codes


def summarized(by):
    X, y, _ = problem()
    return lambda: fastgd.summarize_groups(X, y, by=by)


def fitted(by, **options):
    X, y, _ = problem()

    def call():
        fit = fastgd.gradient_descent(fastgd.summarize_groups(X, y, by=by), fit_intercept=True, **options)
        return np.column_stack([fit.w, fit.intercept])

    return call


def applied(by):
    """pandas' groupby with numpy.linalg.lstsq of the columns of each group."""
    frame, names = table()

    def solution(group):
        return pandas.Series(np.linalg.lstsq(group[names], group["y"], rcond=None)[0])

    pandas = pytest.importorskip("pandas")
    return lambda: frame.groupby(by).apply(solution).to_numpy()


def applied_to_arrays(by):
    """The same with one array for each group, which pandas makes faster than columns."""
    frame, _ = table()

    def solution(group):
        rows = group.to_numpy()
        return pandas.Series(np.linalg.lstsq(rows[:, :-1], rows[:, -1], rcond=None)[0])

    pandas = pytest.importorskip("pandas")
    return lambda: frame.groupby(by).apply(solution).to_numpy()


def table():
    """A data frame of X, a column of ones and y, and the names of its features."""
    pandas = pytest.importorskip("pandas")
    X, y, _ = problem()
    names = [*(f"x{j}" for j in range(D)), "one"]
    return pandas.DataFrame(np.column_stack([X, np.ones(N), y]), columns=[*names, "y"]), names


def text(codes):
    return np.array([f"group {code:05}" for code in range(GROUPS)], dtype=object)[codes]


WHOLE = {
    "fastgd": lambda codes: fitted(codes, precondition=True, n_epochs=2),
    "fastgd, keys of text": lambda codes: fitted(text(codes), precondition=True, n_epochs=2),
    "pandas groupby-apply of lstsq": applied,
    "pandas groupby-apply of lstsq, on arrays": applied_to_arrays,
}


def measure(benchmark, group, name, call):
    X, y, _ = problem()
    began = time.perf_counter()
    result = call()
    measure_whole(benchmark, group, name, call, time.perf_counter() - began, X=X, y=y)
    return result


@functools.lru_cache(maxsize=1)
def solution():
    """The least-squares weights of each group, by the normal equations of all rows."""
    X, y, codes = problem()
    rows = np.column_stack([X, np.ones(N)])
    G, c = np.zeros((GROUPS, D + 1, D + 1)), np.zeros((GROUPS, D + 1))
    np.add.at(G, codes, rows[:, :, None] * rows[:, None, :])
    np.add.at(c, codes, rows * y[:, None])
    return np.linalg.solve(G, c[:, :, None])[:, :, 0]


@pytest.mark.short
@pytest.mark.parametrize("name", WHOLE)
def test_least_squares_of_groups(benchmark, name):
    call = WHOLE[name](problem()[2])
    assert_close(call(), solution(), TOLERANCE, "weights and intercepts")
    measure(benchmark, f"least squares of {GROUPS} groups, n={N},d={D}", name, call)


def test_summarize_groups(benchmark):
    result = measure(benchmark, f"summarize_groups, n={N},d={D}", "fastgd", summarized(problem()[2]))
    assert result.n_samples.sum() == N


def test_epochs_of_groups(benchmark):
    call = fitted(problem()[2], n_epochs=100)
    assert_close(fitted(problem()[2], n_epochs=3000)(), solution(), 1e-6, "weights and intercepts")
    measure(benchmark, f"100 epochs of {GROUPS} groups, n={N},d={D}", "fastgd", call)

"""The tree of sums: one answer, whatever reads."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows
from fastgd.engine import blocks, reduce
from tests.problems import plain_tree


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_the_counter_adds_as_the_tree(values):
    counter = reduce.Counter()
    for value in values:
        counter.push(np.array([value]))
    assert counter.total()[0] == plain_tree(values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(0, 5))
def test_the_tree_does_not_depend_on_the_runs(values, power):
    run = 1 << power
    counter = reduce.Counter()
    for start in range(0, len(values), run):
        counter.push(np.array([plain_tree(values[start : start + run])]))
    assert counter.total()[0] == plain_tree(values)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 4096, 4097, 50_000])
def test_fold_sees_every_row_once_in_aligned_runs(threads_for_all, n, n_threads):
    rows = ArrayRows(np.arange(n, dtype=float), np.zeros(n))
    starts = []

    def task(start, X, y, weights):
        assert start % blocks.BLOCK_ROWS == 0
        np.testing.assert_array_equal(X[:, 0], np.arange(start, start + len(y)))
        starts.append(start)
        return np.array([X.sum(), float(len(y))])

    total = reduce.reduce(rows, task, n_threads)
    assert total.tolist() == [n * (n - 1) / 2, n]
    assert len(set(starts)) == len(starts)
    assert len(threads_for_all) > 1 or n_threads == 1 or n < 50_000


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_an_error_in_a_thread_reaches_the_caller_and_stops_the_others(threads_for_all, n_threads):
    rows = ArrayRows(np.zeros(100 * 4096, int), np.zeros(100 * 4096))  # converted: many runs
    calls = []

    def task(start, X, y, weights):
        calls.append(start)
        if start > 0:
            raise RuntimeError(f"row {start}")
        return np.zeros(1)

    with pytest.raises(RuntimeError, match="row"):
        reduce.reduce(rows, task, n_threads)
    assert len(calls) <= 1 + n_threads
    assert (
        reduce.reduce(rows, lambda s, X, y, weights: X.sum(keepdims=True)[0], n_threads)[0] == 0.0
    )  # still works


def test_folds_of_many_threads_from_many_threads(threads_for_all):
    rows = ArrayRows(np.ones(64 * 4096), np.zeros(64 * 4096))
    results = []

    def user():
        results.append(reduce.reduce(rows, lambda s, X, y, weights: np.array([X.sum()]), 100)[0])

    users = [threading.Thread(target=user) for _ in range(8)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join(60)
    assert results == [64 * 4096.0] * 8


def test_the_first_row_and_column_of_several_blocks_is_named():
    X, y = np.zeros((9000, 3)), np.zeros(9000)
    ArrayRows(X, y).refuse_nonfinite()
    for array, place, value, sentence in (
        (y, 8500, np.inf, "y[8500] is infinite"),
        (X, (8500, 2), np.nan, "X[8500, 2] is NaN"),
        (X, (4097, 1), -np.inf, "X[4097, 1] is minus infinite"),
    ):
        array[place] = value
        with pytest.raises(InvalidDataError, match=rf"^{re.escape(sentence)}; drop"):
            ArrayRows(X, y).refuse_nonfinite()

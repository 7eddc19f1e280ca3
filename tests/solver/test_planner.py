"""The planner: from sizes alone, and where the ends of its scale must lie."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import fastgd
from fastgd.data.dataset import Dataset
from fastgd.engine import blocks
from fastgd.solver import planner
from tests.conftest import JIT_IS_OFF


def test_it_asks_for_nothing_but_sizes_epochs_and_options():
    for plan in (planner.descent, planner.sgd):
        for name in inspect.signature(plan).parameters:
            assert name in {
                "n", "d", "n_epochs", "n_rates", "row_bytes", "track_cost", "keeps_order",
            }  # fmt: skip


@pytest.mark.parametrize("d", [1, 3, 10, 32, 100, 300])
def test_many_epochs_are_for_summaries(d):
    assert planner.descent(1_000_000, d, 1000, 8 * (d + 1)) == "summary"
    if d <= 32:
        assert planner.sgd(1_000_000, d, 1000, 1, False, 8 * (d + 1), True) == "summary"


@pytest.mark.parametrize("d", [10, 32, 100, 300])
def test_one_epoch_of_many_columns_streams(d):
    assert planner.descent(1_000_000, d, 1, 8 * (d + 1)) == "stream"
    assert planner.sgd(1_000_000, d, 1, 1, False, 8 * (d + 1), True) == "stream"


def test_more_epochs_never_turn_back_to_streaming():
    for plan in (
        lambda n, d, epochs: planner.descent(n, d, epochs, 8 * (d + 1)),
        lambda n, d, epochs: planner.sgd(n, d, epochs, 1, False, 8 * (d + 1), True),
    ):
        for n in (5_000, 1_000_000):
            for d in (1, 2, 7, 20, 60):
                plans = [plan(n, d, epochs) for epochs in (1, 2, 5, 10, 30, 100, 1000, 10**6)]
                assert plans == sorted(plans)  # "stream" before "summary"


def test_what_would_take_too_much_memory_streams():
    assert planner.descent(10**6, planner.MOST_COLUMNS + 1, 10**6, 8 * 1026) == "stream"
    assert planner.sgd(10**8, 32, 1000, 1, False, 8 * 33, True) == "stream"
    assert planner.sgd(10**7, 1, 1000, 1000, False, 16, True) == "stream"


@pytest.mark.skipif(JIT_IS_OFF, reason="a size where nothing is small")
def test_what_ran_is_what_the_planner_says(rng):
    X = rng.standard_normal((20_000, 10))
    y = X.sum(axis=1)
    for n_epochs in (1, 100):
        fit = fastgd.gradient_descent(X, y, learning_rate=0.1, n_epochs=n_epochs)
        assert fit.method == planner.descent(20_000, 10, n_epochs, 88)
        by_sample = fastgd.sgd(X, y, learning_rate=1e-3, n_epochs=n_epochs)
        assert by_sample.method == planner.sgd(20_000, 10, n_epochs, 1, False, 88, True)
    schedule = [1e-3 / (1 + epoch) for epoch in range(10)]
    by_sample = fastgd.sgd(X, y, learning_rate=schedule, n_epochs=10)
    assert by_sample.method == planner.sgd(20_000, 10, 10, 10, False, 88, True)


@pytest.mark.parametrize("d", [1, 2, 3, 7, 10, 17, 60, 100, 300])
def test_rows_are_counted_only_where_their_number_matters(d):
    class Uncounted(Dataset):
        known_n = None
        counts = 0

        def has_at_most(self, rows):
            return self.rows <= rows

        @property
        def n(self):
            self.counts += 1
            return self.rows

    numbers = {blocks.block_rows(d) + 1, *(int(n) for n in np.geomspace(blocks.block_rows(d) + 1, 1e9, 60))}
    for n_epochs in (1, 2, 3, 5, 10, 30, 100, 1000):
        for size in (4, 8):
            methods, counts = set(), 0
            for n in sorted(numbers | {1, blocks.block_rows(d)}):
                rows = Uncounted()
                rows.rows, rows.d, rows.row_bytes = n, d, size * (d + 1)
                assert planner.descent_of(rows, d, n_epochs) == planner.descent(
                    n, d, n_epochs, rows.row_bytes
                )
                if n in numbers:
                    methods.add(planner.descent(n, d, n_epochs, rows.row_bytes))
                    counts += rows.counts
            assert counts in (0, len(numbers))
            assert not (len(methods) == 2 and counts == 0)

"""The rows that are drawn are rows of the data, spread evenly."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.plots.points import some_rows
from fastgd.solver.inputs import as_dataset
from tests.plots.drawn import line


@pytest.fixture(scope="module")
def many():
    x = np.arange(30_000.0)
    return x, 2 * x + 1


@pytest.mark.parametrize("n", [1, 999, 1000, 1001, 30_000])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_rows_are_spread_evenly(many, n, is_streamed):
    x, y = many[0][:n], many[1][:n]
    parts = [slice(0, n // 3), slice(n // 3, n)]
    source = fastgd.chunks(lambda: ((x[part, None], y[part]) for part in parts if len(y[part])))
    X, seen = some_rows(as_dataset(source, None) if is_streamed else as_dataset(x[:, None], y))
    assert len(X) == min(n, 1000)
    np.testing.assert_array_equal(seen, 2 * X[:, 0] + 1)
    gaps = np.diff(X[:, 0])
    assert X[0, 0] == 0
    assert (np.abs(gaps - n / len(X)) <= 1).all()
    assert n - X[-1, 0] <= n / len(X) + 1


def test_the_picture_says_how_many_of_how_many(ax, many):
    x, y = many
    fastgd.gradient_descent(x / 3e4, y, n_epochs=2).plot("fit", ax=ax)
    assert len(line(ax, "1,000 of 30,000 samples")[0]) == 1000

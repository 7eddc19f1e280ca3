"""Summaries: how many passes they take, and when they read the data again."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.solver.statistics import Reference
from fastgd.solver.summaries import AT_OPTIMUM, AT_WEIGHTS, FIRST, Summaries
from tests.problems import linear_problem

RATES = np.array([1e-3, 1e-2])


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_one_pass_serves_all(rng, backend):
    X, y, _ = linear_problem(rng, 200, 3)
    found = Summaries(ArrayRows(X, y), np.zeros(3), backend, 1)
    assert not found.has_statistics
    assert found.n_passes == 0
    np.testing.assert_allclose(found.table(), X.T @ X, rtol=1e-12)
    passes = found.n_passes
    w, cost = found.optimum()
    best = np.linalg.lstsq(X, y)[0]
    np.testing.assert_allclose(w, best, rtol=1e-10)
    assert cost == pytest.approx(np.mean((X @ best - y) ** 2), rel=1e-10)
    assert found.statistics is found.statistics
    assert found.n_passes == passes + (backend == "numba")  # a table of one block is no statistics


def test_maps_bring_the_statistics(rng):
    X, y, _ = linear_problem(rng, 200, 3)
    found = Summaries(ArrayRows(X, y), np.zeros(3), "numba", 1)
    maps = found.maps(RATES)
    assert maps.statistics is found.statistics
    assert found.maps(RATES) is maps
    assert found.n_passes == 1
    assert found.stage == FIRST


def test_the_data_is_read_again_once_about_the_optimum(rng):
    X, y, _ = linear_problem(rng, 200, 3)
    found = Summaries(ArrayRows(X, y), np.zeros(3), "numba", 1)
    found.maps(RATES)
    near = found.statistics.w_ref + 0.5
    assert found.recentre(near, AT_WEIGHTS)
    assert found.stage == AT_WEIGHTS
    assert found.statistics.w_ref.tolist() == near.tolist()
    assert found.recentre()
    assert found.stage == AT_OPTIMUM
    assert not found.recentre()
    assert found.n_passes == 3
    np.testing.assert_allclose(found.statistics.w_ref, np.linalg.lstsq(X, y)[0], rtol=1e-10)
    assert found.maps(RATES).statistics is found.statistics


@pytest.mark.parametrize("stage", [AT_WEIGHTS, AT_OPTIMUM])
def test_the_reference_moves_as_in_an_interrupted_process(rng, stage):
    X, y, w = linear_problem(rng, 200, 3)
    found = Summaries(ArrayRows(X, y), np.zeros(3), "numba", 1)
    found.move_reference(w + 1.0, stage)
    assert (found.stage, found.statistics.w_ref.tolist()) == (stage, (w + 1.0).tolist())
    for other, of_stage in ((w[:2], stage), (w, FIRST), (w, 3)):
        with pytest.raises(ValueError):  # noqa: PT011 - the caller makes the sentence
            found.move_reference(other, of_stage)


def test_the_reference_of_an_earlier_run_counts_where_the_data_is_the_same(rng):
    X, y, w = linear_problem(rng, 200, 3)
    first = Summaries(ArrayRows(X, y), np.zeros(3), "numba", 1)
    first.recentre(w + 1.0)
    again = Summaries(ArrayRows(X, y), np.zeros(3), "numba", 1, first.reference)
    assert again.statistics.w_ref.tolist() == (w + 1.0).tolist()
    assert (again.n_passes, again.stage) == (1, AT_OPTIMUM)
    other = Summaries(ArrayRows(X, y + 1.0), np.zeros(3), "numba", 1, first.reference)
    assert other.statistics.n == 200
    assert other.stage == FIRST
    short = Summaries(ArrayRows(X, y), np.zeros(3), "numba", 1, Reference(np.empty(0), w[:2], 1.0))
    assert short.statistics.w_ref.tolist() != w.tolist()
    assert short.n_passes == 1


def test_a_cost_without_digits_takes_a_pass_of_its_own(rng):
    X, y, w = linear_problem(rng, 200, 3)
    found = Summaries(ArrayRows(X, y), np.zeros(3), "numba", 1)
    assert found.cost(w) == pytest.approx(np.mean((X @ w - y) ** 2), rel=1e-12)
    assert found.n_passes == 1
    assert found.statistics.cost(w) == pytest.approx(found.cost(w), rel=1e-12)
    assert found.n_passes == 2
    far = w + 1e9
    assert found.cost(far) == pytest.approx(np.mean((X @ far - y) ** 2), rel=1e-12)

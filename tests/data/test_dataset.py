"""What is known of targets and weights: the same however they are cut into runs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows
from fastgd.data.dataset import Facts, View, look

BLOCK = 8


def of(y, weights, cuts=()):
    facts = Facts()
    for start, stop in itertools.pairwise([0, *cuts, len(y)]):
        look(start, y[start:stop], weights[start:stop] if len(weights) else weights, BLOCK, facts.state)
    return facts


@pytest.mark.parametrize("is_weighted", [False, True])
def test_facts_against_numpy_and_in_any_runs(rng, is_weighted):
    y = rng.normal(3.0, 2.0, 101).astype(np.float32)
    weights = rng.random(101) * (np.arange(101) % 5 > 0) if is_weighted else np.empty(0)
    whole = of(y, weights)
    assert whole.n_counted == (80 if is_weighted else 101)
    assert (whole.state == of(y, weights, [8, 64]).state).all()
    s = weights if is_weighted else np.ones(101)
    assert whole.n == 101
    assert whole.total_weight == pytest.approx(s.sum(), rel=1e-14)
    mean = np.average(y.astype(float), weights=s)
    assert whole.deviation == pytest.approx(np.sqrt(np.average((y - mean) ** 2, weights=s)), rel=1e-12)
    assert whole.largest == np.abs(y).max()
    assert whole.other == (0, y[0])
    assert whole.bad_weight is None


def test_the_first_that_is_no_class_and_the_first_that_is_no_weight():
    y, weights = np.array([0.0, 1.0] * 20), np.ones(40)
    assert of(y, weights).other is None
    y[[17, 30]] = 2.0, 3.0
    weights[[21, 33]] = -1.0, np.nan
    found = of(y, weights, [16])
    assert found.other == (17, 2.0)
    assert found.bad_weight == (21, -1.0)


def test_targets_that_are_all_alike_have_a_spread_of_one():
    assert of(np.full(20, 1e9), np.empty(0)).deviation == 1.0


@pytest.mark.parametrize("n", [1, 4095, 4096, 4097, 20_000])
def test_the_total_weight_of_arrays_has_the_bits_of_the_facts(rng, n):
    rows = ArrayRows(rng.normal(size=(n, 2)), rng.normal(size=n), rng.random(n))
    assert rows.total_weight == rows.facts.total_weight


def test_small_targets_and_equal_targets_are_facts():
    found = of(np.array([1e-170, -2e-170, 0.0]), np.empty(0))
    assert (found.least, found.largest, found.only, found.squares_vanish) == (-2e-170, 2e-170, None, True)
    assert of(np.full(20, 2.5), np.empty(0)).only == 2.5
    assert not of(np.zeros(3), np.empty(0)).squares_vanish


def test_views_ask_the_rows_that_they_are_made_of():
    rows = ArrayRows(np.arange(6.0).reshape(3, 2), np.array([0.0, 1.0, 5.0]), np.array([1.0, 2.0, 4.0]))
    rows.columns = ("a", "b")
    view = View(rows)
    assert (view.n, view.known_n, view.columns, view.has_weights) == (3, 3, ("a", "b"), True)
    assert view.facts.other == (2, 5.0)
    assert view.total_weight == 7.0
    assert view.mark() == rows.mark()
    assert rows.lists() == ([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [0.0, 1.0, 5.0], [1.0, 2.0, 4.0])
    rows.X[1, 1] = np.inf
    with pytest.raises(InvalidDataError, match=r"^X\[1, 'b'\] is infinite"):
        view.refuse_nonfinite()

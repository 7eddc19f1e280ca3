"""Rates by backtracking on a parabola, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd.solver.steppers.backtracking import FIRST_GROWTH, GROWTH, HALVINGS, backtracked, is_short


def attempts(curvature):
    """The attempt at w = 1 on ½·curvature·w², and the rates that were tried."""
    tried = []

    def attempt(rate):
        tried.append(rate)
        step = -rate * curvature
        return [step], [curvature * step]

    return attempt, tried


def test_a_short_rate_is_taken_at_once_and_grows():
    attempt, tried = attempts(0.5)
    assert backtracked(1.0, 0.25, FIRST_GROWTH, attempt) == (0.5, 0.5, FIRST_GROWTH)
    assert tried == [0.5]


@pytest.mark.parametrize("curvature", [3.0, 1000.0])
def test_a_long_rate_is_halved_to_one_over_the_curvature(curvature):
    attempt, tried = attempts(curvature)
    rate, scale, growth = backtracked(1.0, 1.0, FIRST_GROWTH, attempt)
    assert rate == scale == tried[-1]
    assert 0.5 / curvature < rate <= 1.0 / curvature
    assert tried == [2.0 * 0.5**k for k in range(len(tried))]
    assert growth == GROWTH
    assert backtracked(1.0, scale, growth, attempt)[0] <= 1.0 / curvature


def test_the_halvings_end_where_no_rate_is_short():
    calls = []

    def attempt(rate):
        calls.append(rate)
        return [1.0], [math.nan]

    rate, _, growth = backtracked(1.0, 1.0, 1.0, attempt)
    assert len(calls) == HALVINGS
    assert rate == 0.5**HALVINGS
    assert growth == GROWTH


def test_a_step_that_is_not_finite_is_not_short():
    assert is_short(0.5, np.array([2.0]), np.array([4.0]))
    assert not is_short(0.51, np.array([2.0]), np.array([4.0]))
    assert not is_short(0.5, np.array([math.inf]), np.array([math.inf]))

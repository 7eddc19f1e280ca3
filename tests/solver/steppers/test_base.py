"""Points that stand still, and the state that steppers hand on."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fastgd.solver.steppers.base import GradientRule, StallRule, Until, hardly_differ, new_state
from tests.solver.steppers.rows import batch_of

FEW = 4 * sys.float_info.epsilon


@pytest.mark.parametrize(
    ("moved", "is_still"), [([0, 0], True), ([FEW, FEW], True), ([2 * FEW, 0], False), ([0, 2 * FEW], False)]
)
def test_points_hardly_differ_by_a_few_roundings(moved, is_still):
    w = np.array([1.0, 1.0])
    assert hardly_differ(w + moved, w, w) == is_still
    rule = StallRule()
    rule.w, rule.before = w + moved, w
    assert rule.has_stalled == is_still


def test_a_point_that_is_not_a_number_has_not_stalled():
    w = np.array([np.nan, 1.0])
    assert not hardly_differ(w, w, w)


def gradient_rule(momentum, tol=-1.0, w=(1.0,), before=(1.0,)):
    rule = GradientRule()
    rule._until, rule._momentum = Until(tol), momentum
    rule.w, rule.before = np.array(w), np.array(before)
    return rule


def test_a_run_that_computes_gradients_stalls_by_them():
    """Numbers of `momentum`: t, quiet epochs, first and last norm."""
    assert gradient_rule([1.0, 0.0, -1.0, np.inf, 1.0, 2.0]).has_stalled  # no norm yet: by the weights
    assert gradient_rule([1.0, 1.0, 5.0, 2.0, 1.0, 2.0]).has_stalled  # a quiet epoch, no tol
    assert not gradient_rule([1.0, 1.0, 5.0, 2.0, 1.0, 2.0], tol=0.1).has_stalled
    assert not gradient_rule([1.0, 0.0, 5.0, 2.0, 1.0, 2.0]).has_stalled
    assert gradient_rule([1.0, 0.0, 5.0, 0.0, 1.0, 2.0], tol=0.1).has_stalled
    assert not gradient_rule([1.0, 0.0, 5.0, 0.0, 1.0, 2.0], before=[2.0]).has_stalled


def test_a_new_state_and_its_copies_share_nothing():
    point = np.array([1.0, 2.0])
    state = new_state(point, average_from=3)
    assert state.point is point
    assert state.counts.tolist() == [0, 3]
    assert state.average.tolist() == [0.0, 0.0]
    assert new_state(point).average.shape == (0,)
    assert new_state(point).counts.tolist() == [0, -1]
    copied = state.copied()
    for name, part in vars(copied).items():
        part += 1
        assert (getattr(state, name)[:1] != part[:1]).all() or not np.isfinite(part[:1]).all(), name


def test_a_part_of_a_batch_writes_into_the_batch():
    batch = batch_of(4, n_samples=2)
    part = batch.part(1, 3)
    part.costs[:], part.losses[:], part.weights[:], part.gradients[:], part.norms[:] = 1, 2, 3, 4, 5
    for array, value in zip(vars(batch).values(), (1, 2, 3, 4, 5), strict=True):
        assert (array[1:3] == value).all()
        assert np.isnan(array[[0, 3]]).all()

"""Points that stand still, and the state that steppers hand on."""

from __future__ import annotations

import copy
import itertools
import sys

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.solver.objective import UpdateRule
from fastgd.solver.orders import Order
from fastgd.solver.steppers.base import GradientRule, StallRule, Until, hardly_differ, new_state
from fastgd.solver.steppers.exact import BlockDescent, BlockSgd
from fastgd.solver.steppers.plain import PlainDescent, PlainSgd
from fastgd.solver.steppers.streaming import StreamingDescent, StreamingSgd
from fastgd.solver.steppers.summary import MapSgd, SummaryDescent
from fastgd.solver.summaries import Summaries
from tests.solver.steppers.rows import X, Y, batch_of, problem_of

FEW = 4 * sys.float_info.epsilon


@pytest.mark.parametrize(
    ("moved", "is_still"), [([0, 0], True), ([FEW, FEW], True), ([2 * FEW, 0], False), ([0, 2 * FEW], False)]
)
def test_points_hardly_differ_by_a_few_roundings(moved, is_still):
    w = np.array([1.0, 1.0])
    assert hardly_differ(w + moved, w, w) == is_still
    assert StallRule().has_stalled(new_state(w + moved)._replace(epoch_start=w)) == is_still


def test_a_point_that_is_not_a_number_has_not_stalled():
    w = np.array([np.nan, 1.0])
    assert not hardly_differ(w, w, w)


def has_stalled(momentum, tol=-1.0, w=(1.0,), before=(1.0,)):
    rule = GradientRule()
    rule._until = Until(tol)
    state = new_state(np.array(w))._replace(before=np.array(before), momentum=np.array(momentum))
    return rule.has_stalled(state)


def test_a_run_that_computes_gradients_stalls_by_them():
    """Numbers of `momentum`: t, quiet epochs, first and last norm."""
    assert has_stalled([1.0, 0.0, -1.0, np.inf, 1.0, 2.0])  # no norm yet: by the weights
    assert has_stalled([1.0, 1.0, 5.0, 2.0, 1.0, 2.0])  # a quiet epoch, no tol
    assert not has_stalled([1.0, 1.0, 5.0, 2.0, 1.0, 2.0], tol=0.1)
    assert not has_stalled([1.0, 0.0, 5.0, 2.0, 1.0, 2.0])
    assert has_stalled([1.0, 0.0, 5.0, 0.0, 1.0, 2.0], tol=0.1)
    assert not has_stalled([1.0, 0.0, 5.0, 0.0, 1.0, 2.0], before=[2.0])


def test_a_new_state():
    point = np.array([1.0, 2.0])
    state = new_state(point, average_from=3, epoch=5)
    assert state.point is state.before is state.epoch_start is point
    assert state.counts.tolist() == [0, 3]
    assert state.average.tolist() == [0.0, 0.0]
    assert (state.epoch, state.passes, state.stage, state.has_converged) == (5, 0, 0, False)
    assert new_state(point).average.shape == (0,)
    assert new_state(point).counts.tolist() == [0, -1]


def test_the_average_begins_after_the_first_averaged_step():
    state = new_state(np.zeros(2), average_from=3)._replace(average=np.ones(2))
    for done, is_averaged in ((0, False), (3, False), (4, True)):
        counted = state._replace(counts=np.array([done, 3]))
        assert counted.result_point() is (state.average if is_averaged else state.point)
    last = new_state(np.zeros(2))
    assert last.result_point() is last.point


def test_another_run_takes_over_no_values_of_this_one():
    state = new_state(np.ones(2), 0, 7)._replace(gradient=np.ones(2), passes=3, stage=1, has_converged=True)
    carried = state.carried()
    assert carried[:5] == state[:5]
    assert (carried.epoch, carried.passes, carried.stage, carried.has_converged) == (0, 0, 0, False)
    assert len(carried.gradient) == len(carried.epoch_start) == 0


def steppers():
    """One of each, and the problem of each."""
    plain, momentum, order = UpdateRule(), UpdateRule(momentum=0.5), Order("blocks", 3)
    twin = problem_of(momentum, backend="python")
    summaries, rates = Summaries(ArrayRows(X, Y), np.zeros(2), "numba", 1), np.array([0.05])
    return {
        "BlockDescent": BlockDescent(ArrayRows(X, Y)),
        "BlockSgd": BlockSgd(ArrayRows(X, Y), Order(True, 3)),
        "SummaryDescent": SummaryDescent(problem_of(plain), plain, Until()),
        "SummaryDescent, momentum": SummaryDescent(problem_of(momentum), momentum, Until(0.1)),
        "MapSgd": MapSgd(ArrayRows(X, Y), summaries, rates, rates, order, True),
        "StreamingDescent": StreamingDescent(problem_of(plain), plain, Until(), 1),
        "StreamingDescent, rates scaled": StreamingDescent(
            problem_of(momentum, loss="poisson"), momentum, Until(), 1, backtracks=True
        ),
        "StreamingSgd": StreamingSgd(problem_of(plain), plain, order, 1),
        "StreamingSgd, momentum": StreamingSgd(problem_of(momentum), momentum, order, 1),
        "PlainDescent": PlainDescent(twin, momentum, Until()),
        "PlainSgd": PlainSgd(twin, momentum, order),
    }


@pytest.mark.parametrize("name", list(steppers()))
def test_runs_that_share_a_stepper_are_two_runs(name):
    """An epoch makes a new state, changes no array of the old one, and leaves nothing in the stepper."""
    stepper = steppers()[name]
    is_sgd = name.split(",")[0].endswith("Sgd")
    first, other = (new_state(np.array(w), 0 if is_sgd else -1) for w in ([0.5, -0.25], [-0.5, 1.0]))
    states = [stepper.start(first, True)[0]]
    copies = [copy.deepcopy(states[0])]
    other, _ = stepper.start(other, True)
    for _ in range(3):
        new, done = stepper.advance(states[-1], np.array([0.05]), batch_of(1), False)
        assert done == 1
        other, _ = stepper.advance(other, np.array([0.05]), batch_of(1), False)
        states.append(new)
        copies.append(copy.deepcopy(new))
    for state, copied in zip(states, copies, strict=True):
        for part, same in zip(state, copied, strict=True):
            np.testing.assert_array_equal(part, same)
    for state, expected in itertools.pairwise(states):
        again, _ = stepper.advance(state, np.array([0.05]), batch_of(1), False)
        for field, part, same in zip(state._fields, again, expected, strict=True):
            np.testing.assert_array_equal(part, same, err_msg=field)
    assert other.point.tolist() != states[-1].point.tolist()


def test_a_part_of_a_batch_writes_into_the_batch():
    batch = batch_of(4, n_samples=2)
    part = batch.part(1, 3)
    part.costs[:], part.losses[:], part.weights[:], part.gradients[:], part.norms[:] = 1, 2, 3, 4, 5
    for array, value in zip(vars(batch).values(), (1, 2, 3, 4, 5), strict=True):
        assert (array[1:3] == value).all()
        assert np.isnan(array[[0, 3]]).all()

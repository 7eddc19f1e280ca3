"""Descent on a smooth cost in the metric of its own curvature.

A step is θ ← θ − α M ∇cost(θ), where M is the inverse of the Hessian of the cost: gradient descent in
coordinates in which the curvature is round, so one rate suits all directions and α = 1 is right near the
optimum.

The Hessian is that of a sample, at the sample's optimum, where the run starts. The sample fits in the cache,
so this takes little more than one read of it. Then each step reads all rows once, and its change of the
gradient corrects M along the step (BFGS: Nocedal and Wright, Numerical Optimization, 2nd ed., 6.1). If the
gradient falls slowly, M is made anew at the current point by one read of all rows.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from fastgd import reference
from fastgd.checks import InvalidDataError
from fastgd.data.curved import CurvedRows
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine.blocks import Floats
from fastgd.solver import blas, linalg
from fastgd.solver.cost import OVERFLOW_IS_SEEN, Cost
from fastgd.solver.linalg import EPS
from fastgd.solver.problem import Problem
from fastgd.solver.sample import read_sample
from fastgd.solver.statistics import read_statistics
from fastgd.solver.steppers.base import StepperState

STEPS = 25
"""The most steps on the sample. Without an optimum, as for separable classes, there is no end."""
ENOUGH = 1e-10
"""The sample is at its optimum if a step would lower its cost by a smaller share."""
MOST_TRIED = 60
ROUNDING = 64 * EPS
"""A step that would lower the cost by a smaller share is not halved, since the change is rounding."""
FIRST_NORM = 2
"""The place of the first norm in `StepperState.momentum`."""
CURVED = 1e-12
"""A step changes M if the cosine between it and its change of the gradient is larger."""


class Point(NamedTuple):
    """θ with the cost and the gradient there, both with penalties."""

    theta: Floats
    cost: float
    gradient: Floats


class SmoothCost:
    """The objective of a problem on some rows, and its metric. Each call takes a pass over the rows."""

    def __init__(self, problem: Problem, rows: Dataset, n_threads: int | None):
        objective = problem.objective
        self._rows, self._loss, self._scaling = rows, objective.loss, problem.scaling
        self._penalty, self._spread = problem.penalty, problem.reach
        self._backend, self._n_threads = problem.backend, n_threads
        self._mean: Cost | _PlainMean
        if self._backend == "python":
            self._mean = _PlainMean(problem, rows)
        else:
            self._mean = Cost(rows, self._loss, self._scaling, n_threads)

    @OVERFLOW_IS_SEEN
    def __call__(self, theta: Floats) -> Point:
        cost, gradient = self._mean(theta)
        return Point(theta, cost + self._penalty.value(theta), gradient + self._penalty.l2 * theta)

    @OVERFLOW_IS_SEEN
    def metric(self, theta: Floats) -> tuple[Floats, int] | None:
        """M, the pseudo-inverse of the Hessian at θ, and its rank; None if the Hessian overflows."""
        to = self._scaling
        w, intercept = to.model(theta)
        curved = CurvedRows(self._rows, self._loss, w, float(intercept), self._spread)
        scaled = TransformedRows(curved, to.shift, to.scale, has_ones=to.has_intercept)
        sums = read_statistics(scaled, np.zeros(to.size), self._n_threads, self._backend)
        table = sums.G / self._rows.total_weight + np.diag(self._penalty.l2)
        if not np.isfinite(table).all():
            return None
        is_moving = np.append(to.scale, np.ones(int(to.has_intercept))) != 0.0  # constant columns are not
        moving = np.ix_(is_moving, is_moving)
        metric = np.zeros_like(table)
        with blas.one_thread():
            W = linalg.factor(table[moving]).whitening()
            metric[moving] = W @ W.T
        return metric, W.shape[1]


class _PlainMean:
    """The mean loss and its gradient, in pure Python."""

    def __init__(self, problem: Problem, rows: Dataset):
        to = problem.scaling
        scaled = TransformedRows(rows, to.shift, to.scale, has_ones=to.has_intercept, is_weighted=False)
        self._rows, self._loss = scaled.lists(), problem.objective.loss

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        at = *self._rows, theta.tolist(), self._loss
        return reference.mean_loss(*at), np.array(reference.mean_slope(*at))


class _Start(NamedTuple):
    theta: Floats
    metric: Floats
    norm: float
    """√(g·M g) with the gradient at the caller's start."""


def first_state(problem: Problem, state: StepperState, n_threads: int | None) -> StepperState:
    """The state of a run that begins at the optimum of the sample, found from the point of `state`.

    If the sample has no optimum, or lacks a direction that the rows may have, the run begins at that point
    with the metric of all rows.
    """
    start = _start(problem, state.point, n_threads)
    momentum = state.momentum.copy()
    momentum[FIRST_NORM] = start.norm
    return state._replace(point=start.theta, before=start.theta, momentum=momentum, metric=start.metric)


def _start(problem: Problem, theta: Floats, n_threads: int | None) -> _Start:
    sample = SmoothCost(problem, read_sample(problem.rows, n_threads), n_threads)
    problem.n_passes += 1
    to = problem.scaling
    start = _optimum(sample, theta, int(np.count_nonzero(to.scale)) + to.has_intercept)
    if start is not None:
        return start
    whole = SmoothCost(problem, problem.rows, n_threads)
    point, made = whole(theta), whole.metric(theta)
    problem.n_passes += 2
    if made is None:
        raise InvalidDataError("X or y is too large for precondition: its squares overflow; scale it")
    return _Start(theta, made[0], norm_of(point.gradient, made[0]))


def _optimum(cost: SmoothCost, theta: Floats, rank: int) -> _Start | None:
    """The optimum by Newton's steps; None if it is not reached, or if a metric has a lower rank."""
    first = point = cost(theta)
    for _ in range(STEPS):
        made = cost.metric(point.theta)
        if made is None or made[1] < rank:
            return None
        norm = norm_of(point.gradient, made[0])
        if norm * norm <= ENOUGH * abs(point.cost):
            return _Start(point.theta, made[0], norm_of(first.gradient, made[0]))
        point = stepped(cost, point, made[0], 1.0)[0]
    return None


def stepped(cost: SmoothCost, point: Point, metric: Floats, rate: float) -> tuple[Point, int]:
    """The point after a step, and the number of passes. A step that raises the cost is halved.

    Differences of costs are rounding near the optimum. So a step is halved only if the slope at its end is
    also more than half as steep, upwards, as the slope at its start.
    """
    direction = -_times(metric, point.gradient)
    fall = -float(np.sum(direction * point.gradient))
    is_rounding = fall <= ROUNDING * abs(point.cost)
    for n_tried in itertools.count(1):
        new = cost(point.theta + rate * direction)
        slope = float(np.sum(new.gradient * direction))
        is_raised = not math.isfinite(new.cost) or (new.cost > point.cost and slope > 0.5 * fall)
        if is_rounding or not is_raised or n_tried == MOST_TRIED:
            return new, n_tried
        rate *= 0.5
    raise AssertionError("unreachable")


def corrected(metric: Floats, step: Floats, change: Floats) -> Floats:
    """M after a step that changed the gradient by `change`: the update of BFGS, by which M `change` = `step`.

    A step along which the cost is not curved, or only by rounding, leaves M as it is.
    """
    along = float(np.sum(step * change))
    if not along > CURVED * float(np.sqrt(np.sum(step * step) * np.sum(change * change))):
        return metric
    with np.errstate(over="ignore", invalid="ignore"):
        moved = _times(metric, change) / along
        cross = np.outer(step, moved)
        square = (1.0 + float(np.sum(moved * change))) / along
        new = metric + square * np.outer(step, step) - cross - cross.T
    return new if np.isfinite(new).all() else metric


def norm_of(gradient: Floats, metric: Floats) -> float:
    """√(g·M g): about √2 times the root of what the cost lies above its minimum."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(max(0.0, float(np.sum(gradient * _times(metric, gradient)))))


def _times(metric: Floats, vector: Floats) -> Floats:
    """M v without BLAS, so that no other fit waits."""
    return np.einsum("ij,j->i", metric, vector)

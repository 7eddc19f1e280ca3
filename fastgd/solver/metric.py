"""Descent on a smooth cost in the metric of its own curvature.

A step is θ ← θ − α M ∇cost(θ), where M is the inverse of the Hessian of the cost: gradient descent in
coordinates in which the curvature is round, so one rate suits all directions and α = 1 is right near the
optimum.

The Hessian is that of a sample, at the sample's optimum, where the run starts (`first_state` has the
exceptions). A sample of many rows is small, so this takes little beside a read of all rows. Then each step
reads all rows once, and its change of the gradient corrects M along the step (BFGS: Nocedal and Wright,
Numerical Optimization, 2nd ed., 6.1). If the gradient falls slowly, M is made anew at the current point by
one read of all rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastgd import reference
from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend
from fastgd.data.curved import CHORD, CurvedRows
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine.blocks import Floats
from fastgd.losses import Loss
from fastgd.penalties import Penalty
from fastgd.solver import blas, linalg
from fastgd.solver.cost import OVERFLOW_IS_SEEN, Cost
from fastgd.solver.linalg import EPS
from fastgd.solver.problem import Problem
from fastgd.solver.sample import read_sample
from fastgd.solver.scaling import Scaling
from fastgd.solver.statistics import read_statistics
from fastgd.solver.steppers.base import FIRST_NORM, StepperState

STEPS = 30
"""The most steps on the sample. Without an optimum, as for separable classes, there is no end."""
ENOUGH = 1e-10
"""The sample is at its optimum if a step would lower its cost by a smaller share, or if the norm of the
gradient is a smaller share of the first."""
LEAST_FALL = 1e-4
"""A step must lower the cost by this share of what its length and the slope promise (Nocedal and Wright,
3.1)."""
REFINEMENTS = 2
"""The first step leads to the least squares, but for rounding; this many more remove the rounding."""
FEW_TRIED, MOST_TRIED = 4, 24
"""Steps that an epoch tries before M is made anew, and after that."""
ROUNDING = 64 * EPS
"""Smaller relative changes of the cost are rounding."""
CURVED = 1e-12
"""A step changes M if the cosine between it and its change of the gradient is larger."""


class Point(NamedTuple):
    """θ with the cost and the gradient there, both with penalties."""

    theta: Floats
    cost: float
    gradient: Floats


class SmoothCost:
    """A smooth objective on some rows, and its metric. Each call takes a pass over the rows.

    `spread` is the spread of scores, and `share` the weight of these rows as a share of that of all.
    """

    share = 1.0

    def __init__(
        self, rows: Dataset, loss: Loss, scaling: Scaling, penalty: Penalty, spread: float, backend: Backend,
        n_threads: int | None,
    ):  # fmt: skip
        self._rows, self._scaling, self._penalty, self.spread = rows, scaling, penalty, spread
        self._backend, self._n_threads = backend, n_threads
        self.mean: Cost | _PlainMean
        if backend == "python":
            self.mean = _PlainMean(self._scaled(rows, is_weighted=False), loss)
        else:
            self.mean = Cost(rows, loss, scaling, n_threads)

    @classmethod
    def of(cls, problem: Problem, rows: Dataset, n_threads: int | None) -> SmoothCost:
        """The objective of a problem on some of its rows, or all."""
        loss, backend = problem.objective.loss, problem.backend
        return cls(rows, loss, problem.scaling, problem.penalty, problem.reach, backend, n_threads)

    @OVERFLOW_IS_SEEN
    def __call__(self, theta: Floats) -> Point:
        cost, gradient = self.mean(theta)
        return Point(theta, cost + self._penalty.value(theta), gradient + self._penalty.l2 * theta)

    @OVERFLOW_IS_SEEN
    def metric(self, theta: Floats, chord: float = CHORD) -> tuple[Floats, int] | None:
        """M, the pseudo-inverse of the Hessian at θ, and its rank; None if the Hessian overflows."""
        to = self._scaling
        w, intercept = to.model(theta)
        curved = CurvedRows(self._rows, self.mean.loss, w, float(intercept), self.spread, chord)
        sums = read_statistics(self._scaled(curved), np.zeros(to.size), self._n_threads, self._backend)
        table = self.share * (sums.G / self._rows.total_weight) + np.diag(self.bend(theta))
        if not np.isfinite(table).all():
            return None
        is_moving = np.append(to.scale, np.ones(int(to.has_intercept))) != 0.0  # constant columns are not
        moving = np.ix_(is_moving, is_moving)
        metric = np.zeros_like(table)
        with blas.one_thread():
            metric[moving], rank = self.inverse(table[moving])
        return metric, rank

    def inverse(self, table: Floats) -> tuple[Floats, int]:
        """The pseudo-inverse of a Hessian, and its rank."""
        W = linalg.factor(table).whitening()
        return W @ W.T, W.shape[1]

    def bend(self, theta: Floats) -> Floats:
        """The second derivatives of the penalty."""
        return self._penalty.l2

    def least_squares(self, theta: Floats) -> Floats:
        """θ with the least squared errors, found from this θ."""
        sums = read_statistics(self._scaled(self._rows), theta, self._n_threads, self._backend)
        return sums.optimum()

    def _scaled(self, rows: Dataset, *, is_weighted: bool = True) -> TransformedRows:
        to = self._scaling
        return TransformedRows(rows, to.shift, to.scale, has_ones=to.has_intercept, is_weighted=is_weighted)


class _PlainMean:
    """The mean loss and its gradient, in pure Python."""

    def __init__(self, rows: TransformedRows, loss: Loss):
        self._rows, self.loss = rows.lists(), loss

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        at = *self._rows, theta.tolist(), self.loss
        return reference.mean_loss(*at), np.array(reference.mean_slope(*at))


def first_state(problem: Problem, state: StepperState, n_threads: int | None) -> StepperState:
    """The state of a run that begins at the optimum of the sample, found from the point of `state`, or from
    the least squares of the sample if these are better.

    The metric is that of all rows, by one more pass, if the sample lacks a direction that the rows may have.
    If the sample has no optimum, or one that is none for all rows, the run begins at the caller's start with
    the metric of all rows.
    """
    to, sample = problem.scaling, SmoothCost.of(problem, read_sample(problem.rows, n_threads), n_threads)
    first = point = sample(state.point)
    for _ in range(1 + REFINEMENTS if problem.objective.loss.predicts_y else 0):
        fitted = sample(sample.least_squares(point.theta))
        point = fitted if fitted.cost < point.cost else point
    last, metric, rank = _optimum(sample, first, point)
    whole = SmoothCost.of(problem, problem.rows, n_threads)
    point = whole(last.theta)
    problem.n_passes += 2
    if metric is None or not _is_near(point, metric, first, last):
        point, metric = whole(state.point), None
        problem.n_passes += 1
    elif rank < np.count_nonzero(to.scale) + to.has_intercept:
        metric = None
    if metric is None and math.isfinite(point.cost):
        made = whole.metric(point.theta)
        problem.n_passes += 1
        if made is None:
            raise InvalidDataError("X or y is too large for precondition: its squares overflow; scale it")
        metric = made[0]
    elif metric is None:  # the run will find that it has diverged
        metric = np.zeros((to.size, to.size))
    momentum = state.momentum.copy()
    momentum[FIRST_NORM] = norm_of(first.gradient, metric)
    return state._replace(
        point=point.theta, before=point.theta, momentum=momentum, gradient=point.gradient, metric=metric,
        cost=point.cost, first_gradient=first.gradient,
    )  # fmt: skip


def _is_near(point: Point, metric: Floats, first: Point, last: Point) -> bool:
    """Whether the optimum of the sample is near that of all rows, of which `point` is there.

    It is not if their cost is far above that of the sample at the start, or if a step from there would lower
    their cost by more than all steps on the sample have lowered its own.
    """
    if not point.cost - first.cost <= abs(first.cost):
        return False
    return 0.5 * norm_of(point.gradient, metric) ** 2 <= first.cost - last.cost


def _optimum(cost: SmoothCost, first: Point, point: Point) -> tuple[Point, Floats | None, int]:
    """Newton's steps from `point`: the optimum, M there and its rank. M is None if they do not reach it.

    The gradient at the optimum is small beside that at `first`.
    """
    for _ in range(STEPS):
        made = cost.metric(point.theta)
        if made is None:
            break
        metric, rank = made
        norm = norm_of(point.gradient, metric)
        if norm * norm <= ENOUGH * abs(point.cost) or norm <= ENOUGH * norm_of(first.gradient, metric):
            return point, metric, rank
        new = stepped(cost, point, metric, 1.0, FEW_TRIED)[0]
        if new is point and (made := cost.metric(point.theta, 1.0)) is not None:
            new = stepped(cost, point, made[0], 1.0, MOST_TRIED)[0]
        point = new
    return point, None, 0


def step_of(point: Point, metric: Floats) -> Floats:
    """−M ∇cost, the step of rate 1."""
    return -_times(metric, point.gradient)


def stepped(cost: SmoothCost, point: Point, metric: Floats, rate: float, most: int) -> tuple[Point, int]:
    """The point after a step, and the number of passes. A step that does not lower the cost is halved.

    Differences of costs are rounding near the optimum. There a step is halved only if the slope at its end
    is more than half as steep, upwards, as the slope at its start. If `most` steps do not lower the cost, the
    point stays.
    """
    direction = step_of(point, metric)
    fall, blur = -float(np.sum(direction * point.gradient)), ROUNDING * abs(point.cost)
    for n_tried in range(1, most + 1):
        new = cost(point.theta + rate * direction)
        rise, slope = new.cost - point.cost, float(np.sum(new.gradient * direction))
        if rise <= -LEAST_FALL * rate * fall or (rise <= blur and (fall <= blur or slope <= 0.5 * fall)):
            return new, n_tried
        rate *= 0.5
    return point, most


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

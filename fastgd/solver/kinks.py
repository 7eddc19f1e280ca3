"""The minimum of a cost with kinks, by models that keep the rows near a kink.

Away from its kinks a loss is a straight line. So a read at θ keeps the rows whose scores lie within a width
of a kink, and of all others the sum of their lines. The model, the losses of the kept rows plus that sum, is
nowhere above the cost, and equals it where no other row has crossed a kink. Its minimum is a lower bound of
the cost, and the next point. If the cost there is the bound, the point is the optimum (after Portnoy and
Koenker, Statistical Science 12, 1997, who keep such rows for quantiles).

The kept rows are few, so the model is minimised in cache: `kink_models.py`.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, cast

import numpy as np

from fastgd.data.arrays import ArrayRows
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine import reduce
from fastgd.engine.blocks import NOTHING, Array, Floats, Summary
from fastgd.loss_base import Kinked
from fastgd.solver.cost import OVERFLOW_IS_SEEN, Cost
from fastgd.solver.kink_models import ENOUGH, ModelCost, minimum
from fastgd.solver.problem import Problem
from fastgd.solver.sample import joined, read_sample, spacing
from fastgd.solver.steppers.base import FIRST_NORM, StepperState

DEVIATIONS = 3.0
"""Rows are kept that may be on the other side of a kink at the optimum of all rows than at that of the
sample: with n rows and d parameters in the sample, about this many times √(d/n) of them."""
LEAST_WIDTH = 1e-8
"""The least width, as a share of the distances at θ = 0, or of the width on the sample."""
SAMPLED = 1e-3
"""The sample is at its optimum if its gap is a smaller share of d/n times its cost."""


class Read(NamedTuple):
    """What a read of all rows at θ has found."""

    cost: float
    """The cost with penalties."""
    lines: Floats
    """The slope of the lines of the rows that are not kept, and their cost at θ, as shares of all rows."""
    kept: Floats
    """The rows [x̃, 1, y] near a kink, with s if samples have weights."""


class KinkedCost:
    """Reads all rows of a problem whose loss has kinks."""

    def __init__(self, problem: Problem, n_threads: int | None):
        self._problem, self._n_threads = problem, n_threads
        self._loss, self._has_weights = cast(Kinked, problem.objective.loss), problem.rows.has_weights
        self._cost: Cost | None = None
        if problem.backend == "numba":
            self._cost = Cost(problem.rows, self._loss, problem.scaling, n_threads)

    @OVERFLOW_IS_SEEN
    def read(self, theta: Floats, width: float) -> Read:
        """One pass, which keeps the rows within `width` of a kink."""
        if self._cost is None:
            level, slope, kept = self._read_lists(theta, width)
        else:
            level, slope, kept = self._read(self._cost, theta, width)
        read = Read(level + self._problem.penalty.value(theta), np.append(slope, level), kept)
        model = self.model(theta, read)
        return read if model is None else read._replace(cost=model.bounded(theta)[0])

    def is_whole(self, kept: Floats) -> bool:
        """Whether these are all rows."""
        return len(kept) == self._problem.rows.n

    def model(self, theta: Floats, read: Read) -> ModelCost | None:
        """The model of a read at θ; None if no row is kept."""
        size, kept, weights = self._problem.scaling.size, read.kept, NOTHING
        if self._has_weights and len(kept):
            weights = kept[:, size + 1].copy()
        if not len(kept) or (self._has_weights and not weights.any()):
            return None
        rows = ArrayRows(kept[:, :size].copy(), kept[:, size].copy(), weights)
        total = None if self.is_whole(kept) else self._problem.total
        model = ModelCost(self._problem, rows, self._n_threads, total)
        model.add_lines(theta, float(read.lines[-1]), read.lines[:-1])
        return model

    def _read(self, cost: Cost, theta: Floats, width: float) -> tuple[float, Floats, Floats]:
        from fastgd.kernels import pointwise

        rows, to, loss, d = cost.rows, cost.scaling, self._loss, cost.rows.d
        of_run, (w, intercept) = cost.task(theta), to.model(theta)
        columns = to.size + 1 + self._has_weights

        def task(start: int, X: Array, y: Array, weights: Floats) -> Summary:
            scores, targets = np.empty(len(y)), y.astype(np.float64, copy=False)
            pointwise.scores(X, w, float(intercept), scores)
            is_near = np.abs(scores - loss.kink(scores, targets)) <= width
            near = np.flatnonzero(is_near)
            table = np.ones((len(near), columns))
            table[:, :d] = (X[near] - to.shift) * to.scale
            table[:, to.size] = targets[near]
            if len(weights):
                table[:, to.size + 1] = weights[near]
            others = np.where(is_near, 0.0, weights if len(weights) else 1.0)
            return np.concatenate([of_run(start, X, y, others), table.ravel()])

        found = reduce.reduce(rows, task, self._n_threads, d + 2, add=functools.partial(joined, d + 2))
        return *cost.mean(found[: d + 2].copy()), found[d + 2 :].reshape(-1, columns)

    def _read_lists(self, theta: Floats, width: float) -> tuple[float, Floats, Floats]:
        rows = in_theta(self._problem, self._problem.rows)
        weights = rows.weights if self._has_weights else np.ones(rows.n)
        near = ModelCost(self._problem, rows, None).distances(theta) <= width
        table = np.column_stack([rows.X, rows.y, rows.weights] if self._has_weights else [rows.X, rows.y])
        level, slope = 0.0, np.zeros(rows.d)
        if not near.all():
            others = ArrayRows(rows.X[~near], rows.y[~near], weights[~near])
            share = others.total_weight / self._problem.total
            if share:
                level, slope = ModelCost(self._problem, others, None).mean(theta)
                level, slope = share * level, share * slope
        return level, slope, table[near]


def in_theta(problem: Problem, rows: Dataset) -> ArrayRows:
    """A copy of rows as [x̃, 1]."""
    to = problem.scaling
    scaled = TransformedRows(rows, to.shift, to.scale, has_ones=to.has_intercept, is_weighted=False)
    X, y, weights = scaled.lists() if problem.backend == "python" else scaled.whole()
    arrays = np.array(X, dtype=np.float64), np.array(y, dtype=np.float64), np.array(weights, np.float64)
    return ArrayRows(arrays[0].reshape(len(arrays[1]), to.size), *arrays[1:])


def first_state(problem: Problem, state: StepperState, n_threads: int | None, tol: float) -> StepperState:
    """The state of a run that begins at the optimum of the sample, or at the caller's start if that is better
    there."""
    rows, size = read_sample(problem.rows, n_threads), problem.scaling.size
    cost = ModelCost(problem, in_theta(problem, rows), n_threads)
    problem.n_passes += 1
    first, theta, bound = cost.bounded(state.point)[0], state.point, 0.0  # the loss has no width yet
    zeros = np.zeros(size)
    starts = [theta, zeros] if theta.any() else [zeros]
    if problem.objective.loss.predicts_y:
        starts += [cost.least_squares(at) for at in starts]
    theta = min(starts, key=lambda at: _finite(cost.bounded(at)[0]))
    lowest = cost.bounded(theta)[0]
    width, widest = (float(np.mean(cost.distances(at))) for at in (theta, zeros))
    width = max(width, LEAST_WIDTH * widest)
    if not 0.0 < width < math.inf:
        width = 1.0
    elif lowest > 0.25 * max(tol, 0.0) ** 2 * first:
        is_all = spacing(problem.rows.n, problem.rows.d) == 1
        enough = max(ENOUGH * lowest, 0.25 * max(tol, 0.0) ** 2 * first)
        if not is_all:
            enough = max(enough, SAMPLED * size / rows.n * lowest)
        found = minimum(cost, theta, width, enough)
        if found is not None and cost.bounded(found.theta)[0] <= lowest:
            theta, bound = found.theta, found.bound if is_all else 0.0
        distances = np.sort(cost.distances(theta))
        place = min(1.0, DEVIATIONS * math.sqrt(size / rows.n)) * (rows.n - 1)
        width = max(float(distances[math.ceil(place)]), LEAST_WIDTH * width)
    momentum = state.momentum.copy()
    momentum[FIRST_NORM] = math.sqrt(2.0 * first) if first >= 0.0 else math.inf
    return state._replace(point=theta, before=theta, momentum=momentum, width=width, bound=max(0.0, bound))


def _finite(cost: float) -> float:
    return cost if math.isfinite(cost) else math.inf

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
from fastgd.solver.sample import read_sample, spacing
from fastgd.solver.steppers.base import FIRST_NORM, StepperState

DEVIATIONS = 3.0
"""Rows are kept that may be on the other side of a kink at the optimum of all rows than at that of the
sample: with n rows and d parameters in the sample, about this many times √(d/n) of them."""
SAMPLED = 1e-3
"""The sample is at its optimum if its gap is a smaller share of d/n times its cost."""


class Read(NamedTuple):
    """What a read of all rows at θ has found. The cost has penalties, the gradient has none."""

    cost: float
    gradient: Floats
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
        read = self._read_lists(theta, width) if self._cost is None else self._read(self._cost, theta, width)
        return read._replace(cost=read.cost + self._problem.penalty.value(theta))

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
        model = ModelCost(self._problem, rows, self._n_threads, self._problem.total)
        model.add_lines(theta, read.cost - self._problem.penalty.value(theta), read.gradient)
        return model

    def _read(self, cost: Cost, theta: Floats, width: float) -> Read:
        from fastgd.kernels import pointwise

        rows, to, loss, d = cost.rows, cost.scaling, self._loss, cost.rows.d
        of_run, (w, intercept) = cost.task(theta), to.model(theta)
        columns = to.size + 1 + self._has_weights

        def task(start: int, X: Array, y: Array, weights: Floats) -> Summary:
            scores, y = np.empty(len(y)), y.astype(np.float64, copy=False)
            pointwise.scores(X, w, float(intercept), scores)
            near = np.flatnonzero(np.abs(scores - loss.kink(scores, y)) <= width)
            table = np.ones((len(near), columns))
            table[:, :d] = (X[near] - to.shift) * to.scale
            table[:, to.size] = y[near]
            if len(weights):
                table[:, to.size + 1] = weights[near]
            return np.concatenate([of_run(start, X, y, weights), table.ravel()])

        found = reduce.reduce(rows, task, self._n_threads, d + 2, add=functools.partial(_joined, d + 2))
        return Read(*cost.mean(found[: d + 2].copy()), found[d + 2 :].reshape(-1, columns))

    def _read_lists(self, theta: Floats, width: float) -> Read:
        rows = in_theta(self._problem, self._problem.rows)
        whole = ModelCost(self._problem, rows, None)
        table = np.column_stack([rows.X, rows.y, rows.weights] if self._has_weights else [rows.X, rows.y])
        return Read(*whole.mean(theta), table[whole.distances(theta) <= width])


def in_theta(problem: Problem, rows: Dataset) -> ArrayRows:
    """A copy of rows as [x̃, 1]."""
    to = problem.scaling
    scaled = TransformedRows(rows, to.shift, to.scale, has_ones=to.has_intercept, is_weighted=False)
    X, y, weights = scaled.lists() if problem.backend == "python" else scaled.whole()
    arrays = np.array(X, dtype=np.float64), np.array(y, dtype=np.float64), np.array(weights, np.float64)
    return ArrayRows(arrays[0].reshape(len(arrays[1]), to.size), *arrays[1:])


def _joined(size: int, left: Summary, right: Summary, out: Summary) -> Summary:  # noqa: ARG001 - of a ufunc
    """The sum of the first `size` numbers, and the rows of both."""
    return np.concatenate([left[:size] + right[:size], left[size:], right[size:]])


def first_state(problem: Problem, state: StepperState, n_threads: int | None) -> StepperState:
    """The state of a run that begins at the optimum of the sample, or at the caller's start if that is better
    there."""
    rows, size = read_sample(problem.rows, n_threads), problem.scaling.size
    cost = ModelCost(problem, in_theta(problem, rows), n_threads)
    problem.n_passes += 1
    first, theta = cost(state.point).cost, state.point  # the loss has no width yet
    if problem.objective.loss.predicts_y and cost(fitted := cost.least_squares(theta)).cost < first:
        theta = fitted
    width, bound = float(np.mean(cost.distances(theta))), 0.0
    if not 0.0 < width < math.inf:  # an exact fit, or an overflow, which the run will find
        width = 1.0
    else:
        is_all = spacing(problem.rows.n, problem.rows.d) == 1
        enough = ENOUGH if is_all else SAMPLED * size / rows.n
        found = minimum(cost, theta, width, enough * cost.bounded(theta)[0])
        if found is not None and cost.bounded(found.theta)[0] <= first:
            theta, bound = found.theta, found.bound if is_all else 0.0
        distances = np.sort(cost.distances(theta))
        place = min(1.0, DEVIATIONS * math.sqrt(size / rows.n)) * (rows.n - 1)
        width = float(distances[math.ceil(place)]) or width
    momentum = state.momentum.copy()
    momentum[FIRST_NORM] = math.sqrt(2.0 * first) if first >= 0.0 else math.inf
    return state._replace(point=theta, before=theta, momentum=momentum, width=width, bound=bound)

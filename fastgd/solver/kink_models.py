"""Lower models of a cost with kinks, and their minimum.

A model has few rows, so it is minimised in cache: by Newton's steps on losses whose kinks are rounded off
over a width that falls (after Madsen and Nielsen, SIAM J. Optim. 3, 1993). A slope a of a rounded loss is the
slope of a line through the kink, which is nowhere above the loss. So the gap

    Σ s (loss(score) − a·(score − kink))/Σ s,

with what a step would still gain, bounds how far the cost of the model is above its minimum. The gain is that
of the curvature: ½ gᵀM g, with M the inverse of the Hessian. So the bound holds to second order, and may be
above the minimum. Measured: by 1e-7 of it where many rows lie exactly at kinks, and by 1e-5, once 1e-3, where
rows are fewer than columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np

from fastgd import reference
from fastgd.data.arrays import ArrayRows
from fastgd.data.curved import CHORD
from fastgd.engine.blocks import NOTHING, Floats
from fastgd.loss_base import Kinked, Loss
from fastgd.solver import scaling
from fastgd.solver.cost import OVERFLOW_IS_SEEN
from fastgd.solver.linalg import EPS
from fastgd.solver.metric import ROUNDING, Point, SmoothCost, norm_of, step_of
from fastgd.solver.problem import Problem

NARROWER = 0.25
"""The next width, as a share of the last."""
GAINED = 0.1
"""The width falls once a step would gain less than this share of the gap."""
STEPS = 400
"""The most steps on a model."""
PATIENCE = 60
"""The search ends if in this many steps what the cost may be above its minimum has not been halved."""
LEAST_EIGENVALUE = 8 * EPS
"""Smaller eigenvalues of a Hessian, as a share of the largest, are rounding, and count as this."""
LEVEL = 0.1
"""A step ends where the cost along it is less steep than this share of its steepness at the start."""
RATES = 40
"""The most rates that are tried for a step."""
SLOW = 0.1
"""The metric is made anew if a step leaves more than this share of what it promised to gain."""
NARROWEST = 2.0**-50
"""The least width, as a share of the first. Closer to a kink, distances are rounding."""
CURVES = 2.0**11
"""Second derivatives are difference quotients over a quarter of the width: see `CurvedRows`."""
ENOUGH = 2.0**-42
"""A model is at its minimum if its gap is a smaller share of the cost."""
NEAR = 16.0
"""Rows within this many widths of a kink are a part of a model that may contain its minimum."""
FEW = 0.5
"""A part of a model with a larger share of its rows saves too little."""
LEAST = 4
"""A part has at least this many rows for each parameter."""
WIDER = 2.0
"""The next width of the kept rows, as a multiple of the last, if the cost did not fall."""


class ModelCost(SmoothCost):
    """The cost of kept rows [x̃, 1] in θ, with a width, plus the lines of the others."""

    def __init__(self, problem: Problem, rows: ArrayRows, n_threads: int | None, total: float | None = None):
        """`total` is the weight of all rows, if these are not all."""
        loss, to = problem.objective.loss, scaling.plain(rows.d, False)
        super().__init__(rows, loss, to, problem.penalty, 1.0, problem.backend, n_threads)
        self._problem, self._exact, self._kept = problem, cast(Kinked, loss), rows
        self.is_whole = total is None
        """Whether there are no other rows."""
        self.share = 1.0 if total is None else rows.total_weight / total
        self._level, self._slope, self._at = 0.0, np.zeros(rows.d), np.zeros(rows.d)
        self._width = 0.0

    def set_width(self, width: float) -> None:
        """Round the kinks of the loss and of l1 |θ| off."""
        self.mean.loss, self.spread, self._width = self._exact.with_width(width), CURVES * width, width

    def add_lines(self, theta: Floats, level: float, slope: Floats) -> None:
        """Add the lines of other rows, by their share of the cost at θ and of its gradient."""
        self._level, self._slope, self._at = level, slope, theta

    @OVERFLOW_IS_SEEN
    def __call__(self, theta: Floats) -> Point:
        mean, gradient = self.mean(theta)
        gradient = self.share * gradient + self._pull(theta) + self._slope
        size = np.abs(theta)
        less = np.where(size < self._width, size * (1.0 - 0.5 * self._part(size)), 0.5 * self._width)
        cost = self.share * mean + self._others(theta) - float(np.sum(self._penalty.l1 * less))
        return Point(theta, cost, gradient)

    def _part(self, theta: Floats) -> Floats:
        """The slope of |θ| at this width: θ/width within the width, and the sign of θ beyond."""
        return np.clip(theta / self._width, -1.0, 1.0) if self._width else np.sign(theta)

    def _pull(self, theta: Floats) -> Floats:
        """The gradient of the penalty at this width."""
        return self._penalty.l1 * self._part(theta) + self._penalty.l2 * theta

    def bend(self, theta: Floats) -> Floats:
        beyond = CHORD / np.maximum(np.abs(theta), self._width)
        return self._penalty.l2 + self._penalty.l1 * np.where(
            np.abs(theta) < self._width, 1.0 / self._width, beyond
        )

    def inverse(self, table: Floats) -> tuple[Floats, int]:
        """The inverse, of full rank: no part of a gradient may be left out of what a step would gain.

        Rows at kinks make eigenvalues of about 1/width, beside which the others are small, but not 0.
        """
        sizes, directions = np.linalg.eigh(table)
        least = LEAST_EIGENVALUE * float(sizes[-1]) if len(sizes) else 0.0
        sizes = np.maximum(sizes, least) if least > 0.0 else np.full(len(sizes), math.inf)
        return (directions / sizes) @ directions.T, len(sizes)

    def without_traces(self, theta: Floats, most: float) -> Floats:
        """θ with 0 for the weights that l1 holds at 0, which a width leaves near it, if its cost is at most
        `most`."""
        is_trace = (self._penalty.l1 > 0.0) & (np.abs(theta) < self._width / NARROWER)
        whole = np.where(is_trace, 0.0, theta)
        return whole if is_trace.any() and self.bounded(whole)[0] <= most else theta

    @OVERFLOW_IS_SEEN
    def bounded(self, theta: Floats) -> tuple[float, float]:
        """The exact cost of the model, and the gap at this width."""
        scores, y, weights = self._scores(theta)
        values, total = self._values(scores, y), float(np.sum(weights))
        lines = self._slopes(self.mean.loss, scores, y) * (scores - self._exact.kink(scores, y))
        gap = self.share * float(np.sum(weights * (values - lines))) / total
        gap += float(np.sum(self._penalty.l1 * (np.abs(theta) - self._part(theta) * theta)))
        return self.share * float(np.sum(weights * values)) / total + self._others(theta), gap

    def rate_along(self, point: Point, step: Floats) -> float:
        """The rate at which the cost along a step is about least, without a pass for each rate tried."""
        scores, y, weights = self._scores(point.theta)
        along = self._scores(step)[0]
        factors = self.share / float(np.sum(weights)) * weights * along

        def steepness(rate: float) -> float:
            slopes = self._slopes(self.mean.loss, scores + rate * along, y)
            pull = self._pull(point.theta + rate * step) + self._slope
            return float(np.sum(factors * slopes)) + float(np.sum(pull * step))

        first = float(np.sum(point.gradient * step))
        return least_along(steepness, first)

    def rounding(self, theta: Floats) -> float:
        """The rounding of the cost that comes from the scores and targets."""
        scores, y, weights = self._scores(theta)
        sizes = np.maximum(np.abs(scores), np.abs(y))
        return 4 * EPS * self.share * float(np.sum(weights * sizes)) / float(np.sum(weights))

    def distances(self, theta: Floats) -> Floats:
        """|score − kink| of each row."""
        scores, y, _ = self._scores(theta)
        return np.abs(scores - self._exact.kink(scores, y))

    def part(self, theta: Floats, width: float) -> ModelCost | None:
        """The model of this model that keeps the rows within `width` of a kink; None if that saves little."""
        scores, y, weights = self._scores(theta)
        near = np.abs(scores - self._exact.kink(scores, y)) <= width
        count, total = np.count_nonzero(near), self._kept.total_weight
        if not LEAST * self._kept.d <= count <= FEW * self._kept.n or not weights[near].any():
            return None
        kept = self._kept.weights[near] if self._kept.has_weights else NOTHING
        rows = ArrayRows(self._kept.X[near], self._kept.y[near], kept)
        result = ModelCost(self._problem, rows, self._n_threads, total / self.share)
        factors = (self.share / total) * np.where(near, 0.0, weights)
        slope = np.einsum("i,ij->j", factors * self._slopes(self._exact, scores, y), self._kept.X)
        level = float(np.sum(factors * self._values(scores, y))) + self._lines(theta)
        result.add_lines(theta, level, slope + self._slope)
        return result

    def _lines(self, theta: Floats) -> float:
        return self._level + float(np.sum(self._slope * (theta - self._at)))

    def _others(self, theta: Floats) -> float:
        """The penalty and the lines."""
        return self._penalty.value(theta) + self._lines(theta)

    def _scores(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Scores, targets and weights."""
        if self._backend == "python":
            w = theta.tolist()
            scores = np.array([reference.score(x, w) for x in self._kept.lists()[0]])
        else:
            from fastgd.kernels import pointwise

            scores = np.empty(self._kept.n)
            pointwise.scores(self._kept.X, theta, 0.0, scores)
        weights = self._kept.weights
        return scores, self._kept.y, weights if len(weights) else np.ones(len(scores))

    def _values(self, scores: Floats, y: Floats) -> Floats:
        """The exact losses."""
        if self._backend == "python":
            return np.array(
                [self._exact.value(*pair) for pair in zip(scores.tolist(), y.tolist(), strict=True)]
            )
        from fastgd.kernels import pointwise

        values = np.empty(len(y))
        pointwise.values(self._exact, scores, y, values)
        return values

    def _slopes(self, loss: Loss, scores: Floats, y: Floats) -> Floats:
        if self._backend == "python":
            return np.array([loss.slope(*pair) for pair in zip(scores.tolist(), y.tolist(), strict=True)])
        from fastgd.kernels import pointwise

        slopes = np.empty(len(y))
        pointwise.slopes(loss, scores, y, slopes)
        return slopes


def least_along(steepness: Callable[[float], float], first: float) -> float:
    """A rate at which a convex function is about least, from its steepness at each rate, `first` at 0.

    The steepness grows with the rate. The rate is doubled until it is positive; then each rate divides the
    interval by the secant, or into halves if the secant did not halve it.
    """
    low, high, below, above = 0.0, 1.0, first, steepness(1.0)
    rate, last = high, above
    for _ in range(RATES):
        if abs(last) <= LEVEL * abs(first) or not math.isfinite(last):
            break
        if above < 0.0:
            low, below, rate = high, above, 2.0 * high
            high, above = rate, steepness(rate)
            last = above
            continue
        size = high - low
        rate = low - below * size / (above - below)
        last = steepness(rate)
        low, below, high, above = (rate, last, high, above) if last < 0.0 else (low, below, rate, last)
        if abs(last) > LEVEL * abs(first) and high - low > 0.5 * size:
            rate = 0.5 * (low + high)
            last = steepness(rate)
            low, below, high, above = (rate, last, high, above) if last < 0.0 else (low, below, rate, last)
    return rate


class Minimum(NamedTuple):
    theta: Floats
    bound: float
    """A lower bound of the least cost of the model."""


def minimum(cost: ModelCost, theta: Floats, width: float, enough: float) -> Minimum | None:
    """The minimum of a model, sought from θ with this first width.

    It ends once the cost is at most `enough` above the bound. None if the model is no lower bound to use:
    losses are at least 0, and it falls below.
    """
    highest, narrowest, nearness = 0.0, NARROWEST * width, NEAR
    cost.set_width(width)
    point, made = cost(theta), cost.metric(theta)
    enough, least, n_left = max(enough, cost.rounding(theta)), math.inf, PATIENCE
    for _ in range(STEPS):
        if made is None or not math.isfinite(point.cost):
            return None
        metric, before = made[0], norm_of(point.gradient, made[0])
        step = step_of(point, metric)
        point = cost(point.theta + cost.rate_along(point, step) * step)
        exact, gap = cost.bounded(point.theta)
        gain = 0.5 * norm_of(point.gradient, metric) ** 2
        highest = max(highest, exact)
        if not cost.is_whole and exact < -ROUNDING * highest:
            return None
        if gap + gain <= enough or width <= narrowest or gain <= GAINED * gap:
            made = cost.metric(point.theta)  # the curvature here says what a step from here would gain
            gain = math.inf if made is None else 0.5 * norm_of(point.gradient, made[0]) ** 2
        n_left = PATIENCE if gap + gain < 0.5 * least else n_left - 1
        least = min(least, gap + gain)
        if gap + gain <= enough or width <= narrowest or n_left == 0:
            break
        if gain <= GAINED * gap:
            width *= NARROWER
            found = _minimum_of_part(cost, point.theta, nearness, width, enough)
            nearness *= WIDER  # if this part does not contain the minimum
            if found is not None and (there := cost.bounded(found.theta)[0]) < exact:
                if there - found.bound <= enough:
                    return found
                point = point._replace(theta=found.theta)
            cost.set_width(width)
            point, made = cost(point.theta), cost.metric(point.theta)
        elif gain > SLOW * 0.5 * before * before:
            made = cost.metric(point.theta)
    return Minimum(cost.without_traces(point.theta, exact + gap + gain), exact - gap - gain)


def _minimum_of_part(
    cost: ModelCost, theta: Floats, nearness: float, width: float, enough: float
) -> Minimum | None:
    """The minimum of the part that keeps the rows within `nearness` widths of a kink, if that saves much."""
    part = cost.part(theta, nearness * width)
    return None if part is None else minimum(part, theta, width, 0.5 * enough)

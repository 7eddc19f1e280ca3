"""Whether a fit of a loss with kinks is near its optimum: whether its slopes balance.

At the optimum of a smooth cost the mean of slope·x is 0 for each column. At a kink a slope may be anything
between those on its sides, and few rows lie at kinks. So at the optimum the means are small: for a quantile
and an intercept, the share of rows below the line is the quantile.
"""

from __future__ import annotations

import numpy as np

from fastgd.data.backend import Backend
from fastgd.engine.blocks import Floats
from fastgd.losses import Loss
from fastgd.penalties import Penalty
from fastgd.solver.cost import OVERFLOW_IS_SEEN
from fastgd.solver.metric import SmoothCost
from fastgd.solver.problem import Problem
from fastgd.solver.sample import read_sample
from fastgd.solver.scaling import Scaling

LEVEL = 0.01
"""Slopes balance if each mean of slope·x̃ is smaller than this share of the difference of the slopes at the
sides of a kink: with an intercept, one row in a hundred may be on the wrong side."""


@OVERFLOW_IS_SEEN
def is_balanced(problem: Problem, w: Floats, intercept: float, n_threads: int | None) -> bool:
    """Whether the slopes at w and intercept balance, by a pass over a sample and one over all rows.

    The sample says the units of the columns and of the slopes. Each parameter may hold a row at a kink.
    """
    rows, objective, sample = problem.rows, problem.objective, read_sample(problem.rows, n_threads)
    X, y, weights = sample.whole()
    counted = weights > 0.0 if len(weights) else np.ones(len(y), np.bool_)
    if not counted.any():
        return True
    X, targets = np.asarray(X[counted], np.float64), y[counted].astype(np.float64)
    slopes = _slopes(objective.loss, np.einsum("ij,j->i", X, w) + intercept, targets, problem.backend)
    mean = X.mean(axis=0) if objective.fit_intercept else np.zeros(rows.d)
    units = np.sqrt(np.einsum("ij,ij->j", X - mean, X - mean) / len(X))
    scale = np.divide(1.0, units, out=np.zeros(rows.d), where=units > 0.0)
    to, none = Scaling(mean, scale, objective.fit_intercept), np.zeros(rows.d + objective.fit_intercept)
    cost = SmoothCost(rows, objective.loss, to, Penalty(none, none), 1.0, problem.backend, n_threads)
    forces = cost(to.theta(w, intercept)).gradient
    problem.n_passes += 2
    forces[: rows.d] += scale * (objective.l2 * w + objective.l1 * np.sign(w))
    held = np.zeros(len(forces))  # l1 balances any smaller force on a weight of 0
    held[: rows.d] = scale * np.where(w == 0.0, objective.l1, 0.0)
    limit = (LEVEL + len(forces) / rows.n) * float(np.ptp(slopes))
    return bool((np.abs(forces) - held <= limit).all())


def _slopes(loss: Loss, scores: Floats, y: Floats, backend: Backend) -> Floats:
    if backend == "python":
        return np.array([loss.slope(*pair) for pair in zip(scores.tolist(), y.tolist(), strict=True)])
    from fastgd.kernels import pointwise

    slopes = np.empty(len(y))
    pointwise.slopes(loss, scores, y, slopes)
    return slopes

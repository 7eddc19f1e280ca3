"""The learning rates of a run: numbers, or automatic rates computed from the data."""

from __future__ import annotations

import math

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.losses import name_of
from fastgd.schedules import LearningRate, OfSteps, TimesAuto, as_rates
from fastgd.solver.curvature import ratio
from fastgd.solver.objective import UpdateRule
from fastgd.solver.options import Plan
from fastgd.solver.problem import Problem


def rates_of(plan: Plan, problem: Problem, learning_rate: LearningRate, epoch: int, name: str) -> Floats:
    """The rates of a run whose first epoch has this number."""
    if type(learning_rate) is float and not plan.options.is_adaptive:  # the lesson's call: no overhead
        return as_rates(learning_rate, plan.options.n_epochs, name=name)
    moments, batch = problem.given_moments, plan.rule.batch_size

    def auto() -> float:
        if plan.solver == "sgd" and plan.objective.is_smooth and not plan.objective.is_bounded:
            option, loss = plan.options.words.option, name_of(plan.objective.loss)
            raise ValueError(
                f"{option('learning_rate', 'auto')} of SGD needs a bound of the curvature of the loss, and "
                f"{loss} has none: pass a number, {option('learning_rate', 0.01)} say"
            )
        has_own = plan.objective.has_metric_of_sample or plan.objective.has_models
        return 1.0 if has_own else problem.auto_rate(plan.solver)

    def steady() -> float:
        automatic = auto()
        if plan.solver != "sgd":
            return automatic
        if moments is None:
            return min(automatic, steady_rate(problem, plan.rule, -(-problem.rows.n // batch)))
        if moments.longest > problem.largest_square:
            automatic *= problem.largest_square / moments.longest
        return min(automatic, steady_rate(problem, plan.rule, -(-moments.n // batch)))

    def of_steps(epoch: int) -> float:
        assert isinstance(learning_rate, OfSteps)
        n_steps = -(-problem.rows.n // batch)
        before = epoch * n_steps if moments is None else (moments.n - problem.rows.n) // batch
        return learning_rate.rate(before, n_steps)

    rate: LearningRate = of_steps if isinstance(learning_rate, OfSteps) else learning_rate
    is_steady = isinstance(rate, TimesAuto) and rate.is_steady
    rates = as_rates(rate, plan.options.n_epochs, epoch, steady if is_steady else auto, name)
    return np.array(rates) if plan.options.is_adaptive else rates


def steady_rate(problem: Problem, rule: UpdateRule, n_steps: int) -> float:
    """A rate of SGD that keeps its noise small over epochs of n_steps steps.

    1/(L √(2 n_steps)), where L is the usual curvature of the loss times the mean square. The noise of the
    steps grows with the rate, and the remaining error of the start falls with it. They balance near
    1/√n_steps.
    """
    objective = problem.objective
    usual = objective.loss.usual_curvature
    curvature = objective.curvature if usual is None else usual
    if not objective.is_bounded:
        curvature = ratio(1.0, problem.reach)
    return ratio(1.0 - rule.momentum, curvature * mean_square(problem) * math.sqrt(2.0 * n_steps))


def mean_square(problem: Problem) -> float:
    """The mean of s‖x̃‖² over the scaled rows, including 1 for the intercept."""
    total, n, to, moments = problem.total, problem.rows.n, problem.scaling, problem.given_moments
    if moments is not None:
        total, n = moments.total, moments.n
    if problem.objective.is_standardized:
        squares = float(np.sum(np.where(to.scale != 0.0, 1.0 - problem.ridge * to.scale**2, 0.0)))
    else:
        squares = float(np.sum(problem.column_sums.squares if moments is None else moments.squares)) / total
    return (squares + to.has_intercept) * total / n

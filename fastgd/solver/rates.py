"""The learning rates of a run: numbers as they are given, or what the data and the rows seen make of them."""

from __future__ import annotations

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.losses import name_of
from fastgd.schedules import LearningRate, OfSteps, TimesAuto, as_rates
from fastgd.solver.options import Plan
from fastgd.solver.problem import Problem
from fastgd.solver.survey import Survey


def rates_of(
    plan: Plan,
    problem: Problem,
    limits: Survey | Problem,
    learning_rate: LearningRate,
    epoch: int,
    name: str,
) -> Floats:
    """The rates of a run whose first epoch has this number."""
    seen, batch = problem.seen, plan.rule.batch_size

    def auto() -> float:
        if plan.solver == "sgd" and plan.goal.is_smooth and not plan.goal.is_bounded:
            option, loss = plan.how.words.option, name_of(plan.goal.loss)
            raise ValueError(
                f"{option('learning_rate', 'auto')} of SGD needs a bound of the curvature of the loss, and "
                f"{loss} has none: pass a number, {option('learning_rate', 0.01)} say"
            )
        return limits.auto_rate(plan.solver)

    def steady() -> float:
        if plan.solver != "sgd":
            return auto()
        if seen is None:
            return min(auto(), problem.steady_rate(-(-problem.rows.n // batch)))
        own = auto()
        if seen.longest > limits.largest_square:
            own *= limits.largest_square / seen.longest
        return min(own, problem.steady_rate(-(-seen.n // batch)))

    def of_steps(epoch: int) -> float:
        assert isinstance(learning_rate, OfSteps)
        n_steps = -(-problem.rows.n // batch)
        before = epoch * n_steps if seen is None else (seen.n - problem.rows.n) // batch
        return learning_rate.rate(before, n_steps)

    rate: LearningRate = of_steps if isinstance(learning_rate, OfSteps) else learning_rate
    is_steady = isinstance(rate, TimesAuto) and rate.is_steady
    rates = as_rates(rate, plan.how.n_epochs, epoch, steady if is_steady else auto, name)
    return np.array(rates) if plan.how.is_adaptive else rates

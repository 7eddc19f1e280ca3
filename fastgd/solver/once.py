"""What one read of the rows can do, for streams that can be read once."""

from __future__ import annotations

from collections.abc import Sequence

from fastgd.data.dataset import Dataset
from fastgd.losses import name_of
from fastgd.schedules import LearningRate, OfSteps, is_automatic
from fastgd.solver import planner
from fastgd.solver.options import Options, Plan


def check(plan: Plan, rows: Dataset, learning_rates: Sequence[LearningRate] = ()) -> None:
    """Refuse options that need several reads, and choose the method that needs one.

    Full-batch descent of squared errors runs on statistics. SGD takes the steps of an epoch as it reads.
    """
    if not rows.is_once:
        return
    check_log(plan.options, rows)
    options, objective, rule = plan.options, plan.objective, plan.rule
    needs = [
        ("validation_fraction", options.validation_fraction is not None),
        ('backend="python"', plan.backend == "python"),
    ]
    if plan.solver == "sgd":
        rates = list(learning_rates) or [options.learning_rate]
        needs += [
            (f"sgd of {options.n_epochs} epochs", options.n_epochs > 1),
            ("the automatic learning rate of sgd", any(map(is_automatic, rates))),
            ("a learning rate that depends on the number of steps", isinstance(rates[0], OfSteps)),
            ("sgd with tol", options.tol is not None),
            ("track_cost", options.track_cost),
            ('method="summary" of sgd', options.method == "summary"),
            ("another order of the rows", plan.order.shuffle is not False),
            ("batch_size of sgd", rule.batch_size != 1),
            ("the average of a share of the steps", type(rule.average) is float),
            ("standardize of sgd", objective.is_standardized),
            ("a sweep of sgd", len(learning_rates) > 0),
        ]
    else:
        needs += [
            (f"loss={name_of(objective.loss)!r}", not objective.is_squared),
            ('method="stream"', options.method == "stream"),
            (f"gradient descent of more than {planner.MOST_COLUMNS} columns", rows.d > planner.MOST_COLUMNS),
        ]
    for what, is_asked in needs:
        if is_asked:
            rows.refuse_reads(what)
    options.method = "stream" if plan.solver == "sgd" else "summary"


def check_log(options: Options, rows: Dataset) -> None:
    """Refuse a checkpoint, from which a later process would read the rows again."""
    if options.checkpoint is not None or options.resume is not None:
        rows.refuse_reads("a checkpoint")

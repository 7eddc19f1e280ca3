"""fastgd fits linear models by gradient descent at the speed of memory.

Fit:

    gradient_descent    full-batch gradient descent
    sgd                 stochastic gradient descent
    sweep               one fit for each of several learning rates, in shared passes
    diagnose            stable learning rates, the optimum, and a forecast of convergence
    explore             a page with sliders that shows the descent, in one HTML file
    load                read a fit or a summary that `save` wrote

Summarise:

    summarize           all that squared errors need of rows, from one read; summaries add up
    cross_validate      penalties compared on held-out folds, from one read
    summarize_groups    a summary for each group of rows; gradient_descent fits them all at once
    inference           least squares with standard errors, tests and intervals

Compute:

    forward             predictions x·w + intercept
    loss                the loss of each sample
    cost                the mean loss, plus penalties
    gradient            the gradient of the cost
    cost_and_gradient   both, in one pass

Look:

    compare             the costs and paths of several fits in one picture
    steps               a fit step by step: a generator
    check_gradient      a student's gradient beside the exact one
    check_epoch         a student's epoch beside the exact one

Data:

    make_linear         random data of a linear model
    chunks              rows that a function yields in chunks
    read_table          rows of Parquet, Arrow, Feather or CSV files

Results, errors and warnings:

    FitResult           weights, histories, `predict`, `plot`, `animate`, `trace`, `save`
    MultiTargetFit      the fits of several targets, `save`
    Summary             sums, differences, columns and targets of summaries, `save`
    CVResult            costs of penalties on held-out folds, the best ones and their fit
    GroupedSummary      a mapping of key to Summary, `save`
    GroupedFit          the fits of all groups: arrays, `to_frame`, `predict`, and a FitResult by key
    Inference           the result of `inference`: arrays, a table, a data frame
    SweepResult         the fits of a sweep, and the best one
    Diagnosis           the result of `diagnose`
    InvalidDataError    the data cannot be used
    DivergenceError     the fit diverged
    ConvergenceWarning  the fit ended before it converged

Modules:

    estimators          GDRegressor, GDClassifier, SGDRegressor, SGDClassifier for scikit-learn
    losses              losses with parameters, such as `losses.Huber(2.0)`
    schedules           learning rates that change from epoch to epoch

Tools:

    warmup              compile the usual kernels
    show_versions       print versions, machine and kernel cache, for bug reports

Each name is imported when it is first used, so `import fastgd` is fast. Numba is imported at the first
computation that would take more than 20 ms in plain Python.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastgd._version import __version__

_HOMES = {
    "forward": "functions",
    "loss": "functions",
    "cost": "functions",
    "gradient": "functions",
    "cost_and_gradient": "functions",
    "gradient_descent": "api",
    "sgd": "api",
    "sweep": "solver.sweep",
    "summarize": "solver.summarize",
    "cross_validate": "solver.cross_validation",
    "summarize_groups": "solver.summarize_groups",
    "diagnose": "solver.diagnose",
    "explore": "page.explore",
    "check_epoch": "exercises",
    "check_gradient": "exercises",
    "steps": "stepping",
    "compare": "plots.compare",
    "make_linear": "data.synthetic",
    "chunks": "data.chunks",
    "inference": "solver.inference",
    "load": "solver.model",
    "show_versions": "versions",
    "warmup": "warm",
    "read_table": "data.tables",
    "FitResult": "solver.results",
    "Inference": "solver.inference_result",
    "MultiTargetFit": "solver.targets",
    "Summary": "solver.summary",
    "GroupedSummary": "solver.groups",
    "GroupedFit": "solver.grouped_fit",
    "SweepResult": "solver.sweep",
    "CVResult": "solver.cross_validation",
    "Diagnosis": "solver.diagnose",
    "InvalidDataError": "checks",
    "ConvergenceWarning": "solver.options",
    "DivergenceError": "solver.divergence",
}
_ROOMS = ("estimators", "losses", "schedules")
"""Public modules: `fastgd.losses.Huber(2.0)`."""

__all__ = [
    "CVResult",
    "ConvergenceWarning",
    "Diagnosis",
    "DivergenceError",
    "FitResult",
    "GroupedFit",
    "GroupedSummary",
    "Inference",
    "InvalidDataError",
    "MultiTargetFit",
    "Summary",
    "SweepResult",
    "__version__",
    "check_epoch",
    "check_gradient",
    "chunks",
    "compare",
    "cost",
    "cost_and_gradient",
    "cross_validate",
    "diagnose",
    "explore",
    "forward",
    "gradient",
    "gradient_descent",
    "inference",
    "load",
    "loss",
    "make_linear",
    "read_table",
    "sgd",
    "show_versions",
    "steps",
    "summarize",
    "summarize_groups",
    "sweep",
    "warmup",
]

if TYPE_CHECKING:
    from fastgd.api import gradient_descent, sgd
    from fastgd.checks import InvalidDataError
    from fastgd.data.chunks import chunks
    from fastgd.data.synthetic import make_linear
    from fastgd.data.tables import read_table
    from fastgd.exercises import check_epoch, check_gradient
    from fastgd.functions import cost, cost_and_gradient, forward, gradient, loss
    from fastgd.page.explore import explore
    from fastgd.plots.compare import compare
    from fastgd.solver.cross_validation import CVResult, cross_validate
    from fastgd.solver.diagnose import Diagnosis, diagnose
    from fastgd.solver.divergence import DivergenceError
    from fastgd.solver.grouped_fit import GroupedFit
    from fastgd.solver.groups import GroupedSummary
    from fastgd.solver.inference import inference
    from fastgd.solver.inference_result import Inference
    from fastgd.solver.model import load
    from fastgd.solver.options import ConvergenceWarning
    from fastgd.solver.results import FitResult
    from fastgd.solver.summarize import summarize
    from fastgd.solver.summarize_groups import summarize_groups
    from fastgd.solver.summary import Summary
    from fastgd.solver.sweep import SweepResult, sweep
    from fastgd.solver.targets import MultiTargetFit
    from fastgd.stepping import steps
    from fastgd.versions import show_versions
    from fastgd.warm import warmup


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"fastgd.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastgd' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fastgd.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""The command `fastgd fit`."""

from __future__ import annotations

import os
import time
import warnings
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.cli import opening, report
from fastgd.cli.data import Data
from fastgd.data.coding import Coding
from fastgd.domains import CLASSES
from fastgd.kernels.compiling import seconds as kernel_seconds
from fastgd.losses import NAMED
from fastgd.solver import scores
from fastgd.solver.divergence import DivergenceError
from fastgd.solver.fit import fit as fit_rows
from fastgd.solver.inputs import as_dataset
from fastgd.solver.objective import as_rule
from fastgd.solver.options import ConvergenceWarning, Options
from fastgd.solver.planner import MOST_COLUMNS
from fastgd.solver.problem import Problem
from fastgd.solver.results import FitResult

FREE_EPOCHS, READ_EPOCHS = 100_000, 1000
"""The default number of epochs, if epochs run on statistics and if each is a pass."""
RULES = "unlike", "is off"
"""Kinds of warnings about fits that a stopping rule ended too early."""
REASONS = "ran out", *RULES
"""Kinds of warnings about fits that have not converged."""


def run(options: Namespace) -> int:
    options.solver = opening.SOLVERS[options.solver]
    if options.nesterov is None:
        options.nesterov = options.solver == "gradient_descent"
    opening.check_places(options)
    if options.cv is not None:
        from fastgd.cli import choice

        choice.check(options)
    if options.positive is not None and NAMED[options.loss].domain is not CLASSES:
        raise ValueError(f"--positive belongs to losses of two classes, and not to {options.loss}")
    data = opening.open_rows(options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = _run(options, data)
        sure, note = _inference(options, run)
    notes = _notes(caught, options) | ({"no errors": note} if note else {})
    if run.failure:
        opening.say(run.failure)
        if not options.json:
            return 1
    run.fit.coding = data.coding
    accuracy = _accuracy(options, data, run)
    facts = _facts_of_fit(options, data, run, notes) | {"inference": sure, "accuracy": accuracy}
    if run.failure:
        print(report.as_json(facts))
        return 1
    if options.save:
        run.fit.save(options.save)
    if options.plot:
        from fastgd.plots import picture

        picture.save(run.fit, options.plot, ("cost",))
    is_failure = facts["not_converged"] is not None and not options.allow_unconverged
    if facts["not_converged"] and (options.json or options.quiet):
        if is_failure:
            opening.say(facts["not_converged"])
        else:
            opening.note(options, facts["not_converged"])
    report.show(options, facts, report.lines_of_fit)
    if options.strict:
        opening.note(options, "--strict is the default now: what has not converged exits with 1")
    return int(is_failure)


@dataclass
class Run:
    """A fit, and what is reported of it."""

    fit: FitResult
    failure: str
    """The message if it diverged."""
    problem: Problem | None
    """What its reads have found; None if it was not begun."""
    chosen: dict[str, Any] | None = None
    """The report of --cv."""
    seconds: float = 0.0
    """Without those of importing, loading and compiling kernels."""
    seconds_compiling: float = 0.0


def _run(options: Namespace, data: Data) -> Run:
    """The fit of the data, with the penalty that --cv chooses."""
    began, (loading, compiling) = time.perf_counter(), kernel_seconds()
    n_passes, chosen, rows = 0, None, data
    try:
        if options.cv is not None:
            from fastgd.cli import choice

            summary, n_passes, chosen = choice.choose(options, data)
            rows = data._replace(X=summary, y=None, weight=None)
        run = _fitted(options, data, rows)
    except InvalidDataError as error:
        raise opening.of_file(error, data, options) from None
    loaded, compiled = kernel_seconds()
    run.fit.n_passes += n_passes
    run.fit.feature_names = run.fit.feature_names or data.names
    run.chosen, run.seconds_compiling = chosen, compiled - compiling
    run.seconds = max(0.0, time.perf_counter() - began - (loaded - loading))
    return run


def _accuracy(options: Namespace, data: Data, run: Run) -> float | None:
    """The accuracy of a loss of two classes, from a read of its own."""
    if run.failure or NAMED[options.loss].domain is not CLASSES or (options.quiet and not options.json):
        return None
    run.fit.n_passes += 1
    return scores.accuracy(run.fit, as_dataset(data.X, data.y, data.weight))


def _inference(options: Namespace, run: Run) -> tuple[dict[str, Any] | None, str]:
    """Standard errors, if the weights are those of least squares; and why there are none where they could be
    expected."""
    is_plain = options.loss == "squared_error" and not (options.l1 or options.l2)
    if run.failure or run.problem is None or not is_plain or options.solver != "gradient_descent":
        return None, ""
    if (not run.fit.converged and options.tol is not None) or (options.quiet and not options.json):
        return None, ""
    from fastgd.cli import certainty

    return certainty.of_fit(run.fit, run.problem, run.fit.feature_names or ("x",))


def _fitted(options: Namespace, data: Data, rows: Data) -> Run:
    """The fit of these rows of the data."""
    problems: list[Problem] = []
    n_epochs = options.epochs or _most_epochs(options, data)
    objective: dict[str, Any] = dict(
        loss=options.loss, l1=options.l1, l2=options.l2, fit_intercept=options.intercept,
        standardize=options.standardize,
    )  # fmt: skip
    settings: dict[str, Any] = dict(
        w0=None, learning_rate=options.learning_rate, n_epochs=n_epochs, tol=options.tol, patience=5,
        validation_fraction=None, callback=None, method="auto", history="costs", on_divergence="raise",
        backend="auto", n_threads=None, words=report.COMMAND, progress=opening.shows_progress(options),
        checkpoint=options.checkpoint, resume=options.resume, problems=problems,
    )  # fmt: skip
    if options.checkpoint_every is not None:
        settings |= dict(checkpoint_every=options.checkpoint_every)
    if options.solver == "sgd":
        shuffle = {None: False, "rows": True}.get(options.shuffle, "blocks")
        settings |= dict(shuffle=shuffle, seed=options.seed)
    else:
        is_free = options.standardize and options.nesterov
        objective |= dict(precondition="auto" if is_free else False)
    rule = as_rule(0.0, bool(options.nesterov), 1, False)
    failure = ""
    try:
        fit = fit_rows(options.solver, rows.X, rows.y, rows.weight, objective, rule, Options(**settings))
    except DivergenceError as error:
        fit, failure = error.result, str(error)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(_interrupted(interrupt, options)) from None
    return Run(fit, failure, problems[0] if problems else None)


def _most_epochs(options: Namespace, data: Data) -> int:
    """The default number of epochs. It is larger if epochs need no pass over the data."""
    is_free = options.solver == "gradient_descent" and options.loss == "squared_error"
    d = data.X.d if hasattr(data.X, "d") else np.size(data.X[:1])
    return FREE_EPOCHS if is_free and d <= MOST_COLUMNS else READ_EPOCHS


def _notes(caught: list[warnings.WarningMessage], options: Namespace) -> dict[str, str]:
    """The convergence warnings of a fit by their kind. Other warnings are printed."""
    notes = {}
    for warning in caught:
        text = str(warning.message)
        if isinstance(warning.message, ConvergenceWarning):
            notes[warning.message.kind] = text
        else:
            opening.note(options, text)
    return notes


def _facts_of_fit(options: Namespace, data: Data, run: Run, notes: dict[str, str]) -> dict[str, Any]:
    """The report of a fit."""
    result, failure = run.fit, run.failure
    why = ""
    if not failure and not result.converged and options.tol is not None:
        kind = next((kind for kind in REASONS if kind in notes), "")
        reason = notes.pop(kind, "the fit has not converged")
        why = f"NOT CONVERGED: {reason} ({_remedy(options, reason, kind)})"
    chosen = {
        "data": options.data, "target": options.target, "weight": options.weight,
        "solver": options.solver, "loss": options.loss, "l1": options.l1, "l2": options.l2,
        "has_intercept": options.intercept, "standardize": options.standardize,
        "model": None if failure else options.save, "picture": None if failure else options.plot,
        "error": failure or None, "not_converged": why or None, "rows_left_out": data.n_left_out,
        "dialect": data.dialect or None, "seconds": run.seconds, "seconds_compiling": run.seconds_compiling,
        "cross_validation": run.chosen,
        "classes": list(data.coding.classes) or None,
        "categories": {name: list(levels) for name, levels in data.coding.categories.items()} or None,
    }  # fmt: skip
    said = [*_notes_of_coding(data.coding), *notes.values()]
    return report.of_fit(result, result.feature_names or ("x",), chosen, said, data.variance())


def _notes_of_coding(coding: Coding) -> Iterator[str]:
    if coding.classes:
        yield 'y is 1 where {0} is "{2}", and 0 where it is "{1}"'.format(coding.target, *coding.classes)
    for name, levels in coding.categories.items():
        if len(levels) == 1:
            yield f'{name} has one level only, "{levels[0]}"'


def _remedy(options: Namespace, reason: str, kind: str) -> str:
    """Options that may help a fit that has not converged, beside those in `reason`.

    More epochs, and options that save epochs, do not help if a stopping rule ended the fit.
    """
    more = []
    if kind not in RULES:
        if options.learning_rate != "auto":
            more.append("--learning-rate auto")
        if not options.standardize:
            more.append("--standardize")
        if options.solver == "gradient_descent" and not options.nesterov:
            more.append("--nesterov")
        more = [*(switch for switch in more if switch not in reason), "a larger --epochs"]
    tried = f"try {' or '.join(more)}; " if more else ""
    return f"{tried}--allow-unconverged takes the model as it is"


def _interrupted(interrupt: KeyboardInterrupt, options: Namespace) -> str:
    """The message after Ctrl-C: what is kept of the run."""
    result = getattr(interrupt, "result", None)
    done = "" if result is None else f" after {result.n_epochs} epoch{'s' * (result.n_epochs != 1)}"
    if options.checkpoint is not None and os.path.exists(options.checkpoint):
        return f"interrupted{done}; the same command with --resume {options.checkpoint} goes on from there"
    return f"interrupted{done}; nothing was kept (--checkpoint FILE keeps a run)"

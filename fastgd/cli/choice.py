"""`fastgd fit --cv`: the penalty that cross-validation chooses."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np

from fastgd.cli import opening
from fastgd.cli.data import Data
from fastgd.solver.cross_validation import CVResult, cross_validate, with_folds
from fastgd.solver.summary import Summary


def check(options: Namespace) -> None:
    """Refuse options that need rows."""
    others = {
        "--loss squared_error": options.loss != "squared_error",
        "--solver gd": options.solver != "gradient_descent",
        "a fit without --checkpoint and --resume": options.checkpoint or options.resume,
    }
    for what, is_missing in others.items():
        if is_missing:
            raise ValueError(f"--cv reads the data once, for penalties of squared errors: it needs {what}")
    if getattr(options, options.cv_penalty):
        raise ValueError(f"--cv chooses {options.cv_penalty}: leave --{options.cv_penalty} out")


def choose(options: Namespace, data: Data) -> tuple[Summary, int, dict[str, Any]]:
    """Set the chosen penalty in the options. Returns the summary of the rows, the passes, and the report."""
    progress = opening.shows_progress(options)
    summary, n_passes = with_folds(data.X, data.y, options.cv, data.weight, None, progress)
    given = {"l1": options.l1, "l2": options.l2, options.cv_penalty: "auto"}
    result = cross_validate(summary, **given, folds=options.cv, fit_intercept=options.intercept)
    chosen = getattr(result.best, options.cv_penalty)
    setattr(options, options.cv_penalty, chosen)
    return summary, n_passes, report(result, options.cv_penalty)


def report(result: CVResult, name: str) -> dict[str, Any]:
    place = np.unravel_index(int(result.mean.argmin()), result.mean.shape)
    return {
        "folds": result.costs.shape[2],
        "penalty": name,
        "chosen": getattr(result.best, name),
        "within_one_standard_error": getattr(result.best_one_se, name),
        "cost": float(result.mean[place]),
        "standard_error": float(result.standard_error[place]),
        "penalties": getattr(result, name).tolist(),
        "costs": result.mean.ravel().tolist(),
        "standard_errors": result.standard_error.ravel().tolist(),
    }


def sentence(found: dict[str, Any]) -> str:
    name = found["penalty"]
    return (
        f"{name} {found['chosen']:.4g} is the best of {len(found['penalties'])} on {found['folds']} held-out "
        f"folds: cost {found['cost']:.6g} ± {found['standard_error']:.2g}; the strongest within one standard "
        f"error is --{name} {found['within_one_standard_error']:.4g}"
    )

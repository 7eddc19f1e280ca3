"""The lesson's two programs, for the commands `fastgd lesson` and `fastgd`."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from fastgd import reference
from fastgd.api import gradient_descent, sgd
from fastgd.solver.divergence import DivergenceError
from fastgd.solver.results import FitResult
from fastgd.trace import DOTS

N_EPOCHS, RATE, W0 = 100, 0.01, 1.0
X_DATA = [1.0, 2.0, 3.0]
Y_DATA = [2.0, 4.0, 6.0]
FIRST = 10
"""Epochs that are shown of a run that diverges."""


def full_batch_lesson(
    n_epochs: int = N_EPOCHS, learning_rate: float = RATE, w0: float = W0, **how: Any
) -> FitResult:
    """The lesson's first program: gradient descent on the mean squared error."""
    return gradient_descent(X_DATA, Y_DATA, w0=w0, learning_rate=learning_rate, n_epochs=n_epochs, **how)


def stochastic_lesson(
    n_epochs: int = N_EPOCHS, learning_rate: float = RATE, w0: float = W0, **how: Any
) -> FitResult:
    """The lesson's second program: stochastic gradient descent."""
    return sgd(
        X_DATA, Y_DATA, w0=w0, learning_rate=learning_rate, n_epochs=n_epochs, history="samples", **how
    )


def run(options: Namespace) -> int:
    """The command `fastgd lesson`."""
    if options.html is not None:
        from fastgd.cli import page

        page.write(options, (X_DATA, Y_DATA))
        return 0
    program = stochastic_lesson if options.sgd else full_batch_lesson
    settings = options.learning_rate, options.w0
    try:
        fit, epoch = program(options.epochs, *settings), options.epochs
    except DivergenceError as error:
        fit, epoch = error.result, error.epoch
    has_diverged = not reference.cost(X_DATA, Y_DATA, fit.w) <= reference.cost(X_DATA, Y_DATA, options.w0)
    has_diverged |= fit.diverged
    if has_diverged:
        fit = program(min(FIRST, max(1, epoch)), *settings, on_divergence="ignore")
    if options.plot is not None:
        from fastgd.plots.picture import save

        save(fit, options.plot)
    if options.animate is not None:
        fit.animate(options.animate)
    trace = fit.trace(digits=options.digits, full=True)
    if not has_diverged:
        print(trace)
        return 0
    print(*trace.split("\n")[:-1], DOTS, sep="\n", flush=True)
    print(f"fastgd: {_explained(options)}", file=sys.stderr)
    return 1


def _explained(options: Namespace) -> str:
    """Why a run diverged, and a rate that converges."""
    squares = [x * x for x in X_DATA]
    limit, what = len(squares) / sum(squares), "1/mean(x²)"
    if options.sgd:
        limit, what = 1.0 / max(squares), "1/max(x²)"
    return (
        f"the loop diverges at learning rate {options.learning_rate:g}: its steps overshoot the minimum by "
        f"more than they began away from it. Below {what} = {limit:.6g} they do not: pass --learning-rate "
        f"{0.5 * limit:.2g}"
    )

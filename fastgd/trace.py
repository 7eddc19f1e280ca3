"""The text that the lesson's programs print, made from the histories of a fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from fastgd import checks, reference
from fastgd.data.arrays import as_array
from fastgd.engine.blocks import Floats, block_rows

LONG = 1000
"""By default, exact traces of more epochs than this are abbreviated."""
HEAD, TAIL, DOTS = 11, 10, "…………"  # as on the slides: epochs 0 to 10, dots, the last ten


class Run(Protocol):
    """The attributes of a `FitResult` that a trace shows."""

    w: float | Floats
    intercept: float
    w_history: Floats | None
    intercept_history: Floats | None
    cost_history: Floats | None
    loss_history: Floats | None
    gradient_history: Floats | None
    n_epochs: int
    solver: Any
    _samples: tuple[list[Any], list[Any]] | None
    _w0: Any
    _order: Any
    _first_epoch: int


def trace(fit: Run, digits: int | None, full: bool | None, predict: Any) -> str:
    """The text of `FitResult.trace`."""
    if fit.w_history is None:
        raise ValueError('trace() needs the weights of every epoch: fit with history="epochs" or "samples"')
    if digits is not None:
        digits = checks.whole("digits", digits, 0, 17)
    if full is None:
        full = fit.n_epochs <= (LONG if digits is None else HEAD + TAIL)
    if predict is None and np.ndim(fit.w) == 0:
        predict = 4
    before, after = _predictions(fit, digits, predict) if predict is not None else ([], [])
    by_sample = fit.solver == "sgd" and fit.loss_history is not None  # not batches of all rows
    epoch = _sgd_epoch(fit, digits) if by_sample else _descent_epoch(fit, digits)
    lines = [*before, *_epochs(fit.n_epochs, epoch, full), *after]
    return "\n".join(lines)


def _epochs(n_epochs: int, lines_of: Callable[[int], list[str]], full: bool) -> Iterator[str]:
    shown: Sequence[int] = range(n_epochs)
    if not full and n_epochs > HEAD + TAIL:
        for epoch in shown[:HEAD]:
            yield from lines_of(epoch)
        yield DOTS
        shown = shown[-TAIL:]
    for epoch in shown:
        yield from lines_of(epoch)


def _predictions(fit: Run, digits: int | None, x: Any) -> tuple[list[str], list[str]]:
    """The lines before and after training. In the slides' form the second has more spaces."""
    assert fit.w_history is not None
    row = as_array("predict", x)
    if row.shape != np.shape(fit.w):
        raise ValueError(
            f"predict has shape {row.shape}; it must be one row of X, of shape {np.shape(fit.w)}"
        )
    w0 = fit._w0 if isinstance(fit._w0, int) else _plain(fit.w_history[0])
    w = _plain(fit.w) if fit.n_epochs else w0
    first, last = (reference.forward(row.tolist(), weights) for weights in (w0, w))
    if fit.intercept_history is not None:
        first, last = first + float(fit.intercept_history[0]), last + fit.intercept
    before = f"Predict (before training) {x} {first}"
    if digits is None:
        return [before], [f"Predict (after training) {x} {last}"]
    return [before], [f"Predict (after training)   {x}  {last:.{digits}f}"]


def _descent_epoch(fit: Run, digits: int | None) -> Callable[[int], list[str]]:
    weights, costs = fit.w_history, fit.cost_history
    assert weights is not None
    assert costs is not None

    def lines(epoch: int) -> list[str]:
        w, cost = _plain(weights[epoch + 1]), float(costs[epoch])
        if digits is None:
            return [f"Epoch: {epoch} w= {w} loss= {cost}"]
        return [f"Epoch: {epoch:3d} w= {_rounded(w, digits)} cost= {cost:.{digits}f}"]

    return lines


def _sgd_epoch(fit: Run, digits: int | None) -> Callable[[int], list[str]]:
    weights, losses, gradients = fit.w_history, fit.loss_history, fit.gradient_history
    assert weights is not None
    assert losses is not None
    xs, ys = fit._samples or ([], [])

    def lines(epoch: int) -> list[str]:
        w, loss = _plain(weights[epoch + 1]), float(losses[epoch])
        shown = []
        if gradients is not None and gradients.ndim == np.ndim(fit.w) + 2:
            steps = gradients[epoch].tolist()
            order = fit._order.indices(fit._first_epoch + epoch, len(xs), block_rows(np.size(fit.w)))
            if epoch == 0 and isinstance(fit._w0, int):  # Python integers stay integers for one step
                steps[0] = reference.sample_gradient(xs[order[0]], ys[order[0]], fit._w0)
            for i, gradient in zip(order, steps, strict=True):
                grad = gradient if digits is None else _rounded(gradient, digits)
                shown.append(f"\tgrad:  {xs[i]} {ys[i]} {grad}")
        if digits is None:
            return [*shown, f"progress: {epoch} w= {w} loss= {loss}"]
        return [*shown, f"progress: {epoch:3d} w= {_rounded(w, digits)} loss= {loss:.{digits}f}"]

    return lines


def _plain(w: Any) -> Any:
    """A Python float or a list of floats, which print as in the lesson's program."""
    return w.tolist() if isinstance(w, (np.ndarray, np.generic)) else w


def _rounded(value: Any, digits: int) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_rounded(part, digits) for part in value) + "]"
    return f"{value:.{digits}f}"

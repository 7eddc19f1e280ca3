"""A fit as a generator: one epoch, or one sample, at each `next`."""

from __future__ import annotations

import contextvars
import inspect
import threading
from collections.abc import Callable, Generator, Iterator
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastgd import checks
from fastgd.api import gradient_descent, sgd
from fastgd.data.chunks import Source
from fastgd.keywords import unknown_keywords
from fastgd.public import public
from fastgd.schedules import is_automatic
from fastgd.solver.callbacks import EpochState
from fastgd.solver.results import FitResult

FITS: dict[str, Callable[..., FitResult]] = {"gradient_descent": gradient_descent, "sgd": sgd}
States = Generator[EpochState, None, FitResult]


@public
def steps(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    solver: Literal["gradient_descent", "sgd"] = "gradient_descent",
    **options: Any,
) -> States:
    """Run a fit step by step: w ← w − α ∂cost/∂w at each `next`.

    Parameters
    ----------
    X, y : as in `gradient_descent`
        The samples and the targets.
    solver : {"gradient_descent", "sgd"}, default "gradient_descent"
        The function that fits.
    **options
        Its keywords. With `solver="sgd"` and `history="samples"` each step is that of one sample.

    Yields
    ------
    EpochState
        What a callback sees: epoch (from 0), w and intercept after the step, the cost there (of a sample: its
        loss before the step, as the lesson prints it), and learning_rate. A step of one sample also has
        sample, the number of its row.

    Returns
    -------
    FitResult
        The value of the generator, as `result = yield from steps(...)` takes it. By sample it is the fit of
        the last epoch.

    Raises
    ------
    DivergenceError, InvalidDataError
        As the function that fits, at the step that finds it.

    Notes
    -----
    The numbers are those of the fit, bit for bit. Epochs run in a thread, one at each `next`; it ends with
    the generator. `trace` prints w after a step beside the cost before it; here both are after the step.

    Examples
    --------
    >>> import fastgd
    >>> for state in fastgd.steps([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01, n_epochs=2):
    ...     print(state.epoch, round(state.w, 4), round(state.cost, 4))
    0 1.0933 3.8362
    1 1.178 3.1535
    """
    checks.choice("solver", solver, tuple(FITS))
    fit = FITS[solver]
    try:
        inspect.signature(fit).bind(X, y, **options)
    except TypeError as error:
        raise unknown_keywords(fit, options, error) or error from None
    if solver == "sgd" and options.get("history") == "samples":
        return _samples(X, y, options)
    return _epochs(fit, X, y, options)


def _epochs(fit: Callable[..., FitResult], X: Any, y: Any, options: dict[str, Any]) -> States:
    """The states of a fit that runs in a thread and waits after each epoch."""
    found: SimpleQueue[EpochState | FitResult | BaseException] = SimpleQueue()
    go_on, is_closed = threading.Semaphore(0), False
    given = options.pop("callback", None)

    def show(state: EpochState) -> bool:
        is_last = given is not None and given(state) is True
        found.put(state)
        go_on.acquire()
        return is_last or is_closed

    def work() -> None:
        try:
            found.put(fit(X, y, callback=show, **options))
        except BaseException as error:
            found.put(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    try:
        while isinstance(state := found.get(), EpochState):
            yield state
            go_on.release()
        if isinstance(state, BaseException):
            raise state
        return state
    finally:
        is_closed = True
        go_on.release()
        thread.join()


def _samples(X: Any, y: Any, options: dict[str, Any]) -> States:
    """The states after each sample, from fits of one epoch that go on from each other."""
    n_epochs = checks.whole("n_epochs", options.pop("n_epochs", 100), 0)
    if not n_epochs:
        return sgd(X, y, n_epochs=0, **options)
    callback = options.pop("callback", None)
    rates = _rates(options.pop("learning_rate", "auto"), n_epochs)
    fit: FitResult | None = None
    for rate in rates:
        more = {} if fit is None else {"w0": fit}
        fit = sgd(X, y, learning_rate=rate, n_epochs=1, callback=callback, **options | more)
        table = fit.table()
        after = [*table["w"][1:], fit.w_history[-1]] if fit.w_history is not None else []
        columns = (table[name].tolist() for name in ("epoch", "sample", "loss", "learning_rate"))
        for w, epoch, sample, loss, alpha in zip(after, *columns, strict=True):
            yield EpochState(epoch, w.copy() if np.ndim(w) else float(w), 0.0, loss, alpha, sample=sample)
    assert fit is not None
    return fit


def _rates(learning_rate: Any, n_epochs: int) -> Iterator[Any]:
    """The rate of each epoch."""
    if callable(learning_rate) and not is_automatic(learning_rate):
        return (learning_rate(epoch) for epoch in range(n_epochs))
    if np.ndim(learning_rate) == 0:
        return (learning_rate for _ in range(n_epochs))
    return iter(np.asarray(learning_rate, np.float64).tolist())

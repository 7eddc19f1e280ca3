"""Runs side by side that share their reads of the same rows.

Each run is a function that reads views of the same rows by `reduce`. It works in a thread of its own until it
needs a read; then the next run works. Only one of them works at a time, in a fixed order. When all of them
wait, the caller's thread reads the rows once and answers every run that asked for these rows. So a run has
the bits that it has alone, nothing depends on timing, and an interrupt ends the read as it does elsewhere.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.data.dataset import Dataset
from fastgd.data.transform import MappedRows, Mapping
from fastgd.engine import reduce, scan
from fastgd.engine.blocks import Array, Floats, Reduction, Step, Summary

MOST = 16
"""The number of runs side by side. More would hold many tables of sums at once."""
POLL = 0.05
"""Seconds between two looks at a run that is being ended."""


class Read(NamedTuple):
    """A request for the sums of a reduction."""

    rows: Dataset
    order: Reduction
    n_threads: int | None


Request = Read | Callable[[], Any]
"""A read, which the caller's thread shares with those of other runs, or a function that it calls."""


class Ended(BaseException):
    """Ends a run because of an error in another one."""


class Together:
    """Runs side by side, and the executor of the rows that they share."""

    def __init__(self) -> None:
        self._working: _Run | None = None
        self._back: queue.SimpleQueue[None] = queue.SimpleQueue()

    def run(self, functions: Sequence[Callable[[], Any]]) -> list[Any]:
        """Call the functions side by side, at most MOST at a time, and return their results.

        The first error in a run ends all runs. An interrupt is raised in each run that has not ended, and the
        caller gets that of the first.
        """
        results: list[Any] = []
        for start in range(0, len(functions), MOST):
            results += self._run([_Run(function, self._back) for function in functions[start : start + MOST]])
        return results

    def _run(self, runs: list[_Run]) -> list[Any]:
        ended: BaseException | None = None
        try:
            for run in runs:
                self._resume(run)
            while waiting := [run for run in runs if not run.is_done]:
                self._answer(waiting)
        except BaseException as error:
            ended = error
        if ended is not None:
            self._end(runs, ended)
            errors = [run.error for run in runs if isinstance(run.error, type(ended))]
            raise next(filter(None, errors), ended)
        return [run.answer for run in runs]

    def _resume(self, run: _Run, answer: Any = None, raised: Exception | None = None) -> None:
        """Let a run work until it waits or ends. Raises its error."""
        self._working, run.answer, run.raised = run, answer, raised
        run.resume()
        while run.is_working:
            self._back.get()
        self._working = None
        if run.error is not None:
            raise run.error

    def _end(self, runs: list[_Run], error: BaseException) -> None:
        """Raise an interrupt, or `Ended` after another error, in all runs, and wait for their ends."""
        is_interrupt = isinstance(error, KeyboardInterrupt)
        for run in runs:
            run.raised = KeyboardInterrupt() if is_interrupt else Ended()
            while run.is_alive():
                with contextlib.suppress(KeyboardInterrupt, queue.Empty):
                    self._working = run
                    run.resume()
                    self._back.get(timeout=POLL)
        self._working = None

    def _answer(self, waiting: list[_Run]) -> None:
        """Answer a call, or else the reads of the smallest rows, and let those runs work.

        So runs that wait for larger rows wait until the others ask for these too.
        """
        asking = [run for run in waiting if not isinstance(run.request, Read)][:1]
        if not asking:
            groups: dict[int, list[_Run]] = {}
            for run in waiting:
                groups.setdefault(id(_bottom(run.request.rows)), []).append(run)
            asking = min(groups.values(), key=lambda group: group[0].request.rows.known_n or math.inf)
        try:
            answers = asking[0].context.run(_answers, [run.request for run in asking])
        except Exception as error:
            self._resume(asking[0], raised=error)
            return
        for run, answer in zip(asking, answers, strict=True):
            self._resume(run, answer)

    def _ask(self, request: Request) -> Any:
        run = self._working
        if run is None:  # the caller's thread itself
            return _answers([request])[0]
        return run.ask(request)

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in the caller's thread, for a run that works."""
        return self._ask(function)

    def reduce(self, rows: Any, order: Reduction, n_threads: int | None) -> Summary:
        return self._ask(Read(rows, order, n_threads))

    def scan(self, rows: Any, step: Step, state: Sequence[Any], blocks: NDArray[np.integer] | None) -> None:
        one = Several([rows])

        def each(start: int, parts: Any, _y: Array, _weights: Floats, *state: Any) -> None:
            step(start, *parts[0], *state)

        if blocks is None:
            self._ask(partial(scan.scan, one, each, state))
        else:
            self._ask(partial(scan.scan_blocks, one, each, blocks, state))


class _Run:
    """A function in a thread. It works while `is_working`, otherwise it waits for an answer."""

    def __init__(self, function: Callable[[], Any], back: queue.SimpleQueue[None]):
        self._function, self._back = function, back
        self._go: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="fastgd run", daemon=True)
        self._begin = contextvars.copy_context()
        self.context = self._begin
        """NumPy's settings where the run waits."""
        self.request: Any = None
        self.answer: Any = None
        """The answer to the request, and at the end the result."""
        self.raised: BaseException | None = None
        """An error to raise in the run."""
        self.error: BaseException | None = None
        """The error that ended the run."""
        self.is_working = self.is_done = False

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def resume(self) -> None:
        """Begin or go on. May be called again while the run works."""
        self.is_working = True
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._go.put(None)

    def ask(self, request: Request) -> Any:
        """Wait for the answer. Called in the thread of the run."""
        self.request, self.context = request, contextvars.copy_context()
        self._rest()
        while not self.is_working:
            self._go.get()
        if self.raised is not None:
            raise self.raised
        return self.answer

    def _work(self) -> None:
        try:
            self.answer = self._begin.run(self._function)
        except BaseException as error:
            self.error = error
        self.is_done = True
        self._rest()

    def _rest(self) -> None:
        self.is_working = False
        self._back.put(None)


class Several(MappedRows):
    """Several views of the same rows at once. In place of X stands a list with X, y and weights of each."""

    def __init__(self, views: Sequence[Dataset]):
        bottom = _bottom(views[0])
        super().__init__(bottom)
        self.executor = None
        self.d, self.is_scalar, self.row_bytes = bottom.d, bottom.is_scalar, bottom.row_bytes
        self.run_numbers = min(view.run_numbers for view in [bottom, *views])
        self._views = views

    def mapping(self) -> Mapping:
        mappings = [_whole_mapping(view) for view in self._views]

        def each(X: Array, y: Array, weights: Floats) -> Any:
            return [mapping(X, y, weights) for mapping in mappings], y, weights

        return each


def _bottom(rows: Dataset) -> Dataset:
    """The rows that a view maps."""
    while isinstance(rows, MappedRows):
        rows = rows.rows
    return rows


def _whole_mapping(rows: Dataset) -> Mapping:
    """The mapping from runs of the bottom to those of `rows`."""
    if not isinstance(rows, MappedRows):
        return lambda *run: run
    inner, outer = _whole_mapping(rows.rows), rows.mapping()
    return lambda *run: outer(*inner(*run))


def _answers(requests: list[Any]) -> Any:
    """The answer to a call, or the sums of reductions of views of the same rows by one read."""
    if not isinstance(requests[0], Read):
        return [requests[0]()]
    orders = [read.order for read in requests]

    def task(start: int, parts: Any, _y: Array, _weights: Floats) -> Any:
        return [order(start, *part) for order, part in zip(orders, parts, strict=True)]

    def add(left: Any, right: Any, out: Any) -> Any:  # noqa: ARG001 - a ufunc's argument
        each = zip(orders, left, right, strict=True)
        return [order.add(ours, theirs, out=ours) for order, ours, theirs in each]

    return reduce.reduce(
        Several([read.rows for read in requests]), task, requests[0].n_threads,
        sum(order.node_size for order in orders), sum(order.effort for order in orders),
        max(order.least_rows for order in orders), add=add,
    )  # fmt: skip

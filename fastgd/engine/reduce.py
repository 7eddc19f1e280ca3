"""Rows in parallel: `fold` adds a small summary of each block in one fixed tree.

Rows are cut on one fixed grid: `block_rows(d)` rows a block, from row 0 on. There are two ways over
them, and no third. `fold` takes blocks in parallel and adds their summaries; `scan` (`engine/scan.py`)
takes the blocks in order and hands a state along.

Kernels are called on *runs*: 2^k whole blocks, aligned (the last run may be shorter). Summaries are
added as a binary counter counts: a node of 2^k blocks is the sum of its two halves, and at the end
the remaining nodes are added from the right. A kernel does the same inside its run
(`kernels/tree.py`), so the tree of additions depends on the number of blocks alone: never on
threads, on k, on how the rows arrived, or on who read them. That is why the bits of a result never change.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.engine.blocks import (
    Entry,
    Fold,
    Kept,
    Pass,
    Place,
    Rows,
    Summary,
    Task,
    block_rows,
    pieces,
)
from fastgd.engine.threads import Team, default_threads, run_on_threads

RUNS_PER_THREAD = 8
# Waking a sleeping thread, and waiting for it at the end, takes some 0.2 ms: it must find more to do.
LEAST_RUN_NUMBERS = 1 << 17
LEAST_THREAD_NUMBERS = 1 << 21
SUMMARY_NUMBERS = 1 << 19
OTHER_READS = "the checkpoint is of other reads than those of this run"
MANY_ROWS = 1 << 40
"""Of rows that have not been counted."""


@dataclass(slots=True)
class Counter:
    """Adds summaries as a binary counter counts; holds at most twice log2(their number) of them, and owns
    them. They are those of rows from `stop` on."""

    stop: int = 0
    add: Callable[..., Any] = np.add
    nodes: list[tuple[int, Summary]] = field(default_factory=list)
    """Of so many rows each, in their order."""

    def push(self, node: Summary, size: int = 1) -> None:
        """The summary of the next rows: a power of two of them, aligned, or the last."""
        start = self.stop
        self.stop += size
        while start & size and self.nodes and self.nodes[-1][0] == size:
            left = self.nodes.pop()[1]
            node = self.add(left, node, out=left)  # in place: with many columns a summary is large
            start -= size
            size *= 2
        self.nodes.append((size, node))

    def total(self) -> Summary:
        total = self.nodes.pop()[1]
        while self.nodes:
            left = self.nodes.pop()[1]
            total = self.add(left, total, out=left)
        return total


def fold(
    rows: Rows,
    task: Task,
    n_threads: int | None,
    node_size: int = 1,
    effort: int = 1,
    least_rows: int = 1,
    *,
    add: Callable[..., Any] = np.add,
    kept: Kept | None = None,
) -> Summary:
    """Σ over the blocks of `rows` of their summaries, in the one order of the grid.

    `task(start, X, y, weights)` is called on aligned runs of blocks, from several threads at once, and
    returns the summary of the run, a new array of `node_size` numbers. `effort` is about how many
    times as long as a plain read it takes. Runs have `least_rows`, a power of two, or more (the last may
    have fewer): where a summary is large it is better made of many rows at once. Summaries are joined by
    `add`, an ufunc. `kept` are arrays with an entry a block: the task gets those of its run.
    """
    n = rows.known_n
    if n is not None and n <= block_rows(rows.d) and not (rows.log or rows.executor or kept):
        return task(0, *rows.head(n))  # the lesson's case, kept short
    order = Fold(task, node_size, effort, least_rows, add, kept)
    entry = None if rows.log is None else rows.log.read(rows)
    counter = Counter(add=add)
    if entry is not None and entry.found is not None:
        row, sizes, arrays = entry.found
        nodes, others = arrays[: len(sizes)], arrays[len(sizes) :]
        if not nodes or (rows.known_n is not None and row > rows.known_n):
            raise InvalidDataError(OTHER_READS)
        counter.stop, counter.nodes = row, list(zip(sizes, nodes, strict=True))
        put_back([] if kept is None else kept.arrays, others)
    if counter.stop == rows.known_n:
        total = counter.total()
    elif rows.executor is not None:
        total = rows.executor.fold(rows, order, n_threads)
    else:
        push_nodes(rows, order, n_threads, counter, entry=entry)
        total = counter.total()
    if entry is not None and (n := rows.known_n) is not None:
        arrays = [total] if kept is None else [total, *kept.arrays]
        entry.reached(n, lambda: Place(n, [n], arrays))
        total = total.copy()  # the log's is its own
    return total


def push_nodes(
    rows: Rows,
    order: Fold,
    n_threads: int | None,
    counter: Counter,
    stop: int | None = None,
    offset: int = 0,
    entry: Entry | None = None,
) -> None:
    """Push the summaries of the rows that follow into the counter, up to row `stop`, or all.

    `offset` is the row that the arrays kept begin with.
    """
    last = rows.known_n if stop is None else stop
    n = (MANY_ROWS if last is None else last) - counter.stop
    # Threads hold a few summaries each: where a summary is large for its work, fewer keep memory small.
    useful = min(
        max(1, n * (rows.d + 1) * order.effort // LEAST_THREAD_NUMBERS),
        max(1, SUMMARY_NUMBERS * order.effort // order.node_size),
    )
    n_threads = 1 if useful == 1 else min(useful, default_threads() if n_threads is None else n_threads)
    run = max(order.least_rows, run_rows(rows, n, n_threads, order.effort))
    n_threads = min(n_threads, -(-n // run))
    reading = rows.begin(pieces(counter.stop, last, run, rows.known_n))

    def place() -> Place:
        arrays = [node for _, node in counter.nodes]
        arrays += [] if order.kept is None else order.kept.arrays
        return Place(counter.stop, [size for size, _ in counter.nodes], arrays)

    def push(node: Summary, size: int) -> None:
        counter.push(node, size)
        if entry is not None:
            entry.reached(counter.stop, place)

    try:
        if n_threads == 1:
            for start, X, y, weights in reading.runs():
                push(order(start, X, y, weights, offset), len(y))
        else:
            _push_parallel(reading, order, n_threads, counter, push, offset)
    finally:
        reading.end()


def put_back(arrays: Sequence[Any], found: Sequence[Any]) -> None:
    """The arrays as an earlier process left them."""
    if [array.shape for array in arrays] != [array.shape for array in found]:
        raise InvalidDataError(OTHER_READS)
    for array, value in zip(arrays, found, strict=True):
        array[...] = value


def run_rows(rows: Rows, n: int, n_threads: int, effort: int) -> int:
    """Rows of a run: a power of two of blocks. Any power gives the same bits; this one gives the speed."""
    block = block_rows(rows.d)
    numbers = rows.run_numbers // effort
    if n_threads > 1:
        fair = n * (rows.d + 1) // (RUNS_PER_THREAD * n_threads)
        numbers = min(numbers, max(fair, LEAST_RUN_NUMBERS // effort))
    blocks = max(1, numbers // (block * (rows.d + 1)))
    return block << (blocks.bit_length() - 1)


def _push_parallel(
    reading: Pass,
    order: Fold,
    n_threads: int,
    counter: Counter,
    push: Callable[[Summary, int], None],
    offset: int,
) -> None:
    """Runs are taken in order by whichever thread is free, and pushed in order.

    No thread ever waits for a lock: waking a sleeping thread takes longer than most runs.
    """
    ready: dict[int, tuple[Summary, int]] = {}
    pushing = threading.Lock()

    def push_ready() -> None:
        if pushing.acquire(blocking=False):
            try:
                while (node := ready.pop(counter.stop, None)) is not None:
                    push(*node)
            finally:
                pushing.release()

    def work(team: Team) -> None:
        try:
            for start, X, y, weights in reading.runs():
                ready[start] = order(start, X, y, weights, offset), len(y)
                push_ready()
                # Where a thread has fallen behind, few summaries wait for it.
                while len(ready) > 4 * n_threads and not team.stop:
                    time.sleep(0.001)
                    push_ready()
                if team.stop:
                    break
        finally:
            reading.end()  # those who wait for a run need not

    run_on_threads(work, n_threads)
    push_ready()

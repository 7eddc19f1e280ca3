"""`reduce`: a small summary of each block, made in parallel and added in one fixed tree.

Summaries are added as a binary counter counts: a node of 2^k blocks is the sum of its two halves. At the
end the remaining nodes are added from the right. A kernel does the same inside its run (`kernels/tree.py`).
So the tree depends on the number of blocks alone: not on threads, on k, on the source of the rows, or on the
process that reads them. The bits of a result never change.
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
    Kept,
    Pass,
    Place,
    Reduction,
    Rows,
    Summary,
    Task,
    block_rows,
    pieces,
)
from fastgd.engine.threads import Team, default_threads, run_on_threads

RUNS_PER_THREAD = 8
# Waking a thread and waiting for its end takes about 0.2 ms. It must have more work than that.
LEAST_RUN_NUMBERS = 1 << 17
LEAST_THREAD_NUMBERS = 1 << 21
SUMMARY_NUMBERS = 1 << 19
OTHER_READS = "the checkpoint belongs to other reads than those of this run"
MANY_ROWS = 1 << 40
"""The assumed number of rows if they have not been counted."""


@dataclass(slots=True)
class Counter:
    """Adds summaries as a binary counter counts. It owns at most 2 log2(n) summaries at a time."""

    stop: int = 0
    """The row after the last one that was added."""
    add: Callable[..., Any] = np.add
    nodes: list[tuple[int, Summary]] = field(default_factory=list)
    """(number of rows, summary), in the order of the rows."""

    def push(self, node: Summary, size: int = 1) -> None:
        """Add the summary of the next `size` rows: an aligned power of two, or the last rows."""
        start = self.stop
        self.stop += size
        while start & size and self.nodes and self.nodes[-1][0] == size:
            left = self.nodes.pop()[1]
            node = self.add(left, node, out=left)  # in place, as summaries of many columns are large
            start -= size
            size *= 2
        self.nodes.append((size, node))

    def total(self) -> Summary:
        total = self.nodes.pop()[1]
        while self.nodes:
            left = self.nodes.pop()[1]
            total = self.add(left, total, out=left)
        return total


def reduce(
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
    """Sum the summaries of all blocks, in the order of the grid.

    Parameters
    ----------
    rows : Rows
    task : callable
        task(start, X, y, weights) returns the summary of a run, a new array of `node_size` numbers. It is
        called from several threads at once.
    n_threads : int or None
    node_size : int
    effort : int
        The time of the task, as an approximate multiple of the time of a plain read.
    least_rows : int
        The least number of rows in a run, a power of two. Only the last run may have fewer.
    add : ufunc
        Joins two summaries.
    kept : Kept, optional
        Arrays with an entry for each block. The task gets the entries of its run.
    """
    n = rows.known_n
    if n is not None and n <= block_rows(rows.d) and not (rows.log or rows.executor or kept):
        return task(0, *rows.head(n))  # one block, as in the lesson: no overhead
    order = Reduction(task, node_size, effort, least_rows, add, kept)
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
        total = rows.executor.reduce(rows, order, n_threads)
    else:
        push_nodes(rows, order, n_threads, counter, entry=entry)
        total = counter.total()
    if entry is not None and (n := rows.known_n) is not None:
        arrays = [total] if kept is None else [total, *kept.arrays]
        entry.reached(n, lambda: Place(n, [n], arrays))
        total = total.copy()  # the log keeps the original
    return total


def push_nodes(
    rows: Rows,
    order: Reduction,
    n_threads: int | None,
    counter: Counter,
    stop: int | None = None,
    offset: int = 0,
    entry: Entry | None = None,
) -> None:
    """Push the summaries of the rows after `counter.stop` into the counter, up to row `stop` or to the end.

    `offset` is the first row of the arrays in `order.kept`.
    """
    last = rows.known_n if stop is None else stop
    n = (MANY_ROWS if last is None else last) - counter.stop
    # Each thread holds a few summaries. If summaries are large for their work, fewer threads save memory.
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
    """Copy the arrays that an earlier process saved into these."""
    if [array.shape for array in arrays] != [array.shape for array in found]:
        raise InvalidDataError(OTHER_READS)
    for array, value in zip(arrays, found, strict=True):
        array[...] = value


def run_rows(rows: Rows, n: int, n_threads: int, effort: int) -> int:
    """Rows of a run: 2^k blocks. Every k gives the same bits; this one is fast."""
    block = block_rows(rows.d)
    numbers = rows.run_numbers // effort
    if n_threads > 1:
        fair = n * (rows.d + 1) // (RUNS_PER_THREAD * n_threads)
        numbers = min(numbers, max(fair, LEAST_RUN_NUMBERS // effort))
    blocks = max(1, numbers // (block * (rows.d + 1)))
    return block << (blocks.bit_length() - 1)


def _push_parallel(
    reading: Pass,
    order: Reduction,
    n_threads: int,
    counter: Counter,
    push: Callable[[Summary, int], None],
    offset: int,
) -> None:
    """Push the summaries of runs in order. A free thread takes the next run.

    No thread waits for a lock: waking a thread takes longer than most runs.
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
                # If a thread falls behind, only a few summaries wait for it.
                while len(ready) > 4 * n_threads and not team.stop:
                    time.sleep(0.001)
                    push_ready()
                if team.stop:
                    break
        finally:
            reading.end()  # threads that wait for a run stop waiting

    run_on_threads(work, n_threads)
    push_ready()

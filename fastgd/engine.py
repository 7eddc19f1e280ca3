"""Reading: the grid of blocks, `fold`, `scan`, the pool of threads, interrupts.

Rows are cut on one fixed grid: `block_rows(d)` rows a block, from row 0 on. There are two ways over
them, and no third. `fold` takes blocks in parallel, gets a small summary of each and adds the
summaries; `scan` takes the blocks in order and hands a state along.

Kernels are called on *runs*: 2^k whole blocks, aligned (the last run may be shorter). Summaries are
added as a binary counter counts: a node of 2^k blocks is the sum of its two halves, and at the end
the remaining nodes are added from the right. A kernel does the same inside its run
(`kernels/tree.py`), so the tree of additions depends on the number of blocks alone: never on
threads, on k, or on how the rows arrived. That is why the bits of a result never change.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.data import checks

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Summary = Floats

NOTHING: Summary = np.empty(0)
"""The summary of a run that only writes."""

BLOCK_ROWS = 4096
BLOCK_NUMBERS = 1 << 16
RUNS_PER_THREAD = 8
# Waking a sleeping thread, and waiting for it at the end, takes some 0.2 ms: it must find more to do.
LEAST_RUN_NUMBERS = 1 << 17
LEAST_THREAD_NUMBERS = 1 << 21
POOL_THREADS = 256
SUMMARY_NUMBERS = 1 << 19


@functools.cache
def block_rows(d: int) -> int:
    """Rows of a block of the grid: 4096, or a power of two with about 64 Ki numbers when d is large."""
    return min(BLOCK_ROWS, 1 << max(0, (BLOCK_NUMBERS // max(1, d)).bit_length() - 1))


def default_threads() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_threads(n_threads: int | None) -> int | None:
    """At most so many threads; None is as many as there are processors, looked up where they are of use."""
    return n_threads if n_threads is None else checks.whole("n_threads", n_threads, 1)


class Reader(Protocol):
    def read(self, start: int, stop: int) -> tuple[Array, Array]:
        """Rows start:stop of X and y: C-contiguous, float32 or float64, not to be written (unless they are
        what a task is there to fill)."""


class RandomReader(Reader, Protocol):
    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array]:
        """The rows of these numbers, in their order."""


class Rows(Protocol):
    """What `fold` and `scan` read: n rows of d numbers and a target."""

    n: int
    d: int
    run_numbers: int
    """About how many numbers a run holds: enough that Python's share is small, few enough that an
    interrupt is answered within some milliseconds and a thread's buffer stays small."""

    def reader(self) -> Reader:
        """A reader for one thread; it may reuse its memory from one `read` to the next."""


class RandomRows(Rows, Protocol):
    """Rows that can be read in any order."""

    def reader(self) -> RandomReader: ...


class Counter:
    """Adds summaries as a binary counter counts; holds at most log2(their number) of them, and owns them."""

    def __init__(self) -> None:
        self._nodes: list[Summary] = []
        self._count = 0

    def push(self, node: Summary) -> None:
        carry = self._count
        while carry & 1:
            node = _added(self._nodes.pop(), node)
            carry >>= 1
        self._nodes.append(node)
        self._count += 1

    def total(self) -> Summary:
        total = self._nodes.pop()
        while self._nodes:
            total = _added(self._nodes.pop(), total)
        return total


def _added(left: Summary, right: Summary) -> Summary:
    left += right  # in place: with many columns a summary is large
    return left


def fold(
    rows: Rows,
    task: Callable[[int, Array, Array], Summary],
    n_threads: int | None,
    node_size: int = 1,
    effort: int = 1,
    least_rows: int = 1,
) -> Summary:
    """Σ over the blocks of `rows` of their summaries, in the one order of the grid.

    `task(start, X, y)` is called on aligned runs of blocks, from several threads at once, and
    returns the summary of the run, a new array of `node_size` numbers. `effort` is about how many
    times as long as a plain read it takes. Runs have `least_rows`, a power of two, or more (the last may
    have fewer): where a summary is large it is better made of many rows at once.
    """
    # Threads hold a few summaries each: where a summary is large for its work, fewer keep memory small.
    useful = min(
        max(1, rows.n * (rows.d + 1) * effort // LEAST_THREAD_NUMBERS),
        max(1, SUMMARY_NUMBERS * effort // node_size),
    )
    n_threads = 1 if useful == 1 else min(useful, default_threads() if n_threads is None else n_threads)
    run = max(least_rows, _run_rows(rows, n_threads, effort))
    n_runs = -(-rows.n // run)
    n_threads = min(n_threads, n_runs)
    counter = Counter()
    if n_threads == 1:
        reader = rows.reader()
        for start in range(0, rows.n, run):
            counter.push(task(start, *reader.read(start, min(start + run, rows.n))))
        return counter.total()
    _fold_parallel(rows, task, run, n_runs, n_threads, counter)
    return counter.total()


def scan(rows: Rows, task: Callable[[int, Array, Array], None]) -> None:
    """Call `task(start, X, y)` on runs of blocks in order; the task carries its state along."""
    run = _run_rows(rows, 1, 1)
    reader = rows.reader()
    for start in range(0, rows.n, run):
        task(start, *reader.read(start, min(start + run, rows.n)))


def scan_blocks(rows: Rows, task: Callable[[int, Array, Array], None], blocks: NDArray[np.integer]) -> None:
    """`scan`, the blocks in the order of these numbers, one at a time."""
    block = block_rows(rows.d)
    reader = rows.reader()
    for start in (blocks * block).tolist():
        task(start, *reader.read(start, min(start + block, rows.n)))


def scan_rows(
    rows: RandomRows, task: Callable[[int, Array, Array], None], order: NDArray[np.integer]
) -> None:
    """`scan`, the rows in the order of these numbers; `start` is a place in the order."""
    run = block_rows(rows.d)
    reader = rows.reader()
    for start in range(0, rows.n, run):
        task(start, *reader.take(order[start : start + run]))


def _run_rows(rows: Rows, n_threads: int, effort: int) -> int:
    """Rows of a run: a power of two of blocks. Any power gives the same bits; this one gives the speed."""
    block = block_rows(rows.d)
    numbers = rows.run_numbers // effort
    if n_threads > 1:
        fair = rows.n * (rows.d + 1) // (RUNS_PER_THREAD * n_threads)
        numbers = min(numbers, max(fair, LEAST_RUN_NUMBERS // effort))
    blocks = max(1, numbers // (block * (rows.d + 1)))
    return block << (blocks.bit_length() - 1)


def _fold_parallel(
    rows: Rows,
    task: Callable[[int, Array, Array], Summary],
    run: int,
    n_runs: int,
    n_threads: int,
    counter: Counter,
) -> None:
    """Runs are taken in order by whichever thread is free, and pushed in order.

    No thread ever waits for a lock: waking a sleeping thread takes longer than most runs.
    """
    numbers = itertools.count()  # next() is atomic
    ready: dict[int, Summary] = {}
    pushing = threading.Lock()
    pushed = 0

    def push() -> None:
        nonlocal pushed
        if pushing.acquire(blocking=False):
            try:
                while pushed in ready:
                    counter.push(ready.pop(pushed))
                    pushed += 1
            finally:
                pushing.release()

    def work(team: Team) -> None:
        reader = rows.reader()
        while not team.stop and (index := next(numbers)) < n_runs:
            start = index * run
            ready[index] = task(start, *reader.read(start, min(start + run, rows.n)))
            push()
            # Where a thread has fallen behind, few summaries wait for it.
            while len(ready) > 4 * n_threads and not team.stop:
                time.sleep(0.001)
                push()

    run_on_threads(work, n_threads)
    push()


class Team:
    """The threads of one call; once `stop` is set they end after their present piece of work."""

    stop = False


def run_on_threads(work: Callable[[Team], None], n_threads: int) -> None:
    """Call `work(team)` from up to n_threads threads, the caller's among them; return when all have ended.

    The caller works too, so a full pool, or a pool that cannot start, costs speed and never the
    result. An error in any thread, and KeyboardInterrupt in the caller, stops them all.
    """
    team = Team()
    at_work: set[object] = set()
    helpers: list[Future[None]] = []

    def join() -> None:
        me = object()
        at_work.add(me)  # before the look at `stop`: the caller sets it before it looks here
        try:
            if not team.stop:
                work(team)
        except BaseException:
            team.stop = True
            raise
        finally:
            at_work.discard(me)

    try:
        for _ in range(n_threads - 1):
            try:
                helpers.append(_pool().submit(join))
            except RuntimeError:  # the interpreter is shutting down, or no thread can be started
                break
        work(team)
    finally:
        # After an error too. No work is left to take: helpers end what they have, late ones find the stop.
        team.stop = True
        for helper in helpers:
            if not helper.cancel():
                helper.exception()  # waits
        while at_work:  # one whose `submit` failed, and that an idle thread found in the queue
            time.sleep(0.001)
    for helper in helpers:
        if not helper.cancelled():
            helper.result()


_pool_lock = threading.Lock()
_the_pool: ThreadPoolExecutor | None = None


def _pool() -> ThreadPoolExecutor:
    global _the_pool
    with _pool_lock:
        if _the_pool is None:
            _the_pool = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="fastgd")
        return _the_pool


def _forget_pool() -> None:
    """A forked child has none of its parent's threads: it makes a pool of its own when it needs one."""
    global _the_pool, _pool_lock
    _the_pool = None
    _pool_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def first_nonfinite(rows: Rows) -> tuple[int, int | None] | None:
    """(row, column) of the first NaN or inf of X, (row, None) of y, or None: a read for errors only."""
    found: list[tuple[int, int | None]] = []

    def look(start: int, X: Array, y: Array) -> None:
        bad = ~np.isfinite(X)
        bad_rows = bad.any(axis=1) | ~np.isfinite(y)
        if bad_rows.any() and not found:
            row = int(bad_rows.argmax())
            found.append((start + row, int(bad[row].argmax()) if bad[row].any() else None))

    scan(rows, look)
    return found[0] if found else None

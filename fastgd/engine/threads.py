"""The thread pool of the kernels: made at its first use, and made again in a forked child."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastgd import checks

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

POOL_THREADS = 256


def default_threads() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_threads(n_threads: int | None) -> int | None:
    """Check a number of threads. None means one thread for each processor."""
    return n_threads if n_threads is None else checks.whole("n_threads", n_threads, 1)


class Team:
    """The threads of one call. When `stop` is set, each ends after its current run."""

    stop = False
    has_failed = False
    """Whether a thread ended by an error or an interrupt, so that others may end within a run."""


def run_on_threads(work: Callable[[Team], None], n_threads: int) -> None:
    """Call `work(team)` in up to n_threads threads, including the caller's, and wait for all of them.

    The caller works too. So a full pool, or one that cannot start, costs speed but not the result. An error
    in any thread, or KeyboardInterrupt in the caller, stops all threads.
    """
    team = Team()
    at_work: set[object] = set()
    helpers: list[Future[None]] = []

    def join() -> None:
        me = object()
        at_work.add(me)  # before reading `stop`: the caller sets `stop` before it reads at_work
        try:
            if not team.stop:
                work(team)
        except BaseException:
            team.stop = team.has_failed = True
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
    except BaseException:
        team.has_failed = True
        raise
    finally:
        # Also after an error. Helpers finish their current run; helpers that start late see `stop`.
        team.stop = True
        for helper in helpers:
            if not helper.cancel():
                helper.exception()  # waits
        while at_work:  # a job whose `submit` failed, but that an idle thread took from the queue
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
            from concurrent.futures import ThreadPoolExecutor  # tiny fits need no thread

            _the_pool = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="fastgd")
        return _the_pool


def _forget_pool() -> None:
    """A forked child has no threads of its parent, so it makes its own pool when it needs one."""
    global _the_pool, _pool_lock
    _the_pool = None
    _pool_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)

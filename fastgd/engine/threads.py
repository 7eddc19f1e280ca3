"""The threads that kernels run on: made when they are first of use, and anew in a forked child."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from fastgd import checks

POOL_THREADS = 256


def default_threads() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_threads(n_threads: int | None) -> int | None:
    """At most so many threads; None is as many as there are processors, looked up where they are of use."""
    return n_threads if n_threads is None else checks.whole("n_threads", n_threads, 1)


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

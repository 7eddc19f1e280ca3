"""While kernels compile: delay Ctrl-C to the end, write a notice, and count the seconds."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

NOTICE = "compiling kernels, once for this machine and version of fastgd; it takes some seconds"
PATIENCE = 1.0
"""Seconds of compilation after which the notice is written."""


class _Announcement:
    def __init__(self, write: Callable[[str], None]):
        self.write, self.since, self.is_made = write, _spent, False


_announcements: list[_Announcement] = []
_spent = 0.0
"""Seconds that this process has spent on compilation."""
_began: float | None = None
_loading = 0.0
"""Seconds that this process has spent on importing, loading and compiling kernels."""
_is_loading = False


def seconds() -> tuple[float, float]:
    """Seconds that this process has spent on kernels before they ran: in all, and on compilation alone."""
    return _loading, _spent


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Count the seconds of a block that imports or loads kernels, once where such blocks are nested."""
    global _loading, _is_loading
    if _is_loading:
        yield
        return
    _is_loading, began = True, time.monotonic()
    try:
        yield
    finally:
        _is_loading = False
        _loading += time.monotonic() - began


def _to_stderr(text: str) -> None:
    print(f"fastgd: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def announced(write: Callable[[str], None] = _to_stderr) -> Iterator[None]:
    """Write NOTICE once if the block spends more than PATIENCE on compilation."""
    announcement = _Announcement(write)
    _announcements.append(announcement)
    try:
        yield
    finally:
        _announcements.remove(announcement)


def missed() -> None:
    """Note that a kernel is not in the cache, so that its compilation begins."""
    global _began
    now = time.monotonic()
    if _began is None:
        _began = now
    announcements = tuple(_announcements)
    if any(made.is_made for made in announcements):
        return
    for announcement in announcements[-1:]:  # the innermost block writes for all outer ones
        if _spent + now - _began - announcement.since > PATIENCE:
            announcement.is_made = announcements[0].is_made = True
            announcement.write(NOTICE)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Guard the loading or compilation of one kernel and all its parts."""
    global _spent, _began
    with loading(), _interrupts_held(), _collector_paused():
        try:
            yield
        finally:
            if _began is not None:
                _spent += time.monotonic() - _began
                _began = None


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C until the block ends. During compilation callbacks from C would swallow the exception.

    Python runs signal handlers in the main thread only, so this does nothing in other threads.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    held: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *call: held.append(call))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            handler(*held[0])


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector. Searching the many objects that Numba keeps to the end takes 10 %
    longer."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

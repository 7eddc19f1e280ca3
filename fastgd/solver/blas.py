"""Hold NumPy's BLAS to one thread, since the bits of a sum depend on the number of its threads.

The number of BLAS threads is a setting of the whole process. `one_thread` sets it to 1, runs one block at a
time, and restores the user's number.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastgd import callers

_lock = threading.RLock()
_controller: Any = None
_libraries: list[Any] = []
_warned = False


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread in the block. Only one thread of the process can be in such a block."""
    with _lock:
        if _controller is None:
            _find_libraries()
        if all(library.get_num_threads() == 1 for library in _libraries):
            yield
            return
        with _controller.limit(limits=1):
            # threadpoolctl ignores a limit while another thread of the user controls OpenBLAS.
            if any(library.get_num_threads() != 1 for library in _libraries):
                _warn_once("another thread of this process controls the number of BLAS threads")
            yield


def _find_libraries() -> None:
    """Import threadpoolctl and find the BLAS libraries of this process. This takes about 20 ms."""
    global _controller, _libraries
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        raise ImportError(
            "fastgd needs threadpoolctl 3.5 or newer, which holds NumPy's BLAS to one thread: "
            "pip install -U threadpoolctl"
        ) from None
    _controller = ThreadpoolController().select(user_api="blas")
    _libraries = list(_controller.lib_controllers)
    if not _libraries and _has_blas():
        _warn_once(
            "threadpoolctl found no BLAS library that it can control; a newer threadpoolctl may find one"
        )


def _has_blas() -> bool:
    """Whether NumPy was built with a BLAS library. Otherwise it uses its own loops."""
    built: Any = np.show_config(mode="dicts")
    with contextlib.suppress(KeyError, TypeError):
        return bool(built["Build Dependencies"]["blas"]["found"])
    return True


def _warn_once(reason: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        callers.warn(
            f"NumPy's BLAS is not held to one thread: {reason}. The last bits of results may depend on "
            "the number of its threads; set OPENBLAS_NUM_THREADS=1 (or MKL_NUM_THREADS, "
            "VECLIB_MAXIMUM_THREADS) to keep them the same",
            RuntimeWarning,
        )


def _forget() -> None:
    """A forked child makes its own lock and controller."""
    global _lock, _controller, _libraries
    _lock, _controller, _libraries = threading.RLock(), None, []


def _acquire() -> None:
    _lock.acquire()


def _release() -> None:
    _lock.release()


if hasattr(os, "register_at_fork"):
    # No fork happens inside a block: the child would inherit one thread instead of the user's number.
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_forget)

"""Talking to a Dask cluster: tasks with a home, answers, and what goes wrong on the way.

Tasks are submitted one by one, beside Dask's graphs, each to the worker that holds its rows. Another may take
it when that one has died: the scheduler knows how its rows were made.
"""

from __future__ import annotations

import contextvars
import platform
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastgd import __version__, callers

POLL = 0.1
"""Seconds between two looks at whether the scheduler is still there."""


class Cluster:
    """A client that is connected."""

    def __init__(self, client: Any):
        if client.asynchronous:
            raise RuntimeError(
                "the Dask client is asynchronous, and fastgd waits for its answers: make it without "
                "asynchronous=True, or make the call in a thread"
            )
        self.client = client
        self.check()

    def check(self) -> None:
        """Raise where there is no scheduler any more."""
        if self.client.status != "running":
            scheduler = getattr(self.client.scheduler, "address", "") or self.client.id
            raise RuntimeError(
                f"the connection to the Dask scheduler {scheduler} is lost: connect a new Client, make the "
                "collections anew, and call again"
            )

    def submit(self, function: Callable[..., Any], *args: Any, home: str | None = None) -> Any:
        """A task as a future, at home if it can be; arguments may hold futures, in lists and tuples."""
        self.check()
        where = {} if home is None else {"workers": [home], "allow_other_workers": True}
        return self.client.submit(function, *args, pure=False, **where)

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """The results. An error of a task is raised as it is, and what is not waited for is cancelled."""
        try:
            return list(self.patiently(self.client.gather, list(futures)))
        except BaseException:
            if self.client.status == "running":
                threading.Thread(target=_cancel, args=(self.client, list(futures)), daemon=True).start()
            raise

    def patiently(self, call: Callable[..., Any], *args: Any, **how: Any) -> Any:
        """call(*args), which waits for the scheduler; given up when that is gone, or at an interrupt."""
        result: list[Any] = []
        error: list[BaseException] = []
        has_ended = threading.Event()

        context = contextvars.copy_context()  # which says whose client it is

        def work() -> None:
            try:
                result.append(context.run(call, *args, **how))
            except BaseException as raised:
                error.append(raised)
            finally:
                has_ended.set()

        # Dask's own waits go on for half a minute after the scheduler's end: they are left to a thread.
        threading.Thread(target=work, name="fastgd waits for Dask", daemon=True).start()
        while not has_ended.wait(POLL):
            self.check()
        if error:
            self._explain(error[0])
            raise error[0]
        return result[0]

    def _explain(self, error: BaseException) -> None:
        self.check()
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            raise RuntimeError(
                "several workers died over the same rows, the last time "
                f"{error.last_worker.address}: if they lack memory, take smaller partitions or more workers"
            ) from error
        if isinstance(error, FutureCancelledError):
            raise RuntimeError(
                f"the cluster has lost what it was to work on ({error}): make the collections anew, and call "
                "again"
            ) from error


def _cancel(client: Any, futures: list[Any]) -> None:
    try:
        client.cancel(futures, force=True)
    except Exception:  # the scheduler is gone, and the futures with it
        return


def current() -> Cluster | None:
    """The cluster of the present Client; None where there is none."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return Cluster(distributed.Client.current())
    except ValueError:
        return None


def about() -> dict[str, str]:
    """What the bits of a result depend on beside the data."""
    versions = {
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "fastgd": __version__,
        "C library": " ".join(platform.libc_ver()),
    }
    try:
        from fastgd.kernels import _jit
    except ModuleNotFoundError:  # without Numba
        return versions | {"Numba": "none"}
    return versions | _jit.compiled_by()


def warn_of_differences(abouts: dict[str, dict[str, str]]) -> None:
    """Where workers, by their addresses, differ from this process."""
    here = about()
    found: dict[str, list[str]] = {}
    for address, there in abouts.items():
        for what, value in there.items():
            if value != here.get(what):
                found.setdefault(f"{what} {value} (here {here.get(what)})", []).append(address)
    if found:
        what = "; ".join(
            f"{difference} on {addresses[0]}" + f" and {len(addresses) - 1} more" * (len(addresses) > 1)
            for difference, addresses in found.items()
        )
        callers.warn(
            f"workers differ from this process, so a result need not have the same bits as here: {what}",
            UserWarning,
        )

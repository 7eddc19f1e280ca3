"""Tasks on a Dask cluster: submit them, collect their results, and explain failures.

Each task is submitted to the worker that holds its rows. If that worker dies, another one may take the task,
since the scheduler knows how to make the rows again.
"""

from __future__ import annotations

import contextvars
import platform
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastgd import callers
from fastgd._version import __version__

POLL = 0.1
"""Seconds between two checks that the scheduler is still there."""


class Cluster:
    """A connected client."""

    def __init__(self, client: Any):
        if client.asynchronous:
            raise RuntimeError(
                "the Dask client is asynchronous, but fastgd waits for its results: create it without "
                "asynchronous=True, or call fastgd in a thread"
            )
        self.client = client
        self.check()

    def check(self) -> None:
        """Raise if the connection to the scheduler is lost."""
        if self.client.status != "running":
            scheduler = getattr(self.client.scheduler, "address", "") or self.client.id
            raise RuntimeError(
                f"the connection to the Dask scheduler {scheduler} is lost: connect a new Client, create the "
                "collections again, and repeat the call"
            )

    def submit(self, function: Callable[..., Any], *args: Any, home: str | None = None) -> Any:
        """Submit a task and return its future. The worker `home` runs it if possible. Arguments may contain
        futures, in lists and tuples."""
        self.check()
        where = {} if home is None else {"workers": [home], "allow_other_workers": True}
        return self.client.submit(function, *args, pure=False, **where)

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """The results of the futures. If a task fails, raise its error and cancel the other futures."""
        try:
            return list(self.patiently(self.client.gather, list(futures)))
        except BaseException:
            if self.client.status == "running":
                threading.Thread(target=_cancel, args=(self.client, list(futures)), daemon=True).start()
            raise

    def patiently(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call call(*args), which waits for the scheduler. Stop waiting if the connection is lost or
        interrupted."""
        result: list[Any] = []
        error: list[BaseException] = []
        has_ended = threading.Event()

        context = contextvars.copy_context()  # contains the current client

        def work() -> None:
            try:
                result.append(context.run(call, *args, **kwargs))
            except BaseException as raised:
                error.append(raised)
            finally:
                has_ended.set()

        # Dask waits for half a minute after the end of a scheduler, so it waits in a thread of its own.
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
                "several workers died while they processed the same rows, the last one at "
                f"{error.last_worker.address}: if they lack memory, use smaller partitions or more workers"
            ) from error
        if isinstance(error, FutureCancelledError):
            raise RuntimeError(
                f"the cluster has lost the data of a task ({error}): create the collections again, and "
                "repeat the call"
            ) from error


def _cancel(client: Any, futures: list[Any]) -> None:
    try:
        client.cancel(futures, force=True)
    except Exception:  # the scheduler and its futures are gone
        return


def current() -> Cluster | None:
    """The cluster of the current Client, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return Cluster(distributed.Client.current())
    except ValueError:
        return None


def environment() -> dict[str, str]:
    """The versions and the hardware that the bits of a result depend on."""
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


def warn_of_differences(environments: dict[str, dict[str, str]]) -> None:
    """Warn if workers (by address) have other versions or hardware than this process."""
    local = environment()
    differences: dict[str, list[str]] = {}
    for address, remote in environments.items():
        for what, value in remote.items():
            if value != local.get(what):
                differences.setdefault(f"{what} {value} (here {local.get(what)})", []).append(address)
    if differences:
        what = "; ".join(
            f"{difference} on {addresses[0]}" + f" and {len(addresses) - 1} more" * (len(addresses) > 1)
            for difference, addresses in differences.items()
        )
        callers.warn(
            f"workers differ from this process, so the result may not have the same bits as here: {what}",
            UserWarning,
        )

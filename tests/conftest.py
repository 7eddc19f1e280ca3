"""Fixtures and hooks for all tests."""

from __future__ import annotations

import inspect
import os
import signal
import socket
import threading
import time

import numpy as np
import pytest

import fastgd.kernels.strict  # noqa: F401 - so that small problems run on kernels too

try:
    import hypothesis
except ModuleNotFoundError:
    pass  # pytest --benchmark loads this file too, and needs only the extra "bench"
else:
    hypothesis.settings.register_profile("fastgd", deadline=None, derandomize=True, max_examples=60)
    hypothesis.settings.load_profile("fastgd")

JIT_IS_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def pytest_configure(config):
    """Restore SIGINT. A shell that starts the tests in the background makes them and their children ignore
    it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


STARTING = {"subprocess", "multiprocessing", "fork", "openpty", "LocalCluster"}
"""Names in code that starts processes."""


def starts_processes(function, known):
    """Whether a function of the tests, or one that it calls, starts a process. `known` caches the answers."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(function) or not function.__module__.startswith("tests."):
        return False
    if function not in known:
        known[function] = False  # for recursive functions
        codes = [function.__code__]
        for code in codes:
            codes += [constant for constant in code.co_consts if inspect.iscode(constant)]
        names = {name for code in codes for name in code.co_names}
        called = (function.__globals__.get(name) for name in names)
        known[function] = bool(names & STARTING) or any(starts_processes(other, known) for other in called)
    return known[function]


def pytest_collection_modifyitems(items):
    """Mark tests that start a process as slow. Tests that compute for long have the mark in their file."""
    known = {}
    for item in items:
        if not hasattr(item, "obj"):
            continue
        definitions = [
            one for name in item.fixturenames for one in item._fixtureinfo.name2fixturedefs.get(name, ())
        ]
        functions = [item.obj, *(definition.func for definition in definitions)]
        if any(starts_processes(function, known) for function in functions):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="session")
def loopback_alone():
    """Check that sockets of this process listen on the loopback interface only."""
    bind = socket.socket.bind

    def checked(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            assert address[0] in ("127.0.0.1", "::1", "localhost"), address
        return bind(self, address)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket.socket, "bind", checked)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_260)


@pytest.fixture(scope="session")
def many() -> int:
    """Rows for a test that needs several runs of blocks. Fewer if kernels run as Python."""
    return 10_000 if JIT_IS_OFF else 300_000


@pytest.fixture
def threads_for_all(monkeypatch) -> set[str]:
    """Share small folds among threads too. Returns the set of the names of all threads that took part."""
    from fastgd.engine import reduce

    monkeypatch.setattr(reduce, "LEAST_RUN_NUMBERS", 1)
    monkeypatch.setattr(reduce, "LEAST_THREAD_NUMBERS", 1)
    took_part: set[str] = set()
    reduce_unwatched = reduce.reduce

    def watched(rows, task, n_threads=None, *how, **which):
        def seen(*block):
            took_part.add(threading.current_thread().name)
            is_alone = len(took_part) == 1 and n_threads != 1
            time.sleep(0.005 if is_alone else 0.0002)  # leave some runs to the other threads
            return task(*block)

        return reduce_unwatched(rows, seen, n_threads, *how, **which)

    monkeypatch.setattr(reduce, "reduce", watched)
    return took_part

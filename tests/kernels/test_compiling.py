"""Around a compilation: Ctrl-C waits for its end, and who asked is told that it runs."""

from __future__ import annotations

import signal
import sys

import numpy as np
import pytest

from fastgd.kernels import compiling
from tests.conftest import JIT_IS_OFF
from tests.kernels.processes import output, run

needs_compiler = pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled under NUMBA_DISABLE_JIT")

INTERRUPTED = """
import gc, os, signal, threading
import numpy as np
from fastgd.kernels import _jit, compiling

@_jit.kernel
def inner(x):
    return x + 1.0

@_jit.kernel
def outer(x):
    return inner(x[0]) + np.sqrt(x).sum()

missed, during = compiling.missed, []

def interrupt():
    missed()
    during.append((signal.getsignal(signal.SIGINT), gc.isenabled()))
    if len(during) == 1:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # Python would run a handler here
            pass

compiling.missed = interrupt
"""

IN_THE_MAIN_THREAD = (
    INTERRUPTED
    + """
try:
    outer(np.ones(3))
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted", len(outer.signatures), len(inner.part.signatures), len(during))
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and gc.isenabled()
assert during[0][0] is not signal.default_int_handler and not during[0][1]
print(outer(np.ones(3)))
"""
)

WITH_A_HANDLER = (
    INTERRUPTED
    + """
calls = []
signal.signal(signal.SIGINT, lambda *call: calls.append(len(outer.signatures)))
print(outer(np.ones(3)), calls)
"""
)

IN_ANOTHER_THREAD = (
    INTERRUPTED
    + """
thread = threading.Thread(target=outer, args=(np.ones(3),))
try:
    thread.start()
    while thread.is_alive():
        pass
except KeyboardInterrupt:
    thread.join()
    kept = all(handler is signal.default_int_handler for handler, _ in during)
    print("interrupted", kept, outer(np.ones(3)))
"""
)


@needs_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
def test_an_interrupt_waits_for_the_end_of_a_compilation(tmp_path):
    assert output(IN_THE_MAIN_THREAD, tmp_path).splitlines() == ["interrupted 1 1 2", "5.0"]


@needs_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
def test_the_users_own_handler_is_called_when_the_compilation_has_ended(tmp_path):
    assert output(WITH_A_HANDLER, tmp_path) == "5.0 [1]"


@needs_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
def test_no_handler_is_replaced_while_another_thread_compiles(tmp_path):
    assert output(IN_ANOTHER_THREAD, tmp_path) == "interrupted True 5.0"


def test_an_ignored_interrupt_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with compiling.guarded():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


class Clock:
    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(compiling.time, "monotonic", lambda: self.now)

    def compile(self, *kernels):
        """Kernels of so many seconds, one after the other, for one call."""
        with compiling.guarded():
            for seconds in kernels:
                compiling.missed()
                self.now += seconds


def test_the_notice_is_written_once_compilation_takes_over_a_second(monkeypatch):
    clock, lines = Clock(monkeypatch), []
    with compiling.announced(lines.append):
        clock.compile(0.4, 0.4)
        clock.compile(0.1)
        clock.now += 100.0  # the fit itself
        clock.compile(0.05)
        assert lines == []
        clock.compile(0.3, 0.3)
        assert lines == [compiling.NOTICE]
        clock.compile(5.0, 5.0)
    clock.compile(5.0, 5.0)
    assert lines == [compiling.NOTICE]
    assert "compiling kernels, once" in compiling.NOTICE


def test_the_innermost_block_writes_the_notice(monkeypatch):
    clock, outer, inner = Clock(monkeypatch), [], []
    with compiling.announced(outer.append):
        with compiling.announced(inner.append):
            clock.compile(2.0, 2.0)
        clock.compile(2.0, 2.0)
    assert (outer, inner) == ([], [compiling.NOTICE])


def test_kernels_from_the_cache_take_no_time_of_compilation(monkeypatch):
    clock, lines = Clock(monkeypatch), []
    with compiling.announced(lines.append):
        with compiling.guarded():
            clock.now += 10.0
        clock.compile(0.5, 0.1)
    assert lines == []


def test_seconds_count_loading_and_compiling_once(monkeypatch):
    clock = Clock(monkeypatch)
    loaded, compiled = compiling.seconds()
    with compiling.loading():
        clock.now += 1.0
        clock.compile(2.0, 4.0)
    with compiling.guarded():  # from the disk
        clock.now += 8.0
    clock.now += 16.0  # the fit itself
    after = compiling.seconds()
    assert (after[0] - loaded, after[1] - compiled) == pytest.approx((15.0, 6.0))


def test_a_module_of_kernels_is_imported_at_its_first_use_and_others_are_unknown():
    from fastgd import kernels

    assert kernels.strict.__name__ == "fastgd.kernels.strict"
    assert not hasattr(kernels, "none_such")


@needs_compiler
def test_the_command_line_and_progress_say_that_they_compile_and_functions_do_not(tmp_path):
    lesson = "fastgd.gradient_descent([1.0], [2.0], learning_rate=0.1, backend='numba', progress=PROGRESS)"
    np.savez(tmp_path / "data.npz", X=[[1.0], [2.0]], y=[2.0, 4.0])
    diagnose = ["diagnose", str(tmp_path / "data.npz"), "--target", "y"]
    for number, (program, lines) in enumerate(
        [
            (f"from fastgd.cli.main import main; main({diagnose})", 1),
            ("import fastgd; " + lesson.replace("PROGRESS", "True"), 1),
            ("import fastgd; " + lesson.replace("PROGRESS", "False"), 0),
        ]
    ):
        quick = "from fastgd.kernels import compiling; compiling.PATIENCE = 0.0; "
        done = run(quick + program, tmp_path / str(number))
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("compiling kernels, once") == lines
    assert "compiling kernels" not in run(quick + program, tmp_path / "2").stderr

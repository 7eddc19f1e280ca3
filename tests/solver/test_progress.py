"""A bar where someone looks, and nothing at all where no one does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import tqdm
import tqdm.std

import fastgd
from fastgd.solver import progress
from tests.crashes import bits

ROOT = Path(__file__).parents[2]
GD, SGD = fastgd.gradient_descent, fastgd.sgd
X, Y, _ = fastgd.make_linear(9000, 2, seed=1, noise=0.1)


@pytest.mark.parametrize("solver", [GD, SGD])
@pytest.mark.parametrize("method", ["stream", "summary"])
def test_it_is_quiet_where_nobody_looks_and_changes_nothing(capfd, solver, method):
    how = dict(n_epochs=3, method=method)
    plain = bits(solver(X, Y, **how))  # compiles the kernels, which the bar would say
    assert bits(solver(X, Y, progress=True, **how)) == plain
    assert capfd.readouterr() == ("", "")


PROGRAM = """
import time
import numpy as np, fastgd
from fastgd.solver import progress
progress.DELAY = 0.0
X, y = np.ones(30), np.ones(30)
def parts():
    for start in range(0, 40):
        time.sleep(0.02)
        yield np.ones(5000), np.ones(5000)
def looked(state):
    if state.epoch == FATAL:
        raise RuntimeError("enough")
how = dict(n_epochs=2, learning_rate=0.01, track_cost=True, progress=True, callback=looked)
fastgd.sgd(fastgd.chunks(parts), **how)
"""


def seen_on_a_terminal(program):
    """What a terminal is sent."""
    import termios

    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    env = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "PYTHON_COLORS": "0"}
    child = subprocess.Popen([sys.executable, "-c", program], stderr=theirs, stdout=theirs, env=env)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # the other end has been closed
        pass
    os.close(ours)
    return seen.decode(), child.wait()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a pseudo-terminal is opened")
def test_a_terminal_sees_epochs_with_their_cost_and_rows_with_their_rate():
    seen, status = seen_on_a_terminal(PROGRAM.replace("FATAL", "-1"))
    assert status == 0, seen
    assert "sgd:" in seen
    assert "1/2" in seen
    assert "cost=" in seen
    assert max(map(float, re.findall(r"read=([0-9.]+) s", seen))) > 0.3  # it takes 0.8, less what is ahead
    assert "2/2" in seen
    assert "rows read:" in seen
    assert "200k" in seen
    assert "krow/s" in seen
    last = seen.rstrip().splitlines()[-1].split("\r")[-1]
    assert "2/2" in last  # the bar of the epochs stays, and that of the rows is gone
    assert "rows read" not in last


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a pseudo-terminal is opened")
def test_after_an_error_the_terminal_is_left_in_order():
    seen, status = seen_on_a_terminal(PROGRAM.replace("FATAL", "0"))
    assert status == 1
    bar, trace = seen.split("Traceback", 1)
    assert bar.endswith("\n")
    assert "rows read" not in trace
    assert "RuntimeError: enough" in trace


class Recorded:
    """A stand-in for tqdm's notebook class: what it was asked for, and whether it was closed."""

    made: list = []  # noqa: RUF012 - emptied by each test

    def __init__(self, **how):
        self.how, self.n, self.closed, self.postfix = how, how.get("initial", 0), False, {}
        self.made.append(self)

    def update(self, n):
        assert not self.closed
        self.n += n

    def set_postfix(self, ordered_dict=None, refresh=True, **values):
        self.postfix = dict(ordered_dict or {}, **values)

    def refresh(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def notebook(monkeypatch):
    """tqdm in a notebook, whose bars are widgets; importing it warns, as tqdm does."""
    Recorded.made = []
    monkeypatch.setitem(sys.modules, "tqdm.notebook", types.SimpleNamespace(tqdm=Recorded))

    class Autonotebook(types.ModuleType):
        def __getattr__(self, name):
            if name != "tqdm":
                raise AttributeError(name)
            import warnings

            warnings.warn("notebook mode", tqdm.TqdmExperimentalWarning, stacklevel=2)
            return Recorded

    monkeypatch.setitem(sys.modules, "tqdm.autonotebook", Autonotebook("tqdm.autonotebook"))
    monkeypatch.setattr("fastgd.engine.journal.SHOWN_EVERY", 0.0)
    return Recorded.made


def test_in_a_notebook_its_bars_are_shown_without_a_warning(notebook):
    fit = GD(X, Y, n_epochs=3, method="stream", progress=True)
    epochs, *reads = notebook
    assert "disable" not in epochs.how
    assert (epochs.how["total"], epochs.n) == (3, 3)
    assert epochs.postfix["cost"] == f"{fit.cost_history[-1]:.6g}"
    assert epochs.postfix["read"].endswith(" s")
    assert len(reads) == 1 + fit.n_passes - 1  # the rate's, the start's and one an epoch
    assert {(bar.how["total"], bar.n) for bar in reads} == {(9000, 9000)}
    assert all(bar.closed for bar in notebook)


@pytest.mark.parametrize("is_notebook", [False, True])
def test_without_ipywidgets_the_bar_is_text_without_a_warning(monkeypatch, capsys, is_notebook):
    """Outside notebooks, standard error is no terminal here, and nothing is shown."""

    class Autonotebook(types.ModuleType):
        def __getattr__(self, name):
            import warnings

            if name != "tqdm":
                raise AttributeError(name)
            warnings.warn("IProgress not found", tqdm.TqdmWarning, stacklevel=2)
            return tqdm.std.tqdm

    monkeypatch.setitem(sys.modules, "tqdm.autonotebook", Autonotebook("tqdm.autonotebook"))
    if is_notebook:
        monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", types.ModuleType("ipykernel.zmqshell"))
    GD(X, Y, n_epochs=3, method="stream", progress=True)
    shown = capsys.readouterr().err
    assert ("3/3" in shown and "gradient_descent:" in shown) is is_notebook
    assert is_notebook or not shown


def test_a_cost_of_weighted_rows_is_the_one_of_the_result(notebook):
    s = np.linspace(0.0, 5.0, len(Y))
    fit = SGD(X, Y, sample_weight=s, n_epochs=2, track_cost=True, progress=True)
    assert notebook[0].postfix["cost"] == f"{fit.cost_history[-1]:.6g}"
    assert notebook[0].postfix["read"].endswith(" s")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_no_bar_is_left_behind(notebook, error):
    def fail(state):
        raise error

    with pytest.raises(error):
        GD(X, Y, progress=True, callback=fail)
    bad = X.copy()
    bad[8000] = np.nan
    with pytest.raises(fastgd.InvalidDataError):
        GD(bad, Y, progress=True)
    with pytest.raises(ValueError, match="loss"):
        GD(X, Y, progress=True, loss="none")
    assert all(bar.closed for bar in notebook)


def test_who_goes_on_begins_where_the_other_stood(notebook, tmp_path):
    path = tmp_path / "run.npz"

    def stop(state):
        if state.epoch == 2:
            raise RuntimeError

    how = dict(n_epochs=6, method="stream", checkpoint=path)
    with pytest.raises(RuntimeError):
        GD(X, Y, **how, callback=stop)
    GD(X, Y, **how, callback=lambda state: None, resume=path, progress=True)
    assert (notebook[0].initial, notebook[0].n) == (2, 6)


def test_without_tqdm_one_sentence_says_how_to_get_it(monkeypatch):
    for name in ("tqdm", "tqdm.autonotebook"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ModuleNotFoundError, match=r"progress=True needs tqdm: pip install 'fastgd\[progress\]'"
    ):
        GD(X, Y, progress=True)
    assert GD(X, Y, n_epochs=1).n_epochs == 1


def test_reads_that_are_over_at_once_have_no_bar(monkeypatch):
    made = []
    monkeypatch.setattr(progress.Progress, "read", lambda *what: made.append(what))
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    GD(X, Y, n_epochs=20, method="stream", progress=True)
    assert made == []

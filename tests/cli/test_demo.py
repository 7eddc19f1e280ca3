"""What `fastgd` alone compiles before it measures, and the process that compiles beside it."""

from __future__ import annotations

import contextlib
import sys
from typing import ClassVar

import pytest

from fastgd.cli import demo
from fastgd.data import backend
from fastgd.kernels import _jit
from tests.conftest import JIT_IS_OFF

compiled = pytest.mark.skipif(JIT_IS_OFF, reason="needs the compiler")
EVERY = ["gradient_descent", "sgd in order", "sgd, blocks shuffled"]


def test_each_run_is_compiled_once_before_the_fits(monkeypatch):
    done = []
    monkeypatch.setattr(demo, "_warm_up", done.append)
    monkeypatch.setattr(demo, "_compiled_beside", lambda runs: contextlib.nullcontext())
    monkeypatch.setattr(demo, "_fit_millions", lambda n: [f"fits after {done}"])
    *_, last = demo.demo(5)
    assert last == f"fits after {EVERY}"


def test_without_numba_nothing_is_fitted_to_warm_up(monkeypatch):
    fits = []

    def counted(fit_by):
        def call(X, y, **how):
            fits.append((len(X), how["n_epochs"]))
            return fit_by(X, y, **how)

        return call

    monkeypatch.setattr(backend, "_has_numba", lambda: False)
    monkeypatch.setattr(demo, "_RUNS", {what: counted(fit_by) for what, fit_by in demo._RUNS.items()})
    lines = list(demo.demo(40))
    assert any(line.startswith("Numba is not installed: plain Python on 40 rows") for line in lines)
    assert fits == [(40, 1)] * 9  # three runs, timed three times each


class Child:
    """Stands in for the other process."""

    started: ClassVar[list[Child]] = []

    def __init__(self, command, **_how):
        self.command, self.fate = command, ""
        self.started.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.fate = self.fate or "awaited"

    def kill(self):
        self.fate = "killed"


@pytest.fixture
def children(monkeypatch, tmp_path):
    """The processes that are started, with an empty cache."""
    monkeypatch.setattr(Child, "started", [])
    monkeypatch.setattr(demo.subprocess, "Popen", Child)
    monkeypatch.setattr(demo, "default_threads", lambda: 2)
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(tmp_path / "cache"))
    return Child.started


@compiled
def test_another_process_compiles_the_later_runs_into_an_empty_cache(children, monkeypatch):
    with demo._compiled_beside(EVERY[1:]):
        (child,) = children
        assert child.fate == ""
    assert child.fate == "awaited"
    assert child.command[0] == sys.executable
    done = []
    monkeypatch.setattr(demo, "_warm_up", done.append)
    exec(child.command[-1])
    assert done == EVERY[1:]


@compiled
def test_an_error_kills_the_other_process(children):
    with pytest.raises(KeyboardInterrupt), demo._compiled_beside(EVERY[1:]):
        raise KeyboardInterrupt
    assert [child.fate for child in children] == ["killed"]


@compiled
def test_no_process_is_started_where_kernels_are_kept(children, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o700)
    file = tmp_path / "cache" / "maps.run_1d-0.kernel"
    file.write_bytes(_jit.SOURCES)
    with demo._compiled_beside(EVERY[1:]):
        assert not children
    file.write_bytes(bytes(len(_jit.SOURCES)))  # of other sources
    with demo._compiled_beside(EVERY[1:]):
        assert len(children) == 1


@compiled
def test_no_process_is_started_where_its_code_would_be_lost(children, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert not _jit.can_keep()
    with demo._compiled_beside(EVERY[1:]):
        assert not children


@pytest.mark.parametrize("why", ["one thread", "no Numba"])
def test_no_process_is_started_where_it_is_no_help(children, monkeypatch, why):
    if why == "one thread":
        monkeypatch.setattr(demo, "default_threads", lambda: 1)
    else:
        monkeypatch.setattr(backend, "_has_numba", lambda: False)
    with demo._compiled_beside(EVERY[1:]):
        assert not children


def test_to_ask_for_a_cache_leaves_no_file(children, tmp_path):
    assert _jit.can_keep()
    assert list((tmp_path / "cache").iterdir()) == []

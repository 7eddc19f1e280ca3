"""Which implementation runs."""

from __future__ import annotations

import sys

import pytest

from fastgd.data import backend


@pytest.mark.parametrize(("has_numba", "auto"), [(True, "numba"), (False, "python")])
def test_auto_is_what_is_there(monkeypatch, has_numba, auto):
    monkeypatch.setattr(backend, "_has_numba", lambda: has_numba)
    assert backend.resolve("auto") == auto
    assert backend.resolve("python") == "python"


def test_a_missing_numba_is_said_with_the_install_line(monkeypatch):
    monkeypatch.setattr(backend, "_has_numba", lambda: False)
    with pytest.raises(ModuleNotFoundError, match='^backend="numba" needs Numba: pip install numba$'):
        backend.resolve("numba")


@pytest.mark.parametrize("value", ["cuda", None, 1])
def test_unknown_backends(value):
    with pytest.raises(ValueError, match="^backend must be 'auto' or 'numba' or 'python', not "):
        backend.resolve(value)


@pytest.fixture
def not_loaded(monkeypatch):
    monkeypatch.setattr(backend, "_spent_ns", 0)
    monkeypatch.setattr(backend, "_has_numba", lambda: True)
    monkeypatch.delitem(sys.modules, "fastgd.kernels._jit", raising=False)


def test_little_work_is_done_in_plain_python_until_it_adds_up(not_loaded):
    n = backend.TINY_NS // (3 * backend.PLAIN_NS)
    assert backend.for_exact_loop("auto", n + 1, 1) == "numba"
    times = backend.SPARED_NS // backend.TINY_NS
    assert [backend.for_exact_loop("auto", n, 1) for _ in range(times)] == ["python"] * times
    assert backend.for_exact_loop("auto", n, 1) == "numba"


def test_a_named_backend_is_taken_and_loaded_kernels_are_used(not_loaded, monkeypatch):
    assert backend.for_exact_loop("numba", 3, 1) == "numba"
    assert backend.for_exact_loop("python", 10**9, 1) == "python"
    monkeypatch.setitem(sys.modules, "fastgd.kernels._jit", backend)
    assert backend.for_exact_loop("auto", 3, 1) == "numba"

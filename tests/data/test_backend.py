"""Which implementation runs."""

from __future__ import annotations

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

"""`fastgd cache`: what it counts, and that it removes nothing else."""

from __future__ import annotations

import pytest

from fastgd.kernels import _jit

OURS = [f"strict.{name}-{'0a' * 12}.kernel" for name in ("descend", "cost")]
THEIRS = ["notes.txt", "other.kernel", f"{'0a' * 12}.kernel", f"strict.descend-{'0a' * 12}.txt"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(folder))
    for name in [*OURS, *THEIRS]:
        (folder / name).write_bytes(bytes(200_000))
    return folder


def test_the_number_the_size_and_the_place(run, folder):
    assert run("cache") == (0, f"2 kernels, 0.4 MB in {folder}\n", "")
    (folder / OURS[0]).unlink()
    assert run("cache") == (0, f"1 kernel, 0.2 MB in {folder}\n", "")


def test_clear_removes_kernels_and_nothing_else(run, folder):
    left = folder / f"{OURS[0]}x1y2z3"  # of a process that was killed while it wrote
    left.write_bytes(b"")
    assert run("cache", "--clear") == (0, f"removed 3 kernels, 0.4 MB from {folder}\n", "")
    assert sorted(file.name for file in folder.iterdir()) == sorted(THEIRS)
    assert run("cache") == (0, f"0 kernels, 0.0 MB in {folder}\n", "")


def test_a_folder_that_is_not_there_holds_none(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(tmp_path / "none"))
    assert run("cache", "--clear")[1] == f"removed 0 kernels, 0.0 MB from {tmp_path / 'none'}\n"


def test_the_names_that_are_counted_are_those_that_are_written(monkeypatch, tmp_path):
    if not hasattr(_jit.kernel(lambda x: x), "_cache"):
        pytest.skip("nothing is compiled under NUMBA_DISABLE_JIT")
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(tmp_path / "new"))
    _jit.kernel(twice)(1.0)
    assert [*(tmp_path / "new").iterdir()] == _jit.kept(tmp_path / "new") != []


def twice(x):
    return x + x

"""What a report of a bug should say."""

from __future__ import annotations

import importlib.metadata
import platform

import fastgd
from tests.helpers import WITHOUT_NUMBA, output


def shown(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


def test_versions_of_all_that_is_used(capsys):
    assert fastgd.show_versions() is None
    lines = shown(capsys.readouterr().out)
    assert lines["fastgd"] == fastgd.__version__
    assert lines["Python"].startswith(platform.python_version())
    assert lines["numpy"] == importlib.metadata.version("numpy")
    assert int(lines["processors usable"]) >= 1
    for name in ("numba", "llvmlite", "scikit-learn", "pyarrow", "dask", "distributed", "tqdm", "matplotlib"):
        assert lines[name]
    assert {"system", "processor", "pandas", "polars"} <= lines.keys()


def test_what_is_not_installed_says_so(capsys, monkeypatch):
    def none(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", none)
    fastgd.show_versions()
    lines = shown(capsys.readouterr().out)
    assert lines["tqdm"] == lines["numba"] == "not installed"


def test_the_state_of_the_cache(capsys, monkeypatch, tmp_path):
    folder = tmp_path / "kernels"
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(folder))
    fastgd.show_versions()
    assert shown(capsys.readouterr().out)["compiled kernels"] == f"{folder} (0 files, 0.0 MB)"
    folder.mkdir()
    (folder / "strict.one-000000000000000000000000.kernel").write_bytes(bytes(300_000))
    (folder / "other").write_bytes(b"what is none does not count")
    fastgd.show_versions()
    assert shown(capsys.readouterr().out)["compiled kernels"] == f"{folder} (1 files, 0.3 MB)"
    (tmp_path / "file").write_text("a file where the folder should be")
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    fastgd.show_versions()
    assert str(tmp_path / "file") in shown(capsys.readouterr().out)["compiled kernels"]


def test_without_numba():
    lines = shown(output(WITHOUT_NUMBA + "fastgd.show_versions()"))
    assert lines["compiled kernels"] == "none without Numba"

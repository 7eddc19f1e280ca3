"""What a report of a bug should say: versions, the machine, and the state of the kernels' cache."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator

from fastgd import __version__
from fastgd.engine.threads import default_threads

CORE = ("numpy", "numba", "llvmlite")
EXTRAS = "scikit-learn", "pyarrow", "dask", "distributed", "tqdm", "matplotlib", "pandas", "polars"


def show_versions() -> None:
    """Print the versions of fastgd and of what it uses, the machine, and where compiled kernels are kept.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.show_versions()
    fastgd: ...
    """
    for name, value in _facts():
        print(f"{name}: {value}")


def _facts() -> Iterator[tuple[str, str]]:
    yield "fastgd", __version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})"
    yield "system", platform.platform()
    yield "processor", _processor()
    yield "processors usable", str(default_threads())
    for name in CORE + EXTRAS:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "not installed"
    yield "compiled kernels", _cache()


def _processor() -> str:
    """The model's name where the system tells it, else the architecture."""
    try:
        with open("/proc/cpuinfo", encoding="utf8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return f"{line.partition(':')[2].strip()} ({platform.machine()})"
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cache() -> str:
    try:
        from fastgd.kernels._jit import cache_directory
    except ModuleNotFoundError:
        return "none without Numba"
    folder = cache_directory()
    try:
        sizes = [file.stat().st_size for file in folder.glob("*.kernel")]
    except OSError as error:
        return f"{folder} ({error.strerror})"
    parent = next(one for one in (folder, *folder.parents) if one.exists())
    state = "" if os.access(parent, os.W_OK | os.X_OK) else ", not writable"
    return f"{folder} ({len(sizes)} files, {sum(sizes) / 1e6:.1f} MB{state})"

"""Facts for a bug report: versions, the machine, and the kernel cache."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator

from fastgd._version import __version__
from fastgd.engine.threads import default_threads
from fastgd.public import public

CORE = ("numpy", "numba", "llvmlite")
EXTRAS = "scikit-learn", "pyarrow", "dask", "distributed", "tqdm", "matplotlib", "pandas", "polars"


@public
def show_versions() -> None:
    """Print versions of fastgd and its dependencies, the machine, and the folder of the kernel cache.

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
    """The model name of the processor, or the architecture if the name is unknown."""
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
        from fastgd.kernels._jit import cache_directory, kept
    except ModuleNotFoundError:
        return "none without Numba"
    folder = cache_directory()
    try:
        sizes = [file.stat().st_size for file in kept(folder)]
    except OSError as error:
        return f"{folder} ({error.strerror})"
    parent = next(one for one in (folder, *folder.parents) if one.exists())
    state = "" if os.access(parent, os.W_OK | os.X_OK) else ", not writable"
    return f"{folder} ({len(sizes)} files, {sum(sizes) / 1e6:.1f} MB{state})"

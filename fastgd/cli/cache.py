"""The command `fastgd cache`: where compiled kernels are, and how many."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from fastgd.data.backend import resolve


def run(options: Namespace) -> int:
    count, folder = kernels()
    if not options.clear:
        print(f"{count} in {folder}")
        return 0
    from fastgd.kernels import _jit

    for file in _jit.kept(folder):
        file.unlink(missing_ok=True)  # another process may clear too
    print(f"removed {count} from {folder}")
    return 0


def kernels() -> tuple[str, Path]:
    """The number of compiled kernels and their size, and their folder."""
    resolve("numba")  # raises the error without Numba
    from fastgd.kernels import _jit

    folder = _jit.cache_directory()
    sizes = [file.stat().st_size for file in _jit.kept(folder)]
    return f"{len(sizes)} kernel{'s' * (len(sizes) != 1)}, {sum(sizes) / 1e6:.1f} MB", folder

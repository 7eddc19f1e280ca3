"""The command `fastgd warmup`."""

from __future__ import annotations

from argparse import Namespace

from fastgd.data.backend import resolve
from fastgd.kernels import _jit
from fastgd.solver.progress import can_show
from fastgd.warm import warmup


def run(_options: Namespace) -> int:
    resolve("numba")  # raises the error without Numba
    seconds = warmup(progress=can_show())
    folder = _jit.cache_directory()
    sizes = [file.stat().st_size for file in folder.glob("*.kernel")]
    print(f"{len(sizes)} kernels, {sum(sizes) / 1e6:.1f} MB in {folder}; {seconds:.1f} s")
    return 0

"""The command `fastgd warmup`."""

from __future__ import annotations

from argparse import Namespace

from fastgd.cli.cache import kernels
from fastgd.data.backend import resolve
from fastgd.solver.progress import can_show
from fastgd.warm import warmup


def run(_options: Namespace) -> int:
    resolve("numba")  # raises the error without Numba
    seconds = warmup(progress=can_show())
    count, folder = kernels()
    print(f"{count} in {folder}; {seconds:.1f} s")
    return 0

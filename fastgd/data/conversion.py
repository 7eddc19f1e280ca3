"""How numbers that kernels cannot read as they are become a run of rows that they can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.data.backend import resolve
from fastgd.engine.blocks import Array

LEAST_NUMBERS = 1 << 20
"""Of fewer, NumPy has long made a copy before a kernel is compiled, or loaded."""

Fill = Callable[[Array, int, int], None]
"""fill(room, start, stop): write rows start:stop into the room, C-contiguous, float32 or float64."""


def filler(values: NDArray[Any]) -> Fill:
    """The fastest way for this array."""
    if values.ndim == 2 and values.size >= LEAST_NUMBERS and _lies_in_columns(values) and _has_kernels():
        return _turned(values)

    def copied(room: Array, start: int, stop: int) -> None:
        np.copyto(room, values[start:stop], casting="unsafe")

    return copied


def _lies_in_columns(values: NDArray[Any]) -> bool:
    """Whether each column is in one piece, and the next lies behind it: Fortran order, and parts of it."""
    dtype, (down, across) = values.dtype, values.strides
    is_plain = dtype.isnative and values.flags.aligned and (dtype.kind in "iu" or dtype.char in "fd")
    return (
        is_plain
        and values.shape[1] > 1
        and down == dtype.itemsize
        and across % down == 0
        and across >= down * len(values)
    )


def _has_kernels() -> bool:
    return resolve("auto") == "numba"


def _turned(values: NDArray[Any]) -> Fill:
    from fastgd.kernels import convert

    n, d = values.shape
    stride = values.strides[1] // values.itemsize
    columns = np.lib.stride_tricks.as_strided(
        values, ((d - 1) * stride + n,), (values.itemsize,), writeable=False
    )

    def turned(room: Array, start: int, _stop: int) -> None:
        convert.to_rows(columns, start, stride, room.reshape(-1), d)

    return turned

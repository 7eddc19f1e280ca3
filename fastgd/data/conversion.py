"""Conversion of arrays that kernels cannot read into rows that they can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.data.backend import resolve
from fastgd.engine.blocks import Array

LEAST_NUMBERS = 1 << 20
"""NumPy copies a smaller array in less time than it takes to load a kernel."""

Fill = Callable[[Array, int, int], None]
"""fill(room, start, stop) writes rows start:stop into the C-contiguous array `room`, float32 or float64."""


def filler(values: NDArray[Any]) -> Fill:
    """The fastest conversion of this array."""
    is_large = values.ndim == 2 and values.size >= LEAST_NUMBERS
    if is_large and _is_column_major(values) and resolve("auto") == "numba":
        return _transposing(values)

    def copy(room: Array, start: int, stop: int) -> None:
        np.copyto(room, values[start:stop], casting="unsafe")

    return copy


def _is_column_major(values: NDArray[Any]) -> bool:
    """Whether each column is contiguous: arrays in Fortran order and parts of them."""
    dtype, (down, across) = values.dtype, values.strides
    is_plain = dtype.isnative and values.flags.aligned and (dtype.kind in "iu" or dtype.char in "fd")
    return (
        is_plain
        and values.shape[1] > 1
        and down == dtype.itemsize
        and across % down == 0
        and across >= down * len(values)
    )


def _transposing(values: NDArray[Any]) -> Fill:
    from fastgd.kernels import convert

    n, d = values.shape
    stride = values.strides[1] // values.itemsize
    columns = np.lib.stride_tricks.as_strided(
        values, ((d - 1) * stride + n,), (values.itemsize,), writeable=False
    )

    def transpose(room: Array, start: int, _stop: int) -> None:
        convert.to_rows(columns, start, stride, room.reshape(-1), d)

    return transpose

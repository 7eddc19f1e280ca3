"""Conversion of arrays and columns that kernels cannot read into rows that they can read."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.data.backend import resolve
from fastgd.engine.blocks import Array

LEAST_NUMBERS = 1 << 20
"""NumPy copies a smaller array in less time than it takes to load a kernel."""

Fill = Callable[[Array, int, int], None]
"""fill(room, start, stop) writes rows start:stop into the C-contiguous array `room`, float32 or float64.
Several threads may call it at once."""
Which = slice | NDArray[np.integer]


class Column(NamedTuple):
    """A column of n numbers. `read(rows)` returns the numbers of a slice or of given rows.

    `pieces` are the arrays that hold the numbers one after another, if arrays do.
    """

    n: int
    dtype: np.dtype[Any]
    read: Callable[[Which], NDArray[Any]]
    pieces: Sequence[NDArray[Any]] = ()


def column_of(
    pieces: Sequence[NDArray[Any]], take: Callable[[NDArray[np.integer]], NDArray[Any]] | None = None
) -> Column:
    """The numbers of these arrays (n_i,), of one dtype, as a column. `take(rows)` reads given rows of them.

    A single array needs no `take`.
    """
    first = pieces[0]
    if take is None or len(pieces) == 1:
        return Column(len(first), first.dtype, first.__getitem__, pieces)
    ends = [*itertools.accumulate(map(len, pieces))]

    def read(rows: Which) -> NDArray[Any]:
        if not isinstance(rows, slice):
            return take(rows)
        numbers = range(bisect.bisect_right(ends, rows.start), bisect.bisect_left(ends, rows.stop) + 1)
        parts = [_part(pieces[k], ends[k] - len(pieces[k]), rows.start, rows.stop) for k in numbers]
        return parts[0] if len(parts) == 1 else np.concatenate([first[:0], *parts])

    return Column(ends[-1], first.dtype, read, pieces)


def _part(piece: NDArray[Any], begin: int, start: int, stop: int) -> NDArray[Any]:
    """Rows start:stop of a piece that begins at row `begin`."""
    return piece[max(0, start - begin) : max(0, stop - begin)]


def dtype_of(columns: Sequence[Column]) -> np.dtype[Any]:
    """The dtype of rows of these columns: float32 if all are float32, otherwise float64."""
    is_single = all(column.dtype == np.float32 for column in columns)
    return np.dtype(np.float32 if is_single else np.float64)


def filler(values: NDArray[Any]) -> Fill:
    """The fastest conversion of this array."""
    if values.ndim == 2 and _is_large(*values.shape) and _is_held(values[:, 0], values.dtype):
        down, across = values.strides
        if down == values.itemsize and across % down == 0:
            places = _place(values) + across * np.arange(values.shape[1])
            return _turning_in_place(places, 0, len(values), values.dtype, values)

    def copy(room: Array, start: int, stop: int) -> None:
        np.copyto(room, values[start:stop], casting="unsafe")

    return copy


def filler_of_columns(columns: Sequence[Column]) -> Fill:
    """The fastest conversion of these columns."""
    if not _is_large(columns[0].n, len(columns)):
        return functools.partial(_copy, columns)
    ends = sorted({end for column in columns for end in itertools.accumulate(map(len, column.pieces))} - {0})
    if len(ends) <= 1:
        return _turning(columns, 0, columns[0].n)
    turning = functools.cache(lambda k: _turning(columns, ends[k - 1] if k else 0, ends[k]))

    def turn(room: Array, start: int, stop: int) -> None:
        """Turn the stretches of rows in which no column begins another piece."""
        row = start
        while row < stop:
            k = bisect.bisect_right(ends, row)
            end = min(ends[k], stop)
            turning(k)(room[row - start : end - start], row, end)
            row = end

    return turn


def _copy(columns: Sequence[Column], room: Array, start: int, stop: int) -> None:
    for j, column in enumerate(columns):
        room[:, j] = column.read(slice(start, stop))


def _is_large(n: int, d: int) -> bool:
    """Whether a kernel turns columns into rows in less time than NumPy copies them."""
    return d > 1 and n * d >= LEAST_NUMBERS and resolve("auto") == "numba"


def _is_held(values: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Whether the kernel can read these numbers where they are, as numbers of this dtype."""
    is_number = dtype.isnative and (dtype.kind in "iu" or dtype.char in "fd")
    is_line = values.flags.c_contiguous and _place(values) % dtype.itemsize == 0
    return is_number and is_line and values.dtype == dtype


def _turning(columns: Sequence[Column], begin: int, end: int) -> Fill:
    """The fill of rows begin:end, where each column is one array or none.

    The kernel reads columns of one dtype where they are. The numbers of other columns are copied before.
    """
    from fastgd.kernels import convert

    rows = slice(begin, end)
    lines = [column.read(rows) if column.pieces else None for column in columns]
    dtype = lines[0].dtype if lines[0] is not None else None
    if dtype is None or not all(line is not None and _is_held(line, dtype) for line in lines):
        dtype = dtype_of(columns)
    held = [line is not None and _is_held(line, dtype) for line in lines]
    others = [j for j, is_held in enumerate(held) if not is_held]
    places = np.array([0 if line is None else _place(line) for line in lines])
    if not others:
        return _turning_in_place(places, begin, end, dtype, lines)

    def turn_with_others(room: Array, start: int, stop: int) -> None:
        at = places + (start - begin) * dtype.itemsize
        copies = [columns[j].read(slice(start, stop)).astype(dtype) for j in others]
        at[others] = [*map(_place, copies)]
        flat, starts = _spanned(at, stop - start, dtype, (lines, copies))
        convert.to_rows(flat, starts, 0, room.reshape(-1))

    return turn_with_others


def _turning_in_place(
    places: NDArray[np.int64], begin: int, end: int, dtype: np.dtype[Any], owner: Any
) -> Fill:
    """The fill of rows begin:end of columns that have this dtype and begin at these addresses."""
    from fastgd.kernels import convert

    flat, starts = _spanned(places, end - begin, dtype, owner)

    def turn(room: Array, start: int, _stop: int) -> None:
        convert.to_rows(flat, starts, start - begin, room.reshape(-1))

    return turn


class _Memory:
    """Memory from an address on, for `np.asarray`. `owner` keeps it alive."""

    def __init__(self, place: int, n: int, dtype: np.dtype[Any], owner: Any):
        self.owner = owner
        self.__array_interface__ = {"version": 3, "data": (place, True), "shape": (n,), "typestr": dtype.str}


def _place(values: NDArray[Any]) -> int:
    """The address of the first number."""
    return int(values.__array_interface__["data"][0])


def _spanned(
    places: NDArray[np.int64], n: int, dtype: np.dtype[Any], owner: Any
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """One array over all columns of n numbers at these addresses, and the index where each begins.

    The array also spans the memory between them, which nobody reads.
    """
    first = int(places.min())
    starts = (places - first) // dtype.itemsize
    return np.asarray(_Memory(first, int(starts.max()) + n, dtype, owner)), starts

"""Datasets of arrays and data frames.

Arrays are never copied as a whole. Kernels read slices of C-contiguous, aligned, native float32 or float64
arrays. Other arrays (integers, float16, other strides or byte orders), and columns of data frames, are
converted run by run into a buffer that each thread reuses.
"""

from __future__ import annotations

import copy
import math
import mmap
import sys
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from fastgd import display
from fastgd.checks import InvalidDataError, RowPlace, first_nonfinite, refused_nonfinite
from fastgd.data import frames, rounding
from fastgd.data.conversion import Fill, filler
from fastgd.data.dataset import Dataset, Facts, look
from fastgd.data.frames import ColumnTable
from fastgd.engine.blocks import NOTHING, Array, Floats, Reader, block_rows
from fastgd.lazy import lazy_property
from fastgd.wording import cell

_PLAIN = {list, tuple, float, int}
"""Types that are not data frames. Checking them first keeps the lesson's call short."""
_KERNEL_DTYPES = (np.dtype(np.float64), np.dtype(np.float32))
CONVERTED_RUN_BYTES = 1 << 20  # a buffer for each thread, which fits in the second-level cache
_SLICED_RUN_NUMBERS = 1 << 21


def as_array(name: str, value: Any) -> NDArray[Any]:
    """`value` as an array of real numbers. Arrays are not copied."""
    if type(value) is not np.ndarray:
        if type(value) not in _PLAIN:
            if isinstance(value, np.ma.MaskedArray):
                raise InvalidDataError(
                    "is a masked array", what=name, remedy="fill or drop its masked values first"
                )
            if (array := frames.as_array_or_none(name, value)) is not None:
                value = array
        try:
            value = np.asarray(value)
        except Exception as error:  # __array__ of the object may raise anything
            if "inhomogeneous" in str(error):
                raise InvalidDataError(
                    "is ragged: its rows must all have the same length", what=name
                ) from None
            raise InvalidDataError(f"cannot be made an array: {error}", what=name) from None
    if value.base is not None:
        refuse_cut_short(name, value)
    if value.dtype.kind not in "fiub":
        return _from_objects(name, value)
    return value


def mapping_of(array: Any) -> tuple[mmap.mmap, int] | None:
    """The memory map that holds an array, and the position in the file at which the map begins.

    The position is unknown, and assumed to be 0, unless `np.memmap` made the map.
    """
    begin, owner = 0, array
    while owner is not None and not isinstance(owner, mmap.mmap):
        if isinstance(owner, np.memmap) and owner.offset is not None:  # None for an empty part
            begin = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return None if owner is None else (owner, begin)


def refuse_cut_short(name: str, array: NDArray[Any]) -> None:
    """Refuse an array that ends after the end of its file. Reading it would kill the process (SIGBUS)."""
    owner = mapping_of(array)
    if owner is None or array.size == 0:
        return
    mapping, begin = owner
    try:
        size = mapping.size()
    except (OSError, ValueError):  # the map does not keep its file open (trackfd=False)
        return
    needed = begin + byte_bounds(array)[1] - np.frombuffer(mapping, np.uint8).ctypes.data
    if size < needed:
        raise InvalidDataError(
            f"lies in a file that was cut short: it has {size} bytes and the array needs {needed}",
            what=name, remedy="write it again",
        )  # fmt: skip


def _from_objects(name: str, value: NDArray[Any]) -> NDArray[np.float64]:
    """Convert an array of Python numbers to floats, and refuse arrays of anything but numbers."""
    kinds = {
        "c": "complex numbers",
        "U": "text",
        "S": "bytes",
        "M": "dates",
        "m": "time spans",
        "V": "records",
    }
    if value.dtype.kind != "O":
        what = kinds.get(value.dtype.kind, str(value.dtype))
        raise InvalidDataError(f"holds {what} ({value.dtype})", what=name, remedy="it must hold real numbers")
    for index, item in np.ndenumerate(value):
        row, column = (*index, None, None)[:2]
        if not isinstance(item, (int, float, np.number, np.bool_)):
            if hasattr(item, "toarray"):
                raise InvalidDataError("is sparse", what=name, remedy=f"make it dense, {name}.toarray()")
            raise InvalidDataError(
                f"is of type {type(item).__name__}" if value.ndim == 0 else f"is {display.value(item, 60)}",
                what=name, column=column, value=item, remedy=f"{name} must hold real numbers",
                at=RowPlace("", row),
            )  # fmt: skip
        if isinstance(item, int) and abs(item) > sys.float_info.max:
            raise InvalidDataError(
                "is too large for a float", what=name, column=column, value=item, at=RowPlace("", row)
            )
    floats = value.astype(np.float64)
    rounding.warn_of_objects(value, floats, lambda index: cell(name, *index))
    return floats


class ArrayRows(Dataset):
    """Rows in arrays.

    Attributes
    ----------
    X, y : ndarray
        The caller's data. X has shape (n, d), or (n,) as in the lesson.
    weights : ndarray (n,), or (0,) without weights
    """

    is_random = True
    known_n: int
    X: NDArray[Any]
    y: NDArray[Any]
    passes: int = 0
    _watch: rounding.Watch | None = None
    """Warns of rounded integers in memory-mapped arrays."""

    def __init__(self, X: Any, y: Any, weights: Floats = NOTHING):
        self.X = as_array("X", X)
        self.y = as_array("y", y)
        check_shapes(self.X.shape, self.y.shape)
        self.known_n = self.X.shape[0]
        self.is_scalar = self.X.ndim == 1
        self.d: int = 1 if self.is_scalar else self.X.shape[1]
        self.row_bytes: int = self.d * self.X.itemsize + self.y.itemsize
        self.weights = weights
        self.has_weights = len(weights) > 0
        self._table = self.X[:, None] if self.is_scalar else self.X.view()
        self._table.setflags(write=False)
        self._target = read_only(self.y)
        self._is_direct = _is_direct(self._table) and _is_direct(self._target)
        self.run_numbers = _SLICED_RUN_NUMBERS
        if not self._is_direct:
            self._watch_rounding()
            self.run_numbers = CONVERTED_RUN_BYTES // kernel_dtype(self.X.dtype).itemsize

    def _watch_rounding(self) -> None:
        """Warn of integers that floats round: now, or for a memory map when it is read."""
        named = [("X", self.X), ("y", self.y)]
        rounding.warn_of_rounded(*(pair for pair in named if mapping_of(pair[1]) is None))
        if any(mapping_of(values) is not None for _, values in named):
            self._watch = rounding.Watch()

    def set_weights(self, weights: Floats) -> None:
        self.weights, self.has_weights = weights, True
        vars(self).pop("total_weight", None)

    def with_targets(self, y: Floats) -> ArrayRows:
        """These rows with other targets of the same dtype."""
        other = copy.copy(self)
        other.y, other._target = y, read_only(y)
        vars(other).pop("facts", None)
        return other

    def reader(self) -> Reader:
        return ArrayReader(self._table, self._target, self.weights, self._watch)

    def whole(self) -> tuple[Array, Array, Floats]:
        return (self._table, self._target, self.weights) if self._is_direct else super().whole()

    @lazy_property
    def total_weight(self) -> float:
        """Σ s, summed block by block as in `facts`, or n without weights."""
        if not self.has_weights:
            return float(self.n)
        whole = self.n - self.n % block_rows(self.d)
        sums = self.weights[:whole].reshape(-1, block_rows(self.d)).sum(axis=1).tolist()
        total = 0.0
        for part in [*sums, float(self.weights[whole:].sum())]:
            total += part
        return total

    @property
    def least_weight(self) -> float:
        above = self.weights[self.weights > 0.0]
        return float(above.min(initial=math.inf)) if len(above) else super().least_weight

    @lazy_property
    def facts(self) -> Facts:
        facts = Facts()
        look(0, self.y, self.weights, block_rows(self.d), facts.state)
        return facts

    def mark(self) -> tuple[Any, ...]:
        few = np.array([0, self.n // 2, self.n - 1])
        return self.n, self.total_weight, *(part.tobytes() for part in self.reader().take(few))


class FrameRows(ArrayRows):
    """The rows of a data frame whose columns are separate arrays."""

    def __init__(self, table: ColumnTable, y: Any):
        self._columns = table
        self.y = as_array("y", y)
        check_shapes((table.n, table.d), self.y.shape)
        table.warn_of_rounding("X")
        rounding.warn_of_rounded(("y", self.y))
        self.known_n, self.d = table.n, table.d
        self.row_bytes = self.d * table.dtype.itemsize + self.y.itemsize
        self.weights, self.has_weights = NOTHING, False
        self._target = read_only(self.y)
        self._is_direct = False
        self.run_numbers = CONVERTED_RUN_BYTES // table.dtype.itemsize

    @lazy_property
    def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
        """A copy."""
        return self._columns.whole()

    def reader(self) -> Reader:
        return ArrayReader(self._columns, self._target, self.weights)


class ArrayReader:
    """A reader for one thread. Each call overwrites converted rows of the previous one."""

    def __init__(
        self,
        table: NDArray[Any] | ColumnTable,
        target: NDArray[Any],
        weights: Floats,
        watch: rounding.Watch | None = None,
    ):
        self._table, self._target = Buffered(table, "X", watch), Buffered(target, "y", watch)
        self._weights = weights

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        return self._table.read(start, stop), self._target.read(start, stop), self._weights[start:stop]

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        weights = self._weights[order] if len(self._weights) else NOTHING
        return self._table.take(order), self._target.take(order), weights


class Buffered:
    """An array or a table, sliced if kernels can read it, otherwise converted into a buffer."""

    def __init__(self, values: NDArray[Any] | ColumnTable, name: str, watch: rounding.Watch | None):
        self._values, self._name, self._watch = values, name, watch
        self._direct = isinstance(values, np.ndarray) and _is_direct(values)
        self._buffer: Array = np.empty(0)
        if isinstance(values, ColumnTable):
            self._fill: Fill = values.fill
        elif not self._direct:
            self._fill = filler(values)

    def read(self, start: int, stop: int) -> Array:
        values = self._values
        if self._direct and isinstance(values, np.ndarray):
            return values[start:stop]
        room = self._room(stop - start)
        self._fill(room, start, stop)
        if self._watch is not None and isinstance(values, np.ndarray):
            self._watch.look(self._name, start, values[start:stop], lambda row: f"row {start + row}")
        return read_only(room)

    def take(self, order: NDArray[np.integer]) -> Array:
        room, values = self._room(len(order)), self._values
        if isinstance(values, ColumnTable):
            values.take(order, room)
        elif self._direct:
            # With mode="clip" NumPy needs no buffer. The row numbers are valid.
            np.take(values, order, axis=0, out=room, mode="clip")
        else:
            rows = values[order]
            np.copyto(room, rows, casting="unsafe")
            if self._watch is not None:
                self._watch.look_at_taken(self._name, order, rows, len(values))
        return read_only(room)

    def _room(self, rows: int) -> Array:
        """The first rows of the buffer, which grows if it is too small."""
        if len(self._buffer) < rows:
            shape = self._values.shape[1:]
            self._buffer = np.empty((rows, *shape), kernel_dtype(self._values.dtype))
        return self._buffer[:rows]


def check_shapes(X: tuple[int, ...], y: tuple[int, ...]) -> None:
    """Refuse invalid shapes of X and y."""
    if len(X) not in (1, 2):
        raise InvalidDataError(
            f"has {len(X)} dimensions; it must have 1 (a number a row) or 2 (a row of numbers)", what="X"
        )
    if len(y) != 1:
        raise InvalidDataError(
            f"has shape {y}; it must have one dimension, a number a row (y.ravel())", what="y"
        )
    if y != X[:1]:
        raise InvalidDataError(f"has {y[0]} rows and X has {X[0]}; they must agree", what="y")
    if not X[0]:
        raise InvalidDataError("X and y have no rows; at least one is needed")
    if len(X) == 2 and not X[1]:
        raise InvalidDataError(f"has shape {X}, no columns; at least one is needed", what="X")


def as_weights(name: str, value: Any, d: int, is_scalar: bool) -> NDArray[np.float64]:
    """Weights as a new array (d,). In the lesson's case they are one number."""
    if is_scalar and type(value) is float and math.isfinite(value):  # keeps the lesson's call short
        return np.array([value])
    weights = as_array(name, value).astype(np.float64)
    if is_scalar and weights.ndim != 0:
        raise InvalidDataError(
            f"has shape {weights.shape}; X has shape (n,), so {name} is one number "
            "(one row of several numbers is X.reshape(1, -1))",
            what=name,
        )
    if not is_scalar and weights.shape != (d,):
        raise InvalidDataError(
            f"has shape {weights.shape}; X has {d} columns, so it must be ({d},)", what=name
        )
    weights = weights.reshape(d)
    if (bad := first_nonfinite(weights[None])) is not None:
        column = None if is_scalar else bad[1]
        raise refused_nonfinite(name, bad[2], column=column, remedy="weights must be finite")
    return weights


def as_sample_weight(value: Any, n: int) -> Floats:
    """Weights of n rows as a writable array of float64, not copied if they are one. Weights must be finite,
    not negative and not all zero."""
    weights = as_array("sample_weight", value)
    if weights.dtype != np.float64 or not weights.flags.carray:  # one type, so kernels are compiled once
        weights = weights.astype(np.float64, order="C")
    if weights.shape != (n,):
        raise InvalidDataError(
            f"has shape {weights.shape}; X has {n} rows, so it must be ({n},)", what="sample_weight"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        total, least = np.sum(weights), np.min(weights, initial=0.0)
    if not (least == 0.0 and total < np.inf) and (bad := ~(np.isfinite(weights) & (weights >= 0.0))).any():
        row = int(bad.argmax())
        raise InvalidDataError(
            f"is {weights[row]:g}",
            what="sample_weight",
            value=float(weights[row]),
            remedy="weights must be finite and not negative",
            at=RowPlace("", row),
        )
    if total == np.inf:
        raise InvalidDataError("adds up to more than a float holds", what="sample_weight", remedy="scale it")
    if not total and not weights.any():
        raise InvalidDataError("is zero for every row; at least one row must count", what="sample_weight")
    if vanish(total, n):
        raise InvalidDataError(
            f"is {weights.max():g} at most, too small for a float's digits",
            what="sample_weight",
            remedy="scale it",
        )
    return weights


def vanish(total: float, n: int) -> bool:
    """Whether the mean of n weights with the sum `total` is a subnormal number."""
    return bool(total < n * np.finfo(np.float64).tiny)


def kernel_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which kernels read an array: native float32 for float32, float64 for all others."""
    return _KERNEL_DTYPES[dtype.kind == "f" and dtype.itemsize == 4]


def _is_direct(values: NDArray[Any]) -> bool:
    flags = values.flags
    return values.dtype in _KERNEL_DTYPES and flags.c_contiguous and flags.aligned


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """A read-only view. All views are read-only, so that kernels are compiled once."""
    view = values.view()
    view.setflags(write=False)
    return view

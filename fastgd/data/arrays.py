"""Rows from arrays and lists: what is accepted, and how blocks of it reach the kernels.

Nothing is copied whole. Arrays that kernels can read as they are (C-contiguous, aligned, native
float32 or float64) are sliced; anything else (integers, float16, other orders and strides, foreign
byte order) is converted run by run into a buffer that each thread reuses.
"""

from __future__ import annotations

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
from fastgd.data.conversion import filler
from fastgd.data.dataset import Dataset
from fastgd.data.validation import Facts, look
from fastgd.engine.blocks import NOTHING, Array, Floats, Reader, block_rows
from fastgd.lazy import lazy_property
from fastgd.wording import cell

_PLAIN = {list, tuple, float, int}
"""Types that are no frames: the lesson's call, kept short."""
_KERNEL_DTYPES = (np.dtype(np.float64), np.dtype(np.float32))
CONVERTED_RUN_NUMBERS = 1 << 19  # a buffer of 4 MB a thread: shorter runs wait for one another's threads
_SLICED_RUN_NUMBERS = 1 << 21


def as_array(name: str, value: Any) -> NDArray[Any]:
    """`value` as an array of real numbers, not copied where it is an array already."""
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
        except Exception as error:  # whatever the object's own __array__ raises
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
    """The memory map that holds an array, and where in the file it begins.

    Where it begins is not known of a map that `np.memmap` did not make: it is taken for 0.
    """
    begin, owner = 0, array
    while owner is not None and not isinstance(owner, mmap.mmap):
        if isinstance(owner, np.memmap) and owner.offset is not None:  # None of an empty part
            begin = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return None if owner is None else (owner, begin)


def refuse_cut_short(name: str, array: NDArray[Any]) -> None:
    """Refuse an array that ends behind the end of its file: to read it would end the process (SIGBUS)."""
    found = mapping_of(array)
    if found is None or array.size == 0:
        return
    mapping, begin = found
    try:
        size = mapping.size()
    except (OSError, ValueError):  # mapped without its file being kept open (trackfd=False)
        return
    needed = begin + byte_bounds(array)[1] - np.frombuffer(mapping, np.uint8).ctypes.data
    if size < needed:
        raise InvalidDataError(
            f"lies in a file that was cut short: it has {size} bytes and the array needs {needed}",
            what=name, remedy="write it anew",
        )  # fmt: skip


def _from_objects(name: str, value: NDArray[Any]) -> NDArray[np.float64]:
    """Python's own large integers become floats; nothing else that NumPy has no real type for is taken."""
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
    """n rows of d numbers, their targets and weights, in arrays.

    Attributes
    ----------
    X, y : ndarray
        The data as given: X of shape (n,), the lesson's case, or (n, d).
    weights : ndarray (n,), or of length 0 where all rows count alike
    """

    is_random = True
    known_n: int
    X: NDArray[Any]
    y: NDArray[Any]
    passes: int = 0
    _watch: rounding.Watch | None = None
    """Of arrays in files."""

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
        if not self._is_direct:
            self._watch_rounding()
        self.run_numbers = _SLICED_RUN_NUMBERS if self._is_direct else CONVERTED_RUN_NUMBERS

    def _watch_rounding(self) -> None:
        """Whole numbers that floats round are warned of now; those of a file, when they are read."""
        named = [("X", self.X), ("y", self.y)]
        rounding.warn_of_rounded(*(pair for pair in named if mapping_of(pair[1]) is None))
        if any(mapping_of(values) is not None for _, values in named):
            self._watch = rounding.Watch()

    def set_weights(self, weights: Floats) -> None:
        self.weights, self.has_weights = weights, True
        vars(self).pop("total_weight", None)

    def reader(self) -> Reader:
        return ArrayReader(self._table, self._target, self.weights, self._watch)

    def whole(self) -> tuple[Array, Array, Floats]:
        """All rows at once: for inputs of one block."""
        return (self._table, self._target, self.weights) if self._is_direct else super().whole()

    def lists(self) -> tuple[list[Any], list[float], list[float]]:
        """The rows as lists of Python floats, for the twins."""
        X, y = self.X.astype(np.float64), self.y.astype(np.float64)
        return X.tolist(), y.tolist(), self.weights.tolist()

    @lazy_property
    def total_weight(self) -> float:
        """Σ s, block by block as `facts` has it; n where all rows count alike."""
        if not self.has_weights:
            return float(self.n)
        whole = self.n - self.n % block_rows(self.d)
        sums = self.weights[:whole].reshape(-1, block_rows(self.d)).sum(axis=1).tolist()
        total = 0.0
        for part in [*sums, float(self.weights[whole:].sum())]:
            total += part
        return total

    @lazy_property
    def facts(self) -> Facts:
        facts = Facts()
        look(0, self.y, self.weights, block_rows(self.d), facts.state)
        return facts

    def mark(self) -> tuple[Any, ...]:
        few = np.array([0, self.n // 2, self.n - 1])
        return self.n, self.total_weight, *(part.tobytes() for part in self.reader().take(few))


class ArrayReader:
    """Reads for one thread; what `read` returned is overwritten by the next `read`."""

    def __init__(
        self,
        table: NDArray[Any],
        target: NDArray[Any],
        weights: Floats,
        watch: rounding.Watch | None = None,
    ):
        self._table, self._target, self._weights = (
            Column(table, "X", watch),
            Column(target, "y", watch),
            weights,
        )

    def read(self, start: int, stop: int) -> tuple[Array, Array, Floats]:
        return self._table.read(start, stop), self._target.read(start, stop), self._weights[start:stop]

    def take(self, order: NDArray[np.integer]) -> tuple[Array, Array, Floats]:
        weights = self._weights[order] if len(self._weights) else NOTHING
        return self._table.take(order), self._target.take(order), weights


class Column:
    """One array: sliced where kernels can read it, else converted."""

    def __init__(self, values: NDArray[Any], name: str = "", watch: rounding.Watch | None = None):
        self._values, self._name, self._watch = values, name, watch
        self._direct = _is_direct(values)
        self._buffer: Array = np.empty(0)
        if not self._direct:
            self._fill = filler(values)

    def read(self, start: int, stop: int) -> Array:
        if self._direct:
            return self._values[start:stop]
        room = self._room(stop - start)
        self._fill(room, start, stop)
        if self._watch is not None:
            self._watch.look(self._name, start, self._values[start:stop], lambda row: f"row {start + row}")
        return read_only(room)

    def take(self, order: NDArray[np.integer]) -> Array:
        room = self._room(len(order))
        if self._direct:
            # Row numbers are right; "clip" spares a buffer in between.
            np.take(self._values, order, axis=0, out=room, mode="clip")
        else:
            values = self._values[order]
            np.copyto(room, values, casting="unsafe")
            if self._watch is not None:
                self._watch.look_at_taken(self._name, order, values, len(self._values))
        return read_only(room)

    def _room(self, rows: int) -> Array:
        """The first rows of the buffer, made larger where it is too small."""
        if len(self._buffer) < rows:
            self._buffer = np.empty((rows, *self._values.shape[1:]), kernel_dtype(self._values.dtype))
        return self._buffer[:rows]


def check_shapes(X: tuple[int, ...], y: tuple[int, ...]) -> None:
    """Refuse shapes of X and y that cannot be."""
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
    """Weights as a new array (d,): a number in the lesson's case, d of them otherwise."""
    if is_scalar and type(value) is float and math.isfinite(value):  # the lesson's call, kept short
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
    """Weights of n rows as a new array, finite, not negative, not all zero."""
    weights = as_array("sample_weight", value).astype(np.float64)
    if weights.shape != (n,):
        raise InvalidDataError(
            f"has shape {weights.shape}; X has {n} rows, so it must be ({n},)", what="sample_weight"
        )
    bad = ~(np.isfinite(weights) & (weights >= 0.0))
    if bad.any():
        row = int(bad.argmax())
        raise InvalidDataError(
            f"is {weights[row]:g}",
            what="sample_weight",
            value=float(weights[row]),
            remedy="weights must be finite and not negative",
            at=RowPlace("", row),
        )
    with np.errstate(over="ignore"):
        total = np.sum(weights)
    if total == np.inf:
        raise InvalidDataError("adds up to more than a float holds", what="sample_weight", remedy="scale it")
    if not weights.any():
        raise InvalidDataError("is zero for every row; at least one row must count", what="sample_weight")
    if vanish(total, n):
        raise InvalidDataError(
            f"is {weights.max():g} at most, too small for a float's digits",
            what="sample_weight",
            remedy="scale it",
        )
    return np.ascontiguousarray(weights)


def vanish(total: float, n: int) -> bool:
    """Whether n weights that add up to `total` are below the numbers that have all their digits."""
    return bool(total < n * np.finfo(np.float64).tiny)


def kernel_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """float32 stays float32, in the machine's byte order; everything else becomes float64."""
    return _KERNEL_DTYPES[dtype.kind == "f" and dtype.itemsize == 4]


def _is_direct(values: NDArray[Any]) -> bool:
    flags = values.flags
    return values.dtype in _KERNEL_DTYPES and flags.c_contiguous and flags.aligned


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """The view that kernels see: always read-only, so that there is one machine code for all inputs."""
    view = values.view()
    view.setflags(write=False)
    return view

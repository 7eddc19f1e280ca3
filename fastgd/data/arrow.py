"""Arrow columns as NumPy arrays of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = Any
"""A column without missing values: a NumPy array in the same memory, or an Arrow array of booleans or
decimals, which is converted in parts."""


def is_number(kind: Any) -> bool:
    """Whether an Arrow type is numeric: integers, floats, booleans, decimals, and dictionaries of these.

    The type null counts as numeric. All its values are missing.
    """
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return True
    return bool(types.is_decimal(kind) or types.is_null(kind))


def has_no_values(kind: Any) -> bool:
    """Whether an Arrow type is null. All its values are missing."""
    from pyarrow import types

    return bool(types.is_null(kind))


def is_single(kind: Any) -> bool:
    """Whether an Arrow type is float32."""
    from pyarrow import types

    return bool(types.is_float32(kind.value_type if types.is_dictionary(kind) else kind))


def is_whole(kind: Any) -> bool:
    """Whether an Arrow type is an integer type."""
    from pyarrow import types

    return bool(types.is_integer(kind))


def describe(kind: Any) -> str:
    """A type that is not numeric, for messages."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    text = (types.is_string, types.is_large_string, types.is_string_view)
    if any(is_text(kind) for is_text in text):
        return "text"
    if types.is_date(kind) or types.is_timestamp(kind):
        return "dates"
    return f"{kind}"


def decoded(column: Any) -> Any:
    """A column without a dictionary. Only then null_count includes missing values of the dictionary."""
    from pyarrow import types

    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def has_nan(column: Any) -> bool:
    """Whether a decoded column holds a NaN. The sum of a column without NaN is usually not NaN."""
    from pyarrow import types

    if not types.is_floating(column.type):
        return False
    with np.errstate(all="ignore"):
        values = as_numpy(column.drop_null())
        return bool(np.isnan(np.sum(values)) and np.isnan(values).any())


def are_there(column: Any) -> NDArray[np.bool_]:
    """A mask of the rows of a decoded column that are neither missing nor NaN."""
    is_there: NDArray[np.bool_] = as_numpy(column.is_valid()).copy()
    if has_nan(column):
        is_there[is_there] = ~np.isnan(as_numpy(column.drop_null()))
    return is_there


def numbers(column: Any) -> Numbers:
    """A decoded column without missing values as `Numbers`. Nothing is copied."""
    from pyarrow import types

    if types.is_boolean(column.type) or types.is_decimal(column.type):
        return column
    if types.is_null(column.type):
        return np.empty(0)
    return as_numpy(column)


def part(values: Numbers, start: int, stop: int) -> NDArray[Any]:
    """Rows start:stop of `numbers`."""
    if isinstance(values, np.ndarray):
        return values[start:stop]
    return as_numpy(values.slice(start, stop - start))


def as_numpy(column: Any) -> NDArray[Any]:
    """A decoded column without missing values as a NumPy array. Chunks are joined.

    `Array.to_numpy` would import pandas if it is installed, and block the process for two seconds.
    """
    from pyarrow import float64, types, uint8

    if types.is_decimal(column.type):
        column = column.cast(float64())
    is_boolean = types.is_boolean(column.type)
    if is_boolean:
        column = column.cast(uint8())
    values = np.from_dlpack(column if hasattr(column, "buffers") else column.combine_chunks())
    return values.view(np.bool_) if is_boolean else values


def as_arrow(numbers: NDArray[np.int64], is_there: NDArray[np.bool_] | None = None) -> Any:
    """An Arrow array of integers in the same memory, with the mask of those that are not missing.

    `pyarrow.array` would import pandas.
    """
    import pyarrow as pa

    bits = None
    if is_there is not None and not is_there.all():
        bits = pa.py_buffer(np.packbits(is_there, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(numbers), [bits, pa.py_buffer(numbers)])

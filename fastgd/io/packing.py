"""Values of Python as a tree that JSON can say and arrays beside it; and back, to the bit.

What JSON has no form for stands as an object of one key, which says what it is: {"tuple": […]}. Classes are
written by their names, and only those that the reader allows are made.
"""

from __future__ import annotations

import dataclasses
import math
import re
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.checks import InvalidDataError

Arrays = dict[str, NDArray[Any]]

FEW = 16
"""A list of so few numbers, and bytes of so few words, stand in the tree."""
_NUMBER = re.compile(r"[<>|][biufc][0-9]{1,2}")
_LISTED = (np.dtype(np.float64), np.dtype(np.int64))


def pack(value: Any) -> tuple[Any, Arrays]:
    """The tree of a value, and the arrays that it names.

    Values are None, bool, int, float, str, bytes, arrays and scalars of NumPy's number types, and lists,
    tuples, dicts, named tuples and dataclasses of values; TypeError for anything else.
    """
    arrays: Arrays = {}
    return _packed(value, arrays), arrays


def unpack(tree: Any, arrays: Arrays, classes: Iterable[type] = ()) -> Any:
    """The value that `pack` made a tree of; of named tuples and dataclasses only these classes are made.

    Raises InvalidDataError for a tree that `pack` does not make.
    """
    left = dict(arrays)
    try:
        value = _unpacked(tree, left, {kind.__name__: kind for kind in classes})
    except InvalidDataError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, struct.error) as error:
        raise InvalidDataError("holds values that cannot be understood") from error
    if left:
        raise InvalidDataError(f"holds an array that nothing names, {next(iter(left))!r:.40}")
    return value


def _packed(value: Any, arrays: Arrays) -> Any:
    def kept(array: NDArray[Any]) -> str:
        arrays[name := f"a{len(arrays)}"] = array
        return name

    def packed(values: Iterable[Any]) -> list[Any]:
        return [_packed(one, arrays) for one in values]

    kind = type(value)
    if value is None or kind in (bool, str) or (kind is float and math.isfinite(value)):
        return value
    if kind is int:
        return value if abs(value) < 1 << 63 else {"int": hex(value)}
    if kind is float:  # a NaN has a sign and more
        return {"float": struct.pack(">d", value).hex()}
    if kind is bytes and len(value) <= 8 * FEW:
        return {"bytes": value.hex()}
    if kind is bytes:
        return {"long": kept(np.frombuffer(value, np.uint8))}
    if kind is np.ndarray and _NUMBER.fullmatch(value.dtype.str):
        return {"array": kept(value)}
    if isinstance(value, np.generic) and _NUMBER.fullmatch(value.dtype.str):
        return {"scalar": [value.dtype.str, value.tobytes().hex()]}
    if kind is list:
        numbers = _numbers(value) if len(value) > FEW else None
        return packed(value) if numbers is None else {"numbers": kept(numbers)}
    if kind is tuple:
        return {"tuple": packed(value)}
    if kind is dict:
        return {"dict": [packed(item) for item in value.items()]}
    names = _fields(kind)
    if names is not None:
        parts = {name: _packed(getattr(value, name), arrays) for name in names}
        return {"object": [kind.__name__, parts]}
    raise TypeError(f"{display.value(value, 60)}, of type {kind.__name__}, cannot be kept in a file")


def _numbers(values: list[Any]) -> NDArray[Any] | None:
    """A list of floats or of whole numbers, or of lists of as many of them each, as an array."""
    items = values
    if type(values[0]) is list:
        width = len(values[0])
        if not width or not all(type(row) is list and len(row) == width for row in values):
            return None
        items = [number for row in values for number in row]
    kinds = set(map(type, items))
    if kinds == {int} and all(-(1 << 63) <= number < 1 << 63 for number in items):
        return np.array(values, np.int64)
    return np.array(values, np.float64) if kinds == {float} else None


def _fields(kind: type) -> tuple[str, ...] | None:
    """Of a dataclass or a named tuple."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return getattr(kind, "_fields", None) if issubclass(kind, tuple) else None


def _unpacked(tree: Any, left: Arrays, classes: dict[str, type]) -> Any:
    def values(trees: Any) -> list[Any]:
        if type(trees) is not list:
            raise TypeError
        return [_unpacked(one, left, classes) for one in trees]

    if type(tree) is list:
        return values(tree)
    if type(tree) is not dict:
        return tree
    ((what, given),) = tree.items()
    if what == "int":
        return int(given, 16)
    if what == "float":
        return struct.unpack(">d", bytes.fromhex(given))[0]
    if what == "bytes":
        return bytes.fromhex(given)
    if what == "long":
        return left.pop(given).tobytes()
    if what == "array":
        return left.pop(given)
    if what == "scalar":
        dtype, number = given
        if not _NUMBER.fullmatch(dtype):
            raise ValueError
        return np.frombuffer(bytes.fromhex(number), dtype).reshape(())[()]
    if what == "numbers":
        array = left.pop(given)
        if array.dtype not in _LISTED or array.ndim not in (1, 2) or not array.size:
            raise ValueError
        return array.tolist()
    if what == "tuple":
        return tuple(values(given))
    if what == "dict":
        return {_unpacked(key, left, classes): _unpacked(one, left, classes) for key, one in given}
    if what == "object":
        name, parts = given
        if name not in classes:
            raise InvalidDataError(f"holds a {name!r:.40}, which is not made from files")
        return classes[name](**{part: _unpacked(one, left, classes) for part, one in parts.items()})
    raise ValueError

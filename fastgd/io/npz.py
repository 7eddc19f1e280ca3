"""Models and checkpoints in files: an ordinary .npz with a JSON header and arrays by name.

The first member, "header", is JSON as bytes: {"format": "fastgd", "kind": …, "version": 2, "value": …}. What
JSON cannot say stands there as an object with one key: {"tuple": […]}, {"dict": {…}}, the name of a dataclass
or a named tuple with its fields, or what an array of the file stands for: {"array": NAME}, {"float": NAME} …
The zip's checksums (CRC-32) cover all members.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import os
import secrets
import stat
import types
import typing
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Literal, Union, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.checks import InvalidDataError, path_text
from fastgd.data.files import STORED, Path, npz_members

Arrays = dict[str, NDArray[Any]]
VERSION = 2
MAX_HEADER_BYTES = 1 << 20
"""Python's values take up to thirty times the bytes of their JSON."""
FEW = 16
"""Longer lists of numbers are arrays in the file."""
KINDS = "biufc"
"""Kinds of NumPy's numbers."""
FEW_BYTES = MAX_HEADER_BYTES // 4
"""A value that the caller gave takes at most this part of the header."""
_hints = functools.cache(typing.get_type_hints)
_FROM_ARRAY: dict[str, Callable[[NDArray[Any]], Any]] = {
    "array": lambda array: array,
    "bytes": lambda array: array.tobytes(),
    "float": lambda array: array.item(),
    "numbers": lambda array: array.tolist(),
    "scalar": lambda array: array[()],
}


def write(path: Path, kind: str, value: Any) -> None:
    """Replace the file at `path` by one that holds this value, whole or not at all; see `pack` for values."""
    arrays: Arrays = {}
    about = {"format": "fastgd", "kind": kind, "version": VERSION, "value": pack(value, arrays, kind)}
    header = json.dumps(about, allow_nan=False).encode()
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(
            f"{path_text(path)} would have a header of {len(header)} bytes, "
            f"and no more than {MAX_HEADER_BYTES} are read again"
        )
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in [("header", np.frombuffer(header, np.uint8)), *arrays.items()]:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read(path: Path, kinds: dict[str, Any]) -> Any:
    """The value of a file that `write` made, of one of these kinds. Of dataclasses and named tuples only
    those that the annotation of its kind names, and those that their fields name, are made.

    Raises
    ------
    InvalidDataError
        If the file is of another kind or version, is damaged, or holds values that its classes do not.
    """
    name = path_text(path)
    with contextlib.closing(npz_members(path, "fastgd file", [STORED])) as members:
        first, header = next(members, ("", np.empty(0)))
        about = _parsed(header.tobytes()) if first == "header" else None
        if type(about) is not dict or about.get("format") != "fastgd":
            raise InvalidDataError(f"{name} is not a fastgd file, but another .npz file")
        if (version := about.get("version")) != VERSION:
            remedy = "fit again and save, or use the fastgd that wrote it"
            if isinstance(version, int) and version > VERSION:
                remedy = "update fastgd"
            raise InvalidDataError(
                f"{name} has version {version!r:.20} of the format, and this fastgd reads version {VERSION}: "
                f"{remedy}"
            )
        if (kind := about.get("kind")) not in kinds:
            raise InvalidDataError(f"{name} holds a {kind!s:.20}, not a {' or a '.join(kinds)}")
        arrays = dict(members)
    try:
        return unpack(about.get("value"), arrays, kinds[kind])
    except InvalidDataError as error:
        raise InvalidDataError(f"{name} {error}") from None


def storable(value: Any) -> Any:
    """The value, or its numbers where files cannot hold its type."""
    arrays: Arrays = {}
    try:
        if len(str(pack(value, arrays, "value"))) <= FEW_BYTES and len(arrays) <= 16:
            return value
    except TypeError:
        pass
    if isinstance(value, tuple):
        return tuple(np.asarray(part, np.float64).tolist() for part in value)
    return np.asarray(value, np.float64)


def _parsed(header: bytes) -> Any:
    if len(header) > MAX_HEADER_BYTES:
        return None
    try:
        return json.loads(header)
    except (ValueError, RecursionError):
        return None


def pack(value: Any, arrays: Arrays, name: str) -> Any:
    """The value as JSON can say it; arrays and what else needs bytes are added to `arrays` under this name.

    Values are None, bool, int, float, str, bytes, arrays and scalars of NumPy's numbers, and lists, tuples,
    dicts with texts as keys, named tuples and dataclasses of values; TypeError for anything else.
    """

    def member(what: str, array: Any) -> dict[str, str]:
        arrays[name] = np.asarray(array)
        return {what: name}

    def packed(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        names = [(key if key.isidentifier() else number, key, one) for number, (key, one) in enumerate(items)]
        return {key: pack(one, arrays, f"{name}.{part}") for part, key, one in names}

    kind = type(value)
    if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
        return value
    if kind is float:  # NaNs have a sign and more
        return member("float", value)
    if kind is bytes:
        return member("bytes", np.frombuffer(value, np.uint8))
    if (kind is np.ndarray or isinstance(value, np.generic)) and value.dtype.kind in KINDS:
        return member("array" if kind is np.ndarray else "scalar", value)
    if kind is list and (numbers := _as_numbers(value)) is not None:
        return member("numbers", numbers)
    if kind in (list, tuple):
        items = [pack(one, arrays, f"{name}.{number}") for number, one in enumerate(value)]
        return items if kind is list else {"tuple": items}
    if kind is dict and all(type(key) is str for key in value):
        return {"dict": packed(value.items())}
    if (fields := _fields(kind)) is not None:
        return {kind.__name__: packed((field, getattr(value, field)) for field in fields)}
    raise TypeError(f"{display.value(value, 60)}, of type {kind.__name__}, cannot be kept in a file")


def unpack(tree: Any, arrays: Arrays, *classes: type) -> Any:
    """The value that `pack` made this of. Fields of classes must have the types that the classes declare.

    Raises InvalidDataError for what `pack` does not make.
    """
    try:
        return _unpacked(tree, dict(arrays), _classes_in(*classes))
    except InvalidDataError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InvalidDataError("holds values that cannot be understood") from error


def _unpacked(tree: Any, left: Arrays, classes: dict[str, type]) -> Any:
    if type(tree) is list:
        return [_unpacked(one, left, classes) for one in tree]
    if type(tree) is not dict:
        return tree
    ((what, given),) = tree.items()
    if what in _FROM_ARRAY:
        return _FROM_ARRAY[what](left.pop(given))
    if what == "tuple":
        return tuple(_unpacked(one, left, classes) for one in given)
    if what != "dict" and what not in classes:
        raise InvalidDataError(f"holds a {what!r:.40}, which is not made from files")
    parts = {key: _unpacked(one, left, classes) for key, one in given.items()}
    return parts if what == "dict" else _made(classes[what], parts)


@functools.cache
def _classes_in(*hints: Any) -> dict[str, type]:
    """The dataclasses and named tuples that annotations name, and those that their fields name."""
    found: dict[str, type] = {}
    left = list(hints)
    while left:
        hint = left.pop()
        if isinstance(hint, type) and _fields(hint) is not None and hint.__name__ not in found:
            found[hint.__name__] = hint
            left += _hints(hint).values()
        left += get_args(hint) if get_origin(hint) is not Literal else ()
    return found


def _made(kind: type, parts: dict[str, Any]) -> Any:
    """The dataclass or named tuple, if every field has the type that it declares."""
    try:
        value = kind(**parts)
    except TypeError:
        if parts.keys() == set(_fields(kind) or ()):
            raise
        raise InvalidDataError(
            f"holds a {kind.__name__} as another version of fastgd writes it: make it anew and save it"
        ) from None
    check_types(value)
    return value


def check_types(value: Any) -> None:
    """Refuse a dataclass or a named tuple with a field that has not the type that it declares."""
    kind: Any = type(value)
    for field, hint in _hints(kind).items():
        if not is_of_type(getattr(value, field), hint):
            raise InvalidDataError(f"holds a {field} that no {kind.__name__} has")


def is_of_type(value: Any, hint: Any) -> bool:
    """Whether a value has the type of an annotation: a union, literal, tuple, list, array or class."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(is_of_type(value, one) for one in arguments)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin in (np.ndarray, NDArray):  # from NumPy 2.5 on, NDArray[item] keeps its own name
        item = arguments[0] if origin is NDArray else get_args(arguments[1])[0]
        return type(value) is np.ndarray and (item is Any or value.dtype == item)
    if origin is tuple and arguments[-1] is not ...:
        pairs = list(zip(value, arguments, strict=False)) if type(value) is tuple else []
        return len(pairs) == len(arguments) == len(value) and all(is_of_type(*pair) for pair in pairs)
    if origin in (list, tuple):
        return type(value) is origin and all(is_of_type(one, arguments[0]) for one in value)
    return isinstance(value, float) if hint is float else type(value) is (origin or hint)


def _as_numbers(values: list[Any]) -> NDArray[Any] | None:
    """A long list of floats or of ints, or of lists of as many of them each, as an array."""
    if len(values) > FEW:
        flat = [number for one in values for number in (one if type(one) is list else [one])]
        if set(map(type, flat)) in ({float}, {int}):
            with contextlib.suppress(ValueError, OverflowError):  # of unlike lengths, or too large
                array = np.array(values)
                # NumPy makes floats of ints where some are above 2^63.
                return array if array.dtype == (np.float64 if type(flat[0]) is float else np.int64) else None
    return None


def _fields(kind: type) -> tuple[str, ...] | None:
    """The names of the fields of a dataclass or a named tuple."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return getattr(kind, "_fields", None) if issubclass(kind, tuple) else None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that replaces the one at `path` once it is on the disk; an error leaves the old file.

    A killed process may leave a hidden file beside it, with a name that ends in ".tmp".
    """
    target = os.path.realpath(path)  # follow links
    folder, name = os.path.split(target)
    mode = None
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(target).st_mode
    if mode is not None and not stat.S_ISREG(mode):
        raise OSError(f"{path_text(path)} is not a file: name one to write")
    temporary = os.path.join(folder, f".{name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = os.fspath(path)
        raise
    with contextlib.suppress(OSError):  # some systems cannot open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

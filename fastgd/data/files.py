"""Arrays in the user's .npy and .npz files, opened without trust.

Nothing is unpickled, and nothing is allocated before what a header declares is held against the size of the
file; of a compressed member, against the zip's entry, and that against what compressing can come to.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, check_regular

Path = str | os.PathLike[str]

MAGIC = b"\x93NUMPY"
MOST_HEADER_BYTES = 10_000
MOST_AT_ONCE = 1 << 20
"""No read of a zip's directory, or of a compressed part, takes more bytes."""
MOST_RATIO, SMALL = 250, 16_000_000
"""What is compressed further than this, and is larger, is a trap rather than data."""
_DTYPE = re.compile(r"[<>|=]?(?:[?bhilqBHILQefdFD]|[biufcSUmMV][0-9]{1,9}(?:\[[0-9a-zA-Z]{1,9}\])?)")


class _Form(NamedTuple):
    """What a .npy header declares."""

    dtype: np.dtype[Any]
    is_fortran: bool
    shape: tuple[int, ...]
    start: int
    """Where the numbers begin."""

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} of shape {self.shape!r:.60}, {self.size:.6g} bytes"


def open_npy(path: Path) -> NDArray[Any]:
    """The array of a .npy file, on the disk: a read-only memmap.

    Raises
    ------
    InvalidDataError
        If it is no such file, holds Python's objects, or is shorter than it declares.
    """
    check_regular(path)
    with open(path, "rb") as file, _named(path):
        size = os.fstat(file.fileno()).st_size
        form = _form(file)
        if form.size > size - form.start:
            raise InvalidDataError(f"is cut short: it declares {form}, and has {size - form.start} for them")
        if form.size == 0:  # nothing to map
            array = np.empty(form.shape, form.dtype)
            array.flags.writeable = False
            return array
        return np.memmap(
            os.fspath(path), form.dtype, "r", form.start, form.shape, "F" if form.is_fortran else "C"
        )


def open_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz file, by their names, in memory.

    Raises
    ------
    InvalidDataError
        If it is no such file, is damaged, holds anything but arrays, or swells beyond reason.
    """
    check_regular(path)
    with open(path, "rb") as file, _named(path):
        size = os.fstat(file.fileno()).st_size
        if not zipfile.is_zipfile(file):
            file.seek(0)
            if file.read(4) == b"PK\3\4":
                raise InvalidDataError("is cut short: an .npz ends in a list of what it holds")
            raise InvalidDataError(f"is not an .npz file{_hint(file)}")
        with zipfile.ZipFile(_Guarded(file)) as archive:
            _check_members(archive.infolist(), size)
            return {info.filename.removesuffix(".npy"): _member(archive, info) for info in archive.infolist()}


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Every error of a file's content is one sentence that begins with its name."""
    try:
        yield
    except InvalidDataError as error:
        raise InvalidDataError(f"{os.fspath(path)} {error}") from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        ValueError,
        OverflowError,
        RuntimeError,
    ) as e:
        raise InvalidDataError(f"{os.fspath(path)} is damaged: {e!s:.80}") from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # of a place that cannot be
            raise
        raise InvalidDataError(f"{os.fspath(path)} is damaged") from None


def _form(file: Any) -> _Form:
    """The header of a .npy file that begins here."""
    start = file.read(8)
    if start[:6] != MAGIC:
        raise InvalidDataError(f"is not a .npy file{_hint(file)}")
    width, layout = (2, "<H") if start[6:7] == b"\1" else (4, "<I")
    if len(start) < 8 or start[6] not in (1, 2, 3):
        raise InvalidDataError("is a .npy file of an unknown version")
    counted = file.read(width)
    length = struct.unpack(layout, counted)[0] if len(counted) == width else -1
    text = file.read(length) if 0 <= length <= MOST_HEADER_BYTES else b""
    if len(text) != length:
        raise InvalidDataError("is cut short, or damaged: it ends in its header")
    try:
        declared = ast.literal_eval(text.decode("latin1" if start[6] < 3 else "utf8"))
        descr, is_fortran, shape = (declared[name] for name in ("descr", "fortran_order", "shape"))
        is_form = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape) and len(shape) <= 32
        if not is_form or type(is_fortran) is not bool:
            raise ValueError
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise InvalidDataError("is damaged: its header declares no array") from None
    return _Form(_dtype(descr), is_fortran, shape, 8 + width + length)


def _dtype(descr: Any) -> np.dtype[Any]:
    if isinstance(descr, list):
        raise InvalidDataError("holds records; an array of numbers is needed")
    if isinstance(descr, str) and "O" in descr:
        raise InvalidDataError("holds Python objects, which are never read; save it as an array of numbers")
    try:
        if not _DTYPE.fullmatch(descr):
            raise ValueError
        dtype = np.dtype(descr)
    except (TypeError, ValueError):
        raise InvalidDataError(f"is damaged: its header declares items {descr!r:.40}") from None
    if dtype.itemsize == 0:
        raise InvalidDataError(f"holds nothing: items of no bytes ({descr})")
    return dtype


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    seen = set()
    for info in members:
        name = f"{info.filename!r:.60}"
        if not info.filename.endswith(".npy"):
            raise InvalidDataError(f"holds {name}, which is no array")
        if info.filename in seen:
            raise InvalidDataError(f"holds {name} twice")
        seen.add(info.filename)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            raise InvalidDataError(f"holds {name} encrypted or compressed in a way that NumPy does not")
        if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
            raise InvalidDataError(f"is damaged: {name} has two sizes")
        if info.file_size > max(SMALL, MOST_RATIO * info.compress_size):
            raise InvalidDataError(
                f"would swell: {name} makes {info.file_size} bytes of {info.compress_size}; "
                "if that is right, save it with np.savez"
            )
    if sum(info.compress_size for info in members) > size:
        raise InvalidDataError(f"is cut short, or damaged: its members take more than its {size} bytes")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as stream:
        try:
            form = _form(stream)
        except InvalidDataError as error:
            raise InvalidDataError(f"holds {info.filename!r:.60}, which {error}") from None
        if form.size != info.file_size - form.start:
            raise InvalidDataError(
                f"is damaged: {info.filename!r:.60} declares {form}, and has {info.file_size - form.start}"
            )
        array = np.empty(form.shape, form.dtype, "F" if form.is_fortran else "C")
        room = (array.T if form.is_fortran else array).reshape(-1).view(np.uint8).data
        done = 0
        while part := stream.read(MOST_AT_ONCE):
            room[done : done + len(part)] = part
            done += len(part)
        if done != form.size:
            raise InvalidDataError(f"is damaged: {info.filename!r:.60} has {done} bytes of {form.size}")
        return array


def _hint(file: Any) -> str:
    """What it may be instead."""
    with contextlib.suppress(OSError, ValueError):
        file.seek(0)
        start = file.read(512)
        if not start:
            return ": it is empty"
        if start.startswith(b"PK\3\4"):
            return ": it is an .npz, or another zip"
        if start.startswith(MAGIC):
            return ": it is a .npy"
        if start.isascii():
            return ": it is text"
    return ""


class _Guarded:
    """A file of which no read takes much: what a zip declares of its own directory included."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._size = os.fstat(file.fileno()).st_size

    def read(self, n: int = -1) -> bytes:
        left = self._size - self._file.tell()
        if min(n if n >= 0 else left, left) > MOST_AT_ONCE:
            raise InvalidDataError("is damaged, or holds more arrays than can be")
        return self._file.read(n)

"""The one way that fastgd keeps things in files: arrays under a JSON header, in an ordinary npz.

A file is a zip of stored .npy members, the header first, as `np.load` reads it; and of the same content
there is one file, byte for byte. So nothing in it has to be searched for: the header says which arrays
follow, hence where each byte stands and how many there are, which is held against the file's size before
anything is allocated; in the end the file must be the one that its content makes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, check_regular, path_text

Arrays = dict[str, NDArray[Any]]
Path = str | os.PathLike[str]

FORMAT = "fastgd"
MOST_HEADER_BYTES = 1 << 20
"""JSON becomes objects of up to thirty times its size."""
PART_BYTES = 1 << 20
MOST_BYTES = (1 << 32) - 1
"""What the numbers in a zip can count to."""
MOST_DIMENSIONS = 64
"""Of NumPy's arrays."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
_DTYPE = re.compile(r"[<>|][biufc][0-9]{1,2}")
_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
_STORED = 20, 0, 0, 0, 0x21  # zip 2.0; no flags; not compressed; midnight of 1 January 1980


class _Member(NamedTuple):
    """A member of the zip: its name, its .npy header, and how many bytes follow."""

    name: bytes
    npy: bytes
    size: int

    @property
    def start_size(self) -> int:
        """Of all that stands before the bytes."""
        return _LOCAL.size + len(self.name) + len(self.npy)


def write(path: Path, kind: str, version: int, header: dict[str, Any], arrays: Arrays) -> None:
    """Put this file in the place of that at `path`, whole or not at all; `header` is what JSON can say.

    It is written beside the old one and takes its place when it is on the disk. An error leaves the old one
    as it was, and nothing beside it; a killed process may leave a hidden file that ends in ".tmp".
    """
    kept = {name: _contiguous(name, array) for name, array in arrays.items()}
    declared = [(name, a.dtype.str, list(a.shape), _is_fortran(a)) for name, a in kept.items()]
    about = dict(format=FORMAT, kind=kind, version=version, arrays=declared, header=header)
    rest = json.dumps(about, allow_nan=False).encode("ascii")[1:]
    length = len(_checksum(b"", [])) + len(rest)
    members = [_header_member(length), *(_member(*one) for one in declared)]
    if length > MOST_HEADER_BYTES:
        raise ValueError(f"{path_text(path)} would have a header of {length} bytes, more than is read again")
    if _file_size(members) > MOST_BYTES:
        raise ValueError(f"{path_text(path)} would take {_file_size(members) / 1e9:.1f} GB; 4 GB can be kept")
    bodies = [_bytes_of(array) for array in kept.values()]
    bodies = [memoryview(_checksum(rest, bodies) + rest), *bodies]
    starts, end = _frame(members, bodies)
    with replacing(path) as file:
        file.writelines([*(part for pair in zip(starts, bodies, strict=True) for part in pair), end])


def read(path: Path, kind: str, newest: int = 1) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays of a file that `write` made; `newest` is the last version that the caller knows.

    Raises InvalidDataError, with what is wrong, where it is not such a file or not as it was written.
    """
    check_regular(path)
    with open(path, "rb") as file:
        try:
            return _read(file, kind, newest)
        except InvalidDataError as error:
            raise InvalidDataError(f"{os.fspath(path)} {error}") from None


def _read(file: BinaryIO, kind: str, newest: int) -> tuple[dict[str, Any], Arrays]:
    size = os.fstat(file.fileno()).st_size
    header, text = _header(file)
    checksum, about = text[: len(_checksum(b"", []))], _parsed(text)
    if about.get("format") != FORMAT or type(about.get("version")) is not int:
        raise InvalidDataError("is an npz, but not one that fastgd wrote")
    if about.get("kind") != kind:
        raise InvalidDataError(f"holds a {about.get('kind')!s:.20}, not a {kind}")
    if about["version"] > newest:
        raise InvalidDataError("was written by a newer fastgd: update fastgd to read it")
    try:
        members = [header, *(_member(*_declared(one)) for one in about["arrays"])]
        if len({member.name for member in members}) < len(members) or type(about["header"]) is not dict:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise InvalidDataError("is damaged: its header tells of arrays that cannot be") from None
    expected = _file_size(members)
    if size != expected or size > MOST_BYTES:
        what = "cut short" if size < expected else "damaged"
        raise InvalidDataError(f"is {what}: it has {size} bytes, and by its header {expected}")
    _check_bodies(file, members, checksum, text[len(checksum) :])
    file.seek(0)
    found, arrays, bodies = [file.read(header.start_size)], {}, [memoryview(text)]
    file.seek(header.size, os.SEEK_CUR)
    for (name, dtype, shape, is_fortran), member in zip(about["arrays"], members[1:], strict=True):
        arrays[name] = np.empty(shape, dtype, "F" if is_fortran else "C")
        bodies.append(_bytes_of(arrays[name]))
        found.append(file.read(member.start_size))
        if file.readinto(bodies[-1]) != member.size:  # type: ignore[attr-defined]
            raise InvalidDataError("was cut short while it was read")
    if checksum != _checksum(text[len(checksum) :], bodies[1:]):
        raise InvalidDataError("is damaged: its checksum is not that of its content")
    if (found, file.read(size)) != _frame(members, bodies):
        raise InvalidDataError("is damaged, or another program has changed it")
    return about["header"], arrays


def _check_bodies(file: BinaryIO, members: Sequence[_Member], checksum: bytes, rest: bytes) -> None:
    """Refuse another checksum before anything is allocated for what it is of."""

    def bodies() -> Iterator[memoryview]:
        file.seek(members[0].start_size + members[0].size)
        for member in members[1:]:
            file.seek(member.start_size, os.SEEK_CUR)
            left = member.size
            while left and (part := file.read(min(left, PART_BYTES))):
                left -= len(part)
                yield memoryview(part)

    if checksum != _checksum(rest, bodies()):
        raise InvalidDataError("is damaged: its checksum is not that of its content")


def _header(file: BinaryIO) -> tuple[_Member, bytes]:
    """The first member and its text."""
    start = file.read(_LOCAL.size)
    if len(start) < _LOCAL.size or not start.startswith(b"PK\3\4"):
        raise InvalidDataError("is not a file that fastgd wrote")
    fields = _LOCAL.unpack(start)
    method, size, name = fields[3], fields[8], file.read(fields[9])
    if name != _header_member(0).name:
        raise InvalidDataError("is a zip, but not one that fastgd wrote")
    if method:
        raise InvalidDataError("is compressed; files of fastgd are not: another program has changed it")
    length = size - len(_header_member(0).npy)
    if not 0 < length <= MOST_HEADER_BYTES:
        raise InvalidDataError(f"is damaged: its header cannot have {length} bytes")
    header = _header_member(length)
    file.seek(header.start_size)
    return header, file.read(length)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        about = json.loads(text.decode("ascii"))
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        raise InvalidDataError("is damaged: its header cannot be read")
    return about


def _declared(one: Any) -> tuple[str, str, list[int], bool]:
    """An array as the header tells of it, checked."""
    name, dtype, shape, is_fortran = one
    if not _NAME.fullmatch(name) or not _DTYPE.fullmatch(dtype) or type(is_fortran) is not bool:
        raise ValueError
    if np.dtype(dtype).str != dtype or type(shape) is not list:
        raise ValueError
    if not all(type(n) is int and 0 <= n <= MOST_BYTES for n in shape) or len(shape) > MOST_DIMENSIONS:
        raise ValueError
    if math.prod(n or 1 for n in shape) > MOST_BYTES:
        raise ValueError
    return name, dtype, shape, is_fortran


def _member(name: str, dtype: str, shape: list[int], is_fortran: bool) -> _Member:
    form = f"{{'descr': {dtype!r}, 'fortran_order': {is_fortran}, 'shape': {tuple(shape)!r}, }}".encode()
    form += b" " * (-(len(form) + 11) % 64) + b"\n"
    npy = b"\x93NUMPY\1\0" + struct.pack("<H", len(form)) + form
    return _Member(f"{name}.npy".encode(), npy, math.prod(shape) * np.dtype(dtype).itemsize)


def _header_member(length: int) -> _Member:
    return _member("header", "|u1", [length], False)


def _file_size(members: Sequence[_Member]) -> int:
    return _END.size + sum(m.start_size + m.size + _CENTRAL.size + len(m.name) for m in members)


def _frame(members: Sequence[_Member], bodies: Sequence[memoryview]) -> tuple[list[bytes], bytes]:
    """What stands before each member's bytes, and what after the last: the zip's directory."""
    starts, directory, place = [], b"", 0
    for member, body in zip(members, bodies, strict=True):
        size, crc = len(member.npy) + member.size, zlib.crc32(body, zlib.crc32(member.npy))
        common = *_STORED, crc, size, size, len(member.name), 0
        starts.append(_LOCAL.pack(b"PK\3\4", *common) + member.name + member.npy)
        directory += _CENTRAL.pack(b"PK\1\2", 20, *common, 0, 0, 0, 0, place) + member.name
        place += member.start_size + member.size
    n = len(members)
    return starts, directory + _END.pack(b"PK\5\6", 0, 0, n, n, len(directory), place, 0)


def _checksum(rest: bytes, bodies: Iterable[memoryview]) -> bytes:
    """How the header begins: with the checksum of the rest of it and of the arrays."""
    digest = hashlib.blake2b(rest, digest_size=32)
    for body in bodies:
        digest.update(body)
    return f'{{"checksum": "{digest.hexdigest()}", '.encode()


def _contiguous(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if not _NAME.fullmatch(name) or name == "header":
        raise ValueError(f"an array cannot be kept under the name {name!r}")
    array = np.asarray(array)
    if not _DTYPE.fullmatch(array.dtype.str):
        raise TypeError(f"{name} holds {array.dtype}; only arrays of numbers can be kept")
    return array if array.flags.forc else np.ascontiguousarray(array)


def _is_fortran(array: NDArray[Any]) -> bool:
    return bool(array.flags.fnc)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    """An array's own bytes, in the order in which they lie."""
    return (array.T if _is_fortran(array) else array).reshape(-1).view(np.uint8).data


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of that at `path` when it is on the disk; an error leaves the old one."""
    target = os.path.realpath(path)  # of a link, what it leads to
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
    with contextlib.suppress(OSError):  # where folders cannot be opened, there is nothing to do
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

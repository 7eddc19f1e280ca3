"""Arrays in .npy and .npz files that may be damaged or malicious.

NumPy reads them without pickle. The size that a .npy header declares is compared with the size of the file,
or of the member of a .npz file, before NumPy allocates memory.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import zipfile
from collections.abc import Collection, Generator, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, check_regular, path_text

Path = str | os.PathLike[str]

HEADER_BYTES = 10_012
"""The longest .npy header that NumPy reads, including its magic string and its length."""
MAX_RATIO, SMALL = 250, 16_000_000
"""A member of more than SMALL bytes is refused if it is compressed by a larger ratio than MAX_RATIO."""
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


def open_npy(path: Path) -> NDArray[Any]:
    """The array of a .npy file, as a read-only memory map.

    Raises
    ------
    InvalidDataError
        If the file is no .npy file, holds Python objects or records, or is shorter than its header declares.
    """
    check_regular(path)
    with _refusing(path, ".npy file"), open(path, "rb") as file:
        size, declared = os.fstat(file.fileno()).st_size, _declared_size(file)
        if size < declared:
            raise InvalidDataError(
                f"is cut short: it has {size} bytes, and its header declares {declared!s:.40}"
            )
        return np.load(os.fspath(path), mmap_mode="r", allow_pickle=False)


def open_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz file by name. See `npz_members` for errors."""
    return dict(npz_members(path))


def npz_members(
    path: Path, kind: str = ".npz file", compression: Collection[int] = (STORED, DEFLATED)
) -> Generator[tuple[str, NDArray[Any]], None, None]:
    """Iterate over the names and arrays of a .npz file.

    Raises
    ------
    InvalidDataError
        If the file is no .npz file, is damaged, holds anything but arrays of numbers, text or bytes, has
        another compression, or would need far more memory than it has bytes.
    """
    check_regular(path)
    with _refusing(path, kind), open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _check_members(members, os.fstat(file.fileno()).st_size, compression)
        for member in members:
            with archive.open(member) as stream:
                declared = _declared_size(stream, f"holds {member.filename!r:.60}, which ")
            if declared != member.file_size:  # zipfile checks the CRC only after the last byte
                raise InvalidDataError(
                    f"is damaged: {member.filename!r:.60} has {member.file_size} bytes, "
                    f"and its header declares {declared!s:.40}"
                )
            with archive.open(member) as stream:
                array = np.lib.format.read_array(stream, allow_pickle=False)
            yield member.filename.removesuffix(".npy"), array


@contextlib.contextmanager
def _refusing(path: Path, kind: str) -> Iterator[None]:
    """Turn every error about the content of a file into InvalidDataError with the name of the file."""
    try:
        yield
    except InvalidDataError as error:
        raise InvalidDataError(f"{path_text(path)} {error}") from None
    except MemoryError:  # no error of the file
        raise
    except Exception as error:
        # EINVAL comes from zipfile, which seeks to a position that the file declares.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise InvalidDataError(
            f"{path_text(path)} is not a whole {kind} ({error!s:.100}); write it again"
        ) from None


def _declared_size(file: IO[bytes], which: str = "") -> int:
    """The size of a .npy file according to its header. Refuse arrays of Python objects or records."""
    start = io.BytesIO(file.read(HEADER_BYTES))
    version = np.lib.format.read_magic(start)
    # Version 3 differs from 2 only in the encoding of field names, and records are refused.
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(start)
        if min(shape, default=0) < 0 or dtype.itemsize == 0:
            raise ValueError
    except Exception:  # Python's parser may raise MemoryError and others
        raise InvalidDataError(f"{which}is cut short or damaged: its header declares no array") from None
    if dtype.hasobject:
        raise InvalidDataError(
            f"{which}holds Python objects, which are never read; save it as an array of numbers"
        )
    if dtype.kind == "V":
        raise InvalidDataError(f"{which}holds records; an array of numbers is needed")
    return start.tell() + math.prod(shape) * dtype.itemsize


def _check_members(members: list[zipfile.ZipInfo], size: int, compression: Collection[int]) -> None:
    """Refuse members that are not arrays or have impossible sizes."""
    names = set()
    for member in members:
        name = f"{member.filename!r:.60}"
        if not member.filename.endswith(".npy"):
            raise InvalidDataError(f"holds {name}, which is not an array")
        if member.filename in names:
            raise InvalidDataError(f"holds {name} twice")
        names.add(member.filename)
        if member.compress_type not in compression or member.flag_bits & 1:
            raise InvalidDataError(f"holds {name} encrypted, or compressed in a way that is not read")
        if member.compress_type == STORED and member.file_size != member.compress_size:
            raise InvalidDataError(f"is damaged: {name} has two sizes")
        if member.file_size > max(SMALL, MAX_RATIO * member.compress_size):
            raise InvalidDataError(
                f"would need too much memory: {name} makes {member.file_size} bytes of "
                f"{member.compress_size}; if that is right, save it with np.savez"
            )
    if sum(member.compress_size for member in members) > size:
        raise InvalidDataError(f"is cut short or damaged: its members take more than its {size} bytes")

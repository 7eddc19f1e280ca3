"""Packed files: compressed text, text in other encodings, and the tables in a zip archive.

Pyarrow decompresses gzip, bzip2 and Zstandard itself. All else is unpacked into a temporary file, because a
thread of pyarrow must not call Python: it would abort a process that ends.
"""

from __future__ import annotations

import codecs
import contextlib
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from fastgd.checks import InvalidDataError
from fastgd.data.formats import damaged, reading
from fastgd.data.spool import Spool, blocks_of

ENDINGS = ".gz", ".bz2", ".xz", ".zst"
"""Endings of compressed files."""
BEGINNINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\3\4": "zip",
}
"""The first bytes of compressed files, which tell more than their names."""
SPACES, SPACES_AT_ENDS = re.compile(rb"[ \t]+"), re.compile(rb" ?(\r?\n) ?")
UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


def compression_of(path: Path | Spool) -> str | None:
    """How a file is compressed, by its first bytes."""
    with open(path, "rb") as file:
        begin = file.read(8)
    return next((kind for magic, kind in BEGINNINGS.items() if begin.startswith(magic)), None)


def stream(path: Path | Spool, compression: str | None) -> Any:
    """A stream of decompressed bytes, which is no Python object."""
    import pyarrow as pa

    return pa.input_stream(os.fspath(path), compression=compression)


def as_utf8(path: Path | Spool, encoding: str | None) -> tuple[Path | Spool, str | None]:
    """A text file as UTF-8, and how it is compressed. Both are for `stream`.

    Without an encoding it is UTF-8, or UTF-16 if it begins with its byte order mark.
    """
    compression = compression_of(path)
    if compression == "zip":
        raise InvalidDataError(
            f"{path.name} is a zip archive or a spreadsheet",
            remedy="let its name end in .zip, or save the spreadsheet as CSV",
        )
    if compression == "xz":
        try:
            with lzma.open(path) as file:
                path, compression = Spool(path.name, blocks_of(file)), None
        except (lzma.LZMAError, EOFError) as error:
            raise damaged(path.name, error) from None
    with reading(path.name), stream(path, compression) as opened:
        begin = opened.read(2)
    if encoding is None and begin in UTF_16:
        encoding = "utf-16"
    if encoding is None or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii"):
        return path, compression
    try:
        with reading(path.name), stream(path, compression) as opened:
            texts = codecs.iterdecode(blocks_of(opened), encoding)
            return Spool(path.name, (text.encode() for text in texts)), None
    except UnicodeError as error:
        raise InvalidDataError(f"{path.name} is not {encoding}: {error}"[:300]) from None


def rewritten(blocks: Iterable[bytes], delimiter: str, thousands: str | None) -> Iterator[bytes]:
    """Text with one space in place of several spaces and tabs, or without marks between thousands.

    The lines stay as they are numbered.
    """
    number = _number_with(thousands.encode(), delimiter.encode()) if thousands else None
    for lines in _whole_lines(blocks):
        if delimiter == " ":
            lines = SPACES_AT_ENDS.sub(rb"\1", SPACES.sub(b" ", lines)).lstrip(b" ")
        if thousands and number:
            lines = number.sub(lambda found: found[0].replace(thousands.encode(), b""), lines)
        yield lines


def _number_with(mark: bytes, delimiter: bytes) -> re.Pattern[bytes]:
    """A field that is a number with marks between thousands. It is in quotes if the mark is a delimiter."""
    digits = rb"[+-]?\d{1,3}(?:%b\d{3})+(?:[.,]\d*)?" % re.escape(mark)
    if mark == delimiter:
        return re.compile(rb'(?<=")%b(?=")' % digits)
    edge = b'"\\r\\n' + re.escape(delimiter)
    return re.compile(rb"(?<![^%b])%b(?![^%b])" % (edge, digits, edge))


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        whole, newline, tail = (rest + block).rpartition(b"\n")
        yield whole + newline
        rest = tail
    yield rest


def is_zip(path: Path | Spool) -> bool:
    """Whether a file is an archive, by its name or, if it comes from a pipe, by its first bytes."""
    return path.name.lower().endswith(".zip") or (isinstance(path, Spool) and compression_of(path) == "zip")


def members(path: Path | Spool) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The files in an archive, except those that systems add, as __MACOSX/._a.csv."""
    with _archive(path) as archive:
        return {PurePosixPath(info.filename): info for info in archive.infolist() if not info.is_dir()}


def unpacked(path: Path | Spool, member: zipfile.ZipInfo) -> Spool:
    """A file of an archive."""
    with _archive(path) as archive, archive.open(member) as file:
        return Spool(f"{path.name}/{member.filename}", blocks_of(file))


@contextlib.contextmanager
def _archive(path: Path | Spool) -> Iterator[zipfile.ZipFile]:
    """An open archive. Its errors become InvalidDataError."""
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            yield archive
    except RuntimeError:  # of zipfile, which asks for a password
        raise InvalidDataError(f"{path.name} is encrypted", remedy="unpack it, and name its files") from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise damaged(path.name, error) from None

"""The files of a table and their order."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastgd.checks import InvalidDataError, path_text
from fastgd.data.csv import CsvFile
from fastgd.data.formats import ArrowFile, File, ParquetFile
from fastgd.data.open_streams import OpenStream, is_open_stream
from fastgd.wording import Option

_COMMAS = functools.partial(CsvFile, usual=",")
_TABS = functools.partial(CsvFile, usual="\t")

KINDS: dict[str, Any] = {
    ".parquet": ParquetFile,
    ".pq": ParquetFile,
    ".arrow": ArrowFile,
    ".feather": ArrowFile,
    ".ipc": ArrowFile,
    ".csv": _COMMAS,
    ".csv.gz": _COMMAS,
    ".tsv": _TABS,
    ".tsv.gz": _TABS,
}
"""The reader of a file by the ending of its name."""


def find(path: Any, **dialect: str | None) -> tuple[str, list[File]]:
    """The name of a table and its files in order. `path` is a file, a folder, a list of files, or a stream.

    `dialect` is the `delimiter` and `decimal` of CSV files, or None.
    """
    if is_open_stream(path):
        stream = OpenStream(path)
        refuse_dialect(stream.name, dialect)
        return stream.name, [stream]
    if isinstance(path, (list, tuple)):
        if not path:
            raise InvalidDataError("read_table() was given an empty list of files")
        files = [_opened(file, dialect) for file in [_existing(file) for file in path]]
        return (files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"), files
    root = _existing(path)
    if not root.is_dir():
        return root.name, [_opened(root, dialect)]
    inside = [item for item in root.rglob("*") if not (item.is_dir() or _is_hidden(item.relative_to(root)))]
    if not inside:
        raise InvalidDataError(f"the folder {root.name} has no files")
    kinds = {suffix: item for item in inside if (suffix := _suffix(item))}
    if len({KINDS[suffix] for suffix in kinds}) > 1:
        names = " and ".join(item.name for item in list(kinds.values())[:2])
        raise InvalidDataError(f"the folder {root.name} has files of several kinds ({names}); pass a list")
    for item in inside:
        _refuse_dangling(item, item.relative_to(root).as_posix())
    files = []
    for item in sorted(inside, key=lambda item: item.relative_to(root).parts):
        file = _opened(item, dialect)
        inner = item.relative_to(root)
        file.name = inner.as_posix()
        file.constants = _constants(inner)
        files.append(file)
    return root.name, files


def _existing(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"read_table() takes the name of a file or a folder, or an open stream, not {type(path).__name__}"
        )
    existing = Path(path)
    if not existing.exists():
        _refuse_dangling(existing, path_text(path))
        raise FileNotFoundError(f"there is no file or folder {path_text(path)}")
    return existing


def _refuse_dangling(path: Path, name: str) -> None:
    """Refuse a link to a file that does not exist."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"{name} is a link to {path_text(os.readlink(path))}, which does not exist: repair the link, "
            "or remove it"
        )


def _opened(path: Path, dialect: dict[str, str | None]) -> File:
    if path.is_dir():
        raise InvalidDataError(f"{path.name} is a folder; a list holds files only")
    suffix = _suffix(path)
    if not suffix:
        raise InvalidDataError(f"{path.name} has an unknown ending; known are {', '.join(KINDS)}")
    if KINDS[suffix] in (_COMMAS, _TABS):
        return KINDS[suffix](path, **dialect)
    refuse_dialect(path.name, dialect)
    return KINDS[suffix](path)


def refuse_dialect(name: str, dialect: Mapping[str, str | None]) -> None:
    """Refuse a delimiter or decimal mark for a file that is not CSV."""
    if any(dialect.values()):
        remedy = "leave out ", Option("delimiter"), " and ", Option("decimal")
        raise InvalidDataError(f"{name} is not a CSV file", remedy=remedy)


def _suffix(path: Path) -> str:
    """The longest known ending of the name, or an empty text."""
    name = path.name.lower()
    return max((suffix for suffix in KINDS if name.endswith(suffix)), key=len, default="")


def _is_hidden(path: Path) -> bool:
    """Whether a file is not part of the table, such as _SUCCESS or .part-0.crc."""
    return any(part.startswith((".", "_")) for part in path.parts)


def _constants(path: Path) -> dict[str, float | str]:
    """Columns in the names of folders: year=2026/month=1."""
    pairs = [part.partition("=") for part in path.parts[:-1]]
    return {unquote(name): _number(unquote(value)) for name, sign, value in pairs if sign}


def _number(text: str) -> float | str:
    with contextlib.suppress(ValueError):
        if "_" not in text:  # Python allows "_" in numbers
            return float(text)
    return text

"""Which files a table has, and in what order."""

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
"""How a file is read, by the end of its name."""


def find(path: Any, **dialect: str | None) -> tuple[str, list[File]]:
    """A table's name, and its files in their order: of a file, a folder, or a list of files.

    `dialect` are `delimiter` and `decimal` of CSV files, where the caller asks for some.
    """
    if isinstance(path, (list, tuple)):
        if not path:
            raise InvalidDataError("read_table() was given an empty list of files")
        found = [_existing(one) for one in path]
        files = [_opened(one, dialect) for one in found]
        return (files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"), files
    root = _existing(path)
    if not root.is_dir():
        return root.name, [_opened(root, dialect)]
    inside = [one for one in root.rglob("*") if not (one.is_dir() or _is_hidden(one.relative_to(root)))]
    if not inside:
        raise InvalidDataError(f"the folder {root.name} has no files")
    kinds = {suffix: one for one in inside if (suffix := _suffix(one))}
    if len({KINDS[suffix] for suffix in kinds}) > 1:
        names = " and ".join(one.name for one in list(kinds.values())[:2])
        raise InvalidDataError(f"the folder {root.name} has files of several kinds ({names}); pass a list")
    for one in inside:
        _refuse_dangling(one, one.relative_to(root).as_posix())
    files = []
    for one in sorted(inside, key=lambda one: one.relative_to(root).parts):
        file = _opened(one, dialect)
        inner = one.relative_to(root)
        file.name = inner.as_posix()
        file.constants = _constants(inner)
        files.append(file)
    return root.name, files


def _existing(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"read_table() takes the name of a file or a folder, not {type(path).__name__}")
    found = Path(path)
    if not found.exists():
        _refuse_dangling(found, path_text(path))
        raise FileNotFoundError(f"there is no file or folder {path_text(path)}")
    return found


def _refuse_dangling(path: Path, name: str) -> None:
    """Refuse a link to what is not there."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"{name} is a link to {path_text(os.readlink(path))}, which is not there: mend the link, or "
            "remove it"
        )


def _opened(path: Path, dialect: dict[str, str | None]) -> File:
    if path.is_dir():
        raise InvalidDataError(f"{path.name} is a folder; a list holds files only")
    suffix = _suffix(path)
    if not suffix:
        raise InvalidDataError(f"{path.name} is of no kind that is known: {', '.join(KINDS)}")
    if KINDS[suffix] in (_COMMAS, _TABS):
        return KINDS[suffix](path, **dialect)
    refuse_dialect(path.name, dialect)
    return KINDS[suffix](path)


def refuse_dialect(name: str, dialect: Mapping[str, str | None]) -> None:
    """Refuse a delimiter or a decimal mark of a file that is no CSV."""
    if any(dialect.values()):
        remedy = "leave out ", Option("delimiter"), " and ", Option("decimal")
        raise InvalidDataError(f"{name} is no CSV", remedy=remedy)


def _suffix(path: Path) -> str:
    """The longest that is known; "" for none."""
    name = path.name.lower()
    return max((suffix for suffix in KINDS if name.endswith(suffix)), key=len, default="")


def _is_hidden(path: Path) -> bool:
    """What those who write tables leave beside them: _SUCCESS, .part-0.crc."""
    return any(part.startswith((".", "_")) for part in path.parts)


def _constants(path: Path) -> dict[str, float | str]:
    """Columns told by folders: year=2026/month=1."""
    pairs = [part.partition("=") for part in path.parts[:-1]]
    return {unquote(name): _number(unquote(value)) for name, sign, value in pairs if sign}


def _number(text: str) -> float | str:
    with contextlib.suppress(ValueError):
        if "_" not in text:  # which Python allows in numbers
            return float(text)
    return text

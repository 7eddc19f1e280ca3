"""The files of a table and their order."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote

from fastgd.checks import InvalidDataError, path_text
from fastgd.data import packed
from fastgd.data.csv import CsvFile
from fastgd.data.dialect import NOTHING_KNOWN, CsvOptions
from fastgd.data.formats import ArrowFile, File, ParquetFile
from fastgd.data.open_streams import OpenStream, is_open_stream
from fastgd.data.spool import Spool, blocks_of
from fastgd.wording import Option, listed

KINDS: dict[str, type[File]] = {
    "parquet": ParquetFile,
    "pq": ParquetFile,
    "arrow": ArrowFile,
    "feather": ArrowFile,
    "ipc": ArrowFile,
    "csv": CsvFile,
    "tsv": CsvFile,
}
"""The reader of a file by the ending of its name, which is also the value of `format`."""
USUAL = {"csv": ",", "tsv": "\t"}
"""The usual delimiters."""
SHEETS = ".xlsx", ".xls", ".ods"

Found = tuple[Path | Spool, str]
"""A file and its kind. The kind of a folder is empty."""


def find(path: Any, kind: str | None = None, options: CsvOptions = NOTHING_KNOWN) -> tuple[str, list[File]]:
    """The name of a table and its files in order.

    Parameters
    ----------
    path : str, path, list of these, open file or open stream
        A file, a folder, a pattern, an archive, or what `is_open_stream`.
    kind : str, optional
        A key of KINDS, which the ending of a name tells by default.
    options : CsvOptions
        The options for CSV files.
    """
    if is_open_stream(path):
        stream = OpenStream(path)
        refuse_options(stream.name, options)
        return stream.name, [stream]
    are_several = isinstance(path, (list, tuple))
    if are_several and not path:
        raise InvalidDataError("read_table() was given an empty list of files")
    found = [one for item in (path if are_several else [path]) for one in _found(item, kind)]
    if len(found) == 1 and not are_several and _is_folder(root := found[0][0]):
        return root.name, _inside(Path(root), kind, options)
    for one, _ in found:
        if _is_folder(one):
            raise InvalidDataError(f"{one.name} is a folder; a list holds files only")
    files = [_opened(one, ending, options) for one, ending in found]
    return (files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"), files


def _is_folder(path: Path | Spool) -> bool:
    return isinstance(path, Path) and path.is_dir()


def _inside(root: Path, kind: str | None, options: CsvOptions) -> list[File]:
    """The files of a folder, in the order of their names."""
    inside = [item for item in root.rglob("*") if not (item.is_dir() or _is_hidden(item.relative_to(root)))]
    if not inside:
        raise InvalidDataError(f"the folder {root.name} has no files")
    kinds = {ending: item for item in inside if (ending := kind or _ending(item.name))}
    if len({(KINDS[ending], USUAL.get(ending)) for ending in kinds}) > 1:
        names = " and ".join(item.name for item in list(kinds.values())[:2])
        raise InvalidDataError(f"the folder {root.name} has files of several kinds ({names}); pass a list")
    for item in inside:
        _refuse_dangling(item, item.relative_to(root).as_posix())
    files = []
    for item in sorted(inside, key=lambda item: item.relative_to(root).parts):
        file = _opened(item, kind or _ending(item.name), options)
        inner = item.relative_to(root)
        file.name = inner.as_posix()
        file.constants = _constants(inner)
        files.append(file)
    return files


def _found(path: Any, kind: str | None) -> Iterator[Found]:
    """The files that a path, a pattern or an open file stands for."""
    if hasattr(path, "read"):
        path = Spool(_name(path), blocks_of(path))
    if isinstance(path, Spool):
        is_archive = packed.is_zip(path)
        yield from _unpacked(path, "", kind) if is_archive else [(path, kind or _ending(path.name) or "csv")]
        return
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            "read_table() takes the name of a file or a folder, an open file or an open stream, not "
            f"{type(path).__name__}"
        )
    for one in _existing(Path(path)):
        archive = next((part for part in (one, *one.parents) if _is_archive(part)), None)
        if archive is not None:
            yield from _unpacked(archive, one.relative_to(archive).as_posix().strip("."), kind)
        else:
            yield one, kind or _ending(one.name)


def _existing(path: Path) -> list[Path]:
    """The path, the paths that match it, or a path into an archive."""
    if path.exists() or any(map(_is_archive, path.parents)):
        return [path]
    _refuse_dangling(path, path_text(path))
    if glob.has_magic(str(path)):
        if matching := sorted(glob.glob(str(path), recursive=True)):
            return [Path(match) for match in matching]
        raise FileNotFoundError(f"no file matches {path_text(path)}")
    raise FileNotFoundError(f"there is no file or folder {path_text(path)}")


def _is_archive(path: Path) -> bool:
    return packed.is_zip(path) and path.is_file()


def _unpacked(archive: Path | Spool, pattern: str, kind: str | None) -> Iterator[Found]:
    """The tables of an archive whose names match the pattern, or its only table."""
    members = {str(name): info for name, info in packed.members(archive).items() if not _is_hidden(name)}
    tables = {name: info for name, info in members.items() if kind or _ending(name)} or members
    if pattern:
        tables = {name: info for name, info in members.items() if fnmatchcase(name, pattern)}
        if not tables:
            raise InvalidDataError(
                f"{archive.name} has no {pattern}; it has {listed([*members]) or 'no files'}"
            )
    elif len(tables) != 1:
        if not tables:
            raise InvalidDataError(f"{archive.name} has no files")
        raise InvalidDataError(
            f"{archive.name} has {len(tables)} tables, {listed([*tables])}",
            remedy=f'name one, {archive}/{next(iter(tables))}, or all, "{archive}/*"',
        )
    for name, info in sorted(tables.items()):
        yield packed.unpacked(archive, info), kind or _ending(name)


def _name(file: Any) -> str:
    """The name of an open file, for messages."""
    name = getattr(file, "name", None)
    if name == "<stdin>":
        return "standard input"
    return os.path.basename(name) if isinstance(name, str) and name else type(file).__name__


def _refuse_dangling(path: Path, name: str) -> None:
    """Refuse a link to a file that does not exist."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"{name} is a link to {path_text(os.readlink(path))}, which does not exist: repair the link, "
            "or remove it"
        )


def _opened(path: Path | Spool, kind: str, options: CsvOptions) -> File:
    if not kind:
        is_sheet = path.name.lower().endswith(SHEETS)
        remedy = "save the sheet as CSV" if is_sheet else ("pass ", Option("format", "csv"), " if it is CSV")
        known = ", ".join(f".{ending}" for ending in KINDS)
        raise InvalidDataError(
            f"{path.name} has an unknown ending; known are {known} and .csv.gz, .bz2, .xz, .zst, .zip",
            remedy=remedy,
        )
    if kind in USUAL:
        return CsvFile(path, USUAL[kind], options)
    refuse_options(path.name, options)
    return KINDS[kind](path)


def refuse_options(name: str, options: CsvOptions) -> None:
    """Refuse options of CSV files for another file."""
    if given := options.given:
        remedy = [part for option in given for part in (" and ", Option(option))]
        raise InvalidDataError(f"{name} is not a CSV file", remedy=["leave out ", *remedy[1:]])


def _ending(name: str) -> str:
    """The key of KINDS that a name ends with, or an empty text. Text may be compressed."""
    name = name.lower()
    inner = next((name.removesuffix(end) for end in packed.ENDINGS if name.endswith(end)), name)
    _, dot, ending = inner.rpartition(".")
    return ending if dot and ending in (KINDS if inner == name else USUAL) else ""


def _is_hidden(path: PurePath) -> bool:
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

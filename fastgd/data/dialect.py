"""The dialect of a CSV file: what separates its fields, and which decimal mark its numbers have.

Files from spreadsheets have semicolons, decimal commas or Excel's line `sep=;` where the language of the
computer asks for it. The dialect is recognised from the first rows; keywords of `read_table` force another.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from typing import NamedTuple

DELIMITERS = ",;\t|"
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
ROWS = 100
"""How many rows are looked at."""

COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
"""A number with a decimal comma,"""
GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
"""unless the commas separate thousands: 1,234 may be both, and is taken for neither."""
POINT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
EXCEL = re.compile(r'"?sep=(.)"?\r?(?:\n|$)', re.IGNORECASE)


class Dialect(NamedTuple):
    """How a file is parsed."""

    delimiter: str
    decimal: str
    skip_rows: int = 0
    """Lines before the header: 1 for Excel's `sep=`."""

    def __str__(self) -> str:
        mark = ", decimal commas" if self.decimal == "," else ""
        excel = ", after a line sep=" if self.skip_rows else ""
        return f"{NAMES.get(self.delimiter, repr(self.delimiter))} between fields{mark}{excel}"


def check(delimiter: str | None, decimal: str | None) -> None:
    """Refuse keywords that no file can have.

    Raises
    ------
    ValueError
        `delimiter` is not one ASCII character, or is a quote or the end of a line; `decimal` is neither
        "." nor ",".
    """
    if delimiter is not None and (
        not isinstance(delimiter, str)
        or len(delimiter) != 1
        or not delimiter.isascii()
        or delimiter in '"\r\n\0'
    ):
        raise ValueError(f"delimiter must be one ASCII character, such as ';' or '\\t', not {delimiter!r}")
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal must be '.' or ',', not {decimal!r}")


def recognise(text: str, usual: str, delimiter: str | None = None, decimal: str | None = None) -> Dialect:
    """The dialect of a file that begins with `text`.

    Parameters
    ----------
    text : str
        The first rows.
    usual : str
        The delimiter of files of this name. Another is found where the rows are as long as the header by
        that one alone, or where it leaves more numbers.
    delimiter, decimal : str, optional
        What the caller asks for.

    Returns
    -------
    Dialect
    """
    text = text.removeprefix("\ufeff")
    excel = EXCEL.match(text)
    if excel:
        text, delimiter = text[excel.end() :], delimiter or excel[1]
    lines = list(io.StringIO(text, newline=""))
    if delimiter is None:
        delimiter = _delimiter(lines, usual)
    if decimal is None:
        decimal = _decimal(_rows(lines, delimiter)[1:])
    return Dialect(delimiter, decimal, 1 if excel else 0)


def _delimiter(lines: list[str], usual: str) -> str:
    best, score = usual, -1.0
    for one in usual + DELIMITERS.replace(usual, ""):
        header, *rows = _rows(lines, one) or [[]]
        if len(header) < 2 or any(len(row) != len(header) for row in rows):
            continue
        cells = [cell.strip() for row in rows for cell in row]
        share = sum(map(_is_number, cells)) / max(1, len(cells))
        if share > score:
            best, score = one, share
    return best


def _decimal(rows: list[list[str]]) -> str:
    cells = [cell.strip() for row in rows for cell in row]
    has_point = any("." in cell and POINT.fullmatch(cell) for cell in cells)
    has_comma = any(COMMA.fullmatch(cell) and not GROUPS.fullmatch(cell) for cell in cells)
    return "," if has_comma and not has_point else "."


def _is_number(cell: str) -> bool:
    return bool(POINT.fullmatch(cell) or COMMA.fullmatch(cell))


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    """The header and the first rows, up to one that cannot be parsed."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        for row in csv.reader(lines, delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > ROWS:
                break
    return rows

"""The dialect of a CSV file: what separates its fields, and which decimal mark its numbers have.

Files from spreadsheets have semicolons, decimal commas or Excel's line `sep=;` where the language of the
computer asks for it. The dialect is recognised from the first rows; keywords of `read_table` force another.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
from typing import NamedTuple

DELIMITERS = ",;\t|"
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
ROWS = 100
"""How many rows are looked at."""

COMMA = re.compile(r"[+-]?\d*+,\d++(?:[eE][+-]?\d++)?")
"""A number with a decimal comma,"""
GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
"""unless the commas separate thousands: 1,234 may be both, and is taken for neither."""
POINT = re.compile(r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?")
EXCEL = re.compile(r'((?:\r\n?+|\n)*+)"?sep=([^\r\n])"?(?:\r\n?+|\n|$)', re.IGNORECASE)
"""Excel's line, and the empty lines before it."""
END = re.compile(r"\r\n?+|\n")
MISSING = frozenset(["", "na", "n/a", "nan", "null"])
"""Cells without a value, in small letters and without signs."""


class Dialect(NamedTuple):
    """How a file is parsed."""

    delimiter: str
    decimal: str
    skip_rows: int = 0
    """Lines before the header: Excel's `sep=`, and the empty lines before that."""
    thousands: tuple[int, ...] = ()
    """Columns whose commas may separate thousands, in a file that has decimal commas elsewhere."""

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

    Raises
    ------
    ValueError
        Excel's line `sep=` names a delimiter that no file can have, and `delimiter` is None.
    """
    text = text.removeprefix("\ufeff")
    skip_rows = 0
    if excel := EXCEL.match(text):
        text, skip_rows = text[excel.end() :], 1 + len(END.findall(excel[1]))
        if delimiter is None:
            delimiter = excel[2]
            check(delimiter, None)
    lines = list(io.StringIO(text, newline=""))
    if delimiter is None:
        delimiter = _delimiter(lines, usual)
    if decimal is not None:
        return Dialect(delimiter, decimal, skip_rows)
    decimal, thousands = _decimal(_rows(lines, delimiter)[1:])
    return Dialect(delimiter, decimal, skip_rows, thousands)


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


def _decimal(rows: list[list[str]]) -> tuple[str, tuple[int, ...]]:
    """The decimal mark of the columns of numbers, and the columns whose commas may separate thousands.

    A column holds numbers if most of its cells do. Text, such as lists "1,2", decides nothing for the others.
    """
    have_point = have_comma = False
    thousands = []
    for place, column in enumerate(itertools.zip_longest(*rows, fillvalue="")):
        cells = [cell for cell in map(str.strip, column) if cell.strip("#-").lower() not in MISSING]
        groups = sum(1 for cell in cells if GROUPS.fullmatch(cell))
        commas = sum(1 for cell in cells if COMMA.fullmatch(cell) and not GROUPS.fullmatch(cell))
        if groups and not commas:
            thousands.append(place)
        if 2 * sum(map(_is_number, cells)) > len(cells):
            have_comma |= commas > 0
            have_point |= any("." in cell and POINT.fullmatch(cell) for cell in cells)
    return (",", tuple(thousands)) if have_comma and not have_point else (".", ())


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

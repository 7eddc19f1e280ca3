"""The dialect of a CSV file: its delimiter and its decimal mark.

In some languages spreadsheets write semicolons, decimal commas or Excel's line `sep=;`. The dialect is
recognised from the first rows, unless `read_table` gets keywords.
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
"""The number of rows from which the dialect is recognised."""

COMMA = re.compile(r"[+-]?\d*+,\d++(?:[eE][+-]?\d++)?")
"""A number with a decimal comma."""
GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
"""A number whose commas may separate thousands. 1,234 may have a decimal comma too."""
POINT = re.compile(r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?")
EXCEL = re.compile(r'((?:\r\n?+|\n)*+)"?sep=([^\r\n])"?(?:\r\n?+|\n|$)', re.IGNORECASE)
"""Excel's line `sep=;` and empty lines before it."""
END = re.compile(r"\r\n?+|\n")
MISSING = frozenset(["", "na", "n/a", "nan", "null"])
"""Cells without a value, in lower case and without signs."""


class Dialect(NamedTuple):
    """The dialect of a file."""

    delimiter: str
    decimal: str
    skip_rows: int = 0
    """Lines before the header: Excel's `sep=`, and empty lines before it."""
    thousands: tuple[int, ...] = ()
    """Columns whose commas may separate thousands, if other columns have decimal commas."""

    def __str__(self) -> str:
        mark = ", decimal commas" if self.decimal == "," else ""
        excel = ", after a line sep=" if self.skip_rows else ""
        return f"{NAMES.get(self.delimiter, repr(self.delimiter))} between fields{mark}{excel}"


def check(delimiter: str | None, decimal: str | None) -> None:
    """Refuse an invalid delimiter or decimal mark.

    Raises
    ------
    ValueError
        If `delimiter` is not an ASCII character, or is a quote or a line ending, or `decimal` is neither "."
        nor ",".
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
        The delimiter that is tried first. Another one is chosen if only with it all rows have the length of
        the header, or if it gives more numbers.
    delimiter, decimal : str, optional
        A known delimiter or decimal mark.

    Returns
    -------
    Dialect

    Raises
    ------
    ValueError
        If `delimiter` is None and Excel's line `sep=` has an invalid delimiter.
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
    best, best_share = usual, -1.0
    for delimiter in usual + DELIMITERS.replace(usual, ""):
        header, *rows = _rows(lines, delimiter) or [[]]
        if len(header) < 2 or any(len(row) != len(header) for row in rows):
            continue
        cells = [cell.strip() for row in rows for cell in row]
        share = sum(map(_is_number, cells)) / max(1, len(cells))
        if share > best_share:
            best, best_share = delimiter, share
    return best


def _decimal(rows: list[list[str]]) -> tuple[str, tuple[int, ...]]:
    """The decimal mark of numeric columns, and the columns whose commas may separate thousands.

    A column is numeric if most of its cells are numbers. Other columns do not count.
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
    """The header and the first rows, up to a row that cannot be parsed."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        for row in csv.reader(lines, delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > ROWS:
                break
    return rows

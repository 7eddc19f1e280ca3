"""The dialect of a CSV file: its delimiter and its decimal mark, and the options that force one.

In some languages spreadsheets write semicolons, decimal commas or Excel's line `sep=;`. The dialect is
recognised from the first rows, unless `read_table` gets keywords.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from fastgd import checks, display

DELIMITERS = ",;\t| "
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
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


class CsvOptions(NamedTuple):
    """What a caller knows about CSV files. `read_table` documents the options."""

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    na_values: str | Sequence[str] = ()
    header: bool = True
    skip_rows: int = 0
    encoding: str | None = None

    @property
    def given(self) -> list[str]:
        """The names of the options that are not the default."""
        pairs = zip(self._fields, self, NOTHING_KNOWN, strict=True)
        return [name for name, value, default in pairs if value != default and value != []]

    @property
    def missing(self) -> list[str]:
        """The cells that are missing values beside the usual ones."""
        marks = [self.na_values] if isinstance(self.na_values, str) else self.na_values
        return list(dict.fromkeys(mark.strip() for mark in marks))


NOTHING_KNOWN = CsvOptions()


def check(options: CsvOptions) -> None:
    """Refuse an option that no file can have.

    Raises
    ------
    ValueError
        If `delimiter` is not an ASCII character, or is a quote or a line ending, `decimal` is neither "."
        nor ",", `header` is no truth value, or Python does not know the encoding.
    TypeError
        If `na_values` is neither text nor a sequence of texts.
    """
    delimiter, decimal, thousands, na_values, header, skip_rows, encoding = options
    if delimiter is not None:
        check_delimiter(delimiter)
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal must be '.' or ',', not {decimal!r}")
    if thousands is not None and (
        not isinstance(thousands, str) or len(thousands) != 1 or thousands.isalnum()
    ):
        raise ValueError(f"thousands must be a mark between digits, such as ',', not {thousands!r}")
    if thousands is not None and thousands == decimal:
        raise ValueError(f"thousands and decimal must differ, and both are {decimal!r}")
    checks.flag("header", header)
    checks.whole("skip_rows", skip_rows, 0)
    if not isinstance(na_values, (str, list, tuple)) or not all(isinstance(mark, str) for mark in na_values):
        raise TypeError(f"na_values must be cells of the file as text, not {display.value(na_values)}")
    if encoding is not None and not _is_encoding(encoding):
        raise ValueError(f'encoding must be one of Python\'s, such as "latin-1", not {encoding!r}')


def check_delimiter(delimiter: str) -> None:
    """Refuse a delimiter that is not an ASCII character, or is a quote or a line ending."""
    is_one = isinstance(delimiter, str) and len(delimiter) == 1 and delimiter.isascii()
    if not is_one or delimiter in '"\r\n\0':
        raise ValueError(f"delimiter must be one ASCII character, such as ';' or '\\t', not {delimiter!r}")


def _is_encoding(name: str) -> bool:
    try:
        return isinstance("".encode(name), bytes) and isinstance(codecs.decode(b"", name), str)
    except (LookupError, UnicodeError):  # also for codecs of other things than text
        return False


def recognise(text: str, usual: str, options: CsvOptions = NOTHING_KNOWN) -> Dialect:
    """The dialect of a file that begins with `text`.

    Parameters
    ----------
    text : str
        The first rows.
    usual : str
        The delimiter that is tried first. Another one is chosen if only with it all rows have the length of
        the header, or if it gives more numbers.
    options : CsvOptions
        They may have the delimiter or the decimal mark.

    Returns
    -------
    Dialect

    Raises
    ------
    ValueError
        If `delimiter` is None and Excel's line `sep=` has an invalid delimiter.
    """
    delimiter, decimal = options.delimiter, options.decimal
    text = text.removeprefix("\ufeff")
    skip_rows = 0
    if excel := EXCEL.match(text):
        text, skip_rows = text[excel.end() :], 1 + len(END.findall(excel[1]))
        if delimiter is None:
            delimiter = excel[2]
            check_delimiter(delimiter)
    lines = list(io.StringIO(text, newline=""))
    if delimiter is None:
        delimiter = _delimiter(lines, usual)
    if decimal is not None:
        return Dialect(delimiter, decimal, skip_rows)
    missing = MISSING.union(mark.lower() for mark in options.missing)
    decimal, thousands = _decimal(_rows(lines, delimiter)[options.header :], missing)
    return Dialect(delimiter, decimal, skip_rows, thousands)


def first_row(text: str, delimiter: str) -> list[str]:
    """The first row of a file that begins with `text`."""
    text = text.removeprefix("\ufeff")
    return (_rows(list(io.StringIO(text, newline="")), delimiter) or [[]])[0]


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


def _decimal(rows: list[list[str]], missing: frozenset[str]) -> tuple[str, tuple[int, ...]]:
    """The decimal mark of numeric columns, and the columns whose commas may separate thousands.

    A column is numeric if most of its cells are numbers. Other columns do not count.
    """
    have_point = have_comma = False
    thousands = []
    for place, column in enumerate(itertools.zip_longest(*rows, fillvalue="")):
        cells = [cell for cell in map(str.strip, column) if not _is_missing(cell, missing)]
        groups = sum(1 for cell in cells if GROUPS.fullmatch(cell))
        commas = sum(1 for cell in cells if COMMA.fullmatch(cell) and not GROUPS.fullmatch(cell))
        if groups and not commas:
            thousands.append(place)
        if 2 * sum(map(_is_number, cells)) > len(cells):
            have_comma |= commas > 0
            have_point |= any("." in cell and POINT.fullmatch(cell) for cell in cells)
    return (",", tuple(thousands)) if have_comma and not have_point else (".", ())


def _is_missing(cell: str, missing: frozenset[str]) -> bool:
    cell = cell.lower()
    return cell in missing or cell.strip("#-") in missing


def _is_number(cell: str) -> bool:
    return bool(POINT.fullmatch(cell) or COMMA.fullmatch(cell))


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    """The header and the first rows, up to a row that cannot be parsed."""
    rows: list[list[str]] = []
    if delimiter == " ":  # stands for several spaces and tabs
        lines = [" ".join(line.split()) for line in lines]
    with contextlib.suppress(csv.Error):
        for row in csv.reader(lines, delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > ROWS:
                break
    return rows

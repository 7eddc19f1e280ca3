"""Lines for a terminal: sentences and tables that fit its width."""

from __future__ import annotations

import shutil
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

from fastgd.wording import printable

NARROWEST, LONGEST_LINE = 40, 100
"""The least width that tables are made for, and the longest line of sentences."""
LEAST_NAME = 12
"""Columns of a table are left out where the first would have less room than this."""


def width() -> int:
    """The number of columns of the terminal; $COLUMNS if it is set, and 80 if there is none."""
    return max(NARROWEST, shutil.get_terminal_size().columns)


def wrapped(text: str) -> list[str]:
    """The lines of a sentence."""
    size = min(width(), LONGEST_LINE)
    return textwrap.wrap(printable(text), size, break_on_hyphens=False, subsequent_indent="  ")


def pairs(values: dict[str, str]) -> Iterator[str]:
    """Names and values in two columns."""
    size = max(map(len, values), default=0)
    for name, value in values.items():
        yield from wrapped(f"{name:<{size}}  {value}")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table whose first column is names. Names are cut, and last columns left out, where it is too wide."""
    header, *rows = [(printable(first), *others) for first, *others in (header, *rows)]
    sizes = [max(map(_size, column)) for column in zip(header, *rows, strict=True)]
    while (room := width() - sum(2 + size for size in sizes[1:])) < min(sizes[0], LEAST_NAME):
        sizes.pop()
    room = min(room, sizes[0])
    for first, *others in (header, *rows):
        name = cut(first, room)
        cells = (f"  {cell:>{size}}" for cell, size in zip(others, sizes[1:], strict=False))
        yield (name + " " * (room - _size(name)) + "".join(cells)).rstrip()


def cut(text: str, size: int) -> str:
    """The text without its middle, if it is wider than `size`."""
    if _size(text) <= size:
        return text
    head = _first(text, size // 2)
    return f"{head}…{_first(text[::-1], size - 1 - _size(head))[::-1]}"


def _first(text: str, size: int) -> str:
    """The longest start of a text that takes at most so many columns."""
    used = 0
    for place, letter in enumerate(text):
        used += _size(letter)
        if used > size:
            return text[:place]
    return text


def _size(text: str) -> int:
    """The columns that a text takes: two for a wide letter, none for an accent that joins one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )

"""The rows of a CSV file as text, with the lines in which they begin, for messages."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

BLOCK = 1 << 20
"""Bytes that are read at a time."""


class Lines(NamedTuple):
    """The lines of a stream of bytes."""

    stream: Any
    before: int
    """The number of lines before the stream."""
    longest: int
    """No row has more bytes, unless a quote is opened and never closed."""


def rows(lines: Lines, skip: int, delimiter: str, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Iterate over the rows after the first `skip` ones as lists of text, with the line in which each begins.

    Rows in blocks without quotes and empty lines are counted, not parsed.
    """
    stream, line, longest = lines
    rest = b""
    while block := stream.read(BLOCK):
        whole, newline, tail = (rest + block).rpartition(b"\n")
        whole += newline
        count = whole.count(b"\n")
        if count >= skip or not _is_plain(whole) or len(tail) > longest:
            rest += block
            break
        skip, line, rest = skip - count, line + count, tail
    text = (part.decode("utf-8", "replace") for part in _split(rest, stream, longest))
    parsed = csv.reader(text, delimiter=delimiter, strict=strict)
    begin = 1
    try:
        for row in parsed:
            if row:
                if not skip:
                    yield line + begin, row
                skip = max(0, skip - 1)
            begin = parsed.line_num + 1
    except csv.Error as error:
        if "field larger" not in str(error):
            raise
        yield line + begin, [" " * longest]  # stands for a very long row


def _is_plain(text: bytes) -> bool:
    """Whether each line is a row: there are no quotes, empty lines or other line endings."""
    is_odd = b'"' in text or text.startswith((b"\n", b"\r")) or b"\n\n" in text or b"\n\r" in text
    return not is_odd and text.count(b"\r") == text.count(b"\r\n")


def _split(rest: bytes, stream: Any, longest: int) -> Iterator[bytes]:
    """The lines of `rest` and the stream, up to a line of more than `longest` bytes."""
    for block in itertools.chain(iter(lambda: stream.read(BLOCK), b""), [b""]):
        *whole, rest = (rest + block).splitlines(keepends=True) or [b""]
        yield from whole
        if len(rest) > longest:
            break
    if rest:
        yield rest

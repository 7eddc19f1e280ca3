"""CSV: pyarrow parses, ours are the sentences.

Pyarrow tells what it could not parse, not in which line: that is searched only then, from the last row that
it gave.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import re
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastgd.data.checks import SHOWN_OF_A_VALUE, InvalidDataError, shown
from fastgd.data.formats import File, damaged, reading

BLOCK = 1 << 20
"""Bytes that are parsed at once; more where a row is longer than this part of them:"""
ROWS_OF_BLOCK = 16

BAD_VALUE = re.compile(r"In CSV column #(\d+):.*?invalid value '(.*)'", re.DOTALL)
BAD_ROW = re.compile(r"Expected (\d+) columns, got (\d+)")


class CsvFile(File):
    """Text, a line a row, with a header; numbers as float64."""

    is_guessed = True

    def __init__(self, path: Path, separator: str):
        super().__init__(path)
        self._separator = separator
        self._block = BLOCK
        self._bad: tuple[str, str] | None = None
        """The last value that was no number, and its line."""
        self._is_sound = False
        """Found to have no quote that is never closed."""
        with reading(self.name), self._bytes() as stream:
            head = stream.read(BLOCK)
            while not _ends_line(head) and (more := stream.read(BLOCK)):
                head += more
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise InvalidDataError(f"{self.name} is UTF-16; save it as UTF-8")
        self._block = max(BLOCK, ROWS_OF_BLOCK * len(head.lstrip().splitlines()[0] if head.strip() else b""))
        with self._opened(None) as (batches, _):
            try:
                self.set_schema(batches.schema)
            except UnicodeDecodeError:
                raise InvalidDataError(f"the header of {self.name} is not UTF-8; save it so") from None

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        done = 0
        with self._opened(names) as (batches, stream):
            while True:
                try:
                    batch = batches.read_next_batch()
                except StopIteration:
                    break
                except ValueError as error:
                    raise self._told(error, done) from None
                yield batch
                done += batch.num_rows
            if stream.quotes % 2 and not self._is_sound:
                self._refuse_open_quote()
                self._is_sound = True

    def first(self, name: str) -> str:
        if name in self.constants:
            return ""
        with contextlib.suppress(InvalidDataError), contextlib.closing(self.batches([name])) as batches:
            for _ in batches:
                pass
        return f", {shown(self._bad[0], SHOWN_OF_A_VALUE)} in line {self._bad[1]}" if self._bad else ""

    def begins_with_number(self, name: str) -> bool:
        if name in self.constants:
            return False
        at = self.own_names.index(name)
        values = (row[at].strip() for _, row in self._records(0) if len(row) > at)
        with contextlib.suppress(csv.Error, ValueError):
            return float(next(filter(None, values), "none")) is not None
        return False

    def place(self, row: int) -> str:
        line = next((line for line, _ in self._records(row)), None)
        return super().place(row) + (f" (line {line})" if line else "")

    @contextlib.contextmanager
    def _bytes(self) -> Iterator[_Stream]:
        import pyarrow as pa

        with pa.input_stream(str(self.path), compression="detect") as stream:
            yield _Stream(stream)

    @contextlib.contextmanager
    def _opened(self, names: Sequence[str] | None) -> Iterator[tuple[Any, _Stream]]:
        """A parser, and the bytes that it reads."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        convert = arrow_csv.ConvertOptions()
        if names is not None:
            types = {name: self.kinds[name] for name in names}
            convert.include_columns = list(names)
            convert.column_types = {
                name: kind if pa.types.is_boolean(kind) else pa.float64() for name, kind in types.items()
            }
        with reading(self.name), self._bytes() as stream:
            try:
                batches = arrow_csv.open_csv(
                    stream,
                    read_options=arrow_csv.ReadOptions(block_size=self._block, use_threads=False),
                    parse_options=arrow_csv.ParseOptions(delimiter=self._separator, newlines_in_values=True),
                    convert_options=convert,
                )
            except ValueError as error:
                raise self._told(error, 0) from None
            with batches:
                yield batches, stream

    def _told(self, error: Exception, done: int) -> InvalidDataError:
        """What is wrong in the rows from `done` on."""
        text = str(error)
        if found := BAD_VALUE.search(text):
            column, value = int(found[1]), found[2]
            line = self._line(done, lambda row: len(row) > column and row[column].strip() == value.strip())
            self._bad = value, line
            name = self.own_names[column]
            text = shown(value, SHOWN_OF_A_VALUE)
            return InvalidDataError(f"{self.name}, line {line}: {text} in column {shown(name)} is no number")
        if found := BAD_ROW.search(text):
            got = int(found[2])
            line = self._line(done, lambda row: len(row) == got)
            fields = "1 field" if got == 1 else f"{got} fields"
            return InvalidDataError(f"{self.name}, line {line} has {fields}, and the header {found[1]}")
        if "Empty CSV" in text:
            return InvalidDataError(f"{self.name} has no rows; at least one is needed")
        if "straddl" in text:
            line = self._line(done, lambda row: sum(map(len, row)) > self._block // 2)
            return InvalidDataError(
                f"{self.name}, line {line}: a row is too long, or a quote is opened and never closed"
            )
        return damaged(self.name, error)

    def _line(self, done: int, is_bad: Any) -> str:
        """The number of the line with the first bad row."""
        last = 1
        with contextlib.suppress(csv.Error, OSError):
            for line, row in self._records(done):
                if is_bad(row):
                    return str(line)
                last = line
        return f"{last} or after"

    def _refuse_open_quote(self) -> None:
        """A quote that is never closed takes all rows after it for one value."""
        last = 1
        try:
            for line, _ in self._records(0, strict=True):
                last = line
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise InvalidDataError(
                    f"{self.name}: a quote that is opened after line {last} is never closed"
                ) from None

    def _records(self, first: int, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
        """The rows from `first` on, as text, each with the line that it begins in."""
        with self._bytes() as stream:
            skip, line, rest = first + 1, 0, b""  # the header is skipped too
            while block := stream.read(BLOCK):
                whole, newline, tail = (rest + block).rpartition(b"\n")
                whole += newline
                lines = whole.count(b"\n")
                if lines >= skip or not _is_plain(whole):
                    rest += block
                    break
                skip, line, rest = skip - lines, line + lines, tail
            text = (one.decode("utf-8", "replace") for one in _lines(rest, stream))
            rows = csv.reader(text, delimiter=self._separator, strict=strict)
            begin = 1
            for row in rows:
                if row:
                    if not skip:
                        yield line + begin, row
                    skip = max(0, skip - 1)
                begin = rows.line_num + 1


class _Stream:
    """Bytes as they pass by, and how many quotes were among them."""

    closed = False

    def __init__(self, stream: Any):
        self._stream = stream
        self.quotes = 0

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self.quotes += data.count(b'"')
        return data

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """By who opened it."""


def _ends_line(text: bytes) -> bool:
    return any(end in text.lstrip() for end in (b"\n", b"\r"))


def _is_plain(text: bytes) -> bool:
    """Whether each line is a row: no quotes, no empty lines, none that end otherwise."""
    is_odd = b'"' in text or text.startswith((b"\n", b"\r")) or b"\n\n" in text or b"\n\r" in text
    return not is_odd and text.count(b"\r") == text.count(b"\r\n")


def _lines(rest: bytes, stream: _Stream) -> Iterator[bytes]:
    for block in itertools.chain(iter(lambda: stream.read(BLOCK), b""), [b""]):
        *whole, rest = (rest + block).splitlines(keepends=True) or [b""]
        yield from whole
    if rest:
        yield rest

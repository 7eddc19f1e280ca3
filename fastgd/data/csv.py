"""CSV files: pyarrow parses them, and this module explains its errors.

Pyarrow reports a bad value but not its line. Only then is the line searched, from the last good row on.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import re
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data import dialect
from fastgd.data.formats import File, damaged, reading
from fastgd.wording import SHOWN_OF_A_VALUE, Option, column_text, shown

BLOCK = 1 << 20
"""Bytes that are parsed at a time."""
ROWS_OF_BLOCK = 16
"""A block has at least this many times the bytes of the header."""
MOST_HEADER = 1 << 20
"""The largest number of bytes up to the end of the header."""
SAMPLE = 1 << 16
"""Bytes from which the dialect is recognised. If the header is long, there are more."""
SPACES = tuple(" " * n for n in range(1, 9))
"""Cells that count as missing. More of them would cost pyarrow time and memory in every column."""
MOST_COLUMNS = 1 << 16

HEADER = re.compile(rb'(?:\xef\xbb\xbf)?+\s*+(?:"?[sS][eE][pP]=[^\r\n]*+[\r\n]\s*+)?+[^\r\n]++[\r\n]')
"""The first line that is not empty, or the second after Excel's `sep=;`. The pattern takes linear time."""
BAD_VALUE = re.compile(r"In CSV column #(\d+):.*?invalid value '(.*)'", re.DOTALL)
BAD_TEXT = re.compile(r"In CSV column #(\d+):.*invalid UTF8", re.DOTALL)
BAD_ROW = re.compile(r"Expected (\d+) columns, got (\d+)")
HAS_COMMA = re.compile(r"[+-]?[\d.]*,\d+|[+-]?[\d,]*\.\d+")
"""A value that may be a number with the other decimal mark."""


class CsvFile(File):
    """A CSV file with a header. Numbers are float64.

    Parameters
    ----------
    path : Path
    usual : str
        The usual delimiter for the ending of the file name.
    delimiter, decimal : str, optional
        By default they are recognised from the first rows.
    """

    is_guessed = True

    @property
    def missing_texts(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset(map(str.strip, self._null_values()))

    def __init__(self, path: Path, usual: str, delimiter: str | None = None, decimal: str | None = None):
        super().__init__(path)
        self._block = BLOCK
        self._bad: tuple[str, str] | None = None
        """The last value that was not a number, and its line."""
        self._is_sound = False
        """Whether every quote in the file is closed. False if unknown."""
        head, size = self._head()
        try:
            self.dialect = dialect.recognise(head.decode("utf-8", "replace"), usual, delimiter, decimal)
        except ValueError as error:
            raise InvalidDataError(
                f"{self.name} begins with a line sep=, and {error}",
                remedy=("correct that line, or pass ", Option("delimiter"), " for another"),
            ) from None
        self.is_usual = self.dialect == dialect.Dialect(delimiter or usual, decimal or ".")
        if (d := head[:size].count(self.dialect.delimiter.encode()) + 1) > MOST_COLUMNS:
            raise InvalidDataError(
                f"{self.name} has {d} columns; of CSV at most {MOST_COLUMNS} are read: write it as Parquet"
            )
        self._block = max(BLOCK, ROWS_OF_BLOCK * size)
        with self._opened([], []) as batches:
            try:
                self.set_schema(batches.schema)
            except UnicodeDecodeError:
                raise InvalidDataError(f"the header of {self.name} is not UTF-8; save it so") from None

    def _head(self) -> tuple[bytes, int]:
        """The header with some rows, and the number of bytes of the header."""
        head, more = b"", b"\n"
        with reading(self.name), self._bytes() as stream:
            while (header := HEADER.match(head)) is None and more:
                if len(head) >= MOST_HEADER:
                    raise InvalidDataError(
                        f"{self.name} has no header: in its first {len(head) / 1e6:.3g} MB no line ends that "
                        "could hold the names of columns"
                    )
                more = stream.read(BLOCK)
                head += more
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise InvalidDataError(f"{self.name} is UTF-16; save it as UTF-8")
        size = header.end() if header else len(head)
        end = max(SAMPLE, 4 * size)
        if len(head) > end:
            head = head[: head.rfind(b"\n", size, end) + 1 or size]
        return head, size

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        """Iterate over record batches of some columns.

        The last column is always read. An unclosed quote in any other column makes its row too short, which
        is an error.
        """
        self._refuse_thousands(names)
        done, last, final = 0, b"", self.own_names[-1]
        others = [final] if final not in names else []
        at = [*names, *others].index(final) if others or final in self.texts else None
        with self._opened(names, others) as batches:
            while True:
                try:
                    batch = batches.read_next_batch()
                except StopIteration:
                    break
                except ValueError as error:
                    raise self._explained(error, done) from None
                if at is not None and batch.num_rows:
                    last = batch.column(at)[-1].as_py() or b""
                    last = last.encode() if isinstance(last, str) else last
                yield batch
                done += batch.num_rows
        if (b"\n" in last or b"\r" in last) and not self._is_sound:
            self._refuse_open_quote()
            self._is_sound = True

    def first(self, name: str) -> str:
        if name in self.constants:
            return ""
        with contextlib.suppress(InvalidDataError), contextlib.closing(self.batches([name])) as batches:
            for _ in batches:
                pass
        return f", {shown(self._bad[0], SHOWN_OF_A_VALUE)} in line {self._bad[1]}" if self._bad else ""

    def begin_with_number(self, names: Sequence[str]) -> set[str]:
        waiting = {name: self.own_names.index(name) for name in names if name not in self.constants}
        numeric = set()
        with contextlib.suppress(csv.Error):
            for _, row in itertools.islice(self._records(0), dialect.ROWS):
                cells = [(name, row[at].strip()) for name, at in waiting.items() if len(row) > at]
                for name, cell in cells:
                    if cell:
                        del waiting[name]
                        if self._is_number(cell):
                            numeric.add(name)
                if not waiting:
                    break
        return numeric

    def _is_number(self, cell: str) -> bool:
        with contextlib.suppress(ValueError):
            return float(cell.replace(self.dialect.decimal, ".")) is not None
        return HAS_COMMA.fullmatch(cell) is not None

    def place(self, row: int) -> RowPlace:
        return RowPlace(self.name, row, next((line for line, _ in self._records(row)), None))

    def hint(self) -> Sequence[str | Option]:
        if len(self.own_names) == 1:
            return [f"it is read with {self.dialect}: pass ", Option("delimiter"), " for others"]
        with contextlib.suppress(ValueError):
            if [float(name) for name in self.own_names]:
                return ["its first line holds numbers: put a header with the names of columns above it"]
        return []

    def _bytes(self) -> Any:
        """A stream of the decompressed text.

        Threads of pyarrow read it, and may outlive the parser. So it must not be a Python object: a thread
        that needs the interpreter while it ends would abort the process.
        """
        import pyarrow as pa

        return pa.input_stream(str(self.path), compression="detect")

    def _null_values(self) -> list[str]:
        """The cells that count as missing."""
        from pyarrow.csv import ConvertOptions

        return [*ConvertOptions().null_values, *SPACES]

    @contextlib.contextmanager
    def _opened(self, names: Sequence[str], others: Sequence[str]) -> Iterator[Any]:
        """Parse the columns `names` as numbers and the columns `others` as text.

        Without names, parse all columns and guess their types.
        """
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        convert = arrow_csv.ConvertOptions(decimal_point=self.dialect.decimal)
        convert.null_values = self._null_values()
        if names:
            types = {name: self.kinds[name] for name in names}
            convert.include_columns = [*names, *others]
            convert.column_types = dict.fromkeys(others, pa.binary()) | {
                name: kind if name in self.keys or pa.types.is_boolean(kind) else pa.float64()
                for name, kind in types.items()
            }
            texts = [name for name in names if name in self.texts]
            convert.column_types |= dict.fromkeys(texts, pa.dictionary(pa.int32(), pa.utf8()))
        read = arrow_csv.ReadOptions(
            block_size=self._block, use_threads=False, skip_rows=self.dialect.skip_rows
        )
        parse = arrow_csv.ParseOptions(delimiter=self.dialect.delimiter, newlines_in_values=True)
        with reading(self.name), self._bytes() as stream:
            try:
                batches = arrow_csv.open_csv(
                    stream, read_options=read, parse_options=parse, convert_options=convert
                )
            except ValueError as error:
                raise self._explained(error, 0) from None
            with batches:
                yield batches

    def _explained(self, error: Exception, done: int) -> InvalidDataError:
        """The error for a bad row after the first `done` rows."""
        text = str(error)
        if match := BAD_TEXT.search(text):
            column = int(match[1])
            line = self._line(done, lambda row: len(row) > column and "\ufffd" in row[column])
            place = RowPlace(self.name, None, line)
            name = self.own_names[column]
            return InvalidDataError(
                f"{column_text(name)} is not UTF-8", name=name, remedy="save the file as UTF-8", at=place
            )
        if match := BAD_VALUE.search(text):
            column, value = int(match[1]), match[2]
            line = self._line(done, lambda row: len(row) > column and row[column].strip() == value.strip())
            self._bad = value, line
            name = self.own_names[column]
            problem: list[str | Option] = [
                f"{shown(value, SHOWN_OF_A_VALUE)} in {column_text(name)} is not a number"
            ]
            remedy: Sequence[str | Option] = []
            if HAS_COMMA.fullmatch(value.strip()):
                mark = self.dialect.decimal
                problem += [" with ", Option("decimal", mark)]
                remedy = _mend_comma("." if mark == "," else ",")
            place = RowPlace(self.name, None, line)
            return InvalidDataError(problem, name=name, value=value, remedy=remedy, at=place)
        if match := BAD_ROW.search(text):
            expected, got = int(match[1]), int(match[2])
            line = self._line(done, lambda row: len(row) == got)
            fields = "1 field" if got == 1 else f"{got} fields"
            return InvalidDataError(
                f"{self.name}, line {line} has {fields}, and the header {expected}",
                remedy=self.hint() if expected == 1 else "",
            )
        if "Empty CSV" in text:
            return InvalidDataError(f"{self.name} has no rows; at least one is needed")
        if "straddl" in text:
            line = self._line(done, lambda row: sum(map(len, row)) > self._block // 2)
            return InvalidDataError(
                f"{self.name}, line {line}: a row is too long, or a quote is opened and never closed"
            )
        return damaged(self.name, error)

    def _line(self, done: int, is_bad: Any) -> str:
        """The line number of the first bad row after the first `done` rows."""
        last = 1
        with contextlib.suppress(csv.Error, OSError):
            for line, row in self._records(done):
                if is_bad(row):
                    return str(line)
                last = line
        return f"{last} or after"

    def _refuse_thousands(self, names: Sequence[str]) -> None:
        """Refuse columns in which all commas may separate thousands, since 1,234 may be two numbers."""
        for column in self.dialect.thousands:
            name = self.own_names[column] if column < len(self.own_names) else None
            if name is None or name not in names or name in self.texts:
                continue
            for line, row in self._records(0):
                if len(row) > column and dialect.GROUPS.fullmatch(value := row[column].strip()):
                    raise InvalidDataError(
                        f"{shown(value, SHOWN_OF_A_VALUE)} in {column_text(name)} has a decimal comma or "
                        "separates thousands",
                        name=name,
                        value=value,
                        remedy=_mend_comma(","),
                        at=RowPlace(self.name, None, line),
                    )

    def _refuse_open_quote(self) -> None:
        """Refuse a file with an unclosed quote, which makes one value of all rows after it."""
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
        """Iterate over rows from `first` on as lists of text, with the line in which each row begins."""
        with self._bytes() as stream:
            skip, line, rest = first + 1 + (self.dialect.skip_rows > 0), 0, b""  # skips sep= and the header
            while block := stream.read(BLOCK):
                whole, newline, tail = (rest + block).rpartition(b"\n")
                whole += newline
                lines = whole.count(b"\n")
                if lines >= skip or not _is_plain(whole) or len(tail) > self._block:
                    rest += block
                    break
                skip, line, rest = skip - lines, line + lines, tail
            text = (part.decode("utf-8", "replace") for part in _lines(rest, stream, self._block))
            rows = csv.reader(text, delimiter=self.dialect.delimiter, strict=strict)
            begin = 1
            try:
                for row in rows:
                    if row:
                        if not skip:
                            yield line + begin, row
                        skip = max(0, skip - 1)
                    begin = rows.line_num + 1
            except csv.Error as error:
                if "field larger" not in str(error):
                    raise
                yield line + begin, [" " * self._block]  # stands for a very long row


def _mend_comma(mark: str) -> Sequence[str | Option]:
    """The remedy for a value with a comma or point that is not the decimal mark."""
    return ["pass ", Option("decimal", mark), ", or take out what separates thousands"]


def _is_plain(text: bytes) -> bool:
    """Whether each line is a row: there are no quotes, empty lines or other line endings."""
    is_odd = b'"' in text or text.startswith((b"\n", b"\r")) or b"\n\n" in text or b"\n\r" in text
    return not is_odd and text.count(b"\r") == text.count(b"\r\n")


def _lines(rest: bytes, stream: Any, longest: int) -> Iterator[bytes]:
    """The lines of `rest` and the stream, up to a line of more than `longest` bytes."""
    for block in itertools.chain(iter(lambda: stream.read(BLOCK), b""), [b""]):
        *whole, rest = (rest + block).splitlines(keepends=True) or [b""]
        yield from whole
        if len(rest) > longest:
            break
    if rest:
        yield rest

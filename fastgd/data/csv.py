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
from fastgd.data import dialect, packed, records
from fastgd.data.dialect import NOTHING_KNOWN, CsvOptions
from fastgd.data.formats import File, damaged, reading
from fastgd.data.frames import places
from fastgd.data.spool import Spool, blocks_of
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
MARKS = "none", "missing", "unknown", "nil", "n.a.", "nd", "n.d.", "<na>"
"""Words that often stand for a missing value."""
MOST_COLUMNS = 1 << 16

HEADER = re.compile(rb'(?:\xef\xbb\xbf)?+\s*+(?:"?[sS][eE][pP]=[^\r\n]*+[\r\n]\s*+)?+[^\r\n]++[\r\n]')
"""The first line that is not empty, or the second after Excel's `sep=;`. The pattern takes linear time."""
END = re.compile(rb"\r\n?+|\n")
BAD_VALUE = re.compile(r"In CSV column #(\d+):.*?invalid value '(.*)'", re.DOTALL)
BAD_TEXT = re.compile(r"In CSV column #(\d+):.*invalid UTF8", re.DOTALL)
BAD_ROW = re.compile(r"Expected (\d+) columns, got (\d+)")
HAS_COMMA = re.compile(r"[+-]?[\d.]*,\d+|[+-]?[\d,]*\.\d+")
"""A value that may be a number with the other decimal mark."""


class CsvFile(File):
    """A CSV file. Numbers are float64.

    Parameters
    ----------
    path : Path or Spool
    usual : str
        The usual delimiter for the ending of the file name.
    options : CsvOptions
        What is None is recognised from the first rows.
    """

    is_guessed = True

    @property
    def missing_texts(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset(map(str.strip, self._null_values()))

    def __init__(self, path: Path | Spool, usual: str, options: CsvOptions = NOTHING_KNOWN):
        super().__init__(path)
        self._options = options
        self.path, self._compression = packed.as_utf8(path, options.encoding)
        self._block = BLOCK
        self._bad: tuple[str, str] | None = None
        """The last value that was not a number, and its line."""
        self._is_sound = False
        """Whether every quote in the file is closed. False if unknown."""
        head, size = self._look(usual)
        if self.dialect.delimiter == " " or options.thousands:
            with reading(self.name), packed.stream(self.path, self._compression) as stream:
                blocks = packed.rewritten(blocks_of(stream), self.dialect.delimiter, options.thousands)
                self.path, self._compression = Spool(self.name, blocks), None
            head, size = self._look(usual)
        usual_dialect = dialect.Dialect(options.delimiter or usual, options.decimal or ".")
        self.is_usual = self.dialect == usual_dialect
        if (d := head[:size].count(self.dialect.delimiter.encode()) + 1) > MOST_COLUMNS:
            raise InvalidDataError(
                f"{self.name} has {d} columns; of CSV at most {MOST_COLUMNS} are read: write it as Parquet"
            )
        self._block = max(BLOCK, ROWS_OF_BLOCK * size)
        text = "" if options.header else head.decode("utf-8", "replace")
        self._raw = list(places(len(dialect.first_row(text, self.dialect.delimiter))))
        """The names of columns before spaces around them are taken off. Pyarrow knows them by these."""
        self.own_names = self._raw
        with self._opened([], []) as batches:
            try:
                self._raw = list(batches.schema.names)
                self.set_schema(_stripped(batches.schema))
            except UnicodeDecodeError:
                raise InvalidDataError(
                    f"the header of {self.name} is not UTF-8",
                    remedy=("pass ", Option("encoding", "latin-1"), " if it is that, or save it as UTF-8"),
                ) from None

    def column(self, name: Any) -> Any:
        """The name of a column, which is its number without a header. Negative numbers count from the end."""
        if self._options.header or isinstance(name, bool):
            return name
        with contextlib.suppress(ValueError, TypeError):
            if -len(self.own_names) <= int(name) < 0:
                return str(len(self.own_names) + int(name))
        return str(name) if isinstance(name, int) else name

    def _look(self, usual: str) -> tuple[bytes, int]:
        """Recognise the dialect. Returns the header with some rows, and the bytes of the header."""
        self._start = self._skipped = 0
        """The bytes and the lines before the header."""
        self._skip(self._options.skip_rows)
        head, size = self._head()
        try:
            self.dialect = dialect.recognise(head.decode("utf-8", "replace"), usual, self._options)
        except ValueError as error:
            raise InvalidDataError(
                f"{self.name} begins with a line sep=, and {error}",
                remedy=("correct that line, or pass ", Option("delimiter"), " for another"),
            ) from None
        if not self.dialect.skip_rows:
            return head, size
        self._skip(self.dialect.skip_rows)
        return self._head()

    def _skip(self, lines: int) -> None:
        """Leave out some more lines at the start."""
        if not lines:
            return
        text, more = b"", b"\n"
        with reading(self.name), self._bytes() as stream:
            while len(ends := [*itertools.islice(END.finditer(text), lines + 1)]) <= lines and more:
                more = stream.read(BLOCK)
                text += more
        if len(ends) < lines:
            raise InvalidDataError(f"{self.name} has {self._skipped + len(ends)} lines, and all are skipped")
        self._start += ends[lines - 1].end()
        self._skipped += lines

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
                yield batch if self._raw == self.own_names else batch.rename_columns([*names, *others])
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
        """As in `File`. Most of the first cells are numbers."""
        places = {name: self.own_names.index(name) for name in names if name not in self.constants}
        score = dict.fromkeys(places, 0.0)
        with contextlib.suppress(csv.Error):
            for _, row in itertools.islice(self._records(0), dialect.ROWS):
                for name, at in places.items():
                    if len(row) > at and (cell := row[at].strip()):
                        weight = 1.0 if score[name] else 1.5  # the first cell decides a tie
                        score[name] += weight if self._is_number(cell) else -weight
        return {name for name in score if score[name] > 0}

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
            if self._options.header and [float(name) for name in self.own_names]:
                return ["its first line holds numbers: if it is no header, pass ", Option("header", False)]
        return []

    def _remedy_of_row(self, line: str, expected: int, got: int) -> Sequence[str | Option]:
        """The remedy for a row with another number of fields than the header."""
        if got > expected == 1 and line.isdecimal() and int(line) <= dialect.ROWS:
            return ["if that line is the header, pass ", Option("skip_rows", int(line) - 1)]
        return self.hint() if expected == 1 else ""

    @property
    def _first_line(self) -> str:
        return "the header" if self._options.header else "the first row"

    def _bytes(self) -> Any:
        """A stream of the decompressed text from the header on.

        Threads of pyarrow read it, and may outlive the parser. So it must not be a Python object: a thread
        that needs the interpreter while it ends would abort the process.
        """
        stream = packed.stream(self.path, self._compression)
        stream.read(self._start)
        return stream

    def _null_values(self) -> list[str]:
        """The cells that count as missing."""
        from pyarrow.csv import ConvertOptions

        marks = [mark for mark in (*ConvertOptions().null_values, *self._options.missing) if mark]
        around = [text for mark in marks for text in (mark, f" {mark}", f"{mark} ", f" {mark} ")]
        return ["", *around, *SPACES]

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
            raw = dict(zip(self.own_names, self._raw, strict=True))
            kinds = {name: self.kinds[name] for name in names}
            convert.include_columns = [raw[name] for name in (*names, *others)]
            convert.column_types = dict.fromkeys(map(raw.__getitem__, others), pa.binary()) | {
                raw[name]: kind if name in self.keys or pa.types.is_boolean(kind) else pa.float64()
                for name, kind in kinds.items()
            }
            texts = [raw[name] for name in names if name in self.texts]
            convert.column_types |= dict.fromkeys(texts, pa.dictionary(pa.int32(), pa.utf8()))
        read = arrow_csv.ReadOptions(block_size=self._block, use_threads=False)
        if not self._options.header:
            read.column_names = self._raw
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
            elif _may_be_mark(value):
                remedy = ["pass ", Option("na_values", [value.strip()]), " if it stands for a missing value"]
            place = RowPlace(self.name, None, line)
            return InvalidDataError(problem, name=name, value=value, remedy=remedy, at=place)
        if match := BAD_ROW.search(text):
            expected, got = int(match[1]), int(match[2])
            line = self._line(done, lambda row: len(row) == got)
            fields = "1 field" if got == 1 else f"{got} fields"
            return InvalidDataError(
                f"{self.name}, line {line} has {fields}, and {self._first_line} {expected}",
                remedy=self._remedy_of_row(line, expected, got),
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
            lines = records.Lines(stream, self._skipped, self._block)
            yield from records.rows(lines, first + self._options.header, self.dialect.delimiter, strict)


def _stripped(schema: Any) -> Any:
    """The schema without spaces around the names of columns."""
    import pyarrow as pa

    return pa.schema([field.with_name(field.name.strip()) for field in schema])


def _may_be_mark(value: str) -> bool:
    """Whether a cell may stand for a missing value."""
    value = value.strip().lower()
    return value in MARKS or (value != "" and not any(map(str.isalnum, value)))


def _mend_comma(mark: str) -> Sequence[str | Option]:
    """The remedy for a value with a comma or point that is not the decimal mark."""
    separates = Option("thousands", mark), " if it separates thousands"
    return ["pass ", Option("decimal", mark), ", or ", *separates]

"""Tables in files as sources of rows, and `fastgd.read_table`."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from fastgd import checks, display
from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data import arrow, dialect, rounding, selection
from fastgd.data.chunks import Source, rows_to_keep
from fastgd.data.csv import CsvFile
from fastgd.data.dialect import CsvOptions
from fastgd.data.formats import File, Place, TableChunk
from fastgd.data.once import ReadOnce
from fastgd.data.table_files import KINDS, find
from fastgd.wording import SHOWN, Option, Text, column_text, listed, printable, shown

INDEX = re.compile("|Unnamed: 0|__index_level_[0-9]+__")
"""Names of the index that pandas writes into CSV and Parquet files."""


def read_table(
    path: Any,
    *,
    target: str,
    features: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    weight: str | None = None,
    missing: str = "error",
    format: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    na_values: str | Sequence[str] = (),
    header: bool = True,
    skip_rows: int = 0,
    encoding: str | None = None,
) -> Source:
    """Stream the rows of a table in Parquet, Arrow, Feather or CSV files, or of an open file or stream.

    Pass the result in place of X, without y: `fastgd.gradient_descent(fastgd.read_table(...))`. This function
    needs pyarrow: `pip install 'fastgd[io]'`.

    Parameters
    ----------
    path : str, path, list of these, open file or open stream
        A file (.parquet, .pq, .arrow, .feather, .ipc, .csv, .tsv), a pattern ("2024-*.csv") of files, a
        folder of files of the same kind, or a list of files. Files of a folder or pattern are read in the
        order of their names. A folder named year=2026 adds a column year. CSV files may be compressed, as
        .csv.gz, .bz2, .xz or .zst. A .zip archive holds one table, or is followed by the name of one or a
        pattern: "trips.zip/2024-*.csv".

        An open file (a pipe, `sys.stdin.buffer`, `io.BytesIO`) is read to its end into a temporary file. An
        open stream is whatever has `__arrow_c_stream__` (a RecordBatchReader of pyarrow, a DuckDB relation, a
        Polars data frame, a table), or a Polars LazyFrame.
    target : str
        The column y.
    features : sequence of str, optional
        The columns of X, in this order. The default is all other columns. They must be numeric, and none may
        be the index of a pandas data frame. A name with *, ? or [ that no column has is a pattern: it stands
        for all columns that match it and are not named otherwise, in the order of the file.
    exclude : sequence of str, optional
        Names and patterns of columns that X leaves out.
    weight : str, optional
        The column of sample weights.
    missing : {"error", "drop"}
        Whether to refuse missing values, with their number in each column, or to drop rows with a missing
        value or NaN.
    format : {"csv", "tsv", "parquet", "pq", "arrow", "feather", "ipc"}, optional
        The kind of the files. By default the ending of their names tells it, and an open file without one is
        CSV.
    delimiter : str, optional
        The delimiter of CSV files. By default it is found in the first rows: a comma (a tab in .tsv files), a
        semicolon, a tab, a bar or spaces, or the delimiter in Excel's first line `sep=;`. A space stands for
        any number of spaces and tabs.
    decimal : {".", ","}, optional
        The decimal mark of CSV files. By default it is a comma if numeric columns contain commas and no
        points. A column whose commas may all separate thousands (1,234) is refused without this option and
        the next.
    thousands : str, optional
        The mark between thousands in CSV files, such as "," in 1,234.5. In a file with commas between fields
        such numbers must be in quotes.
    na_values : str or sequence of str, optional
        Cells of CSV files that are missing values, as they are written there ("?", "-999"). Always missing
        are empty cells, NA, N/A, n/a, NaN, nan, -NaN, -nan, NULL, null, #NA, #N/A, "#N/A N/A", and what
        Windows writes for NaN (1.#IND, -1.#IND, 1.#QNAN, -1.#QNAN).
    header : bool
        Whether the first line of CSV files has the names of the columns. Without a header the columns are
        named by their numbers, from "0" on. The number "-1" is the last one.
    skip_rows : int
        The lines of CSV files before the header, such as a title.
    encoding : str, optional
        The encoding of CSV files, such as "latin-1". By default it is UTF-8, or UTF-16 if a file begins with
        its mark.

    Returns
    -------
    Source
        Accepted by `gradient_descent`, `sgd`, `sweep`, `diagnose`, `cost`, `gradient`, `cost_and_gradient`
        and by `fit` of the estimators.

    Raises
    ------
    InvalidDataError
        If a column is missing or not numeric, or a file cannot be read. A later pass may raise it too. The
        message has the place.
    FileNotFoundError
        If the file or folder does not exist.

    Notes
    -----
    Integers, floats, booleans, decimals and dictionaries of these become float64. X is float32 if all
    features are float32. A thread reads the selected columns in batches of about 8 MB. This takes some dozens
    of MB of memory, whatever the size of the file and its row groups. Parquet files take a page and a
    dictionary of each column in addition, usually 1 MB. Batches of compressed Arrow files are decompressed as
    a whole, two or three at a time.

    Each read runs a DuckDB relation or a LazyFrame again, in batches. It is refused if it gives its rows in
    another order then, as a query without ORDER BY may.

    A stream without a length (a RecordBatchReader) can be read once. 8192 or more of its first rows are kept.
    One read is enough for `summarize`, `cost`, `gradient`, squared errors by `gradient_descent`, `sweep`,
    `diagnose` and `GDRegressor`, and an epoch of `sgd` with a given rate. What needs another read is refused.
    Where another read would give more digits, a warning says how many there are.

    Pipes, .xz, members of .zip, other encodings than UTF-8, and CSV with spaces between fields or marks
    between thousands are kept in a temporary file until the source or the process ends. Set the environment
    variable TMPDIR where the usual folder has too little room.

    A number in CSV files that is too large for a float is infinite, and refused.

    Examples
    --------
    >>> import fastgd, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name, "trips.csv")
    >>> _ = file.write_text("distance,fare\\n1,5\\n2,7\\n3,9\\n")
    >>> trips = fastgd.read_table(file, target="fare")
    >>> trips
    read_table(trips.csv: "fare" from "distance")
    >>> fit = fastgd.gradient_descent(trips, fit_intercept=True, n_epochs=500)
    >>> print(f"{fit.intercept:.2f} + {fit.w[0]:.2f} x")
    3.00 + 2.00 x
    >>> folder.cleanup()
    """
    _require_pyarrow()
    checks.choice("missing", missing, ("error", "drop"))
    if target is None:
        raise TypeError("target must be the name of a column, not None")
    csv = CsvOptions(delimiter, decimal, thousands, na_values, header, skip_rows, encoding)
    name, files = _find(path, format, csv)
    source = TableSource(name, files, target, features, weight, exclude, drops=missing == "drop")
    return ReadOnce(source) if files[0].is_once else source


def read_features(
    path: Any, features: Sequence[str], *, missing: str = "error", format: str | None = None, **csv: Any
) -> TableSource:
    """Some columns of a table without a target, for predictions. An error lists all missing columns."""
    _require_pyarrow()
    name, files = _find(path, format, CsvOptions(**csv))
    wanted = selection.choose(files[0], features)
    if len(lacking := [column for column in wanted if column not in files[0].names]) > 1:
        raise InvalidDataError(
            f"{files[0].name} lacks the columns {listed(lacking)}. It has {listed(files[0].names)}",
            remedy=files[0].hint(),
        )
    return TableSource(name, files, None, wanted, None, drops=missing == "drop")


def _find(path: Any, kind: str | None, options: CsvOptions) -> tuple[str, list[File]]:
    if kind is not None:
        checks.choice("format", kind, [*KINDS])
    dialect.check(options)
    return find(path, kind, options)


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("tables in files need pyarrow: pip install 'fastgd[io]'") from error


class TableSource(Source):
    """Some columns of one or more files."""

    is_scalar = False
    n_left_out: int | None = None
    """The number of rows with a missing value that the last full pass dropped. None if they are refused."""

    def __init__(
        self,
        name: str,
        files: list[File],
        target: str | None,
        features: Sequence[str] | None,
        weight: str | None,
        exclude: Sequence[str] | None = None,
        *,
        drops: bool,
    ):
        """Without a target the chunks do not write y."""
        self._digest: int | None = None
        """A checksum of the targets of a query, from the last full read."""
        self.name, self._files, self._drops, self._watch = name, files, drops, rounding.Watch()
        target, weight = (files[0].column(column) for column in (target, weight))
        for what, column in (("target", target), ("weight", weight)):
            if column is not None and not isinstance(column, str):
                raise TypeError(f"{what} must be the name of a column, not {display.value(column)}")
        self.target, self.weight = target, weight
        self._are_all = features is None
        others = [column for column in (target, weight) if column is not None]
        self.columns = selection.choose(files[0], features, exclude, others)
        if features is None and not self.columns and (target is None or target in files[0].names):
            raise InvalidDataError(
                f"{name} has no other columns than {listed(others)}", remedy="X needs at least one"
            )
        selection.check_names(self.columns, target, weight)
        if not self.columns:
            raise InvalidDataError("features is empty; at least one is needed")
        self._used = [*self.columns, *others]
        for file in files:
            self._check(file)
        self.d, self.has_weights = len(self.columns), weight is not None
        self.head_rows = rows_to_keep(self.d) if any(file.is_query for file in files) else 0
        y = np.dtype(np.float64) if target is None else self._dtype([target])
        self.dtypes = self._dtype(self.columns), y
        counts = [file.n for file in files]
        self.n = None if drops or None in counts else sum(n for n in counts if n is not None)
        if self.n == 0:
            raise InvalidDataError(f"{name} has no rows; at least one is needed")

    def __repr__(self) -> str:
        dialect = f" ({self.dialect})" if self.dialect else ""
        target = "" if self.target is None else f"{shown(self.target)} from "
        return f"read_table({printable(self.name)}{dialect}: {target}{listed(self.columns)})"

    @property
    def dialect(self) -> str:
        """The dialect of CSV files for messages, empty if it is the usual one."""
        unusual = [file for file in self._files if isinstance(file, CsvFile) and not file.is_usual]
        return str(unusual[0].dialect) if unusual else ""

    def _check(self, file: File) -> None:
        """Refuse a file that lacks a column or has a column that is not numeric."""
        times = Counter(file.names)
        bad = {}
        for name in self._used:
            if not times[name]:
                raise selection.lacks(file, name)
            if times[name] > 1:
                raise InvalidDataError(
                    f"{file.name} has {times[name]} columns {shown(name)}", name=name, remedy="rename them"
                )
            if held := file.held(name):
                bad[name] = held
        if self._are_all:
            self._check_all(file, bad)
        for name, held in bad.items():
            if not file.is_guessed or name in file.constants:
                raise InvalidDataError(
                    f"{column_text(name)} of {file.name} holds {held}{file.first(name)}",
                    name=name,
                    value=held,
                    remedy="it must hold real numbers",
                )

    def _check_all(self, file: File, bad: dict[str, str]) -> None:
        """Refuse default features that are not numeric or are an index. `bad` has what columns hold."""
        numeric = file.begin_with_number([*bad])
        others = [name for name in self.columns if name in bad and name not in numeric]
        index = [name for name in self.columns if INDEX.fullmatch(name) or name in file.index]
        good = [name for name in self.columns if name not in others and name not in index]
        remedy: Text = ["name those to use, ", Option("features", good)] if good else "repair them"
        if others:
            texts = [f"{shown(name)} ({bad[name]}{file.first(name)})" for name in others[:SHOWN]]
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            raise InvalidDataError(
                f"{file.name} has columns that hold no numbers, {', '.join(texts)}{more}", remedy=remedy
            )
        if index:
            first = index[0]
            is_last = first == "" and file.names[0] != ""
            what = "a column without a name" if is_last else f"a column {shown(first)}, a data frame's index"
            raise InvalidDataError(
                f"{file.name} has {what}", remedy=remedy if good else "X needs at least one that is no index"
            )

    def _dtype(self, names: Sequence[str]) -> np.dtype[Any]:
        """float32 if these columns are float32 in all files, otherwise float64."""
        kinds = [file.kinds.get(name) for file in self._files for name in names]
        is_single = all(kind is not None and arrow.is_single(kind) for kind in kinds)
        return np.dtype(np.float32 if is_single else np.float64)

    def chunks(self) -> Generator[TableChunk]:
        missing = dict.fromkeys(self._used, 0)
        n = before = digest = 0
        for file in self._files:
            first = 0
            names = [name for name in self._used if name in file.kinds]
            with contextlib.closing(file.batches(names)) as batches:
                for batch in batches:
                    values = {name: arrow.decoded(batch.column(name)) for name in names}
                    kept = None
                    if self._drops:
                        kept = _kept(values)
                    else:
                        for name, column in values.items():
                            missing[name] += column.null_count
                    if any(missing.values()):  # only counts missing values from here on
                        values, kept = {name: column[:0] for name, column in values.items()}, None
                    if kept is not None:
                        values = {name: column.take(kept) for name, column in values.items()}
                    size = batch.num_rows
                    chunk = self._chunk(file, values, Place(file, before, first, size, kept))
                    first += size
                    for name, array in chunk.numbers(self.columns, self.target):
                        is_whole = name in file.kinds and arrow.is_whole(file.kinds[name])
                        self._watch.look(column_text(name), n, array, chunk.place, is_whole)
                    if file.is_query and self.target is not None:
                        digest = zlib.crc32(chunk.targets()[0].tobytes(), digest)
                    n += len(chunk)
                    yield chunk
            before += first
        if any(missing.values()):
            raise _counted(self.name, {k: v for k, v in missing.items() if v})
        if not n:
            left = " without a missing value" if self._drops else ""
            raise InvalidDataError(f"{self.name} has no rows{left}; at least one is needed")
        if self._digest not in (None, digest):
            raise InvalidDataError(
                f"{self.name} gave its rows in another order than at an earlier read, or other rows",
                remedy="order the query by a column without ties, or load its result",
            )
        self._digest = digest
        self.n_left_out = before - n if self._drops else None

    def _chunk(self, file: File, values: dict[str, Any], place: Place) -> TableChunk:
        m = len(next(iter(values.values())))
        constants = file.constants

        def numbers(name: str) -> arrow.Numbers:
            if name in values:
                return arrow.numbers(values[name])
            return np.broadcast_to(np.float64(constants[name]), m)

        features = [numbers(name) for name in self.columns]
        weights = None if self.weight is None else numbers(self.weight)
        target = None if self.target is None else numbers(self.target)
        return TableChunk(features, target, weights, m, place)

    def sample(self) -> bytes:
        return b"".join(file.sample() for file in self._files)

    def place(self, row: int) -> RowPlace:
        """The place of a row. Reads the files up to this row."""
        with contextlib.closing(self.chunks()) as chunks:
            for chunk in chunks:
                if row < len(chunk):
                    return chunk.place(row)
                row -= len(chunk)
        return super().place(row)


def _kept(values: dict[str, Any]) -> Any:
    """The numbers of the rows without a missing value, or None for all."""
    incomplete = [column for column in values.values() if column.null_count or arrow.has_nan(column)]
    if not incomplete:
        return None
    is_complete = np.logical_and.reduce([arrow.are_there(column) for column in incomplete])
    return arrow.as_arrow(np.flatnonzero(is_complete))


def _counted(table: str, missing: dict[str, int]) -> InvalidDataError:
    counts = [f"{shown(name)} {count}" for name, count in missing.items()]
    name, count = next(iter(missing.items()))
    counts[0] = f"{shown(name)} has {count} missing {'value' if count == 1 else 'values'}"
    more = f" and {len(counts) - SHOWN} more columns have some" if len(counts) > SHOWN else ""
    return InvalidDataError(
        f"{table}: {', '.join(counts[:SHOWN])}{more}",
        remedy=["pass ", Option("missing", "drop"), ", or fill them"],
    )

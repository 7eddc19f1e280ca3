"""Tables in files as sources of rows: `fastgd.read_table`."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from fastgd import checks, display
from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data import columns, dialect, rounding
from fastgd.data.batches import Place, TableChunk
from fastgd.data.chunks import Source
from fastgd.data.csv import CsvFile
from fastgd.data.finding import find
from fastgd.data.formats import File
from fastgd.wording import SHOWN, Option, Text, column_text, listed, printable, shown

SAMPLES, SAMPLE_BYTES = 16, 4096
INDEX = re.compile("|Unnamed: 0|__index_level_[0-9]+__")
"""Names that pandas gives the numbers of its rows, in CSV and in Parquet."""


def read_table(
    path: Any,
    *,
    target: str,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    missing: str = "error",
    delimiter: str | None = None,
    decimal: str | None = None,
) -> TableSource:
    """The rows of a table in files, streamed: Parquet, Arrow and Feather, CSV.

    What it returns goes in place of X, without a y: `fastgd.gradient_descent(fastgd.read_table(...))`.
    It needs pyarrow: `pip install 'fastgd[io]'`.

    Parameters
    ----------
    path : str, path, or list of these
        A file (.parquet, .pq, .arrow, .feather, .ipc, .csv, .tsv, .csv.gz, .tsv.gz), a folder of files of
        one kind, read in the order of their names, or files in the order of the list. Folders named like
        year=2026 are a column, year.
    target : str
        The column y.
    features : sequence of str, optional
        The columns of X, in this order. By default all others, which must then be numbers, and none of them
        the index that pandas writes beside the columns of a data frame.
    weight : str, optional
        A column of weights of rows.
    missing : {"error", "drop"}
        What to do about rows in which a value is missing: refuse them, counting them by column, or leave
        them out; those with a NaN too.
    delimiter : str, optional
        What separates the fields of CSV files. By default it is recognised from the first rows: commas
        (tabs in .tsv), semicolons, tabs or bars, or what Excel's first line `sep=;` says.
    decimal : {".", ","}, optional
        The decimal mark of CSV files. By default a comma is recognised where columns of numbers have one, and
        none has a point. A column whose commas may all separate thousands (1,234) is refused without it.

    Returns
    -------
    Source
        Taken by `gradient_descent`, `sgd`, `sweep`, `diagnose`, `cost`, `gradient`, `cost_and_gradient` and
        the estimators' `fit`.

    Raises
    ------
    InvalidDataError
        A column is not there or holds no numbers, or a file cannot be read: here, or when a read comes to
        the place, which the sentence names.
    FileNotFoundError
        There is no such file or folder.

    Notes
    -----
    Integers, floats, booleans, decimals and dictionaries of these become float64; X stays float32 where all
    features are. Only the columns named are read, in batches of about 8 MB, in a thread of its own: memory
    is some dozens of MB, however large the file and its row groups are, and for Parquet a page and a
    dictionary of each column, of 1 MB as they are usually written. Batches of Arrow's files lie in the
    file's memory; compressed ones are decompressed whole, two or three at a time.

    Text in CSV is UTF-8; a number too large for a float is infinite there, and refused as such.

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
    dialect.check(delimiter, decimal)
    name, files = find(path, delimiter=delimiter, decimal=decimal)
    return TableSource(name, files, target, features, weight, drops=missing == "drop")


def read_features(
    path: Any, features: Sequence[str], *, missing: str = "error", **csv: str | None
) -> TableSource:
    """These columns of a table without a target: for predictions. All that are lacking are told at once."""
    _require_pyarrow()
    dialect.check(**csv)
    name, files = find(path, **csv)
    if len(lacking := [one for one in features if one not in files[0].names]) > 1:
        raise InvalidDataError(
            f"{files[0].name} lacks the columns {listed(lacking)}. It has {listed(files[0].names)}",
            remedy=files[0].hint(),
        )
    return TableSource(name, files, None, features, None, drops=missing == "drop")


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("tables in files need pyarrow: pip install 'fastgd[io]'") from error


class TableSource(Source):
    """Some columns of files that have them all."""

    is_scalar = False
    n_left_out: int | None = None
    """Rows with a missing value that the last whole read has left out; None where they are refused."""

    def __init__(
        self,
        name: str,
        files: list[File],
        target: str | None,
        features: Sequence[str] | None,
        weight: str | None,
        *,
        drops: bool,
    ):
        """Without a target, y is left as it is."""
        for what, one in (("target", target), ("weight", weight)):
            if one is not None and not isinstance(one, str):
                raise TypeError(f"{what} must be the name of a column, not {display.value(one)}")
        self.name = name
        self._files, self._drops, self._watch = files, drops, rounding.Watch()
        self.target, self.weight = target, weight
        self._are_all = features is None
        taken = [name for name in (target, weight) if name is not None]
        if features is None:
            features = list(dict.fromkeys(one for one in files[0].names if one not in taken))
            if not features and (target is None or target in files[0].names):
                raise InvalidDataError(
                    f"{name} has no columns beside {listed(taken)}", remedy="X needs at least one"
                )
        self.columns = _names(features)
        _check_names(self.columns, target, weight)
        if not self.columns:
            raise InvalidDataError("features is empty; at least one is needed")
        self._used = [*self.columns, *taken]
        for file in files:
            self._check(file)
        self.d, self.has_weights = len(self.columns), weight is not None
        y = np.dtype(np.float64) if target is None else self._dtype([target])
        self.dtypes = self._dtype(self.columns), y
        counts = [file.n for file in files]
        self.n = None if drops or None in counts else sum(n for n in counts if n is not None)
        if self.n == 0:
            raise InvalidDataError(f"{name} has no rows; at least one is needed")

    def __repr__(self) -> str:
        how = f" ({self.dialect})" if self.dialect else ""
        target = "" if self.target is None else f"{shown(self.target)} from "
        return f"read_table({printable(self.name)}{how}: {target}{listed(self.columns)})"

    @property
    def dialect(self) -> str:
        """How CSV files are parsed, for sentences; empty where it is as usual."""
        unusual = [file for file in self._files if isinstance(file, CsvFile) and not file.is_usual]
        return str(unusual[0].dialect) if unusual else ""

    def _check(self, file: File) -> None:
        """Refuse a file that lacks a column, or holds something else than numbers in one."""
        times = Counter(file.names)
        bad = {}
        for name in self._used:
            if not times[name]:
                raise _lacks(file, name)
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
        """Refuse columns that nobody named, and that are no features: `bad` says what else they hold."""
        begin = file.begin_with_number([*bad])
        others = {name: None for name in self.columns if name in bad and name not in begin}
        index = {name: None for name in self.columns if INDEX.fullmatch(name) or name in file.index}
        good = [name for name in self.columns if name not in others and name not in index]
        remedy: Text = ["name those to use, ", Option("features", good)] if good else "mend them"
        if others:
            told = [f"{shown(name)} ({bad[name]}{file.first(name)})" for name in [*others][:SHOWN]]
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            raise InvalidDataError(
                f"{file.name} has columns that hold no numbers, {', '.join(told)}{more}", remedy=remedy
            )
        if index:
            first = next(iter(index))
            is_last = first == "" and file.names[0] != ""
            what = "a column without a name" if is_last else f"a column {shown(first)}, a data frame's index"
            raise InvalidDataError(
                f"{file.name} has {what}", remedy=remedy if good else "X needs at least one that is no index"
            )

    def _dtype(self, names: Sequence[str]) -> np.dtype[Any]:
        """float32 where all these columns are, in all files."""
        kinds = [file.kinds.get(name) for file in self._files for name in names]
        is_single = all(kind is not None and columns.is_single(kind) for kind in kinds)
        return np.dtype(np.float32 if is_single else np.float64)

    def chunks(self) -> Generator[TableChunk]:
        missing = dict.fromkeys(self._used, 0)
        n = before = 0
        for file in self._files:
            first = 0
            names = [name for name in self._used if name in file.kinds]
            with contextlib.closing(file.batches(names)) as batches:
                for batch in batches:
                    given = {name: columns.decoded(batch.column(name)) for name in names}
                    kept = None
                    if self._drops:
                        kept = _kept(given)
                    else:
                        for name, column in given.items():
                            missing[name] += column.null_count
                    if any(missing.values()):  # nothing more is given; those who read may still stop here
                        given, kept = {name: column[:0] for name, column in given.items()}, None
                    if kept is not None:
                        given = {name: column.take(kept) for name, column in given.items()}
                    size = batch.num_rows
                    chunk = self._chunk(file, given, Place(file, before, first, size, kept))
                    first += size
                    for name, values in chunk.numbers(self.columns, self.target):
                        is_whole = name in file.kinds and columns.is_whole(file.kinds[name])
                        self._watch.look(column_text(name), n, values, chunk.place, is_whole)
                    n += len(chunk)
                    yield chunk
            before += first
        if any(missing.values()):
            raise _counted(self.name, {k: v for k, v in missing.items() if v})
        if not n:
            left = " without a missing value" if self._drops else ""
            raise InvalidDataError(f"{self.name} has no rows{left}; at least one is needed")
        self.n_left_out = before - n if self._drops else None

    def _chunk(self, file: File, given: dict[str, Any], place: Place) -> TableChunk:
        m = len(next(iter(given.values())))
        constants = file.constants

        def numbers(name: str) -> columns.Numbers:
            if name in given:
                return columns.numbers(given[name])
            return np.broadcast_to(np.float64(constants[name]), m)

        features = [numbers(name) for name in self.columns]
        weights = None if self.weight is None else numbers(self.weight)
        target = None if self.target is None else numbers(self.target)
        return TableChunk(features, target, weights, m, place)

    def sample(self) -> bytes:
        """The size of each file, and some of its bytes."""
        told = []
        for file in self._files:
            size = file.path.stat().st_size
            told.append(size.to_bytes(8, "little"))
            with open(file.path, "rb") as opened:
                for start in np.linspace(0, max(0, size - SAMPLE_BYTES), SAMPLES).astype(np.int64).tolist():
                    opened.seek(start)
                    told.append(opened.read(SAMPLE_BYTES))
        return b"".join(told)

    def place(self, row: int) -> RowPlace:
        """By a read, up to there."""
        with contextlib.closing(self.chunks()) as chunks:
            for chunk in chunks:
                if row < len(chunk):
                    return chunk.place(row)
                row -= len(chunk)
        return super().place(row)


def _kept(given: dict[str, Any]) -> Any:
    """The numbers of the rows without a missing value; None for all."""
    poor = [column for column in given.values() if column.null_count or columns.has_nan(column)]
    if not poor:
        return None
    are_whole = np.logical_and.reduce([columns.are_there(column) for column in poor])
    return columns.as_arrow(np.flatnonzero(are_whole))


def _check_names(names: Sequence[str], target: str | None, weight: str | None) -> None:
    for what, name in (("target", target), ("weight", weight)):
        if name is not None and name in names:
            raise InvalidDataError(f"the {what} {shown(name)} is among the features; leave it out there")
    if weight is not None and weight == target:
        raise InvalidDataError(f"the weight {shown(weight)} is the target too; name another column")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InvalidDataError(f"{shown(twice[0])} stands twice among the features")


def _names(features: Any) -> tuple[str, ...]:
    if isinstance(features, str):
        raise TypeError(f"features must be a list of names, [{display.value(features)}], not a name")
    names = tuple(features)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"features must be names of columns, not {display.value(names, 80)}")
    return names


def _lacks(file: File, name: str) -> InvalidDataError:
    by_letters = {one.lower(): one for one in reversed(file.names)}
    found = difflib.get_close_matches(name.lower(), by_letters, n=3, cutoff=0.6)
    meant = f": did you mean {' or '.join(shown(by_letters[one]) for one in found)}?" if found else "."
    return InvalidDataError(
        f"{file.name} has no {column_text(name)}{meant} It has {listed(file.names)}",
        name=name,
        remedy=file.hint(),
    )


def _counted(table: str, missing: dict[str, int]) -> InvalidDataError:
    counts = [f"{shown(name)} {count}" for name, count in missing.items()]
    name, count = next(iter(missing.items()))
    counts[0] = f"{shown(name)} has {count} missing {'value' if count == 1 else 'values'}"
    more = f" and {len(counts) - SHOWN} more columns have some" if len(counts) > SHOWN else ""
    return InvalidDataError(
        f"{table}: {', '.join(counts[:SHOWN])}{more}",
        remedy=["pass ", Option("missing", "drop"), ", or fill them"],
    )

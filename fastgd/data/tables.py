"""Tables in files as sources of rows, and `fastgd.read_table`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fastgd import checks
from fastgd.checks import InvalidDataError
from fastgd.data import dialect, selection
from fastgd.data.categories import Found, Known
from fastgd.data.chunks import Source
from fastgd.data.coding import NO_CODING, Coding, Layout
from fastgd.data.dialect import CsvOptions
from fastgd.data.formats import File
from fastgd.data.once import ReadOnce
from fastgd.data.selection import Wanted
from fastgd.data.table_checks import as_names
from fastgd.data.table_files import KINDS, find
from fastgd.data.table_source import TableSource
from fastgd.public import public
from fastgd.wording import listed


@public
def read_table(
    path: Any,
    *,
    target: str,
    features: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    weight: str | None = None,
    categories: Sequence[str] = (),
    drop_first: bool = False,
    labels: bool | str = False,
    positive: str | None = None,
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
        The columns of X, in this order. The default is all other columns. They must be numeric or categories,
        and none may be the index of a pandas data frame. A name with *, ? or [ that no column has is a
        pattern: it stands for all columns that match it and are not named otherwise, in the file's order.
    exclude : sequence of str, optional
        Names and patterns of columns that X leaves out.
    weight : str, optional
        The column of sample weights.
    categories : sequence of str
        Features of any type that hold levels, such as a city. In its place X has a column for each level,
        named "city=Oslo", that is 1 in the rows of this level and 0 in others. The levels are found in a read
        of these columns, at most 1000 in all, and sorted.
    drop_first : bool
        Whether the first level of each category has no column. Use it in a fit with an intercept: weights are
        differences from the first level then. With all levels and an intercept, weights are not unique.
    labels : bool or "auto"
        Whether the target holds labels of classes, of any type, in place of numbers. They are found in a read
        of this column and sorted, and y is the index of the label: 0 or 1, of two. "auto" takes numbers as
        they are if the first rows hold 0 and 1 alone.
    positive : str, optional
        The label whose y is 1, of two labels. Without it, that is the second. Implies `labels=True`.
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
        If a column is missing or not numeric, or a file cannot be read, or there are too many levels or
        labels. A later pass may raise it too. The message has the place.
    FileNotFoundError
        If the file or folder does not exist.

    Notes
    -----
    A level or label is the text of a value without spaces around it; a whole number has no decimal point.
    Levels are sorted as numbers if all of them are numbers. A fit keeps them in `fit.coding`, and predicts
    from data frames with the columns of the table. `passes` do not count the read that finds them.

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

    The levels of a category become features:

    >>> _ = file.write_text("city,rent\\nOslo,9\\nBergen,7\\nOslo,11\\n")
    >>> rents = fastgd.read_table(file, target="rent", categories=["city"], drop_first=True)
    >>> rents
    read_table(trips.csv: "rent" from "city=Oslo")
    >>> fastgd.gradient_descent(rents, fit_intercept=True, precondition=True).w.round(6)
    array([3.])
    >>> folder.cleanup()
    """
    _require_pyarrow()
    checks.choice("missing", missing, ("error", "drop"))
    if target is None:
        raise TypeError("target must be the name of a column, not None")
    csv = CsvOptions(delimiter, decimal, thousands, na_values, header, skip_rows, encoding)
    name, files = _find(path, format, csv)
    checks.flag("drop_first", drop_first)
    checks.choice("labels", labels, (True, False, "auto"))
    named = as_names("categories", categories)
    asked = Found(named, drop_first, True if positive is not None else labels, positive)
    wanted = Wanted(features, exclude or ())
    source = TableSource(name, files, (target, weight), wanted, asked, drops=missing == "drop")
    return ReadOnce(source) if files[0].is_once else source


class Beside(NamedTuple):
    """The columns that are read beside the features of a model."""

    target: str | None = None
    weight: str | None = None
    kept: tuple[str, ...] = ()
    """Columns that the chunks carry along as they are, as text where the file is text."""
    may_lack: bool | None = None
    """None if the target must be whole. Otherwise chunks carry it along, with its missing values. If this is
    True, a target that is not there or holds no numbers is left out."""


NOTHING_ELSE = Beside()


def read_features(
    path: Any,
    names: Sequence[str],
    coding: Coding = NO_CODING,
    beside: Beside = NOTHING_ELSE,
    *,
    unknown: str = "error",
    missing: str = "error",
    format: str | None = None,
    **csv: Any,
) -> TableSource:
    """The features of a model from a table. An error lists all missing columns.

    Parameters
    ----------
    path : as of `read_table`
    names : sequence of str
        The names of the features.
    coding : Coding
        That of the model.
    beside : Beside
        Other columns. Without a target the chunks do not write y.
    unknown : {"error", "zero"}
        Whether an unknown level of a category is refused, or its features are 0.
    missing, csv : as of `read_table`
    """
    _require_pyarrow()
    name, files = _find(path, format, CsvOptions(**csv))
    layout = Layout.of(names if coding.categories else selection.choose(files[0], names), coding.categories)
    if len(lacking := [column for column in layout.columns if column not in files[0].names]) > 1:
        raise InvalidDataError(
            f"{files[0].name} lacks the columns {listed(lacking)}. It has {listed(files[0].names)}",
            remedy=files[0].hint(),
        )
    target, carried = beside.target, dict.fromkeys(beside.kept, True)
    if beside.may_lack is not None and target is not None:
        is_there = all(target in file.names for file in files) and target not in layout.columns
        is_usable = is_there and (coding.classes or not any(file.held(target) for file in files))
        if is_usable or not beside.may_lack:
            carried[target] = bool(coding.classes)
        target = None
    model = Known(layout, coding, unknown)
    others, wanted = (target, beside.weight), Wanted(layout.columns)
    return TableSource(name, files, others, wanted, model, drops=missing == "drop", carried=carried)


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

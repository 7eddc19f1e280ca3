"""Tables in memory (pandas, polars, Arrow), and arrays of other libraries.

This module imports none of these packages, since a caller with a data frame has imported its package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.checks import DROP, InvalidDataError, RowPlace
from fastgd.data import arrow, rounding
from fastgd.data.conversion import Column, Fill, Which, column_of, dtype_of, filler_of_columns
from fastgd.engine.blocks import Array
from fastgd.lazy import lazy_property
from fastgd.wording import SHOWN_OF_A_VALUE, cell, column_text, listed

CPU = 1
"""The number of the CPU in DLPack."""
DEVICES = {2: "a CUDA device", 8: "a Metal device", 10: "a ROCm device", 14: "a oneAPI device"}
HELD = {"O": "objects", "U": "text", "S": "bytes", "M": "dates", "m": "time spans", "c": "complex numbers"}
IN_NUMPY = {f"{kind}{bits}" for kind in ("Int", "UInt", "Float") for bits in (8, 16, 32, 64)} - {"Float8"}
"""Polars types that NumPy has too."""


class ColumnTable:
    """A table of separate columns, which is put together block by block.

    Attributes
    ----------
    n, d : int
    columns : tuple of str
        The names of the columns.
    dtype : dtype
        float32 if all columns are float32, otherwise float64.
    parts : list of Column
    """

    def __init__(self, names: tuple[str, ...], parts: list[Column]):
        self.columns, self.parts = names, parts
        self.n, self.d, self.dtype = parts[0].n, len(parts), dtype_of(parts)

    @property
    def shape(self) -> tuple[int, int]:
        return self.n, self.d

    @lazy_property
    def fill(self) -> Fill:
        """fill(X, start, stop) writes rows start:stop into X (stop − start, d)."""
        return filler_of_columns(self.parts)

    def take(self, order: NDArray[np.integer], X: Array) -> None:
        """Write the rows with these numbers into X."""
        for j, part in enumerate(self.parts):
            X[:, j] = part.read(order)

    def warn_of_rounding(self, name: str) -> None:
        """Warn of the first integer that a float rounds. Messages call the table `name`."""
        for j, part in enumerate(self.parts):
            for start in range(0, self.n, rounding.PART):
                values = part.read(slice(start, min(self.n, start + rounding.PART)))
                if not rounding.may_round(values.dtype):
                    break
                if (at := rounding.first_rounded(values)) is not None:
                    return rounding.warn(cell(name, start + at[0], self.columns[j]), int(values[at]))
        return None

    def whole(self) -> Array:
        """All rows as a new array."""
        X = np.empty((self.n, self.d), self.dtype)
        for start in range(0, self.n, rounding.PART):  # between parts it can be interrupted
            part = X[start : start + rounding.PART]
            self.fill(part, start, start + len(part))
        return X


@dataclass(frozen=True, slots=True)
class NamedArray:
    """An array (n, d) whose columns have names."""

    columns: tuple[str, ...]
    values: NDArray[Any]


def as_table(name: str, value: Any) -> ColumnTable | NDArray[Any] | None:
    """A data frame or Arrow table as a table, or as an array if it is stored as one. None for other values.

    Raises InvalidDataError if a column is not numeric or has a missing value.
    """
    if isinstance(value, ColumnTable):
        return value
    if isinstance(value, NamedArray):
        return value.values
    if _is_dask_frame(value):
        value = value.compute()
    if is_a(value, "polars", "LazyFrame"):
        raise InvalidDataError(
            "is a LazyFrame, a plan of a table", what=name, remedy=f"pass {name}.collect()"
        )
    series: Iterable[Any]
    if is_a(value, "pandas", "DataFrame"):
        if _is_array(value):
            return value.to_numpy()
        names, series = value.columns, (value.iloc[:, j] for j in range(value.shape[1]))
    elif is_a(value, "polars", "DataFrame"):
        names, series = value.columns, value.get_columns()
    elif is_a(value, "pyarrow", "Table", "RecordBatch"):
        names, series = value.schema.names, value.columns
    else:
        return None
    labels = tuple(map(_text, names))
    if not labels:
        return np.empty((len(value), 0))
    parts = [_checked(ColumnName(name, j, labels[j]), column) for j, column in enumerate(series)]
    return ColumnTable(labels, parts)


def names_of(value: Any) -> tuple[str, ...]:
    """The column names of a table as text. Empty for arrays, and for columns that pandas numbers 0, 1, …"""
    labels = _labels(value)
    numbers = (int, np.integer)
    if all(isinstance(label, numbers) and label == j for j, label in enumerate(labels)):
        return ()
    return tuple(map(_text, labels))


def name_of(series: Any) -> str | None:
    """The name of a column of a data frame (pandas, polars, Dask), if it has one."""
    name = series.name if hasattr(series, "to_frame") else None
    return name if isinstance(name, str) and name else None


def _labels(value: Any) -> list[Any]:
    """The column labels of a table, of any type."""
    if isinstance(value, (np.ndarray, list, float, int)):
        return []
    if is_a(value, "pyarrow", "Table", "RecordBatch"):
        return list(value.schema.names)
    is_frame = _is_dask_frame(value) or any(is_a(value, one, "DataFrame") for one in ("pandas", "polars"))
    return list(value.columns) if is_frame or isinstance(value, (ColumnTable, NamedArray)) else []


def _text(label: Any) -> str:
    return label if isinstance(label, str) else display.text(label)


def places(d: int) -> tuple[str, ...]:
    """The numbers of d columns as text, which are the names of columns without names."""
    return tuple(map(str, range(d)))


def by_name(name: str, value: Any, wanted: tuple[str, ...]) -> Any:
    """Select the columns of a table by name. Tables and arrays without names stay unchanged.

    If the names are the numbers of the columns in another order, the columns are sorted.
    """
    names = tuple(map(_text, _labels(value)))
    if not wanted and sorted(names) == sorted(places(len(names))):
        wanted = places(len(names))
    if not names_of(value) and sorted(names) != sorted(wanted):
        return value
    if not differ(wanted, names):
        return value
    if lacking := [column for column in wanted if column not in names]:
        raise InvalidDataError(f"lacks {listed(lacking)}: it has the columns {listed(names)}", what=name)
    refuse_repeated(name, wanted, names)
    chosen = [names.index(column) for column in wanted]
    if isinstance(value, ColumnTable):
        return ColumnTable(wanted, [value.parts[j] for j in chosen])
    if isinstance(value, NamedArray):
        return NamedArray(wanted, value.values[:, chosen])
    if is_a(value, "pandas", "DataFrame"):
        return value.iloc[:, chosen]
    labels = [_labels(value)[j] for j in chosen]
    return value[labels] if _is_dask_frame(value) else value.select(labels)


def pandas_for(what: str) -> Any:
    """The module pandas, which `what` needs."""
    try:
        import pandas
    except ImportError as error:
        raise ModuleNotFoundError(f"{what} needs pandas: pip install pandas") from error
    return pandas


def refuse_repeated(name: str, wanted: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Refuse a table with several columns of a wanted name."""
    if repeated := [column for column in wanted if names.count(column) > 1]:
        problem = f"has {names.count(repeated[0])} columns {listed(repeated[:1])}"
        raise InvalidDataError(problem, what=name, remedy="rename them")


def as_row(value: Any, wanted: tuple[str, ...]) -> NDArray[Any] | None:
    """A row of a pandas data frame (a Series indexed by column names) as (1, d). None for other values."""
    if not wanted or not is_a(value, "pandas", "Series"):
        return None
    names = list(map(_text, value.index))
    if any(names.count(column) != 1 for column in wanted):
        return None
    return np.asarray(value.iloc[[names.index(column) for column in wanted]])[None, :]


def differ(wanted: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Whether column names differ from the wanted ones or have another order.

    False if either has no names. Wanted names "0", "1", … are the numbers of columns without names, so they
    are compared with other numbers only.
    """
    if not wanted or not names or names == wanted:
        return False
    return not (set(wanted).isdisjoint(names) and wanted == places(len(wanted)))


def _is_dask_frame(value: Any) -> bool:
    return type(value).__module__.startswith("dask") and hasattr(value, "columns") and value.ndim == 2


def as_array_or_none(name: str, value: Any) -> NDArray[Any] | None:
    """A table, a column or an array with DLPack as a NumPy array. None for other values."""
    table = as_table(name, value)
    if isinstance(table, ColumnTable):
        table.warn_of_rounding(name)
        return table.whole()
    if table is not None:
        return table
    if is_a(value, "pandas", "Series") or is_a(value, "polars", "Series") or _is_arrow(value):
        column = _checked(ColumnName(name), value)
        return column.read(slice(0, column.n))
    if hasattr(value, "__dlpack_device__") and not isinstance(value, np.ndarray):
        return _from_dlpack(name, value)
    return None


def is_a(value: Any, package: str, *names: str) -> bool:
    """Whether the value is an instance of one of these classes. The package need not be installed."""
    module = sys.modules.get(package)
    return any(isinstance(value, getattr(module, name, ())) for name in names)


def _is_arrow(value: Any) -> bool:
    return is_a(value, "pyarrow", "ChunkedArray", "Array")


def _is_array(frame: Any) -> bool:
    """Whether a pandas data frame is one array. Then its first row and first column share memory."""
    if not frame.size or not isinstance(frame.dtypes.iloc[0], np.dtype):
        return False
    first = frame.iloc[:1].to_numpy()
    return bool(first.dtype.kind in "fiub" and np.shares_memory(first, frame.iloc[:, 0].to_numpy()))


class ColumnName(NamedTuple):
    """The name of a column in messages: column j of the table X, or the column y."""

    what: str
    j: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        return self.what if self.name is None else f"{column_text(self.name)} of {self.what}"

    def cell(self, row: int) -> str:
        """A number of the column, for messages."""
        return cell(self.what, row, self.j if self.name is None else self.name)

    def refused(self, row: int, problem: str, value: Any = None, remedy: str = "") -> InvalidDataError:
        """The error for a value of the column."""
        return InvalidDataError(
            problem, what=self.what, column=self.j, name=self.name, value=value, remedy=remedy,
            at=RowPlace("", row),
        )  # fmt: skip

    def missing(self, row: int) -> InvalidDataError:
        """The error for a missing value."""
        return self.refused(row, "is missing", remedy=DROP)

    def no_numbers(self, held: str, kind: Any, values: Any = ()) -> InvalidDataError:
        """The error for a column that holds no numbers."""
        first = None
        if held == "text" and len(values):
            first = values.iloc[0] if hasattr(values, "iloc") else values[0]
            first = first.as_py() if hasattr(first, "as_py") else first
            held = f"{held} ({kind}) such as {display.value(first, SHOWN_OF_A_VALUE)}"
        else:
            held = f"{held} ({kind})"
        return InvalidDataError(
            f"{self} holds {held}", column=self.j, name=self.name, value=first,
            remedy="it must hold real numbers",
        )  # fmt: skip


def _checked(column: ColumnName, value: Any) -> Column:
    """The numbers of a column. Refuse a column that holds anything else."""
    if _is_arrow(value):
        return _arrow(column, value)
    if is_a(value, "polars", "Series"):
        return _polars(column, value)
    return _pandas(column, value)


def _pandas(column: ColumnName, series: Any) -> Column:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        values = series.to_numpy()
        if dtype.kind == "O":
            values = _objects(column, values)
        elif dtype.kind not in "fiub":
            raise column.no_numbers(HELD.get(dtype.kind, "no numbers"), dtype)
        return column_of([values])
    types = sys.modules["pandas"].api.types
    inner = dtype.categories.dtype if hasattr(dtype, "categories") else dtype
    if not (types.is_numeric_dtype(inner) or types.is_bool_dtype(inner)):
        held = "text" if types.is_string_dtype(inner) else "no numbers"
        raise column.no_numbers(held, dtype, series.dropna())
    if (is_missing := np.asarray(series.isna())).any():
        raise column.missing(int(is_missing.argmax()))
    exact = getattr(inner, "numpy_dtype", np.dtype(np.float64))
    if inner is dtype and exact.kind in "iufb" and hasattr(inner, "numpy_dtype"):  # in memory without copies
        if hasattr(inner, "pyarrow_dtype"):
            return _arrow(column, series.array.__arrow_array__())
        return column_of([series.to_numpy(exact, copy=False)])
    dtype = np.dtype(np.float32 if str(inner).lower().startswith(("float32", "float[")) else np.float64)
    kept = exact if exact.kind in "iu" else dtype

    def read(which: Which) -> NDArray[Any]:
        return series.iloc[which].to_numpy().astype(kept)

    return Column(len(series), dtype, read)


def _objects(column: ColumnName, values: NDArray[Any]) -> NDArray[np.float64]:
    """Python numbers in an array of objects, as floats."""
    for row, item in enumerate(values):
        if item is None or type(item).__name__ in ("NAType", "NaTType"):
            raise column.missing(row)
        if not isinstance(item, (int, float, np.number, np.bool_)):
            problem = f"is {display.value(item, SHOWN_OF_A_VALUE)}"
            raise column.refused(row, problem, item, f"{column} must hold real numbers")
        if isinstance(item, int) and abs(item) > sys.float_info.max:
            raise column.refused(row, "is too large for a float", item)
    floats = values.astype(np.float64)
    rounding.warn_of_objects(values, floats, lambda index: column.cell(index[0]))
    return floats


def _polars(column: ColumnName, series: Any) -> Column:
    kind = series.dtype
    type_name = str(kind).partition("(")[0]
    if not (kind.is_numeric() or type_name in ("Boolean", "Null")):
        held = {"String": "text", "Categorical": "text", "Enum": "text", "Date": "dates", "Datetime": "dates"}
        raise column.no_numbers(held.get(type_name, "no numbers"), kind, series.drop_nulls())
    if series.null_count():
        raise column.missing(int(series.is_null().arg_max()))
    if type_name in IN_NUMPY:
        pieces = [chunk.to_numpy(allow_copy=False) for chunk in series.get_chunks()]
        return column_of(pieces, lambda rows: series[rows].to_numpy())
    float64 = sys.modules["polars"].Float64

    def read(which: Which) -> NDArray[Any]:
        return series[which].cast(float64).to_numpy()

    return Column(len(series), np.dtype(np.float64), read)


def _arrow(column: ColumnName, array: Any) -> Column:
    kind = array.type
    if not arrow.is_number(kind):
        raise column.no_numbers(arrow.describe(kind), kind, array.drop_null())
    if hasattr(kind, "value_type"):  # a dictionary
        array = array.cast(kind.value_type)
    if array.null_count:
        raise column.missing(array.is_null().index(True).as_py())

    def take(rows: NDArray[np.integer]) -> NDArray[Any]:
        return arrow.as_numpy(array.take(sys.modules["pyarrow"].array(rows)))

    chunks = getattr(array, "chunks", [array]) or [array.combine_chunks()]
    array = chunks[0] if len(chunks) == 1 else array
    pieces = [arrow.numbers(chunk) for chunk in chunks]
    if all(isinstance(piece, np.ndarray) for piece in pieces):
        return column_of(pieces, take)

    def read(which: Which) -> NDArray[Any]:
        if isinstance(which, slice):
            return arrow.as_numpy(array.slice(which.start, which.stop - which.start))
        return take(which)

    return Column(len(array), np.dtype(np.float64), read)


def _from_dlpack(name: str, value: Any) -> NDArray[Any] | None:
    """An array of another library in CPU memory. None if NumPy can convert it itself."""
    device = value.__dlpack_device__()[0]
    if device != CPU:
        where = DEVICES.get(int(device), "another device")
        raise InvalidDataError(f"is on {where}", what=name, remedy="copy it to the CPU first")
    if hasattr(value, "__array__"):
        return None
    try:
        return np.from_dlpack(value)
    except Exception as error:  # __dlpack__ of the object may raise anything
        raise InvalidDataError(f"cannot be made an array: {error}", what=name) from None

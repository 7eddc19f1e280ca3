"""The argument DATA of the command line: tables in files, rows of a .npy file, arrays of a .npz file."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data.arrays import as_array, kernel_dtype
from fastgd.data.categories import not_two, ordered_labels
from fastgd.data.chunks import Chunk, DerivedSource, Source
from fastgd.data.coding import NO_CODING, Coding, text_of
from fastgd.data.conversion import column_of
from fastgd.data.dataset import TOTAL, Facts, look
from fastgd.data.dialect import CsvOptions
from fastgd.data.files import open_npy, open_npz
from fastgd.data.frames import ColumnTable, places
from fastgd.data.spool import Spool
from fastgd.data.streams import StreamRows
from fastgd.data.table_files import refuse_options
from fastgd.domains import CLASSES
from fastgd.engine.blocks import NOTHING
from fastgd.losses import NAMED

if TYPE_CHECKING:
    from fastgd.data.table_source import TableSource

Files = str | Spool | list[str | Spool]
"""DATA: a name or a temporary file, or several."""
ARRAYS = "npy", "npz"
CACHED = 1 << 13
"""Targets that are processed at a time, so that intermediate results stay in the cache."""


class Data(NamedTuple):
    """X, y and weights for the functions. If X is a source, it contains y and the weights."""

    X: Any
    y: Any
    weight: Any
    names: tuple[str, ...]
    """The names of the columns of X, empty if X is one-dimensional."""
    target: str
    weight_name: str | None
    """The names or numbers of the columns of y and the weights."""
    coding: Coding = NO_CODING
    """The categories and labels of a table, or the labels of an array."""
    dialect: str = ""
    """The dialect of a CSV file, if it is unusual."""
    left_out: int | None = None
    """Rows with a missing value that were left out of arrays."""

    @property
    def n_left_out(self) -> int | None:
        """The number of rows that were left out for a missing value, known after a pass."""
        return self.X.n_left_out if isinstance(self.X, Observed) else self.left_out

    def in_memory(self) -> Data:
        """The same rows in arrays."""
        if not isinstance(self.X, Source):
            return self
        X, y, weights = StreamRows(self.X).whole()
        left_out = self.n_left_out
        weight = weights if self.X.has_weights else None
        return self._replace(X=X, y=y, weight=weight, left_out=left_out)

    def variance(self) -> float | None:
        """The variance of y, if it is positive. For a source it is known after a pass."""
        if isinstance(self.X, Source):
            return self.X.variance if isinstance(self.X, Observed) else None
        return variance_of(target_facts(self.y, self.weight))


def open_data(
    path: Files,
    target: str,
    features: Sequence[str] | None,
    weight: str | None,
    missing: str,
    *,
    exclude: Sequence[str] | None = None,
    loss: str = "squared_error",
    categories: Sequence[str] = (),
    drop_first: bool = False,
    positive: str | None = None,
    format: str | None = None,
    **csv: Any,
) -> Data:
    """DATA with its targets. A loss of two classes takes labels of two classes."""
    loss_of_two = loss if NAMED[loss].domain is CLASSES else ""
    kind = array_kind(path, format)
    if not kind:
        from fastgd.data.table_source import TableSource
        from fastgd.data.tables import read_table

        source = read_table(
            path, target=target, features=features, exclude=exclude, weight=weight, missing=missing,
            categories=categories, drop_first=drop_first, labels="auto" if loss_of_two else False,
            positive=positive, format=format, **csv,
        )  # fmt: skip
        assert isinstance(source, TableSource)  # of files
        if loss_of_two and len(source.label_counts) not in (0, 2):
            raise not_two(source.name, target, source.label_counts, loss=loss)
        observed = Observed(source, loss_of_two)
        target = source.target or target
        about = source.columns, target, source.weight, source.coding, source.dialect
        return Data(observed, None, None, *about)
    file, name = array_file(path, csv)
    if categories:
        raise InvalidDataError(f"--categories is for tables, and {name} holds arrays of numbers")
    open_arrays = _open_npy if kind == "npy" else _open_npz
    data = open_arrays(file, name, target, features, exclude or (), weight)
    if loss_of_two:
        data = _labelled(data, name, positive, loss)
        refuse_one_class(target_facts(data.y, data.weight), name, data.target, loss)
    return data


def _labelled(data: Data, name: str, positive: str | None, loss: str) -> Data:
    """The data with y of 0 and 1, for arrays with other labels of two classes."""
    values, rows, counts = np.unique(data.y, return_inverse=True, return_counts=True)
    if (positive is None and set(values.tolist()) <= {0.0, 1.0}) or not np.isfinite(values).all():
        return data
    found = dict(zip(map(str, map(text_of, values)), counts.tolist(), strict=True))
    labels = [*ordered_labels(name, data.target, found, positive)]
    if len(labels) != 2:
        raise not_two(name, data.target, found, loss=loss)
    codes = np.array([labels.index(text) for text in found], np.float64)
    return data._replace(y=codes[rows], coding=Coding(data.target, {}, tuple(labels)))


def array_kind(path: Files, format: str | None) -> str:
    """ "npy" or "npz" if DATA is a file of arrays, otherwise an empty text."""
    if format is not None:
        return format if format in ARRAYS else ""
    endings = [Path(one).suffix.lower()[1:] for one in (path if isinstance(path, list) else [path])]
    return next((ending for ending in endings if ending in ARRAYS), "")


def array_file(path: Files, csv: dict[str, Any]) -> tuple[str | Spool, str]:
    """The only file of DATA, and its name."""
    if isinstance(path, list):
        raise InvalidDataError("several files must be tables", remedy="join the arrays with np.concatenate")
    name = path.name if isinstance(path, Spool) else Path(path).name
    refuse_options(name, CsvOptions(**csv))
    return path, name


def _open_npy(
    path: str | Spool,
    name: str,
    target: str,
    features: Sequence[str] | None,
    exclude: Sequence[str],
    weight: str | None,
) -> Data:
    """The columns of an array."""
    array = rows(name, open_npy(path))
    d = array.shape[1]
    y, s = (None if column is None else column_number(column, d, name) for column in (target, weight))
    used = [j for j in range(d) if j not in (y, s)]
    if features is not None:
        used = column_numbers(features, d, name)
    left_out = column_numbers(exclude, d, name)
    used = [j for j in used if j not in left_out]
    for what, j in (("target", y), ("weight", s)):
        if j in used:
            raise InvalidDataError(f"the {what}, column {j}, is among the features; leave it out there")
    if y == s:
        raise InvalidDataError(f"the weight, column {s}, is the target too; name another column")
    if not used:
        raise InvalidDataError(f"{name} has no other columns; X needs at least one")
    table = selected(array, used)
    weights, weight_name = (None, None) if s is None else (array[:, s], str(s))
    return Data(table, array[:, y], weights, table.columns, str(y), weight_name, Coding(str(y), {}, ()))


def _open_npz(
    path: str | Spool,
    name: str,
    target: str,
    features: Sequence[str] | None,
    exclude: Sequence[str],
    weight: str | None,
) -> Data:
    """Separate arrays X, y and weights."""
    arrays = open_npz(path)
    X, y = member(arrays, "X", name), member(arrays, target, name)
    weights = None if weight is None else member(arrays, weight, name)
    if X.ndim != 2:
        return Data(X, y, weights, (), target, weight, Coding(target, {}, ()))
    if features is not None or exclude:
        d = X.shape[1]
        left_out = column_numbers(exclude, d, name)
        used = range(d) if features is None else column_numbers(features, d, name)
        table = selected(X, [j for j in used if j not in left_out])
        return Data(table, y, weights, table.columns, target, weight, Coding(target, {}, ()))
    return Data(X, y, weights, places(X.shape[1]), target, weight, Coding(target, {}, ()))


def member(arrays: dict[str, NDArray[Any]], name: str, file: str) -> NDArray[Any]:
    if name not in arrays:
        raise InvalidDataError(f'{file} has no array "{name}"; it has {", ".join(arrays) or "none"}')
    return as_array(name, arrays[name])


def rows(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 2:
        raise InvalidDataError(f"{name} has shape {array.shape}; it must have rows and columns")
    return as_array(name, array)


def selected(array: NDArray[Any], columns: Sequence[int]) -> ColumnTable:
    """Some columns of an array, not copied."""
    dtype = kernel_dtype(array.dtype)
    parts = [column_of([array[:, j]])._replace(dtype=dtype) for j in columns]
    return ColumnTable(tuple(map(str, columns)), parts)


def column_numbers(texts: Sequence[str], d: int, name: str, remedy: str = "") -> list[int]:
    numbers = [column_number(text, d, name, remedy) for text in texts]
    for number in numbers:
        if numbers.count(number) > 1:
            raise InvalidDataError(f"column {number} is twice among the features")
    return numbers


def column_number(text: str, d: int, name: str, remedy: str = "") -> int:
    """The number of a column. Negative numbers count from the end."""
    try:
        number = int(text)
    except ValueError:
        raise InvalidDataError(
            f'{name} has no names of columns: give the number of one, 0 to {d - 1}, not "{text}"'
        ) from None
    if not -d <= number < d:
        raise InvalidDataError(f"{name} has no column {number}; it has columns 0 to {d - 1}{remedy}")
    return number % d


def target_facts(y: NDArray[Any], weights: NDArray[Any] | None, facts: Facts | None = None) -> Facts:
    """The facts of targets, added to `facts`. Rows of weight 0 do not count."""
    facts = Facts() if facts is None else facts
    if weights is not None and not (is_counted := weights > 0.0).all():
        y, weights = y[is_counted], weights[is_counted]
    look(facts.n, y, NOTHING if weights is None else weights, CACHED, facts.state)
    return facts


def refuse_one_class(facts: Facts, name: str, target: str | None, loss: str) -> None:
    """Refuse targets that are all equal."""
    if facts.only is not None:
        raise InvalidDataError(
            f"holds one class only, {facts.only:g}", what="y", name=target, value=facts.only,
            remedy=f"{loss} needs both, 0 and 1", at=RowPlace(name),
        )  # fmt: skip


def variance_of(facts: Facts) -> float | None:
    """The variance of the targets, or None if it is 0 or unknown."""
    total, moment, square = facts.state[TOTAL:].tolist()
    if not total:
        return None
    result = square / total - (moment / total) ** 2
    return result if np.isfinite(result) and result > 1e-14 * square / total else None


class Observed(DerivedSource):
    """A table that computes the variance of its targets in the first full pass.

    `loss_of_two` is the loss if it needs two classes. Then a pass refuses targets of one class.
    """

    source: TableSource
    variance: float | None = None

    def __init__(self, source: TableSource, loss_of_two: str):
        super().__init__(source)
        self._loss_of_two = loss_of_two

    @property
    def n_left_out(self) -> int | None:
        return self.source.n_left_out

    def chunks(self) -> Generator[Chunk]:
        facts = Facts()
        with contextlib.closing(self.source.chunks()) as chunks:
            for chunk in chunks:
                if self.variance is None:
                    target_facts(*chunk.targets(), facts)
                yield chunk
        if self._loss_of_two:
            refuse_one_class(facts, self.name, self.target, self._loss_of_two)
        self.variance = self.variance or variance_of(facts)

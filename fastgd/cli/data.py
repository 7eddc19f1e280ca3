"""The argument DATA of the command line: tables in files, rows of a .npy file, arrays of a .npz file."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace, first_nonfinite, refused_nonfinite
from fastgd.data.arrays import as_array, kernel_dtype
from fastgd.data.chunks import Chunk, DerivedSource, Source
from fastgd.data.conversion import column_of
from fastgd.data.dataset import TOTAL, Facts, look
from fastgd.data.dialect import CsvOptions
from fastgd.data.files import open_npy, open_npz
from fastgd.data.frames import ColumnTable, places
from fastgd.data.spool import Spool
from fastgd.data.streams import StreamRows
from fastgd.data.table_files import refuse_options
from fastgd.domains import CLASSES
from fastgd.engine.blocks import NOTHING, Array
from fastgd.losses import NAMED

if TYPE_CHECKING:
    from fastgd.data.tables import TableSource

Files = str | Spool | list[str | Spool]
"""DATA: a name or a temporary file, or several."""
ARRAYS = "npy", "npz"
PART_NUMBERS = 1 << 17
"""The numbers of X for which predictions are computed at a time."""
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
    format: str | None = None,
    **csv: Any,
) -> Data:
    """DATA with its targets. A loss of two classes refuses targets of one class."""
    loss_of_two = loss if NAMED[loss].domain is CLASSES else ""
    kind = array_kind(path, format)
    if not kind:
        from fastgd.data.tables import TableSource, read_table

        source = read_table(
            path, target=target, features=features, exclude=exclude, weight=weight, missing=missing,
            format=format, **csv,
        )  # fmt: skip
        assert isinstance(source, TableSource)  # of files
        observed = Observed(source, loss_of_two)
        target = source.target or target
        return Data(observed, None, None, source.columns, target, source.weight, source.dialect)
    file, name = _array_file(path, csv)
    open_arrays = _open_npy if kind == "npy" else _open_npz
    data = open_arrays(file, name, target, features, exclude or (), weight)
    if loss_of_two:
        refuse_one_class(target_facts(data.y, data.weight), name, data.target, loss)
    return data


def array_kind(path: Files, format: str | None) -> str:
    """ "npy" or "npz" if DATA is a file of arrays, otherwise an empty text."""
    if format is not None:
        return format if format in ARRAYS else ""
    endings = [Path(one).suffix.lower()[1:] for one in (path if isinstance(path, list) else [path])]
    return next((ending for ending in endings if ending in ARRAYS), "")


def _array_file(path: Files, csv: dict[str, Any]) -> tuple[str | Spool, str]:
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
    array = _rows(name, open_npy(path))
    d = array.shape[1]
    y, s = (None if column is None else _number(column, d, name) for column in (target, weight))
    used = [j for j in range(d) if j not in (y, s)] if features is None else _numbers(features, d, name)
    left_out = _numbers(exclude, d, name)
    used = [j for j in used if j not in left_out]
    for what, j in (("target", y), ("weight", s)):
        if j in used:
            raise InvalidDataError(f"the {what}, column {j}, is among the features; leave it out there")
    if y == s:
        raise InvalidDataError(f"the weight, column {s}, is the target too; name another column")
    if not used:
        raise InvalidDataError(f"{name} has no other columns; X needs at least one")
    table = _selected(array, used)
    weights, weight_name = (None, None) if s is None else (array[:, s], str(s))
    return Data(table, array[:, y], weights, table.columns, str(y), weight_name)


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
    X, y = _member(arrays, "X", name), _member(arrays, target, name)
    weights = None if weight is None else _member(arrays, weight, name)
    if X.ndim != 2:
        return Data(X, y, weights, (), target, weight)
    if features is not None or exclude:
        d = X.shape[1]
        left_out = _numbers(exclude, d, name)
        used = range(d) if features is None else _numbers(features, d, name)
        table = _selected(X, [j for j in used if j not in left_out])
        return Data(table, y, weights, table.columns, target, weight)
    return Data(X, y, weights, places(X.shape[1]), target, weight)


class Part(NamedTuple):
    """Some rows without targets."""

    X: Array
    rows: NDArray[np.int64]
    """The numbers of these rows in DATA. Rows between them have a missing value."""
    stop: int
    """The row after the last row that was read."""


def parts(
    path: Files,
    names: Sequence[str],
    features: Sequence[str] | None,
    d: int,
    missing: str,
    *,
    format: str | None = None,
    **csv: Any,
) -> Iterator[Part]:
    """The rows of DATA for a model with d columns of these names, some rows at a time.

    `features` replace the names.
    """
    kind = array_kind(path, format)
    if not kind:
        yield from _parts_of_table(path, names, features, d, dict(missing=missing, format=format, **csv))
        return
    _refuse_other_number(features, d)
    file, name = _array_file(path, csv)
    array = open_npy(file) if kind == "npy" else _member(open_npz(file), "X", name)
    if array.ndim == 1 and d == 1:
        array = array[:, None]
    array = _rows(name, array)
    wanted = features if features is not None else names
    is_numbered = all(column.isdecimal() for column in wanted)
    if not wanted or (features is None and not is_numbered):
        if array.shape[1] != d:
            raise InvalidDataError(
                f"{name} has {array.shape[1]} columns, and the model {d} features: name their columns, "
                f"--features {','.join(map(str, range(d)))}"
            )
        columns = list(range(d))
    else:
        remedy = "; name others with --features" * (features is None)
        columns = _numbers(wanted, array.shape[1], name, remedy)
    table = _selected(array, columns)
    step = max(1, PART_NUMBERS // d)
    for start in range(0, table.n, step):
        X = np.empty((min(step, table.n - start), d), table.dtype)
        table.fill(X, start, start + len(X))
        _refuse_nonfinite(X, table.columns, start, functools.partial(RowPlace, name))
        yield Part(X, np.arange(start, start + len(X)), start + len(X))


def _refuse_other_number(features: Sequence[str] | None, d: int) -> None:
    if features is not None and len(features) != d:
        raise InvalidDataError(f"the model has {d} features, and --features names {len(features)}")


def _parts_of_table(
    path: Files, names: Sequence[str], features: Sequence[str] | None, d: int, options: dict[str, Any]
) -> Iterator[Part]:
    from fastgd.data.tables import read_features

    wanted = features if features is not None else names
    if not wanted:
        raise InvalidDataError(
            "the model knows no names of columns: name those to take, in its order, with --features"
        )
    source = read_features(path, wanted, **options)
    if features is not None:
        _refuse_other_number(source.columns, d)
    if sorted(source.columns) == sorted(names) and source.columns != tuple(names):
        raise InvalidDataError(
            "--features has the model's own columns in another order than its weights: "
            "leave it out, and they are taken by name"
        )
    step, done = max(1, PART_NUMBERS // source.d), 0
    with contextlib.closing(source.chunks()) as chunks:
        for chunk in chunks:
            for start in range(0, max(1, len(chunk)), step):
                m = min(step, len(chunk) - start)
                X = np.empty((m, source.d), source.dtypes[0])
                chunk.fill(start, start + m, X, np.empty(m), np.empty(0))
                _refuse_nonfinite(X, source.columns, done, source.place)
                done += m
                rows = chunk.rows[start : start + m]
                yield Part(X, rows, chunk.stop if start + m == len(chunk) else int(rows[-1]) + 1)


def _refuse_nonfinite(X: Array, names: Sequence[str], start: int, place: Callable[[int], RowPlace]) -> None:
    """Refuse rows from `start` on that hold a NaN or infinity. `place` returns the place of a row."""
    if (bad := first_nonfinite(X)) is not None:
        row, column, value = bad
        assert column is not None
        raise refused_nonfinite(
            "X", value, column=column, name=names[column], at=place(start + row), remedy="fill it"
        )


def _member(arrays: dict[str, NDArray[Any]], name: str, file: str) -> NDArray[Any]:
    if name not in arrays:
        raise InvalidDataError(f'{file} has no array "{name}"; it has {", ".join(arrays) or "none"}')
    return as_array(name, arrays[name])


def _rows(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 2:
        raise InvalidDataError(f"{name} has shape {array.shape}; it must have rows and columns")
    return as_array(name, array)


def _selected(array: NDArray[Any], columns: Sequence[int]) -> ColumnTable:
    """Some columns of an array, not copied."""
    dtype = kernel_dtype(array.dtype)
    parts = [column_of([array[:, j]])._replace(dtype=dtype) for j in columns]
    return ColumnTable(tuple(map(str, columns)), parts)


def _numbers(texts: Sequence[str], d: int, name: str, remedy: str = "") -> list[int]:
    numbers = [_number(text, d, name, remedy) for text in texts]
    for number in numbers:
        if numbers.count(number) > 1:
            raise InvalidDataError(f"column {number} is twice among the features")
    return numbers


def _number(text: str, d: int, name: str, remedy: str = "") -> int:
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

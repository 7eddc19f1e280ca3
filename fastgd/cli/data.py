"""DATA of the command line, as a fit takes it: tables in files, rows of a .npy, arrays of a .npz."""

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
from fastgd.data.chunks import Chunk, Source
from fastgd.data.files import open_npy, open_npz
from fastgd.data.finding import refuse_dialect
from fastgd.data.frames import Column, ColumnTable
from fastgd.data.streams import StreamRows
from fastgd.domains import CLASSES
from fastgd.engine.blocks import Array
from fastgd.losses import NAMED

if TYPE_CHECKING:
    from fastgd.data.tables import TableSource

PART_NUMBERS = 1 << 17
"""Numbers of which predictions are made at once."""
CACHED = 1 << 13
"""Targets that are looked at at once: what is made of them stays in the cache."""


class Data(NamedTuple):
    """X, y and weights as the functions take them; a source has all three in it."""

    X: Any
    y: Any
    weight: Any
    names: tuple[str, ...]
    """Of the columns of X; none of a single column that is the lesson's x."""
    target: str
    weight_name: str | None
    """Names, or numbers, of the columns of y and of the weights."""
    dialect: str = ""
    """How a CSV file is parsed, where that is unusual."""
    left_out: int | None = None

    @property
    def n_left_out(self) -> int | None:
        """Rows that were left out for a missing value, once they have been read."""
        return self.X.n_left_out if isinstance(self.X, Listened) else self.left_out

    def in_memory(self) -> Data:
        """The same rows in arrays."""
        if not isinstance(self.X, Source):
            return self
        X, y, weights = StreamRows(self.X).whole()
        left_out = self.n_left_out
        weight = weights if self.X.has_weights else None
        return self._replace(X=X, y=y, weight=weight, left_out=left_out)

    def variance(self) -> float | None:
        """The mean square of y about its mean; of a source that is listened to, once it has been read."""
        if isinstance(self.X, Source):
            return self.X.variance if isinstance(self.X, Listened) else None
        moments = TargetMoments()
        moments.add(self.y, self.weight)
        return moments.variance


def open_data(
    path: str,
    target: str,
    features: Sequence[str] | None,
    weight: str | None,
    missing: str,
    *,
    loss: str = "squared_error",
    **dialect: str | None,
) -> Data:
    """DATA with its targets; of which there must be two, for a loss of two classes."""
    needs_two = NAMED[loss].domain is CLASSES
    data = _opened(path, target, features, weight, missing, loss if needs_two else "", dialect)
    if needs_two and not isinstance(data.X, Source):
        moments = TargetMoments()
        moments.add(data.y, data.weight)
        moments.refuse_one(Path(path).name, data.target, loss)
    return data


def _opened(
    path: str,
    target: str,
    features: Sequence[str] | None,
    weight: str | None,
    missing: str,
    loss_of_two: str,
    dialect: dict[str, str | None],
) -> Data:
    name, suffix = Path(path).name, Path(path).suffix.lower()
    if suffix in (".npy", ".npz"):
        refuse_dialect(name, dialect)
    if suffix == ".npy":
        array = _rows(name, open_npy(path))
        d = array.shape[1]
        at, by = (None if one is None else _number(one, d, name) for one in (target, weight))
        taken = [j for j in range(d) if j not in (at, by)]
        if features is not None:
            taken = _numbers(features, d, name)
        for what, one in (("target", at), ("weight", by)):
            if one in taken:
                raise InvalidDataError(f"the {what}, column {one}, is among the features; leave it out there")
        if at == by:
            raise InvalidDataError(f"the weight, column {by}, is the target too; name another column")
        if not taken:
            raise InvalidDataError(f"{name} has no columns beside; X needs at least one")
        table = _picked(array, taken)
        own = None if by is None else str(by)
        return Data(table, array[:, at], None if by is None else array[:, by], table.columns, str(at), own)
    if suffix == ".npz":
        arrays = open_npz(path)
        X, y = _member(arrays, "X", name), _member(arrays, target, name)
        s = None if weight is None else _member(arrays, weight, name)
        if X.ndim != 2:
            return Data(X, y, s, (), target, weight)
        if features is not None:
            table = _picked(X, _numbers(features, X.shape[1], name))
            return Data(table, y, s, table.columns, target, weight)
        return Data(X, y, s, tuple(map(str, range(X.shape[1]))), target, weight)
    from fastgd.data.tables import read_table

    source = read_table(path, target=target, features=features, weight=weight, missing=missing, **dialect)
    listened = Listened(source, target, loss_of_two)
    return Data(listened, None, None, source.columns, target, weight, source.dialect)


class Part(NamedTuple):
    """Some rows without targets."""

    X: Array
    rows: NDArray[np.int64]
    """Their numbers among the rows of DATA; those between them have a missing value."""
    stop: int
    """The row after the last that was looked at."""


def parts(
    path: str,
    names: Sequence[str],
    given: Sequence[str] | None,
    d: int,
    missing: str,
    **dialect: str | None,
) -> Iterator[Part]:
    """The rows of DATA without targets, some at a time, for a model of d columns of these names.

    `given` are those to take in their place.
    """
    if given is not None and len(given) != d:
        raise InvalidDataError(f"the model has {d} features, and --features names {len(given)}")
    name, suffix = Path(path).name, Path(path).suffix.lower()
    if suffix not in (".npy", ".npz"):
        yield from _parts_of_table(path, names, given, missing, dialect)
        return
    refuse_dialect(name, dialect)
    array = open_npy(path) if suffix == ".npy" else _member(open_npz(path), "X", name)
    if array.ndim == 1 and d == 1:
        array = array[:, None]
    array = _rows(name, array)
    wanted = given if given is not None else names
    is_numbered = all(one.isdecimal() for one in wanted)
    if not wanted or (given is None and not is_numbered):
        if array.shape[1] != d:
            raise InvalidDataError(
                f"{name} has {array.shape[1]} columns, and the model {d} features: name their columns, "
                f"--features {','.join(map(str, range(d)))}"
            )
        columns = list(range(d))
    else:
        columns = _numbers(wanted, array.shape[1], name, "; name others with --features" * (given is None))
    table = _picked(array, columns)
    step = max(1, PART_NUMBERS // d)
    for start in range(0, table.n, step):
        X = np.empty((min(step, table.n - start), d), table.dtype)
        table.fill(start, start + len(X), X)
        _refuse_nonfinite(X, table.columns, start, functools.partial(RowPlace, name))
        yield Part(X, np.arange(start, start + len(X)), start + len(X))


def _parts_of_table(
    path: str,
    names: Sequence[str],
    given: Sequence[str] | None,
    missing: str,
    dialect: dict[str, str | None],
) -> Iterator[Part]:
    from fastgd.data.tables import read_features

    wanted = given if given is not None else names
    if sorted(wanted) == sorted(names) and [*wanted] != [*names]:
        raise InvalidDataError(
            "--features has the model's own columns in another order than its weights: "
            "leave it out, and they are taken by name"
        )
    if not wanted:
        raise InvalidDataError(
            "the model knows no names of columns: name those to take, in its order, with --features"
        )
    source = read_features(path, wanted, missing=missing, **dialect)
    step, done = max(1, PART_NUMBERS // source.d), 0
    with contextlib.closing(source.chunks()) as chunks:
        for chunk in chunks:
            for start in range(0, max(1, len(chunk)), step):
                m = min(step, len(chunk) - start)
                X = np.empty((m, source.d), source.dtypes[0])
                chunk.fill(start, start + m, X, np.empty(m), np.empty(0))
                _refuse_nonfinite(X, wanted, done, source.place)
                done += m
                rows = chunk.rows[start : start + m]
                yield Part(X, rows, chunk.stop if start + m == len(chunk) else int(rows[-1]) + 1)


def _refuse_nonfinite(X: Array, names: Sequence[str], start: int, place: Callable[[int], RowPlace]) -> None:
    """Refuse rows from `start` on that hold a NaN or an infinity; `place` tells where a row is."""
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


def _picked(array: NDArray[Any], columns: Sequence[int]) -> ColumnTable:
    """Some columns, read where they are."""
    dtype = kernel_dtype(array.dtype)
    own = [Column(len(array), dtype, array[:, j].__getitem__) for j in columns]
    return ColumnTable(tuple(map(str, columns)), own)


def _numbers(texts: Sequence[str], d: int, name: str, remedy: str = "") -> list[int]:
    numbers = [_number(text, d, name, remedy) for text in texts]
    for number in numbers:
        if numbers.count(number) > 1:
            raise InvalidDataError(f"column {number} stands twice among the features")
    return numbers


def _number(text: str, d: int, name: str, remedy: str = "") -> int:
    """A column by its number, from the end where it is negative."""
    try:
        number = int(text)
    except ValueError:
        raise InvalidDataError(
            f'{name} has no names of columns: give the number of one, 0 to {d - 1}, not "{text}"'
        ) from None
    if not -d <= number < d:
        raise InvalidDataError(f"{name} has no column {number}; it has columns 0 to {d - 1}{remedy}")
    return number % d


class TargetMoments:
    """Σ s, Σ s (y − y₀), Σ s (y − y₀)²."""

    def __init__(self) -> None:
        self._first, self._sums = 0.0, np.zeros(3)
        self._is_begun = False
        self._only: float | None = None
        self._has_two = False

    @np.errstate(over="ignore", invalid="ignore")
    def add(self, y: NDArray[Any], weights: NDArray[Any] | None) -> None:
        if not self._is_begun and len(y):
            self._first, self._is_begun = float(y[0]), True
        for start in range(0, len(y), CACHED):
            moved = y[start : start + CACHED].astype(np.float64) - self._first
            s = np.float64(1.0) if weights is None else weights[start : start + CACHED]
            by = s * moved
            self._look(y[start : start + CACHED], None if weights is None else s)
            self._sums += len(moved) if weights is None else np.sum(s), np.sum(by), np.sum(by * moved)

    def _look(self, y: NDArray[Any], weights: Any) -> None:
        """Whether there are two targets, of rows that count."""
        if self._has_two or not len(y := y if weights is None else y[weights > 0.0]):
            return
        if self._only is None:
            self._only = float(y[0])
        self._has_two = bool((y != self._only).any())

    def refuse_one(self, name: str, target: str, loss: str) -> None:
        """Refuse targets that are all the same."""
        if self._only is not None and not self._has_two:
            raise InvalidDataError(
                f"holds one class only, {self._only:g}", what="y", name=target, value=self._only,
                remedy=f"{loss} needs both, 0 and 1", at=RowPlace(name),
            )  # fmt: skip

    @property
    def variance(self) -> float | None:
        """The mean of (y − mean y)²; None where it is 0 or not to be had."""
        total, moment, square = self._sums.tolist()
        if not total:
            return None
        found = square / total - (moment / total) ** 2
        return found if np.isfinite(found) and found > 1e-14 * square / total else None


class Listened(Source):
    """A source whose targets are looked at as they pass by, in the first read of them all."""

    variance: float | None = None

    def __init__(self, source: TableSource, target: str, loss_of_two: str):
        """`target` is the name of the targets' column; a loss of two classes refuses one class alone."""
        self._source, self._target, self._loss_of_two = source, target, loss_of_two
        self.d, self.n, self.is_scalar = source.d, source.n, source.is_scalar
        self.has_weights, self.dtypes = source.has_weights, source.dtypes
        self.name, self.columns = source.name, source.columns
        self.target, self.weight = source.target, source.weight

    @property
    def n_left_out(self) -> int | None:
        return self._source.n_left_out

    def place(self, row: int) -> RowPlace:
        return self._source.place(row)

    def sample(self) -> bytes:
        return self._source.sample()

    def chunks(self) -> Generator[Chunk]:
        moments = TargetMoments()
        with contextlib.closing(self._source.chunks()) as chunks:
            for chunk in chunks:
                if self.variance is None:
                    moments.add(*chunk.targets())
                yield chunk
        if self._loss_of_two:
            moments.refuse_one(self.name, self._target, self._loss_of_two)
        self.variance = self.variance or moments.variance

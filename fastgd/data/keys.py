"""The groups of rows: a code for each row, and the key of each code, from arrays or columns of keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.checks import DROP, InvalidDataError, RowPlace
from fastgd.data import frames
from fastgd.wording import listed

Codes = NDArray[np.int64]

DENSE = 4
"""Integers that span fewer than DENSE numbers a row are codes as they are."""


def _row(row: int) -> RowPlace:
    return RowPlace("", row)


class Keys:
    """A code from `lowest` on for each row, with the key of each code. Some codes may have no rows."""

    def __init__(self, codes: Codes, lowest: int, keys: Sequence[Any]):
        self.codes, self.lowest, self.keys = codes, lowest, keys


class KeyColumn(NamedTuple):
    """One part of all keys in a file."""

    kind: Literal["int", "float", "bool", "text", "dates"]
    numbers: NDArray[Any]
    """The keys as numbers, or the lengths of texts."""
    text: bytes
    """All texts one after the other, or the unit of dates."""

    @classmethod
    def of(cls, part: Sequence[Any]) -> KeyColumn:
        kinds = set(map(type, part))
        if kinds == {str}:
            text = "".join(part).encode("utf-8", "surrogatepass")
            return cls("text", np.array(list(map(len, part)), np.int64), text)
        if kinds == {np.datetime64}:
            dates = np.array(part)
            return cls("dates", dates.astype(np.int64), np.datetime_data(dates.dtype)[0].encode())
        for kind, dtype in ((int, np.int64), (float, np.float64), (bool, np.uint8)):
            if kinds == {kind} and (kind is not int or all(-(2**63) <= key < 2**63 for key in part)):
                return cls(kind.__name__, np.array(part, dtype), b"")  # type: ignore[arg-type]
        named = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"keys of type {named} cannot be kept in a file: group by text or by integers")

    def keys(self) -> list[Any]:
        if self.kind == "text":
            ends = np.cumsum(self.numbers).tolist()
            text = self.text.decode("utf-8", "surrogatepass")
            if ends and ends[-1] != len(text):
                raise InvalidDataError("holds keys that do not fit together")
            return [text[end - n : end] for n, end in zip(self.numbers.tolist(), ends, strict=True)]
        if self.kind == "dates":
            return list(self.numbers.astype(f"datetime64[{self.text.decode()}]"))
        return [bool(key) for key in self.numbers] if self.kind == "bool" else self.numbers.tolist()


class StoredKeys(NamedTuple):
    """Keys in a file."""

    are_tuples: bool
    parts: list[KeyColumn]

    def keys(self) -> list[Any]:
        parts = [part.keys() for part in self.parts]
        if not parts or len(set(map(len, parts))) > 1:
            raise InvalidDataError("holds keys that do not fit together")
        return list(zip(*parts, strict=True)) if self.are_tuples else parts[0]


def stored(keys: Sequence[Any]) -> StoredKeys:
    """The keys of a file. Raises TypeError for keys of other types."""
    are_tuples = isinstance(keys[0], tuple)
    parts = zip(*keys, strict=True) if are_tuples else [keys]
    return StoredKeys(are_tuples, [KeyColumn.of(list(part)) for part in parts])


def split_table(X: Any, by: Any) -> tuple[Any, list[Any]]:
    """X without the columns that `by` names, and the keys: a list with an array or a column for each."""
    names = frames.names_of(X)
    return _split(X, list(by) if _are_several(by, names) else [by], names)


def _split(X: Any, parts: list[Any], names: tuple[str, ...]) -> tuple[Any, list[Any]]:
    named = [part for part in parts if isinstance(part, str)]
    if lacking := [name for name in named if name not in names]:
        problem = "it has no named columns" if not names else f"X has the columns {listed(names)}"
        raise InvalidDataError(f"by names {listed(lacking)}: {problem}")
    if not named:
        return X, parts
    frames.refuse_repeated("X", tuple(named), names)
    others = tuple(name for name in names if name not in named)
    if not others:
        raise InvalidDataError("by names every column of X, and no feature is left")
    return frames.by_name("X", X, others), [
        _column(X, names.index(part)) if isinstance(part, str) else part for part in parts
    ]


def named(by: Any) -> list[Any]:
    """The columns that `by` of a source names: all by their names, or all by their numbers."""
    parts = list(by) if isinstance(by, (list, tuple)) else [by]
    are_numbers = all(isinstance(part, (int, np.integer)) and not isinstance(part, bool) for part in parts)
    if not parts or not (are_numbers or all(isinstance(part, str) for part in parts)):
        raise InvalidDataError(
            "by of a source must name a column, by its name or number, or be a list of these"
        )
    return parts


def split_chunk(X: Any, by: list[Any]) -> tuple[Any, list[Any]]:
    """As `split_table` for a chunk, where `by` is what `named` returns."""
    names = frames.names_of(X)
    if isinstance(by[0], str):
        return _split(X, by, names)
    d = np.shape(X)[1] if np.ndim(X) == 2 else 1
    if d <= len(set(by)) or not all(0 <= part < d for part in by):
        raise InvalidDataError(f"by is {display.value(by)}; of {d} columns it must leave a feature")
    if names:
        return _split(X, [names[part] for part in by], names)
    X = np.asarray(X)
    return np.delete(X, by, axis=1), [X[:, part] for part in by]


def _column(table: Any, j: int) -> Any:
    """Column j of a table of pandas, polars or Arrow."""
    if hasattr(table, "iloc"):
        return table.iloc[:, j]
    return table.get_columns()[j] if hasattr(table, "get_columns") else table.column(j)


def _are_several(by: Any, names: tuple[str, ...]) -> bool:
    """Whether `by` is a list of names and arrays, not an array of keys."""
    if not isinstance(by, (list, tuple)) or not by:
        return False
    return all(part in names if isinstance(part, str) else np.ndim(part) == 1 for part in by)


def encode(parts: list[Any], n: int, place: Callable[[int], RowPlace] = _row, *, what: str = "by") -> Keys:
    """The codes of n rows. The keys of several parts are tuples. Keys ascend if they can be compared.

    `place` is the place of a row in messages, and `what` the name of the argument.
    """
    names = [f"{what}[{j}]" if len(parts) > 1 else what for j in range(len(parts))]
    encoded = [_encode(name, part, n, place) for name, part in zip(names, parts, strict=True)]
    if len(encoded) == 1:
        return encoded[0]
    codes, keys = encoded[0].codes - encoded[0].lowest, [(key,) for key in encoded[0].keys]
    for other in encoded[1:]:
        size = len(other.keys)
        # n·size stays below 2^63, since codes are renumbered.
        joint = _numbered(codes * size + (other.codes - other.lowest))
        pairs = (divmod(code, size) for code in joint.keys)
        keys = [(*keys[code], other.keys[last]) for code, last in pairs]
        codes = joint.codes
    return Keys(codes, 0, keys)


def _encode(name: str, part: Any, n: int, place: Callable[[int], RowPlace]) -> Keys:
    values = _values(name, part)
    if len(values) != n:
        raise InvalidDataError(f"has length {len(values)} and X has {n} rows; they must agree", what=name)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        lowest, highest = int(values.min()), int(values.max())
        if highest - lowest < DENSE * n and highest < 2**63:
            return Keys(values.astype(np.int64, copy=False), lowest, list(range(lowest, highest + 1)))
    codes, distinct = _factorized(values)
    if (is_missing := codes < 0).any():
        raise InvalidDataError("is missing", what=name, remedy=DROP, at=place(int(is_missing.argmax())))
    return _sorted(codes, distinct)


def _values(name: str, part: Any) -> Any:
    """The keys as an array, or as a column of pandas."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(part, (pandas.Series, pandas.Index, pandas.Categorical)):
        is_plain = isinstance(part.dtype, np.dtype)
        return part.to_numpy() if is_plain and part.dtype.kind in "iub" else part
    if hasattr(part, "combine_chunks"):
        part = part.combine_chunks()
    if hasattr(part, "to_numpy") and hasattr(part, "null_count"):
        part = _of_arrow(part)
    values = np.asarray(part)
    if values.dtype.kind == "U" and not isinstance(part, np.ndarray):  # text in place of None and numbers
        values = np.array(part, dtype=object)
    if values.ndim != 1:
        raise InvalidDataError(
            f"has shape {values.shape}; it must be an array with an entry for each row, a column of X, or a "
            "list of these", what=name,
        )  # fmt: skip
    return values


def _of_arrow(column: Any) -> NDArray[Any]:
    """A column of Arrow or polars as an array; objects with None if some are missing."""
    count = column.null_count
    if count() if callable(count) else count:
        return np.array(
            column.to_pylist() if hasattr(column, "to_pylist") else column.to_list(), dtype=object
        )
    if hasattr(column, "to_pylist"):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return np.asarray(column.to_numpy())


def _factorized(values: Any) -> tuple[Codes, list[Any]]:
    """A code for each key, −1 for missing ones, and the distinct keys."""
    try:
        import pandas
    except ModuleNotFoundError:
        return _by_numpy(np.asarray(values))
    codes, distinct = pandas.factorize(values)
    return np.asarray(codes, np.int64), _listed(distinct)


def _by_numpy(values: NDArray[Any]) -> tuple[Codes, list[Any]]:
    if values.dtype.kind == "O":
        numbers: dict[Any, int] = {}
        found = [-1 if _is_missing(key) else numbers.setdefault(key, len(numbers)) for key in values.tolist()]
        return np.array(found, np.int64), list(numbers)
    distinct, codes = np.unique(values, return_inverse=True, equal_nan=True)
    is_missing = distinct != distinct
    codes = codes.astype(np.int64).reshape(-1)
    if is_missing.any():  # NaN and NaT come last
        codes[codes >= int(is_missing.argmax())] = -1
    return codes, _listed(distinct[~is_missing])


def _is_missing(key: Any) -> bool:
    return key is None or bool(key != key)


def _listed(distinct: Any) -> list[Any]:
    """The keys as Python objects; dates stay dates."""
    is_date = isinstance(distinct, np.ndarray) and distinct.dtype.kind in "mM"
    return list(distinct) if is_date else distinct.tolist()


def _numbered(codes: Codes) -> Keys:
    """Codes 0, 1, … in the order of these numbers, which are the keys."""
    return _sorted(*_factorized(codes))


def _sorted(codes: Codes, distinct: list[Any]) -> Keys:
    """The codes of the keys in the order of `ascending`."""
    order = ascending(range(len(distinct)), distinct.__getitem__)
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return Keys(places[codes], 0, [distinct[k] for k in order])


def ascending(keys: Sequence[Any], by: Callable[[Any], Any] | None = None) -> list[Any]:
    """The keys in ascending order, or as they are if some cannot be compared."""
    try:
        return sorted(keys, key=by)
    except TypeError:
        return list(keys)


def shown(key: Any) -> str:
    """A key in a message."""
    return display.value(key, 60)

"""How columns of a table become numbers: the levels of categories, and the labels of classes."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError
from fastgd.engine.blocks import Array, Floats
from fastgd.wording import SHOWN_OF_A_VALUE, listed, shown

NUMBER = re.compile(r"[+-]?\d+\.0+|[+-]?\d\.\d+[eE][+-]\d+")
"""A whole number with a decimal point, or a number as NumPy writes it, which stands for its shortest text."""
UNKNOWN, MISSING = -1, -2
"""The codes of a level that is not among the known ones, and of a missing value."""


class Coding(NamedTuple):
    """What a model keeps of the table of its rows.

    A level or a label is the text of a value without spaces around it. A whole number has no decimal point.
    """

    target: str
    """The name of the column y, empty if it has none."""
    categories: dict[str, tuple[str, ...]]
    """The levels of each category, in order. The feature "city=Oslo" is 1 where city is Oslo, otherwise 0."""
    classes: tuple[str, ...]
    """The labels of y = 0, 1, … in this order. Empty if the column y holds numbers."""


NO_CODING = Coding("", {}, ())


def check_coding(coding: Coding) -> None:
    """Refuse a coding from a file that holds anything but texts."""
    texts: list[str | None] = [coding.target, *coding.categories, *coding.classes]
    for levels in coding.categories.values():
        texts += levels if type(levels) is tuple and levels else [None]
    if not all(type(text) is str for text in texts):
        raise InvalidDataError("holds an invalid coding of columns")


def text_of(value: Any) -> str | None:
    """The level or label that a value stands for, None if it is missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return None if math.isnan(number) else str(int(number)) if number.is_integer() else repr(number)
    text = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
    return text_of(float(text)) if NUMBER.fullmatch(text) else text


def in_order(texts: Iterable[str]) -> tuple[str, ...]:
    """Levels or labels in ascending order, as numbers if all of them are numbers."""
    texts = sorted(texts)
    with contextlib.suppress(ValueError):
        numbers = [float(text) for text in texts]
        if all(map(math.isfinite, numbers)):
            return tuple(text for _, text in sorted(zip(numbers, texts, strict=True)))
    return tuple(texts)


def values_of(classes: Sequence[str]) -> NDArray[Any]:
    """The labels as an array: of whole numbers or floats if all of them are numbers, otherwise of text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return np.array([kind(text) for text in classes])
    return np.array(classes)


def feature(column: str, level: str) -> str:
    """The name of the feature for a level of a category."""
    return f"{column}={level}"


def features(
    columns: Sequence[str], categories: Mapping[str, Sequence[str]], drop_first: bool
) -> tuple[str, ...]:
    """The features of these columns of a table. With `drop_first` the first level of a category has none."""
    names: list[str] = []
    for column in columns:
        if column in categories:
            names += [feature(column, level) for level in categories[column][drop_first:]]
        else:
            names.append(column)
    return tuple(names)


class OneHot(NamedTuple):
    """The features of a category."""

    places: NDArray[np.intp]
    """For each level the number of its feature, −1 for none."""
    columns: slice | NDArray[np.intp]
    """The numbers of all features of the category."""
    table: Floats
    """These features for each level, and, in the last row, those of an unknown level, 0."""

    @classmethod
    def of(cls, places: NDArray[np.intp]) -> OneHot:
        columns = places[places >= 0]
        table = np.zeros((len(places) + 1, len(columns)))
        table[np.flatnonzero(places >= 0), np.arange(len(columns))] = 1.0
        is_run = (np.diff(columns) == 1).all()
        return cls(places, slice(columns[0], columns[-1] + 1) if is_run else columns, table)

    def fill(self, X: Array, codes: NDArray[np.integer]) -> None:
        """Write the features of levels with these indices into the rows of X."""
        X[:, self.columns] = self.table.take(codes, axis=0)


class Layout(NamedTuple):
    """The columns of a table that features come from."""

    names: tuple[str, ...]
    """The names of the features."""
    places: dict[str, int | OneHot]
    """For each column of the table the number of its feature, or the features of a category."""

    @classmethod
    def of(cls, names: Sequence[str], categories: Mapping[str, Sequence[str]]) -> Layout:
        """The layout of features with these names."""
        origins = {
            feature(column, level): (column, k)
            for column, levels in categories.items()
            for k, level in enumerate(levels)
        }
        found: dict[str, Any] = {}
        for j, name in enumerate(names):
            if (origin := origins.get(name)) is None:
                found[name] = j
                continue
            column, k = origin
            if column not in found:
                found[column] = np.full(len(categories[column]), -1)
            found[column][k] = j
        places = {name: one if isinstance(one, int) else OneHot.of(one) for name, one in found.items()}
        return cls(tuple(names), places)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.places)

    def renamed(self, columns: Sequence[str], coding: Coding) -> tuple[tuple[str, ...], Coding]:
        """The features and the coding of a table whose columns have these names in place of its own."""
        new = dict(zip(self.places, columns, strict=True))
        names = list(self.names)
        for old, place in self.places.items():
            if isinstance(place, int):
                names[place] = new[old]
                continue
            for k, level in enumerate(coding.categories[old]):
                if place.places[k] >= 0:
                    names[place.places[k]] = feature(new[old], level)
        kept = {new[old]: levels for old, levels in coding.categories.items() if old in new}
        return tuple(names), coding._replace(categories=kept)


class Codes:
    """The indices of levels or labels."""

    def __init__(self, texts: Sequence[str], missing: Collection[str] = ()):
        """`missing` are texts that stand for a missing value."""
        self.texts = tuple(texts)
        self._of_text = {text: k for k, text in enumerate(texts)}
        self._missing = missing

    def of(self, values: Iterable[Any]) -> NDArray[np.int64]:
        """The indices of values, or UNKNOWN or MISSING."""
        known = self._of_text
        texts = map(text_of, values)
        return np.array(
            [
                MISSING if text is None or text in self._missing else known.get(text, UNKNOWN)
                for text in texts
            ],
            np.int64,
        )


def unknown_text(value: Any, texts: Sequence[str], what: str = "levels") -> str:
    """The problem of a value that is none of the known levels, or labels."""
    return (
        f"is {shown(str(value), SHOWN_OF_A_VALUE)}, which is none of the {what} of the fit: {listed(texts)}"
    )

"""Categories and labels in tables: their levels, found in a read, and columns as codes of levels."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError
from fastgd.data import arrow, coding
from fastgd.data.coding import MISSING, Codes, Coding, Layout, in_order, text_of
from fastgd.data.formats import File, TableChunk
from fastgd.wording import SHOWN_OF_A_VALUE, Option, column_text, listed, shown

MOST = 1000
"""The largest number of levels of all categories, and of labels."""

SHOWN_LABELS = 5
"""The largest number of labels in a message."""
Counts = dict[str, int]
"""The number of rows of each level."""


def codes_of(column: Any, codes: Codes) -> Any:
    """A column as an Arrow array of the indices of its levels."""
    entries, indices, is_there = _by_entry(column)
    found = codes.of(entries)[indices]
    is_there &= found != MISSING
    return arrow.as_arrow(found, is_there)


def _by_entry(column: Any) -> tuple[list[Any], NDArray[np.integer], NDArray[np.bool_]]:
    """The distinct values of a column, the index of each row's, and a mask of the rows that have one."""
    from pyarrow import types

    whole = column if types.is_dictionary(column.type) else column.dictionary_encode()
    entries = whole.dictionary.to_pylist() or [None]
    return (
        entries,
        arrow.as_numpy(whole.indices.fill_null(0)),
        arrow.as_numpy(whole.indices.is_valid()).copy(),
    )


def numbers_or_nan(chunk: TableChunk, name: str, classes: Sequence[str]) -> NDArray[np.float64]:
    """A target that a chunk carries along, of all rows. NaN where it is missing or none of the labels."""
    from pyarrow import compute, float64

    column = arrow.decoded(chunk.carried[name]) if not classes else chunk.carried[name]
    if classes:
        column = codes_of(column, Codes(classes, chunk.file.missing_texts))
    found = arrow.as_numpy(compute.fill_null(column.cast(float64()), np.nan)).copy()
    if classes:
        found[found < 0.0] = np.nan
    return found


def find_levels(table: str, files: Sequence[File], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The levels of categories, in order. Takes a read of these columns."""
    counts = _counted(files, columns)
    if sum(map(len, counts.values())) > MOST:
        name, most = max(counts.items(), key=lambda item: len(item[1]))
        raise InvalidDataError(
            f"{table} has more than {MOST} levels of categories, {len(most)} or more in {column_text(name)}, "
            f"such as {shown(next(iter(most)), SHOWN_OF_A_VALUE)}",
            name=name,
            remedy=["leave it out of ", Option("categories"), " and of ", Option("features")],
        )
    for name, found in counts.items():
        if not found:
            raise InvalidDataError(f"{table}: all values of {column_text(name)} are missing", name=name)
    return {name: in_order(found) for name, found in counts.items()}


def find_labels(table: str, files: Sequence[File], target: str, positive: str | None) -> Counts:
    """The labels of classes with their counts, in order. Takes a read of this column."""
    return ordered_labels(table, target, _counted(files, [target])[target], positive)


def ordered_labels(table: str, target: str, counts: Counts, positive: str | None) -> Counts:
    """The labels in order. `positive` becomes the second of two, and is refused for other labels."""
    if len(counts) > MOST:
        raise InvalidDataError(
            f"{table}: {column_text(target)} has more than {MOST} different values: these are no labels",
            name=target,
        )
    labels = in_order(counts)
    if positive is not None:
        if len(labels) != 2 or positive not in labels:
            other = "" if positive in labels else f", and none is {shown(positive, SHOWN_OF_A_VALUE)}"
            raise not_two(table, target, counts, other)
        labels = *(label for label in labels if label != positive), positive
    return {label: counts[label] for label in labels}


def not_two(table: str, target: str, counts: Counts, other: str = "", loss: str = "") -> InvalidDataError:
    """The error for a number of labels that is not two, or (`other`) for a label that is not there."""
    labels = [
        f"{shown(label, SHOWN_OF_A_VALUE)} ({counts[label]:,})" for label in in_order(counts)[:SHOWN_LABELS]
    ]
    more = f" and {len(counts) - SHOWN_LABELS} more" if len(counts) > SHOWN_LABELS else ""
    n = f"{len(counts)} label{'s' * (len(counts) != 1)}"
    remedy = "" if other and len(counts) == 2 else f"{loss or 'a positive label'} needs two"
    return InvalidDataError(
        f"{table}: {column_text(target)} holds {n}, {', '.join(labels)}{more}{other}",
        name=target,
        remedy=remedy,
    )


def begins_with_0_and_1(file: File, target: str) -> bool:
    """Whether the first rows of this column hold the numbers 0 and 1, and nothing else."""
    if target in file.constants:
        return False
    with contextlib.closing(file.batches([target])) as batches:
        first = next(batches, None)
    if first is None:
        return False
    found = set(map(text_of, _by_entry(first.column(target))[0]))
    return found - {None, *file.missing_texts} == {"0", "1"}


def _counted(files: Sequence[File], columns: Sequence[str]) -> dict[str, Counts]:
    """The number of rows of each level. Ends early where there are too many levels."""
    counts: dict[str, Counts] = {name: {} for name in columns}
    for file in files:
        names = []
        for name in columns:
            if name in file.kinds:
                names.append(name)
            elif (text := text_of(file.constants[name])) is not None:
                counts[name][text] = counts[name].get(text, 0) + (file.n or 0)
        if not names:
            continue
        with contextlib.closing(file.batches(names)) as batches:
            for batch in batches:
                for name in names:
                    _count(batch.column(name), file.missing_texts, counts[name])
                if sum(map(len, counts.values())) > MOST:
                    return counts
    return counts


def _count(column: Any, missing: Collection[str], counts: Counts) -> None:
    entries, indices, is_there = _by_entry(column)
    numbers = np.bincount(indices[is_there], minlength=len(entries)).tolist()
    for entry, n in zip(entries, numbers, strict=True):
        text = text_of(entry)
        if n and text is not None and text not in missing:
            counts[text] = counts.get(text, 0) + n


class Found(NamedTuple):
    """The coding of a table whose levels and labels are found in a read, as `read_table` is asked to."""

    categories: tuple[str, ...]
    drop_first: bool
    labels: bool | str
    positive: str | None

    def columns(self, target: str | None) -> set[str]:
        """The columns that need not be numeric."""
        return {*self.categories, *([target] if self.labels and target is not None else [])}

    def of(self, table: str, files: Sequence[File], features: Sequence[str], target: str | None) -> Coded:
        """The coding of a table with these columns."""
        if others := [name for name in self.categories if name not in features]:
            raise InvalidDataError(
                f"{table}: {column_text(others[0])} is not among the features, {listed(features)}",
                name=others[0],
                remedy=["name features in ", Option("categories")],
            )
        if files[0].is_once and (self.categories or self.labels):
            raise InvalidDataError(
                f"{table} can be read once, and its levels and labels need a read of their own",
                remedy="load it into a table",
            )
        counts = self._labels(table, files, target)
        levels: dict[str, tuple[str, ...]] = {}
        if self.categories:
            levels = find_levels(table, files, [name for name in features if name in self.categories])
        layout = Layout.of(coding.features(features, levels, self.drop_first), levels)
        return Coded(layout, Coding(target or "", levels, tuple(counts)), counts, "error")

    def _labels(self, table: str, files: Sequence[File], target: str | None) -> Counts:
        """The labels with their counts, none if y holds numbers."""
        if not self.labels or target is None:
            return {}
        is_numeric = not any(file.held(target) for file in files)
        if self.labels == "auto" and is_numeric and begins_with_0_and_1(files[0], target):
            for file in files:
                file.texts = file.texts - {target}
            return {}
        return find_labels(table, files, target, self.positive)


class Known(NamedTuple):
    """The coding of a table for a model with features of these names."""

    layout: Layout
    coding: Coding
    unknown: str = "error"

    def columns(self, target: str | None) -> set[str]:
        """The columns that need not be numeric."""
        return {*self.coding.categories, *([target] if self.coding.classes and target is not None else [])}

    def of(self, table: str, files: Sequence[File], features: Sequence[str], target: str | None) -> Coded:
        return Coded(self.layout, self.coding._replace(target=target or ""), {}, self.unknown)


class Coded(NamedTuple):
    """How a table is coded."""

    layout: Layout
    coding: Coding
    counts: Counts
    """The rows of each label, if its labels were found in a read."""
    unknown: str
    """Whether an unknown level of a category is an "error", or its features are all "zero"."""

    def codes(self, file: File) -> dict[str, Codes]:
        """For each column of categories and labels in the file, the indices of its texts."""
        texts = {
            name: levels for name, levels in self.coding.categories.items() if name in self.layout.places
        }
        if self.coding.classes:
            texts[self.coding.target] = self.coding.classes
        return {name: Codes(known, file.missing_texts) for name, known in texts.items()}

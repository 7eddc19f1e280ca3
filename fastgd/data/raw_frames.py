"""Data frames with the columns of the table that a model was fitted to, categories as text among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError
from fastgd.data import frames
from fastgd.data.coding import MISSING, Codes, Coding, Layout, unknown_text
from fastgd.data.conversion import Column, Which, column_of
from fastgd.data.frames import ColumnName, ColumnTable
from fastgd.wording import listed


def encoded(X: Any, names: tuple[str, ...], coding: Coding) -> Any:
    """A data frame with the columns of the fit's table as a table of the features. X if it is another.

    Raises InvalidDataError if a column is lacking, a value is missing, or a level is unknown.
    """
    if not coding.categories or not (held := frames.names_of(X)):
        return X
    layout = Layout.of(names, coding.categories)
    if set(names) <= set(held) or not coding.categories.keys() & set(held):
        return X
    if lacking := [column for column in layout.columns if column not in held]:
        raise InvalidDataError(f"lacks {listed(lacking)}: it has the columns {listed(held)}", what="X")
    parts: list[Any] = [None] * len(names)
    for column, place in layout.places.items():
        one = frames.by_name("X", X, (column,))
        if isinstance(place, int):
            table: Any = frames.as_table("X", one)
            parts[place] = table.parts[0] if isinstance(table, ColumnTable) else column_of([table[:, 0]])
            continue
        codes = _codes(column, _items(one), coding.categories[column])
        for k, j in enumerate(place.places.tolist()):
            if j >= 0:
                parts[j] = _feature(codes, k)
    return ColumnTable(names, parts)


def _items(frame: Any) -> list[Any]:
    """The values of a data frame of one column."""
    if frames.is_a(frame, "pandas", "DataFrame"):
        return list(frame.iloc[:, 0])
    if frames.is_a(frame, "polars", "DataFrame"):
        return list(frame.to_series(0))
    return list((frame.compute().iloc[:, 0]) if hasattr(frame, "compute") else frame.column(0).to_pylist())


def _codes(column: str, values: Sequence[Any], levels: Sequence[str]) -> NDArray[np.int64]:
    """The index of the level of each value."""
    codes = Codes(levels).of(values)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        place = ColumnName("X", None, column)
        if codes[row] == MISSING:
            raise place.missing(row)
        raise place.refused(row, unknown_text(values[row], levels), values[row])
    return codes


def _feature(codes: NDArray[np.int64], k: int) -> Column:
    """The feature of level k."""

    def read(which: Which) -> NDArray[Any]:
        return (codes[which] == k).astype(np.float64)

    return Column(len(codes), np.dtype(np.float64), read)

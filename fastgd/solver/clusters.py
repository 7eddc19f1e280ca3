"""Clusters of rows: labels of any type as the numbers 0, 1, …"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.checks import DROP, InvalidDataError, RowPlace
from fastgd.data import frames
from fastgd.wording import listed

Codes = NDArray[np.int32]
DENSE = 4
"""Whole numbers that span at most DENSE times the number of rows are counted, not sorted."""


def taken(X: Any, clusters: Any) -> tuple[Any, Any]:
    """X and the labels. A name takes its column out of a data frame."""
    if not isinstance(clusters, str):
        return X, clusters
    names = [name for name in frames.names_of(X) if name != clusters]
    if len(names) == len(frames.names_of(X)):
        has = f"has the columns {listed(frames.names_of(X))}" if names else "has no named columns"
        raise InvalidDataError(
            f"X {has}, and clusters is {display.value(clusters)}: pass the label of each row, or the name of "
            "a column of a data frame"
        )
    return frames.by_name("X", X, tuple(names)), X[clusters]


def codes_of(labels: Any) -> tuple[Codes, int]:
    """The number of each row's label, and the number of labels."""
    values = np.asarray(labels)
    if values.dtype.kind in "US" and isinstance(labels, (list, tuple)):
        values = np.array(labels, dtype=object)  # NumPy makes text of NaN beside text
    if values.ndim != 1:
        raise InvalidDataError(
            f"has shape {values.shape}; it must have one label for each row", what="clusters"
        )
    if values.dtype.kind == "O":
        numbers: dict[Any, int] = {}
        for row, label in enumerate(values):
            if label is None or type(label).__name__ in ("NAType", "NaTType") or label != label:
                raise _missing(row)
        codes = [numbers.setdefault(label, len(numbers)) for label in values]
        return np.array(codes, np.int32), len(numbers)
    if values.dtype.kind in "fcmM" and (is_missing := np.isnan(values)).any():
        raise _missing(int(is_missing.argmax()))
    if values.dtype.kind in "iu" and len(values):
        least, most = int(values.min()), int(values.max())
        if most - least <= DENSE * len(values):  # without sorting
            moved = (values.astype(np.uint64) - np.uint64(least % 2**64)).astype(np.intp)
            ranks = np.cumsum(np.bincount(moved) > 0, dtype=np.int32)
            return ranks[moved] - np.int32(1), int(ranks[-1])
    found, places = np.unique(values, return_inverse=True)
    return places.astype(np.int32), len(found)


def _missing(row: int) -> InvalidDataError:
    return InvalidDataError("is missing", what="clusters", remedy=DROP, at=RowPlace("", row))

"""Clusters of rows: labels of any type as the numbers 0, 1, …"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.checks import InvalidDataError
from fastgd.data import frames, keys
from fastgd.wording import listed

Codes = NDArray[np.int32]


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


def codes_of(labels: Any, n: int) -> tuple[Codes, int]:
    """The number of each row's label, and the number of labels."""
    found = keys.encode([labels], n, what="clusters")
    own = found.codes - found.lowest
    ranks = np.cumsum(np.bincount(own) > 0, dtype=np.int32)
    return ranks[own] - np.int32(1), int(ranks[-1])

"""Values that the tests write into files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

ARRAYS = {
    "rows": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "none": np.empty((0, 4), np.float32),
    "one": np.array(-0.0),
    "flags": np.array([True, False]),
    "big_endian": np.arange(3, dtype=">i4"),
    "complex": np.array([1 - 2j, np.nan]),
}


class Pair(NamedTuple):
    left: Any
    right: Any = None


@dataclass(frozen=True)
class Box:
    content: Pair | None
    label: str = "empty"
    size: Literal[1, "large"] = 1
    weights: tuple[NDArray[np.float64], float] = (np.ones(2), 0.0)
    counts: tuple[int, ...] = ()
    others: list[NDArray[Any]] | None = None

"""Warnings about integers beyond 2^53, which floats round. A fit warns once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import callers
from fastgd.wording import cell

EXACT = 1 << 53
"""Every integer up to this one is exact as a float."""
PART = 1 << 17
"""Numbers that are checked at a time."""


def may_round(dtype: np.dtype[Any]) -> bool:
    """Whether the type has integers that floats round."""
    return dtype.kind in "iu" and dtype.itemsize > 4


def first_rounded(values: NDArray[Any]) -> tuple[int, ...] | None:
    """The indices of the first number that a float rounds, or None.

    A number m·2^k with odd m is exact if m < 2^53, that is, if it is below 2^53 times its lowest set bit.
    """
    if not may_round(values.dtype) or not len(values):
        return None
    step = max(1, PART // max(1, values[:1].size))
    for start in range(0, len(values), step):
        part = values[start : start + step]
        if part.max() <= EXACT and (part.dtype.kind == "u" or part.min() >= -EXACT):
            continue
        size = np.abs(part).astype(np.uint64)
        is_rounded = (size >> np.uint64(53)) >= (size & (~size + np.uint64(1)))
        is_rounded &= size > EXACT
        if is_rounded.any():
            place = np.unravel_index(int(is_rounded.argmax()), part.shape)
            return start + int(place[0]), *map(int, place[1:])
    return None


def warn(place: str, value: int) -> None:
    """Warn about a number at this place."""
    callers.warn(
        f"{place} is {value}: whole numbers beyond 2**53 are rounded to floats; subtract an offset from "
        "them, or pass them in a larger unit",
        UserWarning,
    )


def warn_of_rounded(*named: tuple[str, NDArray[Any]]) -> None:
    """Warn about the first rounded number in these arrays."""
    for name, values in named:
        if may_round(values.dtype) and (place := first_rounded(values)) is not None:
            return warn(cell(name, *place), int(values[place]))
    return None


def warn_of_objects(
    values: NDArray[Any], floats: NDArray[np.float64], place: Callable[[tuple[int, ...]], str]
) -> None:
    """Warn about the first Python integer in an array of objects that its float does not equal."""
    if np.max(np.abs(floats), initial=0.0) < EXACT:
        return None
    for index, item in np.ndenumerate(values):
        if isinstance(item, (int, np.integer)) and int(floats[index]) != item:
            return warn(place(index), int(item))
    return None


class Watch:
    """Checks the parts of a source as they are read, until it has warned.

    Several threads may read parts, and later passes read them again. Each part is checked once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[tuple[str, int]] = set()
        self._n_checked: dict[str, int] = {}
        self._is_done = False

    def look(
        self,
        name: str,
        start: int,
        values: NDArray[Any],
        place: Callable[[int], object],
        is_whole: bool = False,
    ) -> None:
        """Check rows from `start` on of `name`. `place(i)` is the place of row i of these.

        `is_whole` says that the floats were integers in a text file.
        """
        if self._is_done or not (is_whole or may_round(values.dtype)) or (name, start) in self._seen:
            return
        self._seen.add((name, start))
        at = first_rounded(values)
        if values.dtype.kind == "f" and (is_large := np.abs(values) > EXACT).any():
            at = (int(is_large.argmax()),)
        if at is None or not np.isfinite(values[at]):
            return
        with self._lock:
            was_done, self._is_done = self._is_done, True
        if not was_done:
            warn(f"{place(at[0])}: {name}", int(values[at]))

    def look_at_taken(self, name: str, order: NDArray[np.integer], values: NDArray[Any], n: int) -> None:
        """Check rows in shuffled order, until n rows have been checked."""
        done = self._n_checked.get(name, 0)
        if done < n:
            self._n_checked[name] = done + len(order)
            self.look(name, -1 - done, values, lambda i: f"row {int(order[i])}")

    def __reduce__(self) -> tuple[type[Watch], tuple[()]]:
        return Watch, ()

"""Whole numbers that floats round, beyond 2^53: found where they are converted, and warned of once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import callers
from fastgd.wording import cell

EXACT = 1 << 53
"""Every whole number up to here is a float."""
PART = 1 << 17
"""Numbers that are looked at at once."""


def may_round(dtype: np.dtype[Any]) -> bool:
    """Whether the type holds whole numbers that floats round."""
    return dtype.kind in "iu" and dtype.itemsize > 4


def first_rounded(values: NDArray[Any]) -> tuple[int, ...] | None:
    """The place of the first number that a float rounds; None where there is none.

    A number m·2^k with m odd is a float if m < 2^53: if it is below 2^53 times its lowest bit.
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
    """Warn the caller of the public function."""
    callers.warn(
        f"{place} is {value}: whole numbers beyond 2**53 are rounded to floats; subtract an offset from "
        "them, or pass them in a larger unit",
        UserWarning,
    )


def warn_of_rounded(*named: tuple[str, NDArray[Any]]) -> None:
    """Warn of the first rounded number of these arrays."""
    for name, values in named:
        if may_round(values.dtype) and (place := first_rounded(values)) is not None:
            return warn(cell(name, *place), int(values[place]))
    return None


def warn_of_objects(
    values: NDArray[Any], floats: NDArray[np.float64], place: Callable[[tuple[int, ...]], str]
) -> None:
    """Warn of the first of Python's whole numbers, kept as objects, that its float is not equal to."""
    if np.max(np.abs(floats), initial=0.0) < EXACT:
        return None
    for index, item in np.ndenumerate(values):
        if isinstance(item, (int, np.integer)) and int(floats[index]) != item:
            return warn(place(index), int(item))
    return None


class Watch:
    """Looks at the parts of a source as they are read, until it has warned or has seen them all.

    Parts may be read in several threads and again by later reads; each is looked at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[tuple[str, int]] = set()
        self._n_taken: dict[str, int] = {}
        self._is_done = False

    def look(
        self,
        name: str,
        start: int,
        values: NDArray[Any],
        place: Callable[[int], object],
        is_whole: bool = False,
    ) -> None:
        """Rows from `start` on of `name`; `place(i)` words where row i of these is.

        `is_whole` says that floats were whole numbers in a file of text.
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
        """The same of rows in a shuffled order, until as many as the n of the source have been looked at."""
        done = self._n_taken.get(name, 0)
        if done < n:
            self._n_taken[name] = done + len(order)
            self.look(name, -1 - done, values, lambda i: f"row {int(order[i])}")

    def __reduce__(self) -> tuple[type[Watch], tuple[()]]:
        return Watch, ()

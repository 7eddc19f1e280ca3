"""Checks of arguments. Errors have the name, the value and the remedy."""

from __future__ import annotations

import math
import operator
import os
import stat
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.wording import PYTHON, Text, Words, cell, column_text, printable


class RowPlace(NamedTuple):
    """The place of a row in a file, a chunk, a partition or an array."""

    source: str
    row: int | None = None
    line: int | str | None = None
    """The line of a text file in which the row begins."""

    def __str__(self) -> str:
        if self.row is None:
            return self.source if self.line is None else f"{self.source}, line {self.line}"
        return f"row {self.row} of {self.source}" + (f" (line {self.line})" if self.line else "")


NOWHERE = RowPlace("")
"""The place of an error about an array as a whole."""


class InvalidDataError(ValueError):
    """X, y, w0 or another input is invalid. The message says what is wrong, where, and the remedy.

    The message is made from the fields, which are empty or None if the error is not about one number. Control
    characters in names of columns and files are escaped.

    Attributes
    ----------
    what : str
        "X", "y", "sample_weight", "w0", ...; empty if the error is about something else.
    row : int or None
        The number of the row in its file, chunk or array.
    column : int or None
        The index of the column of X.
    name : str or None
        The name of the column.
    value : object
        The invalid value.
    remedy : str
        How to avoid the error.
    source : str
        The file, chunk or partition with the row; empty for arrays in memory.
    line : int, str or None
        The line in a text file.
    """

    __module__ = "fastgd"

    def __init__(
        self,
        problem: Text = "",
        *,
        what: str = "",
        column: int | None = None,
        name: str | None = None,
        value: Any = None,
        remedy: Text = "",
        at: RowPlace = NOWHERE,
    ):
        self._problem, self._remedy, self._at = problem, remedy, at
        self.what, self.column, self.name, self.value = what, column, name, value
        self.source, self.row, self.line = at
        self.remedy = PYTHON.join(remedy)
        super().__init__(self.worded(PYTHON))

    def worded(self, words: Words) -> str:
        """The message with options in the spelling of `words`."""
        parts = [self._place(), words.join(self._problem)]
        sentence = " ".join(part for part in parts if part)
        return printable("; ".join(part for part in (sentence, words.join(self._remedy)) if part))

    def reword(self, words: Words) -> None:
        """Set the message to the spelling of `words`."""
        self.args = (self.worded(words),)

    def _place(self) -> str:
        """The subject and the place of the problem."""
        if not self.what:
            return f"{self._at}:" if self.source else ""
        column = self.column if self.name is None else self.name
        is_whole_column = self.what == "X" and self.row is None and self.column is not None
        if not self.source:
            return (
                f"{column_text(str(column))} of X" if is_whole_column else cell(self.what, self.row, column)
            )
        if self.name is not None:
            return f"{self._at}: {column_text(self.name)}"
        what = "the weight" if self.what == "sample_weight" else self.what
        return f"{self._at}: {what if self.column is None else f'{what}[:, {self.column}]'}"

    def restated(self, **changed: Any) -> Self:
        """The same error with other arguments of the constructor."""
        fields = dict(
            problem=self._problem, what=self.what, column=self.column, name=self.name, value=self.value,
            remedy=self._remedy, at=self._at,
        )  # fmt: skip
        return type(self)(**fields | changed)

    def within(self, source: str) -> Self:
        """The same error with a source, in which the row is counted."""
        return self.restated(at=self._at._replace(source=source))


DROP = "drop such rows or fill them"
"""The remedy for rows with a value that is missing or not finite."""


class OrderError(InvalidDataError):
    """The data cannot be read in the order that a fit needs."""


def first_nonfinite(X: NDArray[Any], y: NDArray[Any] | None = None) -> tuple[int, int | None, float] | None:
    """(row, column, value) of the first NaN or infinity in X (n, d) or y (n,), or None.

    The column is None if the value is in y.
    """
    is_finite = np.isfinite(X)
    y_is_finite = np.ones(len(X), bool) if y is None else np.isfinite(y)
    if is_finite.all() and y_is_finite.all():
        return None
    row = int((is_finite.all(axis=1) & y_is_finite).argmin())
    if y is not None and is_finite[row].all():
        return row, None, float(y[row])
    column = int(is_finite[row].argmin())
    return row, column, float(X[row, column])


def refused_nonfinite(
    what: str,
    value: float,
    *,
    column: int | None = None,
    name: str | None = None,
    at: RowPlace = NOWHERE,
    remedy: str = DROP,
) -> InvalidDataError:
    """The error for a NaN or an infinity."""
    problem = "is NaN" if np.isnan(value) else "is infinite" if value > 0 else "is minus infinite"
    return InvalidDataError(problem, what=what, column=column, name=name, value=value, remedy=remedy, at=at)


def path_text(path: str | bytes | os.PathLike[Any]) -> str:
    """The name of a file, for messages. A temporary file has the name of what it holds."""
    return printable(getattr(path, "shown", None) or os.fsdecode(path))


def check_regular(path: Any) -> None:
    """Refuse a path that is not a regular file. Opening a pipe would wait forever.

    Raises
    ------
    InvalidDataError
        If it is a folder, a pipe, a socket or a device.
    OSError
        If it does not exist or cannot be accessed.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        what = kinds.get(stat.S_IFMT(mode), "a device")
        remedy = "name a file in it" if what == "a folder" else "write its content to a file first"
        raise InvalidDataError(f"{path_text(path)} is not a regular file but {what}: {remedy}")


def whole(name: str, value: Any, least: int, most: int = 2**53) -> int:
    """Check an integer from `least` to `most`."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {display.value(value)}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    if number > most:
        raise ValueError(f"{name} must be at most {most}, not {number}")
    return number


def number(name: str, value: Any) -> float:
    """Check a finite real number."""
    if type(value) is float and math.isfinite(value):
        return value
    try:
        if (
            isinstance(value, (bool, str, bytes))
            or getattr(value, "dtype", np.dtype(float)).kind not in "fiu"
        ):
            raise TypeError
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {display.value(value)}") from None
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise ValueError(f"{name} must be finite, not {display.value(value, 40)}")
    return result


def positive(name: str, value: Any) -> float:
    """Check a finite number above 0."""
    result = number(name, value)
    if not result > 0.0:
        raise ValueError(f"{name} must be positive, not {display.value(value)}")
    return result


def not_negative(name: str, value: Any) -> float:
    """Check a finite number that is not negative."""
    result = number(name, value)
    if result < 0.0:
        raise ValueError(f"{name} must not be negative, not {display.value(value)}")
    return result


def flag(name: str, value: Any) -> bool:
    """Check True or False."""
    if value is True or value is False:
        return bool(value)
    return bool(choice(name, value, (True, False)))


def choice(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """Check one of the allowed values."""
    if isinstance(value, str) and value in allowed:
        return value
    if not any(value is option or (type(value) is type(option) and value == option) for option in allowed):
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, not {display.value(value)}")
    return value

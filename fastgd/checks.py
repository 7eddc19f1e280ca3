"""Checks of what the user gave: one sentence with the name, the value and what is allowed."""

from __future__ import annotations

import math
import operator
import os
import stat
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgd import display

SHOWN = 12
"""Names of columns in a sentence."""
SHOWN_OF_A_NAME = 200
"""Characters of a name in a sentence."""
SHOWN_OF_A_VALUE = 60
"""Characters of a value in a sentence."""


def printable(text: str) -> str:
    """A text as one line: what would end it, or move a terminal's cursor, is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class InvalidDataError(ValueError):
    """X, y or w0 cannot be used; the sentence says what, where, and the remedy.

    Names of columns and files in the sentence are the user's: what could move a terminal's cursor is escaped.
    """

    __module__ = "fastgd"

    def __init__(self, sentence: str = ""):
        super().__init__(printable(sentence))


def path_text(path: str | bytes | os.PathLike[Any]) -> str:
    """The name of a file, for sentences."""
    return printable(os.fsdecode(path))


def check_regular(path: Any) -> None:
    """Refuse a path that is no regular file, before it is opened: a pipe would be waited on for ever.

    Raises
    ------
    InvalidDataError
        It is a folder, a pipe, a socket or a device.
    OSError
        There is none, or it cannot be looked at.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        what = kinds.get(stat.S_IFMT(mode), "a device")
        remedy = "name a file in it" if what == "a folder" else "write its content to a file first"
        raise InvalidDataError(f"{path_text(path)} is not a regular file but {what}: {remedy}")


def shown(text: str, most: int = SHOWN_OF_A_NAME) -> str:
    """A text of the user's, or its first characters, in quotes and on one line."""
    return f'"{printable(text[:most])}"'


def listed(names: Sequence[str]) -> str:
    """Names of columns, for sentences: not more than a dozen."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(shown, names[:SHOWN])) + more


def whole(name: str, value: Any, least: int, most: int = 2**53) -> int:
    """A whole number from `least` to `most`."""
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
    """A finite real number."""
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
    """A finite number above 0."""
    result = number(name, value)
    if not result > 0.0:
        raise ValueError(f"{name} must be positive, not {display.value(value)}")
    return result


def not_negative(name: str, value: Any) -> float:
    """A finite number from 0 on."""
    result = number(name, value)
    if result < 0.0:
        raise ValueError(f"{name} must not be negative, not {display.value(value)}")
    return result


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if value is True or value is False:
        return bool(value)
    return bool(choice(name, value, (True, False)))


def choice(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """One of the allowed values."""
    if isinstance(value, str) and value in allowed:
        return value
    if not any(value is one or (type(value) is type(one) and value == one) for one in allowed):
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, not {display.value(value)}")
    return value

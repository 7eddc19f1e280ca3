"""Checks of what the user gave: one sentence with the name, the value and what is allowed."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgd import display

SHOWN = 12
"""Names of columns in a sentence."""
SHOWN_OF_A_VALUE = 60
"""Characters of a value in a sentence."""


class InvalidDataError(ValueError):
    """X, y or w0 cannot be used; the sentence says what, where, and the remedy."""

    __module__ = "fastgd"


def shown(text: str, most: int | None = None) -> str:
    """A text of the user's, or the first so many characters, in quotes and on one line."""
    return '"' + "".join(one if one.isprintable() else repr(one)[1:-1] for one in text[:most]) + '"'


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

"""The wording of messages. Functions, estimators and the command line spell options in their own way.

A message that mentions options is a sequence of parts. Each interface joins them with its own `Words`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

SHOWN = 12
"""The largest number of column names in a message."""
SHOWN_OF_A_NAME = 200
"""The largest number of characters of a name in a message."""
SHOWN_OF_A_VALUE = 60
"""The largest number of characters of a value in a message."""


class Option(NamedTuple):
    """An option in a message, with or without a value."""

    name: str
    value: Any = ...


class Aside(NamedTuple):
    """A remark for callers in Python only."""

    remark: str


Text = str | Sequence[str | Option | Aside]
"""A message or its parts."""


class Words(NamedTuple):
    """The spelling of options in an interface. The defaults are those of the functions in Python."""

    names: Mapping[str, str] = MappingProxyType({})
    """The names of options in this interface, if they differ from those of the functions."""
    rate_unit: float = 1.0
    """The factor from a learning rate to the learning rate of this interface."""
    l2_unit: float = 1.0
    """The factor from l2 to the penalty of this interface."""
    is_steady: bool = False
    """Whether "auto" stands for the smaller rate of the SGD estimators."""

    def name(self, option: str) -> str:
        """The name of an option in this interface."""
        return self.names.get(option, option)

    def has(self, option: str) -> bool:
        """Whether this interface has the option."""
        return True

    def option(self, option: str, value: Any = ...) -> str:
        """An option with its value, as in a call."""
        if value is ...:
            return f"{self.name(option)}="
        return f"{self.name(option)}={python_value(value)}"

    def aside(self, remark: str) -> str:
        """A remark for callers in Python."""
        return remark

    def join(self, text: Text) -> str:
        """A message in the spelling of this interface."""
        if isinstance(text, str):
            return text
        return "".join(map(self._part, text))

    def _part(self, part: str | Option | Aside) -> str:
        if isinstance(part, Option):
            return self.option(*part)
        return self.aside(part.remark) if isinstance(part, Aside) else part


PYTHON = Words()


def python_value(value: Any) -> str:
    """A value as in a call: text in quotes, a float with six digits, or a list of names."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"[{listed(value)}]" if isinstance(value, (list, tuple)) else str(value)


def printable(text: str) -> str:
    """The text with control characters escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(text: str, most: int = SHOWN_OF_A_NAME) -> str:
    """The first `most` characters of a text in quotes, with control characters escaped."""
    return f'"{printable(text[:most])}"'


def listed(names: Sequence[str]) -> str:
    """The first dozen column names, for messages."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(shown, names[:SHOWN])) + more


def cell(what: str, *place: int | str | None) -> str:
    """An element of an array by its row and its column (a number or a name): X[2, 'miles']."""
    parts = [
        repr(part[:SHOWN_OF_A_NAME]) if isinstance(part, str) else str(part)
        for part in place
        if part is not None
    ]
    return f"{what}[{', '.join(parts)}]" if parts else what


def column_text(name: str) -> str:
    """A column by its name or, if the name is a number, by its number."""
    return f"column {name if name.isdecimal() else shown(name)}"

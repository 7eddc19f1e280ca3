"""How sentences name the options of a call: as the functions of Python spell them, or as another face does.

A sentence that names options is a sequence of parts, and each face joins them with its own `Words`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

SHOWN = 12
"""Names of columns in a sentence."""
SHOWN_OF_A_NAME = 200
"""Characters of a name in a sentence."""
SHOWN_OF_A_VALUE = 60
"""Characters of a value in a sentence."""


class Option(NamedTuple):
    """An option of a call, with a value or without."""

    name: str
    value: Any = ...


class Aside(NamedTuple):
    """A remark that concerns callers in Python alone."""

    remark: str


Text = str | Sequence[str | Option | Aside]
"""A sentence, or its parts."""


class Words(NamedTuple):
    """How a face of the library spells options; these are the words of the functions in Python."""

    names: Mapping[str, str] = MappingProxyType({})
    """The face's names of options, where they differ from those of the functions."""
    rate_unit: float = 1.0
    """The factor from a learning rate to the caller's."""
    l2_unit: float = 1.0
    """The factor from l2 to the caller's penalty."""
    is_steady: bool = False
    """Whether the caller's "auto" is the smaller rate of the SGD estimators."""

    def name(self, option: str) -> str:
        """The face's name of an option."""
        return self.names.get(option, option)

    def has(self, option: str) -> bool:
        """Whether the face has this option."""
        return True

    def option(self, option: str, value: Any = ...) -> str:
        """An option with its value, as the caller writes it."""
        if value is ...:
            return f"{self.name(option)}="
        return f"{self.name(option)}={python_value(value)}"

    def aside(self, remark: str) -> str:
        """A remark for callers in Python."""
        return remark

    def join(self, text: Text) -> str:
        """A sentence in the words of this face."""
        if isinstance(text, str):
            return text
        return "".join(map(self._part, text))

    def _part(self, part: str | Option | Aside) -> str:
        if isinstance(part, Option):
            return self.option(*part)
        return self.aside(part.remark) if isinstance(part, Aside) else part


PYTHON = Words()


def python_value(value: Any) -> str:
    """A value as a call has it: text in quotes, six digits of a number, a list of names."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"[{listed(value)}]" if isinstance(value, (list, tuple)) else str(value)


def printable(text: str) -> str:
    """A text as one line: what would end it, or move a terminal's cursor, is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(text: str, most: int = SHOWN_OF_A_NAME) -> str:
    """A text of the user's, or its first characters, in quotes and on one line."""
    return f'"{printable(text[:most])}"'


def listed(names: Sequence[str]) -> str:
    """Names of columns, for sentences: not more than a dozen."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(shown, names[:SHOWN])) + more


def cell(what: str, *place: int | str | None) -> str:
    """A number of an array by its row and its column, a number or a name: X[2, 'miles']."""
    shown_places = [
        repr(one[:SHOWN_OF_A_NAME]) if isinstance(one, str) else str(one) for one in place if one is not None
    ]
    return f"{what}[{', '.join(shown_places)}]" if shown_places else what


def column_text(name: str) -> str:
    """A column by its name; by its number where that is all the name it has."""
    return f"column {name if name.isdecimal() else shown(name)}"

"""The columns of a table that X has: names, patterns, and all but some."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from fastgd import display
from fastgd.checks import InvalidDataError
from fastgd.data.formats import File
from fastgd.wording import column_text, listed, shown

WILD = re.compile(r"[*?\[\]]+")
"""What a pattern has beside the characters of names."""


class Wanted(NamedTuple):
    """The columns of X as `read_table` is asked for them."""

    features: Sequence[str] | None
    """Names and patterns, or None for all columns."""
    exclude: Sequence[str] = ()


def choose(
    file: File,
    features: Sequence[str] | None,
    exclude: Sequence[str] | None = None,
    others: Sequence[str] = (),
) -> tuple[str, ...]:
    """The columns of X. Names that the file lacks stay among them.

    Parameters
    ----------
    file : File
        The first file of the table.
    features, exclude : sequence of str, optional
        Names and patterns, as `read_table` has them.
    others : sequence of str
        The target and the weights. They are not among the columns unless `features` names them.
    """
    rest = [name for name in dict.fromkeys(file.names) if name not in others]
    out = {
        name for one in _names("exclude", exclude or (), file) for name in _matching(one, file, file.names)
    }
    if features is None:
        return tuple(name for name in rest if name not in out and not file.is_blank(name))
    given = _names("features", features, file)
    chosen: list[str] = []
    for one in given:
        if one in file.names or not WILD.search(one):
            chosen.append(one)
        else:
            chosen += [name for name in _matching(one, file, rest) if name not in (*given, *chosen)]
    return tuple(name for name in chosen if name not in out)


def _matching(one: str, file: File, names: Sequence[str]) -> list[str]:
    """The names that a name or a pattern stands for."""
    found = [one] if one in names else [name for name in names if fnmatchcase(name, one)]
    if not found:
        raise lacks(file, one)
    return found


def _names(what: str, names: Any, file: File) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"{what} must be a list of names, [{display.value(names)}], not a name")
    columns = tuple(map(file.column, names))
    if not all(isinstance(name, str) for name in columns):
        raise TypeError(f"{what} must be names of columns, not {display.value(tuple(names), 80)}")
    return columns


def lacks(file: File, name: str) -> InvalidDataError:
    by_lower_case = {column.lower(): column for column in reversed(file.names)}
    is_pattern = bool(WILD.search(name))
    close = difflib.get_close_matches(WILD.sub("", name.lower()), by_lower_case, n=3, cutoff=0.6)
    names = " or ".join(shown(by_lower_case[match]) for match in close)
    what = f"column that matches {shown(name)}" if is_pattern else column_text(name)
    meant = f": did you mean {names}?" if close else "."
    return InvalidDataError(
        f"{file.name} has no {what}{meant} It has {listed(file.names)}",
        name=name,
        remedy=file.hint(),
    )

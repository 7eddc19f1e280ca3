"""What the columns of a table in files must be: there, once each, numeric or a category, and no index."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from fastgd import display
from fastgd.checks import InvalidDataError
from fastgd.data import selection
from fastgd.data.formats import File
from fastgd.wording import SHOWN, Option, Text, column_text, shown

INDEX = re.compile("|Unnamed: 0|__index_level_[0-9]+__")
"""Names of the index that pandas writes into CSV and Parquet files."""


def check_file(
    file: File, features: Sequence[str], others: Sequence[str], encoded: Collection[str], *, are_all: bool
) -> None:
    """Refuse a file that lacks a column, or has a column of another kind.

    Parameters
    ----------
    file : File
    features, others : sequences of str
        The columns of X, and those of the target and the weight.
    encoded : collection of str
        The categories, and the target if it holds labels: columns that need not be numeric.
    are_all : bool
        Whether the features are all columns by default.
    """
    times = Counter(file.names)
    bad = {}
    for name in [*features, *others]:
        if not times[name]:
            raise selection.lacks(file, name)
        if times[name] > 1:
            raise InvalidDataError(
                f"{file.name} has {times[name]} columns {shown(name)}", name=name, remedy="rename them"
            )
        if name not in encoded and (held := file.held(name)):
            bad[name] = held
    numeric = file.begin_with_number([*bad])
    if are_all:
        _check_all(file, features, {name: held for name, held in bad.items() if name not in numeric})
    for name, held in bad.items():
        is_category = name in features and held == "text" and name not in numeric
        if is_category or not file.is_guessed or name in file.constants:
            raise InvalidDataError(
                f"{column_text(name)} of {file.name} holds {held}{file.first(name)}",
                name=name,
                value=held,
                remedy=["it must hold real numbers", *_or_category([name] * is_category)],
            )


def _check_all(file: File, features: Sequence[str], bad: dict[str, str]) -> None:
    """Refuse default features that are not numeric or are an index. `bad` has what columns hold."""
    others = [name for name in features if name in bad]
    index = [name for name in features if INDEX.fullmatch(name) or name in file.index]
    good = [name for name in features if name not in others and name not in index]
    remedy: Text = ["name those to use, ", Option("features", good)] if good else ["repair them"]
    if others:
        texts = [f"{shown(name)} ({bad[name]}{file.first(name)})" for name in others[:SHOWN]]
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        categories = [name for name in others if bad[name] == "text" and name not in index]
        raise InvalidDataError(
            f"{file.name} has columns that hold no numbers, {', '.join(texts)}{more}",
            remedy=[*remedy, *_or_category(categories)],
        )
    if index:
        first = index[0]
        is_last = first == "" and file.names[0] != ""
        what = "a column without a name" if is_last else f"a column {shown(first)}, a data frame's index"
        raise InvalidDataError(
            f"{file.name} has {what}", remedy=remedy if good else "X needs at least one that is no index"
        )


def _or_category(names: Sequence[str]) -> Sequence[str | Option]:
    """The remedy for features that hold text."""
    return [", or encode text by levels, ", Option("categories", names)] if names else []


def check_names(names: Sequence[str], target: str | None, weight: str | None) -> None:
    for what, name in (("target", target), ("weight", weight)):
        if name is not None and name in names:
            raise InvalidDataError(f"the {what} {shown(name)} is among the features; leave it out there")
    if weight is not None and weight == target:
        raise InvalidDataError(f"the weight {shown(weight)} is the target too; name another column")
    refuse_twice(names)


def refuse_twice(names: Sequence[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InvalidDataError(f"{shown(twice[0])} is twice among the features")


def as_names(what: str, names: Any) -> tuple[str, ...]:
    """A list of names of columns."""
    if isinstance(names, str):
        raise TypeError(f"{what} must be a list of names, [{display.value(names)}], not a name")
    result = tuple(names)
    if not all(isinstance(name, str) for name in result):
        raise TypeError(f"{what} must be names of columns, not {display.value(result, 80)}")
    return result


def counted(table: str, missing: dict[str, int]) -> InvalidDataError:
    """The error for missing values, with their number in each column."""
    counts = [f"{shown(name)} {count}" for name, count in missing.items()]
    name, count = next(iter(missing.items()))
    counts[0] = f"{shown(name)} has {count} missing {'value' if count == 1 else 'values'}"
    more = f" and {len(counts) - SHOWN} more columns have some" if len(counts) > SHOWN else ""
    return InvalidDataError(
        f"{table}: {', '.join(counts[:SHOWN])}{more}",
        remedy=["pass ", Option("missing", "drop"), ", or fill them"],
    )

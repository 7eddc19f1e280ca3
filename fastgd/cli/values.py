"""The values that options of the command line take, with the errors of argparse."""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

STDIN = "-"
"""DATA that is standard input."""


class Files(argparse.Action):
    """One name as text, and several as a list, as `read_table` takes them."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: Any = None) -> None:
        setattr(namespace, self.dest, values[0] if len(values) == 1 else values)


def name_of(data: str | list[str]) -> str:
    """DATA in messages."""
    if isinstance(data, list):
        return f"{name_of(data[0])} and {len(data) - 1} more"
    return "standard input" if data == STDIN else data


def delimiter(text: str) -> str:
    from fastgd.data import dialect

    names = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "space": " "}
    text = names.get(text, text)
    try:
        dialect.check_delimiter(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def names(text: str) -> list[str]:
    import csv

    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not names or not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names, a,b,c")
    return names


def rate(text: str) -> float | str:
    return text if text == "auto" else number(text, 'neither "auto" nor a number')


def tolerance(text: str) -> float | str | None:
    if text in ("auto", "none"):
        return None if text == "none" else text
    return number(text, 'neither "auto" nor "none" nor a number')


def finite(text: str) -> float:
    value = number(text, "not a number")
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not finite")
    return value


def number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is {what}") from None


def seed(text: str) -> int:
    return whole(text, 0, 2**64 - 1)


def file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("a file name is needed")
    return text


def positive(text: str) -> int:
    return whole(text, 1, sys.maxsize)


def count(text: str) -> int:
    return whole(text, 0, sys.maxsize)


def folds(text: str) -> int:
    return whole(text, 2, 4096)


def digits(text: str) -> int:
    return whole(text, 0, 17)


def whole(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{number} is not between {least} and {most}")
    return number

"""What the commands on files share: opening DATA, checking places, and errors that name the file."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from typing import Any

from fastgd.checks import InvalidDataError, OrderError, RowPlace
from fastgd.cli.data import Data, array_kind, open_data
from fastgd.cli.values import STDIN, name_of
from fastgd.data.dialect import CsvOptions
from fastgd.data.spool import Spool, blocks_of
from fastgd.solver.progress import can_show
from fastgd.wording import printable

SOLVERS = {"gd": "gradient_descent", "sgd": "sgd"}
"""The values of --solver."""


def open_rows(options: Namespace) -> Data:
    refuse_drop(options)
    data = open_data(
        source(options), options.target, options.features, options.weight, options.missing,
        exclude=options.exclude, loss=getattr(options, "loss", "squared_error"),
        categories=options.categories, drop_first=options.intercept,
        positive=getattr(options, "positive", None), **dialect(options),
    )  # fmt: skip
    if data.dialect:
        name = name_of(options.data)
        note(options, f"{name} is read with {data.dialect} (--delimiter and --decimal take others)")
    return data.in_memory() if getattr(options, "shuffle", None) == "rows" else data


def source(options: Namespace) -> Any:
    """DATA as `read_table` takes it: standard input is copied to a temporary file."""
    given = options.data if isinstance(options.data, list) else [options.data]
    if given.count(STDIN) > 1:
        raise InvalidDataError(f"{STDIN} stands twice among DATA; standard input can be read once")
    paths = [_standard_input() if path == STDIN else path for path in given]
    return paths if isinstance(options.data, list) else paths[0]


def _standard_input() -> Spool:
    if sys.stdin.isatty():
        say("reading DATA from the terminal, up to Ctrl-D in a line of its own")
    return Spool("standard input", blocks_of(sys.stdin.buffer), say)


def dialect(options: Namespace) -> dict[str, Any]:
    """The options of `arguments.add_reading`."""
    names = "format", *CsvOptions._fields
    return {name: getattr(options, name) for name in names}


def refuse_drop(options: Namespace) -> None:
    if options.missing == "drop" and array_kind(options.data, options.format):
        raise InvalidDataError("--missing drop is for tables; arrays have no missing values")


def check_places(options: Namespace) -> None:
    """Refuse files that cannot be written, before the fit."""
    written: dict[str, str] = {}
    for name, path in (
        ("--save", options.save),
        ("--plot", options.plot),
        ("--checkpoint", options.checkpoint),
    ):
        if path is None:
            continue
        check_place(name, path, options.data)
        if (other := written.setdefault(os.path.realpath(path), name)) != name:
            raise InvalidDataError(f"{other} and {name} name one file, {path}: name two")
    if options.plot is not None:
        from fastgd.plots import picture

        picture.check_file(options.plot)


def check_place(name: str, path: str, *others: str | list[str]) -> None:
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder} for {name} {path}: make it")
    for other in (file for one in others for file in (one if isinstance(one, list) else [one])):
        if os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise InvalidDataError(f"{name} would write over {other}, which is read: name another file")


def of_file(error: InvalidDataError, data: Data, options: Namespace) -> InvalidDataError:
    """The error with the file, the names of its columns, and remedies of the command line."""
    if isinstance(error, OrderError):
        return error.restated(remedy="pass --shuffle rows, which holds them in memory")
    if error.row is not None and not error.source:
        names = {"y": data.target, "sample_weight": data.weight_name}
        if error.column is not None and data.names:
            names["X"] = data.names[error.column]
        at = RowPlace(os.path.basename(name_of(options.data)), error.row)
        error = error.restated(at=at, name=names.get(error.what))
    if error.name == data.target and error.line == "2" and not error.remedy:  # text from the first row on
        return error.restated(remedy="labels of two classes need --loss log_loss")
    return error


def shows_progress(options: Namespace) -> bool:
    return not (options.no_progress or options.quiet) and can_show()


def note(options: Namespace, text: str) -> None:
    """Print a notice on standard error, unless --quiet."""
    if not options.quiet:
        say(text)


def say(text: str) -> None:
    """Print an error on standard error."""
    print(f"fastgd: {printable(text)}", file=sys.stderr)

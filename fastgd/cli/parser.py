"""The parser of the command line, and the options that contradict each other."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from fastgd._version import __version__
from fastgd.cli.commands import COMMANDS, DEMO, Command
from fastgd.wording import printable


class _Parser(argparse.ArgumentParser):
    """A parser whose help ends with examples, and whose messages escape control characters of arguments.

    It adds its arguments by `add_arguments(parser)` when it parses: most parsers are not used.
    """

    def __init__(
        self,
        *,
        add_arguments: Callable[[argparse.ArgumentParser], None] | None = None,
        examples: tuple[str, ...] = (),
        **options: Any,
    ):
        super().__init__(**options)
        self._add_arguments, self._examples = add_arguments, examples
        self.commands: dict[str, _Parser] = {}

    def add_all(self) -> None:
        """Add the arguments now, as completion needs them."""
        if self._add_arguments is not None:
            self._add_arguments(self)
            self._add_arguments = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.add_all()
        return super().parse_known_args(args, namespace)

    def format_help(self) -> str:
        return "\n  ".join([f"{super().format_help()}\nexamples:", *self._examples]) + "\n"

    def error(self, message: str) -> NoReturn:
        super().error("\n".join(map(printable, message.split("\n"))))


def build(*, is_whole: bool = False) -> argparse.ArgumentParser:
    """The parser of all commands. With `is_whole`, it has the arguments of each before it parses."""
    parser = _Parser(prog="fastgd", **_of(DEMO, _add_commands))
    if is_whole:
        parser.add_all()
        for name in COMMANDS:
            parser.commands[name].add_all()
    return parser


def _of(command: Command, add_arguments: Callable[[argparse.ArgumentParser], None] | None) -> dict[str, Any]:
    return dict(description=command.description, examples=command.examples, add_arguments=add_arguments)


def _add_commands(parser: Any) -> None:
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    assert DEMO.add_arguments is not None
    DEMO.add_arguments(parser)
    parsers = parser.add_subparsers(dest="command", title="commands", prog="fastgd")
    for name, command in COMMANDS.items():
        added = parsers.add_parser(name, help=command.what, **_of(command, command.add_arguments))
        parser.commands[name] = added


def misuse(options: argparse.Namespace) -> str:
    """The error message for options that contradict each other, or an empty text."""
    if options.command is not None and options.samples is not None:
        return "--samples belongs to the fit that `fastgd` shows without a command"
    if options.command == "diagnose" and options.solver == "sgd" and options.l2:
        return "--l2 of diagnose belongs to --solver gd"
    if options.command == "lesson":
        return _misuse_of_lesson(options)
    if options.command != "fit":
        return ""
    if options.solver == "gd" and options.shuffle is not None:
        return "--shuffle belongs to --solver sgd"
    if options.solver == "sgd" and options.nesterov:
        return "--nesterov belongs to --solver gd"
    if options.strict and options.allow_unconverged:
        return "--strict and --allow-unconverged contradict each other"
    if options.seed is not None and options.shuffle is None:
        return "--seed belongs to --shuffle"
    if options.checkpoint_every is not None and options.checkpoint is None:
        return "--checkpoint-every belongs to --checkpoint"
    return ""


def _misuse_of_lesson(options: argparse.Namespace) -> str:
    if options.html is None and (options.data, options.target, options.features) != (None, None, None):
        return "DATA, --target and --features belong to --html"
    if options.html is None and options.intercept:
        return "--intercept belongs to --html"
    if options.html is not None and (options.sgd or options.plot or options.animate):
        return "--sgd, --plot and --animate belong to the printed run; the page of --html has both solvers"
    if options.data is not None and options.target is None:
        return "DATA needs --target, the column to predict"
    if options.data is None and (options.target, options.features) != (None, None):
        return "--target and --features belong to DATA"
    return ""

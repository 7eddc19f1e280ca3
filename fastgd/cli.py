"""The command line: `fastgd`, `fastgd lesson`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from fastgd import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code: 0, 1 (it failed) or 2 (usage)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "lesson" and options.samples is not None:
        parser.error("--samples belongs to the fit that `fastgd` shows without a command")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no "…" shows "?"
    try:
        if options.command == "lesson":
            _lesson(options.sgd, options.digits, options.plot)
        else:
            _demo(options.samples or 10_000_000)
        print(end="", flush=True)
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("fastgd: interrupted", file=sys.stderr)
        return 130
    except (ImportError, OSError, ValueError, MemoryError) as error:
        print(f"fastgd: {error or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastgd",
        description="Linear models by gradient descent. Without a command: the lesson in short, then a "
        "fit of 10 million synthetic samples with its speed.",
    )
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    parser.add_argument("--samples", type=_positive, metavar="N", help="samples of the fit (10 million)")
    commands = parser.add_subparsers(dest="command", title="commands")
    lesson = commands.add_parser(
        "lesson",
        help="the lesson's program in full",
        description="Print what the lesson's program prints, every epoch of it.",
    )
    lesson.add_argument(
        "--sgd", action="store_true", help="the stochastic loop instead of the full-batch one"
    )
    lesson.add_argument(
        "--digits",
        type=_digits,
        metavar="N",
        help="round to N decimals, as on the slides; all digits by default",
    )
    lesson.add_argument(
        "--plot",
        type=_file,
        metavar="FILE",
        help="draw the run into FILE (png, svg, pdf; needs fastgd[plot])",
    )
    return parser


def _file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("a file name is needed")
    return text


def _positive(text: str) -> int:
    return _whole(text, 1, sys.maxsize)


def _digits(text: str) -> int:
    return _whole(text, 0, 17)


def _whole(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{number} is not between {least} and {most}")
    return number


def _lesson(with_sgd: bool, digits: int | None, picture: str | None) -> None:
    from fastgd import lesson

    fit = lesson.stochastic() if with_sgd else lesson.full_batch()
    if picture is not None:
        from fastgd.plots import save

        save(fit, picture)
    print(fit.trace(digits=digits, full=True))


def _demo(n_samples: int) -> None:
    from fastgd.demo import demo

    for line in demo(n_samples):
        print(line, flush=True)

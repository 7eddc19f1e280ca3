"""The command line: `fastgd`, `fastgd lesson`, and `fastgd fit`, `predict` and `diagnose` on files."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from fastgd._version import __version__
from fastgd.checks import InvalidDataError
from fastgd.domains import NUMBERS
from fastgd.kernels import compiling
from fastgd.losses import NAMED
from fastgd.wording import printable

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in a shell."""


@compiling.announced()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 (failure), 2 (usage or input) or 130 (Ctrl-C)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if misuse := _misuse(options):
        parser.error(misuse)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without "…" shows "?"
    code = 0
    try:
        if options.command in ("fit", "predict", "diagnose"):
            code = _on_files(options)
        elif options.command == "lesson":
            _lesson(options.sgd, options.digits, options.plot)
        elif options.command == "warmup":
            _warmup()
        else:
            _demo(options.samples or 10_000_000)
        print(end="", flush=True)
    except BrokenPipeError:  # the reader, for example `head`, has ended
        _drop_output()
    except KeyboardInterrupt as interrupt:
        print(f"fastgd: {printable(str(interrupt)) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except (ImportError, OSError, ValueError, MemoryError) as error:
        print(f"fastgd: {printable(_message(error))}", file=sys.stderr)
        if _is_of_open_file(error):
            _drop_output()
        return 1
    return code


def _drop_output() -> None:
    """Discard buffered output that cannot be written, so that Python does not try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_of_open_file(error: Exception) -> bool:
    """Whether writing to an open file failed, for example on a full disk."""
    return isinstance(error, OSError) and error.errno is not None and error.filename is None


def _message(error: Exception) -> str:
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or type(error).__name__
    place = "reading or writing failed" if error.filename is None else os.fsdecode(error.filename)
    return f"{place}: {error.strerror}"


def _on_files(options: argparse.Namespace) -> int:
    from fastgd.cli import commands
    from fastgd.cli.report import COMMAND

    run = {"fit": commands.fit, "predict": commands.predict, "diagnose": commands.show_diagnosis}
    if options.command != "predict":
        options.solver = {"gd": "gradient_descent", "sgd": "sgd"}[options.solver]
    if options.command == "fit" and options.nesterov is None:
        options.nesterov = options.solver == "gradient_descent"
    try:
        return run[options.command](options)
    except InvalidDataError as error:
        print(f"fastgd: {error.worded(COMMAND)}", file=sys.stderr)
        return 2
    except (ImportError, OSError, ValueError, TypeError, MemoryError) as error:
        if _is_of_open_file(error):
            raise
        print(f"fastgd: {printable(_message(error))}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """A parser that escapes control characters of the arguments in its messages.

    It adds its arguments by `add_arguments(parser)` when it parses: most parsers are not used.
    """

    def __init__(
        self, *, add_arguments: Callable[[argparse.ArgumentParser], None] | None = None, **options: Any
    ):
        super().__init__(**options)
        self._add_arguments = add_arguments

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._add_arguments is not None:
            self._add_arguments(self)
            self._add_arguments = None
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        super().error("\n".join(map(printable, message.split("\n"))))


def _parser() -> argparse.ArgumentParser:
    return _Parser(
        prog="fastgd",
        description="Linear models by gradient descent. Without a command: the lesson in short, then a "
        "fit of 10 million synthetic samples with its speed.",
        add_arguments=_add_commands,
    )


def _add_commands(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    parser.add_argument("--samples", type=_positive, metavar="N", help="samples of the fit (10 million)")
    commands = parser.add_subparsers(dest="command", title="commands", prog="fastgd")
    commands.add_parser(
        "lesson",
        help="the lesson's program in full",
        description="Print what the lesson's program prints, every epoch of it.",
        add_arguments=_add_lesson,
    )
    commands.add_parser(
        "warmup",
        help="compile the kernels of the usual calls",
        description="Compile the kernels of the usual calls, once for this machine and version of fastgd.",
    )
    for name, what, add_arguments in (
        ("fit", "fit a model to a file", _add_fit),
        ("diagnose", "limits and a forecast, before a fit", _add_data),
        ("predict", "predictions of a model", _add_predict),
    ):
        commands.add_parser(name, help=what, description=_DESCRIPTIONS[name], add_arguments=add_arguments)


def _add_lesson(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--sgd", action="store_true", help="the stochastic loop instead of the full-batch one")
    add(
        "--digits", type=_digits, metavar="N",
        help="round to N decimals, as on the slides; all digits by default",
    )  # fmt: skip
    add(
        "--plot", type=_file, metavar="FILE",
        help="draw the run into FILE (png, svg, pdf; needs fastgd[plot])",
    )  # fmt: skip


def _add_predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=_file, help="what `fastgd fit --save` wrote")
    add("data", metavar="DATA", type=_file, help="as of `fastgd fit`; no target is needed")
    add("--features", type=_names, metavar="A,B", help="the columns to take; by default those of the fit")
    add(
        "--missing",
        choices=("error", "drop"),
        default="error",
        help=f"{_MISSING}: their predictions are empty lines, nan in .csv and .npy, null in .parquet",
    )
    add("--out", type=_file, metavar="FILE", help="a .csv, .parquet or .npy file; by default standard output")
    _add_dialect(parser)


_DESCRIPTIONS = {
    "fit": "Fit a linear model to DATA: a CSV, Parquet, Arrow or Feather file or a folder of them; "
    "a .npy of rows and columns, which are named by their numbers from 0; or a .npz with arrays X and y (the "
    "target) and perhaps a weight. The fit runs in standardized columns, accelerated, until it has "
    "converged. Exit code 1: it diverged, or has not converged; 2: the usage or the data is to blame.",
    "diagnose": "Which learning rates of squared_error converge on DATA, how fast, and to what cost.",
    "predict": "Predictions x·w + intercept of a saved model for the rows of DATA, one a line. "
    + "".join(
        f"Those of {name} are {loss.meaning_of_scores}. "
        for name, loss in NAMED.items()
        if loss.meaning_of_scores
    )
    + "Columns are taken by the names that the model was fitted to.",
}
_MISSING = "refuse rows with a missing value, counting them by column (the default), or leave them out"


def _add_data(parser: argparse.ArgumentParser) -> None:
    """The options of `fit` and `diagnose`."""
    add = parser.add_argument
    add("data", metavar="DATA", type=_file, help="a file, or a folder of files of one kind")
    add("--target", required=True, metavar="Y", help="the column to predict")
    add("--features", type=_names, metavar="A,B", help="the columns of X; by default all others")
    add("--weight", metavar="COLUMN", help="the column of the rows' weights")
    add("--missing", choices=("error", "drop"), default="error", help=_MISSING)
    add(
        "--solver", choices=("gd", "sgd"), default="gd",
        help="full-batch gradient descent (gd, the default), or stochastic (sgd)",
    )  # fmt: skip
    add(
        "--learning-rate", type=_rate, default="auto", metavar="RATE", help='"auto" (the default) or a number'
    )
    add("--l2", type=float, default=0.0, metavar="L2", help="a penalty (L2/2) Σ w² (0 by default)")
    add(
        "--intercept", action=argparse.BooleanOptionalAction, default=True,
        help="with an intercept (the default), or without",
    )  # fmt: skip
    add(
        "--standardize", action=argparse.BooleanOptionalAction, default=True,
        help="descend in columns of variance 1 (the default): often far fewer epochs; or in those of DATA",
    )  # fmt: skip
    _add_dialect(parser)
    add("--json", action="store_true", help="one JSON object on standard output, in place of the report")


def _add_fit(parser: argparse.ArgumentParser) -> None:
    """The options of `fit`: those of `diagnose`, and its own."""
    _add_data(parser)
    add = parser.add_argument
    domains = {name: loss.domain for name, loss in NAMED.items() if loss.domain is not NUMBERS}
    takes = ", ".join(f"{name} takes {domain.takes}" for name, domain in domains.items())
    add(
        "--loss",
        choices=tuple(NAMED),
        default="squared_error",
        help=f"squared_error by default; {takes}",
    )
    add("--l1", type=float, default=0.0, metavar="L1", help="a penalty L1 Σ|w| (0 by default)")
    add(
        "--cv", nargs="?", type=_folds, const=5, metavar="K",
        help="choose the penalty of squared_error by K held-out folds (5), from the same read",
    )  # fmt: skip
    add("--cv-penalty", choices=("l2", "l1"), default="l2", help="what --cv chooses (l2 by default)")
    add(
        "--epochs", type=_positive, metavar="N",
        help="at most so many; by default 1000 where each is a read of DATA, and 100,000 where one read is "
        "enough for all, as for squared errors by gd",
    )  # fmt: skip
    add(
        "--tol", type=_tolerance, default="auto", metavar="TOL",
        help='when the fit has converged, and stops: "auto" (the default), a part of the first gradient '
        '(sgd: a change of the cost), or "none" to run all epochs and not ask whether it has',
    )  # fmt: skip
    add(
        "--nesterov", action=argparse.BooleanOptionalAction,
        help="gd: with accelerating momentum, for fewer epochs (the default), or without",
    )  # fmt: skip
    add(
        "--shuffle", nargs="?", choices=("blocks", "rows"), const="blocks",
        help="sgd: each epoch in a new order, of blocks of rows (the default) or of all rows, kept in "
        "memory; without it rows come in order",
    )  # fmt: skip
    add("--seed", type=_seed, metavar="N", help="repeats a shuffling; by default another each time")
    add("--save", type=_file, metavar="MODEL", help="keep the model in this .npz file, for `fastgd predict`")
    add("--plot", type=_file, metavar="FILE", help="draw the cost against the epoch (png, svg, pdf)")
    add("--allow-unconverged", action="store_true", help="exit code 0 where the fit has not converged")
    add("--strict", action="store_true", help="the default now: exit code 1 where it has not converged")
    add("--checkpoint", type=_file, metavar="FILE", help="keep the run in this file while it goes")
    add("--checkpoint-every", type=float, metavar="SECONDS", help="how often (60)")
    add("--resume", type=_file, metavar="FILE", help="go on from this checkpoint of the same command")
    add("--no-progress", action="store_true", help="no bar on a terminal")


def _add_dialect(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--delimiter", type=_delimiter, metavar="C",
        help="what separates the fields of a CSV file, a character or tab; by default it is recognised",
    )  # fmt: skip
    add("--decimal", choices=(".", ","), help="its decimal mark; by default it is recognised")


def _misuse(options: argparse.Namespace) -> str:
    """The error message for options that contradict each other, or an empty text."""
    if options.command in ("lesson", "warmup") and options.samples is not None:
        return "--samples belongs to the fit that `fastgd` shows without a command"
    if options.command == "diagnose" and options.solver == "sgd" and options.l2:
        return "--l2 of diagnose belongs to --solver gd"
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


def _delimiter(text: str) -> str:
    from fastgd.data import dialect

    names = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "space": " "}
    text = names.get(text, text)
    try:
        dialect.check(text, None)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _names(text: str) -> list[str]:
    import csv

    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not names or not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names, a,b,c")
    return names


def _rate(text: str) -> float | str:
    return text if text == "auto" else _number(text, 'neither "auto" nor a number')


def _tolerance(text: str) -> float | str | None:
    if text in ("auto", "none"):
        return None if text == "none" else text
    return _number(text, 'neither "auto" nor "none" nor a number')


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is {what}") from None


def _seed(text: str) -> int:
    return _whole(text, 0, 2**64 - 1)


def _file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("a file name is needed")
    return text


def _positive(text: str) -> int:
    return _whole(text, 1, sys.maxsize)


def _folds(text: str) -> int:
    return _whole(text, 2, 4096)


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
    from fastgd.cli.lesson import full_batch_lesson, stochastic_lesson

    fit = stochastic_lesson() if with_sgd else full_batch_lesson()
    if picture is not None:
        from fastgd.plots.picture import save

        save(fit, picture)
    print(fit.trace(digits=digits, full=True))


def _warmup() -> None:
    from fastgd import warm
    from fastgd.data.backend import resolve
    from fastgd.solver.progress import can_show

    resolve("numba")  # raises the error without Numba
    from fastgd.kernels import _jit

    seconds = warm.warmup(progress=can_show())
    folder = _jit.cache_directory()
    sizes = [file.stat().st_size for file in folder.glob("*.kernel")]
    print(f"{len(sizes)} kernels, {sum(sizes) / 1e6:.1f} MB in {folder}; {seconds:.1f} s")


def _demo(n_samples: int) -> None:
    from fastgd.cli.demo import demo

    for line in demo(n_samples):
        print(line, flush=True)

"""The command line: `fastgd`, `fastgd lesson`, and `fastgd fit`, `predict` and `diagnose` on files."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from fastgd import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code: 0, 1 (it failed) or 2 (usage or input)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "lesson" and options.samples is not None:
        parser.error("--samples belongs to the fit that `fastgd` shows without a command")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no "…" shows "?"
    code = 0
    try:
        if options.command in ("fit", "predict", "diagnose"):
            code = _on_files(options)
        elif options.command == "lesson":
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
    return code


def _on_files(options: argparse.Namespace) -> int:
    from fastgd import commands
    from fastgd.results import DivergenceError

    run = {"fit": commands.fit, "predict": commands.predict, "diagnose": commands.show_diagnosis}
    try:
        return run[options.command](options)
    except DivergenceError as error:
        print(f"fastgd: {commands.sentence(error)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise
    except (ImportError, OSError, ValueError, TypeError, MemoryError) as error:
        print(f"fastgd: {commands.sentence(error)}", file=sys.stderr)
        return 2


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
    for name, what in (("fit", "fit a model to a file"), ("diagnose", "limits and a forecast, before a fit")):
        _add_data(commands.add_parser(name, help=what, description=_DESCRIPTIONS[name]), name)
    predict = commands.add_parser(
        "predict", help="predictions of a model", description=_DESCRIPTIONS["predict"]
    )
    predict.add_argument("model", type=_file, help="what `fastgd fit --save` wrote")
    predict.add_argument("data", metavar="DATA", type=_file, help="as of `fastgd fit`; no target is needed")
    predict.add_argument(
        "--features", type=_names, metavar="A,B", help="columns of X; those of the fit by default"
    )
    predict.add_argument(
        "--missing", choices=("error", "drop"), default="error", help="rows with a missing value"
    )
    predict.add_argument(
        "--out", type=_file, metavar="FILE", help=".csv, .parquet or .npy; standard output by default"
    )
    return parser


_DESCRIPTIONS = {
    "fit": "Fit a linear model to DATA: a CSV, Parquet, Arrow or Feather file or a folder of them, a .npy of "
    "rows and columns (named by their numbers), or a .npz with arrays X and y. Exit code 1: the fit "
    "diverged, or with --strict did not converge; 2: the usage, or the data.",
    "diagnose": "Which learning rates converge on DATA, how fast, and to what cost.",
    "predict": "Predictions of a saved model for the rows of DATA, one a line.",
}


def _add_data(parser: argparse.ArgumentParser, command: str) -> None:
    parser.add_argument("data", metavar="DATA", type=_file, help="a file, or a folder of files of one kind")
    parser.add_argument("--target", required=True, metavar="Y", help="the column to predict")
    parser.add_argument("--features", type=_names, metavar="A,B", help="columns of X; all others by default")
    parser.add_argument("--weight", metavar="COLUMN", help="a column of weights of rows")
    parser.add_argument(
        "--missing", choices=("error", "drop"), default="error", help="rows with a missing value"
    )
    parser.add_argument(
        "--solver", choices=("gd", "sgd"), default="gd", help="full batch (gd), or stochastic"
    )
    parser.add_argument(
        "--learning-rate", type=_rate, default="auto", metavar="RATE", help='a number, or "auto"'
    )
    parser.add_argument("--l2", type=float, default=0.0, metavar="L2", help="penalty (l2/2) Σ w²")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    if command != "fit":
        return
    parser.add_argument("--l1", type=float, default=0.0, metavar="L1", help="penalty l1 Σ|w|")
    parser.add_argument(
        "--loss", choices=("squared_error", "huber", "log_loss", "quantile"), default="squared_error"
    )
    parser.add_argument("--epochs", type=_positive, default=100, metavar="N", help="at most so many (100)")
    parser.add_argument(
        "--tol", type=_rate, default="auto", metavar="TOL", help='when to stop; "auto" by default'
    )
    parser.add_argument("--no-intercept", action="store_true", help="fit no intercept")
    parser.add_argument("--standardize", action="store_true", help="descend in columns of variance 1")
    parser.add_argument("--nesterov", action="store_true", help="accelerate gd (FISTA with restart)")
    parser.add_argument(
        "--shuffle", action="store_const", const="blocks", default=False, help="sgd: blocks of rows"
    )
    parser.add_argument("--seed", type=_seed, metavar="N", help="of the shuffling")
    parser.add_argument("--save", type=_file, metavar="MODEL", help="keep the model in this .npz file")
    parser.add_argument("--plot", type=_file, metavar="FILE", help="draw the cost against the epoch")
    parser.add_argument("--strict", action="store_true", help="exit code 1 where the fit has not converged")
    parser.add_argument(
        "--checkpoint", type=_file, metavar="FILE", help="keep the run in this file while it goes"
    )
    parser.add_argument(
        "--checkpoint-every", type=float, default=60.0, metavar="SECONDS", help="60 by default"
    )
    parser.add_argument("--resume", type=_file, metavar="FILE", help="go on from this checkpoint")
    parser.add_argument("--no-progress", action="store_true", help="no bar, on a terminal too")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names, a,b,c")
    return names


def _rate(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number nor "auto"') from None


def _seed(text: str) -> int:
    return _whole(text, 0, 2**64 - 1)


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

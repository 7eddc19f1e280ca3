"""The options of each command."""

from __future__ import annotations

import argparse

from fastgd.cli import values
from fastgd.domains import NUMBERS
from fastgd.losses import NAMED

DESCRIPTIONS = {
    "fit": "Fit a linear model to DATA: CSV (also .gz, .bz2, .xz, .zst, .zip), Parquet, Arrow or Feather "
    "files, a quoted pattern or a folder of them, or - for standard input; a .npy of rows and columns, which "
    "are named by their numbers from 0; or a .npz with arrays X and y (the target) and perhaps a weight. The "
    "fit runs in standardized columns, accelerated, until it has converged. Exit code 1: it diverged, or has "
    "not converged; 2: the usage or the data is to blame.",
    "diagnose": "Which learning rates of squared_error converge on DATA, how fast, and to what cost.",
    "predict": "Predictions x·w + intercept of a saved model for the rows of DATA, one a line. "
    + "".join(
        f"Those of {name} are {loss.meaning_of_scores}. "
        for name, loss in NAMED.items()
        if loss.meaning_of_scores
    )
    + "Columns are taken by the names that the model was fitted to.",
}
MISSING = "refuse rows with a missing value, counting them by column (the default), or leave them out"


def add_lesson(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--sgd", action="store_true", help="the stochastic loop instead of the full-batch one")
    add(
        "--digits", type=values.digits, metavar="N",
        help="round to N decimals, as on the slides; all digits by default",
    )  # fmt: skip
    add(
        "--plot", type=values.file, metavar="FILE",
        help="draw the run into FILE (png, svg, pdf; needs fastgd[plot])",
    )  # fmt: skip


def add_predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=values.file, help="what `fastgd fit --save` wrote")
    add_files(parser, "as of `fastgd fit`; no target is needed")
    add(
        "--features",
        type=values.names,
        metavar="A,B",
        help="the columns to take; by default those of the fit",
    )
    add(
        "--missing",
        choices=("error", "drop"),
        default="error",
        help=f"{MISSING}: their predictions are empty lines, nan in .csv and .npy, null in .parquet",
    )
    add(
        "--out",
        type=values.file,
        metavar="FILE",
        help="a .csv, .parquet or .npy file; by default standard output",
    )
    add_reading(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """The options of `fit` and `diagnose`."""
    add = parser.add_argument
    add_files(parser, "files, a pattern, a folder of files of one kind, or - for standard input")
    add("--target", required=True, metavar="Y", help="the column to predict")
    add(
        "--features", type=values.names, metavar="A,B",
        help='the columns of X, or patterns, "temp_*,wind"; by default all others',
    )  # fmt: skip
    add("--exclude", type=values.names, metavar="A,B", help="columns or patterns that X leaves out")
    add("--weight", metavar="COLUMN", help="the column of the rows' weights")
    add("--missing", choices=("error", "drop"), default="error", help=MISSING)
    add(
        "--solver", choices=("gd", "sgd"), default="gd",
        help="full-batch gradient descent (gd, the default), or stochastic (sgd)",
    )  # fmt: skip
    add(
        "--learning-rate",
        type=values.rate,
        default="auto",
        metavar="RATE",
        help='"auto" (the default) or a number',
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
    add_reading(parser)
    add("--json", action="store_true", help="one JSON object on standard output, in place of the report")


def add_fit(parser: argparse.ArgumentParser) -> None:
    """The options of `fit`: those of `diagnose`, and its own."""
    add_data(parser)
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
        "--cv", nargs="?", type=values.folds, const=5, metavar="K",
        help="choose the penalty of squared_error by K held-out folds (5), from the same read",
    )  # fmt: skip
    add("--cv-penalty", choices=("l2", "l1"), default="l2", help="what --cv chooses (l2 by default)")
    add(
        "--epochs", type=values.positive, metavar="N",
        help="at most so many; by default 1000 where each is a read of DATA, and 100,000 where one read is "
        "enough for all, as for squared errors by gd",
    )  # fmt: skip
    add(
        "--tol", type=values.tolerance, default="auto", metavar="TOL",
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
    add("--seed", type=values.seed, metavar="N", help="repeats a shuffling; by default another each time")
    add(
        "--save",
        type=values.file,
        metavar="MODEL",
        help="keep the model in this .npz file, for `fastgd predict`",
    )
    add("--plot", type=values.file, metavar="FILE", help="draw the cost against the epoch (png, svg, pdf)")
    add("--allow-unconverged", action="store_true", help="exit code 0 where the fit has not converged")
    add("--strict", action="store_true", help="the default now: exit code 1 where it has not converged")
    add("--checkpoint", type=values.file, metavar="FILE", help="keep the run in this file while it goes")
    add("--checkpoint-every", type=float, metavar="SECONDS", help="how often (60)")
    add("--resume", type=values.file, metavar="FILE", help="go on from this checkpoint of the same command")
    add("--no-progress", action="store_true", help="no bar on a terminal")


def add_files(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("data", metavar="DATA", nargs="+", type=values.file, action=values.Files, help=text)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The options of all commands that read files."""
    add = parser.add_argument
    add(
        "--format", choices=("csv", "tsv", "parquet", "arrow", "feather", "npy", "npz"),
        help="the kind of DATA; by default its ending, and csv for standard input",
    )  # fmt: skip
    add(
        "--delimiter", type=values.delimiter, metavar="C",
        help="what separates the fields of a CSV file, a character or tab; by default it is recognised",
    )  # fmt: skip
    add("--decimal", choices=(".", ","), help="its decimal mark; by default it is recognised")
    add(
        "--na", dest="na_values", type=values.names, action="extend", default=[], metavar="MARKS",
        help='cells of CSV that are missing values, "?,-999", beside empty cells, NA, NaN, null and the like',
    )  # fmt: skip
    add(
        "--no-header", dest="header", action="store_false",
        help="CSV has no line of names: columns are named by their numbers from 0, and -1 is the last",
    )  # fmt: skip
    add(
        "--thousands", metavar="C",
        help='the mark between thousands in numbers of CSV, "," in 1,234.5; by default there is none',
    )  # fmt: skip
    add("--skip-rows", type=values.count, default=0, metavar="N", help="lines of CSV before the header (0)")
    add("--encoding", metavar="NAME", help="of CSV, such as latin-1; by default utf-8")

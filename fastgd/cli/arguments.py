"""The options of each command, in groups."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fastgd.cli import values
from fastgd.domains import NUMBERS
from fastgd.losses import NAMED

if TYPE_CHECKING:
    Group = argparse._ArgumentGroup

MISSING = "refuse rows with a missing value, counting them by column (the default), or leave them out"


def add_samples(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--samples", type=values.positive, metavar="N", help="samples of the fit (10 million)"
    )


def add_lesson(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("descent").add_argument
    add("--sgd", action="store_true", help="the stochastic loop instead of the full-batch one")
    add(
        "--learning-rate", type=values.finite, default=0.01, metavar="RATE",
        help="0.01 by default; the full-batch loop converges below 0.214",
    )  # fmt: skip
    add("--epochs", type=values.positive, default=100, metavar="N", help="100 by default")
    add("--w0", type=values.finite, default=1.0, metavar="W", help="the weight to begin with (1)")
    add = parser.add_argument_group("output").add_argument
    add(
        "--digits", type=values.digits, metavar="N",
        help="round to N decimals, as on the slides; all digits by default",
    )  # fmt: skip
    add(
        "--plot", type=values.file, metavar="FILE",
        help="draw the run into FILE (png, svg, pdf; needs fastgd[plot])",
    )  # fmt: skip
    add(
        "--animate", type=values.file, metavar="FILE",
        help="draw the run into FILE as a moving picture (gif, or mp4 where ffmpeg is)",
    )  # fmt: skip
    add_page(parser.add_argument_group("a page with sliders (needs fastgd[html])"))


def add_page(group: argparse._ArgumentGroup) -> None:
    """The options of `lesson --html`."""
    add = group.add_argument
    add("--html", type=values.file, metavar="PAGE", help="write the page into this file, and print no run")
    add(
        "data", nargs="?", metavar="DATA", type=values.file,
        help="as of `fastgd fit`, with one or two columns beside the target; by default the lesson's samples",
    )  # fmt: skip
    add("--target", metavar="Y", help="the column to predict")
    add("--features", type=values.names, metavar="A,B", help="the columns of X; by default all others")
    add("--intercept", action="store_true", help="with an intercept, for one column of X")


def add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="remove the kernels, and nothing else")


def add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def add_fit(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group
    _add_data(group("data"))
    _add_model(model := group("model"))
    _add_loss(model)
    _add_solver(descent := group("descent"))
    _add_order(descent)
    _add_stopping(group("stopping"))
    output = group("output")
    output.add_argument(
        "--save",
        type=values.file,
        metavar="MODEL",
        help="keep the model in this .npz file, for `fastgd predict`",
    )
    output.add_argument(
        "--plot", type=values.file, metavar="FILE", help="draw the cost against the epoch (png, svg, pdf)"
    )
    _add_report(output)
    output.add_argument("--no-progress", action="store_true", help="no bar on a terminal")
    _add_checkpoint(group("long runs"))


def add_diagnose(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group
    _add_data(group("data"))
    _add_model(group("model"))
    _add_solver(group("descent"))
    _add_report(group("output"))


def add_predict(parser: argparse.ArgumentParser) -> None:
    model, data, output = map(parser.add_argument_group, ("model", "data", "output"))
    _add_rows_of_model(
        model,
        data,
        "no target is needed",
        "their predictions are empty lines, nan in files or null",
    )
    data.add_argument(
        "--target", metavar="Y",
        help="the column to compare the predictions with; by default that of the fit, if DATA has it",
    )  # fmt: skip
    kind = output.add_mutually_exclusive_group()
    kind.add_argument(
        "--probability", action="store_true",
        help="the probability of the positive class, of log_loss and modified_huber, in place of the score",
    )  # fmt: skip
    kind.add_argument(
        "--class", dest="class_", action="store_true", help="the label, of a loss of two classes"
    )
    output.add_argument(
        "--keep", type=values.names, metavar="A,B", default=(),
        help="columns of DATA that are written before the predictions, under a header",
    )  # fmt: skip
    output.add_argument(
        "--row-numbers", action="store_true", help='the number of each row, from 0, in a first column "row"'
    )
    output.add_argument(
        "--out",
        type=values.file,
        metavar="FILE",
        help="a .csv, .parquet or .npy file; by default standard output",
    )
    output.add_argument("--quiet", action="store_true", help="no notices: only predictions and errors")


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    model, data, output = map(parser.add_argument_group, ("model", "data", "output"))
    _add_rows_of_model(model, data, "with the target", "they do not count")
    data.add_argument("--target", metavar="Y", help="the column of the target; by default that of the fit")
    data.add_argument("--weight", metavar="COLUMN", help="the column of the rows' weights")
    _add_report(output)


def _add_rows_of_model(model: Group, data: Group, needs: str, dropped: str) -> None:
    """A model and the rows that it predicts."""
    model.add_argument("model", type=values.file, help="what `fastgd fit --save` wrote")
    add = data.add_argument
    _add_files(data, f"as of `fastgd fit`; {needs}")
    add(
        "--features", type=values.names, metavar="A,B",
        help="the columns to take, categories by one name; by default those of the fit",
    )  # fmt: skip
    add("--missing", choices=("error", "drop"), default="error", help=f"{MISSING}: {dropped}")
    add(
        "--unknown", choices=("error", "zero"), default="error",
        help="refuse levels of categories that the model does not know (the default), or set their features "
        "to 0: the row is predicted as one of the first level, in a model with an intercept",
    )  # fmt: skip
    _add_reading(data)


def _add_data(group: Group) -> None:
    add = group.add_argument
    _add_files(group, "files, a pattern, a folder of files of one kind, or - for standard input")
    add("--target", required=True, metavar="Y", help="the column to predict")
    add(
        "--features", type=values.names, metavar="A,B",
        help='the columns of X, or patterns, "temp_*,wind"; by default all others',
    )  # fmt: skip
    add("--exclude", type=values.names, metavar="A,B", help="columns or patterns that X leaves out")
    add("--weight", metavar="COLUMN", help="the column of the rows' weights")
    add("--missing", choices=("error", "drop"), default="error", help=MISSING)
    add(
        "--categories", type=values.names, metavar="A,B", default=(),
        help="features that hold levels, such as a city: each level becomes a feature city=Oslo, but for the "
        "first one of a model with an intercept. A read of their own finds the levels",
    )  # fmt: skip
    _add_reading(group)


def _add_files(group: Group, text: str) -> None:
    group.add_argument("data", metavar="DATA", nargs="+", type=values.file, action=values.Files, help=text)


def _add_reading(group: Group) -> None:
    """The options of all commands that read files."""
    add = group.add_argument
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


def _add_model(group: Group) -> None:
    add = group.add_argument
    add("--l2", type=float, default=0.0, metavar="L2", help="a penalty (L2/2) Σ w² (0 by default)")
    add(
        "--intercept", action=argparse.BooleanOptionalAction, default=True,
        help="with an intercept (the default), or without",
    )  # fmt: skip


def _add_loss(group: Group) -> None:
    add = group.add_argument
    domains = {name: loss.domain for name, loss in NAMED.items() if loss.domain is not NUMBERS}
    takes = ", ".join(f"{name} takes {domain.takes}" for name, domain in domains.items())
    add(
        "--loss",
        choices=tuple(NAMED),
        default="squared_error",
        help=f"squared_error by default; {takes}",
    )
    add(
        "--positive", metavar="LABEL",
        help="the label that a loss of two classes counts as 1; by default the second one, in order",
    )  # fmt: skip
    add("--l1", type=float, default=0.0, metavar="L1", help="a penalty L1 Σ|w| (0 by default)")
    add(
        "--cv", nargs="?", type=values.folds, const=5, metavar="K",
        help="choose the penalty of squared_error by K held-out folds (5), from the same read",
    )  # fmt: skip
    add("--cv-penalty", choices=("l2", "l1"), default="l2", help="what --cv chooses (l2 by default)")


def _add_solver(group: Group) -> None:
    add = group.add_argument
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
    add(
        "--standardize", action=argparse.BooleanOptionalAction, default=True,
        help="descend in columns of variance 1 (the default): often far fewer epochs; or in those of DATA",
    )  # fmt: skip


def _add_order(group: Group) -> None:
    add = group.add_argument
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


def _add_stopping(group: Group) -> None:
    add = group.add_argument
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
    add("--allow-unconverged", action="store_true", help="exit code 0 where the fit has not converged")
    add("--strict", action="store_true", help="the default now: exit code 1 where it has not converged")


def _add_report(group: Group) -> None:
    add = group.add_argument
    add("--json", action="store_true", help="one JSON object on standard output, in place of the report")
    add("--quiet", action="store_true", help="no report and no notices: only errors, and what --json prints")


def _add_checkpoint(group: Group) -> None:
    add = group.add_argument
    add("--checkpoint", type=values.file, metavar="FILE", help="keep the run in this file while it goes")
    add("--checkpoint-every", type=float, metavar="SECONDS", help="how often (60)")
    add("--resume", type=values.file, metavar="FILE", help="go on from this checkpoint of the same command")

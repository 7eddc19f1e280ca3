"""The commands: each is a module of this folder with `run(options)`, which returns the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from fastgd.cli import arguments
from fastgd.losses import NAMED


class Command(NamedTuple):
    """What the help of a command has."""

    what: str
    """A line in the list of commands."""
    description: str
    examples: tuple[str, ...]
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None


DEMO = Command(
    "",
    "Linear models by gradient descent. Without a command: the lesson in short, then a fit of 10 million "
    "synthetic samples with its speed.",
    ("fastgd --samples 100000", "fastgd fit trips.csv --target fare"),
    arguments.add_samples,
)
COMMANDS = {
    "lesson": Command(
        "the lesson's program in full",
        "Print what the lesson's program prints, every epoch of it; or write a page with sliders. Exit "
        "code 1: the run diverged, and its first epochs are shown.",
        (
            "fastgd lesson --digits 2",
            "fastgd lesson --sgd --learning-rate 0.05 --epochs 20 --plot sgd.png",
            "fastgd lesson --html page.html",
        ),
        arguments.add_lesson,
    ),
    "fit": Command(
        "fit a model to a file",
        "Fit a linear model to DATA: CSV (also .gz, .bz2, .xz, .zst, .zip), Parquet, Arrow or Feather files, "
        "a quoted pattern or a folder of them, or - for standard input; a .npy of rows and columns, which "
        "are named by their numbers from 0; or a .npz with arrays X and y (the target) and perhaps a weight. "
        "The fit runs in standardized columns, accelerated, until it has converged. Exit code 1: it "
        "diverged, or has not converged; 2: the usage or the data is to blame.",
        (
            "fastgd fit trips.csv --target fare --save model.npz",
            "fastgd fit trips.csv --target night --loss log_loss --features miles,minutes",
        ),
        arguments.add_fit,
    ),
    "diagnose": Command(
        "limits and a forecast, before a fit",
        "Which learning rates of squared_error converge on DATA, how fast, and to what cost.",
        (
            "fastgd diagnose trips.csv --target fare",
            "fastgd diagnose trips.csv --target fare --no-standardize --learning-rate 0.01",
        ),
        arguments.add_diagnose,
    ),
    "predict": Command(
        "predictions of a model",
        "Predictions x·w + intercept of a saved model for the rows of DATA, one a line. "
        + "".join(
            f"Those of {name} are {loss.meaning_of_scores}. "
            for name, loss in NAMED.items()
            if loss.meaning_of_scores
        )
        + "Columns are taken by the names that the model was fitted to. If DATA has the target, the error or "
        "accuracy is told on standard error.",
        (
            "fastgd predict model.npz trips.csv",
            "fastgd predict model.npz trips.csv --keep miles,minutes --out fares.csv",
        ),
        arguments.add_predict,
    ),
    "evaluate": Command(
        "how well a model predicts",
        "The errors of a saved model on the rows of DATA, from one read: root mean square and mean absolute "
        "error and R², or, for losses of two classes, accuracy, log loss, the area under the ROC curve and "
        "the table of labels.",
        (
            "fastgd evaluate model.npz trips.csv",
            "fastgd evaluate model.npz trips.csv --target fare --json",
        ),
        arguments.add_evaluate,
    ),
    "warmup": Command(
        "compile the kernels of the usual calls",
        "Compile the kernels of the usual calls, once for this machine and version of fastgd.",
        ("fastgd warmup",),
    ),
    "cache": Command(
        "where compiled kernels are, and how many",
        "The number, size and folder of the compiled kernels. A fit compiles again what it misses.",
        ("fastgd cache", "fastgd cache --clear"),
        arguments.add_cache,
    ),
    "completion": Command(
        "complete commands and options with the Tab key",
        "Print the lines that let a shell complete commands, options and their values (needs "
        "fastgd[completion]). Put the first example into ~/.bashrc (or ~/.zshrc, with zsh), or the "
        "second into ~/.config/fish/config.fish.",
        ('eval "$(fastgd completion bash)"', "fastgd completion fish | source"),
        arguments.add_completion,
    ),
}

"""What `fastgd fit`, `predict` and `diagnose` do: data from files, a report for people or for machines."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastgd import inputs, report
from fastgd.api import gradient_descent, sgd
from fastgd.archive import replacing
from fastgd.data.checks import InvalidDataError
from fastgd.data.chunks import Source
from fastgd.diagnosis import diagnose
from fastgd.functions import forward
from fastgd.grid import Floats
from fastgd.inputs import Data
from fastgd.options import ConvergenceWarning
from fastgd.results import DivergenceError, FitResult
from fastgd.saving import load

SOLVERS: dict[str, Any] = {"gradient_descent": gradient_descent, "sgd": sgd}
OUTPUTS = ".csv", ".parquet", ".npy"


def fit(options: Namespace) -> int:
    _check_places(options)
    data = _open(options)
    if options.shuffle == "rows":
        data = data.in_memory()
    how: dict[str, Any] = dict(
        loss=options.loss, l1=options.l1, l2=options.l2, n_epochs=options.epochs,
        learning_rate=options.learning_rate, fit_intercept=options.intercept,
        standardize=options.standardize, tol=options.tol, sample_weight=data.weight, history="costs",
        on_divergence="raise", progress=_can_show(options), checkpoint=options.checkpoint,
        resume=options.resume,
    )  # fmt: skip
    if options.checkpoint_every is not None:
        how |= dict(checkpoint_every=options.checkpoint_every)
    if options.solver == "sgd":
        how |= dict(shuffle={None: False, "rows": True}.get(options.shuffle, "blocks"), seed=options.seed)
    else:
        how |= dict(nesterov=options.nesterov)
    notes: list[str] = []
    failure = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result: FitResult = SOLVERS[options.solver](data.X, data.y, **how)
        except DivergenceError as error:
            result, failure = error.result, report.spelled(str(error))
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(_interrupted(interrupt, options)) from None
        except InvalidDataError as error:
            raise InvalidDataError(_located(str(error), data, options)) from None
    for warning in caught:
        text = report.spelled(str(warning.message))
        if issubclass(warning.category, ConvergenceWarning):
            notes.append(text + _hint(options) * ("--epochs" in text))
        else:
            print(f"fastgd: {text}", file=sys.stderr)
    if failure:
        print(f"fastgd: {failure}", file=sys.stderr)
        if not options.json:
            return 1
    result.feature_names = result.feature_names or data.names
    given = {
        "data": options.data, "target": options.target, "weight": options.weight,
        "solver": options.solver, "loss": options.loss, "l1": options.l1, "l2": options.l2,
        "has_intercept": options.intercept, "standardize": options.standardize,
        "model": None if failure else options.save, "picture": None if failure else options.plot,
        "error": failure or None,
    }  # fmt: skip
    if options.save and not failure:
        result.save(options.save)
    if options.plot and not failure:
        from fastgd import plots

        plots.save(result, options.plot, ("cost",))
    names = result.feature_names or ("x",)
    told = report.of_fit(result, names, given, notes, data.spread())
    print(report.as_json(told) if options.json else "\n".join(report.lines_of_fit(told)))
    if failure:
        return 1
    if options.strict and not result.converged:
        print("fastgd: not converged, and --strict asks for that", file=sys.stderr)
        return 1
    return 0


def show_diagnosis(options: Namespace) -> int:
    data = _open(options)
    try:
        found = diagnose(
            data.X, data.y, solver=options.solver, learning_rate=options.learning_rate, l2=options.l2,
            fit_intercept=options.intercept, standardize=options.standardize, sample_weight=data.weight,
        )  # fmt: skip
    except InvalidDataError as error:
        raise InvalidDataError(_located(str(error), data, options)) from None
    given = {
        "data": options.data, "target": options.target, "weight": options.weight, "solver": options.solver,
        "l2": options.l2, "has_intercept": options.intercept, "standardize": options.standardize,
    }  # fmt: skip
    told = report.of_diagnosis(found, data.names or ("x",), given)
    print(report.as_json(told) if options.json else "\n".join(report.lines_of_diagnosis(told)))
    return 0


def predict(options: Namespace) -> int:
    suffix = None if options.out is None else Path(options.out).suffix.lower()
    if suffix is not None:
        if suffix not in OUTPUTS:
            raise InvalidDataError(f"--out writes .csv, .parquet or .npy, not {Path(options.out).name}")
        _check_place("--out", options.out, options.data, options.model)
    model = load(options.model)
    scores = _scores(model, options)
    if suffix is None:
        for part in scores:
            sys.stdout.write(_text(part))
        return 0
    first = next(scores, np.empty(0))  # what is wrong with the data is mostly told here, before the file
    with replacing(options.out) as file:
        WRITERS[suffix](file, _both(first, scores))
    return 0


def _open(options: Namespace) -> Data:
    _refuse_drop(options)
    return inputs.open_data(options.data, options.target, options.features, options.weight, options.missing)


def _refuse_drop(options: Namespace) -> None:
    if options.missing == "drop" and Path(options.data).suffix.lower() in (".npy", ".npz"):
        raise InvalidDataError("--missing drop is for tables; arrays have no missing values")


def _check_places(options: Namespace) -> None:
    """Refuse files that could not be written, before the work is done."""
    written: dict[str, str] = {}
    for name, path in (
        ("--save", options.save),
        ("--plot", options.plot),
        ("--checkpoint", options.checkpoint),
    ):
        if path is None:
            continue
        _check_place(name, path, options.data)
        if (other := written.setdefault(os.path.realpath(path), name)) != name:
            raise InvalidDataError(f"{other} and {name} name one file, {path}: name two")
    if options.plot is not None:
        from fastgd import plots

        plots.check_file(options.plot)


def _check_place(name: str, path: str, *others: str) -> None:
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder} for {name} {path}: make it")
    for other in others:
        if os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise InvalidDataError(f"{name} would write over {other}, which is read: name another file")


def _can_show(options: Namespace) -> bool:
    """Whether there is a terminal for a bar, and what draws it."""
    return not options.no_progress and sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None


def _hint(options: Namespace) -> str:
    """What may help a run that has not converged."""
    more = ["a larger --epochs"]
    if options.solver == "gradient_descent" and not options.nesterov:
        more.insert(0, "--nesterov")
    if not options.standardize:
        more.insert(0, "--standardize")
    return f" (try {' or '.join(more)})"


def _interrupted(interrupt: KeyboardInterrupt, options: Namespace) -> str:
    """What is left of a run."""
    result = getattr(interrupt, "result", None)
    done = "" if result is None else f" after {result.n_epochs} epoch{'s' * (result.n_epochs != 1)}"
    if options.checkpoint is not None and os.path.exists(options.checkpoint):
        return f"interrupted{done}; the same command with --resume {options.checkpoint} goes on from there"
    return f"interrupted{done}; nothing was kept (--checkpoint FILE keeps a run)"


def _located(text: str, data: Data, options: Namespace) -> str:
    """A sentence about a row of arrays, as one about a row of the file."""

    def place(row: str) -> str:
        if isinstance(data.X, Source):
            return data.X.place(int(row))
        return f"row {row} of {Path(options.data).name}"

    named = f'column "{options.target}"'
    if found := re.match(r"y\[(\d+)\] is ", text):
        return f"{place(found[1])}: {named} is {text[found.end() :].partition(' (a classifier')[0]}"
    if found := re.match(r"the weight of row (\d+) is |sample_weight\[(\d+)\] is ", text):
        return f"{place(found[1] or found[2])}: the weight is {text[found.end() :]}"
    if found := re.match(r'X\[(\d+)(?:, (\d+))?\](?: \(column "(.*?)"\))? is ', text):
        which = f"column {found[3] or found[2]}" if found[2] else "X"
        return f"{place(found[1])}: {which} is {text[found.end() :]}"
    return text.replace(": y is ", f": {named} is ", 1)


def _scores(model: FitResult, options: Namespace) -> Iterator[Floats]:
    """The predictions, some rows at a time."""
    _refuse_drop(options)
    is_line, d = np.ndim(model.w) == 0, int(np.size(model.w))
    for X in inputs.parts(options.data, model.feature_names, options.features, d, options.missing):
        yield np.asarray(forward(X[:, 0] if is_line else X, model.w, intercept=model.intercept))


def _both(first: Floats, rest: Iterator[Floats]) -> Iterator[Floats]:
    yield first
    yield from rest


def _text(part: Floats) -> str:
    return "".join(f"{score!r}\n" for score in part.tolist())


def _write_csv(file: BinaryIO, scores: Iterator[Floats]) -> None:
    file.write(b"prediction\n")
    for part in scores:
        file.write(_text(part).encode("ascii"))


def _write_npy(file: BinaryIO, scores: Iterator[Floats]) -> None:
    """The header has room for any number of rows, and is written again when that is known."""

    def write_header(n: int) -> None:
        about = {"descr": "<f8", "fortran_order": False, "shape": (n,)}
        np.lib.format.write_array_header_1_0(file, about)

    n = 0
    write_header(n)
    for part in scores:
        file.write(part.astype("<f8").tobytes())
        n += len(part)
    file.seek(0)
    write_header(n)


def _write_parquet(file: BinaryIO, scores: Iterator[Floats]) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("--out of .parquet needs pyarrow: pip install 'fastgd[io]'") from error
    schema = pa.schema([("prediction", pa.float64())])
    with parquet.ParquetWriter(file, schema) as writer:
        for part in scores:
            writer.write_table(pa.table({"prediction": part}, schema))


WRITERS = {".csv": _write_csv, ".npy": _write_npy, ".parquet": _write_parquet}

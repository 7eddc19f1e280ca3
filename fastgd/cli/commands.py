"""The commands `fastgd fit`, `predict` and `diagnose` on files."""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastgd.checks import InvalidDataError, OrderError, RowPlace
from fastgd.cli import choice, report
from fastgd.cli.data import Data, open_data, parts
from fastgd.domains import CLASSES
from fastgd.functions import forward
from fastgd.io.npz import replacing
from fastgd.losses import NAMED
from fastgd.solver.diagnose import diagnose
from fastgd.solver.fit import fit as fit_rows
from fastgd.solver.model import load_fit
from fastgd.solver.objective import as_rule
from fastgd.solver.options import ConvergenceWarning, Options
from fastgd.solver.planner import MOST_COLUMNS
from fastgd.solver.progress import can_show
from fastgd.solver.results import DivergenceError, FitResult
from fastgd.wording import printable

FREE_EPOCHS, READ_EPOCHS = 100_000, 1000
"""The default number of epochs, if epochs run on statistics and if each is a pass."""
Scores = np.ma.MaskedArray[Any, np.dtype[np.float64]]
RULES = "unlike", "is off"
"""Kinds of warnings about fits that a stopping rule ended too early."""
REASONS = "ran out", *RULES
"""Kinds of warnings about fits that have not converged."""
OUTPUTS = ".csv", ".parquet", ".npy"


def fit(options: Namespace) -> int:
    _check_places(options)
    if options.cv is not None:
        choice.check(options)
    data = _open(options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result, failure, chosen = _run(options, data)
    notes = _notes(caught)
    if failure:
        _say(failure)
        if not options.json:
            return 1
    result.feature_names = result.feature_names or data.names
    facts = _facts_of_fit(options, data, result, notes, failure) | {"cross_validation": chosen}
    if failure:
        print(report.as_json(facts))
        return 1
    if options.save:
        result.save(options.save)
    if options.plot:
        from fastgd.plots import picture

        picture.save(result, options.plot, ("cost",))
    if facts["not_converged"] and options.json:
        _say(facts["not_converged"])
    print(report.as_json(facts) if options.json else "\n".join(report.lines_of_fit(facts)))
    if options.strict:
        _say("--strict is the default now: what has not converged exits with 1")
    return 1 if facts["not_converged"] and not options.allow_unconverged else 0


def _run(options: Namespace, data: Data) -> tuple[FitResult, str, dict[str, Any] | None]:
    """The fit, the message if it diverged, and the report of --cv."""
    try:
        if options.cv is None:
            return *_fitted(options, data, data), None
        summary, n_passes, chosen = choice.choose(options, data)
        result, failure = _fitted(options, data, data._replace(X=summary, y=None, weight=None))
        result.n_passes += n_passes
        return result, failure, chosen
    except InvalidDataError as error:
        raise _of_file(error, data, options) from None


def _fitted(options: Namespace, data: Data, rows: Data) -> tuple[FitResult, str]:
    """The fit of these rows of the data, and the message if it diverged."""
    n_epochs = options.epochs or _most_epochs(options, data)
    objective: dict[str, Any] = dict(
        loss=options.loss, l1=options.l1, l2=options.l2, fit_intercept=options.intercept,
        standardize=options.standardize,
    )  # fmt: skip
    settings: dict[str, Any] = dict(
        w0=None, learning_rate=options.learning_rate, n_epochs=n_epochs, tol=options.tol, patience=5,
        validation_fraction=None, callback=None, method="auto", history="costs", on_divergence="raise",
        backend="auto", n_threads=None, words=report.COMMAND, progress=not options.no_progress and can_show(),
        checkpoint=options.checkpoint, resume=options.resume,
    )  # fmt: skip
    if options.checkpoint_every is not None:
        settings |= dict(checkpoint_every=options.checkpoint_every)
    if options.solver == "sgd":
        shuffle = {None: False, "rows": True}.get(options.shuffle, "blocks")
        settings |= dict(shuffle=shuffle, seed=options.seed)
    else:
        is_free = options.standardize and options.nesterov
        objective |= dict(precondition="auto" if is_free else False)
    rule = as_rule(0.0, bool(options.nesterov), 1, False)
    try:
        result = fit_rows(options.solver, rows.X, rows.y, rows.weight, objective, rule, Options(**settings))
        return result, ""
    except DivergenceError as error:
        return error.result, str(error)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(_interrupted(interrupt, options)) from None


def _most_epochs(options: Namespace, data: Data) -> int:
    """The default number of epochs. It is larger if epochs need no pass over the data."""
    is_free = options.solver == "gradient_descent" and options.loss == "squared_error"
    d = data.X.d if hasattr(data.X, "d") else np.size(data.X[:1])
    return FREE_EPOCHS if is_free and d <= MOST_COLUMNS else READ_EPOCHS


def _notes(caught: list[warnings.WarningMessage]) -> dict[str, str]:
    """The convergence warnings of a fit by their kind. Other warnings are printed."""
    notes = {}
    for warning in caught:
        text = str(warning.message)
        if isinstance(warning.message, ConvergenceWarning):
            notes[warning.message.kind] = text
        else:
            _say(text)
    return notes


def _facts_of_fit(
    options: Namespace, data: Data, result: FitResult, notes: dict[str, str], failure: str
) -> dict[str, Any]:
    """The report of a fit."""
    why = ""
    if not failure and not result.converged and options.tol is not None:
        kind = next((kind for kind in REASONS if kind in notes), "")
        reason = notes.pop(kind, "the fit has not converged")
        why = f"NOT CONVERGED: {reason} ({_remedy(options, reason, kind)})"
    chosen = {
        "data": options.data, "target": options.target, "weight": options.weight,
        "solver": options.solver, "loss": options.loss, "l1": options.l1, "l2": options.l2,
        "has_intercept": options.intercept, "standardize": options.standardize,
        "model": None if failure else options.save, "picture": None if failure else options.plot,
        "error": failure or None, "not_converged": why or None, "rows_left_out": data.n_left_out,
        "dialect": data.dialect or None,
    }  # fmt: skip
    return report.of_fit(result, result.feature_names or ("x",), chosen, [*notes.values()], data.variance())


def show_diagnosis(options: Namespace) -> int:
    data = _open(options)
    try:
        diagnosis = diagnose(
            data.X, data.y, solver=options.solver, learning_rate=options.learning_rate, l2=options.l2,
            fit_intercept=options.intercept, standardize=options.standardize, sample_weight=data.weight,
        )  # fmt: skip
    except InvalidDataError as error:
        raise _of_file(error, data, options) from None
    chosen = {
        "data": options.data, "target": options.target, "weight": options.weight, "solver": options.solver,
        "l2": options.l2, "has_intercept": options.intercept, "standardize": options.standardize,
        "rows_left_out": data.n_left_out, "dialect": data.dialect or None,
    }  # fmt: skip
    facts = report.of_diagnosis(diagnosis, data.names or ("x",), chosen)
    print(report.as_json(facts) if options.json else "\n".join(report.lines_of_diagnosis(facts)))
    return 0


def predict(options: Namespace) -> int:
    suffix = None if options.out is None else Path(options.out).suffix.lower()
    if suffix is not None:
        if suffix not in OUTPUTS:
            raise InvalidDataError(f"--out writes .csv, .parquet or .npy, not {Path(options.out).name}")
        _check_place("--out", options.out, options.data, options.model)
    model = load_fit(options.model)
    if not model.converged:
        _say(f"the fit in {options.model} has not converged")
    counts = Counts()
    scores = _scores(model, options, counts)
    if suffix is None:
        for part in scores:
            sys.stdout.write(_text(part, ""))
    else:
        first = next(scores, np.ma.empty(0))  # finds most errors of the data before the file is made
        with replacing(options.out) as file:
            WRITERS[suffix](file, itertools.chain([first], scores))
    if counts.n_left_out:
        empty = EMPTY[suffix]
        _say(f"{counts.n_left_out} of {counts.n} rows have a missing value: their predictions are {empty}")
    return 0


def _open(options: Namespace) -> Data:
    _refuse_drop(options)
    data = open_data(
        options.data, options.target, options.features, options.weight, options.missing,
        loss=getattr(options, "loss", "squared_error"), **_dialect(options),
    )  # fmt: skip
    if data.dialect:
        _say(f"{options.data} is read with {data.dialect} (--delimiter and --decimal take others)")
    return data.in_memory() if getattr(options, "shuffle", None) == "rows" else data


def _dialect(options: Namespace) -> dict[str, str | None]:
    return dict(delimiter=options.delimiter, decimal=options.decimal)


def _refuse_drop(options: Namespace) -> None:
    if options.missing == "drop" and Path(options.data).suffix.lower() in (".npy", ".npz"):
        raise InvalidDataError("--missing drop is for tables; arrays have no missing values")


def _check_places(options: Namespace) -> None:
    """Refuse files that cannot be written, before the fit."""
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
        from fastgd.plots import picture

        picture.check_file(options.plot)


def _check_place(name: str, path: str, *others: str) -> None:
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder} for {name} {path}: make it")
    for other in others:
        if os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise InvalidDataError(f"{name} would write over {other}, which is read: name another file")


def _remedy(options: Namespace, reason: str, kind: str) -> str:
    """Options that may help a fit that has not converged, beside those in `reason`.

    More epochs, and options that save epochs, do not help if a stopping rule ended the fit.
    """
    more = []
    if kind not in RULES:
        if options.learning_rate != "auto":
            more.append("--learning-rate auto")
        if not options.standardize:
            more.append("--standardize")
        if options.solver == "gradient_descent" and not options.nesterov:
            more.append("--nesterov")
        more = [*(switch for switch in more if switch not in reason), "a larger --epochs"]
    tried = f"try {' or '.join(more)}; " if more else ""
    return f"{tried}--allow-unconverged takes the model as it is"


def _say(text: str) -> None:
    """Print a line on standard error."""
    print(f"fastgd: {printable(text)}", file=sys.stderr)


def _interrupted(interrupt: KeyboardInterrupt, options: Namespace) -> str:
    """The message after Ctrl-C: what is kept of the run."""
    result = getattr(interrupt, "result", None)
    done = "" if result is None else f" after {result.n_epochs} epoch{'s' * (result.n_epochs != 1)}"
    if options.checkpoint is not None and os.path.exists(options.checkpoint):
        return f"interrupted{done}; the same command with --resume {options.checkpoint} goes on from there"
    return f"interrupted{done}; nothing was kept (--checkpoint FILE keeps a run)"


def _of_file(error: InvalidDataError, data: Data, options: Namespace) -> InvalidDataError:
    """The error with the file, the names of its columns, and remedies of the command line."""
    if isinstance(error, OrderError):
        return error.restated(remedy="pass --shuffle rows, which holds them in memory")
    if error.row is not None and not error.source:
        names = {"y": data.target, "sample_weight": data.weight_name}
        if error.column is not None and data.names:
            names["X"] = data.names[error.column]
        at = RowPlace(Path(options.data).name, error.row)
        error = error.restated(at=at, name=names.get(error.what))
    loss = getattr(options, "loss", "squared_error")
    is_label = NAMED[loss].domain is CLASSES and error.name == options.target
    if is_label and isinstance(error.value, str) and not error.remedy:
        return error.restated(remedy=CLASSES.demand(loss))
    return error


class Counts:
    """The number of rows read, and the number of those with a missing value."""

    n = n_left_out = 0


def _scores(model: FitResult, options: Namespace, counts: Counts) -> Iterator[Scores]:
    """The predictions of some rows at a time. Predictions of rows with a missing value are masked."""
    _refuse_drop(options)
    is_line, d = np.ndim(model.w) == 0, int(np.size(model.w))
    for part in parts(
        options.data, model.feature_names, options.features, d, options.missing, **_dialect(options)
    ):
        X, m = part.X, part.stop - counts.n
        predicted = forward(X[:, 0] if is_line else X, model.w, intercept=model.intercept) if len(X) else ()
        scores: Scores = np.ma.array(np.empty(m), mask=len(X) < m)
        scores[part.rows - counts.n] = np.asarray(predicted, np.float64)
        counts.n_left_out += len(scores) - len(X)
        counts.n = part.stop
        yield scores


def _text(part: Scores, empty: str) -> str:
    return "".join(f"{empty if score is None else repr(score)}\n" for score in part.tolist())


def _write_csv(file: BinaryIO, scores: Iterator[Scores]) -> None:
    """Write masked predictions as nan, since CSV readers skip empty lines."""
    file.write(b"prediction\n")
    for part in scores:
        file.write(_text(part, "nan").encode("ascii"))


def _write_npy(file: BinaryIO, scores: Iterator[Scores]) -> None:
    """Write a header first, and again when the number of rows is known. NumPy pads headers for that."""

    def write_header(n: int) -> None:
        header = {"descr": "<f8", "fortran_order": False, "shape": (n,)}
        np.lib.format.write_array_header_1_0(file, header)

    n = 0
    write_header(n)
    for part in scores:
        file.write(part.filled(np.nan).astype("<f8").tobytes())
        n += len(part)
    file.seek(0)
    write_header(n)


def _write_parquet(file: BinaryIO, scores: Iterator[Scores]) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("--out of .parquet needs pyarrow: pip install 'fastgd[io]'") from error
    schema = pa.schema([("prediction", pa.float64())])
    with parquet.ParquetWriter(file, schema) as writer:
        for part in scores:
            values = pa.array(part.data, mask=np.ma.getmaskarray(part))
            writer.write_table(pa.table({"prediction": values}, schema))


WRITERS = {".csv": _write_csv, ".npy": _write_npy, ".parquet": _write_parquet}
EMPTY = {None: "empty lines", ".csv": "nan", ".npy": "nan", ".parquet": "null"}
"""The prediction of a row with a missing value, on standard output and in each kind of file."""

"""What `fastgd fit`, `predict` and `diagnose` do: data from files, a report for people or for machines."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import re
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastgd.api import gradient_descent, sgd
from fastgd.data.checks import InvalidDataError
from fastgd.data.files import open_npy, open_npz
from fastgd.data.frames import Column, ColumnTable
from fastgd.diagnosis import diagnose
from fastgd.functions import forward
from fastgd.grid import Array, Floats, block_rows
from fastgd.options import ConvergenceWarning
from fastgd.results import DivergenceError, FitResult
from fastgd.saving import load

WIDTH = 80
SHOWN = 40
"""Weights that a person is shown, of more the largest."""
SOLVERS = {"gd": gradient_descent, "sgd": sgd}

Data = tuple[Any, Any, Any, tuple[str, ...]]
"""X, y and weights as the functions take them, and the names of the columns."""


def open_data(options: Namespace) -> Data:
    """The rows of DATA: a table in files, a .npy with a column for the target, or a .npz with X and y."""
    path, suffix = options.data, Path(options.data).suffix
    if suffix == ".npy":
        return _columns_of(open_npy(path), Path(path).name, options)
    if suffix == ".npz":
        return _arrays_of(open_npz(path), Path(path).name, options)
    from fastgd.data.tables import read_table

    source = read_table(
        path, target=options.target, features=options.features, weight=options.weight, missing=options.missing
    )
    return source, None, None, source.columns


def _columns_of(array: Any, name: str, options: Namespace) -> Data:
    """Columns of one array, by their numbers."""
    if array.ndim != 2:
        raise InvalidDataError(f"{name} has shape {array.shape}; it must have rows and columns")
    target = _number(options.target, "target", array.shape[1], name)
    weight = None if options.weight is None else _number(options.weight, "weight", array.shape[1], name)
    if options.features is None:
        features = [j for j in range(array.shape[1]) if j not in (target, weight)]
    else:
        features = [_number(text, "features", array.shape[1], name) for text in options.features]
    table = _picked(array, features)
    return table, array[:, target], None if weight is None else array[:, weight], table.columns


def _picked(array: Any, features: Sequence[int]) -> ColumnTable:
    """Some columns, read where they are."""
    if not features:
        raise InvalidDataError("no columns are left for X; at least one is needed")
    parts = [Column(len(array), array.dtype, array[:, j].__getitem__) for j in features]
    return ColumnTable(tuple(map(str, features)), parts)


def _number(text: str, what: str, d: int, name: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = d
    if not -d <= number < d:
        raise InvalidDataError(f"{name} has the columns 0 to {d - 1}; --{what} {text!r} is none of them")
    return number % d


def _arrays_of(arrays: dict[str, Any], name: str, options: Namespace) -> Data:
    """Named arrays: X (or the one that --features names), the target, the weight."""
    wanted = {"features": (options.features or ["X"])[0], "target": options.target, "weight": options.weight}
    for what, one in wanted.items():
        if one is not None and one not in arrays:
            raise InvalidDataError(f'{name} has no array "{one}" for --{what}; it has {", ".join(arrays)}')
    if len(options.features or []) > 1:
        raise InvalidDataError(f"{name} holds arrays: --features names one of them, that of X")
    X = arrays[wanted["features"]]
    names = () if X.ndim != 2 else tuple(map(str, range(X.shape[1])))
    weight = None if options.weight is None else arrays[options.weight]
    return X, arrays[options.target], weight, names


def fit(options: Namespace) -> int:
    X, y, weight, names = open_data(options)
    how: dict[str, Any] = dict(
        loss=options.loss, l1=options.l1, l2=options.l2, n_epochs=options.epochs,
        learning_rate=options.learning_rate, fit_intercept=not options.no_intercept,
        standardize=options.standardize, tol=options.tol, sample_weight=weight, history="costs",
        progress=_can_show(options), checkpoint=options.checkpoint, checkpoint_every=options.checkpoint_every,
        resume=options.resume,
    )  # fmt: skip
    if options.solver == "sgd":
        how |= dict(shuffle=options.shuffle, seed=options.seed)
    else:
        how |= dict(nesterov=options.nesterov)
    left = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = SOLVERS[options.solver](X, y, **how)
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            left = str(warning.message)
        else:
            print(f"fastgd: {warning.message}", file=sys.stderr)
    if not result.feature_names:
        result.feature_names = names
    if options.save:
        result.save(options.save)
    if options.plot:
        from fastgd.plots import save

        save(result, options.plot, ("cost",))
    told = _told(result, options, left)
    print(json.dumps(told, allow_nan=False) if options.json else "\n".join(_report(told)))
    return 1 if options.strict and not result.converged else 0


def _can_show(options: Namespace) -> bool:
    return not options.no_progress and sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None


def _told(result: FitResult, options: Namespace, left: str) -> dict[str, Any]:
    """All that a report says, in JSON's types."""
    weights = np.atleast_1d(result.w).tolist()
    names = result.feature_names or tuple(map(str, range(len(weights))))
    costs = (
        None if result.cost_history is None else [_number_or_none(c) for c in result.cost_history.tolist()]
    )
    return {
        "data": str(options.data),
        "samples": result.n_samples,
        "target": options.target,
        "solver": result.solver,
        "loss": options.loss,
        "standardize": options.standardize,
        "epochs": result.n_epochs,
        "reads": result.n_passes,
        "seconds": round(result.elapsed, 6),
        "converged": result.converged,
        "status": result.status,
        "warning": left or None,
        "learning_rate": float(result.learning_rates[0]) if len(result.learning_rates) else None,
        "intercept": result.intercept,
        "weights": dict(zip(names, weights, strict=True)),
        "cost": costs[-1] if costs else None,
        "cost_history": costs,
        "model": options.save,
    }


def _number_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _report(told: dict[str, Any]) -> Iterator[str]:
    """Lines for a person."""
    weights = told["weights"]
    size = f"{told['samples']:,} rows, {len(weights)} features"
    yield f"{Path(told['data']).name}: {size}, target {told['target']}"
    reads = f"{told['reads']} read{'s' * (told['reads'] != 1)}"
    yield f"{told['solver']}, {told['loss']}, {reads}, {told['seconds']:.3g} s"
    yield told["status"]
    if told["warning"]:
        yield f"not converged: {told['warning']}"
        if not told["standardize"]:
            yield "(where columns have unlike units, --standardize and --nesterov take fewer epochs)"
    if told["loss"] == "squared_error" and told["cost"] is not None:
        yield f"root mean square error {math.sqrt(max(0.0, told['cost'])):.6g} (with penalties, if any)"
    yield ""
    names = [*weights]
    if len(names) > SHOWN:
        names = sorted(names, key=lambda name: -abs(weights[name]))[:SHOWN]
        yield f"the {SHOWN} largest of {len(weights)} weights; --json or --save has them all"
    rows = [("(intercept)", told["intercept"]), *((name, weights[name]) for name in names)]
    width = min(WIDTH - 16, max(len(name) for name, _ in rows))
    for name, value in rows:
        yield f"{_cut(name, width):<{width}}  {value:>13.6g}"
    if told["model"]:
        yield f"\nsaved in {told['model']}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def show_diagnosis(options: Namespace) -> int:
    X, y, weight, names = open_data(options)
    if weight is not None:
        raise InvalidDataError("diagnose knows no weights of rows: leave --weight out")
    solver = {"gd": "gradient_descent", "sgd": "sgd"}[options.solver]
    found = diagnose(X, y, solver=solver, learning_rate=options.learning_rate, l2=options.l2)  # type: ignore[arg-type]
    if not options.json:
        print(found)
        return 0
    told = {name: getattr(found, name) for name in found.__slots__}
    told["optimum"] = None if found.optimum is None else np.atleast_1d(found.optimum).tolist()
    told["features"] = list(names)
    told["epochs_to_1e-6"] = None if found.spectral_radius is None else found.epochs_to(1e-6)
    print(json.dumps({k: _number_or_none(v) if isinstance(v, float) else v for k, v in told.items()}))
    return 0


def predict(options: Namespace) -> int:
    model = load(options.model)
    scores = _scores(model, options)
    out = options.out
    if out is None:
        for part in scores:
            sys.stdout.write("".join(f"{score!r}\n" for score in part.tolist()))
        return 0
    suffix = Path(out).suffix
    if suffix not in (".csv", ".npy", ".parquet"):
        raise InvalidDataError(f"--out writes .csv, .npy or .parquet, not {Path(out).name!r}")
    with _beside(out) as temporary:
        _write(scores, temporary, suffix)
    return 0


def _write(scores: Iterator[Floats], path: str, suffix: str) -> None:
    if suffix == ".csv":
        with open(path, "w", encoding="ascii") as file:
            file.write("prediction\n")
            for part in scores:
                file.write("".join(f"{score!r}\n" for score in part.tolist()))
    elif suffix == ".npy":
        with open(path, "wb") as binary:
            np.save(binary, np.concatenate(list(scores)), allow_pickle=False)
    else:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("--out of .parquet needs pyarrow: pip install 'fastgd[io]'") from error
        schema = pa.schema([("prediction", pa.float64())])
        with parquet.ParquetWriter(path, schema) as writer:
            for part in scores:
                writer.write_table(pa.table({"prediction": part}, schema))


@contextlib.contextmanager
def _beside(path: str) -> Iterator[str]:
    """A file that takes the place of that at `path` when it is whole."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)


def _scores(model: FitResult, options: Namespace) -> Iterator[Floats]:
    """The predictions, some rows at a time."""
    names, d = options.features or list(model.feature_names), np.size(model.w)
    is_line = np.ndim(model.w) == 0
    for X in _features(options.data, names, d, options):
        yield np.asarray(forward(X[:, 0] if is_line else X, model.w, intercept=model.intercept))


def _features(path: str, names: list[str], d: int, options: Namespace) -> Iterator[Array]:
    suffix = Path(path).suffix
    if suffix not in (".npy", ".npz"):
        yield from _of_table(path, names, d, options)
        return
    name = Path(path).name
    if suffix == ".npz":
        arrays = open_npz(path)
        if "X" not in arrays:
            raise InvalidDataError(f'{name} has no array "X"; it has {", ".join(arrays)}')
        X = arrays["X"]
    else:
        X = open_npy(path)
    X = X[:, None] if X.ndim == 1 else X
    if X.ndim != 2 or (X.shape[1] != d and not (names and suffix == ".npy")):
        raise InvalidDataError(f"{name} has shape {X.shape}, and the model takes {d} columns")
    step = block_rows(d)
    if X.shape[1] != d:
        table = _picked(X, [_number(text, "features", X.shape[1], name) for text in names])
        for start in range(0, len(X), step):
            part = np.empty((min(step, len(X) - start), d), table.dtype)
            table.fill(start, start + len(part), part)
            yield part
        return
    for start in range(0, len(X), step):
        yield X[start : start + step]


def _of_table(path: str, names: list[str], d: int, options: Namespace) -> Iterator[Array]:
    """Columns of a table in files, by the names that the model was fitted to."""
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("tables need pyarrow: pip install 'fastgd[io]'") from error
    from fastgd.data.finding import find
    from fastgd.data.tables import TableSource

    source = TableSource(*find(path), None, names or None, None, drops=options.missing == "drop")
    if source.d != d:
        raise InvalidDataError(
            f"{source.name} has {source.d} features, and the model takes {d}; name them with --features"
        )
    with contextlib.closing(source.chunks()) as chunks:
        for chunk in chunks:
            step = block_rows(d)
            for start in range(0, len(chunk), step):
                m = min(step, len(chunk) - start)
                X = np.empty((m, d), source.dtypes[0])
                chunk.fill(start, start + m, X, np.empty(m), np.empty(0))
                yield X


def sentence(error: BaseException) -> str:
    """An error in the words of the command line."""
    text = str(error) or type(error).__name__
    if isinstance(error, DivergenceError):
        text = text.replace('learning_rate="auto"', "--learning-rate auto").split(" (the finite part")[0]
    text = text.replace('missing="drop"', "--missing drop")
    return re.sub(
        r"features=\[(.*?)\]", lambda m: "--features " + m[1].replace('"', "").replace(", ", ","), text
    )

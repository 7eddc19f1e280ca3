"""The rows of DATA for a model, some at a time, with the targets and other columns beside them."""

from __future__ import annotations

import contextlib
import functools
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace, first_nonfinite, refused_nonfinite
from fastgd.cli import data, opening
from fastgd.data.categories import numbers_or_nan
from fastgd.data.coding import Codes, Layout, unknown_text
from fastgd.data.files import open_npy, open_npz
from fastgd.data.spool import Spool
from fastgd.engine.blocks import NOTHING, Array, Floats
from fastgd.solver.results import FitResult

if TYPE_CHECKING:
    from fastgd.data.tables import Beside

PART_NUMBERS = 1 << 17
"""The numbers of X in a part."""


class Part(NamedTuple):
    """Some rows."""

    X: Array
    rows: NDArray[np.int64]
    """The numbers of these rows in DATA. Rows between them have a missing value."""
    stop: int
    """The row after the last row that was read."""
    y: Floats | None
    """Their targets. NaN where one is not known."""
    weights: Floats | None
    kept: list[Any]
    """Other columns of DATA, of all rows since the part before, as lists of Arrow's values."""
    n_unknown: int
    """The number of unknown levels so far."""


def parts(options: Namespace, model: FitResult, beside: Beside) -> Iterator[Part]:
    """The rows of DATA for a model. --features replace the names of its columns."""
    opening.refuse_drop(options)
    path, reading = opening.source(options), opening.dialect(options)
    if kind := data.array_kind(path, reading.pop("format", None)):
        file, name = data.array_file(path, reading)
        return _of_arrays(kind, file, name, model, options.features, beside)
    return _of_table(path, options, model, beside)


def _of_arrays(
    kind: str, file: str | Spool, name: str, model: FitResult, features: Sequence[str] | None, beside: Beside
) -> Iterator[Part]:
    d = int(np.size(model.w))
    _check_count(features, d)
    if beside.kept:
        raise InvalidDataError(f"--keep is for tables, and {name} holds arrays: --row-numbers tells the rows")
    arrays: dict[str, NDArray[Any]] = {}
    if kind == "npy":
        array = open_npy(file)
    else:
        arrays = open_npz(file)
        array = data.member(arrays, "X", name)
    y, weights = (
        _other(array, arrays, column, name, may_lack)
        for column, may_lack in ((beside.target, beside.may_lack), (beside.weight, False))
    )
    array = data.rows(name, array[:, None] if array.ndim == 1 and d == 1 else array)
    table = data.selected(array, _columns(name, array.shape[1], model.feature_names, features, d))
    step = max(1, PART_NUMBERS // d)
    for start in range(0, table.n, step):
        rows = slice(start, min(start + step, table.n))
        X = np.empty((rows.stop - start, d), table.dtype)
        table.fill(X, start, rows.stop)
        _refuse_nonfinite(X, table.columns, start, functools.partial(RowPlace, name))
        targets, s = (None if one is None else one[rows].astype(np.float64) for one in (y, weights))
        if targets is not None and model.coding.classes:
            targets = _coded(targets, start, model.coding.classes, beside, name)
        yield Part(X, np.arange(start, rows.stop), rows.stop, targets, s, [], 0)


def _coded(y: Floats, start: int, classes: Sequence[str], beside: Beside, name: str) -> Floats:
    """Labels as y of 0 and 1. NaN for another label, which is refused if every target is needed."""
    values, places = np.unique(y, return_inverse=True)
    codes = Codes(classes).of(values)[places].astype(np.float64)
    if beside.may_lack is None and (codes < 0.0).any():
        row = int((codes < 0.0).argmax())
        raise InvalidDataError(
            unknown_text(f"{y[row]:g}", classes, "labels"), what="y", name=beside.target, value=y[row],
            at=RowPlace(name, start + row),
        )  # fmt: skip
    codes[codes < 0.0] = np.nan
    return codes


def _other(
    array: NDArray[Any], arrays: dict[str, NDArray[Any]], column: str | None, name: str, may_lack: bool | None
) -> NDArray[Any] | None:
    """The target or the weights: an array of a .npz, or a column of a .npy, if it is there."""
    if column is None:
        return None
    if arrays:
        return None if may_lack and column not in arrays else data.member(arrays, column, name)
    d = array.shape[1] if array.ndim == 2 else 0
    if may_lack and not (column.isdecimal() and int(column) < d):
        return None
    return np.asarray(array[:, data.column_number(column, d, name)])


def _columns(
    name: str, width: int, names: Sequence[str], features: Sequence[str] | None, d: int
) -> list[int]:
    """The numbers of the model's columns."""
    wanted = features if features is not None else names
    is_numbered = all(column.isdecimal() for column in wanted)
    if wanted and (features is not None or is_numbered):
        remedy = "; name others with --features" * (features is None)
        return data.column_numbers(wanted, width, name, remedy)
    if width != d:
        raise InvalidDataError(
            f"{name} has {width} columns, and the model {d} features: name their columns, "
            f"--features {','.join(map(str, range(d)))}"
        )
    return list(range(d))


def _check_count(features: Sequence[str] | None, n: int) -> None:
    if features is not None and len(features) != n:
        raise InvalidDataError(f"the model has {n} features, and --features names {len(features)}")


def _of_table(path: data.Files, options: Namespace, model: FitResult, beside: Beside) -> Iterator[Part]:
    from fastgd.data.tables import read_features

    names, coding, features = model.feature_names, model.coding, options.features
    columns = Layout.of(names, coding.categories).columns
    _check_count(features, len(columns) or int(np.size(model.w)))
    if features is not None:
        if sorted(features) == sorted(columns) and [*features] != [*columns]:
            raise InvalidDataError(
                "--features has the model's own columns in another order than its weights: "
                "leave it out, and they are taken by name"
            )
        names, coding = (
            Layout.of(names, coding.categories).renamed(features, coding)
            if columns
            else (tuple(features), coding)
        )
    if not names:
        raise InvalidDataError(
            "the model knows no names of columns: name those to take, in its order, with --features"
        )
    source = read_features(
        path, names, coding, beside, missing=options.missing, unknown=options.unknown,
        **opening.dialect(options),
    )  # fmt: skip
    target = beside.target if beside.target in source.carried else None
    step, done, last = max(1, PART_NUMBERS // source.d), 0, 0
    n_unknown = 0
    with contextlib.closing(source.chunks()) as chunks:
        for chunk in chunks:
            first, n_unknown = last, n_unknown + chunk.n_unknown
            known = None if target is None else numbers_or_nan(chunk, target, coding.classes)
            for start in range(0, max(1, len(chunk)), step):
                m = min(step, len(chunk) - start)
                X, y = np.empty((m, source.d), source.dtypes[0]), np.empty(m)
                weights = np.empty(m) if source.has_weights else NOTHING
                chunk.fill(start, start + m, X, y, weights)
                _refuse_nonfinite(X, names, done, source.place)
                done += m
                rows = chunk.rows[start : start + m]
                stop = chunk.stop if start + m == len(chunk) else int(rows[-1]) + 1
                if known is not None:
                    y = known[rows - first]
                kept = [chunk.carried[name].slice(last - first, stop - last) for name in beside.kept]
                has_y = known is not None or source.target is not None
                yield Part(
                    X,
                    rows,
                    stop,
                    y if has_y else None,
                    weights if source.has_weights else None,
                    kept,
                    n_unknown,
                )
                last = stop


def _refuse_nonfinite(X: Array, names: Sequence[str], start: int, place: Callable[[int], RowPlace]) -> None:
    """Refuse rows from `start` on that hold a NaN or infinity. `place` returns the place of a row."""
    if (bad := first_nonfinite(X)) is not None:
        row, column, value = bad
        assert column is not None
        raise refused_nonfinite(
            "X", value, column=column, name=names[column], at=place(start + row), remedy="fill it"
        )

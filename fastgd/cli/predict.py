"""The command `fastgd predict`: the predictions of a model, and the files that hold them."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError
from fastgd.cli import measures, opening
from fastgd.cli.parts import Part, parts
from fastgd.data import arrow
from fastgd.data.coding import text_of, values_of
from fastgd.functions import forward
from fastgd.io.npz import replacing
from fastgd.solver.model import load_fit
from fastgd.solver.results import FitResult
from fastgd.solver.scores import loss_of

OUTPUTS = ".csv", ".parquet", ".npy"
TOLD = {"root_mean_square_error": "root mean square error", "accuracy": "accuracy", "log_loss": "log loss"}
"""The measures that are told where DATA has the target."""
ROW = "row"
"""The name of the column of row numbers."""


def run(options: Namespace) -> int:
    suffix = None if options.out is None else Path(options.out).suffix.lower()
    if suffix is not None:
        if suffix not in OUTPUTS:
            raise InvalidDataError(f"--out writes .csv, .parquet or .npy, not {Path(options.out).name}")
        opening.check_place("--out", options.out, options.data, options.model)
    model = load_fit(options.model)
    if not model.converged:
        opening.note(options, f"the fit in {options.model} has not converged")
    output = Output.of(options, model)
    if suffix == ".npy" and output.beside:
        raise InvalidDataError(
            "a .npy file holds predictions alone: --keep and --row-numbers need .csv or .parquet"
        )
    counts = Counts(model)
    tables: Iterator[Table] = _tables(model, options, output, counts)
    first = [*itertools.islice(tables, 1)]  # finds most errors of the data before anything is written
    tables = itertools.chain(first, tables)
    if suffix is None:
        if output.beside:
            sys.stdout.write(_lines([output.names]))
        for table in tables:
            sys.stdout.write(_csv(table, ""))
    else:
        with replacing(options.out) as file:
            WRITERS[suffix](file, tables, output)
    counts.tell(options, model, "empty" if suffix == ".npy" and output.is_text else EMPTY[suffix])
    return 0


class Output(NamedTuple):
    """What is written for each row."""

    kind: str
    """"prediction" for scores, "probability" or "class"."""
    kept: tuple[str, ...]
    has_rows: bool
    labels: NDArray[Any]
    """The labels of two classes, for kind="class"."""

    @classmethod
    def of(cls, options: Namespace, model: FitResult) -> Output:
        """Refuses what the loss of the model does not have."""
        kind = "probability" if options.probability else "class" if options.class_ else "prediction"
        loss, labels = loss_of(model), measures.labels_of(model)
        if (kind == "class" and not labels) or (kind == "probability" and not loss.gives_probabilities):
            name = model._options.get("loss", "of an earlier fastgd")
            able = "a loss of two classes" if kind == "class" else "--loss log_loss or modified_huber"
            raise InvalidDataError(f"--{kind} needs a model of {able}, and the loss of this one is {name}")
        kept = tuple(options.keep)
        output = cls(kind, kept, options.row_numbers, values_of(labels))
        if twice := [name for name in output.names if output.names.count(name) > 1]:
            raise InvalidDataError(f'two columns of the predictions would be named "{twice[0]}": keep others')
        return output

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns before the predictions."""
        return (*((ROW,) if self.has_rows else ()), *self.kept)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.beside, self.kind)

    @property
    def is_text(self) -> bool:
        """Whether the predictions are labels that are no numbers."""
        return self.kind == "class" and self.labels.dtype.kind == "U"

    def predictions(self, scores: NDArray[Any], model: FitResult) -> NDArray[Any]:
        if self.kind == "probability":
            return loss_of(model).probability(scores)
        return scores if self.kind == "prediction" else self.labels[(scores > 0.0).astype(int)]


class Table(NamedTuple):
    """The output of some rows of DATA."""

    beside: list[Any]
    """Row numbers and kept columns: a range, and arrays of Arrow."""
    predictions: np.ma.MaskedArray[Any, Any]
    """Masked for rows with a missing value."""


class Counts:
    """What is told about the rows after they are read."""

    def __init__(self, model: FitResult) -> None:
        self.n = self.n_left_out = self.n_unknown = 0
        self.measures = measures.measures_of(model)

    def tell(self, options: Namespace, model: FitResult, empty: str) -> None:
        if self.n_left_out:
            opening.note(
                options,
                f"{self.n_left_out} of {self.n} rows have a missing value: their predictions are {empty}",
            )
        if self.n_unknown:
            opening.note(options, f"{self.n_unknown} levels are unknown to the model: their features are 0")
        if self.measures.total:
            found = self.measures.results()
            told = [f"{name} {found[key]:.6g}" for key, name in TOLD.items() if found.get(key) is not None]
            opening.note(
                options, f"{', '.join(told)} of the {self.measures.n:,} rows with {model.coding.target}"
            )


def scores_of(model: FitResult, part: Part) -> NDArray[np.float64]:
    """The scores x·w + intercept of a part."""
    X = part.X[:, 0] if np.ndim(model.w) == 0 else part.X
    return np.asarray(forward(X, model.w, intercept=model.intercept) if len(X) else (), np.float64)


def _tables(model: FitResult, options: Namespace, output: Output, counts: Counts) -> Iterator[Table]:
    """The predictions of some rows at a time."""
    from fastgd.data.tables import Beside

    target = options.target if options.target is not None else model.coding.target or None
    model.coding = model.coding._replace(target=target or "")
    beside = Beside(target, None, output.kept, options.target is None)
    for part in parts(options, model, beside):
        scores, m = scores_of(model, part), part.stop - counts.n
        if part.y is not None and (is_known := ~np.isnan(part.y)).any():
            counts.measures.add(scores[is_known], part.y[is_known], None)
        values = output.predictions(scores, model)
        predictions: np.ma.MaskedArray[Any, Any] = np.ma.array(
            np.empty(m, values.dtype), mask=len(scores) < m
        )
        predictions[part.rows - counts.n] = values
        rows = [range(counts.n, part.stop)] * output.has_rows
        counts.n_left_out += m - len(scores)
        counts.n, counts.n_unknown = part.stop, part.n_unknown
        yield Table([*rows, *map(arrow.decoded, part.kept)], predictions)


def _csv(table: Table, empty: str) -> str:
    """The rows of a table as lines of CSV."""
    columns = [map(_cell, part if isinstance(part, range) else part.to_pylist()) for part in table.beside]
    predictions = (empty if one is None else _cell(one, repr) for one in table.predictions.tolist())
    return _lines(zip(*columns, predictions, strict=True))


def _cell(value: Any, text: Callable[[Any], str | None] = text_of) -> str:
    return value if isinstance(value, str) else text(value) or ""


def _lines(rows: Iterable[Sequence[str]]) -> str:
    room = io.StringIO()
    writer = csv.writer(room, lineterminator="\n")
    for row in rows:
        if row == ("",):  # the writer would quote it
            room.write("\n")
        else:
            writer.writerow(row)
    return room.getvalue()


def _write_csv(file: BinaryIO, tables: Iterator[Table], output: Output) -> None:
    """Write masked predictions as nan, since CSV readers skip empty lines."""
    file.write(_lines([output.names]).encode())
    for table in tables:
        file.write(_csv(table, "nan").encode())


def _write_npy(file: BinaryIO, tables: Iterator[Table], output: Output) -> None:
    """Write a header first, and again when the number of rows is known. NumPy pads headers for that."""
    dtype = output.labels.dtype.newbyteorder("<") if output.is_text else np.dtype("<f8")

    def write_header(n: int) -> None:
        header = {"descr": dtype.str, "fortran_order": False, "shape": (n,)}
        np.lib.format.write_array_header_1_0(file, header)

    n = 0
    write_header(n)
    for table in tables:
        values = np.ma.filled(table.predictions.astype(dtype), "" if output.is_text else np.nan)
        file.write(values.tobytes())
        n += len(values)
    file.seek(0)
    write_header(n)


def _write_parquet(file: BinaryIO, tables: Iterator[Table], output: Output) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("--out of .parquet needs pyarrow: pip install 'fastgd[io]'") from error
    writer = None
    with contextlib.ExitStack() as stack:
        for table in tables:
            beside = [pa.array(one, pa.int64()) if isinstance(one, range) else one for one in table.beside]
            predictions = pa.array(table.predictions.data, mask=np.ma.getmaskarray(table.predictions))
            written = pa.table([*beside, predictions], [*output.names])
            if writer is None:
                writer = stack.enter_context(parquet.ParquetWriter(file, written.schema))
            writer.write_table(written)


WRITERS = {".csv": _write_csv, ".npy": _write_npy, ".parquet": _write_parquet}
EMPTY = {None: "empty lines", ".csv": "nan", ".npy": "nan", ".parquet": "null"}
"""The prediction of a row with a missing value, on standard output and in each kind of file."""

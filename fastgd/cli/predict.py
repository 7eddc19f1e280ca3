"""The command `fastgd predict`: the predictions of a model, and the files that hold them."""

from __future__ import annotations

import itertools
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.cli import opening
from fastgd.cli.data import parts
from fastgd.functions import forward
from fastgd.io.npz import replacing
from fastgd.solver.model import load_fit
from fastgd.solver.results import FitResult

Scores = np.ma.MaskedArray[Any, np.dtype[np.float64]]
OUTPUTS = ".csv", ".parquet", ".npy"


def run(options: Namespace) -> int:
    suffix = None if options.out is None else Path(options.out).suffix.lower()
    if suffix is not None:
        if suffix not in OUTPUTS:
            raise InvalidDataError(f"--out writes .csv, .parquet or .npy, not {Path(options.out).name}")
        opening.check_place("--out", options.out, options.data, options.model)
    model = load_fit(options.model)
    if not model.converged:
        opening.say(f"the fit in {options.model} has not converged")
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
        opening.say(
            f"{counts.n_left_out} of {counts.n} rows have a missing value: their predictions are {empty}"
        )
    return 0


class Counts:
    """The number of rows read, and the number of those with a missing value."""

    n = n_left_out = 0


def _scores(model: FitResult, options: Namespace, counts: Counts) -> Iterator[Scores]:
    """The predictions of some rows at a time. Predictions of rows with a missing value are masked."""
    opening.refuse_drop(options)
    is_line, d = np.ndim(model.w) == 0, int(np.size(model.w))
    for part in parts(
        opening.source(options),
        model.feature_names,
        options.features,
        d,
        options.missing,
        **opening.dialect(options),
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

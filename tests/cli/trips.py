"""Trips by taxi, the data for the tests of the command line, in files of every kind."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

import fastgd

N = 300
NAMES = ["miles", "minutes", "night"]
DRAWN = np.random.default_rng(8)
MILES = np.round(DRAWN.gamma(2.0, 2.0, N) + 0.3, 2)
X = np.column_stack([MILES, np.round(3 * MILES + DRAWN.normal(8, 2, N), 1), DRAWN.integers(0, 2, N)])
Y = np.round(2.5 + X @ [1.75, 0.35, 0.5] + DRAWN.normal(0, 0.5, N), 2)
S = DRAWN.integers(1, 4, N).astype(float)
TABLE = pa.table({name: X[:, j] for j, name in enumerate(NAMES)} | {"fare": Y, "times": S})
FEW = ["--features", "miles,minutes,night"]
PYTHON = dict(fit_intercept=True, standardize=True, tol="auto", history="costs")
"""The command line's defaults, as options in Python."""
GD = PYTHON | dict(nesterov=True, precondition="auto")
"""The command line's defaults for full-batch descent."""


def fitted(by=fastgd.gradient_descent, runs_out=False, **options):
    """The fit in Python that a command makes."""
    with pytest.warns(fastgd.ConvergenceWarning) if runs_out else contextlib.nullcontext():
        return by(X, Y, **(PYTHON if by is fastgd.sgd else GD) | options)


def rows():
    return np.column_stack([column.to_numpy() for column in TABLE.columns])


WRITERS = {
    "t.csv": lambda path: csv.write_csv(TABLE, path),
    "t.csv.gz": lambda path: Path(path).write_bytes(gzip.compress(Path("trips.csv").read_bytes())),
    "t.tsv": lambda path: csv.write_csv(TABLE, path, csv.WriteOptions(delimiter="\t")),
    "t.parquet": lambda path: parquet.write_table(TABLE, path, row_group_size=77),
    "t.feather": lambda path: feather.write_feather(TABLE, path, chunksize=77),
    "t.arrow": lambda path: feather.write_feather(TABLE, path, "uncompressed"),
}


def write(name):
    """Write the trips in the file `name`. Returns the options for the features and the target, and the
    weight's name."""
    if name == "folder":
        Path(name).mkdir()
        parquet.write_table(TABLE[:100], "folder/a.parquet")
        parquet.write_table(TABLE[100:], "folder/b.parquet")
    elif name.endswith(".npy"):
        order = "F" if "fortran" in name else "C"
        np.save(name, np.asarray(rows()[:, [3, 0, 1, 2, 4]], order=order))
        return ["--features", "1,2,3", "--target", "0"], "-1"
    elif name.endswith(".npz"):
        np.savez(name, X=X, y=Y, weight=S)
        return ["--target", "y"], "weight"
    else:
        WRITERS[name](name)
    return [*FEW, "--target", "fare"], "times"


KINDS = [*WRITERS, "folder", "t.npy", "fortran.npy", "t.npz"]

"""Folds of rows, and the statistics of each fold from one pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import checks
from fastgd.checks import InvalidDataError
from fastgd.data.arrays import as_array
from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.data.transform import TransformedRows
from fastgd.engine import reduce
from fastgd.engine.blocks import Array, Floats
from fastgd.solver.statistics import (
    N_OF_TARGETS,
    Statistics,
    Targets,
    centred_sums,
    effort,
    node_size,
    of_arrays,
    rows_together,
    unpacked,
)

ROWS_OF_A_RUN = 32
"""So many successive rows are in one fold, if there are several blocks of rows."""
MOST = 4096
BLOCKS, MANY_NUMBERS = 16, 1 << 18
"""Blocks that are added in one call, if the tables of all folds do not have many numbers."""


@dataclass(frozen=True)
class Folds:
    """The fold of each row: row // rows_of_a_run modulo k, or a number from an array."""

    k: int
    rows_of_a_run: int = 1
    numbers: NDArray[np.intp] | None = None

    @classmethod
    def of(cls, folds: Any, rows: Dataset) -> Folds:
        """From a number of folds, or an array with the fold of each row."""
        if np.ndim(folds) == 0:
            k = checks.whole("folds", folds, 2, MOST)
            if rows.has_at_most(k - 1):
                raise InvalidDataError(f"folds={k} is more than the {rows.n} rows; take fewer folds")
            return cls(k, 1 if rows.is_one_block else ROWS_OF_A_RUN)
        numbers = as_array("folds", folds)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise InvalidDataError("must be a number, or an array with the fold of each row", what="folds")
        if rows.executor is not None:
            raise InvalidDataError("of a Dask collection must be a number of folds", what="folds")
        if rows.is_once:
            rows.expect(len(numbers))  # the read refuses another number of rows
        elif len(numbers) != rows.n:
            raise InvalidDataError(f"has {len(numbers)} numbers and X has {rows.n} rows", what="folds")
        k = int(numbers.max()) + 1
        if numbers.min() < 0 or not 2 <= k <= MOST or (empty := np.bincount(numbers, minlength=k) == 0).any():
            raise InvalidDataError(
                "must be 0, 1, …, each fold with a row, two folds or more; "
                f"it holds {int(numbers.min())} to {k - 1}"
                + (f" and not {int(empty.argmax())}" if numbers.min() >= 0 and 2 <= k <= MOST else ""),
                what="folds",
            )
        return cls(k, numbers=numbers.astype(np.intp))

    def of_rows(self, start: int, n: int) -> NDArray[np.intp]:
        """The folds of n rows from `start` on."""
        if self.numbers is not None:
            return self.numbers[start : start + n]
        run = self.rows_of_a_run
        runs = np.arange(start // run, (start + n - 1) // run + 1) % self.k
        return np.repeat(runs, run)[start % run :][:n]


def read_folds(
    rows: TransformedRows, w_ref: Floats, folds: Folds, n_threads: int | None, backend: Backend
) -> tuple[list[Statistics], list[int]]:
    """The statistics of each fold about w_ref, with sums of the targets, and its number of rows, in one pass.

    The rows are √s·[x − x_ref, 1]. Rows of weight 0 do not count.
    """
    if backend == "python":
        return _plain(rows, w_ref, folds)
    d, size, shift = rows.d, node_size(rows.d), rows.shift
    block = rows_together(d)
    together = block * (BLOCKS if folds.k * size <= MANY_NUMBERS else 1)

    def task(start: int, X: Array, y: Array, weights: Floats) -> Floats:
        counter = reduce.Counter(start)
        for at in range(0, len(y), together):
            stop = min(at + together, len(y))
            of_row = folds.of_rows(start + at, stop - at)
            part = X[at:stop], y[at:stop], weights[at:stop]
            sums = centred_sums(*part, of_row, folds.k, shift, w_ref, True)
            counter.push(sums.reshape(-1), stop - at)
        return counter.total()

    sums = reduce.reduce(rows.rows, task, n_threads, folds.k * (size + N_OF_TARGETS), effort(d), block)
    sums = sums.reshape(folds.k, -1)
    if not np.isfinite(sums).all():
        rows.refuse_nonfinite()
    about = float(w_ref[-1])
    statistics = []
    for *of_fold, moment, square, _ in sums:
        one = unpacked(np.array(of_fold), rows.n, w_ref)
        statistics.append(replace(one, targets=Targets(about, float(moment), float(square))))
    return statistics, sums[:, -1].astype(np.int64).tolist()


def _plain(rows: TransformedRows, w_ref: Floats, folds: Folds) -> tuple[list[Statistics], list[int]]:
    xs, ys, _ = rows.lists()
    X, y = np.array(xs), np.array(ys)
    of_row = folds.of_rows(0, len(y))
    parts = [of_row == fold for fold in range(folds.k)]
    statistics = [replace(of_arrays(X[part], y[part], w_ref), n=len(y)) for part in parts]
    return statistics, [int(np.count_nonzero(X[part, -1])) for part in parts]

"""From X, y and sample_weight to a dataset: the one place that asks what type X is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.data import frames
from fastgd.data.arrays import ArrayRows, FrameRows, as_sample_weight, vanish
from fastgd.data.chunks import Source
from fastgd.data.dataset import Dataset


def as_dataset(X: Any, y: Any, sample_weight: Any = None) -> Dataset:
    """The dataset of X, y and sample_weight.

    X is an array, a data frame, a Dask collection, or a source, which has its own targets and weights. It may
    be a dataset.
    """
    if isinstance(X, Dataset):
        return X
    names: tuple[str, ...] = ()
    if type(X) is not np.ndarray and type(X) is not list:  # the lesson's call is kept short
        from fastgd.distributed.collections import is_dask
        from fastgd.solver.summary import Summary

        if isinstance(X, Summary):
            from fastgd.solver.summarized import Summarized

            refuse_others("a Summary", y, sample_weight)
            return Summarized(X)
        if getattr(X, "is_grouped", False):
            raise TypeError(
                "a GroupedSummary has no rows, and only gradient_descent fits all its groups: pass X and y, "
                "or the summary of one group, as grouped[key]"
            )
        if isinstance(X, Source):
            from fastgd.data.once import OnceRows, ReadOnce
            from fastgd.data.streams import StreamRows

            refuse_others(X.name, y, sample_weight)
            return OnceRows(X) if isinstance(X, ReadOnce) else StreamRows(X)
        if is_dask(X):
            from fastgd.distributed.executor import dask_rows

            return dask_rows(X, y, sample_weight)
        names, table = frames.names_of(X), frames.as_table("X", X)
        X = X if table is None else table
    if y is None:
        raise TypeError("y is missing; only a source of rows (fastgd.chunks, fastgd.read_table) has its own")
    rows = FrameRows(X, y) if isinstance(X, frames.ColumnTable) else ArrayRows(X, y)
    rows.columns = names
    if sample_weight is not None:
        rows.set_weights(as_sample_weight(sample_weight, rows.n))
    return rows


def has_targets(y: Any) -> bool:
    """Whether y has two dimensions, a column for each target."""
    if isinstance(y, (list, tuple)):
        return bool(y) and isinstance(y[0], (list, tuple, np.ndarray))
    return len(getattr(y, "shape", ())) == 2


def refuse_others(name: str, y: Any, sample_weight: Any) -> None:
    """Refuse y and sample_weight beside an X that has its own."""
    if y is not None or sample_weight is not None:
        what = "y" if y is not None else "sample_weight"
        raise TypeError(f"{name} has targets and weights of its own: leave {what} out")


def check_weights(rows: Dataset) -> None:
    """Refuse weights of a source or a Dask collection that are negative, not finite or all zero."""
    if not rows.has_weights or isinstance(rows, ArrayRows):
        return
    if rows.is_once:
        rows.check_in_read(lambda _start, _y, is_over: _refuse_weights(rows, is_over))
    else:
        _refuse_weights(rows, True)


def _refuse_weights(rows: Dataset, is_over: bool) -> None:
    """`is_over` says whether the facts are those of all rows."""
    if (bad := rows.facts.bad_weight) is not None:
        row, weight = bad
        raise rows.refused(
            "sample_weight", row, weight, f"is {weight:g}", "weights must be finite and not negative"
        )
    if not is_over:
        return
    if rows.facts.total_weight == math.inf:
        raise InvalidDataError("the weights add up to more than a float holds; scale them")
    if not rows.facts.total_weight:
        raise InvalidDataError("the weights are zero for every row; at least one row must count")
    if vanish(rows.facts.total_weight, rows.n):
        raise InvalidDataError("the weights are too small for a float's digits; scale them")

"""Dask arrays and dataframes as rows: partitions of X, y and weights, and a chunk source for fits without a
cluster.

This module imports Dask only after it has received a collection.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError
from fastgd.data import rounding
from fastgd.data.arrays import as_array, kernel_dtype
from fastgd.data.chunks import ArrayChunk, Source
from fastgd.data.frames import names_of
from fastgd.engine.blocks import NOTHING, Floats


def is_dask(value: Any) -> bool:
    """Whether the value is a Dask array, dataframe or series. Looks only at the name of its type."""
    return type(value).__module__.startswith("dask")


class Partitions:
    """Collections of X, y and optional weights with the same partitions."""

    def __init__(self, X: Any, y: Any, sample_weight: Any = None):
        if y is None:
            raise TypeError("y is missing: pass a collection of targets")
        if X.ndim not in (1, 2):
            raise InvalidDataError(
                f"X has {X.ndim} dimensions; it must have 1 (a number for each row) or 2 (a row of numbers)"
            )
        if _is_array(X) and X.ndim == 2 and X.numblocks[1] > 1:
            X = X.rechunk({1: -1})
        self.is_scalar: bool = X.ndim == 1
        self.d = 1 if self.is_scalar else len(X.columns) if not _is_array(X) else int(X.shape[1])
        if not self.d:
            raise InvalidDataError("X has no columns; at least one is needed")
        self.columns = names_of(X)
        self.collections = [X, _like(X, "y", y)]
        self.has_weights = sample_weight is not None
        if self.has_weights:
            self.collections.append(_like(X, "sample_weight", sample_weight))
        types = [_dtype(name, part) for name, part in zip(NAMES, self.collections, strict=False)]
        self.dtypes = kernel_dtype(types[0]), kernel_dtype(types[1])
        self.row_bytes: int = self.d * types[0].itemsize + types[1].itemsize

    @property
    def counts(self) -> list[int] | None:
        """The number of rows of each partition, or None if Dask does not know it."""
        for part in self.collections:
            if _is_array(part) and not any(math.isnan(m) for m in part.chunks[0]):
                return [int(m) for m in part.chunks[0]]
        return None

    def __len__(self) -> int:
        return _count(self.collections[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Names that identify the collections."""
        return tuple(part.name if _is_array(part) else part._name for part in self.collections)


TOGETHER = 64
"""Partitions that are summarized in one call of Dask."""
NAMES = ("X", "y", "sample_weight")
NO_ROWS = "X and y have no rows; at least one is needed"


def _is_array(collection: Any) -> bool:
    return hasattr(collection, "chunks")


def _count(collection: Any) -> int:
    return int(collection.numblocks[0] if _is_array(collection) else collection.npartitions)


def _like(X: Any, name: str, values: Any) -> Any:
    """Targets or weights as a collection with the partitions of X."""
    if not is_dask(values):
        if not _is_array(X) or any(math.isnan(m) for m in X.chunks[0]):
            raise InvalidDataError(
                f"{name} is not a Dask collection, and the partitions of X have unknown numbers of rows: "
                f"pass {name} as a collection with the same partitions"
            )
        from dask import array

        values = as_array(name, values)
        if values.shape != (X.shape[0],):
            raise InvalidDataError(
                f"{name} has shape {values.shape}; X has {X.shape[0]} rows, so it must be ({X.shape[0]},)"
            )
        return array.from_array(values, chunks=(X.chunks[0],))
    if values.ndim != 1:
        raise InvalidDataError(
            f"{name} has {values.ndim} dimensions; it must have one, a number for each row"
        )
    if _is_array(X) and _is_array(values) and not math.isnan(X.shape[0]) and not math.isnan(values.shape[0]):
        if X.shape[0] != values.shape[0]:
            raise InvalidDataError(
                f"{name} has {values.shape[0]} rows and X has {X.shape[0]}; they must agree"
            )
        return values if values.chunks[0] == X.chunks[0] else values.rechunk((X.chunks[0],))
    if _count(values) != _count(X):
        raise InvalidDataError(
            f"{name} has {_count(values)} partitions and X has {_count(X)}, with unknown numbers of rows: "
            "give both the same partitions with repartition(), or with compute_chunk_sizes() and rechunk()"
        )
    return values


def _dtype(name: str, collection: Any) -> np.dtype[Any]:
    """The dtype of the whole collection as one array."""
    meta = collection._meta
    types = set(meta.dtypes) if meta.ndim == 2 and hasattr(meta, "dtypes") else set()
    if len(types) == 1 and isinstance(only := types.pop(), np.dtype) and only.kind in "fiub":
        return only
    return as_array(name, meta).dtype


def values_of(
    number: int, parts: list[Any], d: int, dtypes: Sequence[Any]
) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """X (m, d), y (m,) and weights (m,) or (0,) of partition `number`. Arrays are not copied."""
    try:
        X, y, *weights = (as_array(name, part) for name, part in zip(NAMES, parts, strict=False))
    except InvalidDataError as error:
        raise error.within(f"partition {number}") from None
    for name, part in zip(NAMES[1:], (y, *weights), strict=False):
        if part.shape != X.shape[:1]:
            raise InvalidDataError(
                f"partition {number}: {name} has shape {part.shape} and X has {len(X)} rows; they must agree"
            )
    for name, part, dtype in zip(NAMES, (X, y), dtypes, strict=False):
        if len(part) and kernel_dtype(part.dtype) != dtype:
            raise InvalidDataError(
                f"partition {number}: {name} holds {part.dtype}, and the collection says {dtype}"
            )
    if X.size != len(X) * d:
        raise InvalidDataError(f"partition {number}: X has shape {X.shape}; it must have {d} columns")
    # Kernels are compiled for writable weights, as arrays are writable.
    writable = np.require(weights[0], np.float64, ["C", "A", "W"]) if weights else NOTHING
    return X.reshape(len(X), d), y, writable


class PartitionSource(Source):
    """A source that yields partitions in order. Dask's default scheduler computes each one in every pass."""

    def __init__(self, partitions: Partitions):
        self.name = "the Dask collection"
        counts = partitions.counts
        self.n = None if counts is None else sum(counts)
        if self.n == 0:
            raise InvalidDataError(NO_ROWS)
        self.d, self.is_scalar = partitions.d, partitions.is_scalar
        self.has_weights, self.dtypes = partitions.has_weights, partitions.dtypes
        self.columns = partitions.columns
        self._parts, self._watch = zipped(partitions), rounding.Watch()

    def chunks(self) -> Generator[ArrayChunk]:
        from dask.base import compute

        n = 0
        for number, parts in enumerate(self._parts):
            try:
                computed = compute(*parts)
            except InvalidDataError:
                raise
            except Exception as error:
                raise InvalidDataError(
                    f"partition {number} could not be computed: {type(error).__name__}: {error}"
                ) from error
            X, y, weights = values_of(number, list(computed), self.d, self.dtypes)
            place = functools.partial("partition {}, row {}".format, number)
            for name, part in (("X", X), ("y", y)):
                self._watch.look(name, n, part, place)
            n += len(y)
            yield ArrayChunk(X, y, weights)


def zipped(partitions: Partitions, others: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The delayed parts of X, y, weights and other collections, for each partition."""
    collections = [*partitions.collections, *others]
    return list(zip(*(np.ravel(part.to_delayed()).tolist() for part in collections), strict=True))


def by_partition(
    partitions: Partitions, name: str, others: Sequence[Any], task: Callable[..., Any]
) -> Iterator[Any]:
    """task(number, parts, d, dtypes) of each partition in order, computed where Dask computes.

    `parts` are those of X, y, weights and the others. Up to TOGETHER results are in memory.
    """
    from dask.base import compute
    from dask.delayed import delayed

    alike = [_like(partitions.collections[0], name, other) for other in others]
    about = partitions.d, partitions.dtypes
    tasks = [
        delayed(task, pure=False)(number, list(parts), *about)
        for number, parts in enumerate(zipped(partitions, alike))
    ]
    for first in range(0, len(tasks), TOGETHER):
        yield from compute(*tasks[first : first + TOGETHER])

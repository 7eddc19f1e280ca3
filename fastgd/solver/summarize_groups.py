"""`fastgd.summarize_groups`: a summary for each group of rows, from one read."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data import frames, keys
from fastgd.data.arrays import ArrayRows, read_only
from fastgd.data.backend import resolve
from fastgd.data.chunks import Source
from fastgd.distributed.collections import Partitions, by_partition, is_dask, values_of
from fastgd.engine import threads
from fastgd.engine.blocks import Array, Floats
from fastgd.public import public
from fastgd.solver import centring
from fastgd.solver.curvature import CONSTANT
from fastgd.solver.groups import Counts, GroupedSummary, GroupSums, in_threads
from fastgd.solver.inputs import as_dataset, refuse_others
from fastgd.solver.linalg import RANK_TOLERANCE
from fastgd.solver.stacked import StackedProducts
from fastgd.solver.statistics import FAR

PIECE_NUMBERS = 1 << 18
"""A task of a thread has groups with about this many numbers."""
PIECE_OF_SOURCE, FIRST_ROWS = 1 << 22, 1 << 10
"""Numbers in a piece of a source, and rows for which there is room at first."""
SORTED_ROWS = 1 << 16
"""The least number of rows that a thread sorts."""
RULES = CONSTANT, RANK_TOLERANCE, FAR


@public
def summarize_groups(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    by: Any,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> GroupedSummary:
    """A summary for each group of rows: all that a fit of squared errors to each group needs.

    Parameters
    ----------
    X : array (n,), array (n, d), table, Dask collection or source
        The samples; a source (`fastgd.read_table`, `fastgd.chunks`) has y and weights of its own.
    y : array (n,)
        The targets.
    by : array (n,), str, or list of these
        The key of each row, of any type; the name of a column of X, which is then no feature; or a list of
        names and arrays, which makes keys that are tuples. Integers are fastest. Of a source: the name of a
        column, the number of a column of chunks without names, or a list of these. A column of a table may
        hold text or dates; name the features of such a table.
    sample_weight : array (n,), optional
        s ≥ 0. Weight 0 leaves a row out, and a group of such rows.
    n_threads : int, optional
        The largest number of threads; by default one a processor. The result does not depend on it.

    Returns
    -------
    GroupedSummary
        A mapping of key to `Summary`.

    Raises
    ------
    InvalidDataError
        If a key is missing (None, NaN or NaT), or X or y cannot be used; the message names the row.

    Notes
    -----
    Rows are sorted by group, and each group is read about a reference of its own, twice or more often if it
    fits closely. Memory for 16 bytes a row and about d² numbers a group. A source is read once, in pieces of
    about 4 million numbers, whose groups are added. Up to one piece the bits are those of arrays. Dask
    summarizes its partitions where they are, and their groups are added here.

    Examples
    --------
    >>> import fastgd
    >>> keys = ["a", "a", "b", "b"]
    >>> grouped = fastgd.summarize_groups([1.0, 2.0, 1.0, 3.0], [2.0, 4.0, 5.0, 15.0], by=keys)
    >>> grouped["b"]
    Summary(2 samples, 1 feature, target y)
    >>> fastgd.gradient_descent(grouped, precondition=True).w
    array([2., 5.])
    """
    n_threads = threads.checked_threads(n_threads)
    resolve("numba")
    if isinstance(X, Source):
        refuse_others(X.name, y, sample_weight)
        return _of_source(X.keyed(by), n_threads)
    X, parts = keys.split_table(X, by)
    if is_dask(X):
        return _of_dask(X, y, sample_weight, parts)
    rows = as_dataset(X, y, sample_weight)
    if not isinstance(rows, ArrayRows):
        raise InvalidDataError("summarize_groups takes rows: arrays, a table, a source or a Dask collection")
    groups = keys.encode(parts, rows.n)
    there, counts, products = _of_rows(rows, groups, n_threads)
    return GroupedSummary(
        counts, rows.columns, frames.name_of(y) or "y", rows.has_weights, rows.is_scalar, products,
        tuple(map(groups.keys.__getitem__, there.tolist())),
    )  # fmt: skip


def _of_source(source: Source, n_threads: int | None) -> GroupedSummary:
    """The groups of a source with keys. Pieces of PIECE_OF_SOURCE numbers are summarized and added."""
    sums, start = GroupSums(source.d), 0
    for rows, codes in _pieces_of(source, sums):
        start += rows.n
        if rows.has_weights:
            rows.check_weights()
        if not rows.has_weights or rows.weights.any():
            there, counts, products = _of_rows(rows, keys.Keys(codes, 0, range(len(sums))), n_threads)
            sums.add(there, counts, products)
    if not start:
        raise InvalidDataError(f"{source.name} has no rows; at least one is needed")
    if not sums.has_rows:
        raise InvalidDataError("the weights are zero for every row; at least one row must count")
    return sums.grouped(source.columns, source.target or "y", source.has_weights, source.is_scalar)


def _of_dask(X: Any, y: Any, sample_weight: Any, parts: list[Any]) -> GroupedSummary:
    """The groups of Dask collections: those of each partition, added in their order."""
    rows = Partitions(X, y, sample_weight)
    sums = GroupSums(rows.d)
    for found, counts, products in by_partition(
        rows, "by", parts, functools.partial(_of_partition, has_weights=rows.has_weights)
    ):
        sums.add(sums.codes(found), counts, products)
    if not sums.has_rows:
        raise InvalidDataError("X has no rows of weight above 0; at least one is needed")
    return sums.grouped(rows.columns, frames.name_of(y) or "y", rows.has_weights, rows.is_scalar)


def _of_partition(
    number: int, parts: list[Any], d: int, dtypes: Any, *, has_weights: bool
) -> tuple[list[Any], Counts, StackedProducts]:
    """The keys of a partition, and the counts and products of its groups."""
    n_rows = 2 + has_weights
    X, y, weights = values_of(number, parts[:n_rows], d, dtypes)
    source = Source()
    source.name, source.is_scalar = f"partition {number}", False
    rows = _Piece(source, 0, X, y, weights)
    if has_weights:
        rows.check_weights()
    if not len(y) or (has_weights and not weights.any()):
        return [], np.zeros(0, np.int64), StackedProducts.zeros(0, d)
    found = keys.encode(parts[n_rows:], len(y), source.place)
    there, counts, products = _of_rows(rows, found, 1)
    return [found.keys[k] for k in there.tolist()], counts, products


class _Piece(ArrayRows):
    """Successive rows of a source, from row `start` on."""

    def __init__(self, source: Source, start: int, X: Array, y: Array, weights: Floats):
        super().__init__(X, y, weights)
        self._source, self._start = source, start
        self.columns, self.target_name, self.weight_name = source.columns, source.target, source.weight
        self.is_scalar = source.is_scalar

    def place(self, row: int) -> RowPlace:
        return self._source.place(self._start + row)

    def check_weights(self) -> None:
        """Refuse weights that are negative or not finite."""
        if (bad := ~(np.isfinite(self.weights) & (self.weights >= 0.0))).any():
            row = int(bad.argmax())
            weight = float(self.weights[row])
            remedy = "weights must be finite and not negative"
            raise self.refused("sample_weight", row, weight, f"is {weight:g}", remedy)


def _pieces_of(source: Source, sums: GroupSums) -> Iterator[tuple[_Piece, Counts]]:
    """The rows of a source in pieces, with their codes. The lengths of its chunks change no piece.

    The next piece overwrites the arrays of the last one.
    """
    size, d, first, m = max(1, PIECE_OF_SOURCE // (source.d + 1)), source.d, 0, 0
    room = min(size, FIRST_ROWS)
    X, y = np.empty((room, d), source.dtypes[0]), np.empty(room, source.dtypes[1])
    weights, codes = np.empty(room if source.has_weights else 0), np.empty(room, np.int64)
    with contextlib.closing(source.chunks()) as chunks:
        for chunk in chunks:
            of_chunk, at, n = _codes_of(source, first + m, chunk, sums), 0, len(chunk)
            while at < n:
                while len(y) < min(size, m + n - at):
                    more = min(size, 2 * len(y))
                    X, y, codes = (_longer(part, more) for part in (X, y, codes))
                    weights = _longer(weights, more) if source.has_weights else weights
                stop = min(n, at + size - m)
                part = slice(m, m + stop - at)
                chunk.fill(at, stop, X[part], y[part], weights[part])
                codes[part] = of_chunk[at:stop]
                m, at = part.stop, stop
                if m == size:
                    yield _Piece(source, first, X[:m], y[:m], weights[:m]), codes[:m]
                    first, m = first + m, 0
    if m:
        yield _Piece(source, first, X[:m], y[:m], weights[:m]), codes[:m]


def _longer(values: NDArray[Any], n: int) -> NDArray[Any]:
    out = np.empty((n, *values.shape[1:]), values.dtype)
    out[: len(values)] = values
    return out


def _codes_of(source: Source, first: int, chunk: Any, sums: GroupSums) -> Counts:
    """The code of each row of a chunk that begins at row `first`."""
    if not len(chunk):
        return np.empty(0, np.int64)
    found = keys.encode(chunk.keys, len(chunk), lambda row: source.place(first + row))
    own = found.codes - found.lowest
    there = np.flatnonzero(np.bincount(own, minlength=len(found.keys)))
    codes = np.zeros(len(found.keys), np.int64)
    codes[there] = sums.codes([found.keys[k] for k in there.tolist()])
    return codes[own]


def _of_rows(
    rows: ArrayRows, groups: keys.Keys, n_threads: int | None
) -> tuple[Counts, Counts, StackedProducts]:
    """The codes with rows of weight above 0, less the lowest, and the counts and products of these."""
    from fastgd.kernels import groups as kernels

    X, y, weights = rows.whole()
    starts, order, targets = _sorted(groups, read_only(y), n_threads)
    counts = np.diff(starts)
    if rows.has_weights:
        counted = groups.codes[rows.weights > 0.0] - groups.lowest
        counts = np.bincount(counted, minlength=len(counts)).astype(np.int64)
    there = np.flatnonzero(counts)
    is_read = np.diff(starts) > 0
    # Codes without rows have no length, so the starts of the others are those of all groups.
    starts = np.append(starts[:-1][is_read], rows.n)
    x, products = read_only(X).reshape(-1), StackedProducts.zeros(len(starts) - 1, rows.d)

    def task(first: int, last: int, _team: threads.Team) -> None:
        parts = (part[first:last] for part in products[:-1])
        kernels.summarize(x, targets, weights, order, starts[first : last + 1], RULES, *parts)

    in_threads(task, _pieces(starts, rows.d), n_threads)
    squares = np.diagonal(products.S, axis1=1, axis2=2)
    if not all(np.isfinite(part).all() for part in (products.S, products.c, products.s, products.error)):
        rows.refuse_nonfinite()
        centring.refuse_overflow(squares)
    centring.check_squares(rows, products.x_ref[0], squares.max(axis=0))
    if len(there) < len(starts) - 1:  # groups whose rows all have weight 0
        products = products.take(counts[is_read] > 0)
    return there, counts[there], products


def _sorted(groups: keys.Keys, y: Array, n_threads: int | None) -> tuple[Counts, Counts, Floats]:
    """Where each code starts, and the rows and targets by code: a stable counting sort, part by part."""
    from fastgd.kernels import groups as kernels

    codes, lowest, k = groups.codes, groups.lowest, len(groups.keys)
    step = max(SORTED_ROWS, k, -(-len(y) // (n_threads or threads.default_threads())))
    parts = [(first, min(first + step, len(y))) for first in range(0, len(y), step)]
    counts, order, targets = np.zeros((len(parts), k), np.int64), np.empty(len(y), np.int64), np.empty(len(y))

    def count(first: int, last: int, _team: threads.Team) -> None:
        kernels.count(codes[first:last], lowest, counts[first // step])

    in_threads(count, parts, n_threads)
    starts = np.append(0, np.cumsum(counts.sum(axis=0)))
    places = starts[:-1] + counts.cumsum(axis=0) - counts

    def sort(first: int, last: int, _team: threads.Team) -> None:
        of_part = codes[first:last], lowest, y[first:last], first, places[first // step]
        kernels.sort_rows(*of_part, order, targets)

    in_threads(sort, parts, n_threads)
    return starts, order, targets


def _pieces(starts: Counts, d: int) -> list[tuple[int, int]]:
    """Runs of groups of about PIECE_NUMBERS numbers."""
    n = int(starts[-1])
    bounds = np.arange(0, n, max(1, PIECE_NUMBERS // (d + 1)))
    firsts = np.unique(np.append(np.searchsorted(starts, bounds), len(starts) - 1)).tolist()
    return list(itertools.pairwise(firsts))

"""`fastgd.summarize_groups`: a summary for each group of rows, in stacked arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import display
from fastgd.checks import InvalidDataError
from fastgd.data import frames, keys
from fastgd.data.arrays import ArrayRows, read_only
from fastgd.data.backend import resolve
from fastgd.data.chunks import Source
from fastgd.engine import threads
from fastgd.engine.blocks import Array, Floats
from fastgd.lazy import lazy_property
from fastgd.public import public
from fastgd.solver import centring
from fastgd.solver.curvature import CONSTANT
from fastgd.solver.inputs import as_dataset
from fastgd.solver.linalg import RANK_TOLERANCE
from fastgd.solver.products import Products
from fastgd.solver.statistics import FAR
from fastgd.solver.summary import Summary
from fastgd.wording import listed

Counts = NDArray[np.int64]

PIECE_NUMBERS = 1 << 18
"""A task of a thread has groups with about this many numbers."""
SORTED_ROWS = 1 << 16
"""The least number of rows that a thread sorts."""
RULES = CONSTANT, RANK_TOLERANCE, FAR


class StackedProducts(NamedTuple):
    """The fields of `Products`, each with a first axis for the groups."""

    total: Floats
    x_ref: Floats
    y_ref: Floats
    w_ref: Floats
    offset: Floats
    r_mean: Floats
    S: Floats
    c: Floats
    s: Floats
    error: Floats
    noise: Floats

    @classmethod
    def zeros(cls, g: int, d: int) -> StackedProducts:
        """Room for the products of g groups."""
        vector, row, table = (g,), (g, d), (g, d, d)
        shapes: list[tuple[int, ...]] = [
            vector,
            row,
            vector,
            row,
            row,
            vector,
            table,
            row,
            vector,
            vector,
            row,
        ]
        return cls(*(np.zeros(shape) for shape in shapes))

    @classmethod
    def of(cls, products: list[Products]) -> StackedProducts:
        """From the products of each group."""
        return cls(*(np.array(parts) for parts in zip(*products, strict=True)))

    def take(self, which: NDArray[np.bool_]) -> StackedProducts:
        """The products of some groups."""
        return StackedProducts(*(part[which] for part in self))

    def of_group(self, k: int) -> Products:
        parts: list[Any] = [part[k] if part.ndim > 1 else float(part[k]) for part in self]
        return Products(*parts)


@dataclass(frozen=True, eq=False)
class GroupedSummary(Mapping[Any, Summary]):
    """The summaries of groups of rows, by key. `fastgd.summarize_groups` makes it.

    It is a mapping: `grouped[key]` is the `Summary` of a group, made when it is asked for. Pass it as X to
    `gradient_descent`, which fits all groups at once. It holds about d² numbers a group, and never changes.

    Operations
    ----------
    grouped[key], len(grouped), iteration
        As of a dict. A key of several columns is a tuple. Keys ascend where they can be compared; otherwise
        they are in the order of their first rows.
    g + h
        The rows of both, by key. Groups of both merge one by one, at about 0.3 ms a group.

    Attributes
    ----------
    n_samples : ndarray (groups,) of int
        The number of rows of weight above 0, in the order of the keys.
    total_weight : ndarray (groups,)
    n_features : int
    feature_names : tuple of str
    target_name : str
    """

    n_samples: Counts
    feature_names: tuple[str, ...]
    target_name: str
    has_weights: bool
    is_scalar: bool
    """Whether a row is a number, as in the lesson."""
    products: StackedProducts = field(repr=False)
    _keys: tuple[Any, ...] = field(repr=False)

    is_grouped = True

    def __post_init__(self) -> None:
        for value in (self.n_samples, *self.products):
            value.flags.writeable = False

    @property
    def total_weight(self) -> Floats:
        return self.products.total

    @property
    def n_features(self) -> int:
        return self.products.c.shape[1]

    @lazy_property
    def places(self) -> dict[Any, int]:
        """The place of each key."""
        return {key: k for k, key in enumerate(self._keys)}

    def place(self, key: Any) -> int:
        """The place of a key. Raises KeyError for another."""
        try:
            return self.places[key]
        except (KeyError, TypeError):
            first = ", ".join(map(keys.shown, self._keys[:3]))
            raise KeyError(f"{keys.shown(key)} is not one of the {len(self)} groups {first}, …") from None

    def __getitem__(self, key: Any) -> Summary:
        k = self.place(key)
        return Summary(
            int(self.n_samples[k]), self.feature_names, self.target_name, self.has_weights, False,
            self.is_scalar, self.products.of_group(k),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: Any) -> bool:
        return key in self.places

    def __repr__(self) -> str:
        features = display.count(self.n_features, "feature")
        if self.feature_names:
            features += f" ({listed(self.feature_names)})"
        samples = display.count(int(self.n_samples.sum()), "sample")
        groups = display.count(len(self), "group")
        return f"GroupedSummary({groups}, {samples}, {features}, target {self.target_name})"

    def __add__(self, other: Any) -> GroupedSummary:
        if not isinstance(other, GroupedSummary):
            return NotImplemented
        merged = dict(self)
        for key, summary in other.items():
            merged[key] = merged[key] + summary if key in merged else summary
        next(iter(self.values()))._check_alike(next(iter(other.values())))
        return _of_summaries(keys.ascending(list(merged)), merged)


def _of_summaries(order: Sequence[Any], summaries: Mapping[Any, Summary]) -> GroupedSummary:
    """From summaries of the same columns, with the keys in this order."""
    each = [summaries[key] for key in order]
    first, counts = each[0], np.array([one.n_samples for one in each], np.int64)
    about = first.feature_names, first.target_name, first.has_weights, first.is_scalar
    products = StackedProducts.of([one.products for one in each])
    return GroupedSummary(counts, *about, products, tuple(order))


@public
def summarize_groups(
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    by: Any,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> GroupedSummary:
    """A summary for each group of rows: all that a fit of squared errors to each group needs.

    Parameters
    ----------
    X : array (n,), array (n, d) or table
        The samples, in memory.
    y : array (n,)
        The targets.
    by : array (n,), str, or list of these
        The key of each row, of any type; the name of a column of X, which is then no feature; or a list of
        names and arrays, which makes keys that are tuples. Integers are fastest.
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
    fits closely. Memory for 16 bytes a row and about d² numbers a group.

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
        raise InvalidDataError(
            f"summarize_groups takes rows in memory, not {X.name}: read them into a table of pandas or polars"
        )
    X, parts = keys.split_table(X, by)
    rows = as_dataset(X, y, sample_weight)
    if not isinstance(rows, ArrayRows):
        raise InvalidDataError("summarize_groups takes rows in memory: pass X.compute(), or a table")
    groups = keys.encode(parts, rows.n)
    target = frames.name_of(y) or "y"
    return _of_rows(rows, groups, target, n_threads)


def _of_rows(rows: ArrayRows, groups: keys.Keys, target: str, n_threads: int | None) -> GroupedSummary:
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
    if not all(np.isfinite(part).all() for part in (products.S, products.c, products.s)):
        rows.refuse_nonfinite()
        centring.refuse_overflow()
    squares = np.diagonal(products.S, axis1=1, axis2=2)
    centring.check_squares(rows, products.x_ref[0], squares.max(axis=0))
    if len(there) < len(starts) - 1:  # groups whose rows all have weight 0
        products = products.take(counts[is_read] > 0)
    return GroupedSummary(
        counts[there], rows.columns, target, rows.has_weights, rows.is_scalar, products,
        tuple(map(groups.keys.__getitem__, there.tolist())),
    )  # fmt: skip


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


def in_threads(
    task: Callable[[int, int, threads.Team], None], pieces: list[tuple[int, int]], n_threads: int | None
) -> None:
    """Call the task for each piece, in the threads of the pool."""
    n_threads = min(n_threads or threads.default_threads(), len(pieces))
    left = iter(pieces)  # threads may share it

    def work(team: threads.Team) -> None:
        for first, last in left:
            if team.stop:
                return
            task(first, last, team)

    if n_threads < 2:
        return work(threads.Team())
    return threads.run_on_threads(work, n_threads)

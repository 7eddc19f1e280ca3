"""`GroupedSummary`: the summaries of groups of rows, in stacked arrays. They add up group by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.checks import InvalidDataError
from fastgd.data import keys
from fastgd.data.keys import StoredKeys
from fastgd.engine import threads
from fastgd.engine.blocks import Floats
from fastgd.lazy import lazy_property
from fastgd.solver.stacked import StackedProducts
from fastgd.solver.summary import Summary
from fastgd.wording import listed

Counts = NDArray[np.int64]
KIND = "grouped summary"


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
        The rows of both, by key. g + h and h + g have the same bits.

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

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # pickles do not keep that arrays are read-only

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
        next(iter(self.values()))._check_alike(next(iter(other.values())))
        sums = GroupSums(self.n_features)
        for one in (self, other):
            sums.add(sums.codes(one._keys), one.n_samples, one.products)
        return sums.grouped(self.feature_names, self.target_name, self.has_weights, self.is_scalar)

    def save(self, path: Any) -> None:
        """Write the summaries to a file, which `fastgd.load` reads.

        Parameters
        ----------
        path : str or path-like
            The file; an existing one is replaced as a whole.

        Raises
        ------
        TypeError
            If keys are other than text, numbers and NumPy's dates, or tuples of these.
        """
        from fastgd.io import npz

        about = self.feature_names, self.target_name, self.has_weights, self.is_scalar
        npz.write(path, KIND, Stored(keys.stored(self._keys), self.n_samples, *about, self.products))


class Stored(NamedTuple):
    """A `GroupedSummary` in a file."""

    keys: StoredKeys
    n_samples: Counts
    feature_names: tuple[str, ...]
    target_name: str
    has_weights: bool
    is_scalar: bool
    products: StackedProducts

    def grouped(self) -> GroupedSummary:
        """The summary, if its arrays fit together."""
        named = self.keys.keys()
        room = StackedProducts.zeros(len(named), self.products.c.shape[-1])
        pairs = zip((self.n_samples, *self.products), (room.total, *room), strict=True)
        if not named or len(set(named)) < len(named) or any(a.shape != b.shape for a, b in pairs):
            raise InvalidDataError("holds arrays that do not fit together")
        result = GroupedSummary(*self[1:], tuple(named))
        if self.n_samples.min() < 1 or not self.products.total.min() > 0.0:
            raise InvalidDataError("holds groups without rows")
        next(iter(result.values())).check_sizes()
        return result


class GroupSums:
    """The counts and products of groups, to which those of more rows are added."""

    def __init__(self, d: int):
        self._codes: dict[Any, int] = {}
        self._counts, self._products = np.zeros(0, np.int64), StackedProducts.zeros(0, d)

    def codes(self, found: Sequence[Any]) -> Counts:
        """The code of each key. New keys get the next ones."""
        return np.array([self._codes.setdefault(key, len(self._codes)) for key in found], np.int64)

    def __len__(self) -> int:
        """The number of codes."""
        return len(self._codes)

    @property
    def has_rows(self) -> bool:
        return bool(self._counts.any())

    def add(self, codes: Counts, counts: Counts, products: StackedProducts) -> None:
        """Add rows to the groups of these codes."""
        self._make_room()
        has_rows = self._counts[codes] > 0
        self._products.put(codes[~has_rows], products.take(~has_rows))
        self._products.add(codes[has_rows], products.take(has_rows))
        self._counts[codes] += counts

    def _make_room(self) -> None:
        n, g = len(self._counts), len(self._codes)
        if n < g:
            d, room = self._products.c.shape[1], max(g, 2 * n)
            products, counts = StackedProducts.zeros(room, d), np.zeros(room, np.int64)
            products.put(slice(n), self._products)
            counts[:n] = self._counts
            self._products, self._counts = products, counts

    def grouped(
        self, feature_names: tuple[str, ...], target_name: str, has_weights: bool, is_scalar: bool
    ) -> GroupedSummary:
        """The summary of the groups with rows."""
        named = list(self._codes)
        there = np.flatnonzero(self._counts[: len(named)]).tolist()
        order = np.array(keys.ascending(there, named.__getitem__), np.int64)
        return GroupedSummary(
            self._counts[order], feature_names, target_name, has_weights, is_scalar,
            self._products.take(order), tuple(named[k] for k in order.tolist()),
        )  # fmt: skip


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

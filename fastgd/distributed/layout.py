"""Which worker holds which rows of a Dask collection.

Partitions in memory stay where they are. Other partitions are computed in contiguous ranges, one for each
worker. The share of each worker consists of whole nodes of the grid. If a border between two workers divides
a unit of rows, some of its rows travel once (`shares.py`). All rows on a worker are one object, and later
tasks are sent to it.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastgd import callers
from fastgd.checks import InvalidDataError
from fastgd.data.split import Part
from fastgd.distributed.cluster import Cluster, environment, warn_of_differences
from fastgd.distributed.collections import NO_ROWS, Partitions, values_of, zipped
from fastgd.distributed.held import Held, Shape, Stretch, aligned_rows
from fastgd.distributed.shares import Share, aligned, among, joined, missing
from fastgd.engine.blocks import Array, Floats, Piece, block_rows

FIRST_NUMBERS = 1 << 16
"""Numbers in the first rows, which come with the first answer. References are computed from them."""
MOST_TRAVELS, MANY_UNITS = 4, 8
"""Warn if more than 1/MOST_TRAVELS of the rows have to travel, and more than MANY_UNITS units."""


@dataclass(slots=True)
class Seat:
    """A worker, the future of the rows it holds, and its share of all rows."""

    home: str
    held: Any
    shares: list[Piece]


@dataclass(slots=True, weakref_slot=True)
class Placement:
    """The rows of a table on the workers of a cluster."""

    cluster: Cluster
    shape: Shape
    homes: list[str]
    seats: dict[int, Seat]
    shares: list[Share]
    """The shares of all rows, in order. Their homes are keys of `seats`."""
    has: dict[int, list[Piece]]
    """All rows on each worker, in its share or not."""
    first: tuple[Array, Array, Floats]
    travelled: int
    """The number of rows that were sent to another worker."""
    known: dict[str, Any] = field(default_factory=dict)
    """Facts that passes have found."""
    _parts: dict[tuple[int, int, bool], list[Seat]] = field(default_factory=dict)

    def of_part(self, part: Part) -> list[Seat]:
        """The seats for a part of the rows. Shares have row numbers of the part."""
        key = part.key
        if key not in self._parts:
            self._parts[key] = self._seats_of(part)
        return self._parts[key]

    def _seats_of(self, part: Part) -> list[Seat]:
        cluster, row = self.cluster, part.before
        held = joined(Share(row(start), row(stop), home) for start, stop, home in self.shares)
        seats = []
        for home, shares in _by_home(aligned(held, aligned_rows(self.shape.d))).items():
            there = [(row(start), row(stop)) for start, stop in self.has[home]]
            ranges = [base for piece in missing(shares, there) for base in part.ranges(piece)[1]]
            held_there, address = self.seats[home].held, self.homes[home]
            if ranges:
                more = [
                    cluster.submit(_copied, self.seats[source].held, pieces, home=self.homes[source])
                    for source, pieces in _by_home(among(ranges, self.shares)).items()
                ]
                held_there = cluster.submit(_with_more, held_there, more, home=address)
            seats.append(Seat(address, held_there, shares))
        return seats

    def rows(self, ranges: Sequence[Piece]) -> list[Stretch]:
        """Fetch some rows, in ascending order."""
        wanted = _by_home(among(ranges, self.shares))
        futures = [
            self.cluster.submit(_copied, self.seats[home].held, pieces, home=self.homes[home])
            for home, pieces in wanted.items()
        ]
        return sorted(itertools.chain(*self.cluster.gather(futures)), key=lambda stretch: stretch.start)

    def is_intact(self) -> bool:
        return all(seat.held.status in ("finished", "pending") for seat in self.seats.values())


_placements: dict[tuple[str, ...], Placement] = {}
"""Placements of collections that are in the memory of the cluster."""


def place(cluster: Cluster, partitions: Partitions) -> Placement:
    """Place the rows of the partitions on the workers. Collections that are known are not placed again."""
    key = (cluster.client.id, *partitions.names)
    known = _placements.get(key)
    if known is not None and known.is_intact():
        return known
    placement, is_kept = _placed(cluster, partitions)
    if is_kept:
        _placements[key] = placement
        for collection in partitions.collections:
            weakref.finalize(collection, _placements.pop, key, None).atexit = False
    return placement


def _placed(cluster: Cluster, partitions: Partitions) -> tuple[Placement, bool]:
    """The placement, and whether the user had put the partitions in memory."""
    parts, homes, home_of, is_kept = _computed(cluster, partitions)
    counts = partitions.counts or _counted(cluster, parts, homes, home_of)
    starts = [0, *itertools.accumulate(counts)]
    n = starts[-1]
    if not n:
        raise InvalidDataError(NO_ROWS)
    shape = Shape(
        n, partitions.d, partitions.is_scalar, partitions.has_weights, partitions.row_bytes, partitions.dtypes
    )
    held = joined(Share(*ends, home) for ends, home in zip(itertools.pairwise(starts), home_of, strict=True))
    shares = aligned(held, aligned_rows(shape.d))
    partition_shares = [
        Share(*ends, number) for number, ends in enumerate(itertools.pairwise(starts)) if ends[0] < ends[1]
    ]
    at_home: dict[int, list[Share]] = {}
    for share in partition_shares:
        at_home.setdefault(home_of[share.home], []).append(share)
    seats, has, travelled = {}, {}, 0
    for home, own in _by_home(shares).items():
        has_own = [(start, stop) for start, stop, _ in at_home[home]]
        ranges = missing(own, has_own)
        cuts: dict[int, list[Any]] = {}
        for start, stop, number in among(ranges, partition_shares):
            cut = number, parts[number], starts[number], start, stop
            cuts.setdefault(home_of[number], []).append(cut)
        seams = [
            cluster.submit(_seams, shape.d, pieces, home=homes[source]) for source, pieces in cuts.items()
        ]
        numbered = [(number, start, parts[number]) for start, _, number in at_home[home]]
        future = cluster.submit(_hold, shape, numbered, seams, not is_kept, home=homes[home])
        seats[home] = Seat(homes[home], future, own)
        has[home] = sorted(has_own + ranges)
        travelled += sum(stop - start for start, stop in ranges)
    wanted = min(n, max(block_rows(shape.d), FIRST_NUMBERS // shape.d))
    asked = [cluster.submit(_greet, seat.held, wanted, home=seat.home) for seat in seats.values()]
    answers = cluster.gather(asked)
    warn_of_differences({seat.home: answer[0] for seat, answer in zip(seats.values(), answers, strict=True)})
    if MOST_TRAVELS * travelled > n and travelled > MANY_UNITS * aligned_rows(shape.d):
        callers.warn(
            f"{travelled} of {n} rows were sent to another worker, since partitions are smaller than the "
            f"{aligned_rows(shape.d)} rows that are read together: make them larger with X.rechunk() or "
            "repartition()",
            UserWarning,
        )
    first = next(answer[1] for answer in answers if answer[1] is not None)
    return Placement(cluster, shape, homes, seats, shares, has, first, travelled), is_kept


def _by_home(shares: Iterable[Share]) -> dict[int, list[Piece]]:
    pieces: dict[int, list[Piece]] = {}
    for start, stop, home in shares:
        pieces.setdefault(home, []).append((start, stop))
    return pieces


def _computed(cluster: Cluster, partitions: Partitions) -> tuple[list[list[Any]], list[str], list[int], bool]:
    """Compute the partitions.

    Returns the futures of each partition, the addresses of the workers, the index of the worker of each
    partition, and whether all partitions were in memory.
    """
    collected = [_in_memory(cluster, collection) for collection in partitions.collections]
    homes, home_of = _homes(cluster, partitions, [futures for futures, _ in collected if futures])
    by_collection = [futures for futures, _ in collected]
    missing_ones = [which for which, futures in enumerate(by_collection) if not futures]
    delayed = zipped(partitions) if missing_ones else []
    for home, numbers in itertools.groupby(range(len(partitions)), key=home_of.__getitem__):
        if not missing_ones:
            break
        own = list(numbers)
        futures = cluster.patiently(
            cluster.client.compute,
            [delayed[number][which] for which in missing_ones for number in own],
            workers=[homes[home]],
            allow_other_workers=True,
        )
        for which in missing_ones:
            by_collection[which] += futures[: len(own)]
            del futures[: len(own)]
    parts = [list(part) for part in zip(*by_collection, strict=True)]
    return parts, homes, home_of, all(was_there for _, was_there in collected)


def _in_memory(cluster: Cluster, collection: Any) -> tuple[list[Any], bool]:
    """The futures of the partitions, and whether all were in memory. No futures if nothing was."""
    import distributed

    there = {future.key: future for future in distributed.futures_of(collection)}
    keys = [key[0] if isinstance(key, list) else key for key in collection.__dask_keys__()]
    if all(key in there for key in keys):
        return [there[key] for key in keys], True
    if not there:
        return [], False
    delayed = np.ravel(collection.to_delayed()).tolist()  # made of what is in memory: Dask knows best where
    return cluster.patiently(cluster.client.compute, delayed), False


def _homes(cluster: Cluster, partitions: Partitions, there: list[list[Any]]) -> tuple[list[str], list[int]]:
    """The addresses of the workers, and the index of the worker that has, or will compute, each partition."""
    import distributed

    client, addresses = cluster.client, [""] * len(partitions)
    if there:
        futures = list(itertools.chain(*there))
        cluster.patiently(distributed.wait, futures)
        who_has = cluster.patiently(client.who_has, futures)
        addresses = [min(who_has.get(future.key, ()), default="") for future in there[0]]
    if homes := sorted(set(addresses) - {""}):
        last = next(filter(None, addresses))
        place_of = {home: number for number, home in enumerate(homes)}
        home_of = [place_of[last := address or last] for address in addresses]
        return homes, home_of
    threads = cluster.patiently(client.nthreads)
    if not threads:
        raise RuntimeError("the Dask cluster has no workers yet: client.wait_for_workers(1) waits for one")
    homes = sorted(threads)
    sizes = partitions.counts or [1] * len(partitions)
    return homes, _contiguous(sizes, [threads[home] for home in homes])


def _contiguous(sizes: Sequence[int], threads: Sequence[int]) -> list[int]:
    """The worker of each partition. Workers get contiguous ranges, in proportion to their threads."""
    ends = np.cumsum(threads) / sum(threads)
    middles = (np.cumsum(sizes) - 0.5 * np.asarray(sizes)) / max(1, sum(sizes))
    return [int(home) for home in np.minimum(np.searchsorted(ends, middles), len(threads) - 1)]


def _counted(cluster: Cluster, parts: list[list[Any]], homes: list[str], home_of: list[int]) -> list[int]:
    groups = _by_home(Share(number, number, home) for number, home in enumerate(home_of))
    numbers = {home: [number for number, _ in pieces] for home, pieces in groups.items()}
    futures = [
        cluster.submit(_lengths, [parts[number][1] for number in own], home=homes[home])
        for home, own in numbers.items()
    ]
    counts = [0] * len(parts)
    for own, lengths in zip(numbers.values(), cluster.gather(futures), strict=True):
        for number, length in zip(own, lengths, strict=True):
            counts[number] = length
    return counts


# Functions that run on the workers --------------------------------------------------------------------------


def _lengths(targets: list[Any]) -> list[int]:
    return [len(part) for part in targets]


def _seams(d: int, cuts: list[tuple[int, list[Any], int, int, int]]) -> list[Stretch]:
    """Copy some rows of partitions. A cut is (number of the partition, its parts, its first row, start,
    stop)."""
    stretches = []
    for number, parts, first, start, stop in cuts:
        X, y, weights = values_of(number, parts, d, ())
        rows = slice(start - first, stop - first)
        stretches.append(Stretch(start, X[rows].copy(), y[rows].copy(), weights[rows].copy()))
    return stretches


def _hold(shape: Shape, parts: list[Any], seams: list[list[Stretch]], is_owner: bool) -> Held:
    """One object with all rows on a worker. Only the seams are copies."""
    own = [
        Stretch(start, *values_of(number, values, shape.d, shape.dtypes)) for number, start, values in parts
    ]
    return Held(shape, [*own, *map(_writable, itertools.chain(*seams))], is_owner)


def _with_more(held: Held, more: list[list[Stretch]]) -> Held:
    return held.with_more(map(_writable, itertools.chain(*more)))


def _writable(stretch: Stretch) -> Stretch:
    """A stretch with writable weights, as kernels need. Arrays that have travelled are read-only."""
    return Stretch(stretch.start, stretch.X, stretch.y, np.require(stretch.weights, requirements="W"))


def _copied(held: Held, ranges: list[Piece]) -> list[Stretch]:
    reader = held.reader()
    stretches = []
    for start, stop in ranges:
        X, y, weights = reader.read(start, stop)
        stretches.append(Stretch(start, X.copy(), y.copy(), weights.copy()))
    return stretches


def _greet(held: Held, rows: int) -> tuple[dict[str, str], tuple[Array, Array, Floats] | None]:
    """The versions and hardware of the worker, which loads its kernels; and the first rows, if it has
    them."""
    stretch = held.at(0) if held.has(0) else None
    return environment(), None if stretch is None else held.reader().read(0, min(rows, stretch.stop))

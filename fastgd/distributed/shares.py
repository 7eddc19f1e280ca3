"""Shares of the rows for several processes that hold partitions, cut so that no node is divided.

Partitions may end at any row, but nodes of a reduction have `aligned_rows` rows. If a unit of this many rows
lies in several processes, the process with most of its rows gets the unit, and the other rows are sent there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fastgd.engine.blocks import Piece


class Share(NamedTuple):
    """Rows start:stop, and the process that has them."""

    start: int
    stop: int
    home: int


def joined(shares: Iterable[Share]) -> list[Share]:
    """Drop empty shares and join neighbours with the same home."""
    merged: list[Share] = []
    for share in shares:
        if share.start == share.stop:
            continue
        if merged and merged[-1].home == share.home and merged[-1].stop == share.start:
            merged[-1] = Share(merged[-1].start, share.stop, share.home)
        else:
            merged.append(share)
    return merged


def aligned(held: Sequence[Share], align: int) -> list[Share]:
    """The shares, cut only at multiples of `align`. `held` must be consecutive and joined."""
    return joined(_aligned(held, align))


def _aligned(held: Sequence[Share], align: int) -> Iterator[Share]:
    n, row, at = held[-1].stop, 0, 0
    while row < n:
        while held[at].stop <= row:
            at += 1
        stop = held[at].stop
        whole = n if stop == n else stop // align * align
        if whole > row:
            yield Share(row, whole, held[at].home)
        else:
            whole = min(row + align, n)
            parts: dict[int, int] = {}
            for start, stop, home in held[at:]:
                if start >= whole:
                    break
                parts[home] = parts.get(home, 0) + min(stop, whole) - max(start, row)
            yield Share(row, whole, max(parts, key=lambda home: parts[home]))
        row = whole


def missing(wanted: Sequence[Piece], held: Sequence[Piece]) -> list[Piece]:
    """The ranges of `wanted` that are not in `held`. Both must ascend."""
    ranges, at = [], 0
    for first, stop in wanted:
        start = first
        while at and held[at - 1][1] > start:
            at -= 1
        while start < stop:
            while at < len(held) and held[at][1] <= start:
                at += 1
            until = min(stop, held[at][0]) if at < len(held) else stop
            if until > start:
                ranges.append((start, until))
            start = max(start, held[at][1]) if at < len(held) and until < stop else stop
    return ranges


def among(ranges: Iterable[Piece], shares: Sequence[Share]) -> Iterator[Share]:
    """Cut ascending ranges at the borders of the shares."""
    at = 0
    for start, stop in ranges:
        while at and shares[at].start > start:
            at -= 1
        while start < stop:
            while shares[at].stop <= start:
                at += 1
            until = min(stop, shares[at].stop)
            yield Share(start, until, shares[at].home)
            start = until

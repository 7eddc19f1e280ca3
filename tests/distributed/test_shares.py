"""Shares of rows, against sets of row numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastgd.distributed.shares import Share, aligned, among, joined, missing

LENGTHS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=8).filter(
    lambda parts: any(length for length, _ in parts)
)
PLACES = st.lists(st.integers(0, 60), max_size=12, unique=True).map(sorted)


def held_by(parts):
    """Consecutive shares of these lengths and homes."""
    shares, row = [], 0
    for length, home in parts:
        shares.append(Share(row, row + length, home))
        row += length
    return joined(shares)


def ranges(places):
    return list(zip(places[::2], places[1::2], strict=False))


def rows_of(pieces):
    return [row for piece in pieces for row in range(piece[0], piece[1])]


def test_neighbours_with_one_home_are_joined():
    shares = [Share(0, 2, 1), Share(2, 2, 0), Share(2, 5, 1), Share(5, 6, 0), Share(7, 8, 0)]
    assert joined(shares) == [Share(0, 5, 1), Share(5, 6, 0), Share(7, 8, 0)]


@given(LENGTHS, st.integers(1, 9))
def test_shares_are_cut_at_multiples_and_go_where_most_of_their_rows_are(parts, align):
    held = held_by(parts)
    shares = aligned(held, align)
    n = held[-1].stop
    assert rows_of(shares) == list(range(n))
    assert all(share.stop % align == 0 for share in shares[:-1])
    home_of = {row: share.home for share in held for row in range(share.start, share.stop)}
    for share in shares:
        for start in range(share.start, share.stop, align):
            homes = [home_of[row] for row in range(start, min(start + align, n))]
            assert homes.count(share.home) == max(map(homes.count, homes))


@given(PLACES, PLACES)
def test_missing_rows_are_the_difference_of_two_sets(wanted, held):
    found = missing(ranges(wanted), ranges(held))
    expected = set(rows_of(ranges(wanted))) - set(rows_of(ranges(held)))
    assert rows_of(found) == sorted(expected)


@given(LENGTHS, st.data())
def test_ranges_are_cut_at_the_borders_of_shares(parts, data):
    shares = held_by(parts)
    n = shares[-1].stop
    places = data.draw(st.lists(st.integers(0, n), max_size=8, unique=True).map(sorted))
    found = list(among(ranges(places), shares))
    assert rows_of(found) == rows_of(ranges(places))
    for start, stop, home in found:
        assert any(share.start <= start and stop <= share.stop and share.home == home for share in shares)

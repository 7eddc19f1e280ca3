"""The grid: which runs a read is cut into, and that nodes of any aligned runs make one tree."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.engine import blocks
from fastgd.engine.blocks import Kept, pieces
from fastgd.engine.reduce import Counter

BLOCK = 4
RUNS = st.integers(0, 5).map(lambda power: BLOCK << power)


def is_aligned(start, stop):
    size = stop - start
    return size & (size - 1) == 0 and start % size == 0


@given(st.integers(0, 30), st.integers(1, 400), RUNS)
def test_pieces_to_the_end_cover_all_rows_once(first, n, run):
    start = min(first * BLOCK, n // BLOCK * BLOCK)
    found = list(pieces(start, n, run, n))
    assert list(itertools.chain.from_iterable(range(*piece) for piece in found)) == list(range(start, n))
    assert all(is_aligned(*piece) for piece in found[:-1])
    assert all(stop - start <= run for start, stop in found)


@given(st.integers(0, 60), st.integers(1, 60), RUNS)
def test_pieces_to_a_border_are_all_aligned(first, blocks, run):
    start, stop = first * BLOCK, (first + blocks) * BLOCK
    found = list(pieces(start, stop, run, None))
    assert list(itertools.chain.from_iterable(range(*piece) for piece in found)) == list(range(start, stop))
    assert all(is_aligned(*piece) and piece[1] - piece[0] <= run for piece in found)


@given(st.integers(0, 30), RUNS)
def test_pieces_without_an_end_go_on(first, run):
    start = first * BLOCK
    found = list(itertools.islice(pieces(start, None, run, None), 12))
    assert found[0][0] == start
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert all(is_aligned(*piece) for piece in found)
    assert found[-1][1] - found[-1][0] == run


def tree(values):
    """Σ by the definition: aligned power-of-two nodes, the rest added from the right."""
    if len(values) == 1:
        return values[0]
    half = 1 << ((len(values) - 1).bit_length() - 1)
    return tree(values[:half]) + tree(values[half:])


def pushed(counter, values, found):
    for start, stop in found:
        counter.push(np.array([tree(values[start:stop])]), stop - start)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=120), st.data())
def test_stretches_counted_apart_make_the_same_tree(values, data):
    """What workers do: each its own stretch, whose nodes are pushed one after the other."""
    n = len(values)
    borders = sorted(data.draw(st.sets(st.integers(0, n), max_size=5)) | {0, n})
    whole = Counter()
    for first, stop in itertools.pairwise(borders):
        part = Counter(stop=first)
        run = 1 << data.draw(st.integers(0, 4))
        pushed(part, values, pieces(first, stop, run, n))
        assert part.stop == stop
        assert len(part.nodes) <= 2 * (stop - first).bit_length()
        for size, node in part.nodes:
            whole.push(node, size)
    assert whole.total()[0] == tree(values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=120), st.data())
def test_a_counter_goes_on_from_its_nodes(values, data):
    """What a checkpoint does, with other runs after it than before."""
    n = len(values)
    at = data.draw(st.integers(1, n - 1))
    before = Counter()
    pushed(before, values, pieces(0, at, 4, None))
    after = Counter(stop=before.stop, nodes=[(size, node.copy()) for size, node in before.nodes])
    pushed(after, values, pieces(at, n, 1 << data.draw(st.integers(0, 4)), n))
    assert after.total()[0] == tree(values)


def test_another_addition():
    counter = Counter(add=np.maximum)
    for value in (3.0, 7.0, np.nan, 1.0, 9.0):
        counter.push(np.array([value]))
    assert np.isnan(counter.total()[0])


def test_arrays_kept_beside_summaries():
    a, b = np.zeros((2, 5, 3)), np.zeros(5)
    kept = Kept([a, b], [1, 0], BLOCK)
    part_a, part_b = kept.part(4, 11)  # blocks 1 and 2, the last of them short
    part_a[:], part_b[:] = 1.0, 2.0
    assert b.tolist() == [0.0, 2.0, 2.0, 0.0, 0.0]
    assert a.sum(axis=(0, 2)).tolist() == [0.0, 6.0, 6.0, 0.0, 0.0]
    room = kept.room(8, 20)
    assert [array.shape for array in room.arrays] == [(2, 3, 3), (3,)]
    assert not any(np.shares_memory(new, old) for new, old in zip(room.arrays, (a, b), strict=True))


@pytest.mark.parametrize(
    ("d", "rows"),
    [
        (1, 4096),
        (2, 4096),
        (16, 4096),
        (17, 2048),
        (64, 1024),
        (257, 128),
        (1000, 64),
        (65536, 1),
        (10**7, 1),
    ],
)
def test_the_grid(d, rows):
    assert blocks.block_rows(d) == rows

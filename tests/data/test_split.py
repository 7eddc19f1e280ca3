"""Which rows are held out, and that the parts read what a copy would hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.data.arrays import ArrayRows
from fastgd.data.split import Part, PartRows, split
from fastgd.engine.blocks import block_rows


@given(st.integers(1, 300), st.integers(1, 9), st.integers(2, 6))
def test_the_numbers_of_the_parts_partition_the_rows(n, unit, every):
    rest, held = Part(n, unit, every, False), Part(n, unit, every, True)
    assert rest.n + held.n == n
    numbers = np.concatenate([rest.numbers(), held.numbers()])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(n))
    assert (np.diff(rest.numbers()) > 0).all()
    np.testing.assert_array_equal(held.numbers(), np.flatnonzero(np.arange(n) // unit % every == every - 1))
    if held.n:
        assert held.row(held.n - 1) == held.numbers()[-1]


def split_parts(rows, fraction):
    """The rows left and those held out, and which of all each has."""
    rest, held = split(rows, fraction)
    return rest, held, rest.part, held.part


@pytest.mark.parametrize(
    ("fraction", "every"), [(0.5, 2), (0.34, 3), (0.25, 4), (0.1, 10), (0.4, 2), (0.01, 100)]
)
def test_every_kth_row_of_few(rng, fraction, every):
    rows = ArrayRows(rng.normal(size=(201, 2)), np.arange(201.0))
    rest, held, rest_part, held_part = split_parts(rows, fraction)
    expected = np.arange(every - 1, 201, every)
    assert held_part.numbers().tolist() == held.y.tolist() == expected.tolist()
    assert rest.n + held.n == 201
    np.testing.assert_array_equal(rest_part.numbers(), np.setdiff1d(np.arange(201), expected))


def test_as_many_rows_as_one_is_held_out_of():
    rest, held = split(ArrayRows(np.arange(4.0), np.arange(4.0)), 0.25)
    assert (rest.n, held.n) == (3, 1)
    with pytest.raises(
        ValueError, match=r"^validation_fraction=0\.25 holds out one row in 4, and there are 3; take"
    ):
        split(ArrayRows(np.arange(3.0), np.arange(3.0)), 0.25)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_every_kth_block_of_many_is_read_where_it_is(rng, dtype):
    d = 2000
    unit = block_rows(d)
    n = 7 * unit + 5
    X = (10 * rng.normal(size=(n, d))).astype(dtype)
    y = np.arange(n)
    rows = ArrayRows(X, y)
    rest, held, rest_part, held_part = split_parts(rows, 1 / 3)
    assert isinstance(rest, PartRows)
    assert rest_part.unit == unit
    assert held.n == 2 * unit
    assert rest.n == 5 * unit + 5
    for part, numbers in ((rest, rest_part.numbers()), (held, held_part.numbers())):
        whole_X, whole_y, _ = part.whole()
        np.testing.assert_array_equal(whole_X, X[numbers])
        np.testing.assert_array_equal(whole_y, y[numbers])
        reader = part.reader()
        for start in range(0, part.n, unit):  # a block in one piece
            stop = min(start + unit, part.n)
            np.testing.assert_array_equal(reader.read(start, stop)[1], numbers[start:stop])
        order = rng.permutation(part.n)[:40]
        taken_X, taken_y, _ = reader.take(order)
        np.testing.assert_array_equal(taken_X, X[numbers[order]])
        np.testing.assert_array_equal(taken_y, numbers[order])
        xs, ys, _ = part.lists()
        assert ys == numbers.tolist()
        assert xs[3] == X[numbers[3]].tolist()


def test_targets_of_a_part_are_its_own(rng):
    d = 2000
    n = 4 * block_rows(d)
    rest, held, rest_part, held_part = split_parts(ArrayRows(np.ones((n, d)), np.arange(float(n))), 0.5)
    np.testing.assert_array_equal(rest.y, rest_part.numbers())
    np.testing.assert_array_equal(held.y, held_part.numbers())

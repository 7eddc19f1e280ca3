"""Arrow columns as NumPy arrays of numbers."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from fastgd.data import arrow


def test_a_nan_by_which_a_sum_is_none():
    for values, has_one in (([1.0, np.nan], True), ([np.inf, -np.inf], False), ([1e308, 1e308], False)):
        assert arrow.has_nan(pa.array(values)) == has_one


def test_types_that_are_numbers():
    numbers = [pa.int8(), pa.uint64(), pa.float32(), pa.bool_(), pa.decimal128(5, 2), pa.null()]
    assert all(arrow.is_number(kind) and arrow.is_number(pa.dictionary(pa.int8(), kind)) for kind in numbers)
    others = {
        pa.string(): "text",
        pa.large_string(): "text",
        pa.date32(): "dates",
        pa.timestamp("s"): "dates",
    }
    for kind, name in (others | {pa.binary(): "binary"}).items():
        assert not arrow.is_number(kind)
        assert arrow.describe(kind) == arrow.describe(pa.dictionary(pa.int8(), kind)) == name
    assert [arrow.is_single(kind) for kind in (pa.float32(), pa.float64())] == [True, False]
    assert [arrow.is_whole(kind) for kind in (pa.int16(), pa.float64())] == [True, False]


def test_rows_that_are_there_are_neither_missing_nor_nan():
    column = pa.chunked_array([[1.0, None], [np.nan, 4.0]])
    assert arrow.are_there(column).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 2, 3], pa.int16()), [1, 2, 3]),
        (pa.array([True, False, True]), [True, False, True]),
        (pa.array([Decimal("1.5"), Decimal("-2.25"), Decimal(3)]), [1.5, -2.25, 3.0]),
        (pa.chunked_array([[1.0], [2.0, 3.0]]), [1.0, 2.0, 3.0]),
        (arrow.decoded(pa.array([7.0, 8.0, 7.0]).dictionary_encode()), [7.0, 8.0, 7.0]),
    ],
    ids=["integers", "booleans", "decimals", "chunks", "dictionary"],
)
def test_numbers_of_a_column_and_of_a_part(column, expected):
    values = arrow.numbers(column)
    assert arrow.part(values, 0, 3).tolist() == expected
    assert arrow.part(values, 1, 3).tolist() == expected[1:]


def test_integers_go_to_arrow_in_the_same_memory():
    numbers = np.array([3, -1, 2**62])
    column = arrow.as_arrow(numbers)
    assert column.to_pylist() == numbers.tolist()
    assert column.buffers()[1].address == numbers.ctypes.data

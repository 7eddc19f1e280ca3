"""New arrays, and the least and the greatest of two numbers: they are NumPy's and Python's."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.kernels import arrays
from fastgd.kernels._jit import kernel
from tests.conftest import JIT_IS_OFF


@kernel
def make(rows, columns, like):
    zeros, table = arrays.zeros(rows), arrays.zeros((rows, columns))
    table[rows - 1, columns - 1] = 1.0
    empty, empty_table = arrays.empty(rows), arrays.empty((rows, columns))
    return zeros, table, arrays.zeros_as(rows, like), empty, empty_table


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("rows", [1, 8, 100])
def test_new_arrays(rows, dtype):
    for _ in range(5):
        zeros, table, others, empty, empty_table = make(rows, 3, np.empty(0, dtype))
        assert zeros.tolist() == others.tolist() == [0.0] * rows
        assert table.ravel().tolist() == [0.0] * (3 * rows - 1) + [1.0]
        assert others.dtype == dtype
        assert empty.shape == (rows,)
        assert empty_table.shape == (rows, 3)
        for array in (zeros, table, empty, empty_table):
            assert array.dtype == float
            assert array.flags.c_contiguous
            assert JIT_IS_OFF or array.ctypes.data % arrays.ALIGNMENT == 0
        zeros[:] = others[:] = empty[:] = empty_table[:] = 7.0  # memory that is used again


@kernel
def bits_of(table):
    return arrays.as_bits(table)


def test_bits_share_the_memory_of_their_table():
    table = np.array([[1.0, -0.0], [np.nan, 2.0]])
    bits = bits_of(table)
    np.testing.assert_array_equal(bits, table.view(np.uint64))
    bits[0, 0] = 0
    assert table[0, 0] == 0.0


@kernel
def least_and_greatest(a, b):
    return arrays.least(a, b), arrays.greatest(a, b)


@pytest.mark.parametrize("a", [-3, 5, 1.5, -0.0, np.inf, np.nan])
@pytest.mark.parametrize("b", [-3, 5, 2.5, 0.0, -np.inf, np.nan])
def test_least_and_greatest_are_those_of_python(a, b):
    np.testing.assert_array_equal(least_and_greatest(a, b), (min(a, b), max(a, b)))
    assert np.signbit(least_and_greatest(a, b)).tolist() == [np.signbit(min(a, b)), np.signbit(max(a, b))]

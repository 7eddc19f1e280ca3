"""What is accepted as data, and how blocks of it reach the kernels."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd import InvalidDataError
from fastgd.data.arrays import ArrayRows, as_array, as_weights


@pytest.mark.parametrize(
    "dtype", ["f8", "f4", ">f8", ">f4", "f2", "i1", "i8", "u2", "u8", "?", np.longdouble]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_kernels_see_contiguous_native_floats_of_the_same_values(dtype, order):
    values = (np.arange(60) % 2 if dtype == "?" else np.arange(60)).reshape(20, 3)
    X, y = np.asarray(values, dtype, order=order), np.asarray(values[:, 0], dtype)
    reader = ArrayRows(X, y).reader()
    for start, stop in ((0, 20), (3, 7), (19, 20)):
        Xb, yb, _ = reader.read(start, stop)
        for block, expected in ((Xb, X[start:stop]), (yb, y[start:stop])):
            assert block.dtype == (np.float32 if np.dtype(dtype).str[1:] == "f4" else np.float64)
            assert block.dtype.isnative
            assert block.flags.c_contiguous
            assert not block.flags.writeable
            np.testing.assert_array_equal(block, expected.astype(float))


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_arrays_that_kernels_can_read_are_not_copied(dtype):
    X, y = np.zeros((20, 3), dtype), np.zeros(20, dtype)
    Xb, yb, _ = ArrayRows(X, y).reader().read(5, 9)
    assert np.shares_memory(Xb, X)
    assert np.shares_memory(yb, y)
    assert X.flags.writeable


def test_what_is_converted_goes_through_one_buffer():
    reader = ArrayRows(np.zeros((20, 3), int), np.zeros(20, int)).reader()
    first, *_ = reader.read(0, 10)
    second, *_ = reader.read(10, 20)
    assert np.shares_memory(first, second)


def test_mixed_precision_keeps_each():
    Xb, yb, _ = ArrayRows(np.zeros((5, 2), np.float32), np.zeros(5, int)).reader().read(0, 5)
    assert (Xb.dtype, yb.dtype) == (np.float32, np.float64)


class Frame:
    """What a data frame is to NumPy."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        if isinstance(self.values, Exception):
            raise self.values
        return np.asarray(self.values, dtype)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_anything_that_is_an_array_to_numpy():
    assert ArrayRows(Frame([[1.0, 2.0]]), Frame([3])).d == 2
    assert ArrayRows(np.matrix([[1.0, 2.0]]), [3]).d == 2
    with pytest.raises(InvalidDataError, match="^X cannot be made an array: a tensor on another device$"):
        ArrayRows(Frame(RuntimeError("a tensor on another device")), [1.0])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "^X is of type NoneType; X must hold real numbers$"),
        ({1.0, 2.0}, "^X is of type set; X must hold real numbers$"),
        ((x for x in [1.0]), "^X is of type generator; X must hold real numbers$"),
        ({"a": 1.0}, "^X is of type dict; X must hold real numbers$"),
        ("12", r"^X holds text \(<U2\); it must hold real numbers$"),
        ([b"1"], r"^X holds bytes \(\|S1\); it must hold real numbers$"),
        (np.array(["2026-01-01"], "datetime64[D]"), "^X holds dates"),
        (np.array([1], "timedelta64[s]"), "^X holds time spans"),
        (np.zeros(2, [("a", float)]), "^X holds records"),
        ([1 + 2j], "^X holds complex numbers"),
        ([1.0, "a", None][::2], r"^X\[1\] is None; X must hold real numbers$"),
        ([[1, 2], [3]], "^X is ragged: its rows must all have the same length$"),
        ([10**400], r"^X\[0\] is too large for a float$"),
        (np.ma.masked_equal([1.0, 2.0], 1.0), "^X is a masked array; fill or drop its masked values first$"),
    ],
)
def test_what_is_not_real_numbers_is_refused_in_a_sentence(value, message):
    with pytest.raises(InvalidDataError, match=message):
        as_array("X", value)


def test_weights_are_a_copy():
    given = np.array([1.0, 2.0])
    weights = as_weights("w", given, 2, False)
    weights[0] = 9.0
    assert given.tolist() == [1.0, 2.0]
    assert as_weights("w", 3, 1, True).tolist() == [3.0]


@pytest.mark.parametrize("n", [1, 4096, 4097])
def test_what_one_block_is(n):
    assert ArrayRows(np.zeros(n), np.zeros(n)).is_one_block == (n <= 4096)
    assert ArrayRows(np.zeros((n, 1000)), np.zeros(n)).is_one_block == (n <= 64)

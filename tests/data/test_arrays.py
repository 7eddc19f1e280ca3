"""What is accepted as data, and how blocks of it reach the kernels."""

from __future__ import annotations

import mmap
import os

import numpy as np
import pytest

import fastgd
from fastgd import InvalidDataError
from fastgd.data.arrays import ArrayRows, as_array, as_weights, mapping_of, refuse_cut_short
from tests.conftest import JIT_IS_OFF


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


N, D = 4500, 3


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "numbers"
    path.write_bytes(np.arange(N * D, dtype=float).tobytes())
    return path


class TestCutShort:
    """The cut lies within the last page: to read behind it gives zeros, and the test lives to see them."""

    def cut(self, path, nbytes=8):
        os.truncate(path, path.stat().st_size - nbytes)

    @pytest.mark.parametrize(
        "ask",
        [
            fastgd.gradient_descent,
            fastgd.sgd,
            fastgd.diagnose,
            lambda X, y: fastgd.cost_and_gradient(X, y, np.zeros(D)),
            lambda X, y: fastgd.sweep(X, y, learning_rates=[1e-9]),
        ],
        ids=["gradient_descent", "sgd", "diagnose", "cost_and_gradient", "sweep"],
    )
    def test_is_refused(self, file, ask):
        X = np.memmap(file, float, "r", shape=(N, D))
        self.cut(file)
        with pytest.raises(
            InvalidDataError,
            match=f"^X lies in a file that was cut short: it has {N * D * 8 - 8} bytes and the array needs "
            f"{N * D * 8}; write it again$",
        ):
            ask(X, np.ones(N))

    def test_of_targets_and_weights_too(self, file):
        mapped = np.memmap(file, float, "r")[-N:]
        self.cut(file)
        with pytest.raises(InvalidDataError, match="^y lies in a file that was cut short"):
            fastgd.gradient_descent(np.ones((N, D)), mapped)
        with pytest.raises(InvalidDataError, match="^sample_weight lies in a file that was cut short"):
            fastgd.gradient_descent(np.ones((N, D)), np.ones(N), sample_weight=mapped)

    def test_what_is_left_can_be_used(self, file):
        X, y = np.memmap(file, float, "r", shape=(N, D)), np.ones(N)
        expected = fastgd.cost(np.array(X[: N - 1]), y[1:], np.ones(D))
        self.cut(file)
        assert fastgd.cost(X[: N - 1], y[1:], np.ones(D)) == expected
        assert fastgd.cost(X[: N - 1][::-1][::-1], y[1:], np.ones(D)) == expected
        assert fastgd.cost(X[:, :2], y, np.ones(2)) > 0.0
        for part in (X, X[::-1], X[1:], X[:, 1:], X.T, X[N - 1 :], np.asarray(X)[::-1, ::-1], X.view("i8")):
            with pytest.raises(InvalidDataError, match="cut short"):
                refuse_cut_short("part", part)
        refuse_cut_short("nothing", X[N:])

    @pytest.mark.parametrize("offset", [8, mmap.ALLOCATIONGRANULARITY, mmap.ALLOCATIONGRANULARITY * 2 + 24])
    def test_of_what_begins_within_the_file(self, file, offset):
        length = N * D - offset // 8
        mapped = np.memmap(file, float, "r", offset=offset)
        assert len(mapped) == length
        for array in (mapped, mapped[5:], np.asarray(mapped)[5:], mapped[5:][::-1], mapped[-1:]):
            assert mapping_of(array)[1] == offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
            refuse_cut_short("y", array)
        self.cut(file, 24)
        refuse_cut_short("y", mapped[:-3])
        for array in (mapped, mapped[:-2], mapped[::-1], np.asarray(mapped)[-3:-2]):
            with pytest.raises(InvalidDataError, match=f"has {N * D * 8 - 24} bytes"):
                refuse_cut_short("y", array)

    def test_of_an_npy_file(self, tmp_path):
        np.save(tmp_path / "X.npy", np.ones((D, N), np.int16).T)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
        refuse_cut_short("X", X)
        self.cut(tmp_path / "X.npy", 1)
        refuse_cut_short("X", X[:-1])
        with pytest.raises(InvalidDataError, match="cut short"):
            fastgd.gradient_descent(X, np.ones(N))

    def test_of_a_mapping_that_numpy_did_not_make(self, file):
        with open(file, "rb") as stream:
            mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        arrays = [
            np.frombuffer(mapping),
            np.frombuffer(memoryview(mapping)),
            np.ndarray(N * D, float, mapping),
        ]
        for array in arrays:
            assert mapping_of(array) == (mapping, 0)
            refuse_cut_short("y", array)
        self.cut(file)
        for array in arrays:
            with pytest.raises(InvalidDataError, match="cut short"):
                refuse_cut_short("y", array)

    def test_a_file_that_was_deleted_is_whole(self, file):
        X = np.memmap(file, float, "r", shape=(N, D))
        expected = fastgd.cost(np.array(X), np.ones(N), np.ones(D))
        try:
            file.unlink()
        except PermissionError:
            pytest.skip("this system keeps files that are in use")
        assert fastgd.cost(X, np.ones(N), np.ones(D)) == expected

    def test_memory_is_no_file(self):
        for array in (np.ones(3), np.ones((3, 3))[1:], np.frombuffer(bytes(16)), mmap.mmap(-1, 16)):
            values = np.asarray(np.frombuffer(array)) if isinstance(array, mmap.mmap) else array
            refuse_cut_short("X", values)
        assert mapping_of(np.ones(3)[1:]) is None


def test_the_row_of_a_nan_far_inside(tmp_path):
    n, row = (20_000, 14_001) if JIT_IS_OFF else (10_000_000, 7_000_001)
    X = np.memmap(tmp_path / "X", np.float32, "w+", shape=(n, 1))  # a file of holes, which read as zeros
    y = np.memmap(tmp_path / "y", np.int8, "w+", shape=(n,))
    X[row] = np.nan
    with pytest.raises(InvalidDataError, match=rf"^X\[{row}, 0\] is NaN"):
        fastgd.gradient_descent(X, y, learning_rate=0.1, n_epochs=2)

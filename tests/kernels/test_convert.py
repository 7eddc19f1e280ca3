"""Columns turned into rows: every number in its place, of every type, and nothing written beside them."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.data import conversion
from tests.conftest import JIT_IS_OFF

DTYPES = ["f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
ROWS = [1, 7, 8, 9, 23, 100]
COLUMNS = [2, 3, 7, 8, 9, 16, 20]


def numbers(rng, dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(conversion, "LEAST_NUMBERS", 1)


@pytest.mark.parametrize("dtype", DTYPES[::4] if JIT_IS_OFF else DTYPES)
def test_columns_are_turned_into_rows(rng, always, dtype):
    wanted = np.float32 if dtype == "f4" else np.float64
    for n in ROWS:
        for d in COLUMNS:
            whole = numbers(rng, dtype, (d, n + 5)).T
            repeated = np.broadcast_to(whole[:, :1], whole.shape)
            for values in (whole, whole[3 : n + 3], whole[2 : n + 2, ::2], whole[:, ::-1], repeated):
                for start, stop in ((0, n), (n // 3, n - n // 4)):
                    room = np.full((stop - start + 2, values.shape[1]), -7, wanted)
                    fill = conversion.filler(values)
                    assert values.shape[1] == 1 or fill.__name__ == "turn"
                    fill(room[1:-1], start, stop)
                    np.testing.assert_array_equal(room[1:-1], values[start:stop].astype(wanted))
                    assert (room[[0, -1]] == -7).all()


@pytest.mark.parametrize(
    "values",
    [
        np.ones((9, 4), np.float16, order="F"),
        np.ones((9, 4), bool, order="F"),
        np.ones((9, 4), ">f8", order="F"),
        np.ones((9, 4), "i2"),
        np.ones((9, 4), "i2", order="F")[::2],
        np.ones(9, "i2"),
    ],
    ids=["float16", "bool", "foreign", "C", "strided", "a line"],
)
def test_the_rest_is_left_to_numpy(always, values):
    room = np.zeros((5, *values.shape[1:]))
    fill = conversion.filler(values)
    assert fill.__name__ == "copy"
    fill(room[: len(values)], 0, 5)
    np.testing.assert_array_equal(room, values[:5].astype(float))

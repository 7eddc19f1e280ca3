"""Rows in other coordinates against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows
from fastgd.data.transform import ShiftedTargets, TransformedRows

CASES = [(has_ones, is_weighted) for has_ones in (False, True) for is_weighted in (False, True)]


def expected(X, y, shift, scale, has_ones, s):
    table = (X.reshape(len(y), -1).astype(float) - shift) * scale
    if has_ones:
        table = np.column_stack([table, np.ones(len(y))])
    root = np.sqrt(s) if len(s) else np.ones(len(y))
    return root[:, None] * table, root * y


def made(rng, d, has_ones, is_weighted, dtype=np.float64):
    X = rng.normal(size=(50,) if d is None else (50, d)).astype(dtype)
    y, width = rng.normal(size=50).astype(dtype), d or 1
    s = np.where(np.arange(50) % 7 == 3, 0.0, rng.random(50)) if is_weighted else np.empty(0)
    shift, scale = rng.normal(size=width), rng.random(width)
    rows = TransformedRows(ArrayRows(X, y, s), shift, scale, has_ones=has_ones)
    return rows, expected(X, y, shift, scale, has_ones, s)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("d", [None, 1, 3, 20])
@pytest.mark.parametrize(("has_ones", "is_weighted"), CASES)
def test_every_way_of_reading(rng, d, has_ones, is_weighted, dtype):
    rows, (X, y) = made(rng, d, has_ones, is_weighted, dtype)
    assert (rows.n, rows.d) == X.shape
    close = dict(rtol=1e-14, atol=1e-15)
    for found in (rows.whole(), rows.lists()):
        np.testing.assert_allclose(found[0], X, **close)
        np.testing.assert_allclose(found[1], y, **close)
    np.testing.assert_allclose(rows.X, X, **close)
    reader = rows.reader()
    for start, stop in ((0, 7), (7, 50), (49, 50)):  # a larger one after a smaller
        part_X, part_y, _ = reader.read(start, stop)
        np.testing.assert_allclose(part_X, X[start:stop], **close)
        np.testing.assert_allclose(part_y, y[start:stop], **close)
        assert part_X.flags.c_contiguous
        assert not part_X.flags.writeable
    order = rng.permutation(50)[:20]
    taken_X, taken_y, _ = reader.take(order)
    np.testing.assert_allclose(taken_X, X[order], **close)
    np.testing.assert_allclose(taken_y, y[order], **close)


def test_the_data_is_not_changed(rng):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    kept = X.copy(), y.copy()
    rows = TransformedRows(ArrayRows(X, y, rng.random(20)), np.ones(2), np.full(2, 3.0), has_ones=True)
    rows.whole()
    rows.lists()
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def test_the_squared_loss_of_a_row_is_its_weight_times_the_old(rng):
    rows, (X, y) = made(rng, 3, True, True)
    plain, _ = made(np.random.default_rng(20_260), 3, True, False)
    theta = rng.normal(size=4)
    squares = (X @ theta - y) ** 2
    table, target, _ = rows.whole()
    np.testing.assert_allclose((table @ theta - target) ** 2, squares, atol=1e-13)
    assert plain.d == rows.d == 4


def test_what_is_not_a_number_is_named_by_its_place_in_the_data():
    X = np.ones((5, 2))
    X[3, 1] = np.inf
    rows = TransformedRows(ArrayRows(X, np.ones(5)), np.zeros(2), np.ones(2), has_ones=True)
    with pytest.raises(InvalidDataError, match=r"^X\[3, 1\] is infinite"):
        rows.refuse_nonfinite()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shifted_targets(rng, dtype):
    X, y, s = (
        rng.normal(size=(50, 2)).astype(dtype),
        rng.integers(0, 9, size=50).astype(dtype),
        rng.random(50),
    )
    rows = ShiftedTargets(ArrayRows(X, y, s), 1e9)
    for found in (
        rows.whole(),
        rows.reader().read(0, 50),
        rows.head(50),
        rows.over(ArrayRows(X, y, s)).whole(),
    ):
        np.testing.assert_array_equal(found[0], X)
        np.testing.assert_array_equal(found[1], y.astype(float) - 1e9)
        np.testing.assert_array_equal(found[2], s)
    assert rows.lists()[1] == (y.astype(float) - 1e9).tolist()
    assert (rows.n, rows.d, rows.has_weights, rows.is_scalar) == (50, 2, True, False)

"""Rows weighted by the curvature of a loss, against the second derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd import losses
from fastgd.data.arrays import ArrayRows
from fastgd.data.curved import CHORD, FLAT, CurvedRows
from tests.problems import LogCosh, Smooth


def second_of_log_loss(score, y):
    p = 1.0 / (1.0 + np.exp(-score))
    return p * (1.0 - p)


def second_of_smooth(score, y):
    """The second derivative, or an eighth of slope/(score − y) where that is larger."""
    root = (1.0 + (score - y) ** 2 / 1.5**2) ** 0.5
    return np.maximum(2.0 / root**3, CHORD * 2.0 / root)


LOSSES = {
    "log_loss": (losses.LogLoss(), second_of_log_loss),
    "poisson": (losses.Poisson(), lambda score, y: np.exp(score)),
    "own": (losses.as_loss(Smooth()), second_of_smooth),
    "squared_hinge": (losses.SquaredHinge(), lambda score, y: 2.0 * ((2.0 * y - 1.0) * score < 1.0)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("d", [None, 1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_weights_are_those_of_the_rows_times_the_curvature(rng, name, d, is_weighted, dtype):
    loss, second = LOSSES[name]
    X = rng.normal(size=(40,) if d is None else (40, d)).astype(dtype)
    y, w = (rng.random(40) < 0.5).astype(dtype), rng.normal(size=d or 1)
    s = rng.random(40) if is_weighted else np.empty(0)
    rows = CurvedRows(ArrayRows(X, y, s), loss, w, 0.3, 1.0)
    scores = X.reshape(40, -1).astype(float) @ w + 0.3
    expected = second(scores, y) * (s if is_weighted else 1.0)
    close = dict(rtol=1e-5, atol=2.0 * FLAT * 2.0)  # of a difference quotient
    for found in (rows.whole(), rows.head(40), rows.reader().read(0, 40), rows.lists()):
        np.testing.assert_allclose(found[2], expected, **close)
        np.testing.assert_array_equal(np.reshape(found[0], X.shape), X)
        np.testing.assert_array_equal(found[1], y)
    np.testing.assert_allclose(rows.reader().read(7, 20)[2], expected[7:20], **close)
    np.testing.assert_allclose(rows.whole()[2], rows.lists()[2], rtol=1e-7, atol=1e-9)
    assert rows.has_weights


def weights_of(loss, X, y, **options):
    rows = CurvedRows(ArrayRows(X, y), loss, np.ones(1), 0.0, 1.0, **options)
    np.testing.assert_allclose(rows.whole()[2], rows.lists()[2], rtol=1e-12)
    return rows.whole()[2].tolist()


def test_a_straight_loss_counts_by_its_chord():
    X, y = [[0.5], [9.0]], [0.0, 0.0]
    assert weights_of(losses.Huber(1.0), X, y) == pytest.approx([2.0, CHORD * 2.0 / 9.0])
    assert weights_of(losses.Huber(1.0), X, y, chord=1.0) == pytest.approx([2.0, 2.0 / 9.0])


def test_a_straight_loss_of_classes_counts_by_its_chord_on_demand():
    loss = losses.ModifiedHuber()
    assert weights_of(loss, [[0.5], [-9.0]], [1.0, 1.0]) == pytest.approx([2.0, 2.0 * FLAT])
    assert weights_of(loss, [[0.5], [-9.0]], [1.0, 1.0], chord=1.0) == pytest.approx([2.0, 4.0 / 10.0])


def test_a_loss_without_a_bound_has_no_least_curvature():
    loss = losses.as_loss(LogCosh())
    assert weights_of(loss, [[0.1], [60.0]], [0.0, 0.0])[1] == pytest.approx(CHORD / 60.0)

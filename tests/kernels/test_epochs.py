"""Epochs on sums, and maps that are composed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd.kernels import epochs


def test_a_cost_that_rounds_below_nothing_is_nothing_and_nan_stays():
    G, c, h = np.array([[1.0]]), np.array([1.0]), np.empty(1)
    assert epochs.evaluate(G, c, 1.0, 1, np.array([1.0]), h) == 0.0
    assert epochs.evaluate(G, c, 1.0 - 1e-16, 1, np.array([1.0]), h) == 0.0
    assert math.isnan(epochs.evaluate(G, c, math.nan, 1, np.array([1.0]), h))


def test_composing_stops_where_digits_would_be_lost(rng):
    """Growing by 2⁵, shrinking and growing again is fine; growing twice, by 2¹⁰, is not."""
    a = np.array([[[2.0**5]], [[2.0**-5]], [[2.0**5]]])
    b = np.ones((3, 1))
    growth = np.array([2.0**5, 1.0, 2.0**5])
    out = np.empty((1, 1)), np.empty(1)
    assert epochs.compose_all(a, b, growth, 2.0**8, *out)
    assert (out[0][0, 0], out[1][0]) == (2.0**5, 2.0**5 * (2.0**-5 + 1) + 1)
    assert not epochs.compose_all(a[[0, 2, 1]], b, growth[[0, 2, 1]], 2.0**8, *out)
    assert not epochs.compose_all(a, b, np.array([2.0**9, 1.0, 1.0]), 2.0**8, *out)
    assert not epochs.compose_all(a, b, np.array([1.0, 1.0, np.nan]), 2.0**8, *out)


@pytest.mark.parametrize("d", [2, 5])
def test_composing_is_applying_one_after_the_other(rng, d):
    a, b = 0.5 * rng.standard_normal((6, d, d)), rng.standard_normal((6, d))
    out_a, out_b = np.empty((d, d)), np.empty(d)
    assert epochs.compose_all(a, b, np.ones(6), 2.0**8, out_a, out_b)
    u = rng.standard_normal(d)
    expected = u.copy()
    epochs.apply_maps(a, b, np.arange(6), expected, np.empty(d))
    np.testing.assert_allclose(out_a @ u + out_b, expected, rtol=1e-12)

"""Statistics of centred rows: how many digits they keep, and when the rows are read again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastgd
from tests.conftest import JIT_IS_OFF
from tests.problems import problem


@pytest.mark.parametrize("is_sorted", [False, True])
@pytest.mark.parametrize("how", [dict(method="summary"), dict(method="stream"), dict(loss="huber"), "sgd"])
def test_columns_far_off_keep_their_digits(rng, how, is_sorted):
    """Mean 1e8, spread 1: the data near 0, moved by a power of two, which is exact."""
    n = 100 if JIT_IS_OFF else 9000
    near = np.round(rng.normal(size=(n, 2)) * 2**20) / 2**20
    near = np.sort(near, axis=0) if is_sorted else near
    y = near @ [1.0, -2.0] + 0.1 * rng.normal(size=n)
    far = near + 2.0**27
    fit_by = fastgd.gradient_descent
    if how == "sgd":
        fit_by, how = fastgd.sgd, dict(learning_rate=0.01)
    how = dict(learning_rate=0.1, n_epochs=3, fit_intercept=True, standardize=True) | how
    fit, expected = fit_by(far, y, **how), fit_by(near, y, **how)
    np.testing.assert_allclose(fit.w_history, expected.w_history, atol=1e-8)
    middle = near[:: n // 9]
    scores, expected_scores = fit.predict(middle + 2.0**27), expected.predict(middle)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-7)  # a rounding of 2^27 w is 3e-8


@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("how", [dict(method="summary"), dict(method="stream"), dict(loss="huber")], ids=str)
def test_the_first_rows_need_not_tell_of_the_rest(rng, how, spread):
    n = 200 if JIT_IS_OFF else 9000
    X = rng.normal(size=(n, 2)) * spread
    X[: n // 2, 1] = 5.0
    y = X @ [1.0, 2.0] + 0.1 * rng.normal(size=n)
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    how = how | dict(fit_intercept=True, learning_rate=0.1, n_epochs=5)
    fit = fastgd.gradient_descent(X, y, standardize=True, **how)
    by_hand = fastgd.gradient_descent((X - mean) / deviation, y, **how)
    np.testing.assert_allclose(fit.w_history, by_hand.w_history / deviation, rtol=1e-11)
    np.testing.assert_allclose(fit.cost_history, by_hand.cost_history, rtol=1e-11)


def test_columns_whose_squares_vanish_are_refused(rng):
    X, y = problem(rng, 40, 2)
    with pytest.raises(
        fastgd.InvalidDataError, match=r"^column 0 of X spans .*: its squares vanish; scale X$"
    ):
        fastgd.gradient_descent(X * 1e-200, y, standardize=True, fit_intercept=True)
    frame = pd.DataFrame(X * [1.0, 1e-200], columns=["a", "b"])
    with pytest.raises(fastgd.InvalidDataError, match='^column "b" of X spans .*; scale X$') as caught:
        fastgd.gradient_descent(frame, y, standardize=True, fit_intercept=True)
    assert (caught.value.column, caught.value.name) == (1, "b")

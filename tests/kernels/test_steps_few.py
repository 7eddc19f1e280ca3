"""The slope of the log loss from a table, against exact decimals."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numba
import numpy as np

from fastgd import losses
from fastgd.kernels import steps_few


@numba.njit
def slopes(loss, scores, y, out):
    for i in range(len(scores)):
        out[i] = steps_few.short_slope(loss, scores[i], y)


def test_the_slope_from_the_table_has_all_digits(rng):
    edges = [sign * (31.875 + off) for sign in (-1, 1) for off in (-1e-14, 0.0, 1e-14, 0.1)]
    middles = [k / 16 + off for k in range(-520, 521) for off in (-1e-9, 0.0, 1e-9)]
    scores = np.array([*edges, *middles, *rng.uniform(-34, 34, 2000), 1e-300, -0.0])
    for y in (0.0, 1.0):
        got = np.empty(len(scores))
        slopes(losses.LogLoss(), scores, y, got)
        with localcontext() as context:
            context.prec = 40
            exact = [1 / (1 + (-Decimal(float(score))).exp()) - Decimal(y) for score in scores]
            errors = [abs(Decimal(float(a)) - e) for a, e in zip(got, exact, strict=True)]
            relative = max(error / abs(e) for error, e in zip(errors, exact, strict=True))
        assert max(errors) < 4e-16
        assert y == 1.0 or relative < 8e-16


def test_the_slope_of_scores_outside_the_table():
    scores = np.array([-math.inf, -800.0, 800.0, math.inf, math.nan, 1e300])
    got = np.empty(len(scores))
    slopes(losses.LogLoss(), scores, 0.0, got)
    np.testing.assert_array_equal(got, [0.0, 0.0, 1.0, 1.0, math.nan, 1.0])

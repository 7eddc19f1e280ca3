"""The compiled losses: digits by wider arithmetic, slopes by differences, and against the Python methods."""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest
from numba import njit

from fastgd import losses
from fastgd.kernels import losses as compiled

CONTEXT = Context(prec=60, Emin=-9999, Emax=9999)
LOSSES = [losses.SquaredError(), losses.Huber(1.35), losses.LogLoss(), losses.Quantile(0.3)]
LOG = losses.LogLoss()


@njit
def _exp(x):
    return np.array([compiled.exp_of_negative(x[i]) for i in range(len(x))])


@njit
def _exp_of_any(x):
    return np.array([compiled.exp(x[i]) for i in range(len(x))])


@njit
def _log1p(e):
    return np.array([compiled.log1p_of_part(e[i]) for i in range(len(e))])


@njit
def _value(loss, score, y):
    return np.array([compiled.value(loss, score[i], y[i]) for i in range(len(y))])


@njit
def _slope(loss, score, y):
    return np.array([compiled.slope(loss, score[i], y[i]) for i in range(len(y))])


def ulps(computed, exact: list[Decimal]) -> float:
    """The largest distance from the exact values, in units of their last place."""
    assert np.isfinite(computed).all()
    return max(
        float(abs(Decimal(float(one)) - true) / Decimal(math.ulp(float(true))))
        for one, true in zip(computed, exact, strict=True)
    )


def scores(rng) -> np.ndarray:
    """A grid, edges of the reduction by ln 2, tiny ones and such as make exp nearly underflow."""
    halves = (np.arange(1, 60) - 0.5) * math.log(2.0)
    edges = np.concatenate([np.nextafter(halves, 0.0), halves, np.nextafter(halves, np.inf)])
    sizes = np.concatenate(
        [np.linspace(0.0, 40.0, 401), edges, 10.0 ** rng.uniform(-300, 2.84, 400), [5e-324, 690.0, 707.9]]
    )
    return np.concatenate([sizes, -sizes])


def test_exp_is_within_two_ulps(rng):
    x = -np.abs(scores(rng))
    assert ulps(_exp(x), [CONTEXT.exp(Decimal(float(one))) for one in x]) < 1.2


def test_exp_of_extremes():
    payload = np.array([0x7FF8_1234_5678_9ABD, 0xFFF0_0000_0000_0FFF], np.uint64).view(np.float64)
    x = np.array([0.0, -0.0, -5e-324, -708.0, -708.5, -745.2, -1e300, -np.inf, np.nan, *payload])
    found = _exp(x)
    np.testing.assert_array_equal(found[:3], 1.0)
    assert found[3] == pytest.approx(3.307553003638408e-308, rel=1e-15)
    np.testing.assert_array_equal(found[4:8], 0.0)
    assert np.isnan(found[8:]).all()


def test_log1p_is_within_two_ulps(rng):
    e = np.concatenate([np.linspace(0.0, 1.0, 1001), rng.random(1000), 10.0 ** rng.uniform(-307, 0, 500)])
    e = np.append(e, [5e-324, 1e-310, np.nextafter(1.0, 0.0)])
    exact = [CONTEXT.ln(CONTEXT.add(1, Decimal(float(one)))) if one > 1e-40 else _small(one) for one in e]
    assert ulps(_log1p(e), exact) < 1.2
    assert np.isnan(_log1p(np.array([np.nan]))).all()


def _small(e: float) -> Decimal:
    """log1p where 60 digits of 1 + e are not enough."""
    return CONTEXT.subtract(Decimal(float(e)), Decimal(float(e)) ** 2 / 2)


def _exact(score: float, y: float) -> tuple[Decimal, Decimal]:
    """The log loss and its slope of y in {0, 1}, by the formula of the side that does not cancel."""
    with localcontext(CONTEXT):
        side = 1 if y == 0.0 else -1
        m = side * Decimal(float(score))
        e = (-abs(m)).exp()
        softplus = (1 + e).ln() if e > Decimal("1e-40") else e - e * e / 2
        return max(m, Decimal(0)) + softplus, side * (Decimal(1) if m > 0 else e) / (1 + e)


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_log_loss_has_its_digits_in_the_tails_too(rng, y):
    score = scores(rng)
    exact = [_exact(one, y) for one in score]
    target = np.full(len(score), y)
    assert ulps(_value(LOG, score, target), [value for value, _ in exact]) < 2.0
    assert ulps(_slope(LOG, score, target), [slope for _, slope in exact]) < 2.5


def test_log_loss_of_large_scores():
    score, y = np.array([40.0, -40.0, 40.0, -40.0]), np.array([1.0, 0.0, 0.0, 1.0])
    tail = math.exp(-40.0)
    np.testing.assert_allclose(_value(LOG, score, y), [tail, tail, 40.0, 40.0], rtol=1e-15)
    np.testing.assert_allclose(_slope(LOG, score, y), [-tail, tail, 1.0, -1.0], rtol=1e-15)


def test_log_loss_of_a_share(rng):
    """y between 0 and 1 is a mean of the two: so is its loss, and so its slope."""
    score, y = rng.normal(size=50) * 5, rng.random(50)
    zero, one = np.zeros(50), np.ones(50)
    for function in (_value, _slope):
        mean = (1 - y) * function(LOG, score, zero) + y * function(LOG, score, one)
        np.testing.assert_allclose(function(LOG, score, y), mean, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda one: type(one).__name__)
def test_slopes_are_the_differences_of_values(rng, loss):
    score, y = rng.normal(size=400) * 3, (rng.random(400) < 0.5).astype(float)
    gap = np.abs(np.abs(score - y) - 1.35) > 1e-3
    score, y = score[gap & (np.abs(score - y) > 1e-3)], y[gap & (np.abs(score - y) > 1e-3)]
    h = 1e-5
    difference = (_value(loss, score + h, y) - _value(loss, score - h, y)) / (2 * h)
    np.testing.assert_allclose(_slope(loss, score, y), difference, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda one: type(one).__name__)
def test_compiled_is_the_python_method(rng, loss):
    score = np.concatenate([rng.normal(size=300) * 4, [0.0, 1.0, 1.35, 2.35, -700.0, 700.0]])
    y = (rng.random(len(score)) < 0.5).astype(float)
    pairs = list(zip(score.tolist(), y.tolist(), strict=True))
    np.testing.assert_allclose(
        _value(loss, score, y), [loss.value(*pair) for pair in pairs], rtol=1e-12, atol=1e-15
    )
    np.testing.assert_allclose(
        _slope(loss, score, y), [loss.slope(*pair) for pair in pairs], rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("loss", LOSSES, ids=lambda one: type(one).__name__)
def test_nan_stays_nan(loss):
    score, y = np.array([np.nan, 0.5]), np.array([1.0, np.nan])
    assert np.isnan(_value(loss, score, y)).all()


def test_the_exponential_of_positive_numbers_and_its_end(rng):
    most = losses.MOST_EXPONENT
    x = np.array([0.0, 1.0, -1.0, 709.0, most, *rng.uniform(-700.0, most, 1000)])
    with localcontext(CONTEXT):
        exact = [Decimal(number).exp() for number in x.tolist()]
        errors = [abs(Decimal(a) / e - 1) for a, e in zip(_exp_of_any(x).tolist(), exact, strict=True)]
    assert max(errors) < 2.5e-16
    above = np.array([math.nextafter(most, math.inf), 1e300, math.inf, math.nan])
    np.testing.assert_array_equal(_exp_of_any(above), [math.inf, math.inf, math.inf, math.nan])

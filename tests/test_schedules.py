"""Learning rates: a number, an array of them, a function of the epoch."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd import schedules
from fastgd.schedules import TimesAuto, as_rates


@pytest.mark.parametrize("rate", [0.1, 1, np.float32(0.5), np.int64(2), np.array(0.25)])
def test_one_number_is_every_epochs_rate_and_takes_no_memory(rate):
    rates = as_rates(rate, 1000)
    assert rates.shape == (1000,)
    assert rates.strides == (0,)
    assert set(rates.tolist()) == {float(rate)}


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_an_array_is_a_rate_an_epoch(kind):
    assert as_rates(kind([0.3, 0.2, 0.1]), 3).tolist() == [0.3, 0.2, 0.1]


def test_a_function_is_asked_for_each_epoch_once():
    asked = []
    rates = as_rates(lambda epoch: asked.append(epoch) or 1 / (1 + epoch), 4)
    assert rates.tolist() == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert asked == [0, 1, 2, 3]


def test_no_epochs_need_no_rates():
    assert as_rates(0.1, 0).shape == as_rates([], 0).shape == as_rates(lambda epoch: 1 / 0, 0).shape == (0,)


def test_the_error_of_a_function_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        as_rates(lambda epoch: 1 / (2 - epoch), 5)


def test_the_formulas_of_the_schedules():
    k = np.arange(7)
    np.testing.assert_allclose(schedules.inverse_scaling(0.3, 7), 0.3 / np.sqrt(k + 1), rtol=1e-15)
    np.testing.assert_allclose(schedules.inverse_scaling(0.3, 7, power=1), 0.3 / (k + 1), rtol=1e-15)
    np.testing.assert_allclose(schedules.inverse_scaling(0.3, 7, power=0.0), 0.3, rtol=1e-15)
    np.testing.assert_allclose(schedules.exponential(0.3, 7, decay=0.5), 0.3 * 0.5**k, rtol=1e-15)
    expected = [0.4, 0.4, 0.4, 0.04, 0.04, 0.04, 0.004]
    np.testing.assert_allclose(schedules.step(0.4, 7, every=3), expected, rtol=1e-14)
    np.testing.assert_allclose(schedules.step(0.4, 3, every=1, factor=0.5), [0.4, 0.2, 0.1], rtol=1e-15)
    np.testing.assert_allclose(schedules.cosine(1.0, 4), [1.0, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5])
    halfway = schedules.cosine(1.0, 10, last=0.2)
    assert halfway[0] == 1.0
    assert halfway[5] == pytest.approx(0.6, rel=1e-14)
    assert (np.diff(halfway) < 0).all()


def test_schedules_are_rates_of_a_run(rng):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    for rates in (
        schedules.inverse_scaling(0.1, 5),
        schedules.exponential(0.1, 5, decay=0.9),
        schedules.step(0.1, 5, every=2),
        schedules.cosine(0.1, 5),
    ):
        for how in ({}, dict(loss="huber"), dict(fit_intercept=True)):
            fit = fastgd.gradient_descent(X, y, learning_rate=rates, n_epochs=5, **how)
            assert fit.learning_rates.tolist() == rates.tolist()
    assert schedules.cosine(0.1, 0).shape == schedules.step(0.1, 0, every=1).shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: schedules.inverse_scaling(0.0, 3), ValueError, r"^first must be positive, not 0\.0$"),
        (lambda: schedules.inverse_scaling(1.0, -1), ValueError, r"^n_epochs must be at least 0, not -1$"),
        (
            lambda: schedules.inverse_scaling(1.0, 3, power="1"),
            TypeError,
            r"^power must be a number, not '1'$",
        ),
        (lambda: schedules.exponential(1.0, 3, decay=0.0), ValueError, r"^decay must be positive, not 0\.0$"),
        (lambda: schedules.step(1.0, 3, every=0), ValueError, r"^every must be at least 1, not 0$"),
        (
            lambda: schedules.step(1.0, 3, every=1, factor=-1),
            ValueError,
            r"^factor must be positive, not -1$",
        ),
        (
            lambda: schedules.cosine(1.0, 3, last=1.0),
            ValueError,
            r"^last must be at least 0 and below first=1, n",
        ),
        (
            lambda: schedules.cosine(1.0, 3, last=-0.1),
            ValueError,
            r"^last must be at least 0 and below first=1",
        ),
        (lambda: schedules.cosine(1.0, 2.5), TypeError, r"^n_epochs must be a whole number, not 2\.5$"),
    ],
)
def test_bad_schedules_get_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_factor_of_the_automatic_rate():
    falling = TimesAuto(lambda epoch: 1 / (1 + epoch))
    assert as_rates(falling, 2, 2, lambda: 6.0).tolist() == [2.0, 1.5]
    assert as_rates(falling, 0, 0, lambda: 1 / 0).shape == (0,)
    assert as_rates("auto", 2, 5, lambda: 0.3).tolist() == [0.3, 0.3]


def test_a_function_goes_on_from_the_first_epoch():
    assert as_rates(lambda epoch: 1.0 + epoch, 2, 5).tolist() == [6.0, 7.0]

"""Learning rates: a number, an array of them, a function of the epoch."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.schedules import as_rates


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

"""Checks of parameters: what passes, and the sentence when it does not."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.data import checks


@pytest.mark.parametrize("value", [0, 5, np.int64(5), np.uint8(5)])
def test_whole_numbers(value):
    assert checks.whole("n", value, 0) == int(value)
    assert type(checks.whole("n", value, 0)) is int


@pytest.mark.parametrize("value", [5.0, "5", None, True, np.True_, [5]])
def test_what_is_no_whole_number(value):
    with pytest.raises(TypeError, match="^n must be a whole number, not "):
        checks.whole("n", value, 0)


@pytest.mark.parametrize(("value", "message"), [(-1, "at least 0, not -1"), (11, "at most 10, not 11")])
def test_whole_numbers_out_of_range(value, message):
    with pytest.raises(ValueError, match=f"^n must be {message}$"):
        checks.whole("n", value, 0, 10)


@pytest.mark.parametrize("value", [1, 2.5, np.float32(0.5), np.int8(3), np.array(1.5)])
def test_numbers(value):
    assert checks.number("rate", value) == float(value)


@pytest.mark.parametrize("value", ["1", b"1", None, True, np.True_, 1j, np.complex64(1), [1.0]])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="^rate must be a number, not "):
        checks.number("rate", value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -np.inf, 10**400])
def test_numbers_that_are_not_finite(value):
    with pytest.raises(ValueError, match="^rate must be finite, not "):
        checks.number("rate", value)


def test_choices_are_of_the_same_type():
    assert checks.choice("history", None, ("epochs", None)) is None
    assert checks.choice("flag", True, (True, False)) is True
    with pytest.raises(ValueError, match="^flag must be True or False, not 1$"):
        checks.choice("flag", 1, (True, False))
    with pytest.raises(ValueError, match="^history must be 'epochs' or None, not 'epoch'$"):
        checks.choice("history", "epoch", ("epochs", None))

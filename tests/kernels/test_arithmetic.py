"""Squares."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastgd.kernels import arithmetic


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_square_has_the_digits_of_pythons_power(r):
    try:
        expected = r**2
    except OverflowError:
        expected = math.inf
    assert arithmetic.square(np.float64(r), 2.0) == expected

"""Sums of residuals that are rounded once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.kernels import accurate

numbers = st.floats(-1e10, 1e10, allow_subnormal=False).map(lambda v: 0.0 if abs(v) < 1e-10 else v)


@given(numbers, numbers, numbers)
def test_a_residual_is_rounded_once(x, y, w):
    """One row: Σ r² and x·r are those of the exact residual, rounded."""
    residual = Fraction(x) * Fraction(w) - Fraction(y)
    squares, products = accurate.run(np.array([[x]]), np.array([y]), np.array([w]), 1, False)
    assert squares == pytest.approx(float(residual * residual), rel=1e-15)
    assert products == pytest.approx(float(Fraction(x) * residual), rel=1e-15)

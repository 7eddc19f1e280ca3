"""What kernels of one block look at and copy."""

from __future__ import annotations

import numpy as np

from fastgd.kernels import strict


def test_finite_and_copy():
    assert strict.is_finite(np.array([1.0, -2.0]))
    assert not strict.is_finite(np.array([1.0, np.nan]))
    assert not strict.is_finite(np.array([np.inf, 1.0]))
    target = np.zeros(2)
    strict.copy(np.array([1.0, 2.0]), target)
    assert target.tolist() == [1.0, 2.0]

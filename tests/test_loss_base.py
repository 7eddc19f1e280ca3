"""Losses with kinks that a width rounds off."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd import losses
from tests.problems import KINKED


@pytest.mark.parametrize("loss", KINKED.values())
def test_a_width_makes_a_loss_smooth_and_no_larger(loss):
    smooth = loss.with_width(0.5)
    scores = np.linspace(-3.0, 3.0, 1201)
    assert not loss.is_smooth
    assert smooth.is_smooth
    for y in (0.0, 1.0):
        exact, rounded = (np.array([one.value(s, y) for s in scores.tolist()]) for one in (loss, smooth))
        slopes = np.array([smooth.slope(s, y) for s in scores.tolist()])
        assert (rounded <= exact + 1e-15).all()
        assert (exact - rounded).max() == pytest.approx(0.5 * 0.5 * loss.steepness)
        assert np.abs(np.diff(slopes)).max() <= smooth.curvature * 0.005 * (1 + 1e-9)
        np.testing.assert_allclose(np.gradient(rounded, scores)[1:-1], slopes[1:-1], atol=0.02)
        lines = slopes * (scores - loss.kink(scores, y))
        assert (lines <= exact + 1e-15).all()
    with pytest.raises(ValueError, match="width must be finite and not negative, not -1"):
        losses.as_loss(loss.with_width(-1.0))

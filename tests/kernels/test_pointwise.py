"""Scores and losses of each row."""

from __future__ import annotations

import numpy as np

from fastgd.kernels import pointwise


def test_scores_and_losses():
    X, out = np.array([[1.0, 2.0], [3.0, 4.0]]), np.empty(2)
    pointwise.scores(X, np.array([10.0, 1.0]), 0.5, out)
    assert out.tolist() == [12.5, 34.5]
    pointwise.losses(X, np.array([10.0, 30.0]), np.array([10.0, 1.0]), 2.0, out)
    assert out.tolist() == [4.0, 16.0]

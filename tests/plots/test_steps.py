"""Which fits have a bowl, and the chosen epochs. The points are tested in `test_path.py`."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.plots.steps import chosen, n_parameters, refusal
from tests.plots.drawn import X, Y, lesson


def test_the_usual_epochs_end_with_the_run_and_others_are_checked():
    assert chosen(None, (0, 1, 5), 3) == [0, 1]
    assert chosen((3, 0), (0, 1, 5), 3) == [3, 0]
    with pytest.raises(ValueError, match=r"from 0 to 3, the last that is drawn, not \[4\]"):
        chosen([4], (0, 1, 5), 3)


def test_parameters_and_refusals():
    column = np.reshape(X, (3, 1))
    line = fastgd.gradient_descent(column, Y, fit_intercept=True, n_epochs=2)
    plane = fastgd.gradient_descent(np.eye(3)[:, :2], Y, fit_intercept=True, n_epochs=2)
    assert [n_parameters(fit) for fit in (lesson(), line, plane)] == [1, 2, 3]
    assert [bool(refusal(fit)) for fit in (lesson(), line, plane)] == [False, False, True]
    assert "counting the intercept, not 3" in refusal(plane)

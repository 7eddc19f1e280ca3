"""The data, the lines of the epochs and the residuals, against the run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import fastgd
from tests.plots.drawn import X, Y, lesson, line


def test_the_samples_and_the_lines_of_the_epochs(ax):
    fit = lesson()
    assert fit.plot("fit", ax=ax, epochs=[0, 2, 50]) is ax
    np.testing.assert_array_equal(line(ax, "samples"), (X, Y))
    x, y = line(ax, "after 100 epochs")
    np.testing.assert_allclose(y, fit.w * x)
    assert x[0] < 1.0 < 3.0 < x[1]
    faint = [one for one in ax.lines if one.get_alpha() is not None]
    np.testing.assert_allclose([one.get_ydata() for one in faint], np.outer(fit.w_history[[0, 2, 50]], x))
    assert faint[-1].get_label() == "epochs 0, 2, 50"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")


def test_an_intercept_is_in_every_line_and_the_axes_have_the_names(ax):
    frame = pd.DataFrame({"hours": X})
    fit = fastgd.gradient_descent(frame, [3.0, 4.0, 7.0], fit_intercept=True)
    fit.plot("fit", ax=ax, residuals=True)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("hours", "y")
    x, y = line(ax, "after 100 epochs")
    np.testing.assert_allclose(y, fit.w[0] * x + fit.intercept)
    first = next(one for one in ax.lines if one.get_alpha() is not None)
    np.testing.assert_allclose(first.get_ydata(), fit.w_history[0, 0] * x + fit.intercept_history[0])
    (residuals,) = ax.collections
    for segment, at, seen in zip(residuals.get_segments(), X, [3.0, 4.0, 7.0], strict=True):
        np.testing.assert_allclose(segment, [[at, seen], [at, fit.predict([[at]])[0]]])


def test_a_fit_without_history_has_its_line_alone(ax):
    lesson(history=None).plot("fit", ax=ax)
    assert [one.get_label() for one in ax.lines] == ["samples", "after 100 epochs"]
    with pytest.raises(ValueError, match='epochs needs.*fit with history="epochs"'):
        lesson(history=None).plot("fit", epochs=[0])


def test_runs_on_shared_axes_share_the_samples(ax):
    lesson().plot("fit", ax=ax, label="slow")
    lesson(learning_rate=0.1).plot("fit", ax=ax, label="fast")
    assert len([one for one in ax.lines if one.get_label() == "samples"]) == 1
    slow, fast = (next(one for one in ax.lines if one.get_label() == name) for name in ("slow", "fast"))
    assert slow.get_color() != fast.get_color()


@pytest.mark.parametrize("residuals", [False, True])
def test_of_several_columns_predictions_stand_against_y(ax, table, residuals):
    fit = fastgd.gradient_descent(*table, fit_intercept=True)
    fit.plot("fit", ax=ax, residuals=residuals)
    np.testing.assert_allclose(line(ax, "samples"), (table[1], fit.predict(table[0])), rtol=1e-12)
    diagonal = line(ax, "predicted = observed")
    np.testing.assert_array_equal(*diagonal)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("y", "predicted y")
    if residuals:
        (bars,) = ax.collections
        heights = [segment[0, 1] - segment[1, 1] for segment in bars.get_segments()]
        np.testing.assert_allclose(heights, fit.predict(table[0]) - table[1], atol=1e-12)


def test_refusals_name_the_remedy(table):
    with pytest.raises(ValueError, match='scores of log_loss are none: use plot."cost".'):
        fastgd.gradient_descent(X, [0.0, 1.0, 1.0], loss="log_loss", n_epochs=2).plot("fit")
    with pytest.raises(ValueError, match="epochs are for lines over one column, and this fit has 2"):
        fastgd.gradient_descent(*table, n_epochs=2).plot("fit", epochs=[0])
    assert plt.get_fignums() == []

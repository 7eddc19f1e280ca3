"""Several fits in one picture, against their histories."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import fastgd
from tests.plots.drawn import X, Y, lesson, line


@pytest.fixture
def runs():
    return {
        "full batch": lesson(n_epochs=40),
        "SGD": fastgd.sgd(X, Y, w0=1.0, learning_rate=0.01, n_epochs=20, history="samples"),
        "$momentum$": lesson(momentum=0.8),
    }


def test_costs_and_paths_stand_side_by_side(runs):
    figure = Figure()
    costs, paths = fastgd.compare(runs, figure=figure)
    assert figure.axes == [costs, paths]
    for name, fit in runs.items():
        np.testing.assert_array_equal(line(costs, name), (np.arange(fit.n_epochs + 1), fit.cost_history))
    np.testing.assert_array_equal(line(paths, "full batch")[0], runs["full batch"].w_history)
    assert len(line(paths, "SGD")[0]) == 61  # single steps
    for name in runs:
        colours = [
            next(one for one in ax.lines if one.get_label() == name).get_color() for ax in (costs, paths)
        ]
        assert colours[0] == colours[1]
    texts = [text.get_text() for text in costs.get_legend().get_texts()]
    assert texts == [*runs, "start", "end", "minimum"]
    assert paths.get_legend() is None


def test_fits_of_unlike_sizes_have_costs_alone(runs, table):
    (costs,) = fastgd.compare(runs | {"two": fastgd.gradient_descent(*table, n_epochs=5)}, scale="log")
    assert costs.get_yscale() == "log"
    assert len(plt.get_fignums()) == 1


def test_more_weights_and_other_losses_have_costs_alone():
    fits = {
        name: fastgd.gradient_descent(np.eye(3), Y, loss=name, n_epochs=3)
        for name in ("huber", "squared_error")
    }
    assert len(fastgd.compare(fits)) == 1


def test_refusals_name_the_remedy():
    without = fastgd.sgd(X, Y, momentum=0.5, learning_rate=0.01, n_epochs=2)
    with pytest.raises(
        ValueError, match="the fit 'SGD' has no costs to compare: fit it with track_cost=True"
    ):
        fastgd.compare({"SGD": without})
    for fits in ([lesson()], {}, lesson()):
        with pytest.raises(TypeError, match="fits must be a dict"):
            fastgd.compare(fits)
    assert plt.get_fignums() == []


def test_an_own_figure_needs_no_pyplot():
    program = (
        "import sys, fastgd; from matplotlib.figure import Figure\n"
        "fit = fastgd.gradient_descent([1.0], [2.0], backend='python')\n"
        "fastgd.compare({'a': fit, 'b': fit}, figure=Figure())\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

"""The curve of the costs, against the histories of the run."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.plots.drawn import X, Y, lesson, line


def test_cost_is_the_cost_history(ax):
    fit = lesson()
    assert fit.plot("cost", ax=ax) is ax
    (drawn,) = ax.lines
    np.testing.assert_array_equal(drawn.get_xdata(), np.arange(101))
    np.testing.assert_array_equal(drawn.get_ydata(), fit.cost_history)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "cost", "linear")
    assert ax.get_title() == "gradient descent\nlearning rate 0.01, 100 epochs"
    assert ax.get_legend() is None


def test_a_log_scale_is_labelled(ax):
    fit = lesson()
    fit.plot("cost", ax=ax, scale="log")
    assert (ax.get_ylabel(), ax.get_yscale()) == ("cost (log scale)", "log")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.cost_history)


@pytest.mark.parametrize(("x", "y"), [([1.0], [0.0]), ([0.0], [1.0])], ids=["zero", "flat"])
def test_a_cost_that_does_not_change_is_a_line(ax, x, y):
    fastgd.gradient_descent(x, y, n_epochs=3).plot("cost", ax=ax)
    ax.figure.draw_without_rendering()
    assert set(ax.lines[0].get_ydata()) == {y[0]}


def test_costs_of_exactly_zero_are_below_a_log_axis_and_refused_alone(ax):
    fit = lesson(learning_rate=0.1)
    assert (fit.cost_history[:10] > 0).all()
    assert fit.cost_history[-1] == 0
    fit.plot("cost", ax=ax, scale="log")
    ax.figure.draw_without_rendering()
    assert "exactly 0" in ax.get_ylabel()
    positive = fit.cost_history[fit.cost_history > 0]
    assert 0 < ax.get_ylim()[0] <= positive.min()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.cost_history)
    with pytest.raises(ValueError, match='every cost is 0.*use scale="linear"'):
        lesson(w0=2.0).plot("cost", scale="log")


def test_the_held_out_rows_have_a_curve(ax, table):
    fit = fastgd.gradient_descent(*table, validation_fraction=0.3, n_epochs=20)
    fit.plot("cost", ax=ax)
    epochs, costs = line(ax, "validation")
    np.testing.assert_array_equal(epochs, np.arange(1, fit.n_epochs + 1))
    np.testing.assert_array_equal(costs, fit.validation_history)
    np.testing.assert_array_equal(line(ax, "training")[1], fit.cost_history)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]


def test_runs_on_shared_axes_have_colours_and_one_legend(ax):
    runs = {"slow": lesson(n_epochs=30), "fast": lesson(learning_rate=0.1, n_epochs=10)}
    runs["SGD"] = fastgd.sgd(X, Y, w0=1.0, learning_rate=0.01, n_epochs=20)
    for name, fit in runs.items():
        fit.plot("cost", ax=ax, label=name)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(runs)
    assert len({one.get_color() for one in ax.lines}) == 3
    assert ax.get_title() == ""
    for name, fit in runs.items():
        np.testing.assert_array_equal(line(ax, name), (np.arange(fit.n_epochs + 1), fit.cost_history))


def test_a_loss_is_not_drawn_among_costs(ax):
    rng = np.random.default_rng(1)
    x = rng.normal(size=20_000)
    by_sample = fastgd.sgd(x, 3 * x, learning_rate=1e-4, n_epochs=4, method="stream")
    lesson().plot("cost", ax=ax, label="full batch")
    with pytest.raises(ValueError, match="axes show the cost, and this run has the loss of the last sample"):
        by_sample.plot("cost", ax=ax, label="SGD")
    assert len(ax.lines) == 1


def test_sgd_without_costs_shows_its_losses(ax):
    rng = np.random.default_rng(1)
    x = rng.normal(size=20_000)
    fit = fastgd.sgd(x, 3 * x + rng.normal(size=20_000), learning_rate=1e-4, n_epochs=4, method="stream")
    assert fit.cost_history is None
    fit.plot("cost", ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.loss_history)
    assert ax.get_ylabel() == "loss of the last sample"
    assert all(tick == round(tick) for tick in ax.get_xticks())
    assert ax.get_title() == "stochastic gradient descent\nlearning rate 0.0001, 4 epochs"

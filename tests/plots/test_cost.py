"""The curve of the costs, against the histories of the run."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.plots.drawn import lesson


def test_cost_is_the_cost_history(ax):
    fit = lesson()
    assert fit.plot("cost", ax=ax) is ax
    (drawn,) = ax.lines
    np.testing.assert_array_equal(drawn.get_xdata(), np.arange(101))
    np.testing.assert_array_equal(drawn.get_ydata(), fit.cost_history)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "cost", "log")
    assert ax.get_title() == "gradient descent\nlearning rate 0.01, 100 epochs"


def test_cost_of_less_than_two_decades_is_linear(ax):
    assert lesson(n_epochs=10).plot("cost", ax=ax).get_yscale() == "linear"


@pytest.mark.parametrize(("x", "y"), [([1.0], [0.0]), ([0.0], [1.0])], ids=["zero", "flat"])
def test_a_cost_that_does_not_change_is_linear(ax, x, y):
    assert fastgd.gradient_descent(x, y, n_epochs=3).plot("cost", ax=ax).get_yscale() == "linear"
    ax.figure.canvas.draw()


def test_costs_of_exactly_zero_are_drawn_below_a_log_axis(ax):
    fit = lesson(learning_rate=0.1)
    assert (fit.cost_history[:10] > 0).all()
    assert fit.cost_history[-1] == 0
    fit.plot("cost", ax=ax)
    ax.figure.canvas.draw()
    assert ax.get_yscale() == "log"
    assert "exactly 0" in ax.get_ylabel()
    positive = fit.cost_history[fit.cost_history > 0]
    assert 0 < ax.get_ylim()[0] <= positive.min()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.cost_history)


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

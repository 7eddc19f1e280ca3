"""The picture of a sweep, against the histories of its runs."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import fastgd
from tests.plots.drawn import X, Y


def swept(rates, **options):
    return fastgd.sweep(X, Y, w0=1.0, learning_rates=rates, **{"n_epochs": 30} | options)


def curves(ax):
    return [one for one in ax.lines if one.get_label()[0] != "_"]


@pytest.mark.parametrize("solver", ["gradient_descent", "sgd"])
@pytest.mark.parametrize("number", [2, 8, 9, 20])
def test_each_run_has_a_curve_and_many_have_a_colour_bar(solver, number):
    rates = np.geomspace(1e-3, 1.0 if solver == "gradient_descent" else 0.1, number)
    result = swept(rates, solver=solver)
    figure = Figure()
    ax = figure.subplots()
    assert result.plot(ax=ax) is ax
    assert len(curves(ax)) == number
    for one, fit in zip(curves(ax), result.fits, strict=True):
        shown = one.get_ydata()
        np.testing.assert_array_equal(shown, fit.cost_history[: len(shown)])
        assert len(shown) == 31 or fit.diverged
    has_bar = number > 8
    assert (ax.get_legend() is None) == has_bar
    assert len(figure.axes) == 1 + has_bar
    if has_bar:
        bar = figure.axes[1]
        assert bar.get_ylabel() == "learning rate"
        np.testing.assert_allclose(bar.get_ylim(), [rates[0], rates[-1]])
        assert curves(ax)[0].get_color()[2] > curves(ax)[-1].get_color()[2]  # from blue to yellow


def test_runs_that_diverge_leave_the_picture_at_four_times_their_start(ax):
    result = swept([0.01, 0.3, 1.0, 1e9])
    result.plot(ax=ax)
    assert ax.get_ylim()[1] < 5 * result.fits[0].cost_history[0]
    assert ax.get_title().endswith("3 diverge, drawn up to where the cost has grown 4-fold")
    ways = [one.get_xydata() for one in ax.lines if one.get_linestyle() == ":"]
    np.testing.assert_allclose([way[1, 1] for way in ways], 4 * result.fits[0].cost_history[0])
    assert [one.get_label() for one in curves(ax)] == ["0.01"] + [
        f"{r} (diverged)" for r in ("0.3", "1", "1e+09")
    ]


def test_the_scale_is_linear_unless_it_is_asked_for(ax):
    result = swept([0.01, 0.1])
    assert result.plot(ax=ax).get_yscale() == "linear"
    assert result.plot(ax=Figure().subplots(), scale="log").get_yscale() == "log"
    with pytest.raises(ValueError, match="scale must be 'linear' or 'log'"):
        result.plot(scale="sqrt")


def test_many_starts_of_one_rate_have_no_colour_bar(ax):
    result = fastgd.sweep(X, Y, w0=np.arange(10.0), learning_rates=[0.01] * 10, n_epochs=3)
    result.plot(ax=ax)
    assert len(ax.figure.axes) == 1
    assert len({tuple(one.get_color()) for one in curves(ax)}) == 10

"""A run that diverges is drawn up to where it leaves the scale of its start, in all kinds of pictures."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.plots.divergence import View
from tests.plots.drawn import X, Y, assert_bowl_is_the_cost, lesson, line

TWO = np.column_stack([X, [1.0, 0.0, -1.0]])


def test_the_view_ends_where_the_cost_is_too_high():
    costs = np.array([1.0, 3.0, 9.0, 27.0, np.inf])
    view = View(costs, True, 16.0)
    assert (view.n, view.is_cut, view.top) == (3, True, 16.0)
    assert view.exit == pytest.approx((16 - 9) / (27 - 9))
    assert not View(costs[:3], True, 16.0).is_cut
    assert View(costs, False, 16.0).is_cut
    assert View(costs, False, 16.0, lowest=0.5).top == 0.5 + 16 * 0.5
    assert View(np.array([1.0, np.inf]), True, 16.0).exit == 0.0
    on_log = View(np.array([1.0, 10.0, 1e9]), True, 1e5, is_log=True)
    assert on_log.exit == pytest.approx((5 - 1) / (9 - 1))


def test_a_run_that_overshoots_and_returns_is_whole():
    assert View(np.array([1.0, 90.0, 2.0, 0.1]), False, 16.0).n == 4


ALL = [(X, kind) for kind in ("path", "cost", "fit", "tangent")] + [(TWO, kind) for kind in ("path", "cost")]


@pytest.mark.parametrize(("columns", "kind"), ALL)
@pytest.mark.parametrize("rate", [0.3, 1.0, 1e60])
def test_axes_of_a_run_that_diverges_stay_at_the_scale_of_its_start(ax, columns, kind, rate):
    is_one = np.ndim(columns) == 1
    w0 = 1.0 if is_one else [1.0, -1.0]
    fit = fastgd.gradient_descent(
        columns, Y, w0=w0, learning_rate=rate, n_epochs=3000, on_divergence="ignore"
    )
    assert fit.diverged
    fit.plot(kind, ax=ax)
    ax.figure.draw_without_rendering()
    for drawn in ax.lines:
        assert np.isfinite(drawn.get_xydata()).all()
    assert max(np.abs([*ax.get_xlim(), *ax.get_ylim()])) < 20 * fit.cost_history[0]
    assert "diverges: drawn up to epoch" in ax.get_title()


def test_the_sentence_has_numbers_of_epochs_and_the_highest_cost(ax):
    fit = lesson(learning_rate=0.3, n_epochs=8, on_divergence="ignore")
    fit.plot(ax=ax)
    assert ax.get_title().endswith(
        f"this run diverges: drawn up to epoch 2 of 8,\nthen the cost grows to {fit.cost_history[-1]:.2g}"
    )
    np.testing.assert_array_equal(line(ax, "each epoch"), (fit.w_history[:3], fit.cost_history[:3]))
    assert_bowl_is_the_cost(ax, X, Y)
    assert "end" not in [one.get_label() for one in ax.lines]


def test_the_way_out_of_contours_ends_where_the_cost_is_16_times_that_of_the_start(ax):
    fit = fastgd.gradient_descent(
        TWO, Y, w0=[1.0, -1.0], learning_rate=1.0, n_epochs=50, on_divergence="ignore"
    )
    fit.plot(ax=ax)
    (way,) = [one.get_xydata() for one in ax.lines if one.get_linestyle() == ":"]
    np.testing.assert_array_equal(way[0], fit.w_history[0])
    step, drawn = fit.w_history[1] - fit.w_history[0], way[1] - way[0]
    assert step[0] * drawn[1] == pytest.approx(step[1] * drawn[0])
    least = fastgd.cost(TWO, Y, np.linalg.lstsq(TWO, Y)[0])
    excess = fastgd.cost(TWO, Y, [1.0, -1.0]) - least
    assert fastgd.cost(TWO, Y, way[1]) - least == pytest.approx(16 * excess)


def test_sgd_that_diverges_is_cut_too(ax):
    fit = fastgd.sgd(X, Y, learning_rate=0.3, n_epochs=500, history="samples", on_divergence="ignore")
    fit.plot("path", ax=ax)
    assert "diverges: drawn up to step" in ax.get_title()
    assert max(ax.get_ylim()) < 20 * fit.cost_history[0]

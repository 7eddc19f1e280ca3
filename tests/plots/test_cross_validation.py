"""The picture of a cross-validation, against its result."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd


def crossed(**penalties):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, 5))
    return fastgd.cross_validate(rows, rows[:, 0] + rng.standard_normal(60), **penalties)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_cross_validation_is_a_curve_with_bars_and_two_choices(ax, name):
    result = crossed(**{name: [0.3, 0.01, 0.1, 1.0]})
    assert result.plot(ax=ax) is ax
    (bars,) = ax.containers
    line, _, (segments,) = bars
    order = np.argsort(getattr(result, name))
    np.testing.assert_array_equal(line.get_xdata(), getattr(result, name)[order])
    np.testing.assert_array_equal(line.get_ydata(), result.mean.ravel()[order])
    lengths = [segment[1, 1] - segment[0, 1] for segment in segments.get_segments()]
    np.testing.assert_allclose(lengths, 2 * result.standard_error.ravel()[order])
    chosen = {line.get_xdata()[0] for line in ax.lines if line.get_label().startswith(("best", "within"))}
    assert chosen == {getattr(result.best, name), getattr(result.best_one_se, name)}
    assert (ax.get_xlabel(), ax.get_xscale(), ax.get_title()) == (name, "log", "5 folds")


def test_of_two_penalties_each_l2_has_a_curve(ax):
    result = crossed(l1=[0.1, 1.0], l2=[0.0, 0.1, 1.0])
    result.plot(ax=ax)
    assert [bars.get_label() for bars in ax.containers] == ["l2 = 0", "l2 = 0.1", "l2 = 1"]
    for k, bars in enumerate(ax.containers):
        np.testing.assert_array_equal(bars[0].get_ydata(), result.mean[:, k])
    text = [item.get_text() for item in ax.get_legend().get_texts()]
    assert f"best: l1 = {result.best.l1:.3g}, l2 = {result.best.l2:.3g}" in text


def test_a_penalty_of_0_is_on_the_axis(ax):
    crossed(l2=[0.0, 0.1, 1.0]).plot(ax=ax)
    assert ax.get_xscale() == "symlog"
    assert -0.1 < ax.get_xlim()[0] < 0.0

"""Tangents and steps on the bowl, against the gradient and the run."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

import fastgd
from tests.plots.drawn import X, Y, assert_bowl_is_the_cost, lesson


def tangents(ax):
    """epoch → (slope, the middle of the tangent), from the lines of the legend."""
    found = {}
    for one in ax.lines:
        if "∂cost" in one.get_label():
            (left, low), (right, high) = one.get_xydata()
            name = one.get_label().split(":")[0]
            found[name] = (high - low) / (right - left), ((left + right) / 2, (low + high) / 2)
    return found


def arrows(ax):
    return [(text.xyann[0], text.xy[0]) for text in ax.texts if text.arrow_patch is not None]


def test_tangents_touch_the_bowl_with_the_slope_of_the_gradient(ax):
    fit = lesson()
    assert fit.plot("tangent", ax=ax, epochs=[0, 3, 20]) is ax
    assert_bowl_is_the_cost(ax, X, Y)
    found = tangents(ax)
    assert list(found) == ["epoch 0", "epoch 3", "epoch 20"]
    for epoch, (slope, middle) in zip((0, 3, 20), found.values(), strict=True):
        w = fit.w_history[epoch]
        assert slope == pytest.approx(fastgd.gradient(X, Y, w))
        np.testing.assert_allclose(middle, (w, fastgd.cost(X, Y, w)), rtol=1e-9)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w", "cost")
    assert ax.get_yticks().min() >= 0.0


def test_steps_lie_along_the_w_axis_below_the_bowl(ax):
    fit = lesson()
    fit.plot("tangent", ax=ax)
    assert list(tangents(ax)) == ["epoch 0", "epoch 1", "epoch 5"]
    np.testing.assert_allclose(arrows(ax), [fit.w_history[epoch : epoch + 2] for epoch in (0, 1, 5)])
    assert all(text.xy[1] == text.xyann[1] < 0.0 for text in ax.texts)
    assert len({text.xy[1] for text in ax.texts}) == 3


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_step_is_named_by_the_formula_only_if_it_is_that_of_the_formula(ax):
    lesson().plot("tangent", ax=ax, epochs=[0])
    assert labels(ax)[0] == "epoch 0: ∂cost/∂w = -9.33, −α ∂cost/∂w = 0.0933"
    for fit in (lesson(momentum=0.5), fastgd.sgd(X, Y, w0=1.0, learning_rate=0.01)):
        axes = plt.figure().subplots()
        fit.plot("tangent", ax=axes, epochs=[2])
        assert f"step = {fit.w_history[3] - fit.w_history[2]:.3g}" in labels(axes)[0]


def test_the_last_epoch_has_a_tangent_and_no_step(ax):
    lesson(n_epochs=5).plot("tangent", ax=ax, epochs=[5], label="run")
    assert list(tangents(ax)) == ["run, epoch 5"]
    assert arrows(ax) == []


def test_a_start_at_the_minimum_has_a_level_tangent(ax):
    lesson(w0=2.0, n_epochs=2).plot("tangent", ax=ax, epochs=[0])
    assert tangents(ax)["epoch 0"][0] == 0.0


def test_refusals_name_the_remedy():
    with pytest.raises(ValueError, match='one weight without an intercept: use kind="path"'):
        fastgd.gradient_descent(np.eye(3)[:, :2], Y).plot("tangent")
    with pytest.raises(ValueError, match=r"epochs must be numbers from 0 to 100.*not \[101\]"):
        lesson().plot("tangent", epochs=[101])
    with pytest.raises(ValueError, match="epochs must be numbers from 0 to 100"):
        lesson().plot("tangent", epochs=[])
    with pytest.raises(ValueError, match="epochs must be at least 0"):
        lesson().plot("tangent", epochs=[-1])
    assert plt.get_fignums() == []

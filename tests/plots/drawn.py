"""What the artists on axes say, and the lesson's fit."""

from __future__ import annotations

import numpy as np

import fastgd

X, Y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


def lesson(**options):
    return fastgd.gradient_descent(X, Y, **{"w0": 1.0, "learning_rate": 0.01} | options)


def line(ax, label):
    (found,) = [one for one in ax.lines if one.get_label() == label]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def bowl(ax):
    """The parabola: the one line without a label of its own."""
    (found,) = [one for one in ax.lines if one.get_label().startswith("_")]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def assert_same_path(ax, across, up):
    np.testing.assert_array_equal(line(ax, "each epoch"), (across, up))
    np.testing.assert_array_equal(np.ravel(line(ax, "start")), (across[0], up[0]))
    np.testing.assert_array_equal(np.ravel(line(ax, "end")), (across[-1], up[-1]))


def assert_bowl_is_the_cost(ax, X, y):
    w, heights = bowl(ax)
    vector = np.ndim(X) == 2
    ref = [fastgd.cost(X, y, [one] if vector else one) for one in w]
    np.testing.assert_allclose(heights, ref, rtol=1e-9, atol=1e-12 * max(ref))

"""What the artists on axes say, and the lesson's fit."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.contour import ContourSet

import fastgd

X, Y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


def lesson(**options):
    return fastgd.gradient_descent(X, Y, **{"w0": 1.0, "learning_rate": 0.01} | options)


def line(ax, label):
    (found,) = [one for one in ax.lines if one.get_label() == label]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def bowl(ax):
    """The parabola: the line of 201 points."""
    (found,) = [one for one in ax.lines if len(one.get_xdata()) == 201]
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


def assert_contours_are_the_cost(ax, cost):
    """`cost` is a function of a point on the axes."""
    (contours,) = [one for one in ax.collections if isinstance(one, ContourSet)]
    assert len(contours.levels) > 5
    points = [
        (point, level)
        for level, path in zip(contours.levels, contours.get_paths(), strict=True)
        for point in path.vertices[::25]
    ]
    assert len(points) > 20
    for point, level in points:
        assert cost(point) == pytest.approx(level, rel=0.01)  # straight between grid lines

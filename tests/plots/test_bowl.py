"""The bowl against the cost and the gradient of the data."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.plots.bowl import Bowl


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(8)
    x = 50.0 + rng.normal(size=(40, 1))
    y = 3 * x[:, 0] + rng.normal(size=40)
    fit = fastgd.gradient_descent(x, y, fit_intercept=True, l2=0.1, n_epochs=2)
    return x, y, Bowl.of(fit._statistics())


def test_cost_and_slope(problem):
    x, y, bowl = problem
    points = np.random.default_rng(1).normal(size=(7, 2)) * [2.0, 30.0]
    costs = [fastgd.cost(x, y, p[:1], intercept=p[1], l2=0.1) for p in points]
    np.testing.assert_allclose(bowl(points), costs, rtol=1e-11)
    for p in points:
        step = 1e-4 * np.eye(2)
        ref = [(bowl(p + one) - bowl(p - one)) / 2e-4 for one in step]
        np.testing.assert_allclose(bowl.slope(p), ref, rtol=1e-6)


def test_no_point_is_below_the_minimum(problem):
    *_, bowl = problem
    low = bowl.minimum_next_to(np.array([0.0, 0.0]))
    np.testing.assert_allclose(bowl.minimum_next_to(np.array([9.0, -70.0])), low, rtol=1e-9)
    around = low + np.random.default_rng(2).normal(size=(100, 2)) * [1e-2, 1e-1]
    assert (bowl(around) >= bowl(low)).all()


@pytest.mark.parametrize("far", [1e-3, 1.0, 1e150])
def test_the_exit_is_on_the_ray_and_at_the_height(problem, far):
    *_, bowl = problem
    start, along = np.array([2.0, 5.0]), np.array([1.0, -3.0])
    top = 4 * float(bowl(start))
    out = bowl.exit(start, start + far * along, top)
    assert bowl(out) == pytest.approx(top)
    np.testing.assert_allclose((out - start) / along, [(out - start)[0]] * 2, rtol=1e-9)
    assert (out - start)[0] > 0

"""The cost and its gradient in one pass, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.losses import Huber, LogLoss
from fastgd.solver.cost import FAR_OFF, Cost, SquaredCost, cost_and_gradient_from, squared_cost
from fastgd.solver.scaling import Scaling
from tests.helpers import same
from tests.problems import linear_problem


def test_sums_become_means():
    cost, gradient = cost_and_gradient_from(np.array([12.0, 3.0, -6.0]), 4)
    assert (cost, gradient.tolist()) == (3.0, [1.5, -3.0])


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("d", [1, 7, 8, 9, 40])
def test_squared_errors(rng, d, dtype):
    X, y, w = linear_problem(rng, 90, d)
    X, w = X.astype(dtype), w + 0.3
    rows, r = ArrayRows(X, y), X.astype(float) @ w - y
    for cost, gradient in (SquaredCost(rows, 1)(w), squared_cost(rows, w, "numba", 1)):
        assert cost == pytest.approx(np.mean(r * r), rel=1e-13)
        np.testing.assert_allclose(gradient, 2 * X.astype(float).T @ r / 90, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("d", [None, 1, 2, 5, 10])
@pytest.mark.parametrize("scale", [1.0, 1e160, 1e-170])
def test_few_squared_errors_have_the_same_bits_in_a_plain_loop(rng, monkeypatch, d, dtype, scale):
    """`backend.for_exact_loop` chooses one of them. A square that overflows is left to the kernels."""
    scale = scale if dtype == "f8" else scale ** (1 / 8)
    X = rng.standard_normal((30, d) if d else 30) * 10.0 ** rng.integers(-3, 4, 30 if d is None else (30, d))
    X, y, w = (X * scale).astype(dtype), (rng.standard_normal(30) * scale).astype(dtype), np.full(d or 1, 3.3)
    found = []
    for backend in ("numba", "python"):
        monkeypatch.setattr("fastgd.solver.cost.for_exact_loop", lambda *_, backend=backend: backend)
        found.append(squared_cost(ArrayRows(X, y), w, "auto", 1))
    (compiled, gradient), (plain, plain_gradient) = found
    assert same(compiled, plain)
    assert same(gradient, plain_gradient)


SIGMOID = (lambda s, y: np.logaddexp(0, s) - y * s, lambda s, y: 1 / (1 + np.exp(-s)) - y)
HUBER = (
    lambda s, y: np.where(np.abs(s - y) < 0.5, (s - y) ** 2, np.abs(s - y) - 0.25),
    lambda s, y: 2 * np.clip(s - y, -0.5, 0.5),
)


@pytest.mark.parametrize("off", [0.0, 2.0**20 * FAR_OFF])
@pytest.mark.parametrize(("loss", "twin"), [(LogLoss(), SIGMOID), (Huber(0.5), HUBER)], ids=["log", "huber"])
def test_any_loss_of_weighted_rows(rng, loss, twin, off):
    """At θ and at another point, with columns near 0 and columns far from it."""
    X, s = np.round(rng.normal(size=(40, 3)) * 2**20) / 2**20 + off, rng.random(40)
    y = (rng.random(40) < 0.5).astype(float)
    to = Scaling(np.full(3, off), np.array([1.0, 2.0, 0.5]), True)
    Z = np.column_stack([(X - to.shift) * to.scale, np.ones(40)])
    theta, at = rng.normal(size=4), rng.normal(size=4)
    value, slope = twin
    expected = s @ value(Z @ theta, y) / s.sum()
    cost = Cost(ArrayRows(X, y, s), loss, to, 1)
    for point in (None, at):
        found, gradient = cost(theta, point)
        assert found == pytest.approx(expected, rel=1e-11)
        place = theta if point is None else at
        np.testing.assert_allclose(gradient, Z.T @ (s * slope(Z @ place, y)) / s.sum(), atol=1e-11)

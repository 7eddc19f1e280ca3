"""Lower models of costs with kinks, and their minimum."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.solver.kink_models import ModelCost, least_along, minimum
from fastgd.solver.objective import SINGLE_STEPS, as_objective
from fastgd.solver.problem import Problem
from tests.problems import BACKENDS, kinked


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_is_a_lower_bound_and_a_part_of_it_too(rng, backend):
    X, y = kinked(rng, "quantile", 300)
    s = rng.random(300)
    objective = as_objective("quantile", 0.02, 0.1, False, False, True, has_weights=True)
    rows = ArrayRows(X, y, s)
    problem = Problem(rows, objective, SINGLE_STEPS, backend, 1)
    whole, theta = ModelCost(problem, rows, 1), rng.normal(size=4)
    part = whole.part(theta, np.quantile(whole.distances(theta), 0.3))
    assert part is not None
    assert part(theta).cost == pytest.approx(whole(theta).cost, rel=1e-12)
    for _ in range(30):
        other = theta + rng.normal(size=4) * 10.0 ** rng.uniform(-3, 0)
        assert part(other).cost <= whole(other).cost + 1e-12
    found = minimum(whole, theta, 1.0, 1e-9)
    exact = whole.bounded(found.theta)[0]
    assert exact - 1e-9 <= found.bound <= exact
    for _ in range(30):
        other = found.theta + rng.normal(size=4) * 10.0 ** rng.uniform(-6, 0)
        assert whole.bounded(other)[0] >= found.bound


@pytest.mark.parametrize("place", [1e-3, 0.7, 1.0, 900.0])
def test_the_rate_along_a_step_is_where_the_cost_is_level(place):
    def steepness(rate):
        return np.arctan(rate - place) + 0.1 * min(0.0, rate - place)

    assert abs(steepness(least_along(steepness, steepness(0.0)))) <= 0.1 * abs(steepness(0.0))

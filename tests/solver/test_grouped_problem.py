"""The stacked problem beside the problem of one summary, and NumPy's eigenvalues and inverses."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.losses import SquaredError
from fastgd.solver.grouped_problem import GroupedProblem
from fastgd.solver.objective import Objective, UpdateRule
from fastgd.solver.problem import Problem
from fastgd.solver.summarized import Summarized


def groups():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)) * [1.0, 50.0, 0.1] + [0.0, 3.0, 9.0]
    by = rng.integers(0, 6, 300)
    X[by == 4, 1] = 2.0 * X[by == 4, 0] + 3.0  # dependent
    X[by == 5, 2] = 9.0  # constant
    return fastgd.summarize_groups(X, X @ [1.0, 2.0, 3.0] + rng.normal(size=300), by=by)


@pytest.mark.parametrize("l2", [0.0, 0.5, 1e7])
@pytest.mark.parametrize("is_scaled", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_it_is_the_problem_of_each_group(l2, is_scaled, fit_intercept):
    of_groups, rule = groups(), UpdateRule()
    objective = Objective(SquaredError(), 0.0, l2, fit_intercept, is_scaled, False)
    stacked = GroupedProblem(of_groups, objective)
    smallest, largest = stacked.curvatures
    for k, key in enumerate(of_groups):
        alone = Problem(Summarized(of_groups[key]), objective, rule, "numba", None)
        alone.centred  # noqa: B018 - the scaling follows from it
        np.testing.assert_allclose(stacked.scale[k], alone.scaling.scale, rtol=1e-12)
        np.testing.assert_allclose(stacked.shift[k], alone.scaling.shift, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(
            stacked.G[k], alone.penalised.G, rtol=1e-9, atol=1e-9 * alone.penalised.G.max()
        )
        assert largest[k] == pytest.approx(alone.curvatures[1], rel=1e-12)
        if alone.curvatures[0] > 1e-6 * alone.curvatures[1]:
            assert smallest[k] == pytest.approx(alone.curvatures[0], rel=1e-9)
        assert stacked.auto_rates(rule)[k] == pytest.approx(alone.auto_rate("gradient_descent"), rel=1e-12)
        np.testing.assert_allclose(stacked.units[k], alone.units, rtol=1e-12)
        assert stacked.least_alike()[k] == pytest.approx(alone.least_alike, rel=1e-6)
    assert (
        stacked.is_determined.tolist() == [True] * 4 + [False] * 2
        if fit_intercept
        else stacked.is_determined.all()
    )


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_the_metric_is_the_pseudo_inverse(l2):
    stacked = GroupedProblem(groups(), Objective(SquaredError(), 0.0, l2, True, False, False, True))
    for k in range(6):
        inverse = np.linalg.pinv(stacked.G[k] / stacked.n[k], rcond=1e-10, hermitian=True)
        np.testing.assert_allclose(stacked.metric[k], inverse, rtol=1e-7, atol=1e-7 * np.abs(inverse).max())

"""Descent on losses with kinks, by models that keep the rows near them, to the linear programme's optimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

import fastgd
from fastgd import losses
from fastgd.data.arrays import ArrayRows
from fastgd.solver.kink_models import ModelCost, least_along, minimum
from fastgd.solver.objective import SINGLE_STEPS, as_objective
from fastgd.solver.problem import Problem
from fastgd.solver.sample import spacing
from tests.conftest import JIT_IS_OFF
from tests.problems import BACKENDS, resumed

QUANTILES = [0.1, 0.5, 0.9]
LOSSES = {
    "quantile": losses.Quantile(0.3),
    "hinge": losses.Hinge(),
    "epsilon_insensitive": losses.EpsilonInsensitive(0.4),
}
too_slow = pytest.mark.skipif(JIT_IS_OFF, reason="too many rows for plain Python")


def drawn(rng, loss, n, d=4):
    """Rows in unlike units, and targets that suit the loss."""
    X = rng.normal(size=(n, d)) * np.logspace(0, 1, d) + 1.0
    scores = (X - 1.0) @ (rng.normal(size=d) / np.logspace(0, 1, d)) + rng.standard_t(3, n)
    return X, (scores > 0.2).astype(float) if loss == "hinge" else scores


def programme(loss, X, y, s, l1=0.0):
    """[w, b] with the least cost, and that cost, by SciPy's linear programming.

    A loss is the largest of several lines in the score: t ≥ slope·score + level. Weights are differences of
    two positive parts.
    """
    n, d = X.shape
    A = np.column_stack([X, np.ones(n)])
    side = 2.0 * y - 1.0
    lines = {
        "quantile": [(-0.3, 0.3 * y), (0.7, -0.7 * y)],
        "hinge": [(0.0, 0.0 * y), (-side, np.ones(n))],
        "epsilon_insensitive": [(0.0, 0.0 * y), (1.0, -y - 0.4), (-1.0, y - 0.4)],
    }[loss]
    tables, levels = [], []
    for slope, level in lines:
        scores = np.reshape(slope * np.ones(n), (n, 1)) * A
        tables.append(np.hstack([scores, -scores, -np.eye(n)]))
        levels.append(-level)
    price = np.append(np.full(d, l1), 0.0)
    costs = np.concatenate([price, price, s / s.sum()])
    found = optimize.linprog(costs, np.vstack(tables), np.concatenate(levels), bounds=(0, None))
    return found.x[: d + 1] - found.x[d + 1 : 2 * d + 2], found.fun


def at(fit):
    return np.append(fit.w, fit.intercept)


def cost_at(name, X, y, s, theta, l1):
    scores = np.column_stack([X, np.ones(len(X))]) @ theta
    values = [LOSSES[name].value(a, b) for a, b in zip(scores.tolist(), y.tolist(), strict=True)]
    return np.sum(s * values) / s.sum() + l1 * np.abs(theta[:-1]).sum()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("l1", [0.0, 0.02])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_the_cost_is_that_of_the_linear_programme(rng, name, is_weighted, l1, backend):
    X, y = drawn(rng, name, 120)
    s = rng.random(120) if is_weighted else np.ones(120)
    fit = fastgd.gradient_descent(
        X, y, loss=LOSSES[name], l1=l1, sample_weight=s if is_weighted else None, fit_intercept=True,
        precondition=True, tol="auto", n_epochs=12, backend=backend,
    )  # fmt: skip
    w, least = programme(name, X, y, s, l1)
    assert fit.converged
    assert fit.n_passes <= 8
    assert fit.cost_history[-1] == pytest.approx(least, rel=1e-11)
    assert cost_at(name, X, y, s, at(fit), l1) == pytest.approx(least, rel=1e-11)
    assert ((np.abs(w[:-1]) < 1e-12) <= (fit.w == 0.0)).all()


@pytest.mark.parametrize("quantile", QUANTILES)
def test_quantiles_have_the_weights_of_the_linear_programme(rng, quantile):
    X = rng.normal(size=(300, 10))
    y = X @ rng.normal(size=10) + rng.normal(size=300)
    loss = losses.Quantile(quantile)
    fit = fastgd.gradient_descent(X, y, loss=loss, fit_intercept=True, precondition="auto", tol="auto")
    A = np.column_stack([X, np.ones(300)])
    parts = np.hstack([A, -A, np.eye(300), -np.eye(300)])
    price = np.concatenate([np.zeros(22), np.full(300, quantile), np.full(300, 1.0 - quantile)])
    found = optimize.linprog(price, A_eq=parts, b_eq=y, bounds=(0, None)).x
    np.testing.assert_allclose(at(fit), found[:11] - found[11:22], atol=1e-8)
    assert np.mean(y < A @ at(fit)) == pytest.approx(quantile, abs=11 / 300)


@too_slow
@pytest.mark.parametrize("l1", [0.0, 0.01])
@pytest.mark.parametrize("name", LOSSES)
def test_a_small_sample_leads_to_the_optimum_of_all_rows(rng, name, l1):
    X, y = drawn(rng, name, 60_000)
    assert spacing(*X.shape) > 1
    fit = fastgd.gradient_descent(
        X, y, loss=LOSSES[name], l1=l1, fit_intercept=True, precondition=True, tol="auto"
    )
    assert fit.converged
    assert fit.n_passes <= 10
    assert fit.cost_history[0] > fit.cost_history[-1]
    again = fastgd.gradient_descent(
        X, y, loss=LOSSES[name], l1=l1, fit_intercept=True, precondition=True, tol=0.0, w0=fit, n_epochs=3
    )
    assert fit.cost_history[-1] - again.cost_history[-1] <= 1e-12 * fit.cost_history[-1]


@too_slow
def test_threads_and_sources_have_the_same_bits(rng):
    X, y = drawn(rng, "quantile", 70_000)
    how = dict(loss=LOSSES["quantile"], fit_intercept=True, precondition=True, tol="auto")
    parts = fastgd.chunks(lambda: ((X[k : k + 9_999], y[k : k + 9_999]) for k in range(0, len(X), 9_999)))
    fits = [fastgd.gradient_descent(X, y, n_threads=k, **how) for k in (1, 2, 3)]
    fits += [fastgd.gradient_descent(np.asfortranarray(X), y, **how), fastgd.gradient_descent(parts, **how)]
    for fit in fits[1:]:
        assert at(fit).tolist() == at(fits[0]).tolist()
        assert fit.cost_history.tolist() == fits[0].cost_history.tolist()


def test_runs_in_parts_are_one_run(rng, tmp_path):
    X, y = drawn(rng, "quantile", 200)
    how = dict(loss="quantile", fit_intercept=True, precondition=True, learning_rate=0.4)
    whole = fastgd.gradient_descent(X, y, n_epochs=7, **how)
    part = fastgd.gradient_descent(X, y, n_epochs=3, **how)
    part.save(tmp_path / "part")
    for before in (part, fastgd.load(tmp_path / "part")):
        after = fastgd.gradient_descent(X, y, n_epochs=4, w0=before, **how)
        assert at(after).tolist() == at(whole).tolist()
        assert after.cost_history[1:].tolist() == whole.cost_history[4:].tolist()
    again = resumed(X, y, tmp_path / "run", **how)
    assert at(again).tolist() == at(whole).tolist()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_few_rows_are_fitted_exactly(rng, name, n, backend):
    X, y = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.1]])[:n], np.array([1.0, 0.0, 0.0])[:n]
    fit = fastgd.gradient_descent(
        X, y, loss=name, fit_intercept=True, precondition=True, tol="auto", n_epochs=5, backend=backend
    )
    assert fit.converged
    assert fit.cost_history[-1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_rows_that_a_step_cannot_tell_apart(name):
    """Equal columns, a constant column, and many rows exactly at a kink."""
    k = np.arange(400)
    X = np.column_stack([k % 3, k % 3, np.ones(400), k % 2]).astype(float)
    y = (k % 5 < 2).astype(float)
    fit = fastgd.gradient_descent(
        X, y, loss=LOSSES[name], fit_intercept=True, precondition=True, tol="auto", n_epochs=30
    )
    assert fit.converged
    assert fit.cost_history[-1] == pytest.approx(programme(name, X, y, np.ones(400))[1], abs=1e-12)


@too_slow
@pytest.mark.parametrize("name", ["quantile", "hinge"])
def test_many_rows_at_kinks(name):
    """Dummies: each level has its own optimum, that of its rows."""
    k = np.arange(60_000)
    levels, y = k * k % 7, (k * k * k % 11 < 4 + k * k % 7).astype(float)
    X = (levels[:, None] == np.arange(7)).astype(float)
    fit = fastgd.gradient_descent(
        X, y, loss=LOSSES[name], fit_intercept=True, precondition=True, tol="auto", n_epochs=30
    )
    best = 0.0
    for level in np.unique(levels):
        of_level = y[levels == level].tolist()
        loss = LOSSES[name]
        best += min(sum(loss.value(s, t) for t in of_level) for s in (-1.0, 0.0, 1.0))
    assert fit.cost_history[-1] == pytest.approx(best / len(y), rel=1e-6)


@pytest.mark.parametrize("rate", [0.3, 2.5, 100.0])
def test_a_step_that_is_too_long_is_undone(rng, rate):
    X, y = drawn(rng, "quantile", 300)
    how = dict(loss="quantile", fit_intercept=True, precondition=True, tol="auto", n_epochs=300)
    best = fastgd.gradient_descent(X, y, **how)
    start = np.full(4, 3.0)
    fit = fastgd.gradient_descent(X, y, w0=start, learning_rate=rate, **how)
    assert (np.diff(fit.cost_history) <= 0.0).all()
    assert fit.cost_history[-1] == pytest.approx(best.cost_history[-1], rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_separated_classes_have_no_cost(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2000, 3))
    y = (X @ [1.0, 2.0, 3.0] > 0.1).astype(float)
    fit = fastgd.gradient_descent(X, y, loss="hinge", fit_intercept=True, precondition=True, tol="auto")
    assert fit.converged
    assert fit.cost_history[-1] <= 1e-12
    assert ((fit.predict(X) > 0.0) == (y > 0.0)).all()


def test_a_subclass_of_a_loss_is_not_its_models(rng):
    class Other(losses.Quantile):
        def value(self, score, y):
            return abs(score - y)

    X, y = drawn(rng, "quantile", 30)
    with pytest.raises(ValueError, match="nothing says where"):
        fastgd.gradient_descent(X, y, loss=Other(0.5), precondition=True)


def test_a_run_that_ends_early_says_how_far_the_cost_may_be_above_its_minimum(rng):
    X, y = drawn(rng, "quantile", 400)
    how = dict(loss="quantile", fit_intercept=True, precondition=True, tol="auto", learning_rate=0.1)
    with pytest.warns(fastgd.ConvergenceWarning, match="what the cost may lie above its minimum") as told:
        fit = fastgd.gradient_descent(X, y, w0=np.full(4, 5.0), n_epochs=2, **how)
    assert not fit.converged
    assert "n_epochs=2 ran out" in str(told[0].message)
    done = fastgd.gradient_descent(X, y, **how | dict(learning_rate="auto"))
    assert "the cost is above its minimum by less than 1e-12 of the cost at the start" in done.status


@pytest.mark.parametrize("loss", LOSSES.values())
def test_a_width_makes_a_loss_smooth_and_no_larger(loss):
    smooth = loss.with_width(0.5)
    scores = np.linspace(-3.0, 3.0, 1201)
    assert not loss.is_smooth
    assert smooth.is_smooth
    for y in (0.0, 1.0):
        exact, rounded = (np.array([one.value(s, y) for s in scores.tolist()]) for one in (loss, smooth))
        slopes = np.array([smooth.slope(s, y) for s in scores.tolist()])
        assert (rounded <= exact + 1e-15).all()
        assert (exact - rounded).max() == pytest.approx(0.5 * 0.5 * loss.steepness)
        assert np.abs(np.diff(slopes)).max() <= smooth.curvature * 0.005 * (1 + 1e-9)
        np.testing.assert_allclose(np.gradient(rounded, scores)[1:-1], slopes[1:-1], atol=0.02)
        lines = slopes * (scores - loss.kink(scores, y))
        assert (lines <= exact + 1e-15).all()
    with pytest.raises(ValueError, match="width must be finite and not negative, not -1"):
        losses.as_loss(loss.with_width(-1.0))


def test_a_loss_with_a_width_is_fitted_as_a_smooth_one(rng):
    X, y = drawn(rng, "quantile", 300)
    how = dict(fit_intercept=True, precondition=True, tol="auto")
    smooth = fastgd.gradient_descent(X, y, loss=losses.Quantile(0.5, width=0.4), **how)
    exact = fastgd.gradient_descent(X, y, loss=losses.Quantile(0.5), **how)
    assert smooth.converged
    gap = exact.cost_history[-1] - smooth.cost_history[-1]
    assert 0.0 < gap < 0.4 / 4.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_is_a_lower_bound_and_a_part_of_it_too(rng, backend):
    X, y = drawn(rng, "quantile", 300)
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

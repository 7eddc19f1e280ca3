"""Descent on losses with kinks, by models that keep the rows near them, to the linear programme's optimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

import fastgd
from fastgd import losses
from fastgd.solver.sample import spacing
from tests.conftest import JIT_IS_OFF
from tests.problems import BACKENDS, KINKED, kinked, resumed

QUANTILES = [0.1, 0.5, 0.9]
too_slow = pytest.mark.skipif(JIT_IS_OFF, reason="too many rows for plain Python")


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
    values = [KINKED[name].value(a, b) for a, b in zip(scores.tolist(), y.tolist(), strict=True)]
    return np.sum(s * values) / s.sum() + l1 * np.abs(theta[:-1]).sum()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("l1", [0.0, 0.02])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", KINKED)
def test_the_cost_is_that_of_the_linear_programme(rng, name, is_weighted, l1, backend):
    X, y = kinked(rng, name, 120)
    s = rng.random(120) if is_weighted else np.ones(120)
    fit = fastgd.gradient_descent(
        X, y, loss=KINKED[name], l1=l1, sample_weight=s if is_weighted else None, fit_intercept=True,
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
@pytest.mark.parametrize("name", KINKED)
def test_a_small_sample_leads_to_the_optimum_of_all_rows(rng, name, l1):
    X, y = kinked(rng, name, 60_000)
    assert spacing(*X.shape) > 1
    fit = fastgd.gradient_descent(
        X, y, loss=KINKED[name], l1=l1, fit_intercept=True, precondition=True, tol="auto"
    )
    assert fit.converged
    assert fit.n_passes <= 10
    assert fit.cost_history[0] > fit.cost_history[-1]
    again = fastgd.gradient_descent(
        X, y, loss=KINKED[name], l1=l1, fit_intercept=True, precondition=True, tol=0.0, w0=fit, n_epochs=3
    )
    assert fit.cost_history[-1] - again.cost_history[-1] <= 1e-12 * fit.cost_history[-1]


@too_slow
def test_threads_and_sources_have_the_same_bits(rng):
    X, y = kinked(rng, "quantile", 70_000)
    how = dict(loss=KINKED["quantile"], fit_intercept=True, precondition=True, tol="auto")
    parts = fastgd.chunks(lambda: ((X[k : k + 9_999], y[k : k + 9_999]) for k in range(0, len(X), 9_999)))
    fits = [fastgd.gradient_descent(X, y, n_threads=k, **how) for k in (1, 2, 3)]
    fits += [fastgd.gradient_descent(np.asfortranarray(X), y, **how), fastgd.gradient_descent(parts, **how)]
    for fit in fits[1:]:
        assert at(fit).tolist() == at(fits[0]).tolist()
        assert fit.cost_history.tolist() == fits[0].cost_history.tolist()


def test_runs_in_parts_are_one_run(rng, tmp_path):
    X, y = kinked(rng, "quantile", 200)
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
@pytest.mark.parametrize("name", KINKED)
def test_few_rows_are_fitted_exactly(rng, name, n, backend):
    X, y = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.1]])[:n], np.array([1.0, 0.0, 0.0])[:n]
    fit = fastgd.gradient_descent(
        X, y, loss=name, fit_intercept=True, precondition=True, tol="auto", n_epochs=5, backend=backend
    )
    assert fit.converged
    assert fit.cost_history[-1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", KINKED)
def test_rows_that_a_step_cannot_tell_apart(name):
    """Equal columns, a constant column, and many rows exactly at a kink."""
    k = np.arange(400)
    X = np.column_stack([k % 3, k % 3, np.ones(400), k % 2]).astype(float)
    y = (k % 5 < 2).astype(float)
    fit = fastgd.gradient_descent(
        X, y, loss=KINKED[name], fit_intercept=True, precondition=True, tol="auto", n_epochs=30
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
        X, y, loss=KINKED[name], fit_intercept=True, precondition=True, tol="auto", n_epochs=30
    )
    best = 0.0
    for level in np.unique(levels):
        of_level = y[levels == level].tolist()
        loss = KINKED[name]
        best += min(sum(loss.value(s, t) for t in of_level) for s in (-1.0, 0.0, 1.0))
    assert fit.cost_history[-1] == pytest.approx(best / len(y), rel=1e-6)


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

    X, y = kinked(rng, "quantile", 30)
    with pytest.raises(ValueError, match="nothing says where"):
        fastgd.gradient_descent(X, y, loss=Other(0.5), precondition=True)


def test_a_loss_with_a_width_is_fitted_as_a_smooth_one(rng):
    X, y = kinked(rng, "quantile", 300)
    how = dict(fit_intercept=True, precondition=True, tol="auto")
    smooth = fastgd.gradient_descent(X, y, loss=losses.Quantile(0.5, width=0.4), **how)
    exact = fastgd.gradient_descent(X, y, loss=losses.Quantile(0.5), **how)
    assert smooth.converged
    gap = exact.cost_history[-1] - smooth.cost_history[-1]
    assert 0.0 < gap < 0.4 / 4.0

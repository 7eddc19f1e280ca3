"""Losses: the optimum that other solvers find, the differences of the cost, and losses of one's own."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import fastgd
from fastgd import losses
from tests.conftest import JIT_IS_OFF
from tests.problems import BACKENDS, LOSSES, problem

linear_model = pytest.importorskip("sklearn.linear_model")
optimize = pytest.importorskip("scipy.optimize")


def test_values_and_slopes_by_hand():
    assert losses.SquaredError().value(3.0, 1.0) == 4.0
    assert losses.SquaredError().slope(3.0, 1.0) == 4.0
    huber = losses.Huber(1.0)
    assert (huber.value(0.5, 0.0), huber.slope(0.5, 0.0)) == (0.25, 1.0)
    assert (huber.value(3.0, 0.0), huber.slope(-3.0, 0.0)) == (5.0, -2.0)
    log = losses.LogLoss()
    assert log.value(0.0, 1.0) == pytest.approx(math.log(2.0), rel=1e-15)
    assert (log.slope(0.0, 1.0), log.slope(0.0, 0.0)) == (-0.5, 0.5)
    assert log.value(-800.0, 1.0) == 800.0
    quantile = losses.Quantile(0.9)
    assert quantile.value(0.0, 2.0) == 1.8
    assert quantile.value(2.0, 0.0) == pytest.approx(0.2, rel=1e-14)
    assert (quantile.slope(0.0, 2.0), quantile.slope(1.0, 1.0)) == (-0.9, 0.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_is_along_the_differences_of_the_cost(rng, loss):
    """The gradient as (w0 − w)/α of one epoch, against central differences of the cost that is reported."""
    X, y = problem(rng, 40, 3, loss)
    how = dict(loss=LOSSES[loss], sample_weight=rng.random(40) + 0.1, l2=0.3)
    w0, h = np.array([0.3, -0.2, 0.4]), 1e-6
    first = fastgd.gradient_descent(X, y, w0=w0, n_epochs=1, learning_rate=1e-2, **how)
    for j in range(3):
        e = h * (np.arange(3) == j)
        up, down = (
            fastgd.gradient_descent(X, y, w0=w0 + t, n_epochs=0, **how).cost_history[0] for t in (e, -e)
        )
        assert (w0[j] - first.w[j]) / 1e-2 == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-7)


def best(value, size):
    """The least of a smooth convex function, by scipy."""
    found = optimize.minimize(value, np.zeros(size), method="BFGS", options=dict(gtol=1e-7))
    return optimize.minimize(value, found.x, method="Nelder-Mead", options=dict(xatol=1e-10, fatol=1e-15)).x


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_log_loss_against_logistic_regression(rng, standardize, is_weighted):
    X, y = problem(rng, 150, 3, "log_loss")
    X = X * [1.0, 3.0, 0.5] + [0.0, 1.0, -0.5]
    s = rng.random(150) + 0.1 if is_weighted else np.ones(150)
    model = linear_model.LogisticRegression(C=1 / (0.05 * s.sum()), tol=1e-12, max_iter=10_000)
    model.fit(X, y, sample_weight=s)
    fit = fastgd.gradient_descent(
        X, y, loss="log_loss", l2=0.05, fit_intercept=True, standardize=standardize, nesterov=True,
        sample_weight=s if is_weighted else None, n_epochs=400 if JIT_IS_OFF else 5000, tol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(fit.w, model.coef_[0], atol=1e-5)
    assert fit.intercept == pytest.approx(model.intercept_[0], abs=1e-5)
    margins = (2 * y - 1) * (X @ model.coef_[0] + model.intercept_[0])
    least = np.average(np.logaddexp(0, -margins), weights=s) + 0.025 * np.sum(model.coef_**2)
    assert fit.cost_history[-1] <= least * (1 + 1e-9)
    assert fit.cost_history[-1] == pytest.approx(least, rel=1e-8)


@pytest.mark.parametrize("name", ["huber", "own"])
def test_robust_losses_against_scipy(rng, name):
    X, y = problem(rng, 80, 2)
    y[::9] += 8.0
    s = rng.random(80) + 0.1

    def value(theta):
        r = X @ theta[:2] + theta[2] - y
        if name == "huber":
            each = np.where(np.abs(r) <= 0.7, r * r, 0.7 * (2 * np.abs(r) - 0.7))
        else:
            each = 2 * 1.5**2 * (np.sqrt(1 + (r / 1.5) ** 2) - 1)
        return np.average(each, weights=s) + 0.05 * np.sum(theta[:2] ** 2)

    fit = fastgd.gradient_descent(
        X, y, loss=LOSSES[name], l2=0.1, fit_intercept=True, standardize=True, sample_weight=s, nesterov=True,
        n_epochs=500 if JIT_IS_OFF else 3000, tol=1e-9,
    )  # fmt: skip
    expected = best(value, 3)
    assert fit.cost_history[-1] == pytest.approx(value(expected), rel=1e-8)
    assert value(np.append(fit.w, fit.intercept)) <= value(expected) * (1 + 1e-10)
    np.testing.assert_allclose([*fit.w, fit.intercept], expected, atol=1e-5)


def test_quantile_against_linear_programming(rng):
    n, q = 60, 0.3
    X, y = problem(rng, n, 2)
    s = rng.random(n) + 0.1
    table = np.column_stack([X, np.ones(n)])
    program = optimize.linprog(
        np.concatenate([np.zeros(3), q * s / s.sum(), (1 - q) * s / s.sum()]),
        A_eq=np.column_stack([table, np.eye(n), -np.eye(n)]), b_eq=y,
        bounds=[(None, None)] * 3 + [(0, None)] * (2 * n),
    )  # fmt: skip
    epochs = 400 if JIT_IS_OFF else 8000
    fit = fastgd.gradient_descent(
        X, y, loss=losses.Quantile(q), fit_intercept=True, sample_weight=s, n_epochs=epochs
    )
    assert program.fun <= fit.cost_history.min() <= program.fun * (1.05 if JIT_IS_OFF else 1.01)
    below = np.average(table @ [*fit.w, fit.intercept] > y, weights=s)
    assert below == pytest.approx(q, abs=0.1)


def test_an_exact_step_and_an_exact_epoch_of_sgd():
    """Intercept, weights and l2, in rational numbers."""
    X = [[1.5, -2.0], [0.25, 1.0], [-1.0, 0.75], [2.0, 0.5]]
    y, s, w0, rate, l2 = [1.0, -0.5, 2.0, 0.25], [1.0, 2.0, 0.0, 0.5], [0.5, -0.25], 0.125, 0.5
    rows = [[Fraction(v) for v in row] + [Fraction(1)] for row in X]
    targets, weights = [Fraction(v) for v in y], [Fraction(v) for v in s]

    def gradient(theta, which, total):
        sums = [Fraction(0)] * 3
        for i in which:
            r = sum(a * b for a, b in zip(rows[i], theta, strict=True)) - targets[i]
            sums = [g + weights[i] * 2 * r * x / total for g, x in zip(sums, rows[i], strict=True)]
        return [g + Fraction(l2) * t * (j < 2) for j, (g, t) in enumerate(zip(sums, theta, strict=True))]

    def step(theta, g):
        return [t - Fraction(rate) * one for t, one in zip(theta, g, strict=True)]

    start = [Fraction(v) for v in [*w0, 0.0]]
    how = dict(w0=w0, learning_rate=rate, n_epochs=1, fit_intercept=True, sample_weight=s, l2=l2)
    descent = list(map(float, step(start, gradient(start, range(4), sum(weights)))))
    for method in ("stream", "summary"):
        fit = fastgd.gradient_descent(X, y, method=method, **how)
        np.testing.assert_allclose([*fit.w, fit.intercept], descent, rtol=4e-15)
    theta = start
    for i in range(4):
        theta = step(theta, gradient(theta, [i], 1))
    fit = fastgd.sgd(X, y, **how)
    np.testing.assert_allclose([*fit.w, fit.intercept], list(map(float, theta)), rtol=4e-15)
    theta = start
    for batch in ([0, 1, 2], [3]):
        theta = step(theta, gradient(theta, batch, sum(weights[i] for i in batch)))
    fit = fastgd.sgd(X, y, batch_size=3, **how)
    np.testing.assert_allclose([*fit.w, fit.intercept], list(map(float, theta)), rtol=4e-15)


def test_poisson_against_poisson_regressor(rng):
    X = rng.normal(size=(200, 3))
    y = rng.poisson(np.exp(X @ [0.5, -0.3, 0.2] + 0.7))
    theirs = linear_model.PoissonRegressor(alpha=0.1, tol=1e-10, max_iter=1000).fit(X, y)
    fit = fastgd.gradient_descent(
        X, y, loss="poisson", l2=0.1, fit_intercept=True, nesterov=True, tol=1e-9, n_epochs=1000
    )
    assert fit.converged
    np.testing.assert_allclose([*fit.w, fit.intercept], [*theirs.coef_, theirs.intercept_], atol=1e-6)
    estimators = pytest.importorskip("fastgd.estimators")
    ours = estimators.GDRegressor(loss="poisson", alpha=0.1, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5)
    with pytest.raises(ValueError, match=r'^eta0="auto" of SGD needs a bound of the curvature'):
        estimators.SGDRegressor(loss="poisson").fit(X, y)
    steps = estimators.SGDRegressor(loss="poisson", alpha=0.1, eta0=0.01, random_state=0).fit(X, y)
    np.testing.assert_allclose(steps.coef_, theirs.coef_, atol=0.05)


@pytest.mark.parametrize("backend", BACKENDS)
def test_poisson_has_its_values_where_they_overflow(backend):
    found = fastgd.loss(
        [-800.0, 0.0, 700.0, 710.0], [2.0, 0.0, 1.0, 0.0], 1.0, loss="poisson", backend=backend
    )
    np.testing.assert_allclose(found, [1600.0, 1.0, math.exp(700.0), math.inf], rtol=1e-14)


def assert_steps_are_those_of_scikit_learn(rng, name, kind, y):
    """Two epochs in order at one rate: the same formula, sign and factor."""
    estimators = pytest.importorskip("fastgd.estimators")
    X = rng.normal(size=(len(y), 3))
    how = dict(loss=name, learning_rate="constant", eta0=0.02, shuffle=False, tol=None, max_iter=2, alpha=0.0)
    ours = getattr(estimators, kind)(standardize=False, **how).fit(X, y)
    theirs = getattr(linear_model, kind)(**how).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)
    return X, ours, theirs


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_hinge_against_scikit_learn(rng):
    assert_steps_are_those_of_scikit_learn(rng, "hinge", "SGDClassifier", rng.integers(0, 2, 80))
    svm = pytest.importorskip("sklearn.svm")
    X, y = problem(rng, 80, 2, "log_loss")
    model = svm.SVC(kernel="linear", C=1 / (0.05 * 80), tol=1e-8).fit(X, y)
    margins = (2 * y - 1) * (X @ model.coef_[0] + model.intercept_[0])
    least = np.maximum(0.0, 1.0 - margins).mean() + 0.025 * np.sum(model.coef_**2)
    epochs = 2000 if JIT_IS_OFF else 20_000
    fit = fastgd.gradient_descent(X, y, loss="hinge", l2=0.05, fit_intercept=True, n_epochs=epochs)
    assert least * (1 - 1e-9) <= fit.cost_history[-1] <= least * (1.01 if JIT_IS_OFF else 1.001)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["squared_hinge", "modified_huber"])
def test_smooth_losses_of_margins_against_scipy_and_scikit_learn(rng, name):
    assert_steps_are_those_of_scikit_learn(rng, name, "SGDClassifier", rng.integers(0, 2, 80))
    X, y = problem(rng, 80, 2, "log_loss")
    y[::7] = 1.0 - y[::7]

    def value(theta):
        margins = (2 * y - 1) * (X @ theta[:2] + theta[2])
        each = np.maximum(0.0, 1.0 - margins) ** 2
        if name == "modified_huber":
            each = np.where(margins < -1.0, -4.0 * margins, each)
        return np.mean(each) + 0.05 * np.sum(theta[:2] ** 2)

    fit = fastgd.gradient_descent(
        X, y, loss=name, l2=0.1, fit_intercept=True, nesterov=True, n_epochs=3000, tol=1e-9
    )
    expected = best(value, 3)
    assert fit.cost_history[-1] == pytest.approx(value(expected), rel=1e-9)
    np.testing.assert_allclose([*fit.w, fit.intercept], expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_of_modified_huber_are_those_of_scikit_learn(rng, n_classes):
    X, ours, theirs = assert_steps_are_those_of_scikit_learn(
        rng, "modified_huber", "SGDClassifier", rng.integers(0, n_classes, 80)
    )
    far = np.concatenate([X, 50.0 * X])  # to where all classes are ruled out, or several are certain
    np.testing.assert_allclose(ours.predict_proba(far), theirs.predict_proba(far), rtol=1e-9, atol=1e-12)
    with np.errstate(divide="ignore"):
        expected = np.log(theirs.predict_proba(far))
    np.testing.assert_allclose(ours.predict_log_proba(far), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_epsilon_insensitive_against_scikit_learn(rng):
    assert_steps_are_those_of_scikit_learn(rng, "epsilon_insensitive", "SGDRegressor", rng.normal(size=80))
    svm = pytest.importorskip("sklearn.svm")
    X, y = problem(rng, 80, 2)
    model = svm.SVR(kernel="linear", C=1 / (0.05 * 80), epsilon=0.2, tol=1e-8).fit(X, y)
    gaps = np.abs(X @ model.coef_[0] + model.intercept_[0] - y) - 0.2
    least = np.maximum(0.0, gaps).mean() + 0.025 * np.sum(model.coef_**2)
    epochs = 2000 if JIT_IS_OFF else 20_000
    loss = losses.EpsilonInsensitive(0.2)
    fit = fastgd.gradient_descent(X, y, loss=loss, l2=0.05, fit_intercept=True, n_epochs=epochs)
    assert least * (1 - 1e-9) <= fit.cost_history[-1] <= least * (1.01 if JIT_IS_OFF else 1.001)


def test_an_epsilon_below_0_is_refused():
    with pytest.raises(
        ValueError, match=r"^EpsilonInsensitive's epsilon must be finite and not negative, not -1"
    ):
        fastgd.sgd([1.0], [1.0], loss=losses.EpsilonInsensitive(-1.0))


# Losses of one's own --------------------------------------------------------------------------------------

"""Losses: the optimum that other solvers find, the differences of the cost, and losses of one's own."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd import losses
from tests.conftest import JIT_IS_OFF
from tests.problems import LOSSES, Smooth, problem

BACKENDS = ["numba", "python"]

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


class Static:
    curvature = 2.0

    @staticmethod
    def value(score, y):
        return (score - y) ** 2

    @staticmethod
    def slope(score, y):
        return 2.0 * (score - y)


class Wrong(Static):
    @staticmethod
    def slope(score, y):
        return score - y


class Infinite(Static):
    @staticmethod
    def value(score, y):
        return math.inf


class Uncompiled:
    def value(self, score, y):
        return open(score)

    slope = value


class Slopeless:
    def value(self, score, y):
        return 0.0


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_static_methods_and_parameters_as_attributes(rng, backend):
    X, y = problem(rng, 30, 2)
    how = dict(learning_rate=0.1, n_epochs=5, backend=backend)
    squared = fastgd.gradient_descent(X, y, **how, l2=0.1)
    for loss in (Static(), Static):
        own = fastgd.gradient_descent(X, y, loss=loss, **how, l2=0.1)
        np.testing.assert_allclose(own.w_history, squared.w_history, rtol=1e-13)
        np.testing.assert_allclose(own.cost_history, squared.cost_history, rtol=1e-13)
        steps = fastgd.sgd(X, y, loss=loss, **how)
        np.testing.assert_allclose(steps.w, fastgd.sgd(X, y, **how).w, rtol=1e-12)
    flat, steep = (fastgd.gradient_descent(X, y, loss=Smooth(c), **how) for c in (0.1, 100.0))
    assert np.max(np.abs(flat.w - steep.w)) > 0.01
    np.testing.assert_allclose(steep.w, fastgd.gradient_descent(X, y, **how).w, rtol=1e-3)
    again = fastgd.gradient_descent(X, y, loss=Smooth(0.1), **how)
    assert again.w.tobytes() == flat.w.tobytes()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Wrong(), r"^loss Wrong: slope\(.*\) is .*, and its value changes by .*; slope must be ∂value"),
        (Infinite(), r"^loss Infinite: its value or slope is not finite at any score near y or 0$"),
        (Uncompiled(), r"^loss Uncompiled: (Numba cannot compile|an error in) its value or slope \(.*\)$"),
    ],
)
@pytest.mark.parametrize("backend", ["numba", "python"])
def test_a_loss_that_does_not_hold_together_is_refused(loss, message, backend):
    for fit_by in (fastgd.gradient_descent, fastgd.sgd):  # the second time too
        with pytest.raises(ValueError, match=message) as caught:
            fit_by([1.0, 2.0], [1.0, 0.0], loss=loss, learning_rate=0.1, backend=backend)
        assert "\n" not in str(caught.value)


def test_a_loss_without_its_methods_is_refused():
    with pytest.raises(TypeError, match=r"^loss has no method slope\(self, score, y\): <.*value and slope$"):
        fastgd.sgd([1.0], [1.0], loss=Slopeless(), learning_rate=0.1)


@pytest.mark.parametrize("kind", [int, float, np.float64, np.float32, np.int64])
def test_parameters_of_any_kind_of_number(kind):
    fit = fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=Smooth(kind(2)), learning_rate=0.1, n_epochs=2)
    plain = fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=Smooth(2.0), learning_rate=0.1, n_epochs=2)
    assert fit.w == plain.w


def test_targets_without_a_number_are_named_with_an_own_loss_too():
    class Fresh(Static):
        pass

    with pytest.raises(fastgd.InvalidDataError, match=r"^y\[0\] is NaN"):
        fastgd.gradient_descent([1.0, 2.0], [np.nan, np.nan], loss=Fresh(), learning_rate=0.1)


def test_what_is_no_loss_is_told_in_one_sentence():
    assert losses.as_loss(losses.Huber) == losses.Huber()  # the class stands for its default
    with pytest.raises((TypeError, ValueError), match=r"delta must be"):
        fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=losses.Huber("much"), learning_rate=0.1)


def test_a_curvature_that_is_negative_is_refused():
    loss = Smooth()
    loss.curvature = -1.0
    with pytest.raises(ValueError, match=r"^loss Smooth.* curvature"):
        fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=loss)


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
def test_why_a_loss_does_not_compile_is_told():
    """The name that is missing, and not the stage of the compiler."""

    class Forgetful(Static):
        def value(self, score, y):
            return self.factor * (score - y) ** 2

    with pytest.raises(ValueError, match=r"^loss Forgetful: .*factor"):
        fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=Forgetful(), learning_rate=0.1)


def test_a_loss_without_curvature_gets_rates_that_fall():
    class Kinked:
        def value(self, score, y):
            return abs(score - y)

        def slope(self, score, y):
            return 1.0 if score > y else -1.0

    fit = fastgd.gradient_descent([1.0, 2.0, 4.0], [2.0, 4.1, 8.0], loss=Kinked(), n_epochs=9)
    np.testing.assert_allclose(
        fit.learning_rates, fit.learning_rates[0] / np.sqrt(np.arange(1, 10)), rtol=1e-14
    )


OWN = """
import numpy as np
import fastgd

class Own:
    curvature = 2.0
    def value(self, score, y):
        return {factor} * (score - y) ** 2
    def slope(self, score, y):
        return {factor} * 2.0 * (score - y)

print(fastgd.gradient_descent([[1.0], [2.0]], [1.0, 2.0], loss=Own(), learning_rate=0.1, n_epochs=1).w[0])
print(fastgd.sgd([[1.0], [2.0]], [1.0, 2.0], loss=Own(), learning_rate=0.1, n_epochs=1).w[0])
"""


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
def test_machine_code_of_an_own_loss_is_not_kept(tmp_path):
    def run(factor):
        environment = os.environ | {
            "FASTGD_CACHE_DIR": str(tmp_path),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        done = subprocess.run(
            [sys.executable, "-c", OWN.format(factor=factor)],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return list(map(float, done.stdout.split()))

    assert run(1.0) == pytest.approx([0.5, 0.84], rel=1e-14)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files
    assert not any(b"OwnLoss" in text for text in files.values())
    # The same names and numbers, other code.
    assert run(0.5) == pytest.approx([0.25, 0.46], rel=1e-14)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def same_name(factor):
    class Scaled:
        curvature = 2.0 * factor

        def value(self, score, y):
            return factor * (score - y) ** 2

        def slope(self, score, y):
            return 2.0 * factor * (score - y)

    return Scaled()


@pytest.mark.parametrize("backend", BACKENDS)
def test_classes_of_one_name_are_not_taken_for_one_another(backend):
    X, y = [1.0, 2.0, 4.0], [1.0, 0.0, 2.0]
    first, third = (fastgd.cost(X, y, 0.3, loss=same_name(factor), backend=backend) for factor in (1.0, 3.0))
    assert third == pytest.approx(3.0 * first, rel=1e-14)


class Poisson:
    """exp(score) − y·score: the score is the logarithm of what y counts."""

    def value(self, score, y):
        return math.exp(score) - y * score

    def slope(self, score, y):
        return math.exp(score) - y


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loss_whose_score_has_another_unit_than_y(backend):
    y = [700.0, 800.0, 1000.0, 900.0]
    fit = fastgd.gradient_descent(
        [[1.0]] * 4,
        y,
        loss=Poisson(),
        learning_rate=1e-3,
        n_epochs=300,
        w0=[6.0],
        backend=backend,
    )
    assert fit.w[0] == pytest.approx(math.log(850.0), rel=1e-9)

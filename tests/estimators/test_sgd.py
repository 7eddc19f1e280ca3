"""SGDRegressor and SGDClassifier: rates, stopping, and partial_fit on data as it comes."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier as TheirClassifier
from sklearn.linear_model import SGDRegressor as TheirRegressor

import fastgd
from fastgd.estimators import SGDClassifier, SGDRegressor
from tests.conftest import JIT_IS_OFF

pytestmark = pytest.mark.skipif(JIT_IS_OFF, reason="slow, and the same by the same loop")


def linear(n, d, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, X @ rng.normal(size=d) + noise * rng.normal(size=n)


def objective(model, X, y):
    w = np.ravel(model.coef_)
    scores = X @ w + np.ravel(model.intercept_)[0]
    if hasattr(model, "classes_"):
        return np.mean(np.logaddexp(0.0, (1 - 2 * y) * scores)) + 0.5e-4 * w @ w
    return 0.5 * np.mean((scores - y) ** 2) + 0.5e-4 * w @ w


# Defaults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1000, 10_000])
def test_the_defaults_of_the_regressor_need_few_epochs(n, seed):
    X, y = linear(n, 10, seed)
    ours = SGDRegressor(random_state=seed).fit(X, y)
    theirs = TheirRegressor(random_state=seed).fit(X, y)
    assert ours.n_iter_ <= 2 * theirs.n_iter_
    assert objective(ours, X, y) <= objective(theirs, X, y)


@pytest.mark.parametrize("n", [1000, 10_000])
def test_the_defaults_of_the_classifier_need_few_epochs(n):
    X, y = linear(n, 10)
    y = (y > 0.0).astype(int)
    ours = SGDClassifier(random_state=0).fit(X, y)
    theirs = TheirClassifier(loss="log_loss", random_state=0).fit(X, y)
    assert ours.n_iter_ <= 2 * theirs.n_iter_
    assert objective(ours, X, y) <= objective(theirs, X, y)


def test_the_automatic_rate_is_stable_beside_a_row_that_is_far_out():
    X, y = linear(300, 3)
    X[17] = 1e3
    y[17] = 1e3
    model = SGDRegressor(random_state=0, standardize=False).fit(X, y)
    longest = 3e6 + 1
    assert model.result_.learning_rates[0] == pytest.approx(0.5 / longest, rel=1e-3)
    assert np.isfinite(model.coef_).all()


def test_the_automatic_rate_is_one_over_the_root_of_the_steps():
    X, y = linear(800, 3)
    for batch in (1, 10):
        model = SGDRegressor(random_state=0, alpha=0.0, tol=None, max_iter=2, batch_size=batch).fit(X, y)
        first = 1 / (2 * 4 * np.sqrt(2 * 800 / batch))
        np.testing.assert_allclose(model.result_.learning_rates, first / np.sqrt([1.0, 2.0]), rtol=1e-12)


def test_fit_stops_when_the_objective_has_no_longer_fallen_below_its_lowest():
    X, y = linear(500, 4)
    model = SGDRegressor(random_state=0, n_iter_no_change=3, tol=1e-3).fit(X, y)
    lowest, quiet = model.history_[0], 0
    needed = 0
    for cost in model.history_[1:]:
        needed += 1
        quiet = quiet + 1 if cost > lowest - 1e-3 * lowest else 0
        lowest = min(lowest, cost)
        if quiet == 3:
            break
    assert model.n_iter_ == needed
    assert model.result_.converged
    assert "the last 3 epochs lowered the cost by no more than 0.001 of it" in model.result_.status


def test_a_cost_that_rises_has_not_converged():
    X, y = linear(200, 2)
    with pytest.raises(fastgd.DivergenceError):
        fastgd.sgd(X, y, learning_rate=0.8, tol=1e-3, n_epochs=2000, w0=[1.0, 1.0])
    with pytest.warns(fastgd.ConvergenceWarning, match="ran out"):
        fit = fastgd.sgd([1.0, 1.0], [1.0, 1.0], learning_rate=1.2, tol=1e-3, n_epochs=20)
    assert not fit.converged


@pytest.mark.parametrize(
    ("x", "n_epochs"), [([1.0, 2.0, 3.0], 300), (np.random.default_rng(0).uniform(0.0, 100.0, 1000), 1000)]
)
def test_points_of_an_exact_line_converge(x, n_epochs):
    x = np.array(x)
    fit = fastgd.sgd(x, 2 * x + 1, fit_intercept=True, tol="auto", n_epochs=n_epochs)
    assert fit.converged
    assert fit.w == pytest.approx(2.0, rel=1e-8)
    assert fit.intercept == pytest.approx(1.0, rel=1e-6)


def test_the_forecast_on_an_exact_line_is_of_the_epochs_that_it_takes():
    x = np.array([1.0, 2.0, 3.0])
    how = dict(fit_intercept=True, tol="auto")
    with pytest.warns(fastgd.ConvergenceWarning, match=r"about \d+ more epochs") as caught:
        fastgd.sgd(x, 2 * x + 1, n_epochs=100, **how)
    more = int(str(caught[0].message).split("about ")[1].split()[0])
    assert 0.8 <= (100 + more) / fastgd.sgd(x, 2 * x + 1, n_epochs=2000, **how).n_epochs <= 1.2


# partial_fit ----------------------------------------------------------------------------------------------


def learnt(model, X, y, size, first=None, classes=None):
    starts = [0, *range(size if first is None else first, len(X), size), len(X)]
    more = {} if classes is None else dict(classes=classes)
    for start, stop in itertools.pairwise(starts):
        model.partial_fit(X[start:stop], y[start:stop], **more)
    return model


def streams():
    """Rows as they may come, and their targets."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(1500, 4)) * [1.0, 20.0, 1e-3, 3.0]
    y = X @ [1.0, -0.1, 2e3, 0.5] + 3.0 + 0.1 * rng.normal(size=1500)
    yield "as it comes", X, y
    yield "far from zero", X + np.array([1e6, -1e4, 5.0, 0.0]), y
    order = np.argsort(X[:, 0])
    yield "in the order of a column", X[order], y[order]
    order = np.argsort(y)
    yield "in the order of the targets", X[order], y[order]
    X = X.copy()
    X[:200, 2] = 7e-3
    yield "a column that is constant at first", X, X @ [1.0, -0.1, 2e3, 0.5] + 3.0
    X = X.copy()
    X[:300, 1] *= 1e-3
    yield "a column that is quiet at first", X, X @ [1.0, -0.1, 2e3, 0.5] + 3.0


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("name", [name for name, _, _ in streams()])
def test_partial_fit_learns_from_chunks_of_any_size(name, size):
    X, y = next((X, y) for given, X, y in streams() if given == name)
    if size < 100:
        X, y = X[::3], y[::3]
    model = learnt(SGDRegressor(alpha=0.0, random_state=0), X, y, size)
    assert model.score(X, y) > (0.6 if name == "in the order of the targets" else 0.9)


@pytest.mark.parametrize("seed", range(10))
def test_partial_fit_does_not_diverge_after_a_first_chunk_of_two_rows(seed):
    X, y = linear(2000, 5, seed, noise=0.1)
    model = learnt(SGDRegressor(alpha=0.0, random_state=0), X, y, 100, first=2)
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize("size", [1, 3, 50])
def test_partial_fit_of_the_classifier(size):
    X, y = linear(300, 3, noise=0.3)
    labels = np.where(y > 0.0, "yes", "no")
    model = learnt(SGDClassifier(random_state=0), 100.0 * X + 5e3, labels, size, classes=["no", "yes"])
    assert model.score(100.0 * X + 5e3, labels) > 0.85


def test_new_coordinates_leave_the_model_as_it_is():
    """The rate is so small that the steps do nothing: only the coordinates change from call to call."""
    X, y = linear(60, 3)
    how = dict(alpha=0.0, learning_rate="constant", average=True)
    model = SGDRegressor(eta0=0.05, **how).partial_fit(X, y)
    before = model.result_._last
    model.set_params(eta0=1e-300)
    for scale in (1.0, 30.0, 1e-3):
        model.partial_fit(scale * X + 5.0, y)
        np.testing.assert_allclose(model.result_._last[0], before[0], rtol=1e-12)
        np.testing.assert_allclose(model.result_._last[1], before[1], rtol=1e-9)
    to = model.result_._state.scaling
    both = np.concatenate([X, X + 5.0, 30.0 * X + 5.0, 1e-3 * X + 5.0])
    np.testing.assert_allclose(to.shift, both.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(1 / to.scale, both.std(axis=0), rtol=1e-12)


def test_weights_count_in_the_moments():
    X, y = linear(90, 2)
    s = np.random.default_rng(1).uniform(0.0, 3.0, 90)
    model = SGDRegressor(random_state=0, alpha=0.0)
    for part in (slice(0, 20), slice(20, 90)):
        model.partial_fit(X[part], y[part], sample_weight=s[part])
    to = model.result_._state.scaling
    mean = np.average(X, axis=0, weights=s)
    np.testing.assert_allclose(to.shift, mean, rtol=1e-12)
    np.testing.assert_allclose(to.scale**-2, np.average((X - mean) ** 2, axis=0, weights=s), rtol=1e-12)


def test_partial_fit_goes_on_in_the_moments_of_fit():
    X, y = linear(400, 2)
    model = SGDRegressor(random_state=0).fit(X[:300], y[:300])
    model.partial_fit(X[300:], y[300:])
    np.testing.assert_allclose(model.result_._state.scaling.shift, X.mean(axis=0), rtol=1e-10)
    assert model.result_._state.moments.n == 400


# What scikit-learn's users pass ---------------------------------------------------------------------------


def test_a_negative_power_is_refused():
    X, y = linear(20, 2)
    with pytest.raises(ValueError, match="power_t"):
        SGDRegressor(power_t=-0.5).fit(X, y)


def test_early_stopping_is_refused_in_parts():
    X, y = linear(20, 2)
    for model, more in ((SGDRegressor, {}), (SGDClassifier, dict(classes=[0, 1]))):
        with pytest.raises(ValueError, match=r"early_stopping=False, or call fit$"):
            model(early_stopping=True).partial_fit(X, (y > 0).astype(int), **more)


def test_average_counts_steps_as_in_scikit_learn():
    X, y = linear(12, 2)
    how = dict(eta0=0.1, learning_rate="constant", shuffle=False, max_iter=1, tol=None, alpha=0.01)
    for average in (1, 2, 7, 12, True):
        theirs = TheirRegressor(average=average, **how).fit(X, y)
        ours = SGDRegressor(average=average, standardize=False, **how).fit(X, y)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-12)
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-12)


@pytest.mark.parametrize("more", [{}, dict(l2=1e-12), dict(fit_intercept=True), dict(backend="python")])
def test_average_from_step_0_is_the_mean_of_all(more):
    X, y = linear(6, 2)
    how = dict(learning_rate=0.05, n_epochs=1) | more
    steps = [fastgd.sgd(X[: k + 1], y[: k + 1], **how).w for k in range(6)]
    for average, expected in ((0, steps), (True, steps), (4, steps[4:])):
        fit = fastgd.sgd(X, y, average=average, **how)
        np.testing.assert_allclose(fit.w, np.mean(expected, axis=0), rtol=1e-9)


def test_optimal_is_the_mean_of_their_rates_over_an_epoch():
    X, y = linear(50, 2)
    model = SGDClassifier(learning_rate="optimal", alpha=0.01, max_iter=2, tol=None).fit(X, y > 0)
    t0 = 1 / (0.01 * 0.01**-0.25)
    rates = 1 / (0.01 * (t0 + np.arange(100.0)))
    expected = rates[:50].mean(), rates[50:].mean()
    np.testing.assert_allclose(model.results_[0].learning_rates, expected, rtol=0.02)
    with pytest.raises(ValueError, match=r'^learning_rate="optimal" takes its rates from alpha, which is 0'):
        SGDClassifier(learning_rate="optimal", alpha=0.0).fit(X, y > 0)
    parts = SGDClassifier(learning_rate="optimal", alpha=0.01)
    for part, rate in ((slice(0, 20), rates[:20].mean()), (slice(20, 50), rates[20:50].mean())):
        parts.partial_fit(X[part], y[part] > 0, classes=[False, True])
        assert parts.results_[0].learning_rates[0] == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_adaptive_divides_the_rate_by_5_where_it_would_stop(early_stopping):
    X, y = linear(400, 3)
    how = dict(learning_rate="adaptive", eta0=0.01, random_state=0, early_stopping=early_stopping)
    model = SGDRegressor(**how).fit(X, y)
    rates = 2.0 * model.result_.learning_rates
    steps = rates[1:] / rates[:-1]
    assert rates[0] == pytest.approx(0.01)
    assert np.isclose(steps, 1.0, rtol=1e-12).sum() + np.isclose(steps, 0.2, rtol=1e-12).sum() == len(steps)
    assert np.isclose(steps, 0.2, rtol=1e-12).sum() == 6
    assert rates[-1] <= 1e-6 < rates[-1] * 5
    constant = SGDRegressor(**how | dict(learning_rate="constant")).fit(X, y)
    first = int(np.argmax(steps < 0.5)) + 1
    assert constant.n_iter_ == first


def test_adaptive_without_tol_keeps_its_rate():
    X, y = linear(50, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = SGDRegressor(learning_rate="adaptive", eta0=0.01, tol=None, max_iter=30).fit(X, y)
    assert set(model.result_.learning_rates) == {0.005}


# Sentences, not NumPy's warnings --------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize("how", [{}, dict(fit_intercept=True, standardize=True)], ids=str)
def test_a_huge_rate_is_divergence(backend, how):
    X, y = linear(50, 2)
    with pytest.raises(fastgd.DivergenceError, match="learning rate 1e\\+178"):
        fastgd.gradient_descent(
            X, 1e175 * y, loss="huber", learning_rate=1e178, n_epochs=5, backend=backend, **how
        )


def test_log_probabilities_of_sure_predictions_are_numbers():
    X = np.array([[0.0], [1.0], [3.0], [4.0]])
    for labels in ([0, 0, 1, 1], [0, 0, 1, 2]):
        model = SGDClassifier(random_state=0, tol=None, max_iter=20).fit(X, labels)
        np.testing.assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)), rtol=1e-9)
        far = model.predict_log_proba([[1e5], [-1e5]])
        assert np.isfinite(far).all()
        assert far.min() < -1000.0


def test_partial_fit_refuses_columns_whose_squares_overflow():
    X, y = linear(50, 2)
    with pytest.raises(fastgd.InvalidDataError, match="X is too large: its squares overflow"):
        SGDRegressor().partial_fit(X * [1.0, 1e200], y)

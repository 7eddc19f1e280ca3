"""partial_fit at a rate that is too large raises while the weights are finite; healthy streams do not."""

from __future__ import annotations

import re

import numpy as np
import pytest

import fastgd
from fastgd.estimators import GDRegressor, SGDClassifier, SGDRegressor
from fastgd.schedules import TimesAuto, is_automatic
from tests.conftest import JIT_IS_OFF

pytestmark = pytest.mark.skipif(JIT_IS_OFF, reason="slow, and the same by the same loop")


def linear(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X @ [1.0, 2.0, 3.0] + 0.1 * rng.normal(size=n)


def learn(model, X, y, size, n_times=1, **more):
    for start in [*range(0, len(X), size)] * n_times:
        model.partial_fit(X[start : start + size], y[start : start + size], **more)
    return model


@pytest.mark.parametrize(
    "how", [{}, dict(standardize=False), dict(momentum=0.5), dict(average=True)], ids=repr
)
@pytest.mark.parametrize("eta0", [0.8, 3.0, 1e3])
@pytest.mark.parametrize("size", [2, 50])
def test_weights_that_grow_from_call_to_call_raise(size, eta0, how):
    X, y = linear()
    model = SGDRegressor(eta0=eta0, learning_rate="constant", shuffle=False, **how)
    with pytest.raises(fastgd.DivergenceError, match='take eta0="auto"') as caught:
        learn(model, X, y, size, 10)
    assert "\n" not in str(caught.value)
    assert np.isfinite(caught.value.result.w).all()
    assert np.abs(caught.value.result.w).max() > 1e4
    if hasattr(model, "coef_"):
        assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("size", [2, 50])
def test_the_sentence_says_that_scores_are_beyond_the_targets(size):
    X, y = linear()
    model = SGDRegressor(eta0=0.6, learning_rate="constant", shuffle=False)
    with pytest.raises(fastgd.DivergenceError, match="scores are far beyond every target so far") as caught:
        learn(model, X, y, size, 20)
    assert np.abs(caught.value.result.w).max() < 1e20


@pytest.mark.parametrize("size", [2, 50])
def test_a_penalty_that_amplifies_raises(size):
    X, y = linear()
    model = SGDClassifier(alpha=1.0, eta0=3.0, learning_rate="constant", standardize=False)
    with pytest.raises(fastgd.DivergenceError):
        learn(model, X, (y > 0.0).astype(int), size, 3, classes=[0, 1])


@pytest.mark.parametrize("size", [2, 50])
def test_a_call_that_diverges_leaves_the_model_as_it_was(size):
    X, y = linear()
    model = learn(SGDRegressor(random_state=0), X, y, size)
    before = model.coef_.copy()
    model.set_params(eta0=1e3)
    with pytest.raises(fastgd.DivergenceError):
        learn(model, X, y, size, 10)
    assert np.isfinite(model.coef_).all()
    model.set_params(eta0="auto").fit(X, y)
    np.testing.assert_allclose(model.coef_, before, atol=1.5)


def test_the_setting_in_force_is_no_remedy():
    assert is_automatic("auto")
    assert not is_automatic(0.1)
    X, y = linear()
    with pytest.raises(fastgd.DivergenceError) as caught:
        fastgd.sgd(X, y, learning_rate=TimesAuto(lambda _: 100.0), n_epochs=100)
    assert '"auto"' not in str(caught.value)
    assert "pass learning_rate=" in str(caught.value)


def test_a_divergence_names_the_automatic_rate_where_it_is_the_one_that_auto_takes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    for model in (
        GDRegressor(precondition=False, nesterov=False, max_iter=500),
        SGDRegressor(random_state=0),
    ):
        with pytest.raises(fastgd.DivergenceError, match='take eta0="auto"') as caught:
            model.set_params(eta0=50.0).fit(X, y)
        told = re.search('eta0="auto", here ([0-9.]+)', str(caught.value))
        taken = model.set_params(eta0="auto").fit(X, y).result_.learning_rates[0]
        unit = 2.0  # what turns a rate into scikit-learn's
        assert (told is None) == isinstance(model, SGDRegressor)
        assert told is None or float(told[1]) == pytest.approx(unit * taken, rel=1e-4)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_rates_made_of_alpha_are_lowered_by_alpha(call):
    """learning_rate="optimal" does not use eta0."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    model = SGDRegressor(learning_rate="optimal", random_state=0)
    with pytest.raises(fastgd.DivergenceError) as caught:
        getattr(model, call)(X, y)
    assert 'pass learning_rate="invscaling" or a larger alpha (' in str(caught.value)
    assert "eta0" not in str(caught.value)
    for remedy in (dict(learning_rate="invscaling"), dict(alpha=10.0)):
        model = SGDRegressor(learning_rate="optimal", random_state=0).set_params(**remedy)
        assert np.isfinite(getattr(model, call)(X, y).coef_).all()


def ordered(X, y):
    order = np.argsort(X[:, 0])
    return X[order], y[order]


def offset(X, y):
    return np.add(X, [1e6, -1e9, 0.0]), y + 1e6


def jumping(X, y):
    return X, np.where(np.arange(len(y)) < len(y) // 2, y, 1e12 * y)


def falling(X, y):
    return X, np.where(np.arange(len(y)) < len(y) // 2, 1e12 * y, y)


def collinear(X, y):
    return np.column_stack([X[:, 0], X[:, 0] + 1e-9 * X[:, 1], X[:, 2]]), y


def without_signal(X, y):
    return X, 0.0 * y


def tiny(X, y):
    return 1e-9 * X, 1e-12 * y


def awakening(X, y):
    """A column that is as good as constant, until it is not."""
    X = X.copy()
    X[: len(X) // 2, 1] *= 1e-9
    return X, y


def with_outliers(X, y):
    X = X.copy()
    X[::37] *= 30.0
    return X, X @ [1.0, 2.0, 3.0]


STREAMS = [
    ordered, offset, jumping, falling, collinear, without_signal, tiny, awakening, with_outliers,
]  # fmt: skip


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("size", [2, 50])
@pytest.mark.parametrize(
    "how",
    [{}, dict(standardize=False), dict(loss="huber"), dict(loss="quantile"), dict(momentum=0.9)],
    ids=repr,
)
def test_no_healthy_stream_raises(stream, size, how):
    X, y = stream(*linear(160))
    if not how.get("standardize", True) and stream is offset:
        X = X - X.mean(axis=0)
    model = learn(SGDRegressor(random_state=0, **how), X, y, size)
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("stream", [ordered, jumping, falling, collinear, without_signal])
@pytest.mark.parametrize("size", [2, 50])
def test_no_healthy_stream_raises_at_a_rate_of_the_users(stream, size):
    X, y = stream(*linear(160))
    model = SGDRegressor(eta0=0.02, learning_rate="constant", random_state=0)
    assert np.isfinite(learn(model, X, y, size, 2).coef_).all()


@pytest.mark.parametrize("eta0", [1.0, 1e3, 1e9])
@pytest.mark.parametrize("size", [2, 50])
def test_bounded_slopes_may_take_any_rate(size, eta0):
    X, y = linear(160)
    how = dict(eta0=eta0, learning_rate="constant", random_state=0)
    model = learn(SGDClassifier(alpha=0.0, **how), X, (y > 0.0).astype(int), size, classes=[0, 1])
    assert model.score(X, y > 0.0) > 0.9

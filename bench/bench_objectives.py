"""Other losses than squared errors: a streamed reduction of each, and an epoch of SGD with log_loss.

The reduction of squared errors is timed beside them. SGDClassifier takes the same steps in the same order.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

import fastgd
from bench.harness import SMOKE, Case, assert_close, data, measure_whole, seconds_of

TOLERANCE = 1e-9
LOSSES = ("log_loss", "huber", "quantile")
REDUCED = [Case(5000, 10)] if SMOKE else [Case(1_000_000, 10), Case(500_000, 32), Case(500_000, 100)]
STEPPED = [Case(5000, 10)] if SMOKE else [Case(1_000_000, 10), Case(200_000, 100)]
RATE, L2 = 0.01, 1e-4


@functools.lru_cache(maxsize=2)
def classes(case):
    """Labels 0 and 1, with the probabilities of the scores."""
    X, _, w = data(case)
    return (1.0 / (1.0 + np.exp(-X @ w)) > np.random.default_rng(1).random(case.n)).astype(float)


def target(case, loss):
    return classes(case) if loss == "log_loss" else data(case)[1]


@pytest.mark.short
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", REDUCED, ids=str)
def test_fold_of_a_loss(benchmark, case, loss):
    X, y, w = data(case)[0], target(case, loss), np.full(case.d, 0.1)
    call = functools.partial(fastgd.cost_and_gradient, X, y, w, loss=loss)
    cost, gradient = call()
    assert_close(cost, np.mean(fastgd.loss(X, y, w, loss=loss)), TOLERANCE, f"cost of {loss}")
    step = 1e-5 * np.eye(case.d)[0]
    slope = (fastgd.cost(X, y, w + step, loss=loss) - fastgd.cost(X, y, w - step, loss=loss)) / 2e-5
    assert abs(gradient[0] - slope) < 1e-4, f"gradient of {loss} is not its cost's slope"
    squared = functools.partial(fastgd.cost_and_gradient, X, y, w)
    group = f"cost_and_gradient of {loss} {case}"
    measure_whole(
        benchmark, group, "fastgd", call, seconds_of(call), X=X, y=y, beside={"squared error": squared}
    )


def fastgd_steps(X, y, n_epochs):
    fit = fastgd.sgd(
        X, y, loss="log_loss", fit_intercept=True, l2=L2, learning_rate=RATE, n_epochs=n_epochs, history=None
    )
    return np.append(fit.w, fit.intercept)


def sklearn_steps(X, y, n_epochs):
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(
        loss="log_loss",
        alpha=L2,
        shuffle=False,
        learning_rate="constant",
        eta0=RATE,
        max_iter=n_epochs,
        tol=None,
    )
    model.fit(X, y)
    return np.append(model.coef_, model.intercept_)


@pytest.mark.short(case=STEPPED[:1])
@pytest.mark.parametrize("steps", [fastgd_steps, sklearn_steps], ids=["fastgd", "scikit-learn"])
@pytest.mark.parametrize("case", STEPPED, ids=str)
def test_sgd_of_log_loss(benchmark, case, steps):
    pytest.importorskip("sklearn")
    X, y = data(case)[0], classes(case)
    assert_close(steps(X, y, 1), sklearn_steps(X, y, 1), TOLERANCE, "weights after an epoch")
    call = functools.partial(steps, X, y, 1)
    name = "fastgd" if steps is fastgd_steps else "scikit-learn"
    measure_whole(benchmark, f"sgd of log_loss, 1 epoch {case}", name, call, seconds_of(call), X=X, y=y)

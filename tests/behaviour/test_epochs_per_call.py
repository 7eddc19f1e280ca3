"""No digit depends on how many epochs a call of the epoch loop does: a callback makes it one."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.conftest import JIT_IS_OFF

pytestmark = pytest.mark.skipif(JIT_IS_OFF, reason="there are no summaries without compiled kernels")


def problem(seed, n, d):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = X @ rng.normal(size=d) + (0.0 if seed % 2 else 0.1) * rng.normal(size=n)
    return X + (50.0 if seed % 4 == 2 else 0.0), y * (1e-9 if seed % 5 == 1 else 1.0)


def assert_same(fit, X, y, **how):
    alone, watched = (
        fit(X, y, method="summary", on_divergence="ignore", callback=callback, **how)
        for callback in (None, lambda state: None)
    )
    for name in ("w", "intercept", "w_history", "cost_history", "n_passes"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(watched, name), err_msg=name)


@pytest.mark.parametrize("history", ["epochs", None])
@pytest.mark.parametrize("fit", [fastgd.sgd, fastgd.gradient_descent])
@pytest.mark.parametrize("n", [7, 50])
def test_a_callback_changes_no_bit(n, fit, history):
    for seed in range(40):
        how = dict(n_epochs=60, history=history, fit_intercept=n == 50)
        assert_same(fit, *problem(seed, n, 2 + seed // 4 % 2), **how)


@pytest.mark.parametrize("rate", [1e-6, 1e-4, 1e-3])
def test_nor_of_a_run_that_hardly_moves(rate):
    for seed in range(20):
        for w0 in (np.zeros(3), np.full(3, 1e-6)):
            assert_same(fastgd.sgd, *problem(seed, 7, 3), w0=w0, learning_rate=rate, n_epochs=60)


@pytest.mark.parametrize("d", [1, 3])
def test_nor_of_several_blocks(d):
    for seed in range(4):
        assert_same(fastgd.sgd, *problem(seed, 9000, d), n_epochs=20, shuffle="blocks", seed=seed)


def test_a_run_that_begins_small_still_has_the_digits_of_an_exact_fit():
    X, y = problem(1, 50, 3)
    how = dict(learning_rate=2e-5, n_epochs=20_000, method="summary", history=None)
    start = np.full(3, 1e-9)
    summary = fastgd.sgd(X, y, w0=start, **how)
    plain = fastgd.sgd(X, y, w0=start, **how | dict(method="stream"))
    np.testing.assert_allclose(summary.w, plain.w, rtol=1e-12)

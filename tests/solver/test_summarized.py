"""A summary in the place of rows: every fit on statistics, and refusals of what needs rows."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import fastgd
from fastgd.checks import InvalidDataError
from tests.conftest import JIT_IS_OFF

N = 60 if JIT_IS_OFF else 500
OPTIONS = [
    dict(
        zip(
            ("fit_intercept", "standardize", "precondition", "l1", "l2", "tol", "momentum"),
            chosen,
            strict=True,
        )
    )
    for chosen in itertools.product(
        [False, True], [False, True], [False, True], [0.0, 0.1], [0.0, 0.3], [None, 1e-6], [0.0, 0.5]
    )
    if not (chosen[2] and (chosen[3] or chosen[6]))  # precondition excludes l1 and momentum
]


@pytest.fixture(params=["rows", "weights"])
def data(request, rng):
    """X, y, weights and two summaries: of all rows at once, and merged."""
    X = rng.normal(size=(N, 3)) * [1.0, 10.0, 0.1] + 3.0
    y = X @ [1.0, 2.0, 3.0] + 2.0 + rng.normal(size=N)
    s = rng.integers(0, 3, N).astype(float) if request.param == "weights" else None
    parts = [
        fastgd.summarize(X[part], y[part], sample_weight=None if s is None else s[part])
        for part in (slice(17), slice(17, None))
    ]
    return X, y, s, [fastgd.summarize(X, y, sample_weight=s), sum(parts)]


@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")
def test_a_fit_of_a_summary_is_the_fit_of_its_rows(data):
    X, y, s, summaries = data
    for options in OPTIONS[:: 5 if JIT_IS_OFF else 1]:
        expected = fastgd.gradient_descent(X, y, sample_weight=s, method="summary", n_epochs=200, **options)
        for summary in summaries:
            fit = fastgd.gradient_descent(summary, n_epochs=200, **options)
            assert fit.n_epochs == expected.n_epochs, options
            assert (fit.method, fit.n_passes) == ("summary", 0)
            assert fit.converged == expected.converged or fit.n_epochs == 200
            np.testing.assert_allclose(fit.w, expected.w, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(fit.cost_history, expected.cost_history, rtol=1e-9)
            np.testing.assert_allclose(fit.w_history, expected.w_history, rtol=1e-8, atol=1e-8)


def test_the_lesson_on_a_summary():
    x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    s = fastgd.summarize(x, y)
    fit = fastgd.gradient_descent(s, w0=1.0, learning_rate=0.01, n_epochs=100)
    expected = fastgd.gradient_descent(x, y, w0=1.0, learning_rate=0.01, n_epochs=100)
    assert isinstance(fit.w, float)
    assert fit.w == pytest.approx(expected.w, rel=1e-14)
    np.testing.assert_allclose(fit.cost_history, expected.cost_history, rtol=1e-10)
    assert fit.trace().splitlines()[0] == expected.trace().splitlines()[0]


def test_sweeps_diagnoses_and_costs(data, rng):
    X, y, s, summaries = data
    w = rng.normal(size=3)
    rates = [1e-4, 2e-3, 1.0]
    sweep = fastgd.sweep(X, y, sample_weight=s, learning_rates=rates, n_epochs=20, method="summary")
    diagnosis = fastgd.diagnose(X, y, sample_weight=s, fit_intercept=True, l2=0.1)
    for summary in summaries:
        found = fastgd.sweep(summary, learning_rates=rates, n_epochs=20)
        np.testing.assert_allclose(found.costs, sweep.costs, rtol=1e-9)
        assert [fit.diverged for fit in found.fits] == [fit.diverged for fit in sweep.fits]
        other = fastgd.diagnose(summary, fit_intercept=True, l2=0.1)
        assert other.n_passes == 0
        for name in ("condition_number", "stability_limit", "spectral_radius", "optimum", "optimum_cost"):
            np.testing.assert_allclose(getattr(other, name), getattr(diagnosis, name), rtol=1e-8)
        for options in ({}, {"intercept": 1.5}, {"l1": 0.1, "l2": 0.2}):
            cost, gradient = fastgd.cost_and_gradient(X, y, w, sample_weight=s, **options)
            assert fastgd.cost(summary, w=w, **options) == pytest.approx(cost, rel=1e-12)
            np.testing.assert_allclose(fastgd.gradient(summary, w=w, **options), gradient, rtol=1e-10)


def test_a_scaled_summary_has_the_optimum_of_its_rows(data):
    summary = data[3][0]
    options = dict(fit_intercept=True, precondition=True, n_epochs=5)
    fit, scaled = (fastgd.gradient_descent(one, **options) for one in (summary, 0.25 * summary))
    np.testing.assert_allclose(scaled.w, fit.w, rtol=1e-12)
    assert scaled.cost_history[-1] == pytest.approx(fit.cost_history[-1], rel=1e-12)


def test_a_fit_goes_on_from_a_fit_of_the_same_summary(data):
    summary = data[3][1]
    options = dict(fit_intercept=True, standardize=True, nesterov=True)
    whole = fastgd.gradient_descent(summary, n_epochs=30, **options)
    part = fastgd.gradient_descent(summary, n_epochs=10, **options)
    rest = fastgd.gradient_descent(summary, w0=part, n_epochs=20, **options)
    assert rest.w.tolist() == whole.w.tolist()


def test_more_than_1024_columns(rng):
    d = 40 if JIT_IS_OFF else 1100
    X = rng.normal(size=(d + 10, d))
    diagnosis = fastgd.diagnose(fastgd.summarize(X, X[:, 0] - X[:, -1]))
    assert not diagnosis.is_estimate
    np.testing.assert_allclose(diagnosis.optimum[[0, 1, -1]], [1.0, 0.0, -1.0], atol=1e-6)
    largest = np.linalg.norm(X, 2) ** 2 / len(X)
    assert diagnosis.largest_eigenvalue == pytest.approx(largest, rel=1e-10)


NEEDS_ROWS = {
    "sgd": lambda s: fastgd.sgd(s),
    "loss='huber'": lambda s: fastgd.gradient_descent(s, loss="huber"),
    "validation_fraction": lambda s: fastgd.gradient_descent(s, validation_fraction=0.1),
    'method="stream"': lambda s: fastgd.gradient_descent(s, method="stream"),
    'backend="python"': lambda s: fastgd.gradient_descent(s, backend="python"),
    "a checkpoint": lambda s: fastgd.gradient_descent(s, checkpoint="fit.npz"),
    'solver="sgd"': lambda s: fastgd.diagnose(s, solver="sgd"),
    "loss='log_loss'": lambda s: fastgd.cost(s, w=[1.0, 1.0, 1.0], loss="log_loss"),
}


@pytest.mark.parametrize("what", NEEDS_ROWS)
def test_what_needs_rows_is_refused_with_the_reason(data, what):
    with pytest.raises(ValueError, match=f"a Summary has no rows, and {what} needs them: pass X and y"):
        NEEDS_ROWS[what](data[3][0])


def test_targets_of_its_own():
    s = fastgd.summarize([1.0, 2.0], [1.0, 3.0])
    for arguments in ({"y": [1.0, 2.0]}, {"sample_weight": [1.0, 1.0]}):
        with pytest.raises(
            TypeError, match=f"a Summary has .* of its own: leave {next(iter(arguments))} out"
        ):
            fastgd.gradient_descent(s, **arguments)


def test_columns_too_far_from_zero_are_refused_with_the_remedy(rng):
    X = 1e9 + rng.normal(size=(50, 1))
    s = fastgd.summarize(X, X[:, 0] - 1e9)
    with pytest.raises(InvalidDataError, match="pass standardize=True"):
        fastgd.gradient_descent(s, fit_intercept=True)
    fit = fastgd.gradient_descent(s, fit_intercept=True, standardize=True)
    assert fit.w[0] == pytest.approx(1.0, rel=1e-6)


def test_a_cost_that_overflows_is_infinite(data):
    s = fastgd.summarize(*data[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fastgd.cost(s, w=np.full(s.n_features, 1e160)) == np.inf


def test_a_cost_without_digits_warns(rng):
    X = rng.integers(-50, 50, size=(40, 1)) / 8
    s = fastgd.summarize(X, X[:, 0] + 1e-3 * rng.normal(size=40))
    far = fastgd.summarize(X, -X[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastgd.cost(s, w=[1.0])
    both = s + 1e12 * far
    with pytest.warns(RuntimeWarning, match="of 16 digits"):
        lost = both - 1e12 * far
    with pytest.warns(RuntimeWarning, match="digits of this cost"):
        fastgd.cost(lost, w=[1.0])

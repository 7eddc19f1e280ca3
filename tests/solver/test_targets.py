"""Several targets: one pass, and each target's fit is the fit of that target."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

import fastgd
from fastgd.checks import InvalidDataError
from fastgd.solver.centring import with_intercept_at
from fastgd.solver.targets import summarize_targets
from tests.conftest import JIT_IS_OFF
from tests.helpers import same
from tests.law import assert_alike

MANY = 60 if JIT_IS_OFF else 20_000
PRECISE = dict(fit_intercept=True, precondition=True, n_epochs=4)


def problem(rng, n, noise=(0.1, 0.0, 1.0)):
    X = rng.normal(size=(n, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 3.0, 1.0, 100.0]
    W = rng.normal(size=(4, 3))
    return X, X @ W + [1.0, 2.0, 3.0] + np.array(noise) * rng.normal(size=(n, 3)), W


@pytest.mark.parametrize("n", [40, MANY])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_each_target_is_fitted_as_it_is_alone(rng, n, is_weighted):
    X, Y, W = problem(rng, n)
    s = rng.uniform(0.5, 2.0, n) if is_weighted else None
    result = fastgd.gradient_descent(X, Y, sample_weight=s, **PRECISE)
    assert (result.w.shape, result.intercept.shape, result.cost.shape, len(result)) == ((4, 3), (3,), (3,), 3)
    assert (result.w_history.shape, result.cost_history.shape) == ((5, 4, 3), (5, 3))
    assert result.n_passes == (3 if n <= 4096 else 1)
    for j in range(3):
        alone = fastgd.gradient_descent(X, Y[:, j].copy(), sample_weight=s, **PRECISE)
        np.testing.assert_allclose(result.w[:, j], alone.w, rtol=1e-10)
        assert result.intercept[j] == pytest.approx(alone.intercept, rel=1e-9)
        assert result.cost[j] == pytest.approx(alone.cost_history[-1], rel=1e-9, abs=1e-24)
        np.testing.assert_array_equal(result[j].w, result.w[:, j])
    np.testing.assert_allclose(result.w[:, 1], W[:, 1], rtol=1e-10)  # without noise
    assert result.cost[1] <= 1e-25 * np.mean(Y[:, 1] ** 2)
    np.testing.assert_allclose(result.predict(X), X @ result.w + result.intercept, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"l1": 0.5, "l2": 0.1}, {"standardize": True, "nesterov": True}])
def test_histories_are_those_of_each_target(rng, options):
    X, Y, _ = problem(rng, 50)
    X = X / 100.0
    result = fastgd.gradient_descent(X, Y, n_epochs=20, **options)
    for j in range(3):
        alone = fastgd.gradient_descent(X, Y[:, j].copy(), n_epochs=20, method="summary", **options)
        np.testing.assert_allclose(result.cost_history[:, j], alone.cost_history, rtol=1e-10)
        np.testing.assert_allclose(result.w_history[:, :, j], alone.w_history, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(result[j].learning_rates, result[0].learning_rates)


def test_a_target_that_ended_early_keeps_its_last_entry(rng):
    X, Y, _ = problem(rng, 50)
    Y[:, 1] = 0.0
    result = fastgd.gradient_descent(X, Y, standardize=True, tol=1e-3, n_epochs=500)
    done = result.n_epochs
    assert done[1] < done.max()
    np.testing.assert_array_equal(result.cost_history[done[1] :, 1], result[1].cost_history[-1])
    assert result.converged.all()


def test_rows_of_numbers_and_one_target(rng):
    x, Y = rng.normal(size=50), rng.normal(size=(50, 2))
    result = fastgd.gradient_descent(x, Y, n_epochs=5, w0=np.array([1.0, 2.0]))
    assert result.w.shape == (2,)
    assert result.w_history[0].tolist() == [1.0, 2.0]
    assert fastgd.gradient_descent(x, Y[:, :1], n_epochs=5).w.shape == (1,)
    lists = fastgd.gradient_descent(x.tolist(), Y.tolist(), n_epochs=5)
    np.testing.assert_array_equal(lists.w, fastgd.gradient_descent(x, Y, n_epochs=5).w)


def test_names_of_targets(rng):
    pd = pytest.importorskip("pandas")
    X, Y, _ = problem(rng, 50)
    frame = pd.DataFrame(X, columns=list("abcd"))
    result = fastgd.gradient_descent(frame, pd.DataFrame(Y, columns=["u", "v", "w"]), **PRECISE)
    assert (result.target_names, result.feature_names) == (("u", "v", "w"), tuple("abcd"))
    assert result["v"] is result[1]
    with pytest.raises(KeyError):
        result["x"]
    assert repr(result) == "MultiTargetFit(3 targets, 4 epochs, 3 converged)"
    assert same(pickle.loads(pickle.dumps(result)).w, result.w)


@pytest.mark.parametrize("dtype", ["f4", "i4", "f8"])
def test_the_bits_do_not_depend_on_threads_and_layout(rng, dtype):
    X, Y, _ = problem(rng, MANY)
    X, Y = (10.0 * X).astype(dtype), (10.0 * Y).astype(dtype)
    expected, _ = summarize_targets(X, Y, None, 1)
    assert same(summarize_targets(X, np.asfortranarray(Y), None, 3)[0], expected)
    for j, summary in enumerate(expected):
        alone = fastgd.summarize(X, Y[:, j].astype(float))
        assert_alike(summary, replace(alone, target_name=summary.target_name), 1e-12)


def test_references_that_do_not_suit_the_later_rows_take_a_second_pass(rng):
    X, Y, _ = problem(rng, MANY, noise=(0.0, 0.0, 0.0))
    X[: MANY // 2] = 0.0
    Y[: MANY // 2] = 0.0
    result = fastgd.gradient_descent(X, Y, **PRECISE)
    assert result.n_passes == (3 if JIT_IS_OFF else 2)  # of few rows one a target
    alone = fastgd.gradient_descent(X, Y[:, 0].copy(), **PRECISE)
    np.testing.assert_allclose(result.w[:, 0], alone.w, rtol=1e-9)


def test_the_optimum_about_other_means_has_the_same_predictions(rng):
    X, Y, _ = problem(rng, 40)
    statistics = fastgd.summarize(X, Y[:, 0]).products.statistics(True)
    x_ref = statistics.x_ref + np.array([1.0, -2.0, 3.0, 50.0])
    w = with_intercept_at(x_ref - statistics.x_ref, statistics.optimum())
    Z = np.column_stack([X, np.ones(40)])
    expected = Z @ np.linalg.lstsq(Z, Y[:, 0], rcond=None)[0]
    np.testing.assert_allclose((X - x_ref) @ w[:-1] + w[-1], expected, rtol=1e-8)


def test_a_fit_goes_on(rng):
    X, Y, _ = problem(rng, 50)
    options = dict(fit_intercept=True, standardize=True)
    whole = fastgd.gradient_descent(X, Y, n_epochs=30, **options)
    part = fastgd.gradient_descent(X, Y, n_epochs=10, **options)
    np.testing.assert_array_equal(fastgd.gradient_descent(X, Y, w0=part, n_epochs=20, **options).w, whole.w)


def test_warnings_of_one_kind_are_one_warning(rng):
    X, Y, _ = problem(rng, 50)
    with pytest.warns(fastgd.ConvergenceWarning, match="3 of 3 targets, the worst y") as caught:
        fastgd.gradient_descent(X, Y, tol=1e-12, n_epochs=2)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"loss": "huber"}, "loss='huber'"),
        ({"validation_fraction": 0.1}, "validation_fraction"),
        ({"method": "stream"}, 'method="stream"'),
        ({"checkpoint": "fit.npz"}, "a checkpoint"),
        ({"backend": "python"}, 'backend="python"'),
    ],
)
def test_what_needs_rows_is_refused(rng, options, what):
    X, Y, _ = problem(rng, 50)
    with pytest.raises(ValueError, match=f"several targets are fitted on statistics, and {what} needs rows"):
        fastgd.gradient_descent(X, Y, **options)


def test_a_divergence_names_its_target(rng):
    X, Y, _ = problem(rng, 50)
    with pytest.raises(
        fastgd.DivergenceError, match=r"^target y\[:, 0\]: gradient_descent diverged"
    ) as caught:
        fastgd.gradient_descent(X, Y, learning_rate=1.0)
    assert np.isfinite(caught.value.result.w).all()


def test_bad_targets_are_refused(rng):
    X, Y, _ = problem(rng, 50)
    Y[7, 2] = np.nan
    for y, message in (
        (Y, r"y\[7, 2\] is NaN"),
        (Y[:5], "y has 5 rows and X has 50"),
        (Y[:, :0], "a column at least"),
    ):
        with pytest.raises(InvalidDataError, match=message):
            fastgd.gradient_descent(X, y)
    with pytest.raises(InvalidDataError, match="w0 has shape"):
        fastgd.gradient_descent(X, Y[:, :2], w0=np.zeros((4, 3)))
    with pytest.raises(TypeError, match="leave y out"):
        fastgd.gradient_descent(fastgd.chunks(lambda: [(X, Y[:, 0])]), Y)
    with pytest.raises(InvalidDataError, match="must have one dimension"):
        fastgd.sgd(X, Y)


def test_a_fit_of_targets_is_saved_and_pickled_to_the_bit(rng, tmp_path):
    X, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 3))
    fit = fastgd.gradient_descent(X, y, fit_intercept=True)
    fit.save(tmp_path / "fit.npz")
    for again in (fastgd.load(tmp_path / "fit.npz"), pickle.loads(pickle.dumps(fit))):
        assert type(again) is type(fit)
        for name in ("w", "intercept", "cost", "w_history", "cost_history", "converged", "n_epochs"):
            assert same(getattr(again, name), getattr(fit, name)), name
        assert repr(again) == repr(fit)
        assert same(again.predict(X), fit.predict(X))
        assert same(_continued(X, y, again).w, _continued(X, y, fit).w)


def test_a_damaged_fit_of_targets_is_refused(rng, tmp_path):
    X, y = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
    fit, other = fastgd.gradient_descent(X, y), fastgd.gradient_descent(X[:, :1], y)
    for damaged in (
        replace(fit, fits=()), replace(fit, target_names=("a",)), replace(fit, fits=(fit[0], other[0])),
    ):  # fmt: skip
        damaged.save(tmp_path / "fit.npz")
        with pytest.raises(fastgd.InvalidDataError, match=r"fit\.npz holds"):
            fastgd.load(tmp_path / "fit.npz")


def _continued(X, y, fit):
    return fastgd.gradient_descent(X, y, w0=fit, fit_intercept=True)


# Sentences --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [1, 300])
def test_what_overflows_and_what_is_missing_is_named(rng, copies):
    X, y = (np.tile(rng.normal(size=(20, 2)), (copies, 1)) for _ in range(2))
    for given, message in [
        ((X, 1e200 * y), "^y is too large: its squares overflow"),
        ((1e200 * X, y), "^X is too large: its squares overflow"),
    ]:
        with pytest.raises(InvalidDataError, match=message):
            fastgd.gradient_descent(*given)
    y[7, 1] = np.nan
    with pytest.raises(InvalidDataError, match=r"^y\[7, 1\] is NaN"):
        fastgd.gradient_descent(X, y)


def test_names_of_targets_that_repeat_are_refused(rng):
    pandas = pytest.importorskip("pandas")
    y = pandas.DataFrame(rng.normal(size=(9, 2)), columns=["a", "a"])
    with pytest.raises(InvalidDataError, match='^y has 2 columns "a"; rename them'):
        fastgd.gradient_descent(rng.normal(size=(9, 2)), y)


def test_starts_of_other_targets_are_refused(rng):
    X, y = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
    both, one = fastgd.gradient_descent(X, y), fastgd.gradient_descent(X, y[:, 0])
    with pytest.raises(InvalidDataError, match="w0 is a fit of one target, and y has 2"):
        fastgd.gradient_descent(X, y, w0=one)
    with pytest.raises(InvalidDataError, match=r"w0 is a fit of 2 targets, and y is one: .* w0\[0\]"):
        fastgd.gradient_descent(X, y[:, 0], w0=both)


def test_targets_that_diverge_are_one_warning(rng):
    X, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 3))
    with pytest.warns(RuntimeWarning) as caught:
        fit = fastgd.gradient_descent(X, y, learning_rate=9.0, n_epochs=500, on_divergence="warn")
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith("3 of 3 targets diverged (")
    assert all(f"y[:, {j}]" in message for j in range(3))
    assert [one.diverged for one in fit.fits] == [True] * 3

"""Fits of all groups at once, beside the fit of each group alone and least squares by NumPy."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import fastgd
from fastgd.solver import grouped
from tests.helpers import same

SIZES = [60, 9, 25, 1, 2, 3, 5, 40]
ENOUGH = [60, 9, 25, 40]


def problem(sizes, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    by = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = rng.normal(size=(len(by), 3)) * [1.0, 10.0, 0.1] + 3.0
    w = rng.normal(size=(len(sizes), 3))
    y = np.sum(X * w[by], axis=1) + by + noise * rng.normal(size=len(by))
    return X, y, by


def summaries(sizes=SIZES, is_weighted=False, **options):
    X, y, by = problem(sizes, **options)
    weights = np.random.default_rng(1).integers(1, 4, len(by)) if is_weighted else None
    return fastgd.summarize_groups(X, y, by=by, sample_weight=weights)


def quietly(call, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments, **options)


def least_squares(X, y, by, key):
    rows = np.column_stack([X, np.ones(len(y))])[by == key]
    solution = np.linalg.lstsq(rows, y[by == key], rcond=None)[0]
    return solution, np.mean((rows @ solution - y[by == key]) ** 2)


PENALTIES = [(0.0, 0.0), (0.1, 0.0), (0.0, 0.3), (0.2, 40.0)]
RULES = [{}, {"momentum": 0.5}, {"nesterov": True}, {"momentum": 0.5, "nesterov": True}]


@pytest.mark.parametrize(("fit_intercept", "standardize"), list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
def test_every_group_has_the_fit_of_its_summary(fit_intercept, standardize, rule, l1, l2):
    options = dict(fit_intercept=fit_intercept, standardize=standardize, l1=l1, l2=l2, n_epochs=40) | rule
    check_fits(summaries(), **options)
    check_fits(summaries(ENOUGH, is_weighted=True), **options, tol=1e-5)


def check_fits(of_groups, bound=1e-10, **options):
    """Each group has the epochs, weights and costs of its own fit. Return all fits."""
    fits = quietly(fastgd.gradient_descent, of_groups, **options)
    for k, (key, summary) in enumerate(of_groups.items()):
        alone = quietly(fastgd.gradient_descent, summary, **options)
        size = np.abs(alone.w).max() + abs(alone.intercept)
        if fits.is_determined[k]:  # of exact fits, rounding decides when the gradient is 0
            assert fits.n_epochs[k] == alone.n_epochs, key
        assert np.abs(fits.w[k] - alone.w).max() <= bound * size, key
        assert abs(fits.intercept[k] - alone.intercept) <= bound * size, key
        assert abs(fits.cost[k] - alone.cost_history[-1]) <= bound * alone.cost_history[0], key
        if options.get("tol") is not None:  # without it, rounding decides whether the last epoch moved w
            assert fits.converged[k] == alone.converged, key
        assert same(quietly(fits.__getitem__, key).w, alone.w)
    return fits


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_preconditioned_fits(l2, fit_intercept, is_weighted):
    options = dict(precondition=True, l2=l2, fit_intercept=fit_intercept)
    fits = check_fits(summaries(is_weighted=is_weighted), **options, n_epochs=5, tol="auto")
    assert fits.converged.all()


def test_precondition_leads_to_least_squares():
    X, y, by = problem(ENOUGH)
    fits = fastgd.gradient_descent(summaries(ENOUGH), fit_intercept=True, precondition=True, n_epochs=3)
    for key in range(len(ENOUGH)):
        solution, cost = least_squares(X, y, by, key)
        np.testing.assert_allclose(np.append(fits.w[key], fits.intercept[key]), solution, rtol=1e-10)
        assert fits.cost[key] == pytest.approx(cost, rel=1e-12)
    assert fits.is_determined.all()


def test_exact_fits_keep_their_digits():
    fits = fastgd.gradient_descent(
        summaries(ENOUGH, noise=0.0), fit_intercept=True, precondition=True, n_epochs=3
    )
    assert (fits.cost < 1e-25).all()
    np.testing.assert_allclose(fits.intercept, range(len(ENOUGH)), atol=1e-12)


@pytest.mark.parametrize(
    "learning_rate", [0.003, [0.01 / (k + 1) for k in range(30)], lambda epoch: 0.01 / (epoch + 1)]
)
def test_rates_of_the_caller(learning_rate):
    check_fits(summaries(), learning_rate=learning_rate, n_epochs=30, fit_intercept=True)


def test_starts_and_no_epochs():
    of_groups = summaries(ENOUGH)
    check_fits(of_groups, w0=[1.0, -2.0, 3.0], n_epochs=7, fit_intercept=True)
    none = fastgd.gradient_descent(of_groups, w0=[1.0, -2.0, 3.0], n_epochs=0)
    assert (none.w == [1.0, -2.0, 3.0]).all()
    for key, cost in zip(none, none.cost, strict=True):
        assert cost == pytest.approx(fastgd.cost(of_groups[key], w=[1.0, -2.0, 3.0]), rel=1e-12)
    start = fastgd.gradient_descent(of_groups[0], fit_intercept=True, n_epochs=3)
    fits = fastgd.gradient_descent(of_groups, w0=start, fit_intercept=True, n_epochs=0)
    np.testing.assert_array_equal(fits.w[2], start.w)
    assert fits.intercept[1] == start.intercept


def test_rows_may_be_numbers():
    of_groups = fastgd.summarize_groups([1.0, 2.0, 1.0, 3.0], [2.0, 4.0, 5.0, 15.0], by=[0, 0, 1, 1])
    fits = fastgd.gradient_descent(of_groups, precondition=True, n_epochs=2)
    assert fits.w.tolist() == [2.0, 5.0]


@pytest.mark.parametrize("options", [{}, {"tol": 1e-4}, {"precondition": True, "l2": 0.1}], ids=str)
def test_bits_do_not_depend_on_threads_or_calls(options, monkeypatch):
    of_groups = summaries()
    fits = quietly(fastgd.gradient_descent, of_groups, fit_intercept=True, n_threads=1, **options)
    monkeypatch.setattr(grouped, "MOST_GROUPS", 2)
    monkeypatch.setattr(grouped, "CALL_NS", 7000)  # some epochs a call
    others = quietly(fastgd.gradient_descent, of_groups, fit_intercept=True, n_threads=4, **options)
    for name in ("w", "intercept", "cost", "n_epochs", "converged"):
        assert same(getattr(fits, name), getattr(others, name)), name


def test_groups_of_too_few_rows_are_told():
    X, y, by = problem(SIZES)
    with pytest.warns(
        fastgd.ConvergenceWarning, match=r"rows of 3 of 8 groups \(3 first\) do not determine"
    ) as caught:
        fits = fastgd.gradient_descent(summaries(), fit_intercept=True, precondition=True, n_epochs=3)
    assert [warning.message.kind for warning in caught] == ["few rows"]
    ranks = [np.linalg.matrix_rank(np.column_stack([X, np.ones(len(y))])[by == key]) for key in range(8)]
    assert fits.is_determined.tolist() == [rank == 4 for rank in ranks]
    for key in (3, 4, 5):  # they fit all the same
        np.testing.assert_allclose(fits[key].predict(X[by == key]), y[by == key], rtol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastgd.gradient_descent(summaries(), fit_intercept=True, precondition=True, l2=0.1, n_epochs=3)


def test_diverging_groups():
    of_groups = summaries(ENOUGH)
    with pytest.raises(
        fastgd.DivergenceError, match=r'4 of 4 groups \(0 first\) diverged .* learning_rate="auto"'
    ) as error:
        fastgd.gradient_descent(of_groups, learning_rate=10.0, n_epochs=1000)
    assert error.value.result.diverged.all()
    assert np.isfinite(error.value.result.w).all()
    with pytest.warns(RuntimeWarning, match="4 of 4 groups"):
        fits = fastgd.gradient_descent(of_groups, learning_rate=10.0, n_epochs=1000, on_divergence="warn")
    with pytest.warns(RuntimeWarning, match="diverged in epoch"):
        assert fits[2].n_epochs == fits.n_epochs[2]
    ignored = fastgd.gradient_descent(of_groups, learning_rate=10.0, n_epochs=1000, on_divergence="ignore")
    assert (ignored.n_epochs == 1000).all()
    assert ignored.diverged.all()
    with pytest.warns(RuntimeWarning, match="4 of 4 groups"):  # finite, but above the start
        few = fastgd.gradient_descent(of_groups, learning_rate=0.1, n_epochs=5, on_divergence="warn")
    assert few.diverged.all()


def test_groups_that_do_not_reach_tol_are_counted():
    with pytest.warns(
        fastgd.ConvergenceWarning, match=r"4 of 4 groups \(0 first\) did not reach tol in 3 epochs"
    ):
        fits = fastgd.gradient_descent(summaries(ENOUGH), tol=1e-9, n_epochs=3)
    assert not fits.converged.any()


def test_a_rule_that_cannot_see_the_slowest_weights_is_revoked():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2)) * [1e7, 1.0]
    of_groups = fastgd.summarize_groups(X, X @ [1e-7, 1.0], by=np.arange(200) % 2)
    fits = check_fits(of_groups, tol=1e-3, n_epochs=100)
    assert not fits.converged.any()


def test_a_strong_penalty_beside_an_intercept_is_told():
    with pytest.warns(fastgd.ConvergenceWarning, match="too small to move the intercept"):
        fastgd.gradient_descent(summaries(ENOUGH), l2=1e6, fit_intercept=True, n_epochs=5)


def test_columns_too_far_from_zero_are_refused():
    X, y, by = problem(ENOUGH)
    of_groups = fastgd.summarize_groups(X + 1e9, y, by=by)
    with pytest.raises(fastgd.InvalidDataError, match="pass standardize=True"):
        fastgd.gradient_descent(of_groups, fit_intercept=True)
    fits = fastgd.gradient_descent(of_groups, fit_intercept=True, precondition=True, n_epochs=3)
    for key in range(len(ENOUGH)):
        centred = X[by == key] + 1e9 - 1e9  # the digits that are left
        solution, cost = least_squares(centred, y[by == key], np.zeros(len(centred)), 0)
        np.testing.assert_allclose(fits.w[key], solution[:3], rtol=1e-8)
        assert fits.cost[key] == pytest.approx(cost, rel=1e-8)


def test_a_callback_sees_the_fits_one_after_the_other():
    of_groups = summaries(ENOUGH)
    epochs = []
    fits = fastgd.gradient_descent(
        of_groups, n_epochs=9, callback=lambda state: epochs.append(state.epoch) or state.epoch > 3
    )
    assert len(epochs) == fits.n_epochs.sum()
    assert len(set(fits.n_epochs.tolist())) == 1 < fits.n_epochs[0] < 9
    for key, w in zip(fits, fits.w, strict=True):
        np.testing.assert_array_equal(
            w, fastgd.gradient_descent(of_groups[key], n_epochs=int(fits.n_epochs[0])).w
        )


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"loss": "huber"}, "loss='huber'"),
        ({"validation_fraction": 0.1}, "validation_fraction"),
        ({"method": "stream"}, 'method="stream"'),
        ({"progress": True}, "progress"),
        ({"backend": "python"}, "backend"),
    ],
)
def test_what_needs_rows_is_refused(options, what):
    with pytest.raises(ValueError, match="a GroupedSummary has no rows") as error:
        fastgd.gradient_descent(summaries(ENOUGH), **options)
    assert what in str(error.value)


def test_y_beside_summaries_is_refused():
    with pytest.raises(TypeError, match="a GroupedSummary has targets and weights of its own"):
        fastgd.gradient_descent(summaries(ENOUGH), [1.0])

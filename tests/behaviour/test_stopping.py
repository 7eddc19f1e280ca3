"""What ends a run before its last epoch: tol, validation, a callback; and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.conftest import JIT_IS_OFF
from tests.problems import BACKENDS, problem

WAYS = [dict(method="summary"), dict(method="stream"), dict(backend="python")]


def gradient_norms(X, y, history):
    return [np.linalg.norm(2 * X.T @ (X @ w - y) / len(y)) for w in history]


# tol ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [1, 4])
@pytest.mark.parametrize("how", WAYS, ids=str)
def test_tol_is_a_part_of_the_first_gradient_for_patience_epochs(rng, how, patience):
    X, y = problem(rng, 50, 3)
    fit = fastgd.gradient_descent(X, y, tol=1e-4, patience=patience, n_epochs=500, **how)
    norms = np.array(gradient_norms(X, y, fit.w_history[:-1]))  # the one that each epoch steps along
    quiet = norms <= 1e-4 * norms[0]
    assert fit.converged
    assert fit.n_epochs == int(np.argmax(quiet)) + patience
    assert quiet[-patience:].all()
    assert fit.status.startswith(f"converged after {fit.n_epochs} epochs: the gradient's norm fell to 0.0001")
    assert fit.cost_history.shape == (fit.n_epochs + 1,)


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_a_run_that_ends_before_its_patience_has_not_converged(rng, how):
    """Quiet for some epochs, but not for `patience` of them: n_epochs ran out first."""
    X, y = problem(rng, 50, 3)
    needed = fastgd.gradient_descent(X, y, tol=1e-4, patience=1, n_epochs=500, **how).n_epochs
    with pytest.warns(fastgd.ConvergenceWarning, match=rf"^n_epochs={needed + 2} ran out"):
        fit = fastgd.gradient_descent(X, y, tol=1e-4, patience=10, n_epochs=needed + 2, **how)
    assert not fit.converged


@pytest.mark.parametrize(
    "how", [dict(), dict(nesterov=True), dict(fit_intercept=True), dict(l1=0.05)], ids=str
)
def test_auto_goes_to_the_optimum_on_statistics(rng, how):
    X, y = problem(rng, 200, 3)
    fit = fastgd.gradient_descent(X, y, tol="auto", n_epochs=20_000, method="summary", **how)
    assert fit.converged
    assert "w is the optimum to rounding" in fit.status
    if "l1" not in how:
        table = np.column_stack([X, np.ones(200)]) if how.get("fit_intercept") else X
        best = np.linalg.lstsq(table, y, rcond=None)[0]
        np.testing.assert_allclose(fit.w, best[:3], rtol=1e-13)
    streamed = fastgd.gradient_descent(X, y, tol="auto", n_epochs=2000, method="stream", **how)
    assert "the gradient's norm fell to 1e-06 of the first" in streamed.status


def test_without_tol_no_run_ends_early_and_none_warns(rng):
    X, y = problem(rng, 20, 2)
    for how in (dict(fit_intercept=True), dict(loss="huber"), dict(nesterov=True, method="summary")):
        fit = fastgd.gradient_descent(X, y, n_epochs=700, **how)
        assert fit.n_epochs == 700
        assert fit.converged
        assert fit.status.startswith("converged: the last of 700 epochs changed no weight")
        assert not fastgd.gradient_descent(X, y, n_epochs=2, **how).converged


@pytest.mark.parametrize("n", [60, 5000])
@pytest.mark.parametrize(
    "how", [dict(), dict(loss="huber"), dict(batch_size=8), dict(backend="python")], ids=str
)
def test_tol_of_sgd_is_a_change_of_the_cost(rng, how, n):
    n = 60 if JIT_IS_OFF or how.get("backend") else n
    X, y = problem(rng, n, 2)
    fit = fastgd.sgd(X, y, tol=1e-3, patience=3, learning_rate=0.3 / n, n_epochs=500, **how)
    costs = fit.cost_history
    assert costs.shape == (fit.n_epochs + 1,)
    changes = np.abs(np.diff(costs)) / np.maximum(costs[1:], costs[:-1])
    assert fit.converged
    assert (changes[-3:] <= 1e-3).all()
    assert changes[-4] > 1e-3
    assert "the last 3 epochs lowered the cost by no more than 0.001 of it" in fit.status
    quiet = fastgd.sgd(X, y, tol=1e-3, patience=3, learning_rate=0.3 / n, n_epochs=500, history=None, **how)
    assert quiet.n_epochs == fit.n_epochs
    assert quiet.cost_history is None


@pytest.mark.parametrize("method", ["stream", "summary"])
def test_auto_of_sgd_is_a_millionth(rng, method):
    X, y = problem(rng, 200, 2)
    how = dict(learning_rate=1e-3, tol="auto", patience=2, method=method)
    fit = fastgd.sgd(X, y, n_epochs=2000, **how)
    assert fit.converged
    assert "the last 2 epochs lowered the cost by no more than 1e-06 of it" in fit.status
    with pytest.warns(fastgd.ConvergenceWarning, match=r"and tol is 1e-06; at this pace it takes about"):
        fastgd.sgd(X, y, n_epochs=10, **how)


def test_a_batch_of_all_rows_stops_as_descent_does(rng):
    X, y = problem(rng, 40, 2)
    fit = fastgd.sgd(X, y, batch_size=40, tol=1e-5, n_epochs=500)
    expected = fastgd.gradient_descent(X, y, tol=1e-5, n_epochs=500, method="stream")
    assert fit.n_epochs == expected.n_epochs


def test_columns_that_depend_on_others_are_told(rng):
    X, y = problem(rng, 60, 2)
    X = np.column_stack([X, X.sum(axis=1)])
    with pytest.warns(fastgd.ConvergenceWarning, match=r"^some columns of X are sums of others, to rounding"):
        fastgd.gradient_descent(X, y, tol="auto", n_epochs=5000, method="summary")
    X, y = problem(rng, 5000, 2)
    X = np.column_stack([X, X.sum(axis=1) + 1e-5 * rng.normal(size=5000)])
    with pytest.warns(fastgd.ConvergenceWarning, match=r"so nearly dependent that about [3-6] digits"):
        fastgd.gradient_descent(X, y, tol=0.1, n_epochs=500, method="summary")


def test_a_column_far_from_zero_beside_an_intercept_is_told_the_remedy(rng):
    X, y = problem(rng, 5000, 1)
    how = dict(fit_intercept=True, tol="auto", method="summary", n_epochs=50)
    for off, told in (
        (3e4, "the columns of X and the intercept are so nearly"),
        (1e7, "columns of X lie a million"),
    ):
        with pytest.warns(fastgd.ConvergenceWarning) as caught:
            fastgd.gradient_descent(X + off, y, **how)
        assert any(str(one.message).startswith(told) for one in caught)
        assert any("pass standardize=True" in str(one.message) for one in caught)
        assert fastgd.gradient_descent(X + off, y, **how, standardize=True).converged


@pytest.mark.parametrize("scale", [1e-9, 1e6, 1e8, 1e12])
@pytest.mark.parametrize("beside", ["an intercept", "a column"])
def test_a_column_of_other_units_does_not_pass_for_converged(rng, scale, beside):
    """Descent along x alone leaves the intercept where it was: that is not the optimum, however small its
    curvature is beside that of x."""
    n = 60 if JIT_IS_OFF else 2000
    x = rng.normal(1.0, 0.3, n) * scale
    y = 5.0 + 2.0 * x / scale + 0.1 * rng.normal(size=n)
    how = dict(fit_intercept=True, tol="auto", method="summary", n_epochs=50)
    if beside == "a column":
        x, how["fit_intercept"] = np.column_stack([x, np.ones(n)]), False
    with pytest.warns(fastgd.ConvergenceWarning, match="n_epochs=50 ran out"):
        fit = fastgd.gradient_descent(x, y, **how)
    assert not fit.converged
    if beside == "an intercept":
        fit = fastgd.gradient_descent(x, y, **how, standardize=True)
        assert fit.converged
        assert fit.intercept == pytest.approx(5.0, abs=0.2)


@pytest.mark.parametrize("scale", [1e6, 1e9, 1e12])
def test_a_weight_that_moves_by_little_moves(rng, scale):
    """By steps that are lost beside what w_ref has to say of the intercept, but not beside the intercept."""
    x = rng.normal(1.0, 0.3, 60 if JIT_IS_OFF else 2000) * scale
    y = 5.0 + 2.0 * x / scale + 0.1 * rng.normal(size=len(x))
    for method in ("summary", "stream"):
        fit = fastgd.gradient_descent(x, y, fit_intercept=True, n_epochs=300, method=method)
        assert not fit.converged
        assert fit.status.startswith("w was still moving after 300 epochs")


@pytest.mark.parametrize("method", ["auto", "summary"])
def test_a_column_whose_spread_is_a_rounding_error_of_its_size_keeps_its_costs(method):
    x, y = np.array([9007199254740992.0, 9007199254740996.0, 9007199254741000.0]), np.array([2.0, 4.0, 7.0])
    with pytest.warns(
        fastgd.ConvergenceWarning, match="as far from zero as they spread.*pass standardize=True"
    ):
        fit = fastgd.gradient_descent(x, y, fit_intercept=True, tol="auto", method=method)
    assert fit.method == "stream"
    assert fit.cost_history[[0, -1]] == pytest.approx([23.0, np.mean((fit.predict(x) - y) ** 2)], rel=1e-9)
    fit = fastgd.gradient_descent(x, y, fit_intercept=True, tol="auto", standardize=True)
    assert fit.cost_history[-1] == pytest.approx(1 / 18, rel=1e-9)


def test_sgd_that_comes_back_to_where_it_was_is_not_said_to_have_met_tol():
    """x = 1 at rate ½ puts w on y: every epoch ends where the last did, from the first on."""
    x, y = np.ones(10), np.arange(10.0)
    fit = fastgd.sgd(x, y, learning_rate=0.5, n_epochs=2, tol=1e-6)
    assert fit.converged
    assert fit.status.startswith("converged: the last of 2 epochs changed no weight")
    assert "the last 5 epochs" in fastgd.sgd(x, y, learning_rate=0.5, n_epochs=9, tol=1e-6).status


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_a_start_at_the_optimum_ends_at_once(rng, how):
    X, _ = problem(rng, 40, 2)
    for y, w0 in ((np.zeros(40), [0.0, 0.0]), (X @ [1.0, 2.0], [1.0, 2.0])):
        for tol in (1e-3, "auto"):
            fit = fastgd.gradient_descent(X, y, w0=w0, tol=tol, patience=3, n_epochs=60, **how)
            assert fit.converged
            assert fit.n_epochs <= 20
            np.testing.assert_allclose(fit.w, w0, atol=1e-14)


# Validation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fit_by", [fastgd.gradient_descent, fastgd.sgd])
@pytest.mark.parametrize("d", [None, 2])
def test_the_validation_history_by_hand(rng, fit_by, d, backend):
    X, y = problem(rng, 42, d)
    s = rng.random(42) + 0.1
    how = dict(learning_rate=0.01, n_epochs=6, fit_intercept=True, l2=0.1, standardize=True, backend=backend)
    fit = fit_by(X, y, validation_fraction=0.25, sample_weight=s, patience=100, **how)
    held = np.arange(42) % 4 == 3
    table = X.reshape(42, -1)
    assert fit.validation_history.shape == (6,)
    assert fit.n_samples == 32
    for k in range(6):
        r = table[held] @ np.atleast_1d(fit.w_history[k + 1]) + fit.intercept_history[k + 1] - y[held]
        assert fit.validation_history[k] == pytest.approx(np.average(r * r, weights=s[held]), rel=1e-12)
    rest = fit_by(X[~held], y[~held], sample_weight=s[~held], **how)
    np.testing.assert_array_equal(fit.w_history, rest.w_history)


@pytest.mark.parametrize("n", [50, 4 * 4096 + 100])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("fit_by", "how"),
    [
        (fastgd.gradient_descent, dict()),
        (fastgd.gradient_descent, dict(fit_intercept=True, standardize=True)),
        (fastgd.gradient_descent, dict(loss="huber", standardize=True, fit_intercept=True)),
        (fastgd.gradient_descent, dict(loss="quantile")),
        (fastgd.sgd, dict()),
        (fastgd.sgd, dict(fit_intercept=True)),
        (fastgd.sgd, dict(batch_size=100, momentum=0.5, shuffle="blocks", seed=1)),
        (fastgd.sgd, dict(loss="quantile", shuffle=True, seed=1)),
    ],
    ids=str,
)
def test_held_out_rows_have_no_influence(rng, fit_by, how, backend, weighted, n):
    """Every fourth row, or of many rows every fourth block; with automatic rates."""
    if n > 100 and (JIT_IS_OFF or backend == "python") and (weighted != (how.get("loss") == "quantile")):
        pytest.skip("slow, and tested otherwise")
    X, y = problem(rng, n, 2)
    s = rng.random(n) + 0.1 if weighted else None
    held = np.arange(n) % 4 == 3 if n == 50 else np.arange(n) // 4096 == 3
    given = how | dict(n_epochs=1 if n > 100 else 3, validation_fraction=0.25, backend=backend, patience=9)
    fit = fit_by(X, y, sample_weight=s, **given)
    assert fit.n_samples == n - held.sum()
    other_X, other_y = X.copy(), y.copy()
    other_X[held] *= 30.0
    other_y[held] += 1000.0
    other_s = None if s is None else np.where(held, 5.0, s)
    other = fit_by(other_X, other_y, sample_weight=other_s, **given)
    assert other.w_history.tobytes() == fit.w_history.tobytes()
    assert other.learning_rates.tolist() == fit.learning_rates.tolist()
    assert other.validation_history[0] > 100 * fit.validation_history[0]


def test_validation_ends_a_run_that_no_longer_gains(rng):
    X, y = problem(rng, 40, 15, "squared_error")
    y = rng.normal(size=40)  # nothing to be learnt
    fit = fastgd.gradient_descent(X, y, validation_fraction=0.5, patience=3, n_epochs=5000)
    costs = fit.validation_history
    assert fit.n_epochs < 5000
    assert not fit.converged
    assert f"stopped after {fit.n_epochs} epochs: the cost of the held-out rows has not fallen" in fit.status
    assert costs[:-3].min() <= costs[-3:].min()
    rough = fastgd.gradient_descent(X, y, validation_fraction=0.5, patience=3, n_epochs=5000, tol=0.5)
    assert rough.n_epochs <= fit.n_epochs


# Callbacks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("row", [9, 50])
def test_nan_among_held_out_rows_or_others_is_refused_by_its_own_number(rng, row, backend):
    X, y = problem(rng, 100, 2)
    X[row, 1] = np.nan
    with pytest.raises(fastgd.InvalidDataError, match=rf"^X\[{row}, 1\] is NaN"):
        fastgd.gradient_descent(X, y, validation_fraction=0.1, backend=backend)


def test_the_held_out_rows_judge_the_average():
    rng = np.random.default_rng(1)
    X, y = problem(rng, 200, 2)
    fit = fastgd.sgd(X, y, average=True, validation_fraction=0.25, n_epochs=3, learning_rate=0.05)
    assert fit.validation_history[-1] == pytest.approx(fastgd.cost(X[3::4], y[3::4], fit.w), rel=1e-12)


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_a_start_at_the_optimum_is_still_before_patience_has_run_out(backend):
    fit = fastgd.gradient_descent([1.0, 2.0], [2.0, 4.0], w0=2.0, tol=1e-6, n_epochs=3, backend=backend)
    assert fit.converged
    assert fit.status.startswith("converged: the last of 3 epochs changed no weight")


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize("method", ["summary", "stream"])
def test_momentum_goes_on_where_the_gradient_is_zero(backend, method):
    """From w = 0 the first step of rate 3/28 hits the optimum, 2, and momentum carries w on."""
    how = dict(w0=0.0, momentum=0.5, learning_rate=3 / 28, n_epochs=2)
    how |= dict(method=method) if backend == "numba" else dict(backend="python")
    fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], **how)
    assert fit.w_history == pytest.approx([0.0, 2.0, 3.0])
    assert fit.status.startswith("w was still moving after 2 epochs")


def test_a_tolerance_without_patience_is_told():
    X, y = problem(np.random.default_rng(1), 50, 2)
    with pytest.warns(fastgd.ConvergenceWarning, match="tol=0.9, but not yet for 5 epochs in a row"):
        fastgd.gradient_descent(X, y, tol=0.9, n_epochs=3, learning_rate=0.3)

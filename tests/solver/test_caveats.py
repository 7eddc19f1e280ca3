"""No run says that it has converged where its rule could not see the weights that move slowly."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from functools import partial

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.estimators import GDRegressor, SGDRegressor
from fastgd.solver import caveats
from fastgd.solver.objective import as_objective
from tests.conftest import JIT_IS_OFF


def told(fit_by, *args, **how):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit = fit_by(*args, **how)
    return fit, " | ".join(str(one.message) for one in found)


@pytest.mark.parametrize("n", [200, 9000])
@pytest.mark.parametrize("factor", [1e-14, 1e-16, 1e-8, 1e-3, 1e8, 1e14])
@pytest.mark.parametrize(
    "how", [{}, dict(fit_intercept=True), dict(nesterov=True), dict(method="stream", nesterov=True)], ids=str
)
def test_columns_in_unlike_units_do_not_converge_before_their_weights_do(n, factor, how):
    rng = np.random.default_rng(1)
    n = 200 if JIT_IS_OFF else n
    Z = rng.normal(size=(n, 2))
    fit, message = told(
        fastgd.gradient_descent, Z * [factor, 1.0], Z @ [1.0, 2.0], tol="auto", n_epochs=200, **how
    )
    is_right = np.allclose(fit.w * [factor, 1.0], [1.0, 2.0], rtol=1e-2)
    assert is_right or not fit.converged
    remedy = "pass standardize=True" + " or precondition=True" * (how.get("method") != "stream")
    assert fit.converged or message.endswith(remedy)
    best, none = told(
        fastgd.gradient_descent, Z * [factor, 1.0], Z @ [1.0, 2.0], tol="auto", precondition=True
    )
    np.testing.assert_allclose(best.w * [factor, 1.0], [1.0, 2.0], rtol=1e-12)
    assert best.converged
    assert not none


SECONDS = 1.7e9 + 60.0 * np.arange(200.0)
LEVEL = 120.0 * np.arange(200.0) + 5.0


@pytest.mark.parametrize("ratio", [1e2, 1e3, 3e4, 5e5, 9e5, 2e6])
def test_columns_far_from_zero_beside_an_intercept(ratio):
    k = np.arange(200.0)
    x = k + ratio * k.std()
    fit, message = told(
        fastgd.gradient_descent, x, 2 * k + 5, fit_intercept=True, nesterov=True, tol="auto", n_epochs=300
    )
    assert not fit.converged
    assert "standardize=True" in message


@pytest.mark.parametrize(
    ("fit_by", "how"),
    [
        (fastgd.gradient_descent, dict(nesterov=True)),
        (fastgd.gradient_descent, dict(method="stream")),
        (fastgd.gradient_descent, dict(loss="huber")),
        (fastgd.sgd, {}),
        (fastgd.sgd, dict(method="summary")),
        (fastgd.sgd, dict(batch_size=7)),
    ],
)
def test_epoch_seconds_do_not_converge_unless_standardized(fit_by, how):
    fit, message = told(fit_by, SECONDS, LEVEL, fit_intercept=True, tol="auto", **how)
    assert not fit.converged
    assert "standardize=True" in message
    assert "converged" not in fit.status


def test_a_result_says_that_its_rule_could_not_see_slow_weights(tmp_path):
    """That is no stop that a callback asked for."""
    how = dict(fit_intercept=True, tol="auto", history="costs")
    fit, _ = told(fastgd.gradient_descent, SECONDS, LEVEL, method="stream", **how)
    fit.save(tmp_path / "fit.npz")
    for one in (fit, fastgd.load(tmp_path / "fit.npz"), pickle.loads(pickle.dumps(fit))):
        assert repr(one).endswith(", not converged: slow weights)")
        assert one.status.startswith(f"ended after {fit.n_epochs} epochs: the gradient's norm fell to 1e-06")
        assert "which says little about weights that move slowly; the cost went from" in one.status
    asked, _ = told(fastgd.gradient_descent, SECONDS, LEVEL, callback=lambda state: state.epoch == 1, **how)
    assert repr(asked).endswith(", stopped)")
    assert asked.status.startswith("stopped after 2 epochs: the callback returned True")


def test_estimators_of_epoch_seconds():
    X = SECONDS[:, None]
    for options in ({}, dict(standardize=False)):
        fit, message = told(GDRegressor(**options).fit, X, LEVEL)
        assert fit.coef_[0] == pytest.approx(2.0, rel=1e-9)
        assert fit.result_.converged
        assert not message
    for model in (
        GDRegressor(standardize=False, precondition=False, max_iter=500),
        SGDRegressor(standardize=False, random_state=0),
    ):
        fit, message = told(model.fit, X, LEVEL)
        assert not fit.result_.converged
        assert "standardize=True" in message


def test_the_estimate_is_a_lower_bound_of_the_condition_number(rng):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(50, 3)) * 10 ** rng.uniform(-2, 2, 3) + rng.normal(size=3) * 3
        for has_intercept in (False, True):
            for l2 in (0.0, 3.0):
                objective = as_objective("squared_error", 0.0, l2, has_intercept, False, has_weights=False)
                A = np.column_stack([X, np.ones(50)]) if has_intercept else X
                H = 2 * A.T @ A / 50 + np.diag([l2, l2, l2, 0.0][: A.shape[1]])
                values = np.linalg.eigvalsh(H)
                found = caveats.condition(ArrayRows(X, np.zeros(50)), objective)
                assert 1.0 <= found <= values[-1] / values[0] * (1 + 1e-9)
    objective = as_objective("squared_error", 0.0, 0.0, False, False, has_weights=False)
    for no_slow_direction in (np.array([[1.0, 1e7]]), np.outer(np.arange(9.0), [1.0, 1e7])):
        assert (
            caveats.condition(ArrayRows(no_slow_direction, np.zeros(len(no_slow_direction))), objective)
            == 1.0
        )
    units = caveats.condition(ArrayRows(rng.normal(size=(99, 2)) * [1.0, 1e5], np.zeros(99)), objective)
    assert units > 1e8


UNLIKE = np.random.default_rng(3).normal(size=(200, 2)) * [1.0, 1e4]
OF_UNLIKE = UNLIKE @ [2.0, 1e-3] + 1.0


@pytest.mark.parametrize(
    ("fit_by", "is_served"),
    [
        (partial(fastgd.gradient_descent, n_epochs=50), True),
        (partial(fastgd.gradient_descent, n_epochs=50, method="stream"), False),
        (partial(fastgd.gradient_descent, n_epochs=50, l1=1e-6), False),
        (partial(fastgd.gradient_descent, n_epochs=50, loss="huber"), True),
        (partial(fastgd.gradient_descent, n_epochs=50, loss="quantile"), True),
        (partial(fastgd.sgd, n_epochs=50), False),
        (partial(fastgd.sgd, n_epochs=50, batch_size=200), False),
    ],
)
def test_preconditioning_is_a_remedy_where_it_is_served(fit_by, is_served):
    how = dict(tol="auto", fit_intercept=True)
    _, message = told(fit_by, UNLIKE, OF_UNLIKE, **how)
    assert "more slowly than others" in message
    assert "pass standardize=True" in message
    assert ("precondition=True" in message) == is_served
    refusal = pytest.raises((ValueError, TypeError), match="precondition")
    with contextlib.nullcontext() if is_served else refusal:
        fit_by(UNLIKE, OF_UNLIKE, precondition=True, **how)


@pytest.mark.parametrize(
    ("model", "is_served"),
    [
        (GDRegressor(standardize=False, precondition=False, max_iter=50), True),
        (GDRegressor(standardize=False, precondition=False, max_iter=50, penalty="l1", alpha=1e-6), False),
        (SGDRegressor(standardize=False, max_iter=50, random_state=0), False),
    ],
)
def test_estimators_name_the_remedies_that_they_have(model, is_served):
    _, message = told(model.fit, UNLIKE, OF_UNLIKE)
    assert "more slowly than others" in message
    assert ("precondition=True" in message) == is_served
    assert "l2" not in message
    assert ("held by alpha" in message) == (model.alpha > 0.0 and model.penalty == "l2")


def test_a_strong_alpha_is_reported_as_it_was_given(rng):
    X = rng.normal(size=(60, 2))
    for penalty, l1_ratio in (("l2", 0.15), ("elasticnet", 0.0)):
        how = dict(standardize=False, alpha=1e10, penalty=penalty, l1_ratio=l1_ratio)
        model = GDRegressor(precondition=False, max_iter=20, **how)
        _, message = told(model.fit, X, X[:, 0] + 20.0)
        assert "the learning rate that alpha=1e+10 allows" in message
        assert "l2" not in message


@pytest.mark.parametrize(
    ("how", "remedy"),
    [
        (dict(alpha=0.0), "pass alpha"),
        (dict(alpha=0.0, penalty=None), 'pass penalty="l2" with an alpha'),
        (dict(alpha=0.0, penalty="l1"), 'pass penalty="l2" with an alpha'),
    ],
)
def test_few_digits_name_the_penalty_of_the_caller(rng, how, remedy):
    X = rng.normal(size=(50, 2))
    X = np.column_stack([X, X.sum(axis=1)])
    _, message = told(GDRegressor(**how).fit, X, X[:, 0])
    assert message.endswith(f"leave some out, or {remedy}")


@pytest.mark.parametrize(
    ("how", "remedies"),
    [
        ({}, "another learning_rate, standardize=True or nesterov=True"),
        (dict(standardize=True), "another learning_rate or nesterov=True"),
    ],
)
def test_settings_in_force_are_no_remedies(how, remedies):
    x = np.tile([1.0, -1.0], 30)
    _, message = told(fastgd.gradient_descent, x, 3.0 * x, learning_rate=1.0, tol=1e-9, n_epochs=3, **how)
    assert message.endswith(f"it was not falling: try {remedies}")


@pytest.mark.parametrize("fit_by", [fastgd.gradient_descent, fastgd.sgd])
@pytest.mark.parametrize("has_intercept", [False, True])
def test_dependent_columns_hide_no_slow_one(rng, fit_by, has_intercept):
    X = rng.normal(size=(300, 3))
    y, X = X @ [1.0, 2.0, 3.0], X * [1e-5, 1.0, 1.0]
    for columns in (X, np.column_stack([X, 2.0 * X[:, 1]])):
        fit, message = told(fit_by, columns, y, fit_intercept=has_intercept, tol=1e-4, n_epochs=200)
        assert not fit.converged
        assert abs(fit.w[0]) < 1e3  # 1e5 at the optimum
        assert "weights that move slowly" in message


def test_heavy_momentum_has_not_converged_where_it_passes_the_optimum(rng):
    x = rng.normal(size=200)
    fit = fastgd.gradient_descent(
        x, 2.0 * x + rng.normal(size=200), momentum=0.9, patience=1, tol=1e-3, n_epochs=999
    )
    assert fit.converged
    assert fit.w == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("fit_by", [fastgd.gradient_descent, fastgd.sgd])
def test_a_strong_l2_without_a_scale_of_the_intercept_is_reported(rng, fit_by):
    X = rng.normal(size=(60, 2))
    fit, message = told(fit_by, X, X[:, 0] + 20.0, fit_intercept=True, l2=1e8, n_epochs=20)
    assert abs(fit.intercept) < 10.0
    assert "l2=1e+08" in message
    assert "standardize=True" in message
    fine, message = told(fit_by, X, X[:, 0] + 20.0, fit_intercept=True, l2=1e8, n_epochs=20, standardize=True)
    assert fine.intercept == pytest.approx(20.0, rel=0.05)
    assert not message


# Names ----------------------------------------------------------------------------------------------------


@pytest.fixture
def frame(rng):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"height": rng.normal(size=50), "site": 5.0, "mass": rng.normal(size=50)})
    table["both"] = table["height"] + table["mass"]
    return table, (table["height"] + 2.0 * table["mass"]).to_numpy()


@pytest.mark.parametrize("precondition", [False, True])
def test_constant_and_dependent_columns_are_named(frame, precondition):
    X, y = frame
    how = dict(fit_intercept=True, standardize=True, precondition=precondition)
    fit, message = told(fastgd.gradient_descent, X, y, tol="auto", n_epochs=300, **how)
    assert "constant, so of weight 0: column site" in fit.status
    assert "sums of others, to rounding (height, mass, both)" in message
    found = fastgd.diagnose(X, y, **how)
    assert found.dependent_columns == ("height", "mass", "both")
    assert found.constant_columns == ("site",)
    assert "sums of others, to rounding (height, mass, both)" in str(found)
    assert "column site" in str(found)
    by_number = fastgd.diagnose(X.to_numpy(), y)
    assert by_number.dependent_columns == (0, 2, 3)


def test_more_columns_than_rows_have_the_least_norm_and_are_reported(rng):
    X, y = rng.normal(size=(5, 12)) * rng.uniform(0.5, 2.0, 12), rng.normal(size=5)
    model, message = told(GDRegressor().fit, X, y)
    assert "some columns of X are sums of others" in message
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …" in message
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), np.linalg.pinv(Z) @ (y - y.mean()), rtol=1e-9)
    assert fastgd.diagnose(X, y, fit_intercept=True).dependent_columns == tuple(range(12))
    plain, message = told(
        fastgd.gradient_descent, X, y, fit_intercept=True, standardize=True, tol="auto", n_epochs=2000
    )
    assert "sums of others" in message
    np.testing.assert_allclose(plain.w, model.coef_, rtol=1e-7)


@pytest.mark.parametrize("fit_by", [fastgd.gradient_descent, fastgd.sgd], ids=lambda fit_by: fit_by.__name__)
def test_a_rate_for_each_epoch_beside_an_intercept_and_l2(fit_by):
    X, y = np.arange(12.0).reshape(6, 2) % 5.0, np.arange(6.0)
    rates = np.full(30, 0.01)
    how = dict(fit_intercept=True, l2=0.5, n_epochs=30)
    fit = fit_by(X, y, learning_rate=rates, **how)
    assert fit.w.tolist() == fit_by(X, y, learning_rate=0.01, **how).w.tolist()


def three_columns(rng):
    X = rng.standard_normal((200, 3))
    return X, X @ [1.0, 2.0, 3.0] + rng.standard_normal(200)


@pytest.mark.parametrize("loss", ["quantile", "epsilon_insensitive"])
@pytest.mark.parametrize("l1", [0.0, 0.01])
@pytest.mark.parametrize(("outlier", "is_hidden"), [(1e154, True), (1e6, False)])
def test_an_outlier_may_hide_all_other_rows(rng, loss, l1, outlier, is_hidden):
    X, y = three_columns(rng)
    y[5] = outlier
    options = dict(loss=loss, l1=l1, fit_intercept=True, precondition=True, tol="auto")
    fit, message = told(fastgd.gradient_descent, X, y, **options)
    what = "most rows change the cost by less than its rounding"
    assert (fit.converged, what in message, what in fit.status) == (not is_hidden, is_hidden, is_hidden)
    assert np.allclose(fit.w, [1.0, 2.0, 3.0], atol=0.4) is not is_hidden


@pytest.mark.parametrize(("width", "is_narrow"), [(1e-300, True), (1e-16, True), (1e-2, False)])
def test_a_width_below_rounding_is_no_width(rng, width, is_narrow):
    options = dict(loss=fastgd.losses.Quantile(0.5, width), precondition=True, tol="auto", n_epochs=100)
    fit, message = told(fastgd.gradient_descent, *three_columns(rng), **options)
    assert (fit.converged, "below the rounding of y" in message) == (not is_narrow, is_narrow)


def test_precondition_is_a_remedy_for_losses_with_a_width(rng):
    loss = fastgd.losses.Quantile(0.5, 1e-3)
    _, message = told(fastgd.gradient_descent, *three_columns(rng), loss=loss, tol="auto")
    assert "try precondition=True" in message

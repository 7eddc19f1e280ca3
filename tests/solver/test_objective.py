"""Any objective by any rule: the compiled kernels against the plain loops, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import fastgd
from fastgd import losses
from fastgd.data.arrays import ArrayRows, as_sample_weight
from fastgd.solver.objective import Objective, UpdateRule, as_objective, as_rule
from tests.conftest import JIT_IS_OFF
from tests.problems import DATA, LOSSES, PENALTIES, RULES, STEPS, compare, problem, with_weights


@pytest.mark.parametrize("loss", LOSSES)
def test_descent_against_the_plain_loop(rng, loss):
    X, y = problem(rng, 11, 2, loss)
    base = dict(loss=LOSSES[loss], w0=[0.2, -0.1], learning_rate=0.05, n_epochs=4)
    for penalty, rule, data in itertools.product(PENALTIES, RULES, DATA):
        how = with_weights(rng, base | penalty | rule | data, 11)
        for method in ("stream", "summary") if loss == "squared_error" else ("stream",):
            fit = compare(fastgd.gradient_descent, X, y, how, method=method)
            assert fit.method == method


@pytest.mark.parametrize("loss", LOSSES)
def test_sgd_against_the_plain_loop(rng, loss):
    X, y = problem(rng, 11, 2, loss)
    base = dict(loss=LOSSES[loss], w0=[0.2, -0.1], learning_rate=0.03, n_epochs=3, track_cost=True)
    for number, (penalty, rule, data) in enumerate(itertools.product(PENALTIES, STEPS, DATA)):
        if JIT_IS_OFF and number % 3:
            continue
        how = with_weights(rng, base | penalty | rule | data, 11)
        compare(fastgd.sgd, X, y, how)
        if loss == "squared_error" and not penalty and not rule.keys() - {"shuffle", "seed"}:
            fit = compare(fastgd.sgd, X, y, how | dict(shuffle=False), method="summary")
            assert fit.method == "summary"


@pytest.mark.parametrize("d", [None, 1, 2, 3, 7, 64])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "quantile"])
def test_several_blocks_and_widths(rng, loss, d):
    n = 60 if JIT_IS_OFF else 4500 if (d or 1) < 64 else 1100
    X, y = problem(rng, n, d, loss)
    how = dict(loss=loss, n_epochs=1 if JIT_IS_OFF else 2, fit_intercept=True, standardize=d != 3, l2=0.1)
    how = with_weights(rng, how | dict(sample_weight="some" if d != 7 else None), n)
    for rule in ({}, dict(nesterov=True)):
        rate = dict(learning_rate=0.1 / (d or 1))
        compare(fastgd.gradient_descent, X, y, how | rule | rate)
    rate = dict(learning_rate=0.01 / (d or 1))
    for steps in ({}, dict(batch_size=1000), dict(shuffle="blocks", seed=1, momentum=0.3)):
        compare(fastgd.sgd, X, y, how | rate | steps)


def _strided(values):
    room = np.empty((2 * len(values), *values.shape[1:]), values.dtype)
    room[::2] = values
    return room[::2]


@pytest.mark.parametrize("kind", ["float32", "ints", "fortran", "strided"])
def test_kinds_of_arrays(rng, kind):
    n = 40 if JIT_IS_OFF else 4200
    X, y = problem(rng, n, 3)
    as_kind = {
        "float32": lambda a: a.astype(np.float32),
        "ints": lambda a: np.round(5 * a).astype(np.int16),
        "fortran": np.asfortranarray,
        "strided": _strided,
    }[kind]
    X, y = as_kind(X), as_kind(y)
    how = dict(n_epochs=2, fit_intercept=True, standardize=True, sample_weight=rng.random(n) + 0.1)
    for rule in ({}, dict(l1=0.02), dict(loss="huber")):
        compare(fastgd.gradient_descent, X, y, how | rule | dict(learning_rate=0.1))
        compare(fastgd.sgd, X, y, how | rule | dict(learning_rate=0.01))


def test_what_an_objective_knows_of_itself():
    objective = as_objective("squared_error", 0.0, 0, False, False, has_weights=False)
    assert objective.is_plain
    assert objective.is_quadratic
    weighted = as_objective("squared_error", 0.0, 0.0, True, False, has_weights=True)
    assert not weighted.is_plain
    assert weighted.is_quadratic
    assert not as_objective("squared_error", 0.0, 0.1, False, False, has_weights=False).is_quadratic
    assert not as_objective("huber", 0.0, 0.0, False, False, has_weights=False).is_squared
    assert isinstance(objective, Objective)


def test_the_total_weight_is_the_rows():
    rows = ArrayRows([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert rows.total_weight == 3.0
    rows.set_weights(np.array([1.0, 2.0, 0.5]))
    assert rows.total_weight == 3.5


def test_from_which_step_iterates_are_averaged():
    assert UpdateRule().average_from(10) == -1
    assert UpdateRule(average=True).average_from(10) == 0
    assert UpdateRule(average=3).average_from(10) == 3
    assert UpdateRule(average=0.25).average_from(10) == 7  # of 2.5 steps three
    assert UpdateRule(average=1.0).average_from(10) == 0
    assert UpdateRule().is_plain
    assert not UpdateRule(average=True).is_plain
    assert not UpdateRule(batch_size=2).is_plain


BAD_OBJECTIVES = [
    (dict(l1=-0.5), ValueError, r"^l1 must not be negative, not -0\.5$"),
    (dict(l2=-1), ValueError, r"^l2 must not be negative, not -1$"),
    (dict(l1=np.nan), ValueError, r"^l1 must be finite, not nan$"),
    (dict(l2="much"), TypeError, r"^l2 must be a number, not 'much'$"),
    (dict(l2=True), TypeError, r"^l2 must be a number, not True$"),
    (dict(fit_intercept=1), ValueError, r"^fit_intercept must be True or False, not 1$"),
    (dict(standardize="yes"), ValueError, r"^standardize must be True or False, not 'yes'$"),
    (dict(loss="hunger"), ValueError, r"^loss must be 'squared_error' or .* or an object, not 'hunger'$"),
    (dict(loss=losses.Huber(0.0)), ValueError, r"^Huber's delta must be positive and finite, not 0\.0$"),
    (dict(loss=losses.Huber(np.inf)), ValueError, r"^Huber's delta must be positive and finite, not inf$"),
    (dict(loss=losses.Quantile(1.0)), ValueError, r"^quantile must be between 0 and 1, not 1\.0$"),
    (dict(loss=object()), TypeError, r"^loss has no method value\(self, score, y\): <object"),
    (dict(loss=None), TypeError, r"^loss has no method value\(self, score, y\): None"),
    (dict(sample_weight=[1, 1]), ValueError, r"^sample_weight has shape \(2,\); X has 3 rows, so it must be"),
    (dict(sample_weight=1.0), ValueError, r"^sample_weight has shape \(\); X has 3 rows"),
    (dict(sample_weight=np.ones((3, 1))), ValueError, r"^sample_weight has shape \(3, 1\); X has 3 rows"),
    (dict(sample_weight=[1, -2, 1]), ValueError, r"^sample_weight\[1\] is -2; weights must be finite"),
    (dict(sample_weight=[1, 2, np.nan]), ValueError, r"^sample_weight\[2\] is nan; weights must be finite"),
    (dict(sample_weight=[np.inf, 2, 1]), ValueError, r"^sample_weight\[0\] is inf; weights must be finite"),
    (dict(sample_weight=[0, 0, 0]), ValueError, r"^sample_weight is zero for every row; at least one"),
    (dict(sample_weight=["a", "b", "c"]), ValueError, r"^sample_weight holds text"),
    (dict(momentum=1.0), ValueError, r"^momentum must be at least 0 and below 1, not 1\.0$"),
    (dict(momentum=-0.1), ValueError, r"^momentum must be at least 0 and below 1, not -0\.1$"),
    (dict(momentum=None), TypeError, r"^momentum must be a number, not None$"),
    (dict(nesterov=1), ValueError, r"^nesterov must be True or False, not 1$"),
]
BAD_STEPS = [
    (dict(batch_size=0), ValueError, r"^batch_size must be at least 1, not 0$"),
    (dict(batch_size=2.0), TypeError, r"^batch_size must be a whole number, not 2\.0$"),
    (dict(average=1.5), ValueError, r"^average, a share of the steps, must be above 0 and at most 1, not 1"),
    (dict(average=0.0), ValueError, r"^average, a share of the steps, must be above 0 and at most 1, not 0"),
    (dict(average=-1), ValueError, r"^average must be at least 0, not -1$"),
    (dict(average="all"), TypeError, r"^average must be a whole number, not 'all'$"),
    (dict(nesterov=True), ValueError, r"^nesterov=True of SGD needs a momentum; pass momentum"),
]
XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


@pytest.mark.parametrize(("given", "error", "message"), BAD_OBJECTIVES)
@pytest.mark.parametrize("fit_by", [fastgd.gradient_descent, fastgd.sgd])
def test_bad_options_get_one_sentence(fit_by, given, error, message):
    with pytest.raises(error, match=message) as caught:
        fit_by(XS, YS, learning_rate=0.01, **given)
    assert "\n" not in str(caught.value)
    if "sample_weight" in given:
        assert isinstance(caught.value, fastgd.InvalidDataError)


@pytest.mark.parametrize(("given", "error", "message"), BAD_STEPS)
def test_bad_options_of_sgd_get_one_sentence(given, error, message):
    with pytest.raises(error, match=message) as caught:
        fastgd.sgd(XS, YS, learning_rate=0.01, **given)
    assert "\n" not in str(caught.value)


def test_targets_that_log_loss_does_not_take_are_named_by_their_row():
    y = np.zeros(70_000)
    y[69_000], y[69_999] = -1.0, 3.0
    for fit_by in (fastgd.gradient_descent, fastgd.sgd):
        with pytest.raises(fastgd.InvalidDataError, match=r"^y\[69000\] is -1; log_loss takes y of 0 and 1"):
            fit_by(np.ones(70_000), y, loss="log_loss", n_epochs=1)
    both = fastgd.gradient_descent(XS, [True, False, True], loss="log_loss", n_epochs=2)
    assert both.w == fastgd.gradient_descent(XS, [1, 0, 1], loss="log_loss", n_epochs=2).w


def test_rules_and_weights_are_taken_in_any_kind_of_number():
    assert as_rule(np.float32(0.5), False, np.int64(3), np.bool_(True)) == UpdateRule(0.5, False, 3, True)
    assert as_sample_weight(np.array([1, 0, 2], ">i4"), 3).tolist() == [1.0, 0.0, 2.0]
    assert as_sample_weight([True, False], 2).dtype == np.float64

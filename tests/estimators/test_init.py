"""coef_init and intercept_init: where the fits of the estimators begin."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import SGDRegressor as TheirRegressor
from sklearn.pipeline import Pipeline

from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor
from tests.conftest import JIT_IS_OFF

pytestmark = pytest.mark.skipif(JIT_IS_OFF, reason="slow, and the same by the same loop")

BEST, AT_ZERO = np.array([1.0, -2.0, 0.5]), 4.0
REGRESSORS = [
    SGDRegressor(alpha=0.0, random_state=0),
    GDRegressor(),
    GDRegressor(loss="huber", precondition=False),
]
CLASSIFIERS = [SGDClassifier(random_state=0), GDClassifier(max_iter=20, precondition=False)]
MODELS = [*REGRESSORS, *CLASSIFIERS]
FEW = dict(max_iter=2, tol=None)
every = pytest.mark.parametrize("model", MODELS, ids=repr)
every_classifier = pytest.mark.parametrize("model", CLASSIFIERS, ids=repr)
ignore_short_runs = pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")


def rows(n=60):
    return np.random.default_rng(0).normal([0.0, 3.0, -1.0], size=(n, 3))


def targets(model, X, n_classes=2):
    y = X @ BEST + AT_ZERO
    if hasattr(model, "predict_proba"):
        noisy = y + np.random.default_rng(1).normal(size=len(y))
        return np.searchsorted(np.quantile(noisy, np.arange(1, n_classes) / n_classes), noisy)
    return y


@pytest.mark.parametrize("model", [*REGRESSORS, GDRegressor(loss="huber")], ids=repr)
@pytest.mark.parametrize("shapes", [((3,), ()), ((1, 3), (1,))])
def test_a_fit_that_begins_at_the_optimum_stays_there(model, shapes):
    X = rows()
    coef, intercept = BEST.reshape(shapes[0]), np.reshape(AT_ZERO, shapes[1])
    fitted = clone(model).fit(X, targets(model, X), coef_init=coef, intercept_init=intercept)
    np.testing.assert_allclose(fitted.coef_, BEST, rtol=1e-13)
    assert fitted.intercept_ == pytest.approx(AT_ZERO, rel=1e-13)


@ignore_short_runs
@every_classifier
@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_classifier_begins_at_the_objective_of_its_start(model, n_classes):
    X = rows()
    y = targets(model, X, n_classes)
    first = clone(model).fit(X, y)
    again = (
        clone(model).set_params(max_iter=2).fit(X, y, coef_init=first.coef_, intercept_init=first.intercept_)
    )
    lasts, starts = ([one.history_] if n_classes == 2 else one.history_ for one in (first, again))
    for last, start in zip(lasts, starts, strict=True):
        assert start[0] == pytest.approx(last[-1], rel=1e-9)
    assert again.coef_.shape == first.coef_.shape


@ignore_short_runs
@every_classifier
def test_two_classes_take_a_row_and_a_number(model):
    X = rows()
    y = targets(model, X)
    one, two = (clone(model).set_params(**FEW) for _ in range(2))
    one.fit(X, y, coef_init=BEST, intercept_init=0.5)
    two.fit(X, y, coef_init=[BEST], intercept_init=[0.5])
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert not np.array_equal(one.coef_, clone(one).fit(X, y).coef_)


@ignore_short_runs
@every
def test_one_of_the_two_leaves_the_other_at_zero(model):
    X = rows()
    y = targets(model, X)
    one, two = (clone(model).set_params(**FEW) for _ in range(2))
    np.testing.assert_array_equal(
        one.fit(X, y, coef_init=BEST).coef_, two.fit(X, y, coef_init=BEST, intercept_init=0.0).coef_
    )
    np.testing.assert_array_equal(
        one.fit(X, y, intercept_init=2.0).coef_,
        two.fit(X, y, coef_init=np.zeros(3), intercept_init=2.0).coef_,
    )


@ignore_short_runs
@every
def test_an_explicit_start_wins_over_the_earlier_fit(model):
    X = rows()
    y = targets(model, X)
    warm = clone(model).set_params(warm_start=True, **FEW).fit(X, y)
    earlier = warm.intercept_
    start = dict(coef_init=BEST[::-1])
    expected = clone(model).set_params(**FEW).fit(X, y, intercept_init=earlier, **start)
    warm.fit(X, y, **start)
    np.testing.assert_allclose(warm.coef_, expected.coef_, rtol=1e-12)
    again = clone(model).set_params(warm_start=True, **FEW).fit(X, y)
    assert not np.allclose(again.fit(X, y).coef_, warm.coef_, rtol=1e-6)


def test_as_scikit_learn_does():
    X = rows()
    y = targets(SGDRegressor(), X)
    how = dict(learning_rate="constant", eta0=1e-3, shuffle=False, tol=None, max_iter=5, alpha=0.0)
    begin = BEST + 1.0
    ours = SGDRegressor(standardize=False, **how).fit(X, y, coef_init=begin, intercept_init=[1.0])
    np.testing.assert_array_equal(begin, BEST + 1.0)
    theirs = TheirRegressor(**how).fit(X, y, coef_init=begin, intercept_init=[1.0])
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-10)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-10)


@every
@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (dict(coef_init=[1.0, 2.0]), [r"coef_init has shape \(2,\)", r"\(3,\) or \(1, 3\)"]),
        (dict(coef_init=[[1.0], [2.0], [3.0]]), [r"coef_init has shape \(3, 1\)"]),
        (dict(coef_init=[0.0, np.nan, 0.0]), [r"coef_init\[0, 1\] is NaN; a fit begins at finite numbers"]),
        (dict(coef_init="x"), ["coef_init"]),
        (dict(intercept_init=[1.0, 2.0]), [r"intercept_init has shape \(2,\)", r"a number or \(1,\)"]),
        (dict(intercept_init=np.inf), [r"intercept_init\[0\] is inf"]),
    ],
)
def test_other_starts_are_refused(model, given, parts):
    X = rows()
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        clone(model).fit(X, targets(model, X), **given)
    for part in parts:
        assert caught.match(part)


@every_classifier
def test_more_classes_take_a_row_each(model):
    X = rows()
    y = targets(model, X, 4)
    with pytest.raises(ValueError, match=r"coef_init has shape \(3,\); it must be \(4, 3\)"):
        clone(model).fit(X, y, coef_init=BEST)
    with pytest.raises(ValueError, match=r"intercept_init has shape \(1,\); it must be \(4,\)"):
        clone(model).fit(X, y, intercept_init=[1.0])


@every
def test_an_intercept_without_fit_intercept_is_refused(model):
    X = rows()
    model = clone(model).set_params(fit_intercept=False)
    with pytest.raises(ValueError, match="leave intercept_init out"):
        model.fit(X, targets(model, X), intercept_init=1.0)


@ignore_short_runs
@every
def test_starts_pass_through_a_pipeline_that_routes_them(model):
    X = rows()
    y = targets(model, X)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = clone(model).set_params(**FEW).set_fit_request(coef_init=True, intercept_init=True)
        steps = Pipeline([("model", asked)]).fit(X, y, coef_init=BEST, intercept_init=1.0)
    expected = clone(model).set_params(**FEW).fit(X, y, coef_init=BEST, intercept_init=1.0)
    np.testing.assert_array_equal(steps["model"].coef_, expected.coef_)


@ignore_short_runs
def test_sample_weight_stays_third():
    X = rows()
    y, s = targets(SGDRegressor(), X) + X[:, 0] ** 2, np.linspace(0.0, 1.0, 60)
    one, two = (SGDRegressor(random_state=0) for _ in range(2))
    np.testing.assert_array_equal(one.fit(X, y, s).coef_, two.fit(X, y, sample_weight=s).coef_)

"""GDRegressor on summaries, and its partial_fit, which adds rows."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

import fastgd
from fastgd.checks import InvalidDataError
from fastgd.estimators import GDRegressor
from tests.conftest import JIT_IS_OFF

N = 60 if JIT_IS_OFF else 1000


@pytest.fixture
def data(rng):
    X = rng.normal(size=(N, 3)) * [1.0, 100.0, 0.01] + 5.0
    return X, X @ [1.0, 2.0, 3.0] + 2.0 + rng.normal(size=N)


def parameters(model):
    return np.append(model.coef_, model.intercept_)


@pytest.mark.filterwarnings("ignore:some columns of X are sums")  # of fewer rows than columns
@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"alpha": 0.1}, {"standardize": False}])
def test_partial_fits_in_any_order_are_one_fit(data, rng, options):
    X, y = data
    expected = parameters(GDRegressor(**options).fit(X, y))
    for cuts in ([0, 1, 2, N], [0, N // 2, N], [0, N]):
        chunks = [slice(*cut) for cut in itertools.pairwise(cuts)]
        model = GDRegressor(**options)
        for number in rng.permutation(len(chunks)):
            model.partial_fit(X[chunks[number]], y[chunks[number]])
        np.testing.assert_allclose(parameters(model), expected, rtol=1e-10)
        assert model.n_features_in_ == 3


@pytest.mark.parametrize("has_intercept", [True, False])
def test_partial_fit_adds_to_a_fit(data, rng, has_intercept):
    X, y = data
    weights = rng.uniform(0.5, 2.0, N)
    model = GDRegressor(fit_intercept=has_intercept)
    expected = parameters(model.fit(X, y, sample_weight=weights))
    model.fit(X[:9], y[:9], sample_weight=weights[:9])
    model = pickle.loads(pickle.dumps(model))
    model.partial_fit(X[9:], y[9:], sample_weight=weights[9:])
    np.testing.assert_allclose(parameters(model), expected, rtol=1e-10)


def test_weights_of_some_calls_stand_beside_rows_without(data):
    X, y = data
    model = GDRegressor().partial_fit(X[:9], y[:9]).partial_fit(X[9:], y[9:], sample_weight=2.0)
    weights = np.where(np.arange(N) < 9, 1.0, 2.0)
    np.testing.assert_allclose(parameters(model), parameters(GDRegressor().fit(X, y, weights)), rtol=1e-10)


def test_a_fit_forgets_earlier_rows(data):
    X, y = data
    model = GDRegressor().partial_fit(X, -y)
    np.testing.assert_array_equal(parameters(model.fit(X, y)), parameters(GDRegressor().fit(X, y)))


def test_a_summary_is_fitted_as_its_rows(data):
    X, y = data
    summary = fastgd.summarize(X[:9], y[:9]) + fastgd.summarize(X[9:], y[9:])
    expected = parameters(GDRegressor(alpha=0.1).fit(X, y))
    for model in (GDRegressor(alpha=0.1).fit(summary), GDRegressor(alpha=0.1).partial_fit(summary)):
        np.testing.assert_allclose(parameters(model), expected, rtol=1e-10)
        assert model.predict(X).shape == (N,)
    half = GDRegressor(alpha=0.1).fit(0.5 * summary)
    np.testing.assert_allclose(parameters(half), expected, rtol=1e-10)


def test_names_of_columns_are_those_of_the_summary(data):
    pd = pytest.importorskip("pandas")
    X, y = data
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = GDRegressor().fit(fastgd.summarize(frame, y))
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(InvalidDataError, match='"b", "a", "c"'):
        model.partial_fit(fastgd.summarize(frame[["b", "a", "c"]], y))
    model.partial_fit(frame, y)
    assert model.result_.n_samples == 2 * N


@pytest.mark.parametrize("options", [{"loss": "huber"}, {"early_stopping": True}])
def test_it_is_there_for_squared_errors_alone(data, options):
    assert hasattr(GDRegressor(), "partial_fit")
    assert not hasattr(GDRegressor(**options), "partial_fit")


def test_fits_without_a_summary_are_not_added_to(data):
    X, y = data
    model = GDRegressor(loss="huber").fit(X, y).set_params(loss="squared_error")
    with pytest.raises(ValueError, match="fit again"):
        model.partial_fit(X, y)


def test_more_columns_than_it_keeps_are_refused():
    X = np.eye(5, 1025)
    with pytest.raises(
        InvalidDataError, match="1025 columns, and partial_fit keeps the products of at most 1024"
    ):
        GDRegressor().partial_fit(X, np.arange(5.0))


def test_other_columns_are_refused(data):
    X, y = data
    model = GDRegressor().partial_fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but GDRegressor is expecting 3"):
        model.partial_fit(X[:, :2], y)
    with pytest.raises(TypeError, match="partial_fit takes arrays"):
        model.partial_fit(fastgd.chunks(lambda: [(X, y)]))


@pytest.mark.parametrize("n_targets", [1, 3])
def test_several_targets_have_the_shapes_of_linear_regression(data, rng, n_targets):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, _ = data
    Y = X @ rng.normal(size=(3, n_targets)) + rng.normal(size=(N, n_targets))
    expected = linear_model.LinearRegression().fit(X, Y)
    parts = GDRegressor().partial_fit(X[9:], Y[9:]).partial_fit(X[:9], Y[:9])
    for model in (GDRegressor().fit(X, Y), parts, GDRegressor().fit(X[:9], Y[:9]).partial_fit(X[9:], Y[9:])):
        assert (model.coef_.shape, model.intercept_.shape) == ((n_targets, 3), (n_targets,))
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
        np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-9)
        assert model.history_.shape == (model.n_iter_ + 1, n_targets)
    assert GDRegressor().__sklearn_tags__().target_tags.multi_output
    assert not GDRegressor(loss="huber").__sklearn_tags__().target_tags.multi_output


def test_several_targets_are_refused_where_rows_are_needed(data):
    X, y = data
    Y = np.column_stack([y, y])
    with pytest.raises(ValueError, match="1d array"):
        GDRegressor(loss="huber").fit(X, Y)
    with pytest.raises(ValueError, match="leave them out"):
        GDRegressor().fit(X, Y, coef_init=np.zeros(3))
    for first, then, shapes in ((Y, y, r"\(n,\), .* \(n, 2\)"), (y, Y[:, :1], r"\(n, 1\), .* \(n,\)")):
        with pytest.raises(InvalidDataError, match="y has shape " + shapes):
            GDRegressor().fit(X, first).partial_fit(X, then)
        with pytest.raises(ValueError, match="a fit of the same targets"):
            GDRegressor(warm_start=True).fit(X, first).fit(X, then)


def test_a_polars_frame_of_targets(data):
    pl = pytest.importorskip("polars")
    X, y = data
    Y = np.column_stack([y, 2.0 * y])
    expected = GDRegressor().fit(X, Y)
    for frame in (pl.DataFrame(Y, schema=["a", "b"]), pl.DataFrame(Y, schema=["a", "b"]).to_arrow()):
        found = GDRegressor().fit(X, frame)
        np.testing.assert_array_equal(found.coef_, expected.coef_)
        assert found.result_.target_names == ("a", "b")
        assert fastgd.gradient_descent(X, frame, n_epochs=2).w.shape == (3, 2)


def test_a_summary_given_to_partial_fit_has_targets_and_weights_of_its_own(data):
    X, y = data
    summary = fastgd.summarize(X, y)
    for others, name in (({"y": y}, "y"), ({"sample_weight": 2.0}, "sample_weight")):
        with pytest.raises(TypeError, match=f"leave {name} out"):
            GDRegressor().partial_fit(summary, **others)


def test_rows_add_to_a_summary_with_folds_or_of_numbers(data):
    X, y = data
    for first, rest in (
        (fastgd.summarize(X[:9], y[:9], folds=3), X[9:]),
        (fastgd.summarize(X[:9, 0], y[:9]), X[9:, :1]),
    ):
        found = GDRegressor().fit(first).partial_fit(rest, y[9:])
        expected = GDRegressor().fit(X[:, : rest.shape[1]], y)
        np.testing.assert_allclose(parameters(found), parameters(expected), rtol=1e-9)

"""The estimators among scikit-learn's other parts: pipelines, searches, names, weights, labels, arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

import fastgd
from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor
from tests.conftest import JIT_IS_OFF

MODELS = [GDRegressor(), GDClassifier(), SGDRegressor(random_state=0), SGDClassifier(random_state=0)]
REGRESSORS, CLASSIFIERS = MODELS[0::2], MODELS[1::2]
every = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
every_regressor = pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: type(model).__name__)
every_classifier = pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: type(model).__name__)


def data(model, n=150, n_classes=2, seed=1):
    """n rows of 3 columns that overlap enough for every loss to have an optimum, and weights 1, 2, 3."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 3.0, 0.5] + [0.0, 5.0, -1.0]
    score = X @ [1.0, -0.5, 2.0] + rng.normal(size=n)
    if sklearn.base.is_classifier(model):
        score = np.searchsorted(np.quantile(score, np.arange(1, n_classes) / n_classes), score)
    return X, score, rng.integers(1, 4, n).astype(float)


def assert_same_bits(ours, theirs):
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    np.testing.assert_array_equal(ours.intercept_, theirs.intercept_)
    assert ours.n_iter_ == theirs.n_iter_


class TestAmongOthers:
    @every
    def test_in_a_pipeline(self, model):
        X, y, _ = data(model)
        pipe = make_pipeline(StandardScaler(), clone(model)).fit(X, y)
        alone = clone(model).fit(StandardScaler().fit_transform(X), y)
        assert_same_bits(pipe[-1], alone)
        assert pipe.score(X, y) == alone.score(StandardScaler().fit_transform(X), y)

    @every
    def test_grid_search(self, model):
        X, y, _ = data(model)
        search = GridSearchCV(clone(model), dict(alpha=[1e-4, 100.0]), cv=3).fit(X, y)
        assert search.best_params_ == dict(alpha=1e-4)
        assert_same_bits(search.best_estimator_, clone(model).set_params(alpha=1e-4).fit(X, y))
        low, high = search.cv_results_["mean_test_score"][[1, 0]]
        assert low < high

    @every
    def test_cross_val_score(self, model):
        X, y, _ = data(model)
        scores = cross_val_score(clone(model), X, y, cv=3)
        assert scores.shape == (3,)
        assert scores.min() > 0.6

    @every
    def test_clone_has_the_parameters_and_not_the_fit(self, model):
        X, y, _ = data(model)
        fitted = clone(model).set_params(alpha=0.25, momentum=0.5, max_iter=10_000).fit(X, y)
        copy = clone(fitted)
        assert copy.get_params() == fitted.get_params()
        assert copy.alpha == 0.25
        assert not hasattr(copy, "coef_")

    @every
    def test_pickle(self, model):
        X, y, _ = data(model, n=500)
        fitted = clone(model).fit(X, y)
        sent = pickle.dumps(fitted)
        assert len(sent) < X.nbytes / 2 + 16 * fitted.n_iter_ + 4000  # histories, and not the data
        back = pickle.loads(sent)
        assert_same_bits(back, fitted)
        np.testing.assert_array_equal(back.predict(X), fitted.predict(X))
        np.testing.assert_array_equal(back.history_, fitted.history_)

    @every
    def test_a_second_fit_forgets_the_first(self, model):
        X, y, _ = data(model)
        again = clone(model).fit(X[:, :2] * 7, y).fit(X, y)
        assert_same_bits(again, clone(model).fit(X, y))

    def test_params_are_left_as_they_were_given(self):
        for model in MODELS:
            X, y, _ = data(model)
            given = clone(model)
            before = dict(given.get_params())
            given.fit(X, y)
            assert given.get_params() == before

    @every
    def test_the_data_is_left_as_it_was(self, model):
        X, y, s = data(model)
        kept = X.copy(), y.copy(), s.copy()
        clone(model).fit(X, y, sample_weight=s).predict(X)
        for now, before in zip((X, y, s), kept, strict=True):
            np.testing.assert_array_equal(now, before)


class TestNames:
    @every
    def test_of_a_frame(self, model):
        pandas = pytest.importorskip("pandas")
        X, y, _ = data(model)
        frame = pandas.DataFrame(X, columns=["a", "b", "c"])
        fitted = clone(model).fit(frame, y)
        assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]
        assert fitted.n_features_in_ == 3
        assert_same_bits(fitted, clone(model).fit(X, y))
        with pytest.raises(ValueError, match="feature names"):
            fitted.predict(frame[["b", "a", "c"]])
        with pytest.raises(ValueError, match="feature names"):
            fitted.predict(frame.rename(columns={"a": "z"}))
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            np.testing.assert_array_equal(fitted.predict(X), fitted.predict(frame))

    @every
    def test_a_scaler_hands_over_names(self, model):
        pandas = pytest.importorskip("pandas")
        X, y, _ = data(model)
        frame = pandas.DataFrame(X, columns=["a", "b", "c"])
        pipe = make_pipeline(StandardScaler(), clone(model)).set_output(transform="pandas").fit(frame, y)
        assert pipe[-1].feature_names_in_.tolist() == ["a", "b", "c"]

    @every
    def test_a_series_with_an_index_of_its_own_is_a_target(self, model):
        pandas = pytest.importorskip("pandas")
        X, y, s = data(model)
        index = np.arange(len(y))[::-1]
        target, weights = pandas.Series(y, index=index), pandas.Series(s, index=index)
        fitted = clone(model).fit(pandas.DataFrame(X), target, sample_weight=weights)
        assert_same_bits(fitted, clone(model).fit(X, y, sample_weight=s))

    def test_polars(self):
        polars = pytest.importorskip("polars")
        X, y, _ = data(MODELS[0])
        frame = polars.DataFrame(dict(zip("abc", X.T, strict=True)))
        fitted = GDRegressor().fit(frame, polars.Series(y))
        assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]
        with pytest.raises(ValueError, match="feature names"):
            fitted.predict(frame[["b", "a", "c"]])


class TestMetadataRouting:
    @every
    def test_weights_through_a_pipeline(self, model):
        X, y, s = data(model)
        with sklearn.config_context(enable_metadata_routing=True):
            scaler = StandardScaler().set_fit_request(sample_weight=False)
            pipe = make_pipeline(scaler, clone(model).set_fit_request(sample_weight=True))
            pipe.fit(X, y, sample_weight=s)
        expected = clone(model).fit(StandardScaler().fit_transform(X), y, sample_weight=s)
        assert_same_bits(pipe[-1], expected)
        assert not np.array_equal(
            pipe[-1].coef_, clone(model).fit(StandardScaler().fit_transform(X), y).coef_
        )

    @every
    def test_weights_through_a_search(self, model):
        X, y, s = data(model)
        with sklearn.config_context(enable_metadata_routing=True):
            routed = clone(model).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            search = GridSearchCV(routed, dict(alpha=[1e-3]), cv=3).fit(X, y, sample_weight=s)
        assert_same_bits(
            search.best_estimator_, clone(model).set_params(alpha=1e-3).fit(X, y, sample_weight=s)
        )

    @pytest.mark.parametrize("model", MODELS[2:], ids=lambda model: type(model).__name__)
    def test_partial_fit_can_be_asked_too(self, model):
        with sklearn.config_context(enable_metadata_routing=True):
            asked = clone(model).set_partial_fit_request(sample_weight=True)
            assert asked.get_metadata_routing().partial_fit.requests["sample_weight"] is True


class TestScoresAndLabels:
    @every_regressor
    def test_score_of_a_regressor(self, model):
        X, y, s = data(model)
        fitted = clone(model).fit(X, y)
        predicted = X @ fitted.coef_ + fitted.intercept_
        np.testing.assert_allclose(fitted.predict(X), predicted, rtol=1e-12)
        assert fitted.score(X, y) == pytest.approx(r2_score(y, predicted), rel=1e-12)
        weighted = r2_score(y, predicted, sample_weight=s)
        assert fitted.score(X, y, sample_weight=s) == pytest.approx(weighted, rel=1e-12)

    @every_classifier
    def test_score_of_a_classifier(self, model):
        X, y, s = data(model)
        fitted = clone(model).fit(X, y)
        assert fitted.score(X, y, sample_weight=s) == accuracy_score(y, fitted.predict(X), sample_weight=s)

    @every_classifier
    def test_two_classes(self, model):
        X, y, _ = data(model)
        fitted = clone(model).fit(X, y)
        scores = fitted.decision_function(X)
        np.testing.assert_allclose(scores, X @ fitted.coef_[0] + fitted.intercept_[0], rtol=1e-11)
        share = fitted.predict_proba(X)
        np.testing.assert_allclose(share[:, 1], 1 / (1 + np.exp(-scores)), rtol=1e-13)
        np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-15)
        np.testing.assert_allclose(
            fitted.predict_log_proba(X), np.log(share), rtol=1e-13, atol=2**-52
        )  # a share near 1 is rounded
        np.testing.assert_array_equal(fitted.predict(X), (scores > 0).astype(int))
        assert log_loss(y, share) < np.log(2)

    @every_classifier
    def test_four_classes(self, model):
        X, y, _ = data(model, n_classes=4)
        fitted = clone(model).fit(X, y)
        scores = fitted.decision_function(X)
        assert scores.shape == (150, 4)
        single = 1 / (1 + np.exp(-scores))
        share = fitted.predict_proba(X)
        np.testing.assert_allclose(share, single / single.sum(axis=1, keepdims=True), rtol=1e-13)
        np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-15)
        np.testing.assert_array_equal(fitted.predict(X), scores.argmax(axis=1))

    @every_classifier
    def test_shares_of_sure_rows_are_numbers(self, model):
        X, y, _ = data(model, n_classes=3)
        for n_classes in (2, 3):
            fitted = clone(model).fit(X, np.minimum(y, n_classes - 1))
            fitted.coef_ = fitted.coef_ * 1e6
            share = fitted.predict_proba(X)
            assert np.isfinite(share).all()
            np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-15)

    @every_classifier
    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("kind", ["text", "objects", "integers", "floats", "booleans", "list"])
    def test_labels_of_every_kind(self, model, n_classes, kind):
        X, codes, _ = data(model, n_classes=n_classes)
        labels = {
            "text": np.array(["ant", "bee", "cat"]),
            "objects": np.array(["ant", "bee", "cat"], dtype=object),
            "integers": np.array([-7, 0, 12]),
            "floats": np.array([-1.0, 2.0, 5.0]),
            "booleans": np.array([False, True]),
            "list": np.array(["ant", "bee", "cat"]),
        }[kind]
        if kind == "booleans" and n_classes == 3:
            return
        y = labels[codes]
        expected = clone(model).fit(X, codes)
        fitted = clone(model).fit(X, y.tolist() if kind == "list" else y)
        assert_same_bits(fitted, expected)
        np.testing.assert_array_equal(fitted.classes_, labels[:n_classes])
        np.testing.assert_array_equal(fitted.predict(X), labels[expected.predict(X)])
        assert fitted.predict(X).dtype == fitted.classes_.dtype


class TestArrays:
    @every
    def test_float32(self, model):
        X, y, _ = data(model)
        X = X.astype(np.float32)
        fitted = clone(model).fit(X, y)
        wide = clone(model).fit(X.astype(np.float64), y)
        assert fitted.coef_.dtype == np.float32
        np.testing.assert_allclose(fitted.coef_, wide.coef_, rtol=1e-6)
        np.testing.assert_allclose(fitted.intercept_, wide.intercept_, rtol=1e-6)

    @every
    @pytest.mark.parametrize("kind", ["fortran", "strided", "list", "read-only"])
    def test_other_layouts_give_the_same_bits(self, model, kind):
        X, y, s = data(model)
        expected = clone(model).fit(X, y, sample_weight=s)
        given = {
            "fortran": np.asfortranarray,
            "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
            "list": np.ndarray.tolist,
            "read-only": np.copy,
        }[kind](X)
        if kind == "read-only":
            for array in (given, y, s):
                array.flags.writeable = False
        fitted = clone(model).fit(given, y, sample_weight=s)
        assert_same_bits(fitted, expected)
        np.testing.assert_array_equal(fitted.predict(given), expected.predict(X))

    @every
    def test_a_memmap_that_can_only_be_read(self, model, tmp_path):
        X, y, _ = data(model)
        X.tofile(tmp_path / "X")
        mapped = np.memmap(tmp_path / "X", X.dtype, mode="r", shape=X.shape)
        assert_same_bits(clone(model).fit(mapped, y), clone(model).fit(X, y))

    @every
    def test_any_number_of_threads_gives_the_same_bits(self, model, threads_for_all):
        X, y, s = data(model, n=9_000 if JIT_IS_OFF else 40_000, n_classes=2)
        how = dict(max_iter=2 if JIT_IS_OFF else 5, tol=None, shuffle="blocks")
        given = {name: value for name, value in how.items() if name in model.get_params()}
        one, three = (clone(model).set_params(n_jobs=jobs, **given).fit(X, y, s) for jobs in (1, 3))
        assert len(threads_for_all) > 1
        assert_same_bits(one, three)
        np.testing.assert_array_equal(one.history_, three.history_)
        np.testing.assert_array_equal(one.predict(X), three.predict(X))


class TestWeights:
    """A weight is the row so many times, for the pair whose result does not depend on an order."""

    @pytest.mark.parametrize("loss", ["squared_error", "huber"])
    @pytest.mark.parametrize("penalty", ["l2", "l1"])
    def test_regressor(self, loss, penalty):
        X, y, s = data(MODELS[0])
        s[::7] = 0.0
        model = GDRegressor(loss, penalty=penalty, alpha=0.1, tol=1e-12, max_iter=100_000)
        weighted = clone(model).fit(X, y, sample_weight=s)
        rows = np.repeat(np.arange(len(y)), s.astype(int))
        repeated = clone(model).fit(X[rows], y[rows])
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
        assert weighted.intercept_ == pytest.approx(repeated.intercept_, rel=1e-8)
        assert weighted.history_[-1] == pytest.approx(repeated.history_[-1], rel=1e-12)

    @pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0}])
    def test_classifier(self, class_weight):
        X, y, s = data(MODELS[1])
        model = GDClassifier(class_weight=class_weight, tol=1e-12, max_iter=20_000)
        weighted = clone(model).fit(X, y, sample_weight=s)
        rows = np.repeat(np.arange(len(y)), s.astype(int))
        repeated = clone(model).fit(X[rows], y[rows])
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
        np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-8)

    @every
    def test_the_scale_of_weights_does_not_matter_to_the_optimum(self, model):
        if not isinstance(model, (GDRegressor, GDClassifier)):
            return  # a weight is a step's length there
        X, y, s = data(model)
        one = clone(model).set_params(alpha=0.1).fit(X, y, sample_weight=s)
        ten = clone(model).set_params(alpha=0.1).fit(X, y, sample_weight=10 * s)
        np.testing.assert_allclose(one.coef_, ten.coef_, rtol=1e-5)

    @every_classifier
    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("labels", ["integers", "text"])
    def test_balanced_classes_by_hand(self, model, n_classes, labels):
        X, y, _ = data(model, n_classes=n_classes)
        keep = (y != 0) | (np.arange(len(y)) % 3 == 0)
        X, y = X[keep], y[keep]
        names = np.array([4, 5, 6]) if labels == "integers" else np.array(["ant", "bee", "cat"])
        counts = np.bincount(y)
        by_hand = len(y) / (n_classes * counts)
        assert np.ptp(by_hand) > 0.5
        balanced = clone(model).set_params(class_weight="balanced").fit(X, names[y])
        expected = clone(model).fit(X, names[y], sample_weight=by_hand[y])
        np.testing.assert_allclose(balanced.coef_, expected.coef_, rtol=1e-12)
        given = dict(zip(names[:n_classes].tolist(), by_hand.tolist(), strict=True))
        as_dict = clone(model).set_params(class_weight=given).fit(X, names[y])
        np.testing.assert_allclose(as_dict.coef_, expected.coef_, rtol=1e-12)

    @every_classifier
    def test_class_weights_are_multiplied_with_those_of_samples(self, model):
        X, y, s = data(model)
        both = clone(model).set_params(class_weight={0: 0.5, 1: 2.0}).fit(X, y, sample_weight=s)
        product = s * compute_sample_weight({0: 0.5, 1: 2.0}, y)
        assert_same_bits(both, clone(model).fit(X, y, sample_weight=product))


class TestEnds:
    @every
    def test_a_run_out_of_epochs_warns_in_both_languages(self, model):
        X, y, _ = data(model)
        with pytest.warns(fastgd.ConvergenceWarning) as caught:
            clone(model).set_params(max_iter=2).fit(X, y)
        assert len(caught) == 1
        assert issubclass(caught[0].category, ConvergenceWarning)
        assert "\n" not in str(caught[0].message)

    def test_that_warning_names_the_parameter_of_the_estimator(self):
        X, y, _ = data(MODELS[0])
        with pytest.warns(fastgd.ConvergenceWarning, match="max_iter=2"):
            GDRegressor(max_iter=2).fit(X, y)

    @every
    def test_without_tol_all_epochs_are_done_in_silence(self, model):
        X, y, _ = data(model)
        assert clone(model).set_params(max_iter=3, tol=None).fit(X, y).n_iter_ == 3

    @every
    def test_n_iter_is_within_max_iter(self, model):
        X, y, _ = data(model)
        fitted = clone(model).fit(X, y)
        assert 1 <= fitted.n_iter_ < fitted.max_iter

    @every
    @pytest.mark.parametrize("value", [0.0, 3.0, 1e9 + 0.1])
    def test_a_constant_column_has_weight_zero(self, model, value):
        X, y, _ = data(model)
        wide = np.insert(X, 1, value, axis=1)
        fitted = clone(model).fit(wide, y)
        assert np.ravel(fitted.coef_)[1] == 0.0
        result = fitted.result_ if isinstance(model, (GDRegressor, SGDRegressor)) else fitted.results_[0]
        assert "constant, so of weight 0: column 1" in result.status
        narrow = clone(model).fit(X, y)
        np.testing.assert_allclose(np.delete(np.ravel(fitted.coef_), 1), np.ravel(narrow.coef_), rtol=1e-3)

    @every
    def test_without_standardising_no_column_is_dropped(self, model):
        X, y, _ = data(model)
        fitted = clone(model).set_params(standardize=False, max_iter=5, tol=None).fit(X, y)
        result = fitted.result_ if isinstance(model, (GDRegressor, SGDRegressor)) else fitted.results_[0]
        assert "constant" not in result.status

    @every
    def test_early_stopping(self, model, rng):
        n, d = (120, 60) if not JIT_IS_OFF else (60, 30)  # so wide that it learns the noise
        X = rng.normal(size=(n, d))
        y = X[:, 0] + 2 * rng.normal(size=n)
        y = (y > 0).astype(int) if model in CLASSIFIERS else y
        how = dict(early_stopping=True, validation_fraction=0.25, alpha=0.0, max_iter=500, tol=1e-9)
        fitted = clone(model).set_params(**how).fit(X, y)
        assert fitted.n_iter_ < 500
        result = fitted.result_ if isinstance(model, (GDRegressor, SGDRegressor)) else fitted.results_[0]
        assert "held-out" in result.status
        held = result.validation_history
        assert len(held) == fitted.n_iter_
        assert held.argmin() == len(held) - 1 - fitted.n_iter_no_change

    @every_regressor
    def test_a_loss_of_your_own(self, model):
        X, y, _ = data(model)
        fitted = clone(model).set_params(loss=LogCosh()).fit(X, y)
        tanh = np.tanh(fitted.predict(X) - y)
        assert abs(tanh.mean()) < 0.05
        assert clone(fitted).loss is not None

    def test_a_rate_of_scikit_learns_is_that_of_half_the_square(self):
        X, y, _ = data(MODELS[0])
        model = GDRegressor(
            alpha=0.5, eta0=1e-3, nesterov=False, standardize=False, max_iter=1, tol=None, fit_intercept=False
        )
        gradient = -X.T @ y / len(y)  # of half the mean square at w = 0
        np.testing.assert_allclose(model.fit(X, y).coef_, -1e-3 * gradient, rtol=1e-12)

    def test_inverse_scaling(self):
        X, y, _ = data(MODELS[0])
        model = SGDRegressor(
            eta0=1e-3, learning_rate="invscaling", power_t=0.25, max_iter=3, tol=None, shuffle=False
        )
        rates = model.fit(X, y).result_.learning_rates
        np.testing.assert_allclose(rates / rates[0], [1.0, 2**-0.25, 3**-0.25], rtol=1e-14)


class LogCosh:
    """ln cosh(score − y)."""

    curvature = 1.0

    def value(self, score, y):
        size = abs(score - y)
        return size + np.log1p(np.exp(-2.0 * size)) - 0.6931471805599453

    def slope(self, score, y):
        return np.tanh(score - y)


def test_held_out_rows_are_not_seen_by_the_start():
    """Other losses start from least squares of all rows, but for early stopping."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 60))
    y = X[:, 0] + 2 * rng.normal(size=120)
    model = GDRegressor("huber", early_stopping=True, validation_fraction=0.25, max_iter=50, tol=None)
    model.fit(X, y)
    other = y.copy()
    other[3::4] += 100.0  # the held-out ones
    assert clone(model).fit(X, other).coef_.tolist() == model.coef_.tolist()


def test_a_subclass_with_parameters_of_its_own():
    class Robust(GDRegressor):
        def __init__(self, epsilon=1.35):
            super().__init__("huber", epsilon=epsilon)

    X, y, _ = data(MODELS[0])
    np.testing.assert_array_equal(Robust().fit(X, y).coef_, GDRegressor("huber").fit(X, y).coef_)

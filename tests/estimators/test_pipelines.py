"""The estimators among scikit-learn's other parts: pipelines, searches, names, weights, labels, arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastgd.estimators import GDRegressor
from tests.conftest import JIT_IS_OFF
from tests.estimators.models import (
    MODELS,
    assert_same_bits,
    data,
    every,
)


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

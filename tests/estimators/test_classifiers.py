"""Scores, labels and probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss, r2_score

from tests.estimators.models import (
    assert_same_bits,
    data,
    every_classifier,
    every_regressor,
)


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

"""Scores are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

import fastgd
from fastgd.solver import scores
from fastgd.solver.inputs import as_dataset

X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, 2.0, 3.0] + np.random.default_rng(1).normal(size=60)
WEIGHTS = np.random.default_rng(2).uniform(0.0, 2.0, size=60)
CLASSES = (Y > 0.0).astype(int)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile"])
def test_numbers_have_r_squared(loss, weights):
    fit = fastgd.gradient_descent(X, Y, loss=loss, n_epochs=5, fit_intercept=True)
    expected = r2_score(Y, fit.predict(X), sample_weight=weights)
    assert fit.score(X, Y, weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge", "modified_huber"])
def test_classes_have_accuracy(loss, weights):
    fit = fastgd.gradient_descent(X, CLASSES, loss=loss, n_epochs=2)
    expected = accuracy_score(CLASSES, fit.predict(X) > 0.0, sample_weight=weights)
    assert 0.5 < expected < 1.0
    assert fit.score(X, CLASSES, weights) == pytest.approx(expected, rel=1e-12)


def test_counts_are_compared_with_the_mean_that_is_predicted():
    counts = np.random.default_rng(3).poisson(np.exp(0.3 * X[:, 0]))
    fit = fastgd.gradient_descent(X, counts, loss="poisson", n_epochs=20)
    assert fit.score(X, counts) == pytest.approx(r2_score(counts, np.exp(fit.predict(X))), rel=1e-12)


def test_an_own_loss_is_compared_by_r_squared():
    class Fourth:
        def value(self, score, y):
            return (score - y) ** 4

        def slope(self, score, y):
            return 4 * (score - y) ** 3

    fit = fastgd.gradient_descent(X, Y, loss=Fourth(), learning_rate=0.001, n_epochs=5, backend="python")
    assert fit.score(X, Y) == pytest.approx(r2_score(Y, fit.predict(X)), rel=1e-12)


@pytest.mark.parametrize(("predicted", "expected"), [([3.0, 3.0], 1.0), ([3.0, 4.0], 0.0)])
def test_a_constant_y_has_one_or_zero(predicted, expected):
    y = np.array([3.0, 3.0])
    assert scores.r_squared(y, np.array(predicted), np.ones(2)) == expected == r2_score(y, predicted)


def test_one_weight_tables_and_loaded_fits(tmp_path):
    import pandas

    fit = fastgd.gradient_descent(X[:, 0], Y, n_epochs=5)
    assert fit.score(X[:, 0], Y) == pytest.approx(r2_score(Y, fit.predict(X[:, 0])), rel=1e-12)
    table = pandas.DataFrame(X, columns=["a", "b", "c"])
    fit = fastgd.gradient_descent(table, CLASSES, loss="log_loss", n_epochs=5)
    fit.save(tmp_path / "fit.npz")
    again = fastgd.load(tmp_path / "fit.npz")
    assert again.score(table[["c", "b", "a"]], CLASSES) == fit.score(X, CLASSES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, Y[:5]), r"^y has shape \(5,\); X has 60 rows$"),
        ((X[:1], Y[:1]), "^y has one row; R² compares two or more$"),
        ((X, np.where(Y > 2, np.nan, Y)), r"^y\[\d+\] is NaN"),
        ((X, Y, -WEIGHTS), "sample_weight"),
        ((X[:, :2], Y), "shape"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    fit = fastgd.gradient_descent(X, Y, n_epochs=5)
    with pytest.raises(fastgd.InvalidDataError, match=message):
        fit.score(*arguments)


def test_a_class_is_zero_or_one():
    fit = fastgd.gradient_descent(X, CLASSES, loss="log_loss", n_epochs=2)
    with pytest.raises(fastgd.InvalidDataError, match=r"^y\[\d+\] is -1"):
        fit.score(X, 2 * CLASSES - 1)


def test_labels_of_a_table(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,no\n2,yes\n3,no\n4,yes\n")
    source = fastgd.read_table(tmp_path / "t.csv", target="y", labels=True)
    fit = fastgd.gradient_descent(source, loss="log_loss", l2=0.01, fit_intercept=True, n_epochs=50)
    ys = ["no", "yes", "yes", "yes"]
    X = [[0.0], [1.0], [3.0], [4.0]]
    hits = [(score > 0) == (y == "yes") for score, y in zip(fit.predict(X), ys, strict=True)]
    assert fit.score(X, ys) == sum(hits) / 4
    with pytest.raises(fastgd.InvalidDataError, match=r"y\[1\] is \"maybe\", which is none of the labels"):
        fit.score(X[:2], ["no", "maybe"])


@pytest.mark.parametrize("n", [5, 9000])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_the_accuracy_of_a_dataset_is_the_score_of_its_rows(rng, n, is_weighted):
    X = rng.standard_normal((n, 3))
    y = (X @ [1.0, 2.0, 3.0] + rng.logistic(size=n) > 0.0).astype(float)
    y[:2] = 0.0, 1.0
    weights = rng.integers(0, 3, n) + 0.5 if is_weighted else None
    fit = fastgd.gradient_descent(X, y, loss="log_loss", l2=0.1, sample_weight=weights, n_epochs=3)
    hits = ((X @ fit.w > 0) == (y > 0)).astype(float)
    expected = np.average(hits, weights=weights)
    assert scores.accuracy(fit, as_dataset(X, y, weights)) == pytest.approx(expected, rel=1e-12)

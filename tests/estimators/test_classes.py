"""More than two classes: each model is the fit of its class alone, and the classes share their reads."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import fastgd
from fastgd.data.streams import StreamRows
from fastgd.estimators import EstimatorConvergenceWarning, GDClassifier, SGDClassifier
from fastgd.solver import status
from tests.conftest import JIT_IS_OFF

N, D, K = 4500 if JIT_IS_OFF else 9000, 6, 4


@pytest.fixture
def rows(rng):
    """Rows of a few blocks, labels of which 0 is rare, and weights."""
    X = rng.normal(size=(N, D)) * [1.0, 5.0, 0.1, 1.0, 1.0, 2.0] + 3.0
    scores = (X - 3.0) @ rng.normal(size=(D, K)) + rng.gumbel(size=(N, K)) - [4.0, 0.0, 0.0, 1.0]
    return X, scores.argmax(axis=1), rng.random(N)


def assert_same_fit(one, alone):
    np.testing.assert_array_equal(one.w, alone.w)
    assert one.intercept == alone.intercept
    np.testing.assert_array_equal(one.cost_history, alone.cost_history)
    assert (one.n_epochs, one.n_passes, one.converged) == (alone.n_epochs, alone.n_passes, alone.converged)
    assert status.ending(one) == status.ending(alone)


def fitted(model, *data, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EstimatorConvergenceWarning)
        return model.fit(*data, **how)


def check(kind, how, X, y, *weights):
    """The model of all classes. Each class equals the fit to its own 0 and 1."""
    model = fitted(kind(**how), X, y, *weights)
    for label, one in zip(model.classes_, model.results_, strict=True):
        assert_same_fit(one, fitted(kind(**how), X, y == label, *weights).results_[0])
    assert model.n_iter_ == max(one.n_epochs for one in model.results_)
    return model


HOW = {
    "metric": {},
    "in the units of X": dict(standardize=False),
    "no penalty": dict(penalty=None),
    "another loss": dict(loss="modified_huber"),
    "streamed": dict(precondition=False, max_iter=5),
    "l1": dict(penalty="l1", alpha=1e-3, max_iter=5),
    "kinks": dict(loss="hinge", max_iter=5),
    "held out": dict(early_stopping=True, max_iter=5),
    "metric, held out": dict(early_stopping=True, precondition=True),
    "few epochs": dict(max_iter=1, tol=1e-12),
}


@pytest.mark.parametrize("name", HOW)
def test_each_class_is_its_fit_alone(rows, name):
    X, y, _ = rows
    check(GDClassifier, HOW[name], X, y)


@pytest.mark.parametrize("name", ["metric", "no penalty", "streamed", "held out"])
def test_each_class_is_its_weighted_fit_alone(rows, name):
    check(GDClassifier, HOW[name], *rows)


def test_histories_differ_in_length(rows):
    X, y, _ = rows
    model = check(GDClassifier, dict(loss="modified_huber", tol=1e-12), X, y)
    assert len({len(history) for history in model.history_}) > 1


@pytest.mark.parametrize("how", [{}, dict(n_jobs=1), dict(n_jobs=3)], ids=str)
def test_other_sources_and_threads(rows, tmp_path, how):
    """float32, columns of a frame, a memory map of integers, and threads change no bit."""
    X, y, _ = rows
    model = GDClassifier(**how).fit(X, y)
    np.save(tmp_path / "X.npy", np.round(100 * X).astype(np.int16))
    given = [
        pd.DataFrame(dict(zip("abcdef", X.T.copy(), strict=True))),
        X.astype(np.float32),
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        X[:100],  # one block
    ]
    same = check(GDClassifier, how, given[0], y)
    np.testing.assert_array_equal(same.coef_, model.coef_)
    np.testing.assert_array_equal(same.coef_, GDClassifier().fit(X, y).coef_)
    for other in given[1:]:
        check(GDClassifier, how, other, y[: len(other)])


def test_sgd(rows):
    how = dict(max_iter=2, tol=None, shuffle=False)
    model = fitted(SGDClassifier(**how), *rows)
    for label, one in zip(model.classes_, model.results_, strict=True):
        X, y, s = rows
        assert_same_fit(one, fitted(SGDClassifier(**how), X, y == label, s).results_[0])


def test_warm_starts_go_on(rows):
    X, y, _ = rows
    model = fitted(GDClassifier(warm_start=True, max_iter=1, tol=None), X, y)
    parts = [fitted(GDClassifier(warm_start=True, max_iter=1, tol=None), X, y == k) for k in range(K)]
    fitted(model, X, y)
    whole = GDClassifier(max_iter=2, tol=None).fit(X, y)
    for k, (one, part) in enumerate(zip(model.results_, parts, strict=True)):
        assert_same_fit(one, fitted(part, X, y == k).results_[0])
        np.testing.assert_array_equal(one.w, whole.results_[k].w)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_source_is_read_once_for_all_classes(rows, class_weight, monkeypatch):
    """A read finds the labels. The others are those of the slowest class."""
    X, y, _ = rows
    source = fastgd.chunks(lambda: ((X[at : at + 2500], y[at : at + 2500]) for at in range(0, N, 2500)))
    begin, reads = StreamRows.begin, []
    monkeypatch.setattr(StreamRows, "begin", lambda *given: (reads.append(None), begin(*given))[1])
    ours = GDClassifier(class_weight=class_weight).fit(source)
    expected = GDClassifier(class_weight=class_weight).fit(X, y)
    for one, alone in zip(ours.results_, expected.results_, strict=True):
        np.testing.assert_array_equal(one.w, alone.w)
        np.testing.assert_array_equal(one.cost_history, alone.cost_history)
    assert len(reads) == 1 + max(one.n_passes for one in ours.results_)


def test_an_error_is_that_of_the_fit_alone(rows):
    X, y, _ = rows
    X = X.copy()
    X[N - 9, 2] = np.nan
    with pytest.raises(fastgd.InvalidDataError) as alone:
        GDClassifier().fit(X, y == 0)
    with pytest.raises(fastgd.InvalidDataError) as whole:
        GDClassifier().fit(X, y)
    assert str(whole.value) == str(alone.value)
    X[N - 9, 2] = 1e200
    with pytest.raises(fastgd.InvalidDataError) as alone:
        GDClassifier().fit(X, y == 0)
    with pytest.raises(fastgd.InvalidDataError) as whole:
        GDClassifier().fit(X, y)
    assert str(whole.value) == str(alone.value)
    with pytest.raises(fastgd.DivergenceError) as whole:
        GDClassifier(eta0=1e4, precondition=False, loss="modified_huber").fit(rows[0], y)
    assert "eta0" in str(whole.value)


def test_one_warning_for_all_classes(rows):
    X, y, _ = rows
    with pytest.warns(EstimatorConvergenceWarning) as caught:
        GDClassifier(precondition=False, max_iter=3).fit(X, y)
    (one,) = caught
    assert one.filename == __file__
    assert f"{K} of {K} classes" in str(one.message)


@pytest.mark.skipif(JIT_IS_OFF, reason="slow, and other tests cover it")
def test_the_digits_have_the_optimum_of_scikit_learn():
    X, y = load_digits(return_X_y=True)
    alpha = 1e-3
    ours = check(GDClassifier, dict(alpha=alpha), X, y)
    binary = LogisticRegression(C=1.0 / (alpha * len(y)), solver="newton-cholesky", tol=1e-10, max_iter=1000)
    theirs = OneVsRestClassifier(binary).fit(X, y)
    for w, b, one in zip(ours.coef_, ours.intercept_, theirs.estimators_, strict=True):
        np.testing.assert_allclose(X @ w + b, X @ one.coef_[0] + one.intercept_[0], atol=1e-5)

"""What goes into estimators, and in which type it comes out: tables, Booleans, float32, weights, labels."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.base import clone, is_classifier
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import fastgd
from fastgd.display import text
from fastgd.estimators import (
    EstimatorConvergenceWarning,
    GDClassifier,
    GDRegressor,
    SGDClassifier,
    SGDRegressor,
)
from tests.estimators.models import plain
from tests.helpers import refused

RNG = np.random.default_rng(9)
N = 60
FRAME = pd.DataFrame({"a": RNG.normal(size=N), "is": RNG.random(N) > 0.4, "c": RNG.normal(size=N) + 3.0})
X = FRAME.to_numpy().astype(float)
Y = X @ [1.0, -2.0, 0.5] + 0.3 * RNG.normal(size=N)
SGD = dict(max_iter=3, tol=None, random_state=0)
MODELS = [GDRegressor(), GDClassifier(max_iter=20, tol=None), SGDRegressor(**SGD), SGDClassifier(**SGD)]
every = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
every_classifier = pytest.mark.parametrize("model", MODELS[1::2], ids=lambda model: type(model).__name__)


def targets(model, n_classes=2):
    return np.digitize(Y, np.quantile(Y, np.arange(1, n_classes) / n_classes)) if is_classifier(model) else Y


@every
@pytest.mark.parametrize(
    "make",
    [
        lambda: FRAME,
        lambda: FRAME.to_numpy(),
        lambda: FRAME.astype(object),
        lambda: FRAME.astype({"is": "boolean", "a": "Float64"}),
        lambda: pl.from_pandas(FRAME),
        lambda: pa.table({name: FRAME[name].to_numpy() for name in FRAME}),
        lambda: dd.from_pandas(FRAME, npartitions=3),
        lambda: da.from_array(X, chunks=(20, 3)),
    ],
    ids=[
        "pandas",
        "objects",
        "pandas, objects",
        "pandas, nullable",
        "polars",
        "Arrow",
        "Dask",
        "Dask, array",
    ],
)
def test_booleans_and_tables_of_every_kind(model, make):
    data = make()
    y = targets(model)
    expected = clone(model).fit(X, y)
    fitted = clone(model).fit(data, y)
    np.testing.assert_array_equal(fitted.coef_, expected.coef_)
    np.testing.assert_array_equal(fitted.intercept_, expected.intercept_)
    np.testing.assert_array_equal(fitted.predict(data), expected.predict(X))
    if not isinstance(data, (np.ndarray, da.Array)):
        assert fitted.n_features_in_ == 3
        assert fitted.score(data, y) == expected.score(X, y)


@every
def test_targets_from_dask_and_objects(model):
    y = targets(model)
    expected = clone(model).fit(X, y)
    for one in (dd.from_pandas(pd.Series(y), npartitions=2), da.from_array(y), pd.Series(y, dtype=object)):
        np.testing.assert_array_equal(clone(model).fit(X, one).coef_, expected.coef_)
    is_high = Y > 1.0
    of_booleans = clone(model).fit(X, is_high.astype(object)).coef_
    np.testing.assert_array_equal(of_booleans, clone(model).fit(X, is_high.astype(float)).coef_)


NO_NUMBERS = {
    "text": (pd.array(["u", "v", "u"], dtype="string"), "text"),
    "text without a type": (["u", "v", "u"], "'u'"),
    "dates": (pd.date_range("2024-01-01", periods=3), "dates"),
    "time spans": (pd.to_timedelta([1, 2, 3], unit="D"), "time spans"),
    "categories": (pd.Categorical(["u", "v", "u"]), "text"),
    "a missing number": (pd.array([1, None, 2], dtype="Int64"), "missing"),
    "NaN": ([1.0, np.nan, 2.0], "NaN"),
    "objects": (np.array([1.0, "u", True], dtype=object), "'u'"),
}


@every
@pytest.mark.parametrize(("values", "says"), NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_the_column_that_holds_no_numbers_is_named(model, values, says):
    frame = FRAME.iloc[:3].assign(t=values)
    y, name = np.array([0, 1, 1]), "X[1, 't'] is" if says in ("missing", "NaN") else '"t"'
    refused(lambda: clone(model).fit(frame, y), name, says)
    fitted = clone(model).fit(FRAME.assign(t=np.arange(N) % 7.0), targets(model))
    refused(lambda: fitted.predict(frame), name, says)
    if says == "text":
        refused(lambda: clone(model).fit(pl.from_pandas(frame), y), '"t"', says)
        refused(lambda: clone(model).fit(pa.Table.from_pandas(frame), y), '"t"', says)
        refused(lambda: clone(model).fit(dd.from_pandas(frame, npartitions=1), y), '"t"', says)


@every
def test_text_among_objects_is_named_by_its_place(model):
    objects = FRAME.to_numpy()
    objects[4, 1] = "u"
    refused(lambda: clone(model).fit(objects, targets(model)), "X[4, 1]", "'u'")


@every
@pytest.mark.parametrize(
    "labels",
    [
        [2019, 2020, 2021],
        pd.date_range("2024-01-01", periods=3),
        pd.MultiIndex.from_product([["a"], [1, 2, 3]]),
    ],
    ids=["numbers", "dates", "tuples"],
)
def test_columns_of_any_type_are_held_to_their_order(model, labels):
    frame, y = pd.DataFrame(X, columns=labels), targets(model)
    fitted = clone(model).fit(frame, y)
    assert not hasattr(fitted, "feature_names_in_")  # scikit-learn names columns of text alone
    np.testing.assert_array_equal(fitted.predict(frame), clone(model).fit(X, y).predict(X))
    refused(lambda: fitted.predict(frame.iloc[:, [1, 0, 2]]), "X has the columns", type(model).__name__)
    bad = frame.copy()
    bad.iloc[7, 2] = np.nan
    refused(lambda: clone(model).fit(bad, y), f"X[7, {text(labels[2])!r}] is NaN")
    if hasattr(model, "partial_fit"):
        refused(lambda: fitted.partial_fit(frame.iloc[:, [1, 0, 2]], y), "X has the columns")
    again = clone(model).set_params(warm_start=True).fit(frame, y)
    refused(lambda: again.fit(frame.iloc[:, [1, 0, 2]], y), "X has the columns")


@every
@pytest.mark.parametrize("labels", [["a", "b", "a"], [1, 2, 1], [1, "1", 2]], ids=str)
def test_two_columns_of_one_name_are_refused(model, labels):
    twice = pd.DataFrame(X, columns=labels)
    refused(lambda: clone(model).fit(twice, targets(model)), f'X has 2 columns "{labels[0]}"; rename them')


@every
@pytest.mark.parametrize("n_classes", [2, 3])
def test_float32_in_float32_out(model, n_classes):
    single, y = X.astype(np.float32), targets(model, n_classes)
    fitted = clone(model).fit(single, y)
    double = clone(model).fit(single.astype(float), y)
    assert fitted.coef_.dtype == np.float32
    assert fitted.intercept_.dtype == np.float32
    np.testing.assert_allclose(fitted.coef_, double.coef_, rtol=1e-5)
    methods = ["decision_function", "predict_proba"] if is_classifier(model) else ["predict"]
    for method in methods:
        ours = getattr(fitted, method)(single)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, getattr(double, method)(single.astype(float)), rtol=1e-4, atol=1e-5)
        assert getattr(double, method)(single).dtype == np.float32
        assert getattr(fitted, method)(X).dtype == np.float64
    if is_classifier(model):
        np.testing.assert_allclose(fitted.predict_proba(single).sum(axis=1), 1.0, rtol=3e-7)
        assert fitted.predict(single).dtype == y.dtype
    frame = pd.DataFrame(single, columns=list("abc"))
    assert clone(model).fit(frame, y).coef_.dtype == np.float32
    for other in (X, X.astype(np.float16), X.astype(int)):
        assert clone(model).fit(other, y).coef_.dtype == np.float64


def test_a_source_of_float32_is_float32_out():
    single = X.astype(np.float32)
    fitted = GDRegressor().fit(fastgd.chunks(lambda: iter([(single, Y)])))
    assert fitted.coef_.dtype == fitted.intercept_.dtype == np.float32
    assert fitted.result_.w.dtype == np.float64


@every
def test_what_goes_on_after_float32_has_all_digits(model):
    single, y = X.astype(np.float32), targets(model)
    kept = clone(model).fit(single, y)
    result = kept.results_[0] if is_classifier(model) else kept.result_
    assert result.w.dtype == np.float64
    assert not np.array_equal(result.w, result.w.astype(np.float32))
    np.testing.assert_array_equal(result.w.astype(np.float32), np.ravel(kept.coef_))
    how = dict(warm_start=True, max_iter=3, tol=None)
    in_parts = clone(model).set_params(**how).fit(single, y).fit(single, y)
    at_once = clone(model).set_params(**how | {"max_iter": 6}).fit(single, y)
    np.testing.assert_array_equal(in_parts.coef_, at_once.coef_)


@pytest.mark.parametrize("model", MODELS[2:], ids=lambda model: type(model).__name__)
def test_partial_fit_goes_on_with_all_digits(model):
    single, y = X.astype(np.float32), targets(model)
    how = dict(classes=[0, 1]) if is_classifier(model) else {}
    ours, double = clone(model), clone(model)
    for _ in range(4):
        ours.partial_fit(single, y, **how)
        double.partial_fit(single.astype(float), y, **how)
    assert ours.coef_.dtype == np.float32
    np.testing.assert_allclose(ours.coef_, double.coef_, rtol=1e-6)


def test_weights_that_float32_does_not_hold_stay_float64():
    single = (X * [1e-30, 1.0, 1.0]).astype(np.float32)
    fitted = GDRegressor().fit(single, single[:, 0].astype(float) * 1e45)
    assert fitted.coef_.dtype == np.float64
    assert fitted.coef_[0] == pytest.approx(1e45, rel=1e-3)


@every
def test_the_intercept_is_numpys(model):
    intercept = clone(model).fit(X, targets(model)).intercept_
    assert isinstance(intercept, (np.float64, np.ndarray))
    assert intercept.dtype == np.float64
    assert np.shape(intercept) == (() if isinstance(model, GDRegressor) else (1,))


@every
@pytest.mark.parametrize("value", [2.0, 2, np.float32(2.0)], ids=repr)
def test_one_number_is_the_weight_of_each_row(model, value):
    y = targets(model)
    expected = clone(model).fit(X, y, sample_weight=np.full(N, 2.0))
    np.testing.assert_array_equal(clone(model).fit(X, y, sample_weight=value).coef_, expected.coef_)
    if hasattr(model, "partial_fit"):
        how = dict(classes=[0, 1]) if is_classifier(model) else {}
        ours, theirs = clone(model), clone(model)
        ours.partial_fit(X, y, sample_weight=value, **how)
        theirs.partial_fit(X, y, sample_weight=np.full(N, 2.0), **how)
        np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    refused(lambda: clone(model).fit(X, y, sample_weight=-1.0), "sample_weight", "-1")


@every
def test_l1_ratio_may_be_none(model):
    y = targets(model)
    expected = clone(model).fit(X, y).coef_
    np.testing.assert_array_equal(clone(model).set_params(l1_ratio=None).fit(X, y).coef_, expected)
    elastic = clone(model).set_params(l1_ratio=None, penalty="elasticnet")
    refused(lambda: elastic.fit(X, y), "l1_ratio", "elasticnet", "None")


@every
def test_sparse_rows_are_refused_with_what_to_do_in_a_pipeline(model):
    y = targets(model)
    fitted = clone(model).fit(X, y)
    says = "sparse_output=False", "sparse_threshold=0", "toarray()", type(model).__name__
    for sparse in (scipy.sparse.csr_matrix(X), scipy.sparse.coo_array(X)):
        refused(lambda sparse=sparse: clone(model).fit(sparse, y), *says, error=TypeError)
        refused(lambda sparse=sparse: fitted.predict(sparse), *says, error=TypeError)
    frame = FRAME.assign(town=[f"t{i % 30}" for i in range(N)])
    encode = make_column_transformer(
        (OneHotEncoder(), ["town"]), (OneHotEncoder(), ["is"]), sparse_threshold=1.0
    )
    refused(lambda: make_pipeline(encode, clone(model)).fit(frame, y), "sparse_output=False", error=TypeError)
    dense = make_column_transformer((OneHotEncoder(drop="first"), ["town"]), sparse_threshold=0)
    assert make_pipeline(dense, clone(model)).fit(frame, y)[-1].n_features_in_ == 29


LABELS = np.array(["ham", "spam", "eggs"])


@every_classifier
def test_class_weight_must_name_classes(model):
    y = LABELS[targets(model)]
    weighted = clone(model).set_params(class_weight={"Spam": 50})
    says = "class_weight['Spam'] is not a class; the classes are 'ham', 'spam'"
    assert refused(lambda: weighted.fit(X, y)) == says
    numbered = clone(model).set_params(class_weight={0: 1.0, 2: 5.0})
    assert "class_weight[2]" in refused(lambda: numbered.fit(X, targets(model)), "0, 1")
    refused(
        lambda: numbered.fit(fastgd.chunks(lambda: iter([(X, targets(model))]))), "class_weight[2]", "0.0, 1"
    )


def test_class_weight_must_name_classes_in_partial_fit_too():
    y = LABELS[targets(SGDClassifier())]
    weighted = SGDClassifier(class_weight={"Spam": 50})
    refused(lambda: weighted.partial_fit(X, y, classes=LABELS), "'Spam'", "'eggs', 'ham', 'spam'")
    good = SGDClassifier(class_weight={"eggs": 50.0}, random_state=0)  # a class that these rows lack
    assert good.partial_fit(X, y, classes=LABELS).classes_.tolist() == ["eggs", "ham", "spam"]
    good.set_params(class_weight={"egg": 2.0})
    refused(lambda: good.partial_fit(X, y), "class_weight['egg']")


@every_classifier
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (-1, "class_weight['ham'] is -1; it must be finite and not negative"),
        (np.float64(-1.5), "class_weight['ham'] is -1.5; it must be finite and not negative"),
        (np.nan, "class_weight['ham'] is nan; it must be finite and not negative"),
        (np.inf, "class_weight['ham'] is inf; it must be finite and not negative"),
        ("2", "class_weight['ham'] must be a number, not '2'"),
        (None, "class_weight['ham'] must be a number, not None"),
    ],
    ids=str,
)
def test_a_weight_that_no_class_can_have(model, value, says):
    weighted = clone(model).set_params(class_weight={np.str_("ham"): value})
    assert refused(lambda: weighted.fit(X, LABELS[targets(model)])) == says


@every_classifier
def test_weights_of_classes_that_leave_nothing(model):
    y = targets(model)
    none = clone(model).set_params(class_weight={0: 0.0, 1: 0.0})
    refused(lambda: none.fit(X, y), "class_weight", "zero")
    large = clone(model).set_params(class_weight={0: 1e300})
    refused(lambda: large.fit(X, y, sample_weight=np.full(N, 1e300)), "class_weight", "scale")


@every_classifier
def test_labels_that_are_missing(model):
    for bad in (None, np.nan):
        y = LABELS[targets(model)].astype(object)
        y[5] = bad
        refused(lambda y=y: clone(model).fit(X, y), "y[5] is missing")


def test_sentences_show_labels_and_parameters_as_python_does():
    fitted = SGDClassifier(random_state=0).partial_fit(X, targets(MODELS[1]), classes=[0, 1])
    calls = [
        (
            lambda: fitted.partial_fit(X[:1], np.array([3])),
            ["y[0] is 3, which is not among the classes 0, 1"],
        ),
        (lambda: fitted.partial_fit(X, Y > 0, classes=[np.int64(5), 6]), ["classes=[5, 6]", "0, 1"]),
        (lambda: SGDClassifier().partial_fit(X, Y > 9, classes=np.array([4, 4])), ["one class only, 4;"]),
        (lambda: GDRegressor(alpha=np.float64(-1.5)).fit(X, Y), ["'alpha'", "Got -1.5 instead"]),
        (lambda: GDRegressor(penalty=np.str_("l3")).fit(X, Y), ["'penalty'", "'l3'"]),
        (
            lambda: GDClassifier(warm_start=True, max_iter=2, tol=None).fit(X, Y > 0).fit(X, Y.round()),
            ["the warm start False, True;"],
        ),
    ]
    for call, says in calls:
        assert "np." not in refused(call, *says)


def blobs(n_classes):
    """Rows around a centre a class, two of which overlap."""
    rng = np.random.default_rng(1)
    codes = np.arange(300) % n_classes
    centres = rng.normal(size=(n_classes, 3)) * 4.0
    return centres[codes] + rng.normal(size=(300, 3)), codes


@every_classifier
def test_ten_classes_give_one_warning_with_the_number_and_the_worst(model):
    rows, codes = blobs(10)
    names = np.array([f"class {k}" for k in range(10)])
    short = plain(model).set_params(max_iter=2, tol=1e-8)
    with pytest.warns(EstimatorConvergenceWarning) as caught:
        short.fit(rows, names[codes])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert message.startswith("10 of 10 classes, the worst 'class ")
    assert ": max_iter=2 ran out: " in message
    if isinstance(model, GDClassifier):
        changes = []
        for k in range(10):
            with pytest.warns(EstimatorConvergenceWarning) as alone:
                clone(short).fit(rows, codes == k)
            changes.append(float(str(alone[0].message).partition("the first, is ")[2].split()[0]))
        assert int(message.split("'")[1].split()[1]) in np.flatnonzero(changes == np.max(changes))


def test_some_of_the_classes_are_counted():
    rows, codes = blobs(3)
    rows[codes == 2] += 1000.0  # far from the others: its model takes fewer epochs
    with pytest.warns(EstimatorConvergenceWarning) as caught:
        fitted = plain(GDClassifier(alpha=1e-2, tol=1e-3, max_iter=60)).fit(rows, codes)
    slow = [k for k, result in enumerate(fitted.results_) if not result.converged]
    assert 0 < len(slow) < 3
    assert len(caught) == 1
    assert str(caught[0].message).startswith(f"{len(slow)} of 3 classes, the worst 1: ")


@every_classifier
def test_what_is_true_of_all_classes_is_said_once(model):
    rows, codes = blobs(4)
    with pytest.warns(EstimatorConvergenceWarning) as caught:
        plain(model).set_params(max_iter=2, tol=1e-8).fit(rows, codes == 1)
    assert len(caught) == 1
    assert str(caught[0].message).startswith("max_iter=2 ran out: ")
    assert caught[0].filename == __file__

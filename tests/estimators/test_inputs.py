"""What the estimators refuse, in one line that names it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

import fastgd
from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor
from tests.helpers import refused

EVERY = [GDRegressor, GDClassifier, SGDRegressor, SGDClassifier]
every = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
classifiers = pytest.mark.parametrize("kind", EVERY[1::2], ids=lambda kind: kind.__name__)

OUT_OF_RANGE = [
    ("penalty", ["l3", 1]),
    ("alpha", [-1.0, "x", np.nan, np.inf, None]),
    ("l1_ratio", [-0.1, 1.1]),
    ("fit_intercept", ["yes", None]),
    ("standardize", [2, "yes"]),
    ("max_iter", [0, -5, 1.5, None]),
    ("tol", [-1e-3, "little", np.nan]),
    ("learning_rate", ["cyclic", 0.1]),
    ("eta0", [0.0, -1.0, "x", None]),
    ("power_t", ["x", None, np.inf]),
    ("momentum", [1.0, -0.1, "x"]),
    ("nesterov", ["x", 3]),
    ("early_stopping", ["x", 3]),
    ("validation_fraction", [0.0, 0.6, -0.1, "x"]),
    ("n_iter_no_change", [0, 2.5]),
    ("warm_start", ["x", 3]),
    ("n_jobs", [0, -2, 1.5, "x"]),
    ("loss", ["hunger"]),
    ("epsilon", [0.0, -1.0, "x"]),
    ("quantile", [0.0, 1.0, 1.5, "x"]),
    ("class_weight", ["x", 3.0]),
    ("shuffle", ["rows", 3]),
    ("batch_size", [0, 1.5]),
    ("average", [-0.5, "x", None]),
    ("random_state", ["x", 1.5]),
]
CASES = [
    pytest.param(kind, name, value, id=f"{kind.__name__}-{name}-{value}")
    for kind in EVERY
    for name, values in OUT_OF_RANGE
    if name in kind().get_params()
    for value in values
]


def data(kind, n=30):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 2))
    y = X[:, 0] + rng.normal(size=n)
    return X, ((y > 0).astype(int) if issubclass(kind, (GDClassifier, SGDClassifier)) else y)


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_parameters_out_of_range(kind, name, value):
    model = kind(**{name: value})  # a constructor checks nothing
    X, y = data(kind)
    refused(lambda: model.fit(X, y), f"'{name}' parameter", f"Got {value!r}", error=InvalidParameterError)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("kind", EVERY[2:], ids=lambda kind: kind.__name__)
def test_partial_fit_checks_parameters_too(kind):
    X, y = data(kind)
    classes = dict(classes=[0, 1]) if kind is SGDClassifier else {}
    refused(lambda: kind(alpha=-1).partial_fit(X, y, **classes), "'alpha'", "-1", error=InvalidParameterError)


@every
def test_a_loss_of_the_other_kind_of_model(kind):
    X, y = data(kind)
    loss = "squared_error" if issubclass(kind, (GDClassifier, SGDClassifier)) else "log_loss"
    refused(lambda: kind(loss=loss).fit(X, (y > 0).astype(float)), loss, error=InvalidParameterError)


def test_an_object_that_is_no_loss():
    X, y = data(GDRegressor)
    refused(lambda: GDRegressor(loss=object()).fit(X, y), "loss", "value", error=(TypeError, ValueError))


def test_nesterov_of_sgd_needs_a_momentum():
    X, y = data(SGDRegressor)
    refused(lambda: SGDRegressor(nesterov=True).fit(X, y), "nesterov", "momentum")


@every
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_x_that_is_not_finite(kind, value):
    X, y = data(kind)
    X[17, 1] = value
    name = "NaN" if np.isnan(value) else "inf"
    refused(lambda: kind().fit(X, y), "X[17, 1]", name, error=fastgd.InvalidDataError)


@every
def test_predict_names_the_row_that_is_not_finite(kind):
    X, y = data(kind)
    model = kind(max_iter=3, tol=None).fit(X, y)
    X[5, 0] = np.nan
    refused(lambda: model.predict(X), "X[5, 0]", "NaN")


@every
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_y_that_is_not_finite(kind, value):
    X, y = data(kind)
    y = y.astype(float)
    y[11] = value
    is_label = issubclass(kind, (GDClassifier, SGDClassifier))  # found by scikit-learn, which names no row
    refused(lambda: kind().fit(X, y), "y" if is_label else "y[11]", "NaN" if np.isnan(value) else "inf")


@every
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s[:-1], ["sample_weight", "29", "30"]),
        (lambda s: s[:, None], ["sample_weight"]),
        (lambda s: 0 * s, ["sample_weight", "zero"]),
        (lambda s: np.where(np.arange(30) == 7, -1.0, s), ["sample_weight[7]", "-1"]),
        (lambda s: np.where(np.arange(30) == 7, np.nan, s), ["sample_weight[7]", "nan"]),
    ],
    ids=["short", "two axes", "zeros", "negative", "nan"],
)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_bad_weights(kind, change, says, class_weight):
    X, y = data(kind)
    model = kind()
    if class_weight is not None:
        if "class_weight" not in model.get_params():
            return
        model.set_params(class_weight=class_weight)
    refused(lambda: model.fit(X, y, sample_weight=change(np.ones(30))), *says)


@classifiers
def test_one_class(kind):
    X, y = data(kind)
    refused(lambda: kind().fit(X, 0 * y), "one class", "0", kind.__name__)
    refused(lambda: kind().fit(X, ["a"] * 30), "one class", "a")


@classifiers
def test_targets_that_are_no_classes(kind):
    X, _ = data(kind)
    refused(lambda: kind().fit(X, np.linspace(0, 1, 30)), "continuous")


@classifiers
def test_negative_weights_of_classes(kind):
    X, y = data(kind)
    refused(lambda: kind(class_weight={0: -1.0}).fit(X, y), "negative")


@classifiers
def test_labels_are_shown_as_python_shows_them(kind):
    X, y = data(kind)
    assert "np." not in refused(lambda: kind().fit(X, 0 * y), "one class")
    assert "np." not in refused(lambda: kind().fit(X, np.array(["a"] * 30)), "one class")


@every
def test_shapes(kind):
    X, y = data(kind)
    for bad_X, bad_y in ((X[:, 0], y), (X[:-1], y), (X[:0], y[:0]), (X[:, :0], y)):
        with pytest.raises(ValueError, match=r"\S"):
            kind().fit(bad_X, bad_y)


@every
def test_text_in_x(kind):
    X, y = data(kind)
    with pytest.raises(ValueError, match="numeric"):
        kind().fit(np.where(X > 1, "a", "1"), y)


@every
def test_before_fit(kind):
    X, _ = data(kind)
    methods = ["predict"]
    if issubclass(kind, (GDClassifier, SGDClassifier)):
        methods += ["predict_proba", "predict_log_proba", "decision_function"]
    for method in methods:
        refused(lambda method=method: getattr(kind(), method)(X), kind.__name__, error=NotFittedError)


@every
def test_another_number_of_columns(kind):
    X, y = data(kind)
    model = kind(max_iter=3, tol=None).fit(X, y)
    refused(lambda: model.predict(np.ones((2, 5))), "5 features", "2 features")


@pytest.mark.parametrize("kind", EVERY[0::2], ids=lambda kind: kind.__name__)
def test_a_rate_too_large(kind):
    X, y = data(kind)
    model = kind(eta0=1e6, nesterov=False, standardize=False, learning_rate="constant")
    message = refused(lambda: model.fit(X, y), "learning rate", error=fastgd.DivergenceError)
    assert "1e+06" in message  # the rate that was passed, in the estimator's units


@every
def test_early_stopping_of_too_few_rows(kind):
    X, y = data(kind)
    rows = [0, int(np.argmax(y != y[0]))]
    refused(
        lambda: kind(early_stopping=True, validation_fraction=0.1).fit(X[rows], y[rows]),
        "validation_fraction",
    )

"""Estimators on sources of rows: the model of the arrays that the chunks were cut from."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data import labels
from tests.conftest import JIT_IS_OFF

sklearn = pytest.importorskip("sklearn")
from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor  # noqa: E402

N, SIZE = (500, 70) if JIT_IS_OFF else (12_000, 1500)
STEPS = dict(shuffle=False, max_iter=2, tol=None)


@pytest.fixture(scope="module")
def rows():
    """X, a number and a label a row, weights."""
    X, y, _ = fastgd.make_linear(N, 3, noise=0.3, seed=1)
    label = np.digitize(y, [-0.5, 0.7]).astype(float)
    return X, y, label, np.arange(N) % 7 / 3.0


def cut(*arrays, **how):
    def parts():
        for start in range(0, N, SIZE):
            yield tuple(array[start : start + SIZE] for array in arrays)

    return fastgd.chunks(parts, **how)


def assert_same(ours, expected):
    assert ours.n_features_in_ == expected.n_features_in_ == 3
    for name in ("coef_", "intercept_", "n_iter_", "history_"):
        np.testing.assert_equal(getattr(ours, name), getattr(expected, name), err_msg=name)


@pytest.mark.parametrize(
    "model",
    [
        GDRegressor(),
        GDRegressor(loss="huber", max_iter=2, tol=None),
        GDRegressor(early_stopping=True, alpha=0.1, max_iter=3, tol=None),
        SGDRegressor(**STEPS),
        SGDRegressor(**STEPS, loss="huber", average=True, batch_size=10),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_regressors(rows, model, is_weighted):
    X, y, _, s = rows
    weights = [s] if is_weighted else []
    expected = sklearn.clone(model).fit(X, y, *weights)
    ours = sklearn.clone(model).fit(cut(X, y, *weights))
    assert_same(ours, expected)
    np.testing.assert_array_equal(ours.predict(X[:9]), expected.predict(X[:9]))


def test_squared_errors_take_one_read(rows):
    X, y, *_ = rows
    model = GDRegressor().fit(cut(X, y))
    assert model.result_.n_passes == 1
    assert model.result_.n_samples == N


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 2: 0.5}], ids=str)
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers(rows, class_weight, is_weighted, n_classes):
    X, _, label, s = rows
    if n_classes == 2:
        label = np.where(label == 1.0, 7.0, 0.0)
        class_weight = {0: 2.0, 7: 0.5} if isinstance(class_weight, dict) else class_weight
    weights = [s] if is_weighted else []
    for model in (
        GDClassifier(max_iter=2, tol=None, class_weight=class_weight),
        SGDClassifier(**STEPS | {"max_iter": 1}, class_weight=class_weight),
    ):
        expected = sklearn.clone(model).fit(X, label, *weights)
        ours = sklearn.clone(model).fit(cut(X, label, *weights))
        assert ours.classes_.tolist() == expected.classes_.tolist()
        assert_same(ours, expected)
        np.testing.assert_array_equal(ours.predict(X), expected.predict(X))


def test_labels_may_have_another_dtype_than_x(rows):
    X, _, label, _ = rows
    how = dict(max_iter=1, tol=None)
    expected = GDClassifier(**how).fit(X.astype(np.float32), label.astype(np.int8))
    for dtype in (np.int8, np.float32):
        ours = GDClassifier(**how).fit(cut(X.astype(np.float32), label.astype(dtype)))
        assert_same(ours, expected)
        assert ours.classes_.tolist() == [0.0, 1.0, 2.0]


def test_a_column_of_numbers_and_a_warm_start(rows):
    X, y, *_ = rows
    single = GDRegressor(max_iter=3, tol=None).fit(cut(X[:, 0], y))
    assert single.coef_.shape == (1,)
    np.testing.assert_array_equal(
        single.predict(X[:5, :1]), GDRegressor(max_iter=3, tol=None).fit(X[:, :1], y).predict(X[:5, :1])
    )
    ours, expected = (GDRegressor(max_iter=2, tol=None, warm_start=True) for _ in range(2))
    for _ in range(2):
        assert_same(ours.fit(cut(X, y)), expected.fit(X, y))


@pytest.mark.parametrize("kind", [GDRegressor, SGDRegressor, GDClassifier, SGDClassifier])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_warm_start_of_another_width_is_refused_as_of_arrays(rows, kind, width):
    X, y = rows[0], np.arange(N) % 2.0
    how = dict(shuffle=False) if kind in (SGDRegressor, SGDClassifier) else {}
    how |= dict(max_iter=1, tol=None)
    other = np.resize(X, (N, width))
    model = kind(**how, warm_start=True).fit(cut(X, y))
    before = vars(model).copy()
    sentences = []
    for data in ((other, y), (cut(other, y),)):
        with pytest.raises(ValueError, match=f"^X has {width} features, but ") as caught:
            model.fit(*data)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]
    assert vars(model).items() == before.items()
    assert model.predict(X).shape == (N,)
    cold = kind(**how).fit(cut(X, y)).fit(cut(other, y))
    assert cold.n_features_in_ == np.size(cold.coef_) == width


def test_a_warm_start_of_other_columns_is_refused(rows):
    X, y = rows[0], rows[1]
    source, other = cut(X, y), cut(X, y)
    source.columns, other.columns = ("a", "b", "c"), ("a", "c", "b")
    model = GDRegressor(warm_start=True, max_iter=1, tol=None).fit(source)
    with pytest.raises(ValueError, match='^X has the columns "a", "c", "b", and GDRegressor was fitted to '):
        model.fit(other)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert model.fit(source).n_features_in_ == 3


def test_names_of_columns(rows):
    X, y, *_ = rows
    source = cut(X, y)
    source.columns = ("a", "b", "c")
    model = GDRegressor(max_iter=1, tol=None).fit(source)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    model.fit(cut(X, y))
    assert not hasattr(model, "feature_names_in_")
    labelled = cut(X, (y > 0).astype(float))
    labelled.columns = ("a", "b", "c")
    assert GDClassifier(max_iter=1, tol=None).fit(labelled).feature_names_in_.tolist() == ["a", "b", "c"]


def test_targets_that_are_no_labels(rows, monkeypatch):
    X, y, label, _ = rows
    with pytest.raises(fastgd.InvalidDataError, match=r"^chunks\(\) has the target -?\d.*whole numbers$"):
        GDClassifier().fit(cut(X, y))
    monkeypatch.setattr(labels, "MOST", 100)
    with pytest.raises(
        fastgd.InvalidDataError, match="more than 100 different targets: these are not classes$"
    ):
        GDClassifier().fit(cut(X, np.arange(N) % 101))
    with pytest.raises(ValueError, match="^y holds one class only, 1.0; GDClassifier needs two or more"):
        GDClassifier().fit(cut(X, np.ones(N)))
    bad = label.copy()
    bad[N - 7] = np.nan
    with pytest.raises(fastgd.InvalidDataError, match=rf"^row {N - 7} of chunks\(\): y is NaN"):
        GDClassifier().fit(cut(X, bad))


def test_a_class_that_comes_at_a_later_read_counts_as_the_rest(rows):
    X, _, label, _ = rows
    seen = iter([label, label])

    def parts():
        yield X, next(seen, np.where(np.arange(N) == 5, 9.0, label))

    model = GDClassifier(max_iter=1, tol=None, class_weight="balanced").fit(fastgd.chunks(parts))
    assert model.classes_.tolist() == [0.0, 1.0, 2.0]
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("kind", [GDRegressor, SGDRegressor, GDClassifier, SGDClassifier])
def test_what_does_not_go_with_a_source(rows, kind):
    X, _, label, s = rows
    source = cut(X, label)
    with pytest.raises(TypeError, match=r"^chunks\(\) has targets and weights of its own: leave y out$"):
        kind().fit(source, label)
    with pytest.raises(TypeError, match="leave sample_weight out$"):
        kind().fit(source, sample_weight=s)
    if kind in (SGDRegressor, SGDClassifier):
        with pytest.raises(TypeError, match=r"^partial_fit takes arrays; chunks\(\) goes to fit$"):
            kind().partial_fit(source, label)
        with pytest.raises(fastgd.InvalidDataError, match="gives its rows in order only.*shuffle=False"):
            kind(shuffle=True, max_iter=1).fit(source)


def test_arrays_need_y():
    for kind in (GDRegressor, GDClassifier):
        with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
            kind().fit(np.ones((5, 2)))

"""Going on: partial_fit in chunks against one epoch, warm starts against one run."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from sklearn.base import clone

from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor
from tests.conftest import JIT_IS_OFF

N = 4096 + 904  # of 3 columns a block is 4096 rows
CUTS = {
    "even": range(1000, N, 1000),
    "blocks": [4096],
    "off the blocks": [4000, 4099],
    "single rows first": [1, 2, 3, 70],
    "over the block": [10, N - 1],
}
RULES = {
    "plain": dict(alpha=0.0),
    "l2": dict(alpha=0.01),
    "l1": dict(alpha=0.001, penalty="l1"),
    "elastic net": dict(alpha=0.001, penalty="elasticnet", l1_ratio=0.5),
    "momentum": dict(momentum=0.9, eta0=1e-3),
    "nesterov": dict(momentum=0.9, nesterov=True, eta0=1e-3),
    "average": dict(average=True),
    "average of plain steps": dict(average=True, alpha=0.0),
    "average from step 1500": dict(average=1500),
    "average and momentum": dict(average=True, momentum=0.5),
}
STEPS = dict(eta0=0.01, learning_rate="constant", standardize=False, shuffle=False, tol=None)


def data(n=N, n_classes=0, seed=4):
    rng = np.random.default_rng(seed)
    X = rng.normal([0.0, 0.5, -0.5], size=(n, 3))
    y = X @ [1.0, -0.5, 2.0] + 0.3 + rng.normal(size=n)
    if n_classes:
        y = np.searchsorted(np.quantile(y, np.arange(1, n_classes) / n_classes), y)
    return X, y


def chunks(cuts, *arrays):
    return zip(*(np.split(array, list(cuts)) for array in arrays), strict=True)


def assert_near(ours, theirs, rtol=1e-12):
    largest = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=rtol, atol=rtol * largest)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=rtol, atol=rtol * largest)


def assert_same_bits(ours, theirs):
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    np.testing.assert_array_equal(ours.intercept_, theirs.intercept_)


class TestPartialFit:
    @pytest.mark.parametrize("rule", RULES)
    @pytest.mark.parametrize("cuts", CUTS)
    def test_chunks_in_order_are_an_epoch_of_a_regressor(self, cuts, rule):
        if JIT_IS_OFF and cuts in ("even", "over the block"):
            pytest.skip("the same by the same loop, slowly")
        X, y = data()
        model = SGDRegressor(**STEPS | RULES[rule])
        whole = clone(model).set_params(max_iter=1).fit(X, y)
        for some_X, some_y in chunks(CUTS[cuts], X, y):
            model.partial_fit(some_X, some_y)
        assert_near(model, whole)
        assert model.n_iter_ == 1

    @pytest.mark.parametrize("rule", ["plain", "l2", "momentum", "average"])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_chunks_in_order_are_an_epoch_of_a_classifier(self, rule, n_classes):
        X, y = data(n_classes=n_classes)
        model = SGDClassifier(**STEPS | RULES[rule])
        whole = clone(model).set_params(max_iter=1).fit(X, y)
        for some_X, some_y in chunks(CUTS["off the blocks"], X, y):
            model.partial_fit(some_X, some_y, classes=range(n_classes))
        assert_near(model, whole)

    @pytest.mark.parametrize("loss", ["huber", "quantile"])
    def test_chunks_of_another_loss(self, loss):
        X, y = data()
        model = SGDRegressor(loss, **STEPS)
        whole = clone(model).set_params(max_iter=1).fit(X, y)
        for some_X, some_y in chunks(CUTS["blocks"], X, y):
            model.partial_fit(some_X, some_y)
        assert_near(model, whole)

    def test_chunks_with_weights(self):
        X, y = data()
        s = np.random.default_rng(8).uniform(0.1, 2.0, N)
        model = SGDRegressor(**STEPS)
        whole = clone(model).set_params(max_iter=1).fit(X, y, sample_weight=s)
        for some_X, some_y, some_s in chunks(CUTS["even"], X, y, s):
            model.partial_fit(some_X, some_y, sample_weight=some_s)
        assert_near(model, whole)

    def test_two_epochs_by_hand(self):
        X, y = data(n=8)
        model = SGDRegressor(alpha=0.1, **STEPS)
        w, b = np.zeros(3), 0.0
        for _ in range(2):
            for some_X, some_y in chunks([3, 5], X, y):
                model.partial_fit(some_X, some_y)
            for x, target in zip(X, y, strict=True):
                slope = x @ w + b - target  # of half the square
                w, b = w - 0.01 * (slope * x + 0.1 * w), b - 0.01 * slope
        np.testing.assert_allclose(model.coef_, w, rtol=1e-13)
        np.testing.assert_allclose(model.intercept_, [b], rtol=1e-13)

    def test_goes_on_from_fit(self):
        X, y = data(n=500)
        model = SGDRegressor(**STEPS, max_iter=3).fit(X, y)
        expected = SGDRegressor(**STEPS, max_iter=4).fit(X, y)
        assert_near(model.partial_fit(X, y), expected)

    @pytest.mark.parametrize("schedule", ["constant", "invscaling"])
    def test_the_automatic_rate_falls_with_the_rows_seen(self, schedule):
        X, y = data(n=600)
        model = SGDRegressor(alpha=0.0, learning_rate=schedule, random_state=0)
        rates = []
        for scale in (1.0, 5.0, 0.2):
            model.partial_fit(scale * X, y)
            rates.append(model.result_.learning_rates[0])
        # 1/(L √(2 rows)), L twice the mean of ‖x̃‖² over standardised rows with a 1 for the intercept.
        np.testing.assert_allclose(rates, 1 / (2 * 4 * np.sqrt(2 * 600 * np.arange(1.0, 4.0))), rtol=1e-12)

    def test_learns(self):
        X, y = data(n=2000)
        model = SGDRegressor(random_state=0, learning_rate="constant", eta0=0.01)
        for some_X, some_y in chunks(range(200, 2000, 200), X, y):
            model.partial_fit(some_X, some_y)
        np.testing.assert_allclose(model.coef_, [1.0, -0.5, 2.0], atol=0.2)

    def test_the_first_call_names_the_classes(self):
        X, y = data(n=60, n_classes=3)
        few = y < 2
        model = SGDClassifier(random_state=0)
        with pytest.raises(ValueError, match="classes must be passed on the first call"):
            model.partial_fit(X, y)
        model.partial_fit(X[few], y[few], classes=[2, 0, 1])  # one of them is not seen yet
        assert model.classes_.tolist() == [0, 1, 2]
        assert model.coef_.shape == (3, 3)
        model.partial_fit(X, y)
        model.partial_fit(X, y, classes=[0, 1, 2])
        with pytest.raises(ValueError, match="not the same as on the last call"):
            model.partial_fit(X, y, classes=[0, 1])
        with pytest.raises(ValueError, match="one class only"):
            SGDClassifier().partial_fit(X, 0 * y, classes=[0])

    def test_an_unknown_label_is_named(self):
        X, y = data(n=60, n_classes=3)
        model = SGDClassifier(random_state=0)
        with pytest.raises(ValueError, match=r"^y\[\d+\] is .*2.*, which is not among the classes") as caught:
            model.partial_fit(X, y, classes=[0, 1])
        assert "\n" not in str(caught.value)
        assert int(str(caught.value)[2 : str(caught.value).index("]")]) == int(np.argmax(y == 2))
        model.partial_fit(X, y, classes=[0, 1, 2])
        with pytest.raises(ValueError, match="not among the classes"):
            model.partial_fit(X[:2], ["a", "b"])

    def test_balanced_classes_are_not_known_in_chunks(self):
        X, y = data(n=60, n_classes=2)
        with pytest.raises(ValueError, match="class_weight"):
            SGDClassifier(class_weight="balanced").partial_fit(X[y == 0], y[y == 0], classes=[0, 1])

    def test_class_weights_in_chunks(self):
        X, y = data(n=600, n_classes=2)
        model = SGDClassifier(class_weight={0: 0.5, 1: 2.0}, **STEPS)
        whole = clone(model).set_params(max_iter=1).fit(X, y)
        for some_X, some_y in chunks([200, 400], X, y):
            model.partial_fit(some_X, some_y, classes=[0, 1])
        assert_near(model, whole)

    def test_the_number_of_columns_stays(self):
        X, y = data(n=60)
        model = SGDRegressor(random_state=0).partial_fit(X, y)
        with pytest.raises(ValueError, match="2 features"):
            model.partial_fit(X[:, :2], y)


class TestWarmStart:
    HOW = (
        dict(),
        dict(standardize=False),
        dict(penalty="l1", alpha=0.05),
        dict(alpha=0.1, momentum=0.5),
        dict(nesterov=False, momentum=0.5),
        dict(nesterov=False),
        dict(fit_intercept=False),
    )

    @pytest.mark.parametrize("n", [300, 500 if JIT_IS_OFF else 6000])
    @pytest.mark.parametrize("how", HOW, ids=str)
    @pytest.mark.parametrize(("loss", "first", "then"), [("squared_error", 200, 300), ("huber", 7, 12)])
    def test_of_full_batch_descent(self, loss, first, then, how, n):
        self.check(GDRegressor(loss, tol=None, eta0=0.001, **how), *data(n=n), first, then)

    @pytest.mark.parametrize("how", HOW, ids=str)
    def test_of_so_few_epochs_that_the_parts_are_streamed(self, how):
        X, y = data(n=300)
        model = GDRegressor(tol=None, **how)
        whole = clone(model).set_params(max_iter=19).fit(X, y)
        model.set_params(max_iter=7, warm_start=True).fit(X, y)
        assert_near(model.set_params(max_iter=12).fit(X, y), whole, rtol=1e-13)

    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("how", HOW[:4], ids=str)
    def test_of_classifiers_by_descent(self, n_classes, how):
        self.check(GDClassifier(tol=None, **how), *data(n=300, n_classes=n_classes), 7, 12)

    ORDERS = pytest.mark.parametrize("shuffle", [False, "blocks", True])

    @ORDERS
    @pytest.mark.parametrize("rule", ["plain", "l2", "l1", "momentum", "nesterov", "average"])
    @pytest.mark.parametrize("how", [STEPS, dict(tol=None)], ids=["constant", "default"])
    def test_of_sgd(self, how, rule, shuffle):
        how = how | RULES[rule] | (dict(eta0=1e-5) if "eta0" in how else dict(eta0="auto"))
        model = SGDRegressor(**how | dict(shuffle=shuffle, random_state=7))
        self.check(model, *data(n=500 if JIT_IS_OFF else N), 2, 3)

    @ORDERS
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_of_classifiers_by_sgd(self, n_classes, shuffle):
        model = SGDClassifier(tol=None, shuffle=shuffle, random_state=7)
        self.check(model, *data(n=500, n_classes=n_classes), 2, 3)

    def check(self, model, X, y, first, then):
        expected = clone(model).set_params(max_iter=first + then).fit(X, y)
        warm = clone(model).set_params(max_iter=first, warm_start=True).fit(X, y)
        with pytest.raises(AssertionError):
            assert_same_bits(warm, expected)
        warm.set_params(max_iter=then).fit(X, y)
        assert_same_bits(warm, expected)
        assert warm.n_iter_ == then

    def test_of_a_model_that_converged_stays_there(self):
        X, y = data(n=300)
        model = GDRegressor(warm_start=True).fit(X, y)
        before = model.coef_
        np.testing.assert_allclose(model.fit(X, y).coef_, before, rtol=1e-13)
        assert model.n_iter_ <= 10

    def test_other_classes_are_refused(self):
        X, y = data(n=60, n_classes=3)
        model = GDClassifier(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="they must agree") as caught:
            model.fit(X, np.minimum(y, 1))
        assert "\n" not in str(caught.value)

    def test_other_columns_are_refused(self):
        X, y = data(n=60)
        model = GDRegressor(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="X has 2 features, but GDRegressor is expecting 3"):
            model.fit(X[:, :2], y)


class TestRandomState:
    def test_an_integer_gives_the_same_bits(self):
        X, y = data(n=300)
        one, two, other = (SGDRegressor(random_state=seed).fit(X, y) for seed in (5, 5, 6))
        assert_same_bits(one, two)
        assert not np.array_equal(one.coef_, other.coef_)

    def test_a_random_state_moves_on(self):
        X, y = data(n=300)
        state = np.random.RandomState(5)
        one, two = (SGDRegressor(random_state=state).fit(X, y) for _ in range(2))
        assert not np.array_equal(one.coef_, two.coef_)
        assert_same_bits(one, SGDRegressor(random_state=np.random.RandomState(5)).fit(X, y))


class TestParts:
    """partial_fit goes on from call to call, in coordinates that follow the data."""

    def test_a_column_that_is_constant_in_some_parts(self):
        X, _ = data(n=400)
        X[:100, 0], X[300:, 1] = 1.5, -2.0
        y = X @ [1.0, 2.0, 3.0] + 0.5
        model = SGDRegressor(alpha=0.0)
        for _ in range(30):
            for start in range(0, 400, 100):
                model.partial_fit(X[start : start + 100], y[start : start + 100])
        np.testing.assert_allclose(model.coef_, [1.0, 2.0, 3.0], atol=0.02)

    def test_a_row_at_a_time(self):
        X, _ = data(n=400)
        y = X @ [1.0, 2.0, 3.0] + 0.5
        model = SGDRegressor(alpha=0.0, eta0=0.05, learning_rate="constant")
        for row in range(len(y)):
            model.partial_fit(X[row : row + 1], y[row : row + 1])
        np.testing.assert_allclose(model.coef_, [1.0, 2.0, 3.0], atol=0.1)

    def test_the_average_is_of_all_parts(self):
        X, y = data(n=400)
        model = SGDRegressor(average=True)
        for start in range(0, 400, 50):
            model.partial_fit(X[start : start + 50], y[start : start + 50])
        assert model.result_._state.carried.counts[0] == 400

    def test_a_fitted_model_does_not_keep_its_data(self):
        X, y = data(n=400)
        model = GDRegressor(n_jobs=-1)
        kept = weakref.ref(X)
        model.fit(X, y)
        del X
        gc.collect()
        assert kept() is None

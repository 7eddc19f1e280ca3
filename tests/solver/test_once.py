"""What one read of a stream can do equals the same of arrays; what needs another is refused first."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

import fastgd
from fastgd.estimators import GDClassifier, GDRegressor, SGDRegressor

N = 9_500
RNG = np.random.default_rng(11)
X = RNG.normal(size=(N, 8)) * [1.0, 5.0, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0] + [
    0.0,
    3.0,
    1.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
]
Y = X @ np.arange(1.0, 9.0) + 4.0 + RNG.normal(size=N)
S = RNG.random(N)
NAMES = [*"abcdefgh"]


def stream(X=X, y=Y, s=S, weight=None):
    table = pa.table({**dict(zip(NAMES, X.T, strict=False)), "y": y, "s": s})
    batches = table.to_batches(max_chunksize=999)
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, iter(batches))
    return fastgd.read_table(reader, target="y", features=NAMES[: X.shape[1]], weight=weight)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"learning_rate": 0.01, "momentum": 0.5},
        {"fit_intercept": True, "standardize": True, "tol": "auto", "n_epochs": 2000},
        {"fit_intercept": True, "precondition": True},
        {"precondition": "auto"},
        {"l1": 0.1, "l2": 0.3, "nesterov": True, "history": "costs"},
    ],
    ids=str,
)
@pytest.mark.parametrize("weight", [None, "s"])
def test_full_batch_descent(options, weight):
    fit = fastgd.gradient_descent(stream(weight=weight), **options)
    s = None if weight is None else S
    same = fastgd.gradient_descent(X, Y, sample_weight=s, method="summary", **options)
    assert (fit.w == same.w).all()
    assert fit.intercept == same.intercept
    np.testing.assert_array_equal(fit.cost_history, same.cost_history)
    assert (fit.n_passes, fit.n_samples, fit.method) == (1, N, "summary")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fit_intercept": True, "l1": 0.1, "l2": 0.2},
        {"loss": "huber", "fit_intercept": True},
        {"average": True},
        {"average": 8_000, "momentum": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("weight", [None, "s"])
def test_an_epoch_of_sgd(options, weight):
    s = None if weight is None else S
    fit = fastgd.sgd(stream(weight=weight), n_epochs=1, learning_rate=1e-4, **options)
    same = fastgd.sgd(X, Y, sample_weight=s, n_epochs=1, learning_rate=1e-4, method="stream", **options)
    assert (fit.w == same.w).all()
    assert fit.intercept == same.intercept
    assert (fit.n_updates, fit.n_passes) == (N, 1)


def test_the_cost_at_the_start():
    w0 = np.arange(8.0)
    fit = fastgd.sgd(stream(), w0=w0, n_epochs=0, learning_rate=0.1)
    np.testing.assert_allclose(fit.cost_history, [np.mean((X @ w0 - Y) ** 2)], rtol=1e-12)
    assert fit.n_passes == 1


def test_columns_far_from_zero_need_a_scaling():
    with pytest.raises(fastgd.InvalidDataError, match="loses its digits: pass standardize=True"):
        fastgd.gradient_descent(stream(X=X + 1e9), fit_intercept=True)
    fit = fastgd.gradient_descent(stream(X=X + 1e9), fit_intercept=True, precondition=True)
    np.testing.assert_allclose(fit.w, np.arange(1.0, 9.0), atol=0.2)


def test_an_epoch_of_classes():
    y = (Y > 13).astype(float)
    fit = fastgd.sgd(stream(y=y), n_epochs=1, learning_rate=1e-3, loss="log_loss")
    assert (fit.w == fastgd.sgd(X, y, n_epochs=1, learning_rate=1e-3, loss="log_loss").w).all()


def test_divergence_needs_no_other_read():
    with pytest.raises(fastgd.DivergenceError, match="take a smaller learning rate"):
        fastgd.sgd(stream(), n_epochs=1, learning_rate=1e9)
    with pytest.raises(fastgd.DivergenceError, match="the stability limit is"):
        fastgd.gradient_descent(stream(), learning_rate=9.0)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "quantile"])
@pytest.mark.parametrize("weight", [None, "s"])
def test_cost_and_gradient(loss, weight):
    y, w = np.abs(Y), np.arange(8.0) / 100
    options = {"loss": loss, "l2": 0.1, "intercept": 0.5} if loss != "squared_error" or weight else {}
    s = None if weight is None else S
    cost, gradient = fastgd.cost_and_gradient(stream(y=y, weight=weight), w=w, **options)
    expected = fastgd.cost_and_gradient(X, y, w, sample_weight=s, **options)
    assert cost == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])


@pytest.mark.parametrize("folds", [None, 5, np.arange(N) % 7], ids=["none", "five", "array"])
@pytest.mark.parametrize("weight", [None, "s"])
def test_summarize(folds, weight):
    found = fastgd.summarize(stream(weight=weight), folds=folds)
    same = fastgd.summarize(X, Y, sample_weight=None if weight is None else S, folds=folds)
    assert found.n_samples == N
    np.testing.assert_array_equal(found.covariance(), same.covariance())
    np.testing.assert_array_equal(found.mean, same.mean)


@pytest.mark.parametrize("n", [N - 1, N + 1, 3])
def test_folds_of_another_number_of_rows(n):
    with pytest.raises(fastgd.InvalidDataError, match=f"rows at this read, and {n} were expected"):
        fastgd.summarize(stream(), folds=np.arange(n) % 2)


def test_the_others():
    errors = fastgd.inference(stream(weight="s"), fit_intercept=True).standard_errors
    same = fastgd.inference(X, Y, sample_weight=S, fit_intercept=True).standard_errors
    np.testing.assert_array_equal(errors, same)
    rates = [0.01, 0.02]
    sweep = fastgd.sweep(stream(), learning_rates=rates, fit_intercept=True)
    np.testing.assert_array_equal(
        sweep.costs, fastgd.sweep(X, Y, learning_rates=rates, fit_intercept=True).costs
    )
    diagnosis = fastgd.diagnose(stream(weight="s"), fit_intercept=True)
    same = fastgd.diagnose(X, Y, sample_weight=S, fit_intercept=True)
    assert (diagnosis.stability_limit, diagnosis.n_samples) == (same.stability_limit, N)
    model = GDRegressor().fit(stream())
    np.testing.assert_array_equal(model.coef_, GDRegressor().fit(X, Y).coef_)
    assert model.feature_names_in_.tolist() == NAMES


def test_a_fit_goes_on_with_a_new_stream_of_the_same_rows():
    options = {"momentum": 0.9, "fit_intercept": True, "n_epochs": 7, "learning_rate": 0.01}
    first = fastgd.gradient_descent(stream(), **options)
    second = fastgd.gradient_descent(stream(), w0=first, **options)
    whole = fastgd.gradient_descent(X, Y, **options | {"n_epochs": 14})
    assert (second.w == whole.w).all()
    other = fastgd.gradient_descent(stream(X=X + 1.0), w0=first, precondition=True, fit_intercept=True)
    np.testing.assert_allclose(other.w, np.arange(1.0, 9.0), atol=0.2)
    assert other.n_passes == 1


RATE = {"n_epochs": 1, "learning_rate": 1e-3}
REFUSED = {
    "epochs": (fastgd.sgd, RATE | {"n_epochs": 2}, "sgd of 2 epochs"),
    "rate": (fastgd.sgd, {"n_epochs": 1}, "the automatic learning rate of sgd"),
    "batch": (fastgd.sgd, RATE | {"batch_size": 8}, "batch_size of sgd"),
    "average": (fastgd.sgd, RATE | {"average": 0.5}, "the average of a share of the steps"),
    "order": (fastgd.sgd, RATE | {"shuffle": "blocks", "method": "summary"}, 'method="summary" of sgd'),
    "shuffle": (fastgd.sgd, RATE | {"shuffle": "blocks"}, "another order of the rows"),
    "costs": (fastgd.sgd, RATE | {"track_cost": True}, "track_cost"),
    "tol": (fastgd.sgd, RATE | {"tol": 0.1}, "sgd with tol"),
    "standardize": (fastgd.sgd, RATE | {"standardize": True}, "standardize of sgd"),
    "sweep": (fastgd.sweep, {"learning_rates": [1e-3], "solver": "sgd", "n_epochs": 1}, "a sweep of sgd"),
    "diagnose": (fastgd.diagnose, {"solver": "sgd"}, "this diagnosis of sgd"),
    "loss": (fastgd.gradient_descent, {"loss": "huber"}, "loss='huber'"),
    "sample": (fastgd.gradient_descent, {"loss": "huber", "precondition": True}, "loss='huber'"),
    "stream": (fastgd.gradient_descent, {"method": "stream"}, 'method="stream"'),
    "held out": (fastgd.gradient_descent, {"validation_fraction": 0.1}, "validation_fraction"),
    "python": (fastgd.gradient_descent, {"backend": "python"}, 'backend="python"'),
    "checkpoint": (fastgd.gradient_descent, {"checkpoint": "there"}, "a checkpoint"),
    "checkpoint of a summary": (fastgd.summarize, {"checkpoint": "there"}, "a checkpoint"),
    "robust": (fastgd.inference, {"cov_type": "HC1"}, 'cov_type="HC1"'),
    "plain cost": (fastgd.cost, {"w": np.ones(8), "backend": "python"}, "this call"),
    "classes": (GDClassifier().fit, {}, "a classifier"),
    "sgd estimator": (SGDRegressor().fit, {}, "sgd of 1000 epochs"),
}


@pytest.mark.parametrize(("call", "options", "what"), REFUSED.values(), ids=REFUSED)
def test_what_needs_another_read_is_refused_before_the_first(call, options, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = stream()
    with pytest.raises(fastgd.InvalidDataError) as refused:
        call(source, **options)
    assert f"RecordBatchReader can be read once, and {what} needs more than one read; load it" in str(
        refused.value
    )
    assert fastgd.summarize(source).n_samples == N  # the stream is untouched
    assert not list(tmp_path.iterdir())


def test_more_columns_than_statistics_have():
    wide = RNG.normal(size=(9000, 1025)).astype(np.float32)
    batch = pa.record_batch({f"x{j}": wide[:, j] for j in range(1025)} | {"y": wide[:, 0]})
    reader = pa.RecordBatchReader.from_batches(batch.schema, iter([batch.slice(0, 8900), batch.slice(8900)]))
    source = fastgd.read_table(reader, target="y")
    with pytest.raises(fastgd.InvalidDataError, match="gradient descent of more than 1024 columns needs"):
        fastgd.gradient_descent(source)


def exact_cost(x, y):
    """The cost of least squares with an intercept, of one column of multiples of 1/1024, by whole numbers."""
    a, b = [(1024 * values).astype(np.int64).astype(object) for values in (x, y)]
    n = len(a)
    saa, sab, sbb = [n * (u @ v) - u.sum() * v.sum() for u, v in ((a, a), (a, b), (b, b))]
    return float(Fraction(sbb * saa - sab * sab, n * n * saa * 1024**2))


@pytest.mark.parametrize("jump", [0.0, 1e4, 1e6, 1e7])
def test_digits_that_another_read_would_give_are_warned_of(jump):
    """The kept rows are about 0, all later ones about `jump`."""
    x = np.append(np.zeros(8500), np.full(91_500, jump)) + RNG.normal(size=100_000)
    y = 3.0 * x + 1.0 + RNG.normal(size=len(x))
    x, y = np.round(x * 1024) / 1024, np.round(y * 1024) / 1024
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = {"fit_intercept": True, "precondition": True}
        fit = fastgd.gradient_descent(stream(x[:, None], y, np.ones(len(x))), **options)
    error = abs(fit.cost_history[-1] / exact_cost(x, y) - 1.0)
    digits = [int(str(one.message).split("about ")[1].split()[0]) for one in caught]
    assert bool(digits) == (jump > 0.0)
    if digits != [0]:
        assert error < 10.0 ** -(digits[0] if digits else 12)

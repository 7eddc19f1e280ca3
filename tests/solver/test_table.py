"""Every step of a fit, against steps by NumPy and by plain loops."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pandas
import pytest

import fastgd
from tests.helpers import same

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
RNG = np.random.default_rng(0)
FEW = RNG.normal(size=(50, 3)) + 1.0
MANY = RNG.normal(size=(9000, 3)) + 1.0


def targets(X, loss="squared_error"):
    scores = X @ [1.0, -2.0, 0.5] + 0.3 + np.random.default_rng(1).normal(size=len(X))
    return (scores > 0.0).astype(float) if loss == "log_loss" else scores


def slope(X, y, w, intercept, weights, loss, l2):
    """∂cost/∂(w, intercept), by the formula, and the size of its terms."""
    Z, theta = np.column_stack([X, np.ones(len(X))]), np.append(w, intercept)
    scores = Z @ theta
    slopes = 1.0 / (1.0 + np.exp(-scores)) - y if loss == "log_loss" else 2.0 * (scores - y)
    terms = np.abs(Z).T @ (weights * np.abs(slopes)) / weights.sum()
    return Z.T @ (weights * slopes) / weights.sum() + l2 * np.append(w, 0.0), terms.max()


def added(numbers):
    """One number after the other. From Python 3.12 on, sum() of floats rounds only once."""
    return functools.reduce(operator.add, numbers, 0.0)


def test_the_lesson():
    table = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=0.01, n_epochs=100).table()
    w = 1.0
    for epoch in range(100):
        gradient = added(2 * x * (x * w - y) for x, y in zip(XS, YS, strict=True)) / 3
        cost = added((x * w - y) ** 2 for x, y in zip(XS, YS, strict=True)) / 3
        row = {name: values[epoch] for name, values in table.items()}
        assert (row["epoch"], row["w"], row["gradient"], row["cost"]) == (epoch, w, gradient, cost)
        assert row["learning_rate"] == 0.01
        w_next = w - 0.01 * gradient
        assert row["step"] == w_next - w
        w = w_next
    assert list(table) == ["epoch", "w", "gradient", "step", "cost", "learning_rate"]


OPTIONS = [
    {},
    dict(method="stream"),
    dict(fit_intercept=True),
    dict(fit_intercept=True, standardize=True, method="stream"),
    dict(fit_intercept=True, standardize=True, l2=0.1, momentum=0.5),
    dict(standardize=True, l2=0.1),
    dict(fit_intercept=True, precondition=True, l2=0.1),
    dict(loss="log_loss", fit_intercept=True, standardize=True, l2=0.1),
    dict(loss="log_loss", fit_intercept=True, precondition=True),
    dict(l1=0.1, learning_rate=0.05),
]


@pytest.mark.parametrize("X", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients_are_those_of_the_cost_at_the_weights(options, is_weighted, X):
    loss, l2 = options.get("loss", "squared_error"), options.get("l2", 0.0)
    y, weights = targets(X, loss), np.random.default_rng(2).uniform(0.5, 2.0, size=len(X))
    sample_weight = weights if is_weighted else None
    fit = fastgd.gradient_descent(X, y, n_epochs=4, sample_weight=sample_weight, **options)
    table = fit.table()
    intercepts = table.get("intercept", np.zeros(fit.n_epochs))
    for epoch, (w, intercept) in enumerate(zip(table["w"], intercepts, strict=True)):
        used = weights if is_weighted else np.ones(len(X))
        expected, terms = slope(X, y, w, intercept, used, loss, l2)
        tolerance = dict(rtol=1e-12, atol=1e-13 * terms)
        np.testing.assert_allclose(table["gradient"][epoch], expected[:3], **tolerance)
        if options.get("fit_intercept"):
            np.testing.assert_allclose(table["intercept_gradient"][epoch], expected[3], **tolerance)
    np.testing.assert_array_equal(table["w"][1:], fit.w_history[1:-1])
    np.testing.assert_allclose(table["w"] + table["step"], fit.w_history[1:], rtol=1e-15)
    np.testing.assert_array_equal(table["cost"], fit.cost_history[:-1])


def test_the_interpreters_loops_keep_them_too():
    y = targets(FEW)
    for options in ({}, dict(fit_intercept=True, standardize=True, l2=0.1), dict(l1=0.1, momentum=0.5)):
        how = dict(n_epochs=4, learning_rate=0.02, **options)
        plain = fastgd.gradient_descent(FEW, y, backend="python", **how).table()
        compiled = fastgd.gradient_descent(FEW, y, backend="numba", **how).table()
        for name, values in compiled.items():
            np.testing.assert_allclose(plain[name], values, rtol=1e-9, atol=1e-12)


def test_a_constant_column_has_the_gradient_of_its_weight():
    X = np.column_stack([FEW, np.full(50, 4.0)])
    y = targets(FEW)
    fit = fastgd.gradient_descent(X, y, fit_intercept=True, standardize=True, n_epochs=3)
    residual = X @ fit.w_history[1] + fit.intercept_history[1] - y
    assert fit.gradient_history[1][3] == pytest.approx(2.0 * 4.0 * residual.mean(), rel=1e-9)


def test_the_gradient_falls_below_the_rounding_of_w():
    """It is that of the epoch, not a difference of weights."""
    X, y, _ = fastgd.make_linear(9000, 2, seed=1)
    fit = fastgd.gradient_descent(X, y, learning_rate=0.3, n_epochs=40, method="summary")
    assert 0.0 < np.abs(fit.gradient_history[-1]).max() < 1e-13


@pytest.mark.parametrize("X", [RNG.normal(size=7), FEW[:7]], ids=["number", "three"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_sgd_has_a_row_for_each_sample(shuffle, X):
    y = RNG.normal(size=7)
    how = dict(w0=np.ones(X.shape[1:]), learning_rate=[0.1, 0.05, 0.1], n_epochs=3, history="samples")
    fit = fastgd.sgd(X, y, shuffle=shuffle, seed=3 if shuffle else None, **how)
    table = fit.table()
    assert table["epoch"].tolist() == [0] * 7 + [1] * 7 + [2] * 7
    w = np.ones(X.shape[1:])
    for row in range(21):
        i, rate = table["sample"][row], [0.1, 0.05, 0.1][row // 7]
        np.testing.assert_array_equal(table["w"][row], w)
        residual = np.sum(X[i] * w) - y[i]
        np.testing.assert_allclose(table["gradient"][row], 2 * X[i] * residual, rtol=1e-12)
        np.testing.assert_allclose(table["step"][row], -rate * 2 * X[i] * residual, rtol=1e-12)
        assert table["loss"][row] == pytest.approx(residual**2, rel=1e-12)
        assert table["learning_rate"][row] == rate
        w = w + table["step"][row]
        if row % 7 == 6:
            np.testing.assert_array_equal(w, fit.w_history[row // 7 + 1])
            assert sorted(table["sample"][row - 6 : row + 1]) == list(range(7))
    assert (table["sample"].tolist() == list(range(7)) * 3) is not shuffle


def test_a_fit_that_goes_on_counts_on_and_knows_its_samples():
    how = dict(learning_rate=0.1, shuffle=True, seed=3, history="samples")
    x, y = RNG.normal(size=7), RNG.normal(size=7)
    whole = fastgd.sgd(x, y, n_epochs=4, **how)
    later = fastgd.sgd(x, y, n_epochs=2, w0=fastgd.sgd(x, y, n_epochs=2, **how), **how)
    for name, values in later.table().items():
        np.testing.assert_array_equal(values, whole.table()[name][14:])
    assert later.trace().splitlines()[1:8] == whole.trace().splitlines()[17:24]


def test_sgd_by_epochs_has_no_gradients():
    fit = fastgd.sgd(XS, YS, w0=1.0, learning_rate=0.01, n_epochs=3)
    assert list(fit.table()) == ["epoch", "w", "step", "cost", "learning_rate"]
    whole = fastgd.sgd(XS, YS, w0=1.0, learning_rate=0.01, n_epochs=3, batch_size=3)  # full-batch descent
    assert whole.table()["gradient"][0] == fastgd.gradient(XS, YS, 1.0)
    assert whole.trace() == fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=0.01, n_epochs=3).trace()


def test_models_of_losses_with_kinks_have_no_gradient():
    fit = fastgd.gradient_descent(FEW, targets(FEW), loss="quantile", precondition=True, tol="auto")
    assert fit.gradient_history is None
    assert "gradient" not in fit.table()


@pytest.mark.parametrize("history", ["costs", None])
def test_without_weights_there_is_no_table(history):
    fit = fastgd.gradient_descent(XS, YS, learning_rate=0.01, history=history)
    assert fit.gradient_history is None
    with pytest.raises(ValueError, match="^table\\(\\) needs the weights of every epoch: fit with history="):
        fit.table()


def test_gradients_are_saved_and_resumed(tmp_path):
    X, y = MANY, targets(MANY)
    how = dict(n_epochs=6, method="stream", fit_intercept=True, learning_rate=0.1)
    whole = fastgd.gradient_descent(X, y, **how)
    whole.save(tmp_path / "fit.npz")
    assert same(fastgd.load(tmp_path / "fit.npz").table(), whole.table())

    def stop(state):
        if state.epoch == 2:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fastgd.gradient_descent(X, y, checkpoint=tmp_path / "run.npz", callback=stop, **how)
    resumed = fastgd.gradient_descent(X, y, resume=tmp_path / "run.npz", callback=lambda state: None, **how)
    assert same(resumed.table(), whole.table())


def test_a_data_frame_has_a_column_for_each_weight():
    X = pandas.DataFrame(FEW, columns=["miles", "minutes", "night"])
    fit = fastgd.gradient_descent(X, targets(FEW), fit_intercept=True, n_epochs=3)
    frame, table = fit.to_frame(), fit.table()
    names = ["miles", "minutes", "night"]
    assert list(frame) == [
        "epoch", *names, "intercept", *(f"gradient {name}" for name in names), "intercept_gradient",
        *(f"step {name}" for name in names), "intercept_step", "cost", "learning_rate",
    ]  # fmt: skip
    assert frame["gradient minutes"].tolist() == table["gradient"][:, 1].tolist()
    assert (len(frame), frame["epoch"].dtype.kind) == (3, "i")
    unnamed = fastgd.gradient_descent(FEW, targets(FEW), n_epochs=3).to_frame()
    assert list(unnamed)[:5] == ["epoch", "w[0]", "w[1]", "w[2]", "gradient w[0]"]
    assert list(fastgd.gradient_descent(XS, YS, n_epochs=2).to_frame())[:3] == ["epoch", "w", "gradient"]


def test_a_data_frame_needs_pandas(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="^to_frame\\(\\) needs pandas: pip install pandas$"):
        fastgd.gradient_descent(XS, YS, n_epochs=2).to_frame()

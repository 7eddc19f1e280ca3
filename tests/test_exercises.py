"""The judge of exercises."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd

LISTS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
RNG = np.random.default_rng(3)
TABLE = RNG.normal(size=(20, 3)), RNG.normal(size=20)


def right(X, y, w):
    """The gradient by NumPy, of either shape."""
    X, y = np.asarray(X), np.asarray(y)
    residual = X @ w - y if X.ndim > 1 else X * w - y
    return 2 * X.T @ residual / len(y)


def residual(X, y, w):
    X, y = np.asarray(X), np.asarray(y)
    return X @ w - y if X.ndim > 1 else X * w - y


GRADIENTS = {
    "the factor 2 of the square's derivative is missing": lambda X, y, w: right(X, y, w) / 2,
    "the factor 2 is there twice": lambda X, y, w: 2 * right(X, y, w),
    "it is the sum over the samples": lambda X, y, w: len(y) * right(X, y, w),
    "divided by the number of samples twice": lambda X, y, w: right(X, y, w) / len(y),
    "the sign is reversed": lambda X, y, w: -right(X, y, w),
    "the sign is reversed: the residual is x·w − y and the factor 2": lambda X, y, w: -right(X, y, w) / 2,
    "each residual must be multiplied by its x": lambda X, y, w: 2 * residual(X, y, w).mean() + 0 * w,
    "the gradient of the last sample alone": lambda X, y, w: 2 * X[-1] * residual(X, y, w)[-1],
    "the gradient of the first sample alone": lambda X, y, w: 2 * X[0] * residual(X, y, w)[0],
    "it is the cost": lambda X, y, w: (residual(X, y, w) ** 2).mean() + 0 * w,
}


def sgd(X, y, w, rate):
    for x_i, y_i in zip(X, y, strict=True):
        w = w - rate * 2 * x_i * (np.dot(x_i, w) - y_i)
    return w


EPOCHS = {
    "w does not change": lambda X, y, w, rate: w,
    "it is the gradient": lambda X, y, w, rate: right(X, y, w),
    "it is the step": lambda X, y, w, rate: -rate * right(X, y, w),
    "an epoch of SGD": sgd,
    "the learning rate is missing": lambda X, y, w, rate: w - right(X, y, w),
    "the learning rate is there twice": lambda X, y, w, rate: w - rate * rate * right(X, y, w),
    "uphill": lambda X, y, w, rate: w + rate * right(X, y, w),
    "the factor 2 of the": lambda X, y, w, rate: w - rate * right(X, y, w) / 2,
    "the last sample alone": lambda X, y, w, rate: w - rate * 2 * X[-1] * residual(X, y, w)[-1],
}


@pytest.mark.parametrize("data", [LISTS, TABLE], ids=["line", "table"])
@pytest.mark.parametrize("mistake", GRADIENTS)
def test_a_classical_mistake_of_a_gradient_is_named(data, mistake):
    report = fastgd.check_gradient(GRADIENTS[mistake], *data)
    assert not report.passed
    assert len(report.messages) == 1
    assert mistake in report.messages[0]


@pytest.mark.parametrize("data", [LISTS, TABLE], ids=["line", "table"])
@pytest.mark.parametrize("mistake", EPOCHS)
def test_a_classical_mistake_of_an_epoch_is_named(data, mistake):
    report = fastgd.check_epoch(EPOCHS[mistake], *data)
    assert not report.passed
    assert mistake in report.messages[0]


def test_weights_that_move_one_after_the_other():
    def epoch(X, y, w, rate):
        w = w.copy()
        for j in range(3):
            w[j] -= rate * right(X, y, w)[j]
        return w

    assert "compute all first" in fastgd.check_epoch(epoch, *TABLE).messages[0]


@pytest.mark.parametrize("data", [LISTS, TABLE], ids=["line", "table"])
def test_the_right_functions_pass(data):
    report = fastgd.check_gradient(right, *data)
    assert report.passed
    assert str(report) == "check_gradient: passed at 4 values of w"
    np.testing.assert_allclose(report.returned, report.expected, rtol=1e-12)
    for w, g in zip(report.w, report.expected, strict=True):
        np.testing.assert_allclose(g, right(*data, w), rtol=1e-12, atol=1e-14)
    report = fastgd.check_epoch(lambda X, y, w, rate: w - rate * right(X, y, w), *data)
    assert report.passed
    assert fastgd.check_gradient(lambda X, y, w: np.asarray(right(X, y, w)).tolist(), *data).passed


def test_the_function_gets_what_the_caller_has():
    def gradient(xs, ys, w):
        assert (type(xs), type(ys), type(w)) == (list, list, float)
        return 2 / len(xs) * sum(x * (x * w - y) for x, y in zip(xs, ys, strict=True))

    assert fastgd.check_gradient(gradient, *LISTS).passed


def changes_w(X, y, w):
    w += 1.0
    return right(X, y, w - 1.0)


def changes_X(X, y, w):  # noqa: N802 - X is changed
    X *= 2.0
    return right(X, y, w)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda X, y, w: 1 / 0, "raises ZeroDivisionError: division by zero"),
        (lambda X, y, w: None, "returns None: is `return` missing?"),
        (lambda X, y, w: "no", "returns 'no', not one of (3,)"),
        (lambda X, y, w: w * np.nan, "returns NaN or infinity"),
        (
            lambda X, y, w: X @ w - y,
            "shape (20,), not one of (3,): sum the values of the samples, X.T @ residual",
        ),
        (lambda X, y, w: right(X, y, w)[:, None], "shape (3, 1), not one of (3,): take the numbers out"),
        (lambda X, y, w: right(X, y, w)[:2], "shape (2,), not one of (3,)"),
        (changes_w, "changes the caller's array w"),
        (changes_X, "changes X or y"),
        (lambda X, y, w: right(X, y, w) + 0.1, "is right"),
    ],
)
def test_what_a_function_must_not_do(function, message):
    report = fastgd.check_gradient(function, *TABLE)
    assert not report.passed
    assert len(report.messages) == 1
    assert message in str(report)
    assert report.w.shape == report.returned.shape == report.expected.shape == (4, 3)


def test_a_notebook_shows_the_values():
    html = fastgd.check_gradient(GRADIENTS["the sign is reversed"], *LISTS)._repr_html_()
    assert "<td>-18.6667</td>" in html
    assert "not passed" in html

"""Data, losses and rules that several test files fit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import fastgd
from fastgd import losses

BACKENDS = ["numba", "python"]
NAMES = ("w", "intercept", "w_history", "intercept_history", "cost_history", "loss_history")


class Smooth:
    """2 c² (√(1 + r²/c²) − 1) with r = score − y: near r² for small r, linear for large r."""

    curvature = 2.0

    def __init__(self, c=1.5):
        self.c = c

    def value(self, score, y):
        r = score - y
        return 2.0 * self.c * self.c * ((1.0 + r * r / (self.c * self.c)) ** 0.5 - 1.0)

    def slope(self, score, y):
        r = score - y
        return 2.0 * r / (1.0 + r * r / (self.c * self.c)) ** 0.5


class Absolute:
    """|score − y|, a loss with a kink."""

    is_smooth = False

    def value(self, score, y):
        return abs(score - y)

    def slope(self, score, y):
        return 1.0 if score > y else -1.0


class LogCosh:
    """ln cosh r: a smooth loss that states no bound of its curvature."""

    is_smooth = True

    def value(self, score, y):
        size = abs(score - y)
        return size + np.log1p(np.exp(-2.0 * size)) - np.log(2.0)

    def slope(self, score, y):
        return np.tanh(score - y)


KINKED = {
    "quantile": losses.Quantile(0.3),
    "hinge": losses.Hinge(),
    "epsilon_insensitive": losses.EpsilonInsensitive(0.4),
}
"""Losses with kinks."""


def kinked(rng, loss, n, d=4):
    """Rows in unlike units, and targets that suit the loss."""
    X = rng.normal(size=(n, d)) * np.logspace(0, 1, d) + 1.0
    scores = (X - 1.0) @ (rng.normal(size=d) / np.logspace(0, 1, d)) + rng.standard_t(3, n)
    return X, (scores > 0.2).astype(float) if loss == "hinge" else scores


def resumed(X, y, path, **how):
    """A full-batch run of 7 epochs that was stopped in epoch 4, resumed from its checkpoint."""

    def stop(state):
        if state.epoch == 4:
            raise RuntimeError("stopped")

    how |= dict(n_epochs=7)
    with pytest.raises(RuntimeError, match="stopped"):
        fastgd.gradient_descent(X, y, checkpoint=path, checkpoint_every=0.0, callback=stop, **how)
    return fastgd.gradient_descent(X, y, resume=path, **how)


LOSSES = {
    "squared_error": "squared_error",
    "huber": losses.Huber(0.7),
    "log_loss": "log_loss",
    "quantile": losses.Quantile(0.3),
    "own": Smooth(),
}


PENALTIES = [{}, dict(l1=0.05), dict(l2=0.3), dict(l1=0.05, l2=0.3)]


RULES = [{}, dict(momentum=0.5), dict(nesterov=True), dict(momentum=0.5, nesterov=True)]


STEPS = [
    {},
    dict(shuffle=True, seed=3),
    dict(average=True),
    dict(average=0.4, momentum=0.3),
    dict(batch_size=4),
    dict(batch_size=4, momentum=0.5, shuffle=True, seed=3, average=5),
    dict(batch_size=2, momentum=0.5, nesterov=True, shuffle="blocks", seed=3),
    dict(batch_size=100, momentum=0.5),
]


DATA = [
    dict(fit_intercept=a, standardize=b, sample_weight=c)
    for a, b, c in itertools.product([False, True], [False, True], [None, "some"])
]


def problem(rng, n, d, loss="squared_error"):
    X = rng.standard_normal((n,) if d is None else (n, d)) * 0.6 + 0.3
    w = 0.7 if d is None else rng.standard_normal(d) / np.sqrt(d)
    y = (X * w if d is None else X @ w) + 0.5 + 0.3 * rng.standard_normal(n)
    return X, (y > 0.5).astype(float) if loss == "log_loss" else y


def with_weights(rng, options, n):
    """The options with an array in place of sample_weight="some". One weight is 0."""
    if isinstance(options.get("sample_weight"), str):
        options = options | dict(sample_weight=np.where(np.arange(n) == 2, 0.0, 0.2 + rng.random(n)))
    return options


def assert_alike(fit, twin, what, rtol=1e-11):
    for name in NAMES:
        result, expected = getattr(fit, name), getattr(twin, name)
        if result is None or expected is None:
            assert (result is None) == (expected is None) or name in ("cost_history", "loss_history"), what
            continue
        size = max(1.0, float(np.max(np.abs(expected))))
        np.testing.assert_allclose(result, expected, rtol=0, atol=rtol * size, err_msg=f"{name}: {what}")


def compare(fit_by, X, y, options, *, rtol=1e-11, **more):
    """Fit with both backends and assert that the results agree. `more` holds options of "numba" alone."""
    what = f"{fit_by.__name__} {options} {more}"
    try:
        fit = fit_by(X, y, backend="numba", **options, **more)
        twin = fit_by(X, y, backend="python", **options)
    except Exception as error:
        error.add_note(what)
        raise
    assert_alike(fit, twin, what, rtol)
    return fit


def layouts(X, y):
    """Copies of X and y with other memory orders, strides, byte orders and permissions."""
    read_only = X.copy(), y.copy()
    for array in read_only:
        array.flags.writeable = False
    strided = np.zeros((2 * X.shape[0], *[3 * s for s in X.shape[1:]]))[::2]
    strided = strided[:, ::3] if X.ndim == 2 else strided
    strided[...] = X
    shifted = np.frombuffer(b"?" + X.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(X.shape)
    assert not shifted.flags.aligned
    return {
        "Fortran": (np.asfortranarray(X), y),
        "read-only": read_only,
        "strided": (strided, np.repeat(y, 2)[::2]),
        "reversed": (X[::-1].copy()[::-1], y[::-1].copy()[::-1]),
        "big-endian": (X.astype(">f8"), y.astype(">f8")),
        "unaligned": (shifted, y),
    }


def plain_tree(nodes: list[float]) -> float:
    """The sum by definition: the largest power of two of nodes, plus the sum of the rest, recursively."""
    if len(nodes) == 1:
        return nodes[0]
    half = 1 << ((len(nodes) - 1).bit_length() - 1)
    return plain_tree(nodes[:half]) + plain_tree(nodes[half:])


RATE = dict(learning_rate=0.01)


FULL = dict(fit_intercept=True, standardize=True, sample_weight="some")


RUNS = [
    (fastgd.gradient_descent, how)
    for how in (
        dict(learning_rate=0.1),
        dict(),
        dict(method="summary"),
        dict(method="stream"),
        dict(fit_intercept=True),
        FULL | dict(method="summary"),
        FULL | dict(method="stream"),
        dict(nesterov=True, method="summary"),
        dict(nesterov=True, method="stream"),
        dict(nesterov=True, momentum=0.8, method="summary"),
        dict(momentum=0.5, method="summary"),
        dict(momentum=0.5, method="stream"),
        FULL | dict(momentum=0.5, loss="huber", nesterov=True),
        FULL | dict(l1=0.05, method="summary", nesterov=True),
        dict(l1=0.05, l2=0.1, method="stream"),
        dict(loss="log_loss", fit_intercept=True, nesterov=True),
        dict(loss=Smooth(), l2=0.1),
        dict(loss="quantile"),
        dict(learning_rate=lambda epoch: 0.1 / (1 + epoch), method="stream"),
        dict(learning_rate=lambda epoch: 0.1 / (1 + epoch), fit_intercept=True, method="summary"),
    )
] + [
    (fastgd.sgd, RATE | how)
    for how in (
        dict(),
        dict(method="summary"),
        dict(method="stream", track_cost=True),
        FULL | dict(method="stream"),
        FULL | dict(method="summary"),
        dict(shuffle=True, seed=3),
        dict(shuffle="blocks", seed=3),
        dict(shuffle="blocks", seed=3, method="summary"),
        dict(batch_size=7),
        dict(batch_size=7, momentum=0.5, shuffle=True, seed=4),
        dict(momentum=0.5, nesterov=True),
        FULL | dict(momentum=0.5, batch_size=3, l1=0.01),
        dict(average=True),
        FULL | dict(average=9, shuffle=True, seed=2),
        dict(loss="huber", l2=0.1, fit_intercept=True),
        dict(loss=Smooth(), average=True),
        dict(learning_rate=lambda epoch: 0.01 / (1 + epoch)),
        dict(learning_rate=lambda epoch: 0.01 / (1 + epoch), method="summary"),
        dict(batch_size=10**6, nesterov=True, momentum=0.5),
    )
]


def data_of_run(rng, options, n):
    """X, y and the options of a run, with an array in place of sample_weight="some"."""
    X, y = problem(rng, n, 3, options.get("loss"))
    if isinstance(options.get("sample_weight"), str):
        options = options | dict(sample_weight=rng.random(n) + 0.1)
    return X, y, options


def bits_of_end(fit):
    return np.float64(fit.w).tobytes() + np.float64(fit.intercept).tobytes() + fit.w_history[-1].tobytes()


def linear_problem(rng, n, d, noise=0.1):
    """X, y and the weights of the linear model of y."""
    X = rng.standard_normal((n, d))
    w = rng.standard_normal(d)
    return X, X @ w + noise * rng.standard_normal(n), w


def spread_problem(rng, n, d, spread=1.0):
    X = rng.standard_normal((n, d)) * np.geomspace(1.0, spread, d)
    return X, X @ np.arange(1.0, d + 1) + 0.1 * rng.standard_normal(n)

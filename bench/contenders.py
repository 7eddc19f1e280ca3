"""Contenders: alternatives that a user would write or choose.

`COST`, `GRADIENT`, `COST_AND_GRADIENT` and the contenders of a reduction have prepare(X, y) → f(w) → value.
The others have prepare(X, y) → f(w0, rate, n_epochs) → w; direct solvers ignore the arguments. X has shape
(n,) and w is a number, or (n, d) and (d,). A library is imported when its contender is prepared. Rows of a
contender whose library is not installed are skipped, with that reason. Each is written with care: the timed
call copies nothing that could be prepared before it.

NumPy, Numba and scikit-learn come with the extra `bench`. All other libraries are optional: the extra
`contenders` installs them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import fastgd
from bench import frames, frameworks


@dataclass(frozen=True)
class Contender:
    name: str
    prepare: Callable
    needs: str = "numpy"
    """The module that has to be installed."""
    most_numbers: float = float("inf")
    """Cases with more numbers in X are left out, since an epoch takes seconds."""
    most_epochs: float = float("inf")
    """A call runs at most this many epochs, and its time is scaled up to all. With one epoch it compiles
    nothing."""

    def __str__(self):
        return self.name


def parameters(contenders, cases):
    """(case, contender) for every case and every contender that is fast enough for it."""
    return [
        (case, contender)
        for case in cases
        for contender in contenders
        if case.numbers <= contender.most_numbers
    ]


def quick(contenders):
    """Those for the short set: without polars-online, whose calls take seconds."""
    return [contender for contender in contenders if contender.needs != "polars_online"]


# --- one evaluation ---


def fastgd_function(function, **options):
    return lambda X, y: lambda w: function(X, y, w, **options)


def numpy_cost(X, y):
    return lambda w: np.mean((np.dot(X, w) - y) ** 2)


def numpy_gradient(X, y):
    return lambda w: 2 / len(y) * (X.T @ (np.dot(X, w) - y))


def numpy_cost_and_gradient(X, y):
    def cost_and_gradient(w):
        residual = np.dot(X, w) - y
        return residual @ residual / len(y), 2 / len(y) * (X.T @ residual)

    return cost_and_gradient


def numba_cost_and_gradient(X, y, parallel=False):
    line, table = _numba_full_batch(parallel)
    if X.ndim == 1:
        return lambda w: line(X, y, w)
    import numba

    chunks = 4 * numba.get_num_threads() if parallel else 1
    return lambda w: table(X, y, w, chunks)


@functools.cache
def _numba_full_batch(parallel):
    import numba

    @numba.njit(fastmath=True, nogil=True, parallel=parallel)
    def line(x, y, w):
        squares, products = 0.0, 0.0
        for i in numba.prange(len(x)):
            residual = x[i] * w - y[i]
            squares += residual * residual
            products += x[i] * residual
        return squares / len(x), 2 / len(x) * products

    @numba.njit(fastmath=True, nogil=True, parallel=parallel)
    def table(X, y, w, chunks):
        n, d = X.shape
        squares, products = np.zeros(chunks), np.zeros((chunks, d))
        for chunk in numba.prange(chunks):
            total, sums = (
                0.0,
                np.zeros(d),
            )  # one array for each thread: no shared cache lines
            for i in range(n * chunk // chunks, n * (chunk + 1) // chunks):
                residual = -y[i]
                for j in range(d):
                    residual += X[i, j] * w[j]
                total += residual * residual
                for j in range(d):
                    sums[j] += X[i, j] * residual
            squares[chunk], products[chunk] = total, sums
        return squares.sum() / n, 2 / n * products.sum(axis=0)

    return line, table


# --- full-batch descent ---


def fastgd_descent(X, y, **options):
    return lambda w0, rate, n_epochs: (
        fastgd.gradient_descent(X, y, w0=w0, learning_rate=rate, n_epochs=n_epochs, **options).w
    )


def descent_by(prepare):
    """The lesson's loop around a cost and gradient. Like fastgd, it keeps cost and weights of every epoch."""

    def prepare_descent(X, y):
        cost_and_gradient = prepare(X, y)

        def descend(w, rate, n_epochs):
            costs, weights = [], [w]
            for _ in range(n_epochs):
                cost, gradient = cost_and_gradient(w)
                w = w - rate * gradient
                costs.append(cost)
                weights.append(w)
            return w

        return descend

    return prepare_descent


# --- SGD in the order of the rows ---


def fastgd_sgd(X, y, **options):
    return lambda w0, rate, n_epochs: (
        fastgd.sgd(X, y, w0=w0, learning_rate=rate, n_epochs=n_epochs, **options).w
    )


def numba_sgd(X, y):
    line, table = _numba_in_order()
    loop = line if X.ndim == 1 else table
    return lambda w0, rate, n_epochs: loop(X, y, w0, rate, n_epochs)


@functools.cache
def _numba_in_order():
    import numba

    @numba.njit(fastmath=True, nogil=True)
    def line(x, y, w, rate, n_epochs):
        for _ in range(n_epochs):
            for i in range(len(x)):
                w -= rate * 2 * x[i] * (x[i] * w - y[i])
        return w

    @numba.njit(fastmath=True, nogil=True)
    def table(X, y, w0, rate, n_epochs):
        n, d = X.shape
        w = w0.copy()
        for _ in range(n_epochs):
            for i in range(n):
                residual = -y[i]
                for j in range(d):
                    residual += X[i, j] * w[j]
                scaled = 2 * rate * residual
                for j in range(d):
                    w[j] -= scaled * X[i, j]
        return w

    return line, table


def sklearn_sgd(X, y, shuffle=False):
    """scikit-learn halves the squared error, so eta0 is twice the rate."""
    from sklearn.linear_model import SGDRegressor

    table = X.reshape(len(y), -1)

    def descend(w0, rate, n_epochs):
        model = SGDRegressor(
            penalty=None, fit_intercept=False, shuffle=shuffle, random_state=1 if shuffle else None, tol=None,
            learning_rate="constant", eta0=2 * rate, max_iter=n_epochs,
        )  # fmt: skip
        w = model.fit(table, y, coef_init=np.array(w0, ndmin=1)).coef_  # a copy, since it is overwritten
        return w[0] if X.ndim == 1 else w

    return descend


# --- the solution, without epochs ---


def numpy_normal_equations(X, y):
    if X.ndim == 1:
        return lambda *_: (X @ y) / (X @ X)
    return lambda *_: np.linalg.solve(X.T @ X, X.T @ y)


def sklearn_ridge(X, y):
    from sklearn.linear_model import Ridge

    return _sklearn_direct(Ridge(alpha=1e-10, solver="cholesky", fit_intercept=False), X, y)


def sklearn_linear_regression(X, y):
    from sklearn.linear_model import LinearRegression

    return _sklearn_direct(LinearRegression(fit_intercept=False), X, y)


def intel_linear_regression(X, y):
    """scikit-learn-intelex: normal equations of oneDAL."""
    from sklearnex.linear_model import LinearRegression

    return _sklearn_direct(LinearRegression(fit_intercept=False), X, y)


def _sklearn_direct(model, X, y):
    table = X.reshape(len(y), -1)

    def solve(*_):
        w = model.fit(table, y).coef_
        return w[0] if X.ndim == 1 else w

    return solve


# --- a line with an intercept: f() → (slope, intercept) ---


def fastgd_line(X, y):
    def fit():
        result = fastgd.gradient_descent(X, y, fit_intercept=True)
        return result.w, result.intercept

    return fit


def numpy_line(X, y):
    def fit():
        mean_x, mean_y = X.mean(), y.mean()
        centred = X - mean_x
        slope = centred @ (y - mean_y) / (centred @ centred)
        return slope, mean_y - slope * mean_x

    return fit


def sklearn_line(X, y):
    from sklearn.linear_model import LinearRegression

    return _line_by(LinearRegression(), X, y)


def intel_line(X, y):
    from sklearnex.linear_model import LinearRegression

    return _line_by(LinearRegression(), X, y)


def _line_by(model, X, y):
    def fit():
        model.fit(X[:, None], y)
        return model.coef_[0], model.intercept_

    return fit


def _with(prepare, **options):
    return functools.partial(prepare, **options)


NUMBA_PARALLEL = _with(numba_cost_and_gradient, parallel=True)
COST = [Contender("fastgd", fastgd_function(fastgd.cost)), Contender("numpy", numpy_cost)]
GRADIENT = [Contender("fastgd", fastgd_function(fastgd.gradient)), Contender("numpy", numpy_gradient)]
COST_AND_GRADIENT = [
    Contender("fastgd", fastgd_function(fastgd.cost_and_gradient)),
    Contender("python", fastgd_function(fastgd.cost_and_gradient, backend="python"), most_numbers=1000),
    Contender("numpy", numpy_cost_and_gradient),
    Contender("numba", numba_cost_and_gradient, "numba"),
    Contender("numba-parallel", NUMBA_PARALLEL, "numba"),
    Contender("torch", frameworks.torch_cost_and_gradient, "torch"),
    Contender("jax", frameworks.jax_cost_and_gradient, "jax"),
]
DESCENT = [
    Contender("fastgd", _with(fastgd_descent, method="stream")),
    Contender("python", _with(fastgd_descent, backend="python"), most_numbers=1000),
    Contender("numpy", descent_by(numpy_cost_and_gradient)),
    Contender("numba", descent_by(numba_cost_and_gradient), "numba"),
    Contender("numba-parallel", descent_by(NUMBA_PARALLEL), "numba"),
    Contender("torch", frameworks.torch_descent, "torch"),
    Contender("jax", frameworks.jax_descent, "jax"),
]
SGD = [
    Contender("fastgd", _with(fastgd_sgd, method="stream")),
    Contender("python", _with(fastgd_sgd, backend="python"), most_numbers=1000),
    Contender("numba", numba_sgd, "numba"),
    Contender("scikit-learn", sklearn_sgd, "sklearn"),
    Contender("torch", frameworks.torch_sgd, "torch", most_numbers=1000),
    Contender("jax", frameworks.jax_sgd, "jax"),
]
REDUCE = [
    Contender("fastgd", fastgd_function(fastgd.cost_and_gradient)),
    Contender("numpy", numpy_cost_and_gradient),
    Contender("numba-parallel", NUMBA_PARALLEL, "numba"),
]
REDUCE_LONG = [contender for contender in REDUCE if contender.name != "numpy"]
REDUCE_ONE_THREAD = [
    Contender("fastgd, one thread", fastgd_function(fastgd.cost_and_gradient, n_threads=1)),
    Contender("numba", numba_cost_and_gradient, "numba"),
]
REDUCE_AUTOGRAD = [
    Contender("torch", frameworks.torch_cost_and_gradient, "torch"),
    Contender("jax", frameworks.jax_cost_and_gradient, "jax"),
]
STREAMED_SGD = [contender for contender in SGD if contender.name in ("fastgd", "numba", "scikit-learn")]
CHARTED = [
    Contender("numpy, normal equations", numpy_normal_equations),
    Contender("Ridge", sklearn_ridge, "sklearn"),
]
"""Direct solvers that the charts show."""
DIRECT = [
    *CHARTED,
    Contender("LinearRegression", sklearn_linear_regression, "sklearn"),
    Contender("LinearRegression, sklearnex", intel_linear_regression, "sklearnex"),
    Contender("torch, normal equations", frameworks.torch_normal_equations, "torch"),
    Contender("polars-online, ridge", frames.polars_ridge, "polars_online", most_numbers=10_000_000),
]
LINES = [
    Contender("fastgd", fastgd_line),
    Contender("numpy", numpy_line),
    Contender("LinearRegression", sklearn_line, "sklearn"),
    Contender("LinearRegression, sklearnex", intel_line, "sklearnex"),
    Contender("DuckDB, regr_slope", frames.duckdb_line, "duckdb"),
]
WHOLE_DESCENT = [
    Contender("fastgd", fastgd_descent),
    Contender("numba-parallel", descent_by(NUMBA_PARALLEL), "numba", most_epochs=10),
]
WHOLE_SGD = [
    Contender("fastgd", fastgd_sgd),
    Contender("numba", numba_sgd, "numba", most_epochs=3),
    Contender("scikit-learn", sklearn_sgd, "sklearn", most_epochs=1),
    Contender("polars-online", frames.polars_sgd, "polars_online", most_epochs=1),
]
SHUFFLED_SGD = [
    Contender("fastgd", _with(fastgd_sgd, shuffle=True, seed=1)),
    Contender("scikit-learn", _with(sklearn_sgd, shuffle=True), "sklearn", most_epochs=1),
]

"""Predictions, losses, cost and gradient of a linear model at given weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import checks, reference
from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows, as_array, as_weights
from fastgd.data.backend import Backend, for_exact_loop, resolve
from fastgd.data.chunks import Source
from fastgd.data.dataset import Dataset
from fastgd.data.frames import names_of
from fastgd.data.transform import TransformedRows
from fastgd.engine import threads
from fastgd.engine.blocks import Array, Floats
from fastgd.losses import Loss, SquaredError, as_loss
from fastgd.public import public
from fastgd.solver import scaling
from fastgd.solver.cost import Cost, squared_cost
from fastgd.solver.each_row import each_row, predict
from fastgd.solver.inputs import as_dataset, check_weights
from fastgd.solver.objective import Objective, as_objective, check_loss
from fastgd.solver.summarized import Summarized


@public
def forward(
    X: ArrayLike,
    w: ArrayLike,
    *,
    intercept: float = 0.0,
    backend: str = "auto",
    n_threads: int | None = None,
) -> float | Floats:
    """Predictions of the linear model, ŷ = x·w + intercept.

    Each row is summed from its first column to its last. So a prediction has the same bits for a single row
    as among millions of rows.

    Parameters
    ----------
    X : number, array (n,) or array (n, d)
        The samples. For a number or shape (n,) w is a number, as in the lesson.
    w : number or array (d,)
        The weights.
    intercept : float, default 0.0
        Added to every prediction.
    backend : {"auto", "numba", "python"}, default "auto"
        Compiled kernels or plain Python loops; "auto" is "numba" if Numba is installed.
    n_threads : int, optional
        The largest number of threads; by default one for each processor. The result does not depend on it.

    Returns
    -------
    float or ndarray (n,)
        A float if X is a number.

    Raises
    ------
    InvalidDataError
        If X or w cannot be used, or holds NaN or infinity.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.forward(4, 1.0)
    4.0
    >>> fastgd.forward([[1, 2], [3, 4]], [10, 1])
    array([12., 34.])
    """
    return predict(X, w, intercept, backend, n_threads)


@public
def loss(
    X: ArrayLike,
    y: ArrayLike,
    w: ArrayLike,
    *,
    intercept: float = 0.0,
    loss: str | Loss | Any = "squared_error",
    backend: str = "auto",
    n_threads: int | None = None,
) -> float | Floats:
    """The loss of each sample, by default the squared error (x·w + intercept − y)².

    Parameters
    ----------
    X : number, array (n,) or array (n, d)
        The samples. For a number or shape (n,) w is a number, as in the lesson.
    y : number or array (n,)
        The targets.
    w : number or array (d,)
        The weights.
    intercept : float, default 0.0
        Added to every score.
    loss : str or object, default "squared_error"
        As in `gradient_descent`.
    backend, n_threads
        As in `forward`.

    Returns
    -------
    float or ndarray (n,)
        A float if X is a number. Squared errors have the digits of the lesson's function.

    Raises
    ------
    InvalidDataError
        If X, y or w cannot be used, or holds NaN or infinity.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.loss([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], 1.0)
    array([1., 4., 9.])
    """
    values = as_array("X", X)
    is_number = values.ndim == 0
    target = as_array("y", y)
    if is_number and target.ndim != 0:
        raise InvalidDataError(f"y has shape {target.shape}; X is one number, so y is one number")
    rows = ArrayRows(values.reshape(1), target.reshape(1)) if is_number else ArrayRows(values, target)
    intercept, kind, rows.columns = checks.number("intercept", intercept), as_loss(loss), names_of(X)
    is_lesson = isinstance(kind, SquaredError) and intercept == 0.0
    runs_on = for_exact_loop(backend, rows.n, rows.d) if is_lesson else resolve(backend)
    check_loss(kind, rows, runs_on)

    def twin(x: Any, y: float, w: Any) -> float:
        return reference.value(kind, reference.forward(x, w) + intercept, y)

    def compiled(X: Array, y: Array, w: Floats, out: Floats) -> None:
        from fastgd.kernels import pointwise

        if is_lesson:
            pointwise.losses(X, y, w, 2.0, out)
        else:
            pointwise.scores(X, w, intercept, out)
            pointwise.values(kind, out, y, out)

    losses = each_row(rows, w, twin, compiled, runs_on, n_threads)
    return float(losses[0]) if is_number else losses


@public
def cost(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    w: ArrayLike | None = None,
    *,
    intercept: float = 0.0,
    sample_weight: ArrayLike | None = None,
    loss: str | Loss | Any = "squared_error",
    l1: float = 0.0,
    l2: float = 0.0,
    backend: str = "auto",
    n_threads: int | None = None,
) -> float:
    """The cost, by default the mean squared error (1/n) Σ (x·w − y)².

    Parameters, type of result, errors and accuracy are those of `cost_and_gradient`.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.cost([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], 1.0)
    4.666666666666667
    """
    return cost_and_gradient(
        X,
        y,
        w,
        intercept=intercept,
        sample_weight=sample_weight,
        loss=loss,
        l1=l1,
        l2=l2,
        backend=backend,
        n_threads=n_threads,
    )[0]


@public
def gradient(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    w: ArrayLike | None = None,
    *,
    intercept: float = 0.0,
    sample_weight: ArrayLike | None = None,
    loss: str | Loss | Any = "squared_error",
    l1: float = 0.0,
    l2: float = 0.0,
    backend: str = "auto",
    n_threads: int | None = None,
) -> float | Floats:
    """The gradient ∂cost/∂w, by default (2/n) Σ x (x·w − y).

    Parameters, type of result, errors and accuracy are those of `cost_and_gradient`.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.gradient([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], 1.0)
    -9.333333333333334
    """
    return cost_and_gradient(
        X,
        y,
        w,
        intercept=intercept,
        sample_weight=sample_weight,
        loss=loss,
        l1=l1,
        l2=l2,
        backend=backend,
        n_threads=n_threads,
    )[1]


@public
def cost_and_gradient(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    w: ArrayLike | None = None,
    *,
    intercept: float = 0.0,
    sample_weight: ArrayLike | None = None,
    loss: str | Loss | Any = "squared_error",
    l1: float = 0.0,
    l2: float = 0.0,
    backend: str = "auto",
    n_threads: int | None = None,
) -> tuple[float, float | Floats]:
    """The cost and its gradient, in one pass.

    cost = (1/n) Σ (x·w − y)² and ∂cost/∂w = (2/n) Σ x (x·w − y). In general, with sample weights s and
    intercept b,

        cost = (1/Σ s) Σ s·loss(x·w + b, y) + l1 Σ|w| + (l2/2) Σ w²,
        ∂cost/∂w = (1/Σ s) Σ s·slope·x + l1 sign(w) + l2 w,    slope = ∂loss/∂score.

    Parameters
    ----------
    X : array (n,), array (n, d) or Source
        The samples. For shape (n,) w is a number, as in the lesson. A source (`fastgd.chunks`,
        `fastgd.read_table`) has its own targets.
    y : array (n,)
        The targets; none for a source.
    w : number or array (d,)
        The weights.
    intercept : float, default 0.0
        b, added to every score.
    sample_weight, loss, l1, l2
        As in `gradient_descent`.
    backend : {"auto", "numba", "python"}, default "auto"
        Compiled kernels or plain Python loops; "auto" is "numba" if Numba is installed.
    n_threads : int, optional
        The largest number of threads; by default one for each processor. The result does not depend on it.

    Returns
    -------
    cost : float
    gradient : float or ndarray (d,)
        A float if X has shape (n,).

    Raises
    ------
    InvalidDataError
        If X, y or w cannot be used, or holds NaN or infinity. The message names the first such place.

    Notes
    -----
    One pass over the data, and memory for about log2(n) + 6 vectors of length d.

    Accuracy without intercept, sample_weight, loss, l1 and l2: up to 4096 rows, sums have twice the working
    precision (Ogita, Rump and Oishi 2005). The cost is then within 4 ulp of the exact value, and each
    component of the gradient within 4 eps of (2/n) Σ |x (x·w − y)|, if the cost is above 1e-20 of mean((Σ
    |x_j w_j| + |y|)²). Over more rows the same bounds hold if the cost is at least 1e-3 of mean(y²) and the
    rounding errors of single residuals average out. Each of these errors is up to (d + 1)/2 eps of Σ |x_j
    w_j| + |y|. They add up instead if the same few rows repeat thousands of times. float32 data is
    accumulated in float64.

    `backend="python"` has the rounding errors of the plain loop. So has `cost_history` of a fit of one block,
    whose last digits may differ from this function.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.cost_and_gradient([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], 1.0)
    (4.666666666666667, -9.333333333333334)
    """
    rows = as_dataset(X, y, sample_weight)
    weights = as_weights("w", w, rows.d, rows.is_scalar)
    n_threads = threads.checked_threads(n_threads)
    objective = as_objective(loss, l1, l2, False, False, has_weights=rows.has_weights)
    intercept = checks.number("intercept", intercept)
    if isinstance(rows, Summarized):
        value, slope = rows.cost_and_gradient(weights, intercept, objective)
        return value, float(slope[0]) if rows.is_scalar else slope
    if not objective.is_plain or intercept != 0.0:
        return _general_cost(rows, weights, intercept, objective, resolve(backend), n_threads)
    value, gradient = squared_cost(rows, weights, backend, n_threads)
    return value, float(gradient[0]) if rows.is_scalar else gradient


def _general_cost(
    rows: Dataset, w: Floats, intercept: float, objective: Objective, backend: Backend, n_threads: int | None
) -> tuple[float, float | Floats]:
    """The cost and gradient of an objective that is not plain."""
    check_weights(rows)
    check_loss(objective.loss, rows, backend)
    to = scaling.plain(rows.d, True)
    theta, penalty = np.append(w, intercept), to.penalty(objective.l1, objective.l2)
    if backend == "python":
        transformed = TransformedRows(rows, to.shift, to.scale, has_ones=True, is_weighted=False)
        xs, ys, weights = transformed.lists()
        value = reference.mean_loss(xs, ys, weights, theta.tolist(), objective.loss)
        gradient = np.array(reference.mean_slope(xs, ys, weights, theta.tolist(), objective.loss))
    else:
        value, gradient = Cost(rows, objective.loss, to, n_threads)(theta)
    if not math.isfinite(value):
        rows.refuse_nonfinite()
    gradient += penalty.l1 * np.sign(theta) + penalty.l2 * theta
    grad = gradient[: rows.d]
    return value + penalty.value(theta), float(grad[0]) if rows.is_scalar else grad

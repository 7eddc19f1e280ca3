"""Every step of a fit as arrays, or as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd import display, reference
from fastgd.data.frames import places
from fastgd.engine.blocks import Floats, block_rows

if TYPE_CHECKING:
    from pandas import DataFrame

VECTORS = {"w": "", "gradient": "gradient ", "step": "step "}
"""The columns with a number for each weight, and what precedes the names of features in a data frame."""


class Tabular:
    """A fit that shows its steps."""

    __slots__ = ()

    def table(self) -> dict[str, NDArray[Any]]:
        """Every step as arrays with one row an epoch, or one row a sample of SGD with `history="samples"`.

        A row shows the weights before a step, the gradient and the cost there, and the step to the weights of
        the next row: w + step. (`trace` prints the cost before a step beside the weights after it, as the
        lesson does. A callback sees weights and cost after the step.) The last row leads to `w` of the fit.

        Returns
        -------
        dict of str to ndarray
            - epoch, as callbacks count: from 0, or on from the fit that this one continues
            - sample, the number of the row of X, in rows of samples
            - w (rows,) or (rows, d); intercept, if it was fitted
            - gradient, of the shape of w, and intercept_gradient: as `gradient_history`
            - step, of the shape of w, and intercept_step: the change of w. −α·gradient for plain steps, to
              the rounding of w
            - cost, if it was computed. loss, for samples, of the sample before its step
            - learning_rate

        Raises
        ------
        ValueError
            If the fit did not keep the weights of every epoch.

        Examples
        --------
        >>> import fastgd
        >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
        >>> {name: values[0].item() for name, values in fit.table().items() if name in ("w", "gradient")}
        {'w': 1.0, 'gradient': -9.333333333333334}
        """
        return _table(self)

    def to_frame(self) -> DataFrame:
        """`table` as a pandas data frame, with one column for each weight, named by its feature.

        Raises
        ------
        ValueError
            If the fit did not keep the weights of every epoch.
        ModuleNotFoundError
            If pandas is not installed: pip install pandas.
        """
        return _frame(self)


def _table(fit: Any) -> dict[str, NDArray[Any]]:
    if fit.w_history is None:
        raise ValueError('table() needs the weights of every epoch: fit with history="epochs" or "samples"')
    if is_by_sample(fit):
        return _samples(fit, fit.w_history)
    columns: dict[str, Any] = {"epoch": _epochs(fit), "w": fit.w_history[:-1]}
    if fit.intercept_history is not None:
        columns["intercept"] = fit.intercept_history[:-1]
    columns["gradient"] = fit.gradient_history
    columns["intercept_gradient"] = fit.intercept_gradient_history
    columns["step"] = np.diff(fit.w_history, axis=0)
    if fit.intercept_history is not None:
        columns["intercept_step"] = np.diff(fit.intercept_history)
    if fit.cost_history is not None:
        columns["cost"] = fit.cost_history[:-1]
    columns["learning_rate"] = fit.learning_rates
    return {name: np.array(values) for name, values in columns.items() if values is not None}


def is_by_sample(fit: Any) -> bool:
    """Whether the fit has a gradient for each sample."""
    return np.ndim(fit.gradient_history) == np.ndim(fit.w) + 2


def _epochs(fit: Any) -> NDArray[np.int64]:
    return fit._first_epoch + np.arange(fit.n_epochs)


def _samples(fit: Any, w_history: Floats) -> dict[str, NDArray[Any]]:
    """One row for each sample, in the order of the steps."""
    gradients = fit.gradient_history
    assert gradients is not None
    n_epochs, n = gradients.shape[:2]
    rates = np.repeat(fit.learning_rates, n)
    gradient = gradients.reshape(n_epochs * n, *gradients.shape[2:])
    step = -(rates.reshape(-1, *[1] * np.ndim(fit.w)) * gradient)
    # Each epoch begins at its weights and adds one step after the other, as the steps were taken.
    start = w_history[:-1, None]
    w = np.add.accumulate(np.concatenate([start, step.reshape(gradients.shape)[:, :-1]], axis=1), axis=1)
    order = [fit._order.indices(epoch, n, block_rows(np.size(fit.w))) for epoch in _epochs(fit).tolist()]
    columns = {
        "epoch": np.repeat(_epochs(fit), n),
        "sample": np.array(order, np.int64).reshape(-1),
        "w": w.reshape(gradient.shape),
        "gradient": gradient.copy(),
        "step": step,
    }
    if fit._samples is not None:
        columns["loss"] = _losses(fit._samples, columns["sample"], columns["w"])
    return columns | {"learning_rate": rates}


def _losses(samples: tuple[list[Any], list[Any]], order: NDArray[np.int64], w: Floats) -> Floats:
    """The squared error of each sample at the weights before its step."""
    xs, ys = samples
    steps = zip(order.tolist(), w.tolist(), strict=True)
    return np.array([reference.loss(xs[i], ys[i], at) for i, at in steps], np.float64)


def _frame(fit: Any) -> DataFrame:
    pandas = display.pandas_for("to_frame()")
    columns: list[tuple[str, NDArray[Any]]] = []
    for name, values in _table(fit).items():
        if values.ndim == 1:
            columns.append((name, values))
            continue
        names = fit.feature_names or tuple(f"w[{place}]" for place in places(values.shape[1]))
        columns += [(VECTORS[name] + feature, values[:, j]) for j, feature in enumerate(names)]
    made = pandas.DataFrame(dict(enumerate(values for _, values in columns)))
    made.columns = pandas.Index([name for name, _ in columns])
    return made

"""`FitResult`, the result of a fit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import display
from fastgd.data.backend import Backend
from fastgd.data.coding import NO_CODING, Coding
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.public import public
from fastgd.solver import status
from fastgd.solver.each_row import predict_by_name
from fastgd.solver.options import Solver
from fastgd.solver.orders import IN_ORDER, Order
from fastgd.solver.pictured import Pictured
from fastgd.solver.planner import Method
from fastgd.solver.scores import Scored
from fastgd.solver.state import FitState
from fastgd.solver.table import Tabular

KIND = "fit"
"""The kind of file that `FitResult.save` writes."""


@dataclass(slots=True, eq=False, kw_only=True)
class FitResult(Pictured, Tabular, Scored):
    """A fitted linear model, its histories, and how the fit ended.

    If X had shape (n,), w is a float and histories of weights have one axis.

    Attributes
    ----------
    w : float or ndarray (d,)
        The weights after the last epoch. With averaging, the mean of the weights after each averaged step.
    intercept : float
        Added to every score; 0 unless fitted.
    w_history : ndarray (n_epochs + 1,) or (n_epochs + 1, d), or None
        w0, then the weights after each epoch.
    intercept_history : ndarray (n_epochs + 1,) or None
        The same for a fitted intercept.
    cost_history : ndarray (n_epochs + 1,) or None
        The cost at each entry of w_history, including penalties. By default (1/n) Σ (x·w − y)². If SGD
        streams more than one block of rows, the costs take one more pass for each epoch, and are recorded
        only with `track_cost=True` or `tol`.
    validation_history : ndarray (n_epochs,) or None
        With `validation_fraction`, the mean loss of the held-out rows after each epoch.
    loss_history : ndarray (n_epochs,) or None
        For SGD, the loss of the last sample of each epoch after its step, times its sample weight if any.
    gradient_history : ndarray (n_epochs,) or (n_epochs, d), or None
        For full-batch descent the gradient of each epoch's step: ∂cost/∂w at the weights before the step,
        or with `nesterov` at the point ahead of them, without the part of l1. For SGD with
        `history="samples"`, the gradient of every step, (n_epochs, n) or (n_epochs, n, d), in the order of
        the steps. None for other SGD, for models of losses with kinks, and where weights and gradients
        together would take more than 1 GB.
    intercept_gradient_history : ndarray (n_epochs,) or None
        For full-batch descent the same for a fitted intercept.
    learning_rates : ndarray (n_epochs,)
        The rate of each epoch.
    n_epochs, n_samples, n_updates, n_passes : int
        Numbers of epochs done, rows, updates of w, and passes over the data. An interrupted epoch does not
        count.
    converged : bool
        Whether `tol` was reached. Without `tol`, whether the last epoch left w unchanged up to rounding.
    diverged : bool
        Whether w or its cost became infinite or NaN, or a full-batch fit with a rate over the limit ended
        with a higher cost than it started with.
    solver : {"gradient_descent", "sgd"}
    backend : {"numba", "python"}
        The backend that ran the epochs.
    method : {"summary", "stream"}
        The method that ran: one pass for statistics or maps, or one pass for each epoch.
    elapsed : float
        Seconds.
    feature_names : tuple of str
        The column names of a data frame or a table in files.
    coding : Coding
        Of a table in files: its `target`, the levels of its `categories`, and the labels of its `classes`.
    """

    w: float | Floats
    intercept: float
    w_history: Floats | None = None
    intercept_history: Floats | None = None
    cost_history: Floats | None = None
    validation_history: Floats | None = None
    loss_history: Floats | None = None
    gradient_history: Floats | None = None
    intercept_gradient_history: Floats | None = None
    learning_rates: Floats
    n_epochs: int
    n_samples: int
    n_updates: int
    n_passes: int
    converged: bool = False
    diverged: bool = False
    solver: Solver
    backend: Backend
    method: Method
    elapsed: float
    feature_names: tuple[str, ...] = ()
    coding: Coding = NO_CODING
    _rows: Dataset | None = field(default=None, repr=False)
    """The caller's arrays, not copied and not pickled."""
    _samples: tuple[list[Any], list[Any]] | None = field(default=None, repr=False)
    """X and y with history="samples", for the trace."""
    _w0: Any = field(default=None, repr=False)
    """w0 as given: the trace prints an integer as an integer."""
    _order: Order = field(default=IN_ORDER, repr=False)
    _first_epoch: int = field(default=0, repr=False)
    """The number of the first epoch, which is above 0 if the fit continues another."""
    _state: FitState | None = field(default=None, repr=False)
    """The final state, from which another fit can continue."""
    _last: tuple[Floats, float] = field(default_factory=lambda: (np.empty(0), 0.0), repr=False)
    """The weights (d,) and intercept after the last epoch, without averaging."""
    _stopped: str = field(default="", repr=False)
    """What ended the fit before its last epoch, part of a sentence."""
    _is_revoked: bool = field(default=False, repr=False)
    """Whether a stopping rule ended the fit although some weights move too slowly for the rule to notice."""
    _constant: tuple[int, ...] = field(default=(), repr=False)
    """Columns that standardizing found constant."""
    _is_lesson: bool = field(default=True, repr=False)
    """Whether the cost is (1/n) Σ (x·w − y)²."""
    _options: dict[str, Any] = field(default_factory=dict, repr=False)
    """The options as `to_json` writes them. Empty if the fit did not begin, or an earlier fastgd saved it."""
    _cost: float | None = field(default=None, repr=False)
    """The cost after the last epoch, if it is known."""
    _status: str = field(default="", repr=False)
    """The status of a fit from JSON, which has no histories."""

    def __repr__(self) -> str:
        intercept = f", intercept={display.number(self.intercept)}" if self._has_intercept else ""
        return f"FitResult(w={display.weights(self.w)}{intercept}, {self._outcome})"

    @property
    def _has_intercept(self) -> bool:
        return self.intercept_history is not None or self.intercept != 0.0

    @property
    def _outcome(self) -> str:
        """The number of epochs, the last cost if known, and how the fit ended."""
        return status.outcome(self)

    @property
    def seed(self) -> int | None:
        """The seed of SGD's shuffling, given or drawn. Passing it as `seed` repeats the fit. None without
        shuffling."""
        return None if self._order.shuffle is False else self._order.seed

    @property
    def status(self) -> str:
        """How the fit ended, as a sentence."""
        return status.sentence(self)

    @property
    def cost(self) -> float | None:
        """The cost after the last epoch, including penalties; None if it was not computed."""
        return self._cost if self.cost_history is None else float(self.cost_history[-1])

    @public
    def predict(self, X: ArrayLike) -> float | Floats:
        """Predictions ŷ = x·w + intercept.

        Parameters
        ----------
        X : number, array (n,), array (n, d) or table
            As in `fastgd.forward`. If the columns of X and of the fit have names, columns are selected by
            name. A data frame has the categories of the fit as text, or their features.

        Returns
        -------
        float or ndarray (n,)
            A float if X is a number or a row of a pandas data frame.
        """
        return predict_by_name(X, self.feature_names, self.coding, self.w, self.intercept)

    def trace(self, *, digits: int | None = None, full: bool | None = None, predict: Any = None) -> str:
        """The text that the lesson's program prints for this fit.

        Parameters
        ----------
        digits : int, optional
            Decimals, for the form of the lesson's slides. By default all digits, as plain Python prints them.
        full : bool, optional
            Whether to print every epoch. By default fits of more than 1000 epochs (21 in the slides' form)
            are abbreviated to the first 11 and the last 10.
        predict : number or list of d numbers, optional
            The x whose prediction is printed before and after training. The default is 4 if w is a number,
            otherwise none.

        Returns
        -------
        str

        Notes
        -----
        As in the lesson's programs, the cost of an epoch is that before its step, and w that after it. SGD
        prints a `grad:` line for each sample if the fit has `history="samples"`. For data of one block each
        character equals plain Python's.
        """
        from fastgd.trace import trace

        return trace(self, digits, full, predict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything but X and y to a file for `fastgd.load`.

        The path is used as given. The file is written whole or not at all. It is an npz file: `np.load` shows
        its arrays, and its JSON header as bytes.
        """
        from fastgd.io import npz

        npz.write(path, KIND, self._stored())

    def _stored(self) -> FitResult:
        """The fit as it stands in a file."""
        from fastgd.io.npz import storable

        return replace(self, _rows=None, _w0=storable(self._w0), _samples=storable(self._samples))

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The fit as JSON, for other programs. `fastgd.load` reads it.

        Parameters
        ----------
        path : str or path-like, optional
            A file to write, whole or not at all.

        Returns
        -------
        str
            An object with the keys

            - format, version: "fastgd fit" and 1
            - status, converged, diverged: as the attributes of the fit
            - weights: {column: weight}, or a list if columns have no names, or a number if X had shape (n,)
            - one_dimension: whether X had shape (n,)
            - intercept, and cost after the last epoch including penalties, or null if it is not known
            - n_epochs, n_samples, n_updates, n_passes, solver, backend, method, elapsed
            - target, categories ({column: levels}), classes: as `coding`
            - options: loss, loss_parameters, l1, l2, fit_intercept, standardize, precondition, momentum,
              nesterov, batch_size, average, learning_rate (null for a schedule), n_epochs, tol, has_weights

        Notes
        -----
        Numbers have all their digits, so the loaded fit predicts the same bits. It has no histories. Numbers
        that are not finite are null.

        Examples
        --------
        >>> import fastgd, json
        >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], precondition=True)
        >>> json.loads(fit.to_json())["weights"]
        2.0
        """
        from fastgd.solver import exchange

        return exchange.as_json(self) if path is None else exchange.write_json(self, path)

    def to_sklearn(self) -> Any:
        """A fitted model of scikit-learn: LinearRegression, or LogisticRegression of log_loss.

        Returns
        -------
        sklearn.linear_model.LinearRegression or sklearn.linear_model.LogisticRegression
            It predicts what `predict` does, to rounding. The classes are 0 and 1. Its other parameters, which
            a new fit of it would use, are scikit-learn's defaults.

        Raises
        ------
        ValueError
            If the fit has another loss.
        ModuleNotFoundError
            If scikit-learn is not installed: pip install 'fastgd[sklearn]'.

        Examples
        --------
        >>> import fastgd
        >>> fit = fastgd.gradient_descent([[1.0], [2.0], [3.0]], [2.0, 4.0, 6.0], precondition=True)
        >>> fit.to_sklearn().predict([[4.0]])
        array([8.])
        """
        from fastgd.solver import exchange

        return exchange.as_sklearn(self)

    def __copy__(self) -> FitResult:
        return replace(self)

    def __getstate__(self) -> dict[str, Any]:
        """The state without the caller's data."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "_rows"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._rows = None
        for name, value in state.items():
            setattr(self, name, value)

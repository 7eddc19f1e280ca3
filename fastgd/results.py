"""What a run returns: the weights, how they came to be, and how it ended; and what it raises."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import display
from fastgd.data.backend import Backend
from fastgd.data.dataset import Table
from fastgd.data.frames import as_row, by_name
from fastgd.engine.blocks import Floats
from fastgd.solver.forecast import named
from fastgd.solver.options import Solver
from fastgd.solver.orders import IN_ORDER, Order
from fastgd.solver.planner import Method
from fastgd.solver.state import State

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(slots=True, eq=False)
class FitResult:
    """A fitted linear model and how it came to be.

    In the lesson's case (X of shape (n,)) w is a float and histories of weights have no second axis.

    Attributes
    ----------
    w : float or ndarray (d,)
        The weights after the last epoch; with averaging the mean of those after each step.
    intercept : float
        Added to every score; 0 unless fitted.
    w_history : ndarray (n_epochs + 1,) or (n_epochs + 1, d), or None
        w0, then the weights after each epoch.
    intercept_history : ndarray (n_epochs + 1,) or None
        The same of a fitted intercept.
    cost_history : ndarray (n_epochs + 1,) or None
        The cost at each entry of w_history, penalties included: (1/n) Σ (x·w − y)² by default. Where SGD
        streams more than one block of rows it takes one more read an epoch and is there with
        `track_cost=True` or `tol`.
    validation_history : ndarray (n_epochs,) or None
        With `validation_fraction`: the mean loss of the held-out rows after each epoch.
    loss_history : ndarray (n_epochs,) or None
        SGD: the loss of each epoch's last sample, after it; times its weight, where there are weights.
    gradient_history : ndarray (n_epochs, n) or (n_epochs, n, d), or None
        SGD with `history="samples"`: the gradient of every step, in the order of the steps.
    learning_rates : ndarray (n_epochs,)
        The rate of each epoch.
    n_epochs, n_samples, n_updates, n_passes : int
        Epochs done, rows, updates of w, and reads of the data.
    converged, diverged : bool
        Whether `tol` was reached or, without it, the last epoch left w as it was, to rounding; whether w or
        its cost stopped being finite, or a full-batch run ended above its start with a rate over the limit.
    solver : {"gradient_descent", "sgd"}
    backend : {"numba", "python"}
        What ran.
    method : {"summary", "stream"}
        How the data was used: read once for statistics or maps, or read once an epoch.
    elapsed : float
        Seconds.
    feature_names : tuple of str
        The names of the columns that X had: of a data frame, or a table in files.
    """

    w: float | Floats
    intercept: float
    w_history: Floats | None
    intercept_history: Floats | None
    cost_history: Floats | None
    validation_history: Floats | None
    loss_history: Floats | None
    gradient_history: Floats | None
    learning_rates: Floats
    n_epochs: int
    n_samples: int
    n_updates: int
    n_passes: int
    converged: bool
    diverged: bool
    solver: Solver
    backend: Backend
    method: Method
    elapsed: float
    feature_names: tuple[str, ...] = ()
    _rows: Table | None = field(default=None, repr=False)
    """The caller's arrays, not copied, and not kept by pickle."""
    _samples: tuple[list[Any], list[Any]] | None = field(default=None, repr=False)
    """With history="samples": X and y as they were, for the trace."""
    _w0: Any = field(default=None, repr=False)
    """w0 as it was given: Python prints an integer as an integer."""
    _order: Order = field(default=IN_ORDER, repr=False)
    _state: State | None = field(default=None, repr=False)
    """Where the run stood, for another to go on."""
    _last: tuple[Floats, float] = field(default_factory=lambda: (np.empty(0), 0.0), repr=False)
    """The weights (d,) and the intercept after the last epoch, also where `w` is an average."""
    _stopped: str = field(default="", repr=False)
    """What ended the run before its last epoch, a part of a sentence."""
    _is_revoked: bool = field(default=False, repr=False)
    """Whether that was a stopping rule, which could not see the weights that move slowly."""
    _constant: tuple[int, ...] = field(default=(), repr=False)
    """Columns that standardising found constant."""
    _is_lesson: bool = field(default=True, repr=False)
    """Whether the cost is (1/n) Σ (x·w − y)²."""

    def __repr__(self) -> str:
        intercept = f", intercept={display.number(self.intercept)}" if self._has_intercept else ""
        return f"FitResult(w={display.weights(self.w)}{intercept}, {self._outcome})"

    def _repr_html_(self) -> str:
        places = ("w",) if np.ndim(self.w) == 0 else tuple(map(str, range(np.size(self.w))))
        names = self.feature_names or places
        pairs = zip(names, np.ravel(self.w).tolist(), strict=True)
        rows = [(name, display.number(value)) for name, value in pairs]
        if self._has_intercept:
            rows.insert(0, ("intercept", display.number(self.intercept)))
        return display.table(f"FitResult: {self._outcome}", ("feature", "weight"), rows)

    @property
    def _has_intercept(self) -> bool:
        return self.intercept_history is not None or self.intercept != 0.0

    @property
    def _outcome(self) -> str:
        """Epochs, the last cost where it is known, and how the run ended."""
        parts = [display.count(self.n_epochs, "epoch")]
        if self.cost_history is not None:
            parts.append(f"cost {self.cost_history[-1]:.3g}")
        return ", ".join([*parts, self._ending])

    @property
    def _ending(self) -> str:
        """How the run ended, in a word or two."""
        if self.diverged:
            return "diverged"
        if self.converged:
            return "converged"
        if self._is_revoked:
            return "not converged: slow weights"
        return "stopped" if self._stopped else "not converged"

    @property
    def seed(self) -> int | None:
        """SGD: what `seed` repeats this run's shuffling, also where none was given; None in order."""
        return None if self._order.shuffle is False else self._order.seed

    @property
    def status(self) -> str:
        """How the run ended, a sentence."""
        cost = ""
        if self.cost_history is not None:
            cost = f"; the cost went from {self.cost_history[0]:.6g} to {self.cost_history[-1]:.6g}"
        if self._constant:
            cost += f"; constant, so of weight 0: column {named(self._constant, self.feature_names)}"
        epochs = display.count(self.n_epochs, "epoch")
        if self.diverged:
            return f"diverged; {epochs} done{cost}"
        if self.converged:
            if self._stopped:
                return f"converged after {epochs}: {self._stopped}{cost}"
            return f"converged: the last of {epochs} left w as it was{cost}"
        if self._is_revoked:
            return f"ended after {epochs}: {self._stopped}{cost}"
        if self._stopped:
            return f"stopped after {epochs}: {self._stopped}{cost}"
        if self.n_epochs == 0:
            return f"no epochs{cost}"
        return f"w was still moving after {epochs}{cost}"

    def predict(self, X: ArrayLike) -> float | Floats:
        """Predictions ŷ = x·w + intercept; X as in `fastgd.forward`.

        Of a table whose columns have names, as those of the fit had, the columns are taken by name. A row of
        such a table of pandas gives a number.
        """
        from fastgd.functions import forward

        if (row := as_row(X, self.feature_names)) is not None:
            scores = forward(row, self.w, intercept=self.intercept)
            return float(np.ravel(scores)[0])
        return forward(by_name("X", X, self.feature_names), self.w, intercept=self.intercept)

    def trace(self, *, digits: int | None = None, full: bool | None = None, predict: Any = None) -> str:
        """The text that the lesson's program prints for this run.

        Parameters
        ----------
        digits : int, optional
            None gives every digit, as plain Python prints them; a number gives the slides' form,
            rounded to so many decimals.
        full : bool, optional
            Whether every epoch has its lines. By default long runs (over 1000 epochs; over 21 in the
            slides' form) show the first 11 and the last 10.
        predict : number or list of d numbers, optional
            The x whose prediction is printed before and after training; 4 in the lesson's case,
            otherwise none.

        Notes
        -----
        SGD prints a `grad:` line for each sample where `history="samples"` kept the gradients. On
        inputs of one block of rows each character is the one that plain Python prints.
        """
        from fastgd.trace import trace

        return trace(self, digits, full, predict)

    def plot(self, kind: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw the run with matplotlib and return the axes; nothing is shown.

        Parameters
        ----------
        kind : {"cost", "path"}, optional
            "cost": cost against epoch. "path": the steps on the bowl of cost against w (one weight),
            or on its contours (two). By default "path" where there is one weight or two, else "cost".
        ax : matplotlib axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        ModuleNotFoundError
            Without matplotlib: pip install 'fastgd[plot]'.
        """
        from fastgd.plots import plot

        return plot(self, kind, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to exactly this path, whole or not at all, for `fastgd.load`: all but X and y.

        The file is an npz: `np.load` shows its arrays, and its header as the bytes of JSON.
        """
        from fastgd.io.model import save

        save(self, path)

    def __copy__(self) -> FitResult:
        return replace(self)

    def __getstate__(self) -> dict[str, Any]:
        """All but the caller's data."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "_rows"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._rows = None
        for name, value in state.items():
            setattr(self, name, value)


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """The runs of a sweep, one a learning rate, in the order they were given.

    Attributes
    ----------
    fits : list of FitResult
        Each with its histories; one that diverged is its finite part. Their `n_passes` and `elapsed` are the
        sweep's.
    costs : ndarray (K,)
        The cost each run ended with; inf for one that diverged.
    n_passes : int
        Reads of the data in all.
    elapsed : float
        Seconds in all.
    """

    fits: list[FitResult]
    costs: Floats
    n_passes: int
    elapsed: float

    def __repr__(self) -> str:
        return f"SweepResult({self._outcome})"

    def _repr_html_(self) -> str:
        rows = [
            (_span(fit.learning_rates), str(fit.n_epochs), f"{cost:.3g}", fit._ending)
            for fit, cost in zip(self.fits, self.costs.tolist(), strict=True)
        ]
        return display.table(
            f"SweepResult: {self._outcome}", ("learning rate", "epochs", "cost", "outcome"), rows
        )

    @property
    def _outcome(self) -> str:
        """The number of fits, of those that diverged, and the best."""
        parts = [display.count(len(self.fits), "fit")]
        n_diverged = sum(fit.diverged for fit in self.fits)
        if n_diverged:
            parts.append(f"{n_diverged} diverged")
        if np.isfinite(self.costs).any():
            best, cost = self.best, self.costs.min()
            parts.append(f"best at learning rate {_span(best.learning_rates)}: cost {cost:.3g}")
        return ", ".join(parts)

    @property
    def best(self) -> FitResult:
        """The run with the lowest cost at its end; the first of them."""
        if not np.isfinite(self.costs).any():
            raise ValueError("every run of this sweep diverged: sweep smaller learning rates")
        return self.fits[int(np.argmin(self.costs))]

    @property
    def learning_rates(self) -> list[Floats]:
        """The rates of each run, one an epoch done."""
        return [fit.learning_rates for fit in self.fits]

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the cost against the epoch, a curve a run, with matplotlib; return the axes.

        Raises
        ------
        ModuleNotFoundError
            Without matplotlib: pip install 'fastgd[plot]'.
        """
        from fastgd.plots import plot_sweep

        return plot_sweep(self, ax)


class DivergenceError(ArithmeticError):
    """A run overflowed, or ended above its start with a rate over the stability limit.

    Attributes
    ----------
    result : FitResult
        The finite part of the run: every weight in it is finite, and every cost but one that overflows at
        w0 already, or that nobody asked SGD for.
    epoch : int
        The epoch (from 0) in which w or its cost stopped being finite; the number of epochs where none did.
    limit, safe_rate : float or None
        For full-batch descent the stability limit of the learning rate, 1/λmax of XᵀX/n; for SGD 1/max‖x‖²,
        below which every single step is stable; and the rate that "auto" takes. None where X or
        the cost at w0 overflows.
    """

    __module__ = "fastgd"

    def __init__(
        self,
        message: str,
        result: FitResult,
        epoch: int,
        limit: float | None = None,
        safe_rate: float | None = None,
    ):
        super().__init__(message)
        self.result = result
        self.epoch = epoch
        self.limit = limit
        self.safe_rate = safe_rate

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.result, self.epoch, self.limit, self.safe_rate)


def _span(rates: Floats) -> str:
    """The learning rates of a run: one number, or the first and the last."""
    if not len(rates):
        return "(no epochs)"
    first, last = display.number(rates[0]), display.number(rates[-1])
    return first if first == last else f"{first} … {last}"

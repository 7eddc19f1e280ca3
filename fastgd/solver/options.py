"""The options of a fit besides the data, the objective and the update rule; and the plan of a fit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from fastgd import callers, checks, display
from fastgd.data.backend import Backend
from fastgd.data.dataset import Dataset
from fastgd.engine import threads
from fastgd.engine.blocks import Floats
from fastgd.schedules import LearningRate
from fastgd.solver import loop
from fastgd.solver.callbacks import EpochFunction
from fastgd.solver.objective import Objective, UpdateRule
from fastgd.solver.orders import Order, Shuffle
from fastgd.solver.planner import CHOICES, Choice, Method
from fastgd.wording import PYTHON, Words

if TYPE_CHECKING:
    from fastgd.solver.summary import Summary

Solver = Literal["gradient_descent", "sgd"]
OnDivergence = Literal["raise", "warn", "ignore"]
Tolerance = float | Literal["auto"] | None
AUTO_TOL = 1e-6
"""tol="auto" of streamed epochs: a share of the first gradient's norm, or a relative fall of the cost."""


class ConvergenceWarning(UserWarning):
    """A fit did not reach `tol` in n_epochs, or the data determines few digits of its weights.

    Attributes
    ----------
    kind : str
        The reason of the warning: "ran out" (of epochs), "unlike" (weights move at unlike speeds), "is off"
        (columns far from zero), "left behind" (an intercept), "few digits", "small y", "separable" (classes)
        or "one class".
    """

    __module__ = "fastgd"
    kind: str = ""


Warned = TypeVar("Warned", bound=ConvergenceWarning)


def of_kind(category: type[Warned], kind: str, message: str) -> Warned:
    """A warning of this category, with its kind."""
    warning = category(message)
    warning.kind = kind
    return warning


DIVERGED = "diverged"
"""The kind of reports that are RuntimeWarnings."""


class Report(NamedTuple):
    """A stored warning, to be shown together with those of other fits."""

    kind: str
    message: str
    badness: float
    """Larger for a worse fit, among the reports of one kind."""


class Start(NamedTuple):
    """Weights and intercept to begin a fit with."""

    w: Floats
    intercept: float


@dataclass(slots=True)
class Options:
    """The options of a fit besides the data, the objective and the update rule."""

    w0: Any
    learning_rate: LearningRate
    n_epochs: int
    tol: Tolerance
    patience: int
    validation_fraction: float | None
    callback: EpochFunction | None
    method: Choice
    history: loop.History
    on_divergence: OnDivergence
    backend: str
    n_threads: int | None
    shuffle: Shuffle = False
    seed: int | None = None
    track_cost: bool = False
    warning: type[ConvergenceWarning] = ConvergenceWarning
    """The category of warnings about convergence and digits."""

    reports: list[Report] | None = None
    """A list that collects warnings instead of showing them at once."""
    summaries: list[Summary] | None = None
    """A list that gets the summary of the rows, if they are fitted by squared errors."""
    problems: list[Any] | None = None
    """A list that gets the `Problem` of the run, for what its reads have found."""
    words: Words = PYTHON
    progress: bool = False
    checkpoint: Any = None
    checkpoint_every: float = 60.0
    resume: Any = None
    is_adaptive: bool = False
    """Whether the rate is divided by 5 when a stopping rule would end the run: `callbacks.AdaptiveRate`."""
    n_runs: int = 1
    """The number of runs that keep a history each."""
    is_part: bool = False
    """Whether X is one part of the data, and the run continues with other parts (`partial_fit`)."""

    def n_gradients(self, rows: Dataset, is_full_batch: bool) -> int:
        """The number of gradients that the history of an epoch keeps. Full batch keeps them if there is
        room."""
        if self.history == "samples":
            return rows.n
        numbers = self.n_runs * (self.n_epochs + 1) * (2 + 2 * rows.d)
        return int(is_full_batch and self.history == "epochs" and 8 * numbers <= loop.HISTORY_BYTES)

    def warn(self, kind: str, message: str, badness: float = 0.0) -> None:
        """Warn the caller of the public function, or keep the warning in `reports`."""
        if self.reports is None:
            callers.warn(of_kind(self.warning, kind, message))
        else:
            self.reports.append(Report(kind, message, badness))

    def tolerance(self, method: Method) -> float:
        """tol as a number, or −1 if it is None."""
        if self.tol is None:
            return -1.0
        if self.tol == "auto":
            return 0.0 if method == "summary" else AUTO_TOL
        return self.tol

    @property
    def has_automatic_rate(self) -> bool:
        """Whether learning_rate is "auto"."""
        return isinstance(self.learning_rate, str) and self.learning_rate == "auto"

    @property
    def is_logged(self) -> bool:
        """Whether a journal logs the reads."""
        return self.progress is not False or self.checkpoint is not None or self.resume is not None

    def _check_logging(self) -> None:
        checks.flag("progress", self.progress)
        self.checkpoint_every = checks.not_negative("checkpoint_every", self.checkpoint_every)
        for name, path in (("checkpoint", self.checkpoint), ("resume", self.resume)):
            if path is not None and not isinstance(path, (str, os.PathLike)):
                raise TypeError(f"{name} must be the path of a file, not {display.value(path)}")

    def check(self) -> None:
        """Check the options, and convert numbers to their types."""
        checks.choice("on_divergence", self.on_divergence, ("raise", "warn", "ignore"))
        checks.flag("track_cost", self.track_cost)
        checks.choice("method", self.method, CHOICES)
        self.n_epochs = checks.whole("n_epochs", self.n_epochs, 0)
        self.n_threads = threads.checked_threads(self.n_threads)
        self.patience = checks.whole("patience", self.patience, 1)
        if self.tol is not None and not (isinstance(self.tol, str) and self.tol == "auto"):
            self.tol = checks.not_negative("tol", self.tol)
        if self.validation_fraction is not None:
            fraction = checks.number("validation_fraction", self.validation_fraction)
            if not 0.0 < fraction <= 0.5:
                raise ValueError(
                    f"validation_fraction must be above 0 and at most 0.5, not {display.value(fraction)}"
                )
            self.validation_fraction = fraction
        if self.is_logged:
            self._check_logging()
        if self.callback is not None and not callable(self.callback):
            raise TypeError(
                f"callback must be a function of the epoch's state, not {display.value(self.callback)}"
            )


@dataclass(slots=True)
class Plan:
    """A checked fit: solver, objective, update rule, options, order and backend."""

    solver: Solver
    objective: Objective
    rule: UpdateRule
    options: Options
    order: Order
    backend: Backend

"""What a fit takes beside the data, the objective and the rule; and all of it together, a plan."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from fastgd import callers, checks, display
from fastgd.data.backend import Backend
from fastgd.engine import threads
from fastgd.engine.blocks import Floats
from fastgd.schedules import LearningRate
from fastgd.solver import loop
from fastgd.solver.callbacks import EpochFunction
from fastgd.solver.objective import Objective, UpdateRule
from fastgd.solver.orders import Order, Shuffle
from fastgd.solver.planner import CHOICES, Choice, Method
from fastgd.wording import PYTHON, Words

Solver = Literal["gradient_descent", "sgd"]
OnDivergence = Literal["raise", "warn", "ignore"]
Tolerance = float | Literal["auto"] | None
AUTO_TOL = 1e-6
"""Where an epoch is a read, "auto" stops at this part of the first gradient, or change of the cost."""


class ConvergenceWarning(UserWarning):
    """n_epochs ran out before `tol` was reached, and how many it takes; or few digits are to be had.

    Attributes
    ----------
    kind : str
        What the sentence is about: "ran out" (of epochs), "unlike" (weights move at unlike speeds), "is off"
        (columns far from zero), "left behind" (an intercept), "few digits", "small y" or "one class".
    """

    __module__ = "fastgd"
    kind: str = ""


Warned = TypeVar("Warned", bound=ConvergenceWarning)


def of_kind(category: type[Warned], kind: str, message: str) -> Warned:
    """A warning of this category, with its kind."""
    warning = category(message)
    warning.kind = kind
    return warning


class Report(NamedTuple):
    """A warning that is kept for later, to be shown together with those of other fits."""

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
    """What a fit takes beside the data, the objective and the rule."""

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
    """What to warn with, where n_epochs ran out or few digits are to be expected."""

    reports: list[Report] | None = None
    """Where warnings are kept instead of being shown at once."""
    words: Words = PYTHON
    progress: bool = False
    checkpoint: Any = None
    checkpoint_every: float = 60.0
    resume: Any = None
    is_adaptive: bool = False
    """Whether the rate is divided by 5 where a stopping rule would end the run: `callbacks.AdaptiveRate`."""
    is_part: bool = False
    """Whether X is a part of the data, and a run goes on from part to part."""

    def warn(self, kind: str, message: str, badness: float = 0.0) -> None:
        """Warn the caller of the public function, or keep the warning in `reports`."""
        if self.reports is None:
            callers.warn(of_kind(self.warning, kind, message))
        else:
            self.reports.append(Report(kind, message, badness))

    def tolerance(self, method: Method) -> float:
        """tol as a number; −1 for none."""
        if self.tol is None:
            return -1.0
        if self.tol == "auto":
            return 0.0 if method == "summary" else AUTO_TOL
        return self.tol

    @property
    def has_automatic_rate(self) -> bool:
        """Whether learning_rate is "auto"; it may be an array too."""
        return isinstance(self.learning_rate, str) and self.learning_rate == "auto"

    @property
    def is_kept(self) -> bool:
        """Whether the reads are told to anyone."""
        return self.progress is not False or self.checkpoint is not None or self.resume is not None

    def _check_kept(self) -> None:
        checks.flag("progress", self.progress)
        self.checkpoint_every = checks.not_negative("checkpoint_every", self.checkpoint_every)
        for name, path in (("checkpoint", self.checkpoint), ("resume", self.resume)):
            if path is not None and not isinstance(path, (str, os.PathLike)):
                raise TypeError(f"{name} must be the path of a file, not {display.value(path)}")

    def check(self) -> None:
        """Refuse what cannot be; make numbers of what are numbers."""
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
        if self.is_kept:
            self._check_kept()
        if self.callback is not None and not callable(self.callback):
            raise TypeError(
                f"callback must be a function of the epoch's state, not {display.value(self.callback)}"
            )


@dataclass(slots=True)
class Plan:
    """Everything that a fit asks for, checked."""

    solver: Solver
    objective: Objective
    rule: UpdateRule
    options: Options
    order: Order
    backend: Backend

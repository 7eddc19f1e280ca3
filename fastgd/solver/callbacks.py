"""Callbacks of the epoch loop: rules that end a run, and the function of the user."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.solver.forecast import EXACT
from fastgd.solver.loop import Run

LOWERED = 5.0
"""An adaptive rate is divided by it, as in scikit-learn."""


@dataclass(frozen=True, slots=True)
class EpochState:
    """What a callback sees after an epoch.

    epoch counts from 0; w and intercept are what the fit would come to if it ended now; cost is None where it
    is not known.
    """

    epoch: int
    w: float | Floats
    intercept: float
    cost: float | None
    learning_rate: float
    validation_cost: float | None = None


EpochFunction = Callable[[EpochState], object]
"""A callback of the user."""


class _Rule(Protocol):
    """A rule that ends a run."""

    def anew(self) -> None:
        """Count from here again."""


class CostRule:
    """The cost has converged after `patience` quiet epochs in a row.

    (The steppers of full-batch descent on smooth losses have a rule of their own, on the gradient.)
    """

    def __init__(self, tol: float, patience: int):
        self._tol, self._patience = tol, patience
        self._quiet, self._lowest = 0, math.inf
        self._room: Floats = np.empty(0)
        """Holds `Run.changes`; its size doubles."""

    def after(self, run: Run, rate: float) -> None:
        cost, first = run.last_cost, run.first_cost
        if cost is None or first is None:
            return
        self._lowest = min(self._lowest, first)
        self._quiet = self._quiet + 1 if self._is_quiet(cost, first, run) else 0
        self._lowest = min(self._lowest, cost)
        run.converged = self._quiet >= self._patience

    def _is_quiet(self, cost: float, first: float, run: Run) -> bool:
        """Whether an epoch has lowered the cost by no more than tol of the lowest before it.

        A cost that rounding makes of an exact fit is quiet too. One that has risen to twice the lowest is
        not: that run may be on its way to divergence.
        """
        if self._tol > 0.0 and 0.0 <= cost <= EXACT * first:
            return True
        fall = (self._lowest - cost) / max(abs(self._lowest), sys.float_info.min)
        self._keep_change(run, max(0.0, fall))
        return -1.0 <= fall <= self._tol

    def _keep_change(self, run: Run, fall: float) -> None:
        n = 0 if run.changes is None else len(run.changes)
        if n >= len(self._room) or n == 0:
            self._room = np.empty(max(64, 2 * n))
            self._room[:n] = run.changes if n else 0.0
        self._room[n] = fall
        run.changes = self._room[: n + 1]

    def anew(self) -> None:
        self._quiet = 0

    def state(self) -> list[Any]:
        return [self._quiet, self._lowest]

    def restore(self, state: list[Any]) -> None:
        quiet, lowest = state
        self._quiet, self._lowest = int(quiet), float(lowest)


class Validation:
    """The run ends when the cost of held-out rows has not become lower for `patience` epochs."""

    def __init__(self, cost: Callable[[], float], improvement: float, patience: int):
        """`cost()` is that of the held-out rows where the run stands. Only a fall by more than the part
        `improvement` of it counts."""
        self._cost, self._improvement, self._patience = cost, improvement, patience
        self._best, self._since = math.inf, 0
        self.costs: list[float] = []

    def after(self, run: Run, rate: float) -> None:
        self.costs.append(self._cost())
        slack = self._improvement * abs(self._best) if math.isfinite(self._best) else 0.0
        if self.costs[-1] < self._best - slack:
            self._best, self._since = self.costs[-1], 0
        else:
            self._since += 1
        if self._since >= self._patience:
            run.stopped = f"the cost of the held-out rows has not fallen for {self._since} epochs"

    def anew(self) -> None:
        self._since = 0

    def state(self) -> list[Any]:
        return [self._best, self._since, np.array(self.costs)]

    def restore(self, state: list[Any]) -> None:
        best, since, costs = state
        self._best, self._since, self.costs = float(best), int(since), costs.tolist()


class AdaptiveRate:
    """Where a rule would end the run, its next rates are divided by 5, until one is at most `least`."""

    def __init__(self, rates: Floats, rules: Sequence[_Rule], least: float):
        self._rates, self._rules, self._least = rates, rules, least

    def after(self, run: Run, rate: float) -> None:
        if (run.converged or run.stopped) and rate > self._least:
            run.converged, run.stopped = False, ""
            self._rates[run.n_epochs :] /= LOWERED
            for rule in self._rules:
                rule.anew()

    def state(self) -> list[Any]:
        return []

    def restore(self, state: list[Any]) -> None:
        """The rates are part of the checkpoint."""


class UserCallback:
    """The function of the user, which ends the run by returning True."""

    def __init__(
        self,
        function: EpochFunction,
        model: Callable[[], tuple[float | Floats, float]],
        first_epoch: int,
        cost_scale: float,
        validation: Validation | None,
    ):
        """`model()` is w and intercept where the run stands. Costs times `cost_scale` are those of the
        function."""
        self._function, self._model, self._validation = function, model, validation
        self._first_epoch, self._cost_scale = first_epoch, cost_scale

    def after(self, run: Run, rate: float) -> None:
        state = EpochState(
            self._first_epoch + run.n_epochs - 1,
            *self._model(),
            None if run.last_cost is None else run.last_cost * self._cost_scale,
            rate,
            self._validation.costs[-1] if self._validation is not None else None,
        )
        try:
            answer = self._function(state)
            if isinstance(answer, (bool, np.bool_)) and answer:
                run.stopped = "the callback asked for it"
        except BaseException as error:
            run.error = error

    def state(self) -> list[Any]:
        return []

    def restore(self, state: list[Any]) -> None:
        """The function keeps what it needs."""

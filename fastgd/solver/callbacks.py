"""Callbacks of the epoch loop: rules that end a run, and the function of the user."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.solver.forecast import EXACT, SEPARABLE
from fastgd.solver.loop import Run

LOWERED = 5.0
"""An adaptive rate is divided by this number, as in scikit-learn."""


@dataclass(frozen=True, slots=True)
class EpochState:
    """The state of a fit after an epoch, for callbacks.

    epoch is counted from 0. w and intercept are those of the fit if it ended now, and cost is their cost, so
    that after the step (`trace` prints the cost before it). It is None if it is not computed. sample is the
    row of a single step of `fastgd.steps`.
    """

    epoch: int
    w: float | Floats
    intercept: float
    cost: float | None
    learning_rate: float
    validation_cost: float | None = None
    sample: int | None = None


EpochFunction = Callable[[EpochState], object]
"""A callback of the user."""


class _Rule(Protocol):
    """A rule that ends a run."""

    def reset(self) -> None:
        """Reset the count of epochs."""


class CostRule:
    """The cost has converged after `patience` quiet epochs in a row.

    Full-batch descent on smooth losses has another rule: `steppers.base.GradientRule`.
    """

    def __init__(self, tol: float, patience: int):
        self._tol, self._patience = tol, patience
        self._quiet, self._lowest = 0, math.inf
        self._buffer: Floats = np.empty(0)
        """The memory of `Run.changes`. It doubles when it is full."""

    def after(self, run: Run, rate: float) -> None:
        cost, first = run.last_cost, run.first_cost
        if cost is None or first is None:
            return
        self._lowest = min(self._lowest, first)
        self._quiet = self._quiet + 1 if self._is_quiet(cost, first, run) else 0
        self._lowest = min(self._lowest, cost)
        run.converged = self._quiet >= self._patience

    def _is_quiet(self, cost: float, first: float, run: Run) -> bool:
        """Whether the epoch lowered the cost by at most tol times the lowest cost before it.

        An epoch that ends with an exact fit is quiet too. An epoch that ends above twice the lowest cost is
        not quiet, since the run may diverge.
        """
        if self._tol > 0.0 and 0.0 <= cost <= EXACT * first:
            return True
        fall = (self._lowest - cost) / max(abs(self._lowest), sys.float_info.min)
        self._keep_change(run, max(0.0, fall))
        return -1.0 <= fall <= self._tol

    def _keep_change(self, run: Run, fall: float) -> None:
        n = 0 if run.changes is None else len(run.changes)
        if n >= len(self._buffer) or n == 0:
            self._buffer = np.empty(max(64, 2 * n))
            self._buffer[:n] = run.changes if n else 0.0
        self._buffer[n] = fall
        run.changes = self._buffer[: n + 1]

    def reset(self) -> None:
        self._quiet = 0

    def state(self) -> list[Any]:
        return [self._quiet, self._lowest]

    def restore(self, state: list[Any]) -> None:
        quiet, lowest = state
        self._quiet, self._lowest = int(quiet), float(lowest)


class Separable:
    """Ends the run of a loss that separable classes leave without a minimum, once it has separated them.

    `limit` is the loss of a row of the least weight at score 0, divided by Σ s. A mean loss below it says
    that each row is on the right side.
    """

    def __init__(self, limit: float):
        self._limit = limit

    def after(self, run: Run, rate: float) -> None:
        if run.last_cost is not None and run.last_cost < self._limit:
            run.converged, run.stopped = False, SEPARABLE

    def state(self) -> list[Any]:
        return []

    def restore(self, state: list[Any]) -> None: ...


class Validation:
    """Ends the run if the cost of the held-out rows has not fallen for `patience` epochs."""

    def __init__(self, cost: Callable[[Run], float], improvement: float, patience: int):
        """`cost(run)` returns the current cost of the held-out rows. A fall counts if it is larger than
        `improvement` times the lowest cost."""
        self._cost, self._improvement, self._patience = cost, improvement, patience
        self._best, self._since = math.inf, 0
        self.costs: list[float] = []

    def after(self, run: Run, rate: float) -> None:
        self.costs.append(self._cost(run))
        slack = self._improvement * abs(self._best) if math.isfinite(self._best) else 0.0
        if self.costs[-1] < self._best - slack:
            self._best, self._since = self.costs[-1], 0
        else:
            self._since += 1
        if self._since >= self._patience:
            run.stopped = f"the cost of the held-out rows has not fallen for {self._since} epochs"

    def reset(self) -> None:
        self._since = 0

    def state(self) -> list[Any]:
        return [self._best, self._since, np.array(self.costs)]

    def restore(self, state: list[Any]) -> None:
        best, since, costs = state
        self._best, self._since, self.costs = float(best), int(since), costs.tolist()


class AdaptiveRate:
    """Divides the next rates by 5 when a rule would end the run, unless the rate is at most `least`."""

    def __init__(self, rates: Floats, rules: Sequence[_Rule], least: float):
        self._rates, self._rules, self._least = rates, rules, least

    def after(self, run: Run, rate: float) -> None:
        if (run.converged or run.stopped) and rate > self._least:
            run.converged, run.stopped = False, ""
            self._rates[run.n_epochs :] /= LOWERED
            for rule in self._rules:
                rule.reset()

    def state(self) -> list[Any]:
        return []

    def restore(self, state: list[Any]) -> None:
        """Nothing: the rates are part of the checkpoint."""


class UserCallback:
    """The function of the user. It ends the run by returning True."""

    def __init__(
        self,
        function: EpochFunction,
        model: Callable[[Run], tuple[float | Floats, float]],
        first_epoch: int,
        cost_scale: float,
        validation: Validation | None,
    ):
        """`model(run)` returns the current w and intercept. `cost_scale` multiplies the costs of the run."""
        self._function, self._model, self._validation = function, model, validation
        self._first_epoch, self._cost_scale = first_epoch, cost_scale

    def after(self, run: Run, rate: float) -> None:
        state = EpochState(
            self._first_epoch + run.n_epochs - 1,
            *self._model(run),
            None if run.last_cost is None else run.last_cost * self._cost_scale,
            rate,
            self._validation.costs[-1] if self._validation is not None else None,
        )
        try:
            answer = self._function(state)
            if isinstance(answer, (bool, np.bool_)) and answer:
                run.stopped = "the callback returned True"
        except BaseException as error:
            run.error = error

    def state(self) -> list[Any]:
        return []

    def restore(self, state: list[Any]) -> None:
        """Nothing: the function keeps its own state."""

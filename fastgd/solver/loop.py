"""The one epoch loop: histories, divergence, stopping, callbacks, whatever answers for the data."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.solver.forecast import EXACT
from fastgd.solver.steppers.base import EpochBatch, Stepper

History = Literal["epochs", "samples", "costs"] | None
HISTORIES: tuple[History, ...] = ("epochs", "samples", "costs", None)
HISTORY_BYTES = 1_000_000_000
LOWERED = 5.0
"""An adaptive rate is divided by it, as in scikit-learn."""
_NO_LOSSES: Floats = np.empty(0)
_NO_GRADIENTS = np.empty((0, 0, 0))


@dataclass(slots=True)
class Run:
    """What a run left: histories cut to the epochs that were done; None is what was not kept."""

    n_epochs: int
    costs: Floats | None
    losses: Floats | None
    weights: Floats | None
    gradients: Floats | None
    diverged: bool
    """Whether the run was, or became, not finite: epoch n_epochs, counted from 0, is to blame."""
    converged: bool
    """Whether a stopping rule says so, or the last epoch left w as it was, to rounding."""
    first_cost: float | None
    last_cost: float | None
    """The cost at w0 and at the end, also where it is not kept; None where it was not known."""
    stopped: str = ""
    """What ended it before its last epoch, a part of a sentence."""
    changes: Floats | None = None
    """What the stopping rule looked at: norms of the gradients, or relative falls of the lowest cost."""
    validation_costs: Floats | None = None
    has_stalled: bool = False
    """Whether it is the last epoch alone that says `converged`."""
    is_revoked: bool = False
    """Whether a stopping rule ended the run, but could not see the weights that move slowly."""
    error: BaseException | None = None
    """What the callback raised, or an interrupt."""
    is_interrupted: bool = False
    """Whether it came in the middle of an epoch, which was taken back."""


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


Callback = Callable[[EpochState], object]


@dataclass(slots=True)
class Watch:
    """What is looked at after each epoch, and may end the run."""

    tol: float | None = None
    """The cost has converged after `patience` quiet epochs in a row, see `_is_quiet`. (The steppers of
    full-batch descent on smooth losses have a rule of their own, on the gradient.)"""
    patience: int = 1
    is_adaptive: bool = False
    """Divide the rate by 5 where a rule would end the run, until it is at most `least_rate`."""
    least_rate: float = 0.0
    callback: Callback | None = None
    validate: Callable[[], float] | None = None
    """The cost of the held-out rows where the run stands: the run ends when it has not become lower, by more
    than this part of it, for `patience` epochs."""
    improvement: float = 0.0
    cost_scale: float = 1.0
    """What turns the stepper's costs into those that the callback sees."""
    model: Callable[[], tuple[float | Floats, float]] | None = None
    """w and intercept where the run stands, for the callback."""
    first_epoch: int = 0
    validations: list[float] = field(default_factory=list)
    """The costs of the held-out rows so far."""
    quiet: int = 0
    lowest: float = math.inf
    """Quiet epochs in a row, and the lowest cost so far."""
    best: float = math.inf
    since: int = 0
    """The least cost of the held-out rows, and epochs since."""
    _room: Floats = field(default_factory=lambda: np.empty(0))
    """Holds `Run.changes`; its size doubles."""

    @property
    def wants_each_epoch(self) -> bool:
        return self.callback is not None or self.validate is not None or self.tol is not None

    def _is_quiet(self, cost: float, first: float, run: Run) -> bool:
        """Whether an epoch has lowered the cost by no more than tol of the lowest before it.

        A cost that rounding makes of an exact fit is quiet too. One that has risen to twice the lowest is
        not: that run may be on its way to divergence.
        """
        assert self.tol is not None
        if self.tol > 0.0 and 0.0 <= cost <= EXACT * first:
            return True
        fall = (self.lowest - cost) / max(abs(self.lowest), sys.float_info.min)
        self._keep_change(run, max(0.0, fall))
        return -1.0 <= fall <= self.tol

    def _keep_change(self, run: Run, fall: float) -> None:
        n = 0 if run.changes is None else len(run.changes)
        if n >= len(self._room) or n == 0:
            self._room = np.empty(max(64, 2 * n))
            self._room[:n] = run.changes if n else 0.0
        self._room[n] = fall
        run.changes = self._room[: n + 1]

    def after(self, run: Run, rate: float) -> bool:
        """Look at the epoch just done, and set in the run what it says; whether to lower the rate."""
        cost, first = run.last_cost, run.first_cost
        if self.tol is not None and cost is not None and first is not None:
            self.lowest = min(self.lowest, first)
            self.quiet = self.quiet + 1 if self._is_quiet(cost, first, run) else 0
            self.lowest = min(self.lowest, cost)
            run.converged = self.quiet >= self.patience
        if self.validate is not None:
            self.validations.append(self.validate())
            slack = self.improvement * abs(self.best) if math.isfinite(self.best) else 0.0
            if self.validations[-1] < self.best - slack:
                self.best, self.since = self.validations[-1], 0
            else:
                self.since += 1
            if self.since >= self.patience:
                run.stopped = f"the cost of the held-out rows has not fallen for {self.since} epochs"
        lower = bool(run.converged or run.stopped) and self.is_adaptive and rate > self.least_rate
        if lower:
            run.converged, run.stopped, self.quiet, self.since = False, "", 0, 0
        if self.callback is not None:
            assert self.model is not None
            state = EpochState(
                self.first_epoch + run.n_epochs - 1,
                *self.model(),
                None if cost is None else cost * self.cost_scale,
                rate,
                self.validations[-1] if self.validations else None,
            )
            try:
                answer = self.callback(state)
                if isinstance(answer, (bool, np.bool_)) and answer:
                    run.stopped = "the callback asked for it"
            except BaseException as error:
                run.error = error
        return lower


class Keeper(Protocol):
    """Keeps where a run stands, so that another process can go on from there."""

    def resume(self, run: Run, batch: EpochBatch, stepper: Stepper, watch: Watch | None) -> int:
        """Put all as an earlier process left it; the number of epochs done, 0 where there was none."""

    def between(self, epoch: int, run: Run, batch: EpochBatch, stepper: Stepper, watch: Watch | None) -> None:
        """So many epochs are done, and the next has not begun."""

    def write(self) -> None:
        """There may be no later time for it."""


def run_epochs(
    stepper: Stepper,
    rates: Floats,
    history: History,
    *,
    want_costs: bool,
    want_losses: bool,
    n_samples: int,
    stop_when_diverged: bool,
    check_data: Callable[[], None],
    watch: Watch | None = None,
    want_norms: bool = False,
    keeper: Keeper | None = None,
) -> Run:
    """Move the stepper's weights on by one epoch a rate, and keep what `history` asks for.

    `check_data` is called when the first epoch leaves something that is not finite; it raises where
    the data is to blame. An interrupt ends the run after its last whole epoch, and is its `error`.
    """
    n_epochs, d = len(rates), len(stepper.w)
    watch_costs = want_costs and (not want_losses or watch is not None)  # a descent's costs are free
    want_costs = want_costs and history is not None
    want_losses = want_losses and history is not None
    want_weights = history in ("epochs", "samples")
    want_gradients = history == "samples"

    costs = np.empty(n_epochs + 1 if want_costs else 0)
    weights = np.empty((n_epochs + 1 if want_weights else 0, d))
    losses = np.empty(n_epochs) if want_losses else _NO_LOSSES
    gradients = np.empty((n_epochs, n_samples, d)) if want_gradients else _NO_GRADIENTS
    norms = np.empty(n_epochs) if want_norms else _NO_LOSSES
    batch = EpochBatch(costs[1:], losses, weights[1:], gradients, norms)
    run = Run(0, None, None, None, None, False, False, None, None)
    epoch, allow_divergence, diverged = 0, not stop_when_diverged, False
    stood, memory = (
        stepper.w.copy(),
        vars(stepper).get("memory"),
    )  # which steppers with one replace, not change
    try:
        first = stepper.start(want_costs or watch_costs or n_epochs == 0)
        run.first_cost, run.last_cost = first, first if watch_costs or want_costs else None
        if want_costs:
            costs[0] = first
        if want_weights:
            weights[0] = stepper.w
        diverged = first is not None and not math.isfinite(first)
        if diverged:
            check_data()
        if keeper is not None:
            whole = EpochBatch(costs, losses, weights, gradients, norms)
            epoch = keeper.resume(run, whole, stepper, watch)
            diverged |= run.diverged
        per_call = 1 if watch is not None and watch.wants_each_epoch else stepper.epochs_per_call
        while epoch < n_epochs and (allow_divergence or not diverged) and not (run.converged or run.stopped):
            stop = min(n_epochs, epoch + per_call)
            part = batch if stop - epoch == n_epochs else batch.part(epoch, stop)
            if watch_costs and not want_costs:
                part = replace(part, costs=np.empty(stop - epoch))
            if epoch:
                stood, memory = stepper.w.copy(), vars(stepper).get("memory")
            if keeper is not None:
                keeper.between(epoch, run, whole, stepper, watch)
            taken = np.array(rates[epoch:stop])
            done = stepper.advance(taken, part, allow_divergence)
            if rates.flags.writeable:  # backtracking scales them
                rates[epoch : epoch + done] = taken[:done]
            if done < stop - epoch and not stepper.has_converged:
                diverged = True
            if epoch == 0 and (done == 0 or allow_divergence) and (diverged or not _is_finite(stepper.w)):
                check_data()
            if done and len(part.costs):
                run.last_cost = float(part.costs[done - 1])
            run.n_epochs, run.diverged = epoch + done, diverged
            run.converged = bool(stepper.has_converged)
            if watch is not None and done and watch.after(run, float(rates[epoch + done - 1])):
                rates[epoch + done :] /= LOWERED
            # An epoch is whole when all that is said of it has been said.
            epoch, stood, memory = epoch + done, stepper.w, vars(stepper).get("memory")
            if run.error is not None:
                break
        if keeper is not None:
            if run.error is None:  # else the last epoch is gone through again
                keeper.between(epoch, run, whole, stepper, watch)
            keeper.write()
    except KeyboardInterrupt as interrupt:
        if keeper is not None:
            with contextlib.suppress(KeyboardInterrupt):  # another: there is no time for it
                keeper.write()
        if want_weights and not epoch:
            weights[0] = stood
        stepper.w, run.error, run.is_interrupted = stood, interrupt, True
        if memory is not None:
            stepper.memory = memory  # type: ignore[attr-defined]
    run.n_epochs, run.diverged = epoch, diverged
    run.costs = costs[: epoch + 1] if want_costs and run.first_cost is not None else None
    run.losses = losses[:epoch] if want_losses else None
    run.weights = weights[: epoch + 1] if want_weights else None
    run.gradients = gradients[:epoch] if want_gradients else None
    if want_norms:
        run.changes = norms[:epoch]
    if watch is not None and watch.validate is not None:
        run.validation_costs = np.array(watch.validations)
    if not stop_when_diverged:
        run.diverged = not _is_finite(stepper.w) or (
            run.costs is not None and not math.isfinite(costs[epoch])
        )
    if epoch and not (run.diverged or run.converged):
        run.converged = run.has_stalled = stepper.has_stalled
    return run


def _is_finite(w: Floats) -> bool:
    return bool(np.isfinite(w).all())


def check_history(history: History, n_epochs: int, n_samples: int, d: int, n_runs: int = 1) -> None:
    """Refuse a history that would not fit into 1 GB."""
    numbers = 2 * n_runs * (n_epochs + 1) if history is not None else 0
    if history in ("epochs", "samples"):
        numbers += n_runs * (n_epochs + 1) * d
    remedy = 'history="costs"'
    if history == "samples":
        numbers += n_epochs * n_samples * d
        remedy = 'history="epochs"'
    elif history == "costs":
        remedy = "history=None"
    runs = f"{n_runs} runs of " if n_runs > 1 else ""
    samples = f" and {n_samples} samples" if n_samples else ""
    if 8 * numbers > HISTORY_BYTES:
        raise ValueError(
            f"history={history!r} would take {8e-9 * numbers:.1f} GB for {runs}{n_epochs} epochs of {d} "
            f"weights{samples}; at most 1 GB is kept: pass {remedy}, or fewer epochs"
        )

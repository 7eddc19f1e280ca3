"""The epoch loop: it advances a stepper, records the histories and runs the callbacks."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.solver.steppers.base import EpochBatch, Stepper, StepperState

History = Literal["epochs", "samples", "costs"] | None
HISTORIES: tuple[History, ...] = ("epochs", "samples", "costs", None)
HISTORY_BYTES = 1_000_000_000
_NO_LOSSES: Floats = np.empty(0)
_NO_GRADIENTS = np.empty((0, 1, 0))


@dataclass(slots=True)
class Run:
    """The outcome of a run. Histories are cut to the epochs done, and None if they are not recorded."""

    state: StepperState
    """The state after the last whole epoch."""
    n_epochs: int
    costs: Floats | None
    losses: Floats | None
    weights: Floats | None
    gradients: Floats | None
    diverged: bool
    """Whether w or its cost was infinite or NaN at the start, or became so in epoch n_epochs (from 0)."""
    converged: bool
    """Whether a stopping rule was met, or the last epoch left w unchanged up to rounding."""
    first_cost: float | None
    last_cost: float | None
    """The cost at w0 and at the end, also without a history of costs; None if it was not computed."""
    stopped: str = ""
    """What ended the run before its last epoch, part of a sentence."""
    changes: Floats | None = None
    """The values of the stopping rule: norms of the gradients, or relative falls of the lowest cost."""
    validation_costs: Floats | None = None
    has_stalled: bool = False
    """Whether the run converged without a stopping rule, since the last epoch left w unchanged."""
    is_revoked: bool = False
    """Whether a stopping rule ended the run although it could not notice the slowest weights."""
    error: BaseException | None = None
    """The error of a callback, or an interrupt."""
    is_interrupted: bool = False
    """Whether an interrupt came during an epoch, which was undone."""


class Callback(Protocol):
    """Looks at a run after each epoch, and may end it."""

    def after(self, run: Run, rate: float) -> None:
        """Called after each epoch, with its rate. To end the run, set its `converged`, `stopped` or
        `error`."""

    def state(self) -> list[Any]:
        """The state to store in a checkpoint."""

    def restore(self, state: list[Any]) -> None:
        """Restore the state of an earlier process."""


class Keeper(Protocol):
    """Saves the progress of a run, so that another process can resume it."""

    def resume(self, run: Run, batch: EpochBatch, callbacks: Sequence[Callback]) -> None:
        """Restore the progress of an earlier process, if any."""

    def between(self, run: Run, batch: EpochBatch, callbacks: Sequence[Callback]) -> None:
        """Save the run between two epochs."""

    def write(self) -> None:
        """Write the saved progress now, since the process may end."""


class Recorded(NamedTuple):
    """The values that a run records."""

    history: History
    costs: bool
    losses: bool
    """Whether the run has losses of single rows (SGD). Without them costs take no extra pass."""
    norms: bool = False
    """Whether to record norms of gradients for a stopping rule."""
    n_gradients: int = 0
    """The number of gradients to record in each epoch: one of full-batch descent, or one of each sample."""


def run_epochs(
    stepper: Stepper,
    state: StepperState,
    rates: Floats,
    recorded: Recorded,
    callbacks: Sequence[Callback] = (),
    *,
    check_data: Callable[[], None],
    stop_when_diverged: bool = True,
    keeper: Keeper | None = None,
) -> Run:
    """Run one epoch for each rate from this state, and record the histories.

    `check_data` is called if the start or the first epoch is not finite. It raises an error if the data
    contains NaN or infinity. An interrupt ends the run after its last whole epoch, as its `error`.
    """
    run = Run(state, 0, None, None, None, None, False, False, None, None)
    progress = _Progress(stepper, run, rates, recorded, callbacks, check_data, not stop_when_diverged)
    try:
        progress.start(keeper)
        progress.advance(keeper)
        if keeper is not None:
            if run.error is None:  # after an error, a resumed run repeats the last epoch
                keeper.between(run, progress.recorded(), callbacks)
            keeper.write()
    except KeyboardInterrupt as interrupt:
        if keeper is not None:
            with contextlib.suppress(KeyboardInterrupt):  # a second interrupt cuts the writing short
                keeper.write()
        progress.undo_epoch(interrupt)
    progress.store_histories()
    if not stop_when_diverged:
        run.diverged = not _is_finite(run.state.point) or (
            run.costs is not None and not math.isfinite(run.costs[run.n_epochs])
        )
    if run.n_epochs and not (run.diverged or run.converged):
        run.converged = run.has_stalled = stepper.has_stalled(run.state)
    return run


class _Progress:
    """A run in progress, and the arrays of its histories."""

    def __init__(
        self,
        stepper: Stepper,
        run: Run,
        rates: Floats,
        recorded: Recorded,
        callbacks: Sequence[Callback],
        check_data: Callable[[], None],
        allow_divergence: bool,
    ):
        self._stepper, self._run, self._rates, self._callbacks = stepper, run, rates, callbacks
        self._check_data, self._allow_divergence = check_data, allow_divergence
        self._knows_costs = recorded.costs and (not recorded.losses or bool(callbacks))
        n_epochs, d, history = len(rates), len(run.state.point), recorded.history
        self._has_costs = recorded.costs and history is not None
        self._has_losses = recorded.losses and history is not None
        self._has_weights = history == "epochs" or history == "samples"
        self._costs = np.empty(n_epochs + 1 if self._has_costs else 0)
        self._weights = np.empty((n_epochs + 1 if self._has_weights else 0, d))
        losses, gradients = _NO_LOSSES, _NO_GRADIENTS
        if self._has_losses:
            losses = np.empty(n_epochs)
        if self._has_weights and recorded.n_gradients:
            gradients = np.empty((n_epochs, recorded.n_gradients, d))
        norms = np.empty(n_epochs) if recorded.norms else _NO_LOSSES
        self._batch = EpochBatch(self._costs[1:], losses, self._weights[1:], gradients, norms)
        self._committed = 0, run.state
        """The number of whole epochs and the state after them, for interrupts."""

    def recorded(self) -> EpochBatch:
        """All arrays, with the start as the first entry of costs and weights."""
        return replace(self._batch, costs=self._costs, weights=self._weights)

    def store_histories(self) -> None:
        """Store the histories in the run, cut to the epochs done."""
        run, batch = self._run, self._batch
        n = run.n_epochs
        if self._has_costs and run.first_cost is not None:
            run.costs = self._costs[: n + 1]
        if self._has_weights:
            run.weights = self._weights[: n + 1]
        if self._has_losses:
            run.losses = batch.losses[:n]
        if batch.gradients is not _NO_GRADIENTS:
            run.gradients = batch.gradients[:n]
        if len(batch.norms):
            run.changes = batch.norms[:n]

    def start(self, keeper: Keeper | None) -> None:
        run, needs_cost = self._run, self._knows_costs or self._has_costs
        run.state, first = self._stepper.start(run.state, needs_cost or not len(self._rates))
        run.first_cost, run.last_cost = first, first if needs_cost else None
        if self._has_costs:
            self._costs[0] = first
        if self._has_weights:
            self._weights[0] = run.state.point
        run.diverged = first is not None and not math.isfinite(first)
        if run.diverged:
            self._check_data()
        if keeper is not None:
            diverged = run.diverged
            keeper.resume(run, self.recorded(), self._callbacks)
            run.diverged |= diverged
        self._committed = run.n_epochs, run.state

    def advance(self, keeper: Keeper | None) -> None:
        run, n_epochs = self._run, len(self._rates)
        per_call = 1 if self._callbacks else self._stepper.epochs_per_call
        while run.n_epochs < n_epochs and not (
            (run.diverged and not self._allow_divergence) or run.converged or run.stopped or run.error
        ):
            if keeper is not None:
                keeper.between(run, self.recorded(), self._callbacks)
            self._epochs(min(n_epochs, run.n_epochs + per_call))

    def _epochs(self, stop: int) -> None:
        """Run the epochs before `stop` in one call of the stepper."""
        run, rates, part = self._run, self._rates, self._batch
        epoch = run.n_epochs
        if stop - epoch < len(rates):
            part = part.part(epoch, stop)
        if self._knows_costs and not self._has_costs:
            part = replace(part, costs=np.empty(stop - epoch))
        used = np.array(rates[epoch:stop])
        state, done = self._stepper.advance(run.state, used, part, self._allow_divergence)
        if rates.flags.writeable:  # backtracking scales them
            rates[epoch : epoch + done] = used[:done]
        diverged = run.diverged or (done < stop - epoch and not state.has_converged)
        if epoch == 0 and (done == 0 or self._allow_divergence) and (diverged or not _is_finite(state.point)):
            self._check_data()
        if done and len(part.costs):
            run.last_cost = float(part.costs[done - 1])
        run.state, run.n_epochs = state, epoch + done
        run.diverged, run.converged = diverged, state.has_converged
        if done:
            for callback in self._callbacks:
                callback.after(run, float(rates[run.n_epochs - 1]))
        self._committed = run.n_epochs, state

    def undo_epoch(self, interrupt: KeyboardInterrupt) -> None:
        """Undo the epoch that was interrupted."""
        run = self._run
        run.n_epochs, run.state = self._committed
        if not run.n_epochs and self._has_weights:
            self._weights[0] = run.state.point
        run.error, run.is_interrupted = interrupt, True


def _is_finite(w: Floats) -> bool:
    return bool(np.isfinite(w).all())


def check_history(history: History, n_epochs: int, n_gradients: int, d: int, n_runs: int = 1) -> None:
    """Refuse a history that would not fit into 1 GB. `n_gradients` is the number of each epoch."""
    if 8 * n_runs * (n_epochs + 1) * (2 + d + n_gradients * d) <= HISTORY_BYTES:  # any history fits
        return
    numbers = 2 * n_runs * (n_epochs + 1) if history is not None else 0
    if history in ("epochs", "samples"):
        numbers += n_runs * (n_epochs + 1 + n_epochs * n_gradients) * d
    remedy = 'history="costs"'
    if history == "samples":
        remedy = 'history="epochs"'
    elif history == "costs":
        remedy = "history=None"
    runs = f"{n_runs} runs of " if n_runs > 1 else ""
    kept = f" and {n_gradients} samples" if history == "samples" else ""
    if 8 * numbers > HISTORY_BYTES:
        raise ValueError(
            f"history={history!r} would take {8e-9 * numbers:.1f} GB for {runs}{n_epochs} epochs of {d} "
            f"weights{kept}; at most 1 GB is kept: pass {remedy}, or fewer epochs"
        )

"""The one epoch loop: it advances a stepper and records what epochs leave, whatever answers for the data."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.solver.steppers.base import EpochBatch, Stepper

History = Literal["epochs", "samples", "costs"] | None
HISTORIES: tuple[History, ...] = ("epochs", "samples", "costs", None)
HISTORY_BYTES = 1_000_000_000
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


class Callback(Protocol):
    """Looks at a run after each epoch, and may end it."""

    def after(self, run: Run, rate: float) -> None:
        """Look at the last epoch, which had this rate. `converged`, `stopped` or `error` end the run."""

    def state(self) -> list[Any]:
        """What it must know to go on in another process."""

    def restore(self, state: list[Any]) -> None:
        """Take the state of an earlier process."""


class Keeper(Protocol):
    """Saves the progress of a run, so that another process can go on from there."""

    def resume(self, run: Run, batch: EpochBatch, stepper: Stepper, callbacks: Sequence[Callback]) -> int:
        """Restore what an earlier process has saved. Returns the number of epochs done, 0 for none."""

    def between(
        self, epoch: int, run: Run, batch: EpochBatch, stepper: Stepper, callbacks: Sequence[Callback]
    ) -> None:
        """Save the run, of which so many epochs are done; the next has not begun."""

    def write(self) -> None:
        """Write what was saved. There may be no later time for it."""


class Recorded(NamedTuple):
    """What a run records."""

    history: History
    costs: bool
    losses: bool
    """Whether there are losses of single rows. Without them costs need no read of their own."""
    norms: bool = False
    """Whether the norms of gradients are kept for a stopping rule."""
    n_samples: int = 0
    """The number of gradients an epoch that history="samples" keeps."""


def run_epochs(
    stepper: Stepper,
    rates: Floats,
    recorded: Recorded,
    callbacks: Sequence[Callback] = (),
    *,
    check_data: Callable[[], None],
    stop_when_diverged: bool = True,
    keeper: Keeper | None = None,
) -> Run:
    """Move the stepper's weights on by one epoch a rate, and record what is asked for.

    `check_data` is called when the first epoch leaves something that is not finite; it raises where the data
    is to blame. An interrupt ends the run after its last whole epoch, and is its `error`.
    """
    run = Run(0, None, None, None, None, False, False, None, None)
    progress = _Progress(stepper, rates, recorded, callbacks, check_data, not stop_when_diverged)
    try:
        progress.start(run, keeper)
        progress.advance(run, keeper)
        if keeper is not None:
            if run.error is None:  # else the last epoch is done again
                keeper.between(run.n_epochs, run, progress.recorded(), stepper, callbacks)
            keeper.write()
    except KeyboardInterrupt as interrupt:
        if keeper is not None:
            with contextlib.suppress(KeyboardInterrupt):  # another: there is no time for it
                keeper.write()
        progress.take_back(run, interrupt)
    progress.hand_over(run)
    if not stop_when_diverged:
        run.diverged = not _is_finite(stepper.w) or (
            run.costs is not None and not math.isfinite(run.costs[run.n_epochs])
        )
    if run.n_epochs and not (run.diverged or run.converged):
        run.converged = run.has_stalled = stepper.has_stalled
    return run


class _Progress:
    """A run while it goes on, and the arrays that record it."""

    def __init__(
        self,
        stepper: Stepper,
        rates: Floats,
        recorded: Recorded,
        callbacks: Sequence[Callback],
        check_data: Callable[[], None],
        allow_divergence: bool,
    ):
        self._stepper, self._rates, self._callbacks = stepper, rates, callbacks
        self._check_data, self._allow_divergence = check_data, allow_divergence
        self._knows_costs = recorded.costs and (not recorded.losses or bool(callbacks))
        n_epochs, d, history = len(rates), len(stepper.w), recorded.history
        self._has_costs = recorded.costs and history is not None
        self._has_losses = recorded.losses and history is not None
        self._has_weights = history == "epochs" or history == "samples"
        self._costs = np.empty(n_epochs + 1 if self._has_costs else 0)
        self._weights = np.empty((n_epochs + 1 if self._has_weights else 0, d))
        losses, gradients = _NO_LOSSES, _NO_GRADIENTS
        if self._has_losses:
            losses = np.empty(n_epochs)
        if history == "samples":
            gradients = np.empty((n_epochs, recorded.n_samples, d))
        norms = np.empty(n_epochs) if recorded.norms else _NO_LOSSES
        self._batch = EpochBatch(self._costs[1:], losses, self._weights[1:], gradients, norms)
        self._keep(0, stepper.w.copy())

    def _keep(self, epoch: int, w: Floats) -> None:
        """Keep where the run stands after so many whole epochs."""
        # Steppers with momentum or an average replace their memory; they do not change it.
        self._whole = epoch, w, vars(self._stepper).get("memory")

    def recorded(self) -> EpochBatch:
        """All arrays, with the start as the first entry of costs and weights."""
        return replace(self._batch, costs=self._costs, weights=self._weights)

    def hand_over(self, run: Run) -> None:
        """Hand the run the arrays, cut to the epochs that were done."""
        n, batch = run.n_epochs, self._batch
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

    def start(self, run: Run, keeper: Keeper | None) -> None:
        stepper = self._stepper
        needs_cost = self._knows_costs or self._has_costs
        first = stepper.start(needs_cost or not len(self._rates))
        run.first_cost, run.last_cost = first, first if needs_cost else None
        if self._has_costs:
            self._costs[0] = first
        if self._has_weights:
            self._weights[0] = stepper.w
        run.diverged = first is not None and not math.isfinite(first)
        if run.diverged:
            self._check_data()
        if keeper is not None:
            diverged = run.diverged
            run.n_epochs = keeper.resume(run, self.recorded(), stepper, self._callbacks)
            run.diverged |= diverged

    def advance(self, run: Run, keeper: Keeper | None) -> None:
        n_epochs, stepper = len(self._rates), self._stepper
        per_call = 1 if self._callbacks else stepper.epochs_per_call
        while run.n_epochs < n_epochs and not (
            (run.diverged and not self._allow_divergence) or run.converged or run.stopped or run.error
        ):
            stop = min(n_epochs, run.n_epochs + per_call)
            if run.n_epochs:
                self._keep(run.n_epochs, stepper.w.copy())
            if keeper is not None:
                keeper.between(run.n_epochs, run, self.recorded(), stepper, self._callbacks)
            self._epochs(run, stop)

    def _epochs(self, run: Run, stop: int) -> None:
        """The epochs before `stop`, in one call of the stepper."""
        epoch, rates, stepper, part = run.n_epochs, self._rates, self._stepper, self._batch
        if stop - epoch < len(rates):
            part = part.part(epoch, stop)
        if self._knows_costs and not self._has_costs:
            part = replace(part, costs=np.empty(stop - epoch))
        used = np.array(rates[epoch:stop])
        done = stepper.advance(used, part, self._allow_divergence)
        if rates.flags.writeable:  # backtracking scales them
            rates[epoch : epoch + done] = used[:done]
        diverged = run.diverged or (done < stop - epoch and not stepper.has_converged)
        if epoch == 0 and (done == 0 or self._allow_divergence) and (diverged or not _is_finite(stepper.w)):
            self._check_data()
        if done and len(part.costs):
            run.last_cost = float(part.costs[done - 1])
        whole = epoch + done
        run.n_epochs, run.diverged, run.converged = whole, diverged, bool(stepper.has_converged)
        if done:
            for callback in self._callbacks:
                callback.after(run, float(rates[whole - 1]))
        self._keep(whole, stepper.w)  # an epoch is whole when all callbacks have seen it

    def take_back(self, run: Run, interrupt: KeyboardInterrupt) -> None:
        """Undo the epoch that an interrupt has broken off."""
        run.n_epochs, self._stepper.w, memory = self._whole
        if memory is not None:
            vars(self._stepper)["memory"] = memory
        if not run.n_epochs and self._has_weights:
            self._weights[0] = self._stepper.w
        run.error, run.is_interrupted = interrupt, True


def _is_finite(w: Floats) -> bool:
    return bool(np.isfinite(w).all())


def check_history(history: History, n_epochs: int, n_samples: int, d: int, n_runs: int = 1) -> None:
    """Refuse a history that would not fit into 1 GB."""
    if 8 * n_runs * (n_epochs + 1) * (2 + d + n_samples * d) <= HISTORY_BYTES:  # whatever is kept
        return
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

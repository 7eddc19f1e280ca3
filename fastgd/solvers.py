"""The one epoch loop: histories, divergence, interrupts, whatever answers for the data."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fastgd.engine import Floats
from fastgd.oracles.base import Histories, Oracle

History = Literal["epochs", "samples", "costs"] | None
HISTORIES: tuple[History, ...] = ("epochs", "samples", "costs", None)
HISTORY_BYTES = 1_000_000_000
_NO_LOSSES = np.empty(0)
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
    """Whether the last epoch left w as it was, to rounding."""
    first_cost: float | None
    last_cost: float | None
    """The cost at w0 and at the end, also where it is not kept; None where it was not known."""


def run_epochs(
    oracle: Oracle,
    rates: Floats,
    history: History,
    *,
    want_costs: bool,
    want_losses: bool,
    n_samples: int,
    stop_when_diverged: bool,
    check_data: Callable[[], None],
) -> Run:
    """Move the oracle's weights on by one epoch a rate, and keep what `history` asks for.

    `check_data` is called when the first epoch leaves something that is not finite; it raises where
    the data is to blame.
    """
    n_epochs, d = len(rates), len(oracle.w)
    watch_costs = want_costs and not want_losses  # a descent's costs are free
    want_costs = want_costs and history is not None
    want_losses = want_losses and history is not None
    want_weights = history in ("epochs", "samples")
    want_gradients = history == "samples"

    costs = np.empty(n_epochs + 1 if want_costs else 0)
    weights = np.empty((n_epochs + 1 if want_weights else 0, d))
    losses = np.empty(n_epochs) if want_losses else _NO_LOSSES
    gradients = np.empty((n_epochs, n_samples, d)) if want_gradients else _NO_GRADIENTS
    keep = Histories(costs[1:], losses, weights[1:], gradients)
    first = oracle.start(want_costs or n_epochs == 0)
    if want_costs:
        costs[0] = first
    if want_weights:
        weights[0] = oracle.w

    epoch, last = 0, first if watch_costs or want_costs else None
    diverged = first is not None and not math.isfinite(first)
    if diverged:
        check_data()
    while epoch < n_epochs and not (diverged and stop_when_diverged):
        stop = min(n_epochs, epoch + oracle.epochs_per_call)
        part = keep if stop - epoch == n_epochs else keep.part(epoch, stop)
        if watch_costs and not want_costs:
            part = replace(part, costs=np.empty(stop - epoch))
        done = oracle.advance(np.ascontiguousarray(rates[epoch:stop]), part, not stop_when_diverged)
        if done < stop - epoch:
            diverged = True
        if epoch == 0 and (done == 0 or not stop_when_diverged) and (diverged or not _is_finite(oracle.w)):
            check_data()
        if done and len(part.costs):
            last = float(part.costs[done - 1])
        epoch += done
    if not stop_when_diverged:
        diverged = not _is_finite(oracle.w) or (want_costs and not math.isfinite(costs[-1]))
    return Run(
        epoch,
        costs[: epoch + 1] if want_costs else None,
        losses[:epoch] if want_losses else None,
        weights[: epoch + 1] if want_weights else None,
        gradients[:epoch] if want_gradients else None,
        diverged,
        epoch > 0 and not diverged and _is_still(oracle.before, oracle.w),
        first,
        last,
    )


def _is_finite(w: Floats) -> bool:
    return bool(np.isfinite(w).all())


def _is_still(before: Floats, w: Floats) -> bool:
    """Whether no weight moved by more than a few roundings."""
    few = 4 * sys.float_info.epsilon
    # Most runs are told by their first weight, without a pass over all.
    if not abs(w[0] - before[0]) <= few * abs(w[0]):
        return False
    return bool((np.abs(w - before) <= few * np.abs(w)).all())


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
    if 8 * numbers > HISTORY_BYTES:
        raise ValueError(
            f"history={history!r} would take {8e-9 * numbers:.1f} GB for {runs}{n_epochs} epochs of {d} "
            f"weights and {n_samples} samples; at most 1 GB is kept: pass {remedy}, or fewer epochs"
        )

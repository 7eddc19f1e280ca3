"""Which stepper answers: by backend, by the number of rows, and by what the planner says."""

from __future__ import annotations

import numpy as np

from fastgd.data.dataset import Table
from fastgd.engine.blocks import Floats
from fastgd.solver import planner
from fastgd.solver.orders import Order
from fastgd.solver.planner import Choice
from fastgd.solver.steppers.base import Stepper
from fastgd.solver.steppers.exact import BlockDescent, BlockSgd
from fastgd.solver.steppers.streaming import StreamedDescent, StreamedSgd
from fastgd.solver.steppers.summary import MapSgd, SummaryDescent
from fastgd.solver.summaries import Summaries

RATES = 1e-50, 1e50
"""Of rates beyond these, and of the x that they are for, products of several overflow or vanish."""
MOST_SCANNED = 0.125
"""Where more of the blocks than this would have to be scanned, all are."""


def for_descent(
    rows: Table,
    w: Floats,
    n_epochs: int,
    *,
    n_threads: int | None,
    method: Choice,
    summaries: Summaries,
) -> Stepper:
    """The stepper of full-batch descent for these rows; `n_epochs` counts those of all runs on them."""
    is_one_block = rows.is_one_block
    if method == "auto" and is_one_block:
        method = "stream"
    if method == "auto":
        method = "summary" if summaries.has_statistics else planner.descent_of(rows, rows.d, n_epochs)
    if method == "summary" and summaries.statistics.is_finite():
        return SummaryDescent(w, summaries)
    return BlockDescent(rows, w) if is_one_block else StreamedDescent(rows, w, n_threads)


def for_sgd(
    rows: Table,
    w: Floats,
    rates: Floats,
    *,
    n_threads: int | None,
    method: Choice,
    summaries: Summaries,
    order: Order,
    track_cost: bool,
    keeps_samples: bool,
    epoch: int = 0,
) -> Stepper:
    """The stepper of SGD for these rows; the orders drawn are those of epoch number `epoch` and on."""
    if order.shuffle is True or keeps_samples or not len(rates) or (method == "auto" and rows.is_one_block):
        method = "stream"
    distinct = distinct_rates(rates)
    if method == "auto":
        method = planner.sgd(
            rows.n, rows.d, len(rates), len(distinct), track_cost, rows.row_bytes, order.shuffle is False
        )
    if method == "summary":
        by_maps = map_sgd(rows, w, summaries, distinct, distinct, order, track_cost, epoch)
        if by_maps is not None:
            return by_maps
    if rows.is_one_block:
        return BlockSgd(rows, w, order, epoch)
    return StreamedSgd(rows, w, n_threads, order, epoch)


def for_sgds(
    rows: Table,
    starts: list[Floats],
    rates: list[Floats],
    *,
    n_threads: int | None,
    method: Choice,
    summaries: Summaries,
    order: Order,
    track_cost: bool,
) -> list[Stepper]:
    """Of several runs: maps for the rates of all by one read, or a scan an epoch for each run."""
    own = [distinct_rates(each) for each in rates]
    together = np.unique(np.concatenate([each for each in own if _has_maps(each)] or [np.empty(0)]))
    n_epochs = sum(map(len, rates))
    by_maps = order.shuffle is not True and n_epochs > 0
    if by_maps and method == "auto":
        plan = planner.sgd(
            rows.n, rows.d, n_epochs, len(together), track_cost, rows.row_bytes, order.shuffle is False
        )
        by_maps = plan == "summary" and not rows.is_one_block
    steppers: list[Stepper] = []
    for w, each, distinct in zip(starts, rates, own, strict=True):
        stepper: Stepper | None = None
        if by_maps and method != "stream":
            stepper = map_sgd(rows, w, summaries, together, distinct, order, track_cost)
        if stepper is None:
            stepper = for_sgd(
                rows, w, each, n_threads=n_threads, method="stream", summaries=summaries,
                order=order, track_cost=track_cost, keeps_samples=False,
            )  # fmt: skip
        steppers.append(stepper)
    return steppers


def map_sgd(
    rows: Table,
    w: Floats,
    summaries: Summaries,
    all_rates: Floats,
    rates: Floats,
    order: Order,
    track_cost: bool,
    epoch: int = 0,
) -> MapSgd | None:
    """SGD by maps; None where most digits would be lost, or squares overflow."""
    if not _has_maps(rates):
        return None
    stepper = MapSgd(rows, w, summaries, all_rates, rates, order, track_cost, epoch)
    can = summaries.statistics.is_finite() and np.mean(~stepper.is_safe) <= MOST_SCANNED
    return stepper if can else None


def _has_maps(rates: Floats) -> bool:
    return bool(len(rates) and RATES[0] < rates[0] and rates[-1] < RATES[1])


def distinct_rates(rates: Floats) -> Floats:
    """Each rate once, ascending."""
    return rates[:1].copy() if rates.strides == (0,) else np.unique(rates)

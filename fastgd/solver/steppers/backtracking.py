"""Rates by backtracking, for full-batch descent where the curvature of the loss has no bound.

An epoch tries the rate of the epoch before times a growth, and halves it until the gradient changes along the
step by no more than a curvature of 1/rate makes:

    α (∇f(new) − ∇f(at))·(new − at) <= ‖new − at‖²,     f the smooth part of the cost.

The growth is 2 until a rate is halved for the first time, and then small, as each halving costs a read.
(Gradients are compared and not costs, whose differences are rounding near the optimum.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgd.engine.blocks import Floats

FIRST_GROWTH, GROWTH = 2.0, 1.1
HALVINGS = 200
"""A rate that was halved so often moves nothing: the step that it makes has the last word."""


def backtracked(
    rate: float, scale: float, growth: float, attempt: Callable[[float], tuple[Any, Any]]
) -> tuple[float, float, float]:
    """A rate that is short enough, and the scale and the growth for the next epoch.

    `rate` is the rate of a schedule, which `scale` multiplies. `attempt(rate)` returns new − at and
    ∇f(new) − ∇f(at).
    """
    scale *= growth
    for _ in range(HALVINGS):
        step, change = attempt(scale * rate)
        if is_short(scale * rate, np.asarray(step), np.asarray(change)):
            break
        scale, growth = 0.5 * scale, GROWTH
    return scale * rate, scale, growth


@np.errstate(over="ignore", invalid="ignore")
def is_short(rate: float, step: Floats, change: Floats) -> bool:
    """Whether the curvature along the step is at most 1/rate; False if the step is not finite."""
    return bool(np.isfinite(step).all() and rate * np.sum(change * step) <= np.sum(step * step))

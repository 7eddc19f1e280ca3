"""Rates by backtracking, for full-batch descent on losses whose curvature has no bound.

An epoch tries the rate of the previous epoch times a growth factor, and halves it until the curvature along
the step is at most 1/rate:

    α (∇f(new) − ∇f(at))·(new − at) <= ‖new − at‖²,     f the smooth part of the cost.

The growth factor is 2 until a rate is halved for the first time, and then smaller, as each halving costs a
pass. (Costs are not compared, since their differences are rounding near the optimum.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgd.engine.blocks import Floats

FIRST_GROWTH, GROWTH = 2.0, 1.1
HALVINGS = 200
"""After this many halvings the rate moves nothing, and is accepted."""


def backtracked(
    rate: float, scale: float, growth: float, attempt: Callable[[float], tuple[Any, Any]]
) -> tuple[float, float, float]:
    """An accepted rate, and the scale and the growth factor for the next epoch.

    `scale` multiplies `rate`, the rate of a schedule. `attempt(rate)` returns new − at and
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

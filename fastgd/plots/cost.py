"""The cost against the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastgd.plots.style import STEPS, Run, Style, finite_part, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_cost(fit: Run, ax: Axes | None) -> Axes:
    values, first, label = fit.cost_history, 0, "cost"
    if values is None:
        values, first, label = fit.loss_history, 1, "loss of the last sample"
    if values is None:
        remedy = " and, for SGD, track_cost=True" if fit.solver == "sgd" else ""
        raise ValueError(f'plot() needs the costs, and this run kept none: fit with history="epochs"{remedy}')
    values = values[: finite_part(values)]
    ax = new_axes(ax)
    dots: Style = {"marker": "o", "markersize": 4} if len(values) <= 31 else {}
    ax.plot(np.arange(first, first + len(values)), values, color=STEPS["color"], **dots)
    if values.max() > 100 * values.min():
        ax.set_yscale("log")
        label += "" if values.all() else " (below the axis: exactly 0)"
    ax.locator_params(axis="x", integer=True)
    ax.set(xlabel="epoch", ylabel=label)
    return ax

"""The cost against the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.plots.divergence import View
from fastgd.plots.style import FEW_DOTS, RUN, Run, Style, axes_for, next_colour, runs_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOM = {"linear": 4.0, "log": 1e6}
"""The costs of a run that diverges are drawn up to this many times the first."""
LOSS = "loss of the last sample"


def plot_cost(fit: Run, ax: Axes | None = None, label: str | None = None, scale: str = "linear") -> Axes:
    """Draw the costs, and the costs of held-out rows if there are any."""
    values, first, name = fit.cost_history, 0, "cost"
    if values is None:
        values, first, name = fit.loss_history, 1, LOSS
    if values is None or not len(values):
        remedy = " and, for SGD, track_cost=True" if fit.solver == "sgd" else ""
        raise ValueError(f'plot() needs the costs, and this run kept none: fit with history="epochs"{remedy}')
    view = view_of(values, fit.diverged, scale, first)
    if scale == "log" and not values[: view.n].max() > 0.0:
        raise ValueError('every cost is 0, which has no place on a log scale: use scale="linear"')
    ax = axes_for(fit, ax, label)
    if runs_on(ax) and not ax.get_ylabel().startswith(name):
        raise ValueError(
            f"these axes show the {ax.get_ylabel()}, and this run has the {name}: "
            "fit SGD with track_cost=True"
        )
    held_out, colour = fit.validation_history, next_colour(ax)
    style: Style = {"color": colour, "label": label or ("cost" if held_out is None else "training")}
    draw_curve(ax, values, first, view, style)
    if held_out is not None:
        name_of_curve = f"{label}, validation" if label else "validation"
        ax.plot(np.arange(1, view.n), held_out[: view.n - 1], "--", color=colour, label=name_of_curve)
    set_scale(ax, name, scale, values[: view.n])
    view.say(ax, label)
    if label or held_out is not None:
        ax.legend(fontsize="small")
    return ax


def view_of(values: Floats, diverged: bool, scale: str, first: int = 0) -> View:
    """The part of a curve of costs that is drawn. `first` is the epoch of the first cost."""
    return View(values, diverged, ROOM[scale], is_log=scale == "log", begin=first)


def draw_curve(ax: Axes, values: Floats, first: int, view: View, style: Style) -> None:
    """Draw the part of a curve that the view has, and the way out of the picture. It counts as a run."""
    dots: Style = {"marker": "o", "markersize": 4} if view.n <= FEW_DOTS else {}
    epochs = np.arange(first, first + view.n)
    ax.plot(epochs, values[: view.n], gid=RUN, **dots, **style)
    if view.is_cut:
        way = [epochs[-1], epochs[-1] + view.exit], [values[view.n - 1], view.top]
        ax.plot(*way, ":", color=style["color"])


def set_scale(ax: Axes, name: str, scale: str, values: Floats) -> None:
    """Label the axes of costs and set their scale."""
    if scale == "log":
        ax.set_yscale("log")
        name += " (log scale)" if values.all() else " (log scale; below the axis: exactly 0)"
    ax.locator_params(axis="x", integer=True)
    ax.set(xlabel="epoch", ylabel=name)

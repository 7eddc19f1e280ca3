"""The steps of w down the bowl of the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.plots.bowl import Bowl
from fastgd.plots.style import BOWL, END, MINIMUM, START, STEPS, Run, finite_part, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_path(fit: Run, ax: Axes | None) -> Axes:
    if np.size(fit.w) > 2:
        raise ValueError(f'plot(kind="path") draws 1 weight or 2, not {np.size(fit.w)}: use kind="cost"')
    if not fit._is_lesson:
        raise ValueError(
            'plot(kind="path") draws the bowl of mean squared errors; this fit has an intercept, weights, '
            'a penalty or another loss: use kind="cost"'
        )
    if fit.w_history is None:
        raise ValueError('plot(kind="path") needs the weights of every epoch: fit with history="epochs"')
    path = fit.w_history.reshape(len(fit.w_history), -1)
    if fit._rows is None:
        raise ValueError(
            'plot(kind="path") needs the data, and this result was stored without its data: use kind="cost"'
        )
    bowl = Bowl.of(fit._statistics())
    costs = bowl(path) if fit.cost_history is None else fit.cost_history
    shown = finite_part(costs)
    path, costs = path[:shown], costs[:shown]
    minimum = bowl.minimum_next_to(path[np.argmin(costs)])
    ax = new_axes(ax)
    if path.shape[1] == 1:
        _draw_on_parabola(ax, bowl, path, costs, minimum)
    else:
        _draw_on_contours(ax, bowl, path, minimum)
    ax.legend(loc="best", fontsize="small")
    return ax


def _draw_on_parabola(ax: Axes, bowl: Bowl, path: Floats, costs: Floats, minimum: Floats) -> None:
    w, lowest = path[:, 0], minimum[0]
    half = 1.1 * float(np.abs(w - lowest).max())  # show both sides of the bowl, a little past the steps
    if half <= 1e-6 * abs(lowest):
        half = abs(lowest) or 1.0
    grid = np.linspace(lowest - half, lowest + half, 201)
    ax.plot(grid, bowl(grid[:, None]), **BOWL)
    _draw_steps(ax, w, costs, (lowest, float(bowl(minimum))))
    ax.set(xlabel="w", ylabel="cost")


def _draw_on_contours(ax: Axes, bowl: Bowl, path: Floats, minimum: Floats) -> None:
    low, high = np.minimum(path.min(axis=0), minimum), np.maximum(path.max(axis=0), minimum)
    spread = high - low
    margin = np.maximum(0.15 * spread, 0.05 * spread.max()) if spread.any() else np.ones(2)
    horizontal, vertical = np.linspace(low - margin, high + margin, 121).T
    heights = bowl(np.stack(np.meshgrid(horizontal, vertical), axis=-1))
    # Squares of even steps give ellipses at even distances.
    lowest = float(bowl(minimum))
    levels = np.unique(lowest + (heights.max() - lowest) * (np.arange(1, 12) / 12) ** 2)
    contours = ax.contour(horizontal, vertical, heights, levels, colors="0.7", linewidths=0.8, zorder=1)
    ax.clabel(contours, levels[::3], fontsize="x-small", fmt="%.3g", colors="0.4")
    _draw_steps(ax, path[:, 0], path[:, 1], (minimum[0], minimum[1]))
    ax.set(xlabel="w[0]", ylabel="w[1]")


def _draw_steps(ax: Axes, across: Floats, up: Floats, minimum: tuple[float, float]) -> None:
    ax.plot(across, up, **STEPS)
    ax.plot(across[:1], up[:1], **START, color="black", linestyle="", label="start")
    ax.plot(*minimum, **MINIMUM, color="black", linestyle="", label="minimum")
    ax.plot(across[-1:], up[-1:], **END, color="black", linestyle="", label="end")

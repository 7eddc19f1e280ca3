"""The steps of a run down the bowl of its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.plots.bowl import Bowl
from fastgd.plots.steps import Steps
from fastgd.plots.style import ONCE, RUN, Run, Style, axes_for, drawn_once, next_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_UNLIKE = 20.0
"""Axes whose ranges differ by a larger factor have units of their own."""
MARGIN, SLIMMEST = 0.15, 0.75
"""The margin around the points, and the least ratio of the sides of a picture with equal units."""
WAY = "fastgd-way"
"""The group id of the way out of the picture."""
MARKS = "start", "end", "minimum"
BOWL: Style = {"color": "0.6", "linewidth": 1.5, "zorder": 1, "gid": ONCE}
LINE: Style = {"marker": "o", "markersize": 4, "linewidth": 1.2}
THIN: Style = {"marker": "o", "markersize": 2, "linewidth": 0.7}
FEW = 200
"""Paths of more points are thin."""
START: Style = {"marker": "o", "markersize": 8, "markerfacecolor": "white"}
MINIMUM: Style = {"marker": "+", "markersize": 16, "markeredgewidth": 1.5, "zorder": 4, "gid": ONCE}
END: Style = {"marker": "s", "markersize": 7, "zorder": 3}


def plot_path(fit: Run, ax: Axes | None = None, label: str | None = None) -> Axes:
    """Draw the steps on the parabola of one weight, or on the contours of two."""
    steps = Steps.of(fit, 'plot(kind="path")', single=True)
    ax = axes_for(fit, ax, label)
    draw_path(ax, steps, label)
    return ax


def draw_path(ax: Axes, steps: Steps, label: str | None) -> None:
    """Draw the steps of a run, and the bowl anew around all runs on these axes."""
    is_flat, view, colour = steps.points.shape[1] == 2, steps.view, next_colour(ax)
    places = steps.points if is_flat else np.column_stack([steps.points[:, 0], steps.costs])
    minimum = steps.minimum if is_flat else np.append(steps.minimum, steps.lowest)
    style: Style = LINE if view.n <= FEW else THIN
    ax.plot(*places[: view.n].T, color=colour, label=label or f"each {steps.noun}", gid=RUN, **style)
    _mark(ax, places[0], "start", colour, START)
    if view.is_cut:
        ax.plot(*np.transpose([places[view.n - 1], _exit(steps)]), ":", color=colour, gid=WAY)
    else:
        _mark(ax, places[-1], "end", "black", END | {"markerfacecolor": colour})
    for artist in drawn_once(ax):
        artist.remove()
    drawn = [line.get_xydata() for line in ax.lines if line.get_gid() in (RUN, WAY)]
    points = np.concatenate([*drawn, minimum[None]])
    if is_flat:
        _draw_contours(ax, steps.bowl, points, steps.minimum)
    else:
        draw_parabola(ax, steps.bowl, points[:, 0], minimum[0], view.top if view.is_cut else -np.inf)
    _mark(ax, minimum, "minimum", "black", MINIMUM)
    ax.set(xlabel=steps.names[0], ylabel=steps.names[1] if is_flat else "cost")
    view.say(ax, label)
    ax.legend(loc="best", fontsize="small")


def _exit(steps: Steps) -> Floats:
    """Where the step out of the picture ends."""
    view = steps.view
    last, following = steps.points[view.n - 1 : view.n + 1]
    if steps.points.shape[1] == 2:
        return steps.bowl.exit(last, following, view.top)
    return np.append(last + view.exit * (following - last), view.top)


def _mark(ax: Axes, at: Floats, name: str, colour: str, style: Style) -> None:
    """Draw a mark. The legend has the first one of its name."""
    label = "_" if name in [line.get_label() for line in ax.lines] else name
    ax.plot(*at[:, None], color=colour, linestyle="", label=label, **style)


def draw_parabola(ax: Axes, bowl: Bowl, w: Floats, lowest: float, top: float = -np.inf) -> None:
    """Draw the cost on both sides of its minimum, a little past the points, and at least up to `top`."""
    half = 1.1 * float(np.abs(w - lowest).max())
    if top > float(bowl(np.array([lowest]))):
        half = max(half, float(bowl.exit(np.array([lowest]), np.array([lowest + half]), top)[0]) - lowest)
    if half <= 1e-6 * abs(lowest):
        half = abs(lowest) or 1.0
    grid = np.linspace(lowest - half, lowest + half, 201)
    ax.plot(grid, bowl(grid[:, None]), **BOWL)


def _draw_contours(ax: Axes, bowl: Bowl, points: Floats, minimum: Floats) -> None:
    """Draw contours around the points. Both axes have one unit, unless one range is far longer."""
    low, high = points.min(axis=0), points.max(axis=0)
    spread = high - low
    size = spread.max() or 2.0
    is_alike = size <= MOST_UNLIKE * spread.min()
    wanted = np.maximum(spread, SLIMMEST * size) if is_alike else np.where(spread > 0.0, spread, size)
    middle, half = (low + high) / 2, (0.5 + MARGIN) * wanted
    low, high = middle - half, middle + half
    horizontal, vertical = np.linspace(low, high, 161).T
    heights = bowl(np.stack(np.meshgrid(horizontal, vertical), axis=-1))
    # Squares of even steps give ellipses at even distances.
    lowest = float(bowl(minimum))
    levels = np.unique(lowest + (heights.max() - lowest) * (np.arange(1, 12) / 12) ** 2)
    contours = ax.contour(horizontal, vertical, heights, levels, colors="0.7", linewidths=0.8, zorder=1)
    contours.set_gid(ONCE)
    ax.clabel(contours, levels[::3], fontsize="x-small", fmt="%.3g", colors="0.4")
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    ax.set_aspect("equal" if is_alike else "auto")

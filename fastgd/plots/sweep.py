"""The costs of the runs of a sweep against the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd import checks
from fastgd.plots.cost import ROOM, draw_curve, set_scale, view_of
from fastgd.plots.style import NAMES, Style, axes_of, rates, say, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IN_LEGEND = 8
"""More runs than these have a colour bar in place of a legend."""


def plot_sweep(sweep: Any, ax: Axes | None = None, scale: str = "linear") -> Axes:
    """Draw the cost of each run against the epoch; see `SweepResult.plot`."""
    checks.choice("scale", scale, ("linear", "log"))
    fits = sweep.fits
    if any(fit.cost_history is None for fit in fits):
        remedy = " and, for SGD, track_cost=True" if fits[0].solver == "sgd" else ""
        raise ValueError(
            f'plot() needs the costs, and these runs kept none: sweep with history="costs"{remedy}'
        )
    views = [view_of(fit.cost_history, fit.diverged, scale) for fit in fits]
    ax = axes_of(ax)
    has_bar, colours = len(fits) > IN_LEGEND and _draw_bar(ax, fits), _colours(fits)
    for fit, view, colour in zip(fits, views, colours, strict=True):
        label = rates(fit) + (" (diverged)" if fit.diverged else "")
        style: Style = {"color": colour, "linewidth": 1.2, "label": label}
        draw_curve(ax, fit.cost_history, 0, view, style)
    shown = [fit.cost_history[: view.n] for fit, view in zip(fits, views, strict=True)]
    set_scale(ax, "cost", scale, np.concatenate(shown))
    ax.set_title(f"{NAMES[fits[0].solver]}, {len(fits)} learning rates", fontsize="medium")
    if n_cut := sum(view.is_cut for view in views):
        say(
            ax,
            f"{n_cut} diverge{'s' * (n_cut == 1)}, drawn up to where the cost has grown {ROOM[scale]:g}-fold",
        )
    if not has_bar and len(fits) <= IN_LEGEND:
        ax.legend(title="learning rate", fontsize="small")
    return ax


def _first_rates(fits: list[Any]) -> Any:
    """The first rate of each run, which its colour shows. Runs without epochs have none."""
    return np.array([fit.learning_rates[0] if len(fit.learning_rates) else np.nan for fit in fits])


def _colours(fits: list[Any]) -> Any:
    """Colours from the least to the largest rate; of equal rates, in the order of the runs."""
    first = _first_rates(fits)
    if not _has_scale(first):
        return shades(len(fits))
    size = np.log(first / first.min()) / np.log(first.max() / first.min())
    return shades(256)[np.round(255 * size).astype(int)]


def _has_scale(first: Any) -> bool:
    return bool((first > 0.0).all() and first.max() > first.min())


def _draw_bar(ax: Axes, fits: list[Any]) -> bool:
    """Draw the colour bar of the rates, unless all are equal."""
    first = _first_rates(fits)
    if not _has_scale(first):
        return False
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm

    scale = ScalarMappable(LogNorm(first.min(), first.max()), ListedColormap(shades(256)))
    ax.figure.colorbar(scale, ax=ax, label="learning rate")
    return True

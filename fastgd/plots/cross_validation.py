"""The cost on held-out folds against the penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd.plots.style import PALETTE, Style, axes_of, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_cross_validation(result: Any, ax: Axes | None = None) -> Axes:
    """Draw the mean cost against the penalty; see `CVResult.plot`."""
    mean, error = result.mean, result.standard_error
    along_l1 = len(result.l1) > 1
    name, values = ("l1", result.l1) if along_l1 else ("l2", result.l2)
    others = result.l2 if along_l1 else result.l1
    curves = zip(*((mean.T, error.T) if along_l1 else (mean, error)), others, strict=True)
    ax = axes_of(ax)
    is_one, order = len(others) == 1, np.argsort(values)
    for (curve, bar, other), shade in zip(curves, shades(len(others)), strict=True):
        bars: Style = dict(elinewidth=0.8, capsize=1.5, linewidth=1.2, marker="o", markersize=3)
        colour = PALETTE[0] if is_one else shade
        label = "mean ± standard error" if is_one else f"l2 = {other:.3g}"
        ax.errorbar(values[order], curve[order], bar[order], color=colour, label=label, **bars)
    chosen = {"best": (result.best, "-"), "within one standard error": (result.best_one_se, "--")}
    for text, (penalties, line) in chosen.items():
        value = getattr(penalties, name)
        shown = f"{value:.3g}" if is_one else f"l1 = {penalties.l1:.3g}, l2 = {penalties.l2:.3g}"
        ax.axvline(value, color="0.4", linestyle=line, linewidth=1, label=f"{text}: {shown}")
    above = values[values > 0.0]
    if len(above) == len(values):
        ax.set_xscale("log")
    elif len(above):
        ax.set_xscale("symlog", linthresh=above.min())
        ax.set_xlim(left=-0.3 * above.min())
    n_folds = result.costs.shape[2]
    ax.set(xlabel=name, ylabel="cost on the held-out fold", title=f"{n_folds} folds")
    if len(others) <= 10:
        ax.legend(fontsize="small")
    return ax

"""The costs of the runs of a sweep against the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd.plots.style import HIGHEST, SOLVERS, new_axes, rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_sweep(sweep: Any, ax: Axes | None = None) -> Axes:
    """Draw the cost of each run against the epoch; see `SweepResult.plot`."""
    curves = [fit.cost_history for fit in sweep.fits]
    if any(curve is None for curve in curves):
        remedy = " and, for SGD, track_cost=True" if sweep.fits[0].solver == "sgd" else ""
        raise ValueError(
            f'plot() needs the costs, and these runs kept none: sweep with history="costs"{remedy}'
        )
    ax = new_axes(ax)
    shades = np.linspace(0.15, 0.9, len(curves))
    import matplotlib

    colours = matplotlib.colormaps["viridis"](shades)
    for fit, curve, colour in zip(sweep.fits, curves, colours, strict=True):
        assert curve is not None
        shown = int(np.argmin(curve < HIGHEST)) or len(curve)
        label = rates(fit) + (" (diverged)" if fit.diverged else "")
        ax.plot(np.arange(shown), curve[:shown], color=colour, linewidth=1.2, label=label)
    finite = np.concatenate([curve[curve < HIGHEST] for curve in curves if curve is not None])
    if finite.size and finite.max() > 100 * finite.min():
        ax.set_yscale("log")
    ax.locator_params(axis="x", integer=True)
    ax.set(
        xlabel="epoch", ylabel="cost", title=f"{SOLVERS[sweep.fits[0].solver]}, {len(curves)} learning rates"
    )
    if len(curves) <= 12:
        ax.legend(title="learning rate", fontsize="small")
    return ax

"""The bowl of one weight with tangents, and the step along the w axis that each of them gives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.plots.path import MINIMUM, draw_parabola
from fastgd.plots.steps import Steps, chosen
from fastgd.plots.style import PALETTE, RUN, Run, Style, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EPOCHS = 0, 1, 5
ACROSS, UP = 0.2, 0.3
"""Half a tangent has at most these shares of the width and of the height of the bowl."""
ROW = 0.07
"""The height below the bowl that each step has, as a share of the height of the bowl."""
ARROW: Style = {"arrowstyle": "-|>", "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 10}


def plot_tangent(
    fit: Run, ax: Axes | None = None, label: str | None = None, epochs: Sequence[int] | None = None
) -> Axes:
    """Draw the bowl, the tangent at w before each of these epochs, and the step along the w axis."""
    steps = Steps.of(fit, 'plot(kind="tangent")')
    if steps.points.shape[1] != 1:
        raise ValueError('plot(kind="tangent") draws one weight without an intercept: use kind="path"')
    view, lowest = steps.view, steps.lowest
    shown = chosen(epochs, EPOCHS, view.n - 1)
    ax = axes_for(fit, ax, label)
    w, costs = steps.points[:, 0], steps.costs
    draw_parabola(ax, steps.bowl, np.append(w[shown], w[0]), float(steps.minimum[0]))
    bowl = ax.lines[-1]
    width, height = float(np.ptp(bowl.get_xdata())), float(np.ptp(bowl.get_ydata())) or 1.0
    for row, (epoch, colour) in enumerate(zip(shown, cycle(PALETTE)), 1):
        here, floor = w[epoch], lowest - row * ROW * height
        across, up, slope = tangent(steps, epoch, width, height)
        name = f"{label}, epoch {epoch}" if label else f"epoch {epoch}"
        text = f"{name}: {_described(fit, steps, epoch, slope)}"
        ax.plot(across, up, color=colour, label=text)
        ax.plot([here, here], [costs[epoch], floor], ":", color=colour, linewidth=0.8)
        if epoch < len(w) - 1:
            share = view.exit if view.is_cut and epoch == view.n - 1 else 1.0
            after = here + share * (w[epoch + 1] - here)
            ax.annotate("", (after, floor), (here, floor), arrowprops={"color": colour, **ARROW})
    ax.plot(w[shown], costs[shown], "o", color="black", markersize=5, zorder=3, gid=RUN, label="_")
    ax.plot([steps.minimum[0]], [lowest], color="black", linestyle="", label="minimum", **MINIMUM)
    ax.set(xlabel=steps.names[0], ylabel="cost", ylim=(lowest - (len(shown) + 1) * ROW * height, None))
    ax.set_yticks([tick for tick in ax.get_yticks() if lowest <= tick <= ax.get_ylim()[1]])  # of costs only
    view.say(ax, label)
    ax.legend(fontsize="small")
    return ax


def tangent(steps: Steps, epoch: int, width: float, height: float) -> tuple[Floats, Floats, float]:
    """The ends of a tangent, across and up, and its slope. The bowl has this width and height."""
    here, slope = steps.points[epoch, 0], float(steps.bowl.slope(steps.points[epoch])[0])
    reach = min(ACROSS * width, UP * height / abs(slope) if slope else np.inf)
    across = np.array([here - reach, here + reach])
    return across, steps.costs[epoch] + slope * (across - here), slope


def _described(fit: Run, steps: Steps, epoch: int, slope: float) -> str:
    """The slope, and the step of the epoch: that of the formula, or another of SGD, momentum or scaling."""
    w, text = steps.points[:, 0], f"∂cost/∂w = {slope:.3g}"
    if epoch == len(w) - 1:
        return text
    step, plain = float(w[epoch + 1] - w[epoch]), -float(fit.learning_rates[epoch]) * slope
    is_plain = abs(step - plain) <= 1e-6 * abs(plain)
    return f"{text}, {'−α ∂cost/∂w' if is_plain else 'step'} = {step:.3g}"

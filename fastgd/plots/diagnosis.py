"""The factor by which an epoch of gradient descent multiplies the error, against the learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd import display
from fastgd.plots.style import PALETTE, axes_of, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PRECISION = 1e-6
BEYOND = 1.15
"""The longest learning rate drawn, as a multiple of the limit, if the rate of the diagnosis is not longer."""
FARTHEST = 2.0
"""A rate of more than this many times the limit is named, not drawn."""


def plot_diagnosis(diagnosis: Any, ax: Axes | None = None) -> Axes:
    """Draw max |1 − α h| over the curvatures h of the cost against α; see `Diagnosis.plot`."""
    limit, rate, radius = diagnosis.stability_limit, diagnosis.learning_rate, diagnosis.spectral_radius
    if diagnosis.solver == "sgd":
        raise ValueError('plot() draws full-batch descent: diagnose with solver="gradient_descent"')
    if not 0.0 < limit < math.inf:
        raise ValueError("every column is 0, so every learning rate is stable: there is nothing to draw")
    steepest = 2.0 / limit
    flattest = steepest / diagnosis.condition_number
    best = 2.0 / (steepest + flattest)
    ax = axes_of(ax)
    is_near = rate <= FARTHEST * limit
    alpha = np.linspace(0.0, max(BEYOND * limit, 1.05 * rate * is_near), 401)
    alpha = np.sort(np.append(alpha, best))  # the corner
    errors = np.abs(1.0 - np.outer([flattest, steepest], alpha))
    if diagnosis.condition_number > 1.0:
        names = f"flattest direction: |1 − {flattest:.3g} α|", f"steepest: |1 − {steepest:.3g} α|"
        for error, name, colour in zip(errors, names, PALETTE, strict=False):
            ax.plot(alpha, error, "--", color=colour, linewidth=1.2, label=name)
    ax.plot(alpha, errors.max(axis=0), color="black", linewidth=1.8, label="slowest error")
    ax.axhspan(1.0, 1.0 + 2.0 * FARTHEST, color="0.92", zorder=0, label="diverges")
    ax.axvline(limit, color="0.4", linestyle=":", label=f"stability limit {limit:.3g}")
    ax.set_title("one epoch of gradient descent", fontsize="medium")
    epochs = diagnosis.epochs_to(PRECISION)
    after = "diverges" if epochs == math.inf else f"{display.count(epochs, 'epoch')} to {PRECISION:g} of it"
    if is_near:
        ax.plot([rate], [radius], "o", color=PALETTE[2], markersize=8, label=f"rate {rate:.3g}: {after}")
    else:
        say(ax, f"at rate {rate:.3g}, beyond this picture, an epoch multiplies it by {radius:.3g}")
    ax.plot(
        [best], [(steepest - flattest) / (steepest + flattest)], "v", color=PALETTE[3], markersize=8,
        label=f"fastest rate {best:.3g}",
    )  # fmt: skip
    ax.set(xlabel="learning rate α", ylabel="error after an epoch / before")
    ax.set(xlim=(0.0, alpha[-1]), ylim=(0.0, 1.05 * max(1.0, errors.max())))
    ax.legend(fontsize="small")
    return ax

"""Pictures of a fit: choose and draw one, or save several to a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from fastgd import checks
from fastgd.plots.cost import plot_cost
from fastgd.plots.path import plot_path
from fastgd.plots.style import Run, require_matplotlib, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot(fit: Run, kind: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the run and return the axes; see `FitResult.plot`.

    Notes
    -----
    Without `ax` pyplot makes the figure, so notebooks display it and `plt.show()` finds it. The figure stays
    open until `plt.close()`. With `ax` pyplot is not imported.

    "path" reads the data once.
    """
    checks.choice("kind", kind, (None, "cost", "path"))
    has_data = fit.w_history is not None and fit._rows is not None
    has_path = np.size(fit.w) <= 2 and has_data and fit._is_lesson
    kind = kind or ("path" if has_path else "cost")
    ax = plot_cost(fit, ax) if kind == "cost" else plot_path(fit, ax)
    ax.set_title(title(fit), fontsize="medium")
    return ax


def save(fit: Run, file: str, kinds: tuple[str, ...] = ("cost", "path")) -> None:
    """Save pictures of a run, side by side. The ending of the file name is the format."""
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(kinds), 4), layout="constrained")
    for kind, ax in zip(kinds, figure.subplots(1, len(kinds), squeeze=False)[0], strict=True):
        plot(fit, kind, ax)
    figure.savefig(file)


def check_file(file: str) -> None:
    """Refuse a file name that `save` could not write."""
    require_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    suffix = os.path.splitext(file)[1][1:].lower()
    if suffix not in FigureCanvasBase.get_supported_filetypes():
        raise ValueError(f"{file} is not a picture: name a file that ends in .png, .svg or .pdf")

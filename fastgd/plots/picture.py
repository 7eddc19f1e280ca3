"""Pictures of a fit: choose and draw one, or save several to a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastgd import checks
from fastgd.plots.cost import plot_cost
from fastgd.plots.line import plot_line
from fastgd.plots.path import plot_path
from fastgd.plots.steps import has_bowl
from fastgd.plots.style import require_matplotlib
from fastgd.plots.tangent import plot_tangent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = "cost", "path", "fit", "tangent"


def plot(
    fit: Any,
    kind: str | None = None,
    *,
    ax: Axes | None = None,
    label: str | None = None,
    scale: str = "linear",
    epochs: Sequence[int] | None = None,
    residuals: bool = False,
) -> Axes:
    """Draw the run and return the axes; see `FitResult.plot`.

    Notes
    -----
    Without `ax` pyplot makes the figure, so notebooks display it and `plt.show()` finds it. The figure stays
    open until `plt.close()`. With `ax` pyplot is not imported.
    """
    checks.choice("kind", kind, (None, *KINDS))
    checks.choice("scale", scale, ("linear", "log"))
    kind = kind or ("path" if has_bowl(fit) else "cost")
    for name, is_given, kinds in (
        ('scale="log"', scale == "log", ("cost",)),
        ("epochs", epochs is not None, ("fit", "tangent")),
        ("residuals", residuals, ("fit",)),
    ):
        if is_given and kind not in kinds:
            wanted = " or ".join(f'"{one}"' for one in kinds)
            raise ValueError(f'{name} is for kind={wanted}, and this is kind="{kind}"')
    if kind == "cost":
        ax = plot_cost(fit, ax, label, scale)
    elif kind == "path":
        ax = plot_path(fit, ax, label)
    elif kind == "tangent":
        ax = plot_tangent(fit, ax, label, epochs)
    else:
        ax = plot_line(fit, ax, label, epochs, residuals=residuals)
    return ax


def save(fit: Any, file: str, kinds: tuple[str, ...] = ("cost", "path")) -> None:
    """Save pictures of a run, side by side. The ending of the file name is the format."""
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(kinds), 4), layout="constrained")
    for kind, ax in zip(kinds, figure.subplots(1, len(kinds), squeeze=False)[0], strict=True):
        plot(fit, kind, ax=ax)
    figure.savefig(file)


def check_file(file: str) -> None:
    """Refuse a file name that `save` could not write."""
    require_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    suffix = os.path.splitext(file)[1][1:].lower()
    if suffix not in FigureCanvasBase.get_supported_filetypes():
        raise ValueError(f"{file} is not a picture: name a file that ends in .png, .svg or .pdf")

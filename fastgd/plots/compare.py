"""`fastgd.compare`: several fits in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd import checks, display
from fastgd.plots.cost import plot_cost
from fastgd.plots.path import MARKS, draw_path
from fastgd.plots.steps import Steps, n_parameters, refusal
from fastgd.plots.style import require_matplotlib
from fastgd.public import public

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase


@public
def compare(
    fits: Mapping[str, Any], *, scale: Literal["linear", "log"] = "linear", figure: FigureBase | None = None
) -> NDArray[Any]:
    """Draw the cost curves of several fits, and their paths beside them, with matplotlib.

    An epoch of SGD stands beside an epoch of full-batch descent: both read each sample once. Paths are drawn
    if all fits have one weight, or all have two parameters (two weights, or a weight and an intercept).

    Parameters
    ----------
    fits : dict of str to FitResult
        The fits by their names in the legend. Fits of SGD need `track_cost=True` if they kept no costs.
    scale : {"linear", "log"}, default "linear"
        The scale of the costs.
    figure : matplotlib figure, optional
        Where to draw; by default a new figure. It is not shown.

    Returns
    -------
    ndarray of matplotlib axes
        One of the costs, and one of the paths if they are drawn.

    Raises
    ------
    ValueError
        If a fit has no costs.
    ModuleNotFoundError
        If matplotlib is not installed: pip install 'fastgd[plot]'.

    Notes
    -----
    Paths read the data of each fit once. The bowl is that of the last fit.

    Examples
    --------
    >>> import fastgd
    >>> x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    >>> full_batch = fastgd.gradient_descent(x, y, w0=1.0, learning_rate=0.01)
    >>> by_sample = fastgd.sgd(x, y, w0=1.0, learning_rate=0.01)
    >>> len(fastgd.compare({"full batch": full_batch, "SGD": by_sample}))
    2
    """
    checks.choice("scale", scale, ("linear", "log"))
    if not isinstance(fits, Mapping) or not fits:
        raise TypeError(f'fits must be a dict such as {{"SGD": fit}}, not {display.value(fits, 80)}')
    for name, fit in fits.items():
        if fit.cost_history is None:
            remedy = "track_cost=True" if fit.solver == "sgd" else 'history="epochs"'
            raise ValueError(f"the fit {name!r} has no costs to compare: fit it with {remedy}")
    sizes = {n_parameters(fit) for fit in fits.values()}
    has_paths = len(sizes) == 1 and not any(refusal(fit) for fit in fits.values())
    require_matplotlib()
    if figure is None:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=(10 if has_paths else 6, 4), layout="constrained")
    axes = np.ravel(figure.subplots(1, 1 + has_paths))
    for name, fit in fits.items():
        plot_cost(fit, axes[0], name, scale)
        if has_paths:
            draw_path(axes[1], Steps.of(fit, "compare()", single=True), name)
    if has_paths:  # one legend: of the runs, and of the marks on their paths
        axes[1].get_legend().remove()
        marks = [line for line in axes[1].lines if line.get_label() in MARKS]
        axes[0].legend(handles=[*axes[0].get_legend().legend_handles, *marks], fontsize="small")
    return axes

"""A small picture of the costs for notebooks, as text."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from fastgd.plots.cost import set_scale, view_of
from fastgd.plots.divergence import HIGHEST
from fastgd.plots.style import PALETTE

MOST_POINTS = 200
"""Longer curves are thinned."""


def beside(table: str, fit: Any) -> str:
    """The HTML of a table with the curve of the costs on its right, where both are there."""
    curve = svg(fit)
    if not curve:
        return table
    style = "display: flex; flex-wrap: wrap; align-items: center; gap: 1em"
    return f'<div style="{style}">\n<div>\n{table}\n</div>\n{curve}</div>'


def svg(fit: Any) -> str:
    """The costs against the epoch as an SVG, or "" without costs, epochs or matplotlib."""
    costs = fit.cost_history
    if costs is None or len(costs) < 2 or not costs[0] < HIGHEST:
        return ""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return ""
    from matplotlib.figure import Figure

    view, file = view_of(costs, fit.diverged, "linear"), io.StringIO()
    epochs = np.unique(np.linspace(0, view.n - 1, MOST_POINTS).astype(int))
    # Characters stay text, and equal fits have equal bytes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastgd"}):
        figure = Figure(figsize=(3.6, 2.2), layout="constrained")
        ax = figure.subplots()
        ax.plot(epochs, costs[epochs], color=PALETTE[0], marker="o" if view.n == 1 else "")
        set_scale(ax, "cost", "linear", costs[epochs])
        view.say(ax)
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]

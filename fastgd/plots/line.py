"""The data with the fitted line, or the predictions against the observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgd import display, losses
from fastgd.engine.blocks import Floats
from fastgd.plots.divergence import View
from fastgd.plots.points import some_rows
from fastgd.plots.steps import ROOM, chosen, history_of, plain
from fastgd.plots.style import DATA, ONCE, RUN, Run, Style, axes_for, drawn_once, next_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EPOCHS = 0, 1, 2, 5, 10
FAINTEST, STRONGEST = 0.2, 0.6
"""The opacity of the line of the first epoch, and of the last before the end."""
POINTS: Style = {"linestyle": "", "marker": "o", "zorder": 1.5}
THIN: Style = {"color": DATA, "linewidth": 0.8, "zorder": 1}


def plot_line(
    fit: Run,
    ax: Axes | None = None,
    label: str | None = None,
    epochs: Sequence[int] | None = None,
    *,
    residuals: bool = False,
) -> Axes:
    """Draw y against x and the line of the fit. Of several columns, draw the predictions against y."""
    _check(fit, epochs)
    X, y = some_rows(fit._rows)
    count = "samples" if len(y) == fit.n_samples else f"{len(y):,} of {fit.n_samples:,} samples"
    ax = axes_for(fit, ax, label)
    predicted = X @ np.ravel(fit.w) + fit.intercept
    target = plain(fit._rows.target_name or "y")
    if X.shape[1] > 1:
        _draw_predictions(ax, y, predicted, label or count)
        ax.set(xlabel=target, ylabel=f"predicted {target}")
        x, on_line = y, y
    else:
        x, on_line = X[:, 0], predicted
        if not drawn_once(ax):
            ax.plot(x, y, color=DATA, label=count, gid=ONCE, markersize=_size(y), **POINTS)
        _draw_lines(ax, fit, x, y, label, epochs)
        ax.set(xlabel=plain(fit.feature_names[0] if fit.feature_names else "x"), ylabel=target)
    if residuals:
        ends = y if X.shape[1] == 1 else predicted
        ax.vlines(
            x, ends, on_line, label="residuals", linestyles="dotted", colors=DATA, linewidth=1.0, zorder=1
        )
    ax.legend(fontsize="small")
    return ax


def _check(fit: Run, epochs: Sequence[int] | None) -> None:
    loss = losses.NAMED.get(fit._options.get("loss", ""))
    if loss is not None and not loss.predicts_y:
        raise ValueError(
            f'plot(kind="fit") draws predictions of y, and scores of {losses.name_of(loss)} are none: '
            'use plot("cost")'
        )
    if fit._rows is None or not fit._rows.has_rows:
        raise ValueError(
            'plot(kind="fit") needs the rows, which stored fits and fits of a summary or of rows that can be '
            'read once do not have: use plot("cost")'
        )
    if epochs is not None and np.size(fit.w) > 1:
        raise ValueError(f"epochs are for lines over one column, and this fit has {np.size(fit.w)}")
    if epochs is not None and fit.w_history is None:
        raise ValueError('epochs needs the weights of every epoch: fit with history="epochs"')


def _size(y: Floats) -> float:
    return 6.0 if len(y) <= 31 else 2.5


def _draw_lines(
    ax: Axes, fit: Run, x: Floats, y: Floats, label: str | None, epochs: Sequence[int] | None
) -> None:
    """Draw the lines of some epochs faint, and the line of the fit. Those far from the data are left out."""
    colour, span = next_colour(ax), float(np.ptp(x)) or 1.0
    ends = np.array([x.min() - 0.05 * span, x.max() + 0.05 * span])
    final = float(np.ravel(fit.w)[0]) * ends + fit.intercept
    heights, has_history = final[None], fit.w_history is not None and fit.n_epochs > 0
    if has_history:
        w, *intercepts = history_of(fit).T
        heights = np.add(w[:, None] * ends, intercepts[0][:, None] if intercepts else 0.0)
    size = np.abs(np.append(heights[0], y) - np.mean(y)).max()
    with np.errstate(over="ignore"):
        far = np.square(np.abs(heights - np.mean(y)).max(axis=1) / (size or 1.0))
    view = View(np.maximum(far, 1.0), fit.diverged, ROOM, then="the line leaves the picture")
    shown = chosen(epochs, EPOCHS, view.n - 1) if has_history else []
    if view.is_cut and epochs is None:
        shown = list(range(min(view.n, len(EPOCHS))))
    faint = [epoch for epoch in shown if view.is_cut or epoch < len(heights) - 1]
    for epoch, opacity in zip(faint, np.linspace(FAINTEST, STRONGEST, len(faint)), strict=True):
        text = f"epoch{'s' * (len(faint) > 1)} {', '.join(map(str, faint))}" if epoch == faint[-1] else "_"
        ax.plot(ends, heights[epoch], color=colour, alpha=opacity, linewidth=1.2, label=text)
    if not view.is_cut:
        after = label or f"after {display.count(fit.n_epochs, 'epoch')}"
        ax.plot(ends, final, color=colour, linewidth=2.0, label=after, gid=RUN)
    view.say(ax, label)


def _draw_predictions(ax: Axes, y: Floats, predicted: Floats, label: str) -> None:
    """Draw the predictions against y, and the line where both are equal."""
    ax.plot(y, predicted, color=next_colour(ax), label=label, gid=RUN, markersize=_size(y), **POINTS)
    if not drawn_once(ax):
        ends = [y.min(), y.max()]
        ax.plot(ends, ends, label="predicted = observed", gid=ONCE, **THIN)

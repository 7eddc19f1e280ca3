"""Pictures of a fit: the cost against the epoch, and the steps of w down the bowl of the cost."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastgd import checks
from fastgd.engine.blocks import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HIGHEST = 1e200
"""Larger costs count as overflowed, since axes need room above the highest value."""
FLAT = 1e-13
"""A direction is flat if its curvature is below this fraction of the largest."""

# Two colours of the colour-blind-safe palette of Okabe and Ito. In print the marks differ by their shapes.
Style = dict[str, Any]
_NAMES = {"gradient_descent": "gradient descent", "sgd": "stochastic gradient descent"}
STEPS: Style = {"color": "#0072B2", "marker": "o", "markersize": 4, "linewidth": 1.2, "label": "each epoch"}
BOWL: Style = {"color": "0.6", "linewidth": 1.5, "zorder": 1}
START: Style = {"marker": "o", "markersize": 8, "markerfacecolor": "white"}
MINIMUM: Style = {"marker": "+", "markersize": 16, "markeredgewidth": 1.5}
END: Style = {"marker": "s", "markersize": 6, "markerfacecolor": "#D55E00"}


class Statistics(Protocol):
    """Statistics of the squared errors: see `solver.statistics`."""

    n: float
    w_ref: Floats
    G: Floats
    c: Floats
    s: float


class Run(Protocol):
    """What a plot shows: attributes of a `FitResult`."""

    w: float | Floats
    w_history: Floats | None
    cost_history: Floats | None
    loss_history: Floats | None
    learning_rates: Floats
    n_epochs: int
    solver: Any
    _rows: Any
    _is_lesson: bool

    def _statistics(self) -> Statistics: ...


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
    ax = _plot_cost(fit, ax) if kind == "cost" else _plot_path(fit, ax)
    ax.set_title(_title(fit), fontsize="medium")
    return ax


def save(fit: Run, file: str, kinds: tuple[str, ...] = ("cost", "path")) -> None:
    """Save pictures of a run, side by side. The ending of the file name is the format."""
    _require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(kinds), 4), layout="constrained")
    for kind, ax in zip(kinds, figure.subplots(1, len(kinds), squeeze=False)[0], strict=True):
        plot(fit, kind, ax)
    figure.savefig(file)


def check_file(file: str) -> None:
    """Refuse a file name that `save` could not write."""
    _require_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    suffix = os.path.splitext(file)[1][1:].lower()
    if suffix not in FigureCanvasBase.get_supported_filetypes():
        raise ValueError(f"{file} is not a picture: name a file that ends in .png, .svg or .pdf")


def plot_sweep(sweep: Any, ax: Axes | None = None) -> Axes:
    """Draw the cost of each run against the epoch; see `SweepResult.plot`."""
    curves = [fit.cost_history for fit in sweep.fits]
    if any(curve is None for curve in curves):
        remedy = " and, for SGD, track_cost=True" if sweep.fits[0].solver == "sgd" else ""
        raise ValueError(
            f'plot() needs the costs, and these runs kept none: sweep with history="costs"{remedy}'
        )
    ax = _axes(ax)
    shades = np.linspace(0.15, 0.9, len(curves))
    import matplotlib

    colours = matplotlib.colormaps["viridis"](shades)
    for fit, curve, colour in zip(sweep.fits, curves, colours, strict=True):
        assert curve is not None
        shown = int(np.argmin(curve < HIGHEST)) or len(curve)
        label = _rates(fit) + (" (diverged)" if fit.diverged else "")
        ax.plot(np.arange(shown), curve[:shown], color=colour, linewidth=1.2, label=label)
    finite = np.concatenate([curve[curve < HIGHEST] for curve in curves if curve is not None])
    if finite.size and finite.max() > 100 * finite.min():
        ax.set_yscale("log")
    ax.locator_params(axis="x", integer=True)
    ax.set(
        xlabel="epoch", ylabel="cost", title=f"{_NAMES[sweep.fits[0].solver]}, {len(curves)} learning rates"
    )
    if len(curves) <= 12:
        ax.legend(title="learning rate", fontsize="small")
    return ax


def _plot_cost(fit: Run, ax: Axes | None) -> Axes:
    values, first, label = fit.cost_history, 0, "cost"
    if values is None:
        values, first, label = fit.loss_history, 1, "loss of the last sample"
    if values is None:
        remedy = " and, for SGD, track_cost=True" if fit.solver == "sgd" else ""
        raise ValueError(f'plot() needs the costs, and this run kept none: fit with history="epochs"{remedy}')
    values = values[: _finite_part(values)]
    ax = _axes(ax)
    dots: Style = {"marker": "o", "markersize": 4} if len(values) <= 31 else {}
    ax.plot(np.arange(first, first + len(values)), values, color=STEPS["color"], **dots)
    if values.max() > 100 * values.min():
        ax.set_yscale("log")
        label += "" if values.all() else " (below the axis: exactly 0)"
    ax.locator_params(axis="x", integer=True)
    ax.set(xlabel="epoch", ylabel=label)
    return ax


def _plot_path(fit: Run, ax: Axes | None) -> Axes:
    if np.size(fit.w) > 2:
        raise ValueError(f'plot(kind="path") draws 1 weight or 2, not {np.size(fit.w)}: use kind="cost"')
    if not fit._is_lesson:
        raise ValueError(
            'plot(kind="path") draws the bowl of mean squared errors; this fit has an intercept, weights, '
            'a penalty or another loss: use kind="cost"'
        )
    if fit.w_history is None:
        raise ValueError('plot(kind="path") needs the weights of every epoch: fit with history="epochs"')
    path = fit.w_history.reshape(len(fit.w_history), -1)
    if fit._rows is None:
        raise ValueError(
            'plot(kind="path") needs the data, and this result was stored without its data: use kind="cost"'
        )
    bowl = Bowl.of(fit._statistics())
    costs = bowl(path) if fit.cost_history is None else fit.cost_history
    shown = _finite_part(costs)
    path, costs = path[:shown], costs[:shown]
    minimum = bowl.minimum_next_to(path[np.argmin(costs)])
    ax = _axes(ax)
    if path.shape[1] == 1:
        _draw_on_parabola(ax, bowl, path, costs, minimum)
    else:
        _draw_on_contours(ax, bowl, path, minimum)
    ax.legend(loc="best", fontsize="small")
    return ax


def _draw_on_parabola(ax: Axes, bowl: Bowl, path: Floats, costs: Floats, minimum: Floats) -> None:
    w, lowest = path[:, 0], minimum[0]
    half = 1.1 * float(np.abs(w - lowest).max())  # show both sides of the bowl, a little past the steps
    if half <= 1e-6 * abs(lowest):
        half = abs(lowest) or 1.0
    grid = np.linspace(lowest - half, lowest + half, 201)
    ax.plot(grid, bowl(grid[:, None]), **BOWL)
    _draw_steps(ax, w, costs, (lowest, float(bowl(minimum))))
    ax.set(xlabel="w", ylabel="cost")


def _draw_on_contours(ax: Axes, bowl: Bowl, path: Floats, minimum: Floats) -> None:
    low, high = np.minimum(path.min(axis=0), minimum), np.maximum(path.max(axis=0), minimum)
    spread = high - low
    margin = np.maximum(0.15 * spread, 0.05 * spread.max()) if spread.any() else np.ones(2)
    horizontal, vertical = np.linspace(low - margin, high + margin, 121).T
    heights = bowl(np.stack(np.meshgrid(horizontal, vertical), axis=-1))
    # Squares of even steps give ellipses at even distances.
    lowest = float(bowl(minimum))
    levels = np.unique(lowest + (heights.max() - lowest) * (np.arange(1, 12) / 12) ** 2)
    contours = ax.contour(horizontal, vertical, heights, levels, colors="0.7", linewidths=0.8, zorder=1)
    ax.clabel(contours, levels[::3], fontsize="x-small", fmt="%.3g", colors="0.4")
    _draw_steps(ax, path[:, 0], path[:, 1], (minimum[0], minimum[1]))
    ax.set(xlabel="w[0]", ylabel="w[1]")


def _draw_steps(ax: Axes, across: Floats, up: Floats, minimum: tuple[float, float]) -> None:
    ax.plot(across, up, **STEPS)
    ax.plot(across[:1], up[:1], **START, color="black", linestyle="", label="start")
    ax.plot(*minimum, **MINIMUM, color="black", linestyle="", label="minimum")
    ax.plot(across[-1:], up[-1:], **END, color="black", linestyle="", label="end")


@dataclass
class Bowl:
    """The cost as a quadratic function of w: cost + gradient·Δ + ½ ΔᵀHΔ with Δ = w − centre.

    The centre is near the minimum, so that no digits cancel there.
    """

    centre: Floats
    cost: float
    gradient: Floats
    H: Floats

    @classmethod
    def of(cls, statistics: Statistics) -> Bowl:
        n, H = statistics.n, 2.0 * statistics.G / statistics.n
        if not np.isfinite(H).all():
            raise ValueError('X is too large for its bowl to be drawn: scale it, or use kind="cost"')
        return cls(statistics.w_ref, statistics.s / n, -2.0 * statistics.c / n, H)

    def __call__(self, w: Floats) -> Floats:
        """The cost at each w of an array (..., d)."""
        delta = w - self.centre
        with np.errstate(over="ignore", invalid="ignore"):
            curved = 0.5 * np.einsum("...i,ij,...j->...", delta, self.H, delta)
            return np.asarray(self.cost + delta @ self.gradient + curved)

    def minimum_next_to(self, w: Floats) -> Floats:
        """The minimum. If the bowl is a valley, the minimum next to w."""
        return w - _pseudo_inverse(self.H) @ (self.gradient + self.H @ (w - self.centre))


def _pseudo_inverse(H: Floats) -> Floats:
    """The inverse of H, zero along flat directions.

    H is scaled to a unit diagonal first, since a column of small numbers is no flat direction.
    """
    scale = 1 / np.sqrt(np.where(np.diag(H) > 0, np.diag(H), 1))
    units = np.outer(scale, scale)
    return units * np.linalg.pinv(units * H, rcond=FLAT, hermitian=True)


def _finite_part(values: Floats) -> int:
    """The number of values before the first one that is not finite, or is too high to draw."""
    overflowed = ~(values < HIGHEST)
    length = int(overflowed.argmax()) if overflowed.any() else len(values)
    if length == 0:
        raise ValueError("this run has no finite cost to draw: take a smaller learning rate or another w0")
    return length


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    _require_matplotlib()
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(6, 4), layout="constrained")[1]


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("plots need matplotlib: pip install 'fastgd[plot]'") from error


def _title(fit: Run) -> str:
    name = _NAMES[fit.solver]
    epochs = "1 epoch" if fit.n_epochs == 1 else f"{fit.n_epochs} epochs"
    if fit.n_epochs == 0:
        return f"{name}\n{epochs}"
    return f"{name}\nlearning rate {_rates(fit)}, {epochs}"


def _rates(fit: Run) -> str:
    if not len(fit.learning_rates):
        return "–"
    first, last = (f"{rate:.3g}" for rate in fit.learning_rates[[0, -1]])
    return first if first == last else f"{first} to {last}"


def plot_cross_validation(result: Any, ax: Axes | None = None) -> Axes:
    """Draw the mean cost against the penalty; see `CVResult.plot`."""
    mean, error = result.mean, result.standard_error
    along_l1 = len(result.l1) > 1
    name, values = ("l1", result.l1) if along_l1 else ("l2", result.l2)
    others = result.l2 if along_l1 else result.l1
    curves = zip(*((mean.T, error.T) if along_l1 else (mean, error)), others, strict=True)
    ax = _axes(ax)
    import matplotlib

    is_one, order = len(others) == 1, np.argsort(values)
    shades = matplotlib.colormaps["viridis"](np.linspace(0.15, 0.9, len(others)))
    for (curve, bar, other), shade in zip(curves, shades, strict=True):
        bars: Style = dict(elinewidth=0.8, capsize=1.5, linewidth=1.2, marker="o", markersize=3)
        colour = STEPS["color"] if is_one else shade
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

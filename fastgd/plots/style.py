"""What all pictures share: colours, axes, titles, and the part of a run that can be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from fastgd.engine.blocks import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes


HIGHEST = 1e200
"""Larger costs count as overflowed, since axes need room above the highest value."""

# Two colours of the colour-blind-safe palette of Okabe and Ito. In print the marks differ by their shapes.
Style = dict[str, Any]
SOLVERS = {"gradient_descent": "gradient descent", "sgd": "stochastic gradient descent"}
STEPS: Style = {"color": "#0072B2", "marker": "o", "markersize": 4, "linewidth": 1.2, "label": "each epoch"}
BOWL: Style = {"color": "0.6", "linewidth": 1.5, "zorder": 1}
START: Style = {"marker": "o", "markersize": 8, "markerfacecolor": "white"}
MINIMUM: Style = {"marker": "+", "markersize": 16, "markeredgewidth": 1.5}
END: Style = {"marker": "s", "markersize": 6, "markerfacecolor": "#D55E00"}


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

    def _statistics(self) -> Any: ...


def new_axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    require_matplotlib()
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(6, 4), layout="constrained")[1]


def require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("plots need matplotlib: pip install 'fastgd[plot]'") from error


def title(fit: Run) -> str:
    name = SOLVERS[fit.solver]
    epochs = "1 epoch" if fit.n_epochs == 1 else f"{fit.n_epochs} epochs"
    if fit.n_epochs == 0:
        return f"{name}\n{epochs}"
    return f"{name}\nlearning rate {rates(fit)}, {epochs}"


def rates(fit: Run) -> str:
    if not len(fit.learning_rates):
        return "–"
    first, last = (f"{rate:.3g}" for rate in fit.learning_rates[[0, -1]])
    return first if first == last else f"{first} to {last}"


def finite_part(values: Floats) -> int:
    """The number of values before the first one that is not finite, or is too high to draw."""
    overflowed = ~(values < HIGHEST)
    length = int(overflowed.argmax()) if overflowed.any() else len(values)
    if length == 0:
        raise ValueError("this run has no finite cost to draw: take a smaller learning rate or another w0")
    return length

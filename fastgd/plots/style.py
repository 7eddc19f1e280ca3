"""What all pictures share: colours, axes, titles and legends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastgd import display
from fastgd.engine.blocks import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"
"""The colour-blind-safe palette of Okabe and Ito, without its yellow, which is too light for lines."""
DATA = "0.35"
"""The grey of data points."""
FEW_DOTS = 31
"""Curves of at most this many points have dots."""
Style = dict[str, Any]
NAMES = {"gradient_descent": "gradient descent", "sgd": "stochastic gradient descent"}
RUN, ONCE = "fastgd-run", "fastgd-once"
"""Group ids of artists: the main line of a run, and what is drawn once on axes that several runs share."""


class Run(Protocol):
    """What a picture shows: attributes of a `FitResult`."""

    w: float | Floats
    intercept: float
    w_history: Floats | None
    intercept_history: Floats | None
    cost_history: Floats | None
    validation_history: Floats | None
    loss_history: Floats | None
    gradient_history: Floats | None
    learning_rates: Floats
    n_epochs: int
    n_samples: int
    diverged: bool
    solver: Any
    feature_names: tuple[str, ...]
    _rows: Any
    _options: dict[str, Any]

    def _statistics(self) -> Any: ...

    def predict(self, X: Any) -> Any: ...


def axes_of(ax: Axes | None) -> Axes:
    """The given axes, or those of a new figure of pyplot."""
    if ax is not None:
        return ax
    require_matplotlib()
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(6, 4), layout="constrained")[1]


def axes_for(fit: Run, ax: Axes | None, label: str | None) -> Axes:
    """The axes for a run, with a title unless it has a label."""
    ax = axes_of(ax)
    if label is None:
        ax.set_title(title(fit), fontsize="medium")
    return ax


def require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("plots need matplotlib: pip install 'fastgd[plot]'") from error


def runs_on(ax: Axes) -> list[Any]:
    """The main lines of the runs that are drawn on these axes."""
    return [line for line in ax.lines if line.get_gid() == RUN]


def drawn_once(ax: Axes) -> list[Any]:
    """What the axes show once for all runs: the bowl, the data, marks."""
    return [artist for artist in ax.get_children() if artist.get_gid() == ONCE]


def next_colour(ax: Axes) -> str:
    """The colour of the next run on these axes."""
    return PALETTE[len(runs_on(ax)) % len(PALETTE)]


def shades(n: int) -> Any:
    """n colours of one scale, from dark to light, that are told apart by their lightness too."""
    import matplotlib

    return matplotlib.colormaps["viridis"](np.linspace(0.15, 0.9, n))


def say(ax: Axes, sentence: str) -> None:
    """Add a sentence to the title of the axes."""
    ax.set_title(f"{ax.get_title()}\n{sentence}".strip(), fontsize="small")


def title(fit: Run) -> str:
    epochs = display.count(fit.n_epochs, "epoch")
    if fit.n_epochs == 0:
        return f"{NAMES[fit.solver]}\n{epochs}"
    return f"{NAMES[fit.solver]}\nlearning rate {rates(fit)}, {epochs}"


def rates(fit: Run) -> str:
    if not len(fit.learning_rates):
        return "–"
    first, last = (f"{rate:.3g}" for rate in fit.learning_rates[[0, -1]])
    return first if first == last else f"{first} to {last}"

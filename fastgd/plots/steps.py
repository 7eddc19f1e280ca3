"""The points that a run passes in the bowl of its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastgd import checks
from fastgd.engine.blocks import Floats
from fastgd.plots.bowl import Bowl
from fastgd.plots.divergence import View
from fastgd.plots.style import Run

ROOM = 16.0
"""The steps of a run that diverges are drawn up to this many times the height of the start above the minimum,
which is 4 times its distance."""
MOST_STEPS = 5000
"""More single steps than these are drawn as epochs."""


def n_parameters(fit: Run) -> int:
    """The number of weights, and one more with an intercept."""
    return int(np.size(fit.w)) + (fit.intercept_history is not None or fit.intercept != 0.0)


def has_bowl(fit: Run) -> bool:
    return not refusal(fit)


def refusal(fit: Run) -> str:
    """Why the bowl of this fit cannot be drawn, with the remedy; "" if it can."""
    size, loss = n_parameters(fit), fit._options.get("loss", "squared_error")
    if size > 2:
        return f'draws 1 or 2 weights, counting the intercept, not {size}: use plot("cost")'
    if loss != "squared_error" or fit._options.get("l1"):
        other = "l1" if loss == "squared_error" else f"loss={loss!r}"
        return f'draws the bowl of squared errors and l2, and this fit has {other}: use plot("cost")'
    if fit.w_history is None:
        return 'needs the weights of every epoch: fit with history="epochs"'
    if fit._rows is None:
        return (
            "needs the data, which stored fits and fits of rows that can be read once do not have: "
            'use plot("cost")'
        )
    return ""


@dataclass
class Steps:
    """Points (m, size) of weights and intercept, their costs, and the bowl around them."""

    points: Floats
    costs: Floats
    bowl: Bowl
    minimum: Floats
    names: list[str]
    noun: str
    """What one step is: an epoch, or a step of SGD on one sample."""
    view: View
    """The steps that are drawn."""

    @classmethod
    def of(cls, fit: Run, what: str, *, single: bool = False) -> Steps:
        """Read the data once, and refuse a fit whose bowl cannot be drawn.

        `what` is the call, for the error. With `single`, the points are those of single
        steps of SGD, if the fit kept its gradients.
        """
        if reason := refusal(fit):
            raise ValueError(f"{what} {reason}")
        points, noun = history_of(fit), "epoch"
        gradients = fit.gradient_history
        if single and fit.solver == "sgd" and gradients is not None and 0 < gradients.size <= MOST_STEPS:
            points, noun = _single_steps(points, gradients, fit.learning_rates), "step"
        bowl = Bowl.of(fit._statistics())
        is_recorded = noun == "epoch" and fit.cost_history is not None
        costs = np.asarray(fit.cost_history) if is_recorded else bowl(points)
        at = points[np.argmin(np.where(np.isfinite(costs), costs, np.inf))]
        minimum = bowl.minimum_next_to(at)
        view = View(costs, fit.diverged, ROOM, lowest=float(bowl(minimum)), noun=noun)
        return cls(points, costs, bowl, minimum, _names(fit), noun, view)

    @property
    def lowest(self) -> float:
        return float(self.bowl(self.minimum))


def history_of(fit: Run) -> Floats:
    """Points (n_epochs + 1, size) of weights, and the intercept if it is fitted, from the start on."""
    assert fit.w_history is not None
    w = fit.w_history.reshape(len(fit.w_history), -1)
    return w if fit.intercept_history is None else np.column_stack([w, fit.intercept_history])


def _single_steps(epochs: Floats, gradients: Floats, rates: Floats) -> Floats:
    """The points before and after each step of SGD, w ← w − α gradient."""
    gradients = gradients.reshape(len(gradients), -1, epochs.shape[1])
    within = epochs[:-1, None] - rates[:, None, None] * np.cumsum(gradients, axis=1)
    within[:, -1] = epochs[1:]  # to the bit
    return np.concatenate([epochs[:1], within.reshape(-1, epochs.shape[1])])


def chosen(epochs: Sequence[int] | None, usual: Sequence[int], last: int) -> list[int]:
    """The epochs to draw: the given ones, or those of the usual ones up to the last."""
    if epochs is None:
        return [epoch for epoch in usual if epoch <= last]
    shown = [checks.whole("epochs", epoch, 0) for epoch in epochs]
    if not shown or max(shown) > last:
        raise ValueError(f"epochs must be numbers from 0 to {last}, the last that is drawn, not {epochs!r}")
    return shown


def _names(fit: Run) -> list[str]:
    """The names of the axes: of the weights by their columns, and of the intercept."""
    d = int(np.size(fit.w))
    names = ["w"] if np.ndim(fit.w) == 0 else [f"w[{j}]" for j in range(d)]
    if fit.feature_names:
        names = [f"weight of {plain(name)}" for name in fit.feature_names]
    return [*names, "intercept"][: n_parameters(fit)]


def plain(name: str) -> str:
    """The name as text: a dollar sign would begin a formula of matplotlib."""
    return str(name).replace("$", r"\$")

"""How a fit ended, in a few words and in a sentence."""

from __future__ import annotations

from typing import Any

from fastgd import display
from fastgd.solver.forecast import named


def outcome(fit: Any) -> str:
    """The number of epochs, the last cost if it is kept, and how the fit ended."""
    parts = [display.count(fit.n_epochs, "epoch")]
    if fit.cost is not None and (fit.cost_history is not None or fit._status):
        parts.append(f"cost {fit.cost:.3g}")
    return ", ".join([*parts, ending(fit)])


def ending(fit: Any) -> str:
    """How the fit ended, in a few words."""
    if fit.diverged:
        return "diverged"
    if fit.converged:
        return "converged"
    if fit._is_revoked:
        return "not converged: slow weights"
    return "stopped" if fit._stopped else "not converged"


def sentence(fit: Any) -> str:
    """How the fit ended, as a sentence."""
    if fit._status:
        return fit._status
    cost = ""
    if fit.cost_history is not None:
        cost = f"; the cost went from {fit.cost_history[0]:.6g} to {fit.cost_history[-1]:.6g}"
    if fit._constant:
        cost += f"; constant, so of weight 0: column {named(fit._constant, fit.feature_names)}"
    epochs = display.count(fit.n_epochs, "epoch")
    if fit.diverged:
        return f"diverged; {epochs} done{cost}"
    if fit.converged:
        if fit._stopped:
            return f"converged after {epochs}: {fit._stopped}{cost}"
        return f"converged: the last of {epochs} changed no weight{cost}"
    if fit._is_revoked:
        return f"ended after {epochs}: {fit._stopped}{cost}"
    if fit._stopped:
        return f"stopped after {epochs}: {fit._stopped}{cost}"
    if fit.n_epochs == 0:
        return f"no epochs{cost}"
    return f"w was still moving after {epochs}{cost}"

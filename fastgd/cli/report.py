"""What the command line says of a fit and of a diagnosis: to people in lines, to machines in JSON."""

from __future__ import annotations

import json
import math
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fastgd.solver.diagnose import Diagnosis
from fastgd.solver.results import FitResult
from fastgd.wording import SHOWN as SHOWN_NAMES
from fastgd.wording import Words, printable

WIDTH = 80
SHOWN = 40
"""Weights that a person is shown, of more the largest."""
SOLVERS = {"gradient_descent": "full-batch gradient descent", "sgd": "stochastic gradient descent"}
UNLIKE = 1e4
"""Condition numbers above this come mostly of columns in unlike units."""


class CommandWords(Words):
    """The options as the command line spells them."""

    def name(self, option: str) -> str:
        return "--epochs" if option == "n_epochs" else f"--{option.replace('_', '-')}"

    def has(self, option: str) -> bool:
        return option != "precondition"

    def option(self, option: str, value: Any = ...) -> str:
        if value is ... or value is True:
            return self.name(option)
        if isinstance(value, (list, tuple)):
            value = _fields(value)
        return f"{self.name(option)} {f'{value:.6g}' if isinstance(value, float) else value}"

    def aside(self, remark: str) -> str:
        return ""


COMMAND = CommandWords()


def _fields(names: Sequence[str]) -> str:
    """Names of columns as a list a,b,c of a shell; not more than a dozen."""
    text = ",".join(map(_field, names[:SHOWN_NAMES])) + ",…" * (len(names) > SHOWN_NAMES)
    return shlex.quote(text) if " " in text else text


def _field(name: str) -> str:
    """A name as it stands in a list a,b,c."""
    return '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name


def of_fit(
    fit: FitResult, names: Iterable[str], given: dict[str, Any], notes: list[str], variance: float | None
) -> dict[str, Any]:
    """All that there is to say of a fit; `given` is what it was asked for, `variance` that of the targets."""
    weights = np.atleast_1d(fit.w)
    cost = mean = None
    if fit.cost_history is not None:
        cost = float(fit.cost_history[-1])
        with np.errstate(all="ignore"):
            penalty = given["l1"] * np.abs(weights).sum() + 0.5 * given["l2"] * np.square(weights).sum()
            mean = cost - float(penalty)
    is_squared = given["loss"] == "squared_error"
    has_error = is_squared and mean is not None and mean >= 0.0
    return given | {
        "rows": fit.n_samples,
        "columns": len(weights),
        "epochs": fit.n_epochs,
        "updates": fit.n_updates,
        "reads": fit.n_passes,
        "seconds": fit.elapsed,
        "method": fit.method,
        "backend": fit.backend,
        "seed": fit.seed,
        "converged": fit.converged,
        "diverged": fit.diverged,
        "status": fit.status,
        "notes": notes,
        "learning_rate": float(fit.learning_rates[0]) if len(fit.learning_rates) else None,
        "intercept": fit.intercept,
        "weights": dict(zip(names, weights.tolist(), strict=True)),
        "cost": cost,
        "root_mean_square_error": math.sqrt(mean) if has_error and mean is not None else None,
        "r2": 1.0 - mean / variance if has_error and variance and mean is not None else None,
        "cost_history": None if fit.cost_history is None else fit.cost_history.tolist(),
    }


def lines_of_fit(told: dict[str, Any]) -> Iterator[str]:
    if told["not_converged"]:
        yield from _wrapped(told["not_converged"])
        yield ""
    yield from _heading(told)
    rate = "" if told["learning_rate"] is None else f", learning rate {told['learning_rate']:.4g}"
    solver = f"{SOLVERS[told['solver']]}, {told['loss']}{rate}"
    reads = "1 read" if told["reads"] == 1 else f"{told['reads']} reads"
    yield from _wrapped(f"{solver}; {reads} of the data, {told['seconds']:.3g} s")
    yield from _wrapped(told["status"])
    for note in told["notes"]:
        yield from _wrapped(f"note: {note}")
    yield ""
    measures = {"root mean square error": told["root_mean_square_error"], "R²": told["r2"]}
    for name, value in measures.items():
        if value is not None:
            yield f"{name:<24}{value:>12.6g}"
    if any(value is not None for value in measures.values()):
        yield ""
    intercept = {"(intercept)": told["intercept"]} if told["has_intercept"] else {}
    yield from _table(intercept, told["weights"])
    if told["model"]:
        yield ""
        marked = ", marked as not converged" if told["not_converged"] else ""
        yield printable(f"the model is in {told['model']}{marked}")
    if told["picture"]:
        yield printable(f"the picture is in {told['picture']}")


def of_diagnosis(found: Diagnosis, names: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    """All that there is to say of a diagnosis; `given` is what it was asked for."""
    optimum = None
    if found.optimum is not None:
        optimum = dict(zip(names, np.atleast_1d(found.optimum).tolist(), strict=True))
    return given | {
        "rows": found.n_samples,
        "columns": found.n_features,
        "reads": found.n_passes,
        "largest_eigenvalue": found.largest_eigenvalue,
        "smallest_eigenvalue": found.smallest_eigenvalue,
        "is_estimate": found.is_estimate,
        "condition_number": found.condition_number,
        "stability_limit": found.stability_limit,
        "learning_rate": found.learning_rate,
        "spectral_radius": found.spectral_radius,
        "epochs_to_1e-6": None if found.spectral_radius is None else found.epochs_to(1e-6),
        "optimum_cost": found.optimum_cost,
        "optimum_intercept": found.optimum_intercept,
        "optimum_weights": optimum,
    }


def lines_of_diagnosis(told: dict[str, Any]) -> Iterator[str]:
    yield from _heading(told)
    in_units = ", in columns of variance 1" * told["standardize"]
    yield f"{SOLVERS[told['solver']]}, squared_error{in_units}"
    yield ""
    estimated = " (estimated)" * told["is_estimate"]
    eigenvalues = f"{told['smallest_eigenvalue']:.6g} to {told['largest_eigenvalue']:.6g}{estimated}"
    limit = "every step stable below" if told["solver"] == "sgd" else "converges below"
    rows = {
        "eigenvalues of XᵀX/n": eigenvalues,
        "condition number": f"{told['condition_number']:.6g}",
        f"{limit}": f"learning rate {told['stability_limit']:.6g}",
    }
    if told["spectral_radius"] is not None:
        epochs = told["epochs_to_1e-6"]
        needed = "never gets there"
        if not math.isinf(epochs):
            needed = f"{epochs:,} epoch{'s' * (epochs != 1)} to 1e-6 of the distance"
        rows[f"at {told['learning_rate']:.6g}"] = needed
    if told["optimum_cost"] is not None:
        rows["cost at the optimum"] = f"{told['optimum_cost']:.6g}"
    for name, text in rows.items():
        yield f"{name:<26}{text}"
    is_unlike = told["condition_number"] > UNLIKE and not (told["standardize"] or told["l2"])
    if is_unlike and told["solver"] == "gradient_descent":
        yield "--standardize takes fewer epochs where columns have unlike units"
    if told["optimum_weights"] is not None:
        yield ""
        yield "at the optimum:"
        intercept = {"(intercept)": told["optimum_intercept"]} if told["has_intercept"] else {}
        yield from _table(intercept, told["optimum_weights"])


def _heading(told: dict[str, Any]) -> Iterator[str]:
    features = f"{told['columns']} feature{'s' * (told['columns'] != 1)}"
    with_it = " and an intercept" * told["has_intercept"]
    with_it += f", weighted by {told['weight']}" if told["weight"] is not None else ""
    target = f"column {told['target']}" if told["target"].lstrip("-").isdecimal() else told["target"]
    yield from _wrapped(f"{told['data']}: {told['rows']:,} rows, {target} from {features}{with_it}")
    if told["rows_left_out"]:
        yield from _wrapped(f"{told['rows_left_out']:,} rows with a missing value were left out")


def _table(first: dict[str, float], weights: dict[str, float]) -> Iterator[str]:
    names = [*weights]
    if len(names) > SHOWN:
        names = sorted(names, key=lambda name: -abs(weights[name]))[:SHOWN]
        yield f"the {SHOWN} largest of {len(weights)} weights; --json shows them all"
    rows = [*first.items(), *((printable(name), weights[name]) for name in names)]
    width = min(WIDTH - 16, max(len("feature"), *(len(name) for name, _ in rows)))
    yield f"{'feature':<{width}}  {'weight':>13}"
    for name, value in rows:
        yield f"{_cut(name, width):<{width}}  {value:>13.6g}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _wrapped(text: str) -> Iterator[str]:
    return iter(textwrap.wrap(printable(text), WIDTH, break_on_hyphens=False, subsequent_indent="  "))


def as_json(told: dict[str, Any]) -> str:
    """One line; what is not finite, for which JSON has no words, is null."""
    return json.dumps(_finite(told), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Reports of the command line about a fit or a diagnosis, as text or JSON."""

from __future__ import annotations

import json
import math
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fastgd.cli.layout import pairs, table, wrapped
from fastgd.cli.values import name_of
from fastgd.solver.diagnose import Diagnosis
from fastgd.solver.results import FitResult
from fastgd.wording import SHOWN as SHOWN_NAMES
from fastgd.wording import Words

LONG_COMPILING = 0.5
"""More seconds of compilation are reported."""
SHOWN = 40
"""The largest number of weights in a text report."""
SOLVERS = {"gradient_descent": "full-batch gradient descent", "sgd": "stochastic gradient descent"}
UNLIKE = 1e4
"""A larger condition number usually means that columns have different units."""


class CommandWords(Words):
    """Options in the spelling of the command line."""

    def name(self, option: str) -> str:
        return self.names.get(option, f"--{option.replace('_', '-')}")

    def has(self, option: str) -> bool:
        return option != "precondition"

    def option(self, option: str, value: Any = ...) -> str:
        if value is ... or value is True:
            return self.name(option)
        if value is False:
            return f"--no-{option}"
        if isinstance(value, (list, tuple)):
            value = _fields(value)
        elif isinstance(value, str) and not any(map(str.isalnum, value)):
            value = f'"{value}"'  # a mark such as ; means something to shells
        return f"{self.name(option)} {f'{value:.6g}' if isinstance(value, float) else value}"

    def aside(self, remark: str) -> str:
        return ""


COMMAND = CommandWords({"n_epochs": "--epochs", "na_values": "--na"})


def _fields(names: Sequence[str]) -> str:
    """The first dozen column names as an argument a,b,c for a shell."""
    text = ",".join(map(_field, names[:SHOWN_NAMES])) + ",…" * (len(names) > SHOWN_NAMES)
    return shlex.quote(text) if " " in text else text


def _field(name: str) -> str:
    """A name as an item of a list a,b,c."""
    return '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name


def of_fit(
    fit: FitResult, names: Iterable[str], options: dict[str, Any], notes: list[str], variance: float | None
) -> dict[str, Any]:
    """The report of a fit, which begins with its options. `variance` is the variance of the targets."""
    weights = np.atleast_1d(fit.w)
    cost = mean = None
    if fit.cost_history is not None:
        cost = float(fit.cost_history[-1])
        with np.errstate(all="ignore"):
            penalty = options["l1"] * np.abs(weights).sum() + 0.5 * options["l2"] * np.square(weights).sum()
            mean = cost - float(penalty)
    is_squared = options["loss"] == "squared_error"
    has_error = is_squared and mean is not None and mean >= 0.0
    return options | {
        "rows": fit.n_samples,
        "columns": len(weights),
        "epochs": fit.n_epochs,
        "updates": fit.n_updates,
        "reads": fit.n_passes,
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
        "log_loss": mean if options["loss"] == "log_loss" else None,
        "cost_history": None if fit.cost_history is None else fit.cost_history.tolist(),
    }


def lines_of_fit(report: dict[str, Any]) -> Iterator[str]:
    if report["not_converged"]:
        yield from wrapped(report["not_converged"])
        yield ""
    yield from _heading(report)
    rate = "" if report["learning_rate"] is None else f", learning rate {report['learning_rate']:.4g}"
    solver = f"{SOLVERS[report['solver']]}, {report['loss']}{rate}"
    reads = "1 read" if report["reads"] == 1 else f"{report['reads']} reads"
    compiling = report["seconds_compiling"]
    beside = f", and {compiling:.1f} s to compile, once" if compiling > LONG_COMPILING else ""
    yield from wrapped(f"{solver}; {reads} of the data, {report['seconds']:.3g} s{beside}")
    yield from wrapped(report["status"])
    if report["cross_validation"]:
        from fastgd.cli import choice

        yield from wrapped(choice.sentence(report["cross_validation"]))
    for note in report["notes"]:
        yield from wrapped(f"note: {note}")
    yield ""
    if measures := _measures(report):
        yield from pairs(measures)
        yield ""
    yield from _table(report, report["intercept"], report["weights"])
    if report["model"] or report["picture"]:
        yield ""
    if report["model"]:
        marked = ", marked as not converged" if report["not_converged"] else ""
        yield from wrapped(f"the model is in {report['model']}{marked}")
    if report["picture"]:
        yield from wrapped(f"the picture is in {report['picture']}")


def _measures(report: dict[str, Any]) -> dict[str, str]:
    """How well the model fits the rows."""
    sure = report["inference"] or {}
    values = {
        "root mean square error": report["root_mean_square_error"],
        "accuracy": report["accuracy"],
        "log loss": report["log_loss"],
        "R²": report["r2"],
        "adjusted R²": sure.get("adjusted_r2"),
        "residual standard deviation": sure.get("residual_standard_deviation"),
    }
    shown = {name: f"{value:.6g}" for name, value in values.items() if value is not None}
    if sure:
        df = sure["degrees_of_freedom"]
        shown["residual standard deviation"] += f" on {df:,.6g} degree{'s' * (df != 1)} of freedom"
    return shown


def of_diagnosis(diagnosis: Diagnosis, names: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The report of a diagnosis, which begins with its options."""
    optimum = None
    if diagnosis.optimum is not None:
        optimum = dict(zip(names, np.atleast_1d(diagnosis.optimum).tolist(), strict=True))
    return options | {
        "rows": diagnosis.n_samples,
        "columns": diagnosis.n_features,
        "reads": diagnosis.n_passes,
        "largest_eigenvalue": diagnosis.largest_eigenvalue,
        "smallest_eigenvalue": diagnosis.smallest_eigenvalue,
        "is_estimate": diagnosis.is_estimate,
        "condition_number": diagnosis.condition_number,
        "stability_limit": diagnosis.stability_limit,
        "learning_rate": diagnosis.learning_rate,
        "spectral_radius": diagnosis.spectral_radius,
        "epochs_to_1e-6": None if diagnosis.spectral_radius is None else diagnosis.epochs_to(1e-6),
        "optimum_cost": diagnosis.optimum_cost,
        "optimum_intercept": diagnosis.optimum_intercept,
        "optimum_weights": optimum,
    }


def lines_of_diagnosis(report: dict[str, Any]) -> Iterator[str]:
    yield from _heading(report)
    in_units = ", in columns of variance 1" * report["standardize"]
    yield from wrapped(f"{SOLVERS[report['solver']]}, squared_error{in_units}")
    yield ""
    estimated = " (estimated)" * report["is_estimate"]
    eigenvalues = f"{report['smallest_eigenvalue']:.6g} to {report['largest_eigenvalue']:.6g}{estimated}"
    limit = "every step stable below" if report["solver"] == "sgd" else "converges below"
    rows = {
        "eigenvalues of XᵀX/n": eigenvalues,
        "condition number": f"{report['condition_number']:.6g}",
        f"{limit}": f"learning rate {report['stability_limit']:.6g}",
    }
    if report["spectral_radius"] is not None:
        epochs = report["epochs_to_1e-6"]
        needed = "never gets there"
        if not math.isinf(epochs):
            needed = f"{epochs:,} epoch{'s' * (epochs != 1)} to 1e-6 of the distance"
        rows[f"at {report['learning_rate']:.6g}"] = needed
    if report["optimum_cost"] is not None:
        rows["cost at the optimum"] = f"{report['optimum_cost']:.6g}"
    yield from pairs(rows)
    is_unlike = report["condition_number"] > UNLIKE and not (report["standardize"] or report["l2"])
    if is_unlike and report["solver"] == "gradient_descent":
        yield from wrapped("--standardize takes fewer epochs where columns have unlike units")
    if report["optimum_weights"] is not None:
        yield ""
        yield "at the optimum:"
        yield from _table(report, report["optimum_intercept"], report["optimum_weights"])


def _heading(report: dict[str, Any]) -> Iterator[str]:
    features = f"{report['columns']} feature{'s' * (report['columns'] != 1)}"
    with_it = " and an intercept" * report["has_intercept"]
    with_it += f", weighted by {report['weight']}" if report["weight"] is not None else ""
    target = f"column {report['target']}" if report["target"].lstrip("-").isdecimal() else report["target"]
    data, rows = name_of(report["data"]), report["rows"]
    yield from wrapped(f"{data}: {rows:,} rows, {target} from {features}{with_it}")
    if report["rows_left_out"]:
        yield from wrapped(f"{report['rows_left_out']:,} rows with a missing value were left out")


def _table(report: dict[str, Any], intercept: float, weights: dict[str, float]) -> Iterator[str]:
    """The weights, with their standard errors where the report has them."""
    names = [*weights]
    if len(names) > SHOWN:
        names = sorted(names, key=lambda name: -abs(weights[name]))[:SHOWN]
        yield from wrapped(f"the {SHOWN} largest of {len(weights)} weights; --json shows them all")
    sure = report.get("inference") or {"standard_errors": {}, "t": {}, "p": {}, "intercept": {}}
    rows = [
        (name, weights[name], sure["standard_errors"].get(name), sure["t"].get(name), sure["p"].get(name))
        for name in names
    ]
    if report["has_intercept"]:
        rows.insert(0, ("(intercept)", intercept, *map(sure["intercept"].get, ("standard_error", "t", "p"))))
    header = ("feature", "weight", "std. error", "t", "p")
    cells = [
        (name, f"{weight:.6g}", _number(error, ".4g"), _number(t, ".4g"), _probability(p))
        for name, weight, error, t, p in rows
    ]
    kept = [j for j in range(len(header)) if j < 2 or any(row[j] for row in cells)]
    yield from table([header[j] for j in kept], [[row[j] for j in kept] for row in cells])


def _number(value: float | None, how: str) -> str:
    return "" if value is None or math.isnan(value) else f"{value:{how}}"


def _probability(p: float | None) -> str:
    return "<1e-99" if p is not None and p < 1e-99 else _number(p, ".2g")


def show(
    options: Namespace, report: dict[str, Any], lines_of: Callable[[dict[str, Any]], Iterator[str]]
) -> None:
    """Print a report as --json and --quiet ask."""
    if options.json:
        print(as_json(report))
    elif not options.quiet:
        print("\n".join(lines_of(report)))


def as_json(report: dict[str, Any]) -> str:
    """A report as a line of JSON. Numbers that are not finite become null."""
    return json.dumps(_finite(report), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""The command `fastgd evaluate`: how well a model predicts the targets of DATA, from one read."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.cli import measures, opening, report
from fastgd.cli.parts import Part, parts
from fastgd.cli.predict import scores_of
from fastgd.cli.values import name_of
from fastgd.solver.model import load_fit
from fastgd.wording import printable

NAMES = {
    "root_mean_square_error": "root mean square error",
    "mean_absolute_error": "mean absolute error",
    "r2": "R²",
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "auc": "area under ROC",
}


def run(options: Namespace) -> int:
    from fastgd.data.tables import Beside

    model = load_fit(options.model)
    if not model.converged:
        opening.note(options, f"the fit in {options.model} has not converged")
    target = options.target if options.target is not None else model.coding.target
    if not target:
        raise InvalidDataError(
            f"{options.model} does not know the column of its target: name it with --target"
        )
    found, n_read, n_unknown = measures.measures_of(model), 0, 0
    labels = measures.labels_of(model)
    for part in parts(options, model, Beside(target, options.weight)):
        assert part.y is not None
        _check(part, labels, target, options)
        found.add(scores_of(model, part), part.y, part.weights)
        n_read, n_unknown = part.stop, part.n_unknown
    if not found.total:
        raise InvalidDataError("the weights are zero for every row; at least one row must count")
    facts = {
        "data": options.data, "model": options.model, "target": target, "weight": options.weight,
        "rows": found.n, "rows_left_out": n_read - found.n, "unknown_levels": n_unknown,
        "total_weight": found.total,
    } | found.results()  # fmt: skip
    report.show(options, facts, _lines)
    return 0


def _check(part: Part, labels: tuple[str, ...], target: str, options: Namespace) -> None:
    """Refuse targets and weights that no measure takes."""
    y, weights = part.y, part.weights
    assert y is not None
    is_good = (y == 0.0) | (y == 1.0) if labels else np.isfinite(y)
    takes = "the classes of this model are 0 and 1" if labels else "leave such rows out"
    checks = [("y", target, y, is_good, takes)]
    if weights is not None:
        is_good = np.isfinite(weights) & (weights >= 0.0)
        takes = "weights must be finite and not negative"
        checks.append(("sample_weight", options.weight, weights, is_good, takes))
    for what, name, values, is_good, remedy in checks:
        if not is_good.all():
            at = int(is_good.argmin())
            place = RowPlace(os.path.basename(name_of(options.data)), int(part.rows[at]))
            problem = f"is {values[at]:g}"
            raise InvalidDataError(problem, what=what, name=name, value=values[at], remedy=remedy, at=place)


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    """The report as text."""
    weighted = f", weighted by {facts['weight']}" if facts["weight"] is not None else ""
    yield printable(
        f"{name_of(facts['data'])}: {facts['rows']:,} rows, {facts['target']} by {facts['model']}{weighted}"
    )
    if facts["rows_left_out"]:
        yield f"{facts['rows_left_out']:,} rows with a missing value were left out"
    if facts["unknown_levels"]:
        yield f"{facts['unknown_levels']:,} levels are unknown to the model: their features are 0"
    yield ""
    for key, name in NAMES.items():
        if facts.get(key) is not None:
            yield f"{name:<24}{facts[key]:>12.6g}"
    if "table" in facts:
        labels = [printable(label) for label in facts["table"]]
        width = max(len("predicted"), *map(len, labels))
        yield ""
        yield f"{'':<{width}}  {'predicted':>{width}}"
        target = printable(facts["target"])[:width]
        yield f"{target:<{width}}" + "".join(f"  {label:>{width}}" for label in labels)
        for label, row in facts["table"].items():
            yield f"{printable(label):<{width}}" + "".join(
                f"  {count:>{width},.6g}" for count in row.values()
            )

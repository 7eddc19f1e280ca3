"""A summary in the place of a dataset: fits on statistics take its numbers and read no rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fastgd import callers
from fastgd.checks import InvalidDataError
from fastgd.data.dataset import LARGEST, ROWS, SMALLEST, TOTAL, Dataset, Facts
from fastgd.engine.blocks import Floats, Reader
from fastgd.losses import name_of
from fastgd.solver import scaling
from fastgd.solver.statistics import Statistics
from fastgd.solver.summary import Summary

if TYPE_CHECKING:
    from fastgd.solver.objective import Objective
    from fastgd.solver.options import Plan

LEAST_SHARE = 1e-3
"""The relative error of a cost from which on it is warned of."""
NEEDS = "a Summary has no rows, and {what} needs them: pass X and y"


class Summarized(Dataset):
    """The dataset of a summary. It has statistics, and no rows."""

    has_rows = is_random = False
    passes = 0
    row_bytes = run_numbers = 1

    def __init__(self, summary: Summary, needs: str = NEEDS):
        """`needs` is the text of errors about what needs rows."""
        summary.check_rows()
        self.summary, self._needs = summary, needs
        self.d, self.is_scalar = summary.n_features, summary.is_scalar
        self.columns, self.target_name = summary.feature_names, summary.target_name
        self.coding = summary.coding
        self.has_weights = summary.has_weights or summary.is_scaled

    def statistics(self, has_intercept: bool) -> Statistics:
        return self.summary.products.statistics(has_intercept)

    @property
    def known_n(self) -> int:
        return self.summary.n_samples

    @property
    def total_weight(self) -> float:
        return self.summary.total_weight

    @property
    def is_one_block(self) -> bool:
        return False  # no plain loop runs on it

    @property
    def facts(self) -> Facts:
        """The facts that fits on statistics use: n, Σ s, and √mean(y²) as the largest |y|."""
        facts, products = Facts(), self.summary.products
        size = math.sqrt(products.squares_of_y / products.total)
        facts.state[[ROWS, SMALLEST, LARGEST, TOTAL]] = self.n, -size, size, products.total
        return facts

    def cost_and_gradient(self, w: Floats, intercept: float, objective: Objective) -> tuple[float, Floats]:
        """The cost of these weights with penalties, and its gradient by w."""
        if not objective.is_squared:
            self.refuse(f"loss={name_of(objective.loss)!r}")
        cost, gradient, error = self.summary.products.cost_and_gradient(w, intercept)
        if error > LEAST_SHARE * cost > 0.0:
            digits = max(0.0, math.log10(cost / error))
            callers.warn(
                f"the summary has {int(digits)} digits of this cost: it is far below those of its parts",
                RuntimeWarning,
            )
        penalty = scaling.plain(self.d, False).penalty(objective.l1, objective.l2)
        return cost + penalty.value(w), gradient + penalty.l1 * np.sign(w) + penalty.l2 * w

    def mark(self) -> tuple[Any, ...]:
        return self.n, self.total_weight, self.summary.products.S.tobytes(), self.summary.products.s

    def refuse_nonfinite(self) -> None:
        """A summary holds finite numbers."""

    def reader(self) -> Reader:
        self.refuse("this")

    def begin(self, pieces: Any) -> NoReturn:
        self.refuse("this")

    def head(self, rows: int) -> NoReturn:
        self.refuse("this")

    def refuse(self, what: str) -> NoReturn:
        raise ValueError(self._needs.format(what=what))


def check(plan: Plan, rows: Dataset) -> None:
    """Refuse options that need rows where there are none, and choose the method that needs none."""
    if not isinstance(rows, Summarized):
        return
    options = plan.options
    needs = [
        ("sgd", plan.solver == "sgd"),
        (f"loss={name_of(plan.objective.loss)!r}", not plan.objective.is_squared),
        ("validation_fraction", options.validation_fraction is not None),
        ('method="stream"', options.method == "stream"),
        ('history="samples"', options.history == "samples"),
        ('backend="python"', plan.backend == "python"),
    ]
    for what, is_asked in needs:
        if is_asked:
            rows.refuse(what)
    options.method = "summary"


def refuse_off() -> NoReturn:
    """Refuse a fit whose steps lose their digits on statistics."""
    raise InvalidDataError(
        "columns are so far from zero, or so large, that descent on statistics loses its digits: "
        "pass standardize=True or precondition=True"
    )

"""The costs of many penalties on held-out folds, from the products of the folds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgd import callers
from fastgd.checks import InvalidDataError
from fastgd.engine import threads
from fastgd.engine.blocks import Floats
from fastgd.solver import blas
from fastgd.solver.options import ConvergenceWarning, of_kind
from fastgd.solver.penalty_paths import Table
from fastgd.solver.products import Products, all_but_each
from fastgd.solver.summary import Summary


class Crossed(NamedTuple):
    """Costs on the folds (m, n_folds), and weights (m, d) and intercepts (m,) of all rows."""

    costs: Floats
    w: Floats
    intercept: Floats


def cross(summary: Summary, l1: Floats, l2: Floats, fit_intercept: bool, n_threads: int | None) -> Crossed:
    """Costs and weights of each pair l1[k], l2[k]; neighbours should be alike, the strongest first."""
    _check_folds(summary)
    whole = summary.products
    if fit_intercept:
        reference = whole.x_ref, whole.y_ref, whole.w_ref
    else:
        reference = np.zeros(len(whole.c)), 0.0, whole.w_ref
    parts = [fold.products.about(*reference) for fold in summary.folds]
    rests = [*all_but_each(parts), whole]
    tables = [Table.of(rest, fit_intercept) for rest in rests]
    v = np.empty((len(rests), len(l1), summary.n_features))
    missed = np.zeros(len(rests), np.int64)
    jobs = iter(range(len(rests)))

    def work(team: threads.Team) -> None:
        for k in jobs:  # each job has its own results, so bits do not depend on threads
            v[k], missed[k] = tables[k].optima(l1, l2)
            if team.stop:
                break

    most = threads.default_threads() if n_threads is None else n_threads
    threads.run_on_threads(work, most if l1.any() else 1)
    folds = zip(parts, rests, v, strict=False)
    costs = np.stack([_held_out(*fold, fit_intercept) for fold in folds], axis=1)
    w = tables[-1].w_ref + v[-1]
    if missed.any():
        callers.warn(
            of_kind(
                ConvergenceWarning, "few digits",
                f"{missed.sum()} of {missed.size * len(l1)} optima with l1 have few digits: columns are "
                "nearly linear combinations of others: leave some out, or pass a small l2",
            )
        )  # fmt: skip
    with blas.one_thread(), np.errstate(over="ignore", invalid="ignore"):
        intercept = whole.y_mean - w @ whole.mean if fit_intercept else np.zeros(len(w))
    return Crossed(costs, w, intercept)


def _check_folds(summary: Summary) -> None:
    for k, fold in enumerate(summary.folds):
        if fold.n_samples == summary.n_samples:
            raise InvalidDataError(
                f"fold {k} has all rows of weight above 0, and none is left to fit without it: take others"
            )
    for k, fold in enumerate(summary.folds):
        if not fold.n_samples:
            raise InvalidDataError(f"fold {k} has no row of weight above 0: take fewer folds")


def _held_out(fold: Products, rest: Products, v: Floats, fit_intercept: bool) -> Floats:
    """The cost on a fold of each v (m, d), which with the best intercept is an optimum of the rest.

    Both are about one reference. The mean residual is that of the fold less that of the rest, where the
    intercept makes it 0.
    """
    with blas.one_thread(), np.errstate(over="ignore", invalid="ignore"):
        if fit_intercept:
            mean = (fold.r_mean - rest.r_mean) - v @ (fold.offset - rest.offset)
        else:
            mean = fold.r_mean - v @ fold.offset
        squares = fold.s - np.sum(v * (2.0 * fold.c - v @ fold.S), axis=1)
        return np.asarray(np.maximum(squares, 0.0) / fold.total + mean * mean)

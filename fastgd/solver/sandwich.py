"""The middle of sandwich covariances: sums of products of scores, by one more pass over the rows.

A score is s r z, of a row or summed over the rows of a cluster. The products are summed by the kernels of the
statistics, so their bits do not depend on threads or on where the rows are.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.data.arrays import read_only
from fastgd.data.dataset import Dataset
from fastgd.data.transform import RUN_NUMBERS, MappedRows, Mapping
from fastgd.engine import scan
from fastgd.engine.blocks import Array, Floats
from fastgd.solver import blas
from fastgd.solver.centring import refuse_overflow
from fastgd.solver.clusters import Codes
from fastgd.solver.statistics import read_statistics


class Scored(NamedTuple):
    """What scores need beside the rows. With an intercept z is [x − shift, 1], otherwise x."""

    shift: Floats
    theta: Floats
    """The coefficients of z."""
    root: Floats
    """(rank, k) such that rootᵀroot is the inverse of Σ s z zᵀ; (0, k) leaves leverages out."""
    are_copies: bool
    """Whether a row of weight s stands for s rows."""


class Scores(MappedRows):
    """The scores of rows, divided by 1 − h with leverages. Targets are 0."""

    def __init__(self, rows: Dataset, scored: Scored):
        super().__init__(rows)
        self._scored, self.d = scored, len(scored.theta)
        self.row_bytes = 8 * (self.d + 1)
        self.run_numbers = RUN_NUMBERS

    def mapping(self) -> Mapping:
        from fastgd.kernels import sandwich

        shift, theta, root, are_copies = self._scored
        root = np.pad(root, ((0, -len(root) % 4), (0, 0))).reshape(-1)
        room, zeros = np.empty((0, self.d)), np.empty(0)

        def map_run(X: Array, y: Array, weights: Floats) -> tuple[Array, Array, Floats]:
            nonlocal room, zeros
            if len(zeros) < len(y):
                room, zeros = np.empty((len(y), self.d)), np.zeros(len(y))
            out = room[: len(y)]
            sandwich.fill(X, y, weights, shift, theta, root, are_copies, out)
            return read_only(out), read_only(zeros[: len(y)]), weights

        return map_run

    def over(self, base: Any) -> Scores:
        return Scores(self.rows.over(base), self._scored)

    def refuse_nonfinite(self) -> None:
        """Refuse NaN and infinity, and a row of leverage 1."""
        self.rows.refuse_nonfinite()
        place = np.array([-1.0])
        scan.scan(self, _find_nonfinite, [place])
        if (row := int(place[0])) < 0 or not len(self._scored.root):
            refuse_overflow()
        raise InvalidDataError(
            "has leverage 1: a coefficient depends on this row alone, so its residual tells nothing",
            what="X", remedy='leave the row out, or use cov_type="HC1"', at=self.rows.place(row),
        )  # fmt: skip


def of_rows(rows: Dataset, scored: Scored, n_threads: int | None) -> Floats:
    """Σ s² r² z zᵀ, with r/(1 − h) in the place of r for leverages; Σ s r² z zᵀ if a row is s copies."""
    scores = Scores(rows, scored)
    return read_statistics(scores, np.zeros(scores.d), n_threads).G


def of_clusters(rows: Dataset, scored: Scored, codes: Codes, n_clusters: int) -> tuple[Floats, int]:
    """Σ u uᵀ over the clusters, u = Σ s r z, and the number of clusters with a row of weight above 0.

    The rows are read in order, so memory is needed for one table of (n_clusters, k).
    """
    scores = Scores(rows, scored._replace(are_copies=False))
    sums, counts = np.zeros((n_clusters, scores.d)), np.zeros(n_clusters)
    scan.scan(scores, functools.partial(_add, codes), [sums, counts])
    with blas.one_thread(), np.errstate(over="ignore", invalid="ignore"):
        middle = sums.T @ sums
    if not np.isfinite(middle).all():
        scores.refuse_nonfinite()
    return middle, int(np.count_nonzero(counts))


def _add(
    codes: Codes, start: int, scores: Array, _y: Array, weights: Floats, sums: Floats, counts: Floats
) -> None:
    from fastgd.kernels import sandwich

    sandwich.add(scores, weights, codes[start : start + len(scores)], sums, counts)


def _find_nonfinite(start: int, scores: Array, _y: Array, _weights: Floats, place: Floats) -> None:
    """Set `place` to the first row with a score that is not finite."""
    if place[0] < 0.0 and not (is_finite := np.isfinite(scores).all(axis=1)).all():
        place[0] = start + int(is_finite.argmin())

"""Centred products of rows: the algebra of summaries. They add up, and never need the rows again.

Parts merge about their means (T. F. Chan, G. H. Golub and R. J. LeVeque, The American Statistician 37(3),
1983). With δ = mean_b − mean_a of z = [x, r], and s_a, s_b the sums of the weights,

    Σ s (z − mean)(z − mean)ᵀ = products_a + products_b + s_a s_b/(s_a + s_b) δδᵀ.

The residual r is about weights of reference, so that the cost of a fit that is nearly exact keeps its digits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastgd.engine.blocks import Floats
from fastgd.solver import blas, linalg
from fastgd.solver.curvature import CONSTANT
from fastgd.solver.linalg import EPS
from fastgd.solver.statistics import FAR, Statistics

NEGATIVE = 1e-10
"""Products are not those of rows if an eigenvalue, in like units, is below −NEGATIVE."""


class Products(NamedTuple):
    """Products of rows [x, r] about their means, with r = y − y_ref − (x − x_ref)·w_ref and weights s.

    Attributes
    ----------
    total : float
        Σ s.
    x_ref, y_ref, w_ref : ndarray (d,), float, ndarray (d,)
        The reference. Any is correct; a good one keeps digits.
    offset : ndarray (d,)
        mean(x) − x_ref.
    r_mean : float
        mean(r).
    S : ndarray (d, d)
        Σ s (x − mean)(x − mean)ᵀ.
    c : ndarray (d,)
        Σ s (x − mean)(r − r_mean).
    s : float
        Σ s (r − r_mean)².
    y_offset : float
        mean(y) − y_ref.
    y_squares : float
        Σ s (y − mean(y))². It could be computed from the others, but not with all its digits where weights of
        reference of like columns cancel.
    error : float
        About the rounding error of s.
    noise : ndarray (d,)
        About the rounding error of the squares S_jj, beside eps of them. Products that were taken out of far
        larger ones have few digits.
    """

    total: float
    x_ref: Floats
    y_ref: float
    w_ref: Floats
    offset: Floats
    r_mean: float
    S: Floats
    c: Floats
    s: float
    y_offset: float
    y_squares: float
    error: float
    noise: Floats

    @classmethod
    def none(cls, d: int) -> Products:
        """The products of no rows."""
        zeros = np.zeros(d)
        return cls(0.0, zeros, 0.0, zeros, zeros, 0.0, np.zeros((d, d)), zeros, 0.0, 0.0, 0.0, 0.0, zeros)

    @classmethod
    def of(cls, statistics: Statistics, y_shift: float = 0.0) -> Products:
        """From the statistics of √s·[x − x_ref, 1] and √s·(y − y_shift), with sums of the targets."""
        G, d = statistics.G, len(statistics.x_ref)
        total = float(G[d, d])
        offset, r_mean = G[d, :d] / total, float(statistics.c[d] / total)
        S = G[:d, :d] - total * np.outer(offset, offset)
        c = statistics.c[:d] - offset * statistics.c[d]
        is_constant = ~(np.diag(S) > CONSTANT * np.diag(G)[:d])
        S[is_constant], S[:, is_constant], c[is_constant] = 0.0, 0.0, 0.0
        s = max(0.0, statistics.s - total * r_mean * r_mean)
        *w_ref, b = statistics.w_ref.tolist()
        y_ref = b + y_shift
        lost = math.fsum([b, y_shift, -y_ref])
        about, moment, square = statistics.targets
        y_mean = moment / total
        products = cls(
            total, statistics.x_ref.copy(), y_ref, np.array(w_ref), offset, r_mean + lost, S, c, s,
            math.fsum([y_mean, about, -b, lost]), max(0.0, square - total * y_mean * y_mean),
            0.0, np.zeros(d),
        )  # fmt: skip
        # Each residual has a rounding error of about eps·|y|.
        squares = EPS * EPS * products.squares_of_y
        return products._replace(
            error=EPS * 4.0 * statistics.s + 2.0 * math.sqrt(s) * math.sqrt(squares) + squares
        )

    @property
    def mean(self) -> Floats:
        return self.x_ref + self.offset

    @property
    def y_mean(self) -> float:
        return self.y_ref + self.y_offset

    @property
    def with_y(self) -> Floats:
        """Σ s (x − mean)(y − mean(y)), (d,)."""
        return self.c + _times(self.S, self.w_ref)

    @property
    def squares_of_y(self) -> float:
        """Σ s y²."""
        return self.y_squares + self.total * self.y_mean * self.y_mean

    def solution(self) -> Floats:
        """v such that w_ref + v are the weights with the least cost, with an intercept."""
        return linalg.factor(self.S).solve(self.c) if len(self.c) else self.c

    # References -------------------------------------------------------------------------------------------

    def about(self, x_ref: Floats, y_ref: float, w_ref: Floats) -> Products:
        """The products about another reference."""
        v = w_ref - self.w_ref
        c, s, error = self._moved(v) if v.any() else (self.c, self.s, self.error)
        moved = self.x_ref - x_ref
        steps = (-moved * w_ref).tolist(), (-self.offset * v).tolist()
        r_mean = math.fsum([self.r_mean, self.y_ref, -y_ref, *steps[0], *steps[1]])
        return Products(
            self.total, x_ref, y_ref, w_ref, moved + self.offset, r_mean, self.S, c, s,
            math.fsum([self.y_offset, self.y_ref, -y_ref]), self.y_squares, error, self.noise,
        )  # fmt: skip

    def _moved(self, v: Floats) -> tuple[Floats, float, float]:
        """c, s and the error of s about w_ref + v.

        Few rows leave directions in which S is 0. There v changes nothing, and products with it are noise.
        """
        c = self.c - _times(self.S, v)
        s = self.s - float(np.sum(v * (self.c + c)))
        size = self._size(v)
        if s < FAR * size:
            v = v - linalg.factor(self.S).null_part(v)
            c = self.c - _times(self.S, v)
            s, size = self.s - float(np.sum(v * (self.c + c))), self._size(v)
        return c, max(0.0, s), self.error + 4.0 * self.precision * size

    def error_of_move(self, v: Floats) -> float:
        """About the rounding error of s about w_ref + v, beside that of s."""
        return 4.0 * self.precision * self._size(v)

    def _size(self, v: Floats) -> float:
        """An upper bound of vᵀ S v, and of the terms that it sums."""
        length = float(np.sum(np.abs(v) * np.sqrt(np.diag(self.S))))
        return length * length

    def near_mean(self) -> Products:
        """The products about x_ref near the mean of x."""
        x_ref = self.mean
        y_ref = math.fsum([self.y_ref, *((x_ref - self.x_ref) * self.w_ref).tolist()])
        return self.about(x_ref, y_ref, self.w_ref)

    def near_optimum(self) -> Products:
        """The products about the optimal weights, if the cost there is far below that at the reference."""
        w_ref = self._far_optimum()
        return self if w_ref is None else self.about(self.x_ref, self.y_ref, w_ref)

    def _far_optimum(self) -> Floats | None:
        v = self.solution()
        least = self.s - float(np.sum(v * self.c))
        return self.w_ref + v if least < FAR * self.s and np.isfinite(v).all() else None

    def statistics(self, has_intercept: bool) -> Statistics:
        """The statistics of √s·[x − x_ref, 1], or of √s·x without an intercept."""
        d, total = len(self.c), self.total
        about = self if has_intercept else self.about(np.zeros(d), 0.0, self.w_ref)
        size = d + has_intercept
        G, c, w_ref = np.empty((size, size)), np.empty(size), np.empty(size)
        sums = total * about.offset
        G[:d, :d] = about.S + np.outer(sums, about.offset)
        c[:d], w_ref[:d] = about.c + sums * about.r_mean, about.w_ref
        if has_intercept:
            G[d, :d] = G[:d, d] = sums
            G[d, d], c[d], w_ref[d] = total, total * about.r_mean, about.y_ref
        return Statistics(total, w_ref, G, c, about.s + total * about.r_mean * about.r_mean, about.x_ref)

    def cost_and_gradient(self, w: Floats, intercept: float) -> tuple[float, Floats, float]:
        """(1/Σ s) Σ s (x·w + intercept − y)², its gradient by w, and about the rounding error of the cost."""
        with np.errstate(over="ignore", invalid="ignore"):
            here = self.about(np.zeros(len(w)), intercept, w)
            cost = here.s / here.total + here.r_mean * here.r_mean
        return cost, -2.0 * (here.c / here.total + here.offset * here.r_mean), here.error / here.total

    # Algebra ----------------------------------------------------------------------------------------------

    def merged(self, other: Products) -> Products:
        """The products of the rows of both."""
        if not (self.total and other.total):
            return self if self.total else other
        joined = min((_joined(self, other, about) for about in (self, other)), key=lambda one: one.s)
        w_ref = joined._far_optimum()
        if w_ref is not None:
            better = _joined(self, other, joined._replace(w_ref=w_ref))
            joined = better if better.s < joined.s else joined
        return joined.near_mean()

    def joined(self, other: Products, about: Products) -> Products:
        """The same about the reference of a third, which suits both. It solves nothing."""
        return _joined(self, other, about)

    def without(self, part: Products) -> Products | None:
        """The products of the other rows, or None if none can have them."""
        if not part.total:
            return self
        part = part.about(self.x_ref, self.y_ref, self.w_ref)
        total = self.total - part.total
        if total <= 4.0 * EPS * self.total:
            return self._nothing_without(part)
        delta, r_delta = self.offset - part.offset, self.r_mean - part.r_mean
        y_delta, share = self.y_offset - part.y_offset, part.total / total
        factor = self.total * share
        left = Products(
            total, self.x_ref, self.y_ref, self.w_ref, self.offset + share * delta,
            self.r_mean + share * r_delta, self.S - part.S - factor * np.outer(delta, delta),
            self.c - part.c - factor * delta * r_delta, self.s - part.s - factor * r_delta * r_delta,
            self.y_offset + share * y_delta,
            max(0.0, self.y_squares - part.y_squares - factor * y_delta * y_delta),
            self.error + part.error + EPS * self.s, self.noise + part.noise + EPS * np.diag(self.S),
        )  # fmt: skip
        if not left._can_be_rows(self, part):
            return None
        squares = np.diag(left.S)
        is_noise = squares <= 16.0 * EPS * np.diag(self.S)
        left.S[is_noise], left.S[:, is_noise], left.c[is_noise] = 0.0, 0.0, 0.0
        return left._replace(s=max(0.0, left.s)).near_mean()

    def _nothing_without(self, part: Products) -> Products | None:
        """No rows, if the part has all products of these rows."""
        rest = np.diag(self.S) - np.diag(part.S)
        is_same = abs(self.total - part.total) <= 4.0 * EPS * self.total
        is_same &= bool((np.abs(rest) <= NEGATIVE * np.diag(self.S)).all())
        return Products.none(len(self.c)) if is_same else None

    def _can_be_rows(self, whole: Products, part: Products) -> bool:
        """Whether this table, the difference of two others, is positive semidefinite to rounding."""
        tables = [
            np.block([[one.S, one.c[:, None]], [one.c[None, :], np.array([[one.s]])]])
            for one in (self, whole)
        ]
        squares = np.diag(tables[1]).copy()
        squares[-1] += part.s + whole.error / NEGATIVE
        units = np.where(squares > 0.0, 1.0 / np.sqrt(np.where(squares > 0.0, squares, 1.0)), 1.0)
        return bool(linalg.eigenvalues(tables[0] * np.outer(units, units))[0] >= -NEGATIVE * len(units))

    @property
    def precision(self) -> float:
        """About the relative rounding error of the squares S_jj, the largest of all columns."""
        squares = np.diag(self.S)
        counted = squares > 0.0
        return min(1.0, EPS + float(np.max(self.noise[counted] / squares[counted], initial=0.0)))

    @property
    def digits(self) -> float:
        """The number of decimal digits of the products; 16 at most."""
        return max(0.0, -math.log10(self.precision))

    def times(self, factor: float) -> Products:
        """The products with all weights multiplied."""
        return self._replace(
            total=factor * self.total, S=factor * self.S, c=factor * self.c, s=factor * self.s,
            y_squares=factor * self.y_squares, error=factor * self.error, noise=factor * self.noise,
        )  # fmt: skip

    def of_columns(self, columns: list[int]) -> Products:
        """The products of some columns, in this order."""
        gone = np.ones(len(self.c), dtype=bool)
        gone[columns] = False
        w_gone = np.where(gone, self.w_ref, 0.0)
        without = self.about(self.x_ref, self.y_ref, self.w_ref - w_gone)
        kept = without._replace(
            x_ref=without.x_ref[columns], w_ref=without.w_ref[columns], offset=without.offset[columns],
            S=without.S[np.ix_(columns, columns)], c=without.c[columns], noise=without.noise[columns],
        )  # fmt: skip
        return kept.near_optimum()

    def with_target(self, k: int) -> Products:
        """The products with column k and the target exchanged.

        If y = y_ref + (x − x_ref)·w_ref + r with w_k ≠ 0, the residual of x_k about the weights 1/w_k of y
        and −w_j/w_k of the others is −r/w_k. This keeps the digits of r. The other form is about weights 0.
        """
        w_k, d = float(self.w_ref[k]), len(self.c)
        S, c_y = self.S.copy(), self.with_y
        S[k], S[:, k] = c_y, c_y
        S[k, k] = self.y_squares
        x_ref, offset = self.x_ref.copy(), self.offset.copy()
        x_ref[k], offset[k] = self.y_ref, self.y_offset
        plain = self.S[:, k].copy()
        plain[k] = c_y[k]
        # The products with y sum terms that cancel, if weights of reference of like columns are large.
        noise = self.noise.copy()
        noise[k] = self.precision * math.sqrt(self._size(self.w_ref) * self.y_squares)
        exchanged = Products(
            self.total, x_ref, float(self.x_ref[k]), np.zeros(d), offset, float(self.offset[k]), S, plain,
            float(self.S[k, k]), float(self.offset[k]), float(self.S[k, k]),
            4.0 * EPS * float(self.S[k, k]), noise,
        )  # fmt: skip
        if self.s < w_k * w_k * exchanged.s:
            w_ref = -self.w_ref / w_k
            w_ref[k] = 1.0 / w_k
            c = -self.c / w_k
            c[k] = -(self.s + float(np.sum(self.w_ref * self.c))) / w_k
            exchanged = exchanged._replace(
                w_ref=w_ref, r_mean=-self.r_mean / w_k, c=c, s=self.s / w_k**2, error=self.error / w_k**2
            )
        return exchanged.near_optimum()


def all_but_each(parts: Sequence[Products]) -> Iterator[Products]:
    """For each part, the products of all other parts. Parts have one reference, and rows of weight above 0.

    Tables are added only, since a difference of tables may lose digits.
    """
    after = [*itertools.accumulate(reversed(parts[1:]), _joined_here)]
    before = parts[0]
    yield after.pop()
    for part in parts[1:-1]:
        yield _joined_here(before, after.pop())
        before = _joined_here(before, part)
    yield before


def _joined_here(a: Products, b: Products) -> Products:
    return _joined(a, b, a)


def _joined(a: Products, b: Products, about: Products) -> Products:
    """The products of both, about the reference of a third."""
    reference = about.x_ref, about.y_ref, about.w_ref
    a, b = a.about(*reference), b.about(*reference)
    total = a.total + b.total
    share = b.total / total
    factor = a.total * share
    delta, r_delta, y_delta = b.offset - a.offset, b.r_mean - a.r_mean, b.y_offset - a.y_offset
    between = factor * r_delta * r_delta
    return Products(
        total, *reference, a.offset + share * delta, a.r_mean + share * r_delta,
        a.S + b.S + factor * np.outer(delta, delta), a.c + b.c + factor * delta * r_delta,
        a.s + b.s + between, a.y_offset + share * y_delta,
        a.y_squares + b.y_squares + factor * y_delta * y_delta,
        a.error + b.error + 4.0 * EPS * between, a.noise + b.noise,
    )  # fmt: skip


def _times(S: Floats, v: Floats) -> Floats:
    if len(v) < 2:
        return S[:, 0] * v if len(v) else v
    with blas.one_thread(), np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(S @ v, np.float64)

"""Products of many groups in stacked arrays, and their sums.

It is the algebra of `products.py` for all groups at once. Results agree with those of `Products` to rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.engine.blocks import Floats
from fastgd.solver import blas
from fastgd.solver.linalg import EPS, RANK_TOLERANCE
from fastgd.solver.products import Products
from fastgd.solver.statistics import FAR

TOGETHER = 4096
"""Groups that are merged at once, so that their tables stay in the cache."""


class StackedProducts(NamedTuple):
    """The fields of `Products`, each with a first axis for the groups."""

    total: Floats
    x_ref: Floats
    y_ref: Floats
    w_ref: Floats
    offset: Floats
    r_mean: Floats
    S: Floats
    c: Floats
    s: Floats
    y_offset: Floats
    y_squares: Floats
    error: Floats
    noise: Floats

    @classmethod
    def zeros(cls, g: int, d: int) -> StackedProducts:
        """Room for the products of g groups."""
        shapes = (np.shape(part) for part in Products.none(d))
        return cls(*(np.zeros((g, *shape)) for shape in shapes))

    def take(self, which: Any) -> StackedProducts:
        """The products of some groups: an index array, a mask or a slice."""
        return StackedProducts(*(part[which] for part in self))

    def put(self, which: Any, products: StackedProducts) -> None:
        """Replace the products of some groups."""
        for part, values in zip(self, products, strict=True):
            part[which] = values

    def of_group(self, k: int) -> Products:
        parts: list[Any] = [part[k] if part.ndim > 1 else float(part[k]) for part in self]
        return Products(*parts)

    def add(self, which: NDArray[np.intp], others: StackedProducts) -> None:
        """Add the rows of others, group by group, to these groups. All have rows."""
        for first in range(0, len(which), TOGETHER):
            part = slice(first, first + TOGETHER)
            self.put(which[part], self.take(which[part])._merged(others.take(part)))

    # As in Products ---------------------------------------------------------------------------------------

    def _merged(self, other: StackedProducts) -> StackedProducts:
        """The products of the rows of both, with the same bits in either order."""
        a, b = _ordered(self, other)
        joined, about_b = (_joined(a, b, one.x_ref, one.y_ref, one.w_ref) for one in (a, b))
        joined = joined._where(about_b.s < joined.s, about_b)
        v = joined._solution()
        least = joined.s - np.sum(v * joined.c, axis=1)
        far = np.flatnonzero((least < FAR * joined.s) & np.isfinite(v).all(axis=1))
        if len(far):
            near = joined.take(far)
            better = _joined(a.take(far), b.take(far), near.x_ref, near.y_ref, near.w_ref + v[far])
            joined.put(far, near._where(better.s < near.s, better))
        x_ref = joined.x_ref + joined.offset
        y_ref = _sum([joined.y_ref, *((x_ref - joined.x_ref) * joined.w_ref).T])
        return joined._about(x_ref, y_ref, joined.w_ref)

    def _where(self, is_other: NDArray[np.bool_], other: StackedProducts) -> StackedProducts:
        """The products of the other where `is_other`."""
        pairs = zip(self, other, strict=True)
        return StackedProducts(*(np.where(_beside(is_other, a), b, a) for a, b in pairs))

    def _about(self, x_ref: Floats, y_ref: Floats, w_ref: Floats) -> StackedProducts:
        v, moved = w_ref - self.w_ref, self.x_ref - x_ref
        c, s, error = self._moved(v) if v.any() else (self.c, self.s, self.error)
        r_mean = _sum([self.r_mean, self.y_ref, -y_ref, *(-moved * w_ref).T, *(-self.offset * v).T])
        y_offset = _sum([self.y_offset, self.y_ref, -y_ref])
        return self._replace(
            x_ref=x_ref, y_ref=y_ref, w_ref=w_ref, offset=moved + self.offset, r_mean=r_mean, c=c, s=s,
            y_offset=y_offset, error=error,
        )  # fmt: skip

    def _moved(self, v: Floats) -> tuple[Floats, Floats, Floats]:
        c, s, size = self._at(v)
        if len(close := np.flatnonzero(s < FAR * size)):
            v = v.copy()
            v[close] = _ranged(self.S[close], v[close])
            c, s, size = self._at(v)
        squares = np.diagonal(self.S, axis1=1, axis2=2)
        noise = np.max(self.noise / np.where(squares > 0.0, squares, np.inf), axis=1)
        return c, np.maximum(s, 0.0), self.error + 4.0 * np.minimum(1.0, EPS + noise) * size

    def _at(self, v: Floats) -> tuple[Floats, Floats, Floats]:
        """c and s about w_ref + v, and the size of the terms of s."""
        c = self.c - _times(self.S, v)
        units = np.sqrt(np.diagonal(self.S, axis1=1, axis2=2))
        return c, self.s - np.sum(v * (self.c + c), axis=1), np.sum(np.abs(v) * units, axis=1) ** 2

    def _solution(self) -> Floats:
        """v such that w_ref + v has the least cost. In directions without data it is 0, in like units."""
        ranks, inverses = _inverted(self.S)
        v = _times(inverses, self.c)
        v += _times(inverses, self.c - _times(self.S, v))
        few = np.flatnonzero(ranks < self.S.shape[1])
        if len(few):
            units, values, vectors, is_kept = _parted(self.S[few], ranks[few])
            along = np.einsum("gji,gj->gi", vectors, self.c[few] * units)
            v[few] = units * _times(vectors, np.where(is_kept, along / np.where(is_kept, values, 1.0), 0.0))
        return v


def _joined(
    a: StackedProducts, b: StackedProducts, x_ref: Floats, y_ref: Floats, w_ref: Floats
) -> StackedProducts:
    """The products of both, about this reference."""
    a, b = a._about(x_ref, y_ref, w_ref), b._about(x_ref, y_ref, w_ref)
    total = a.total + b.total
    share = b.total / total
    factor = a.total * share
    delta, r_delta, y_delta = b.offset - a.offset, b.r_mean - a.r_mean, b.y_offset - a.y_offset
    scaled, between = factor[:, None] * delta, factor * r_delta * r_delta
    return StackedProducts(
        total, x_ref, y_ref, w_ref, a.offset + share[:, None] * delta, a.r_mean + share * r_delta,
        a.S + b.S + scaled[:, :, None] * delta[:, None, :], a.c + b.c + scaled * r_delta[:, None],
        a.s + b.s + between, a.y_offset + share * y_delta,
        a.y_squares + b.y_squares + factor * y_delta * y_delta,
        a.error + b.error + 4.0 * EPS * between, a.noise + b.noise,
    )  # fmt: skip


def _ordered(a: StackedProducts, b: StackedProducts) -> tuple[StackedProducts, StackedProducts]:
    """The two parts of each group in an order that does not depend on which comes first."""
    flat_a, flat_b = (np.hstack([part.reshape(len(part), -1) for part in one]) for one in (a, b))
    first = np.argmax(flat_a != flat_b, axis=1)[:, None]
    is_less = np.take_along_axis(flat_b, first, 1) < np.take_along_axis(flat_a, first, 1)
    is_swapped = is_less[:, 0]
    return (a._where(is_swapped, b), b._where(is_swapped, a)) if is_swapped.any() else (a, b)


def _ranged(S: Floats, v: Floats) -> Floats:
    """v without parts along which S is 0."""
    ranks, _ = _inverted(S, n_inverses=0)
    few, v = np.flatnonzero(ranks < S.shape[1]), v.copy()
    if len(few):
        units, _, vectors, is_kept = _parted(S[few], ranks[few])
        along = np.einsum("gji,gj->gi", vectors, np.divide(v[few], units, where=units > 0.0, out=0.0 * units))
        v[few] = units * _times(vectors, np.where(is_kept, along, 0.0))
    return v


def _parted(S: Floats, ranks: NDArray[np.int64]) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Units, and the eigenvalues and eigenvectors of S in these; which of them belong to its range."""
    squares = np.diagonal(S, axis1=1, axis2=2)
    units = np.where(squares > 0.0, 1.0 / np.sqrt(np.where(squares > 0.0, squares, 1.0)), 0.0)
    with blas.one_thread():
        values, vectors = np.linalg.eigh(S * units[:, :, None] * units[:, None, :])
    return units, values, vectors, np.arange(S.shape[1]) >= S.shape[1] - ranks[:, None]


def _inverted(S: Floats, n_inverses: int | None = None) -> tuple[NDArray[np.int64], Floats]:
    """The ranks of tables, and the inverses of those of full rank."""
    from fastgd.kernels import groups as kernels

    S, ranks = np.ascontiguousarray(S), np.empty(len(S), np.int64)
    inverses = np.zeros((len(S) if n_inverses is None else n_inverses, *S.shape[1:]))
    kernels.invert(S, RANK_TOLERANCE, ranks, inverses)
    return ranks, inverses


def _times(S: Floats, v: Floats) -> Floats:
    return np.asarray(np.einsum("gij,gj->gi", S, v))


def _sum(terms: list[Floats]) -> Floats:
    """The sum of arrays, as if in twice the precision (A. Neumaier, ZAMM 54, 1974)."""
    total, lost = terms[0], np.zeros_like(terms[0])
    for term in terms[1:]:
        new = total + term
        is_large = np.abs(total) >= np.abs(term)
        lost += np.where(is_large, (total - new) + term, (term - new) + total)
        total = new
    return total + lost


def _beside(mask: NDArray[np.bool_], values: Floats) -> NDArray[np.bool_]:
    return mask.reshape(-1, *[1] * (values.ndim - 1))

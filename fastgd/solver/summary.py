"""`Summary`: all that a fit of squared errors needs of its rows. Summaries add up, and are saved."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastgd import callers, checks, display
from fastgd.checks import InvalidDataError
from fastgd.data.coding import NO_CODING, Coding, check_coding
from fastgd.engine.blocks import Floats
from fastgd.solver.products import Products
from fastgd.wording import listed

KIND = "summary"
FEW_DIGITS = 6.0
"""Fewer digits than these are warned of."""


@dataclass(frozen=True, eq=False)
class Summary:
    """The count, means and products of some rows. `fastgd.summarize` makes it.

    It stands for its rows wherever squared errors are computed: pass it as X to `gradient_descent`, `sweep`,
    `diagnose`, `cost`, `gradient`, `cost_and_gradient` and `GDRegressor.fit`. The results are those of the
    rows to rounding. It holds about d² numbers, and never changes.

    Operations
    ----------
    s + t, sum(summaries)
        The rows of both. t + s has the same bits.
    s - t
        Rows taken out. t must be a summary of rows of s.
    c * s
        All weights times c > 0, as in `0.99 * s + new`. `n_samples` does not change.
    s[["a", "b"]], s[[0, 2]]
        Some columns, in this order.

    Attributes
    ----------
    n_samples : int
        The number of rows of weight above 0.
    total_weight : float
        Σ s, which is n_samples without weights.
    n_features : int
    feature_names : tuple of str
        The names of the columns, or ().
    target_name : str
        "y" if the target has no name.
    mean : ndarray (d,)
        The weighted means of the columns; a float if X has shape (n,).
    target_mean : float
    folds : tuple of Summary
        The summaries of the folds, or ().
    """

    n_samples: int
    feature_names: tuple[str, ...]
    target_name: str
    has_weights: bool
    """Whether sample_weight was given."""
    is_scaled: bool
    """Whether weights were multiplied by a number."""
    is_scalar: bool
    """Whether a row is a number, as in the lesson."""
    products: Products = field(repr=False)
    folds: tuple[Summary, ...] = field(default=(), repr=False)
    coding: Coding = field(default=NO_CODING, repr=False)
    """How the columns of a table became numbers."""

    def __post_init__(self) -> None:
        for value in self.products:
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # pickles do not keep that arrays are read-only

    @property
    def total_weight(self) -> float:
        return self.products.total

    @property
    def n_features(self) -> int:
        return len(self.products.c)

    @property
    def mean(self) -> float | Floats:
        mean = self.products.mean
        return float(mean[0]) if self.is_scalar else mean

    @property
    def target_mean(self) -> float:
        return self.products.y_mean

    def covariance(self) -> Floats:
        """The covariances of the columns, Σ s (x − mean)(x − mean)ᵀ/Σ s, (d, d)."""
        self.check_rows()
        return self.products.S / self.products.total

    @property
    def cost_digits(self) -> float:
        """The number of decimal digits of the least cost with an intercept; at most 16."""
        p = self.products
        v = p.solution()
        least, error = p.s - float(np.sum(v * p.c)), p.error + p.error_of_move(v)
        return 16.0 if error <= 1e-16 * least else max(0.0, math.log10(least / error)) if least > 0 else 0.0

    def check_rows(self) -> None:
        """Refuse a summary of no rows."""
        if not self.total_weight:
            raise InvalidDataError("the summary has no rows")

    def __repr__(self) -> str:
        parts = [display.count(self.n_samples, "sample"), display.count(self.n_features, "feature")]
        if self.feature_names:
            parts[1] += f" ({listed(self.feature_names)})"
        if self.has_weights or self.is_scaled:
            parts.append(f"total weight {self.total_weight:.6g}")
        if self.folds:
            parts.append(display.count(len(self.folds), "fold"))
        return f"Summary({', '.join(parts)}, target {self.target_name})"

    # Rows -------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Summary:
        if type(other) is int and other == 0:  # as in sum()
            return self
        if not isinstance(other, Summary):
            return NotImplemented
        self._check_alike(other)
        first, second = sorted((self, other), key=Summary._key)
        folds = tuple(a + b for a, b in zip(self.folds, other.folds, strict=True))
        return replace(
            self,
            n_samples=self.n_samples + other.n_samples,
            is_scaled=self.is_scaled or other.is_scaled,
            products=first.products.merged(second.products),
            folds=folds,
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> Summary:
        if not isinstance(other, Summary):
            return NotImplemented
        self._check_alike(other)
        n = self.n_samples - other.n_samples
        left = self.products.without(other.products) if n >= 0 else None
        if left is None or (n == 0) != (left.total == 0.0):
            raise InvalidDataError(
                f"the rows of {other!r} are not among those of {self!r}: no rows have what is left"
            )
        digits = left.digits
        if digits < min(FEW_DIGITS, self.products.digits):
            callers.warn(
                f"the products that are left have {digits:.0f} of 16 digits, since those taken out are far "
                "larger: summarize the rows that are left anew",
                RuntimeWarning,
            )
        folds = tuple(a - b for a, b in zip(self.folds, other.folds, strict=True))
        is_scaled = self.is_scaled or other.is_scaled
        return replace(self, n_samples=n, is_scaled=is_scaled, products=left, folds=folds)

    def __mul__(self, factor: Any) -> Summary:
        if isinstance(factor, (bool, np.bool_)) or not isinstance(factor, numbers.Real):
            return NotImplemented
        factor = checks.positive("the factor of a summary", float(factor))
        with np.errstate(over="ignore"):
            products = self.products.times(factor)
        if not (np.isfinite([products.total, products.s]).all() and np.isfinite(products.S).all()):
            raise InvalidDataError(
                f"the products of {self!r} times {factor:g} overflow: take a smaller factor"
            )
        folds = tuple(factor * fold for fold in self.folds)
        return replace(self, is_scaled=True, products=products, folds=folds)

    __rmul__ = __mul__

    def _key(self) -> tuple[Any, ...]:
        """A key that orders two summaries, whichever comes first."""
        parts = (np.asarray(value).tobytes() for value in self.products)
        return self.n_samples, self.total_weight, *parts

    def _check_alike(self, other: Summary) -> None:
        """Refuse a summary of other columns, target, weights or folds."""
        here, there = self._columns, other._columns
        if (here, self.is_scalar) != (there, other.is_scalar):
            raise InvalidDataError(
                f"one summary has the columns {self._listed()} and the other {other._listed()}: "
                "summaries of the same columns in the same order add up; choose with s[[...]]"
            )
        if self.target_name != other.target_name:
            raise InvalidDataError(
                f"one summary has the target {self.target_name} and the other {other.target_name}: "
                "exchange one with with_target"
            )
        if self.coding[1:] != other.coding[1:]:
            raise InvalidDataError(
                "one summary has other levels of its categories, or other labels, than the other: read all "
                "rows as one table"
            )
        if self.has_weights != other.has_weights:
            raise InvalidDataError(
                "one summary was made with sample_weight and the other without: make both with weights, "
                "of 1 where there are none"
            )
        if len(self.folds) != len(other.folds):
            raise InvalidDataError(
                f"one summary has {display.count(len(self.folds), 'fold')} and the other {len(other.folds)}: "
                "they must agree"
            )

    @property
    def _columns(self) -> tuple[str | int, ...]:
        return self.feature_names or tuple(range(self.n_features))

    def _listed(self) -> str:
        if self.is_scalar:
            return "of X of shape (n,)"
        return listed(self.feature_names) if self.feature_names else f"0 to {self.n_features - 1}"

    # Columns ----------------------------------------------------------------------------------------------

    def __getitem__(self, columns: Sequence[str | int]) -> Summary:
        if isinstance(columns, (str, bytes)) or not isinstance(columns, (list, tuple, np.ndarray)):
            raise TypeError(f"choose columns by a list, as s[['a', 'b']], not {display.value(columns)}")
        chosen = [self._column(name) for name in columns]
        if not chosen:
            raise ValueError("choose at least one column")
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"choose each column once, not {display.value(list(columns))}")
        return replace(
            self,
            feature_names=tuple(self.feature_names[j] for j in chosen) if self.feature_names else (),
            products=self.products.of_columns(chosen),
            folds=tuple(fold[chosen] for fold in self.folds),
        )

    def with_target(self, column: str | int) -> Summary:
        """The summary in which this column is the target, and the old target takes the column's place.

        Parameters
        ----------
        column : str or int
            A column's name, or its number. Columns without names get their numbers as names, since a number
            is no longer the place of the old target.

        Examples
        --------
        >>> import fastgd
        >>> s = fastgd.summarize([[1.0, 2.0], [2.0, 3.0], [3.0, 7.0]], [1.0, 4.0, 9.0])
        >>> s.with_target(1).target_mean
        4.0
        """
        if isinstance(column, str) and column == self.target_name and column not in self.feature_names:
            return self
        k = self._column(column)
        numbers = [str(j) for j in range(self.n_features)]
        names = list(self.feature_names) or numbers.copy()
        names[k], target = self.target_name, names[k]
        if names.count(names[k]) > 1:
            raise InvalidDataError(f"the target and a column are both named {names[k]}: rename one")
        return replace(
            self,
            feature_names=() if names == numbers else tuple(names),
            target_name=target,
            coding=self.coding._replace(target=target, classes=()),
            products=self.products.with_target(k),
            folds=tuple(fold.with_target(k) for fold in self.folds),
        )

    def _column(self, name: Any) -> int:
        """The number of a column."""
        if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
            if not -self.n_features <= name < self.n_features:
                raise InvalidDataError(f"column {name} is not one of 0 to {self.n_features - 1}")
            return int(name) % self.n_features
        if not isinstance(name, str) or name not in self.feature_names:
            raise InvalidDataError(f"{display.value(name)} is not one of the columns {self._listed()}")
        return self.feature_names.index(name)

    # Files ------------------------------------------------------------------------------------------------

    def save(self, path: Any) -> None:
        """Write the summary to a file, which `fastgd.load` reads.

        Parameters
        ----------
        path : str or path-like
            The file; an existing one is replaced as a whole.
        """
        from fastgd.io import npz

        npz.write(path, KIND, self)

    def check_sizes(self) -> None:
        """Refuse arrays that do not fit together, in a summary from a file."""
        p = self.products
        d = len(p.c)
        shapes = [(p.S, (d, d)), *((part, (d,)) for part in (p.x_ref, p.w_ref, p.offset, p.c))]
        if not d or any(array.shape != shape for array, shape in shapes):
            raise InvalidDataError("holds arrays that do not fit together")
        if self.n_samples < 0 or len(self.feature_names) not in (0, d) or (self.is_scalar and d > 1):
            raise InvalidDataError("holds values of no summary")
        check_coding(self.coding)
        for fold in self.folds:
            fold.check_sizes()
            if (fold.n_features, fold.folds) != (d, ()):
                raise InvalidDataError("holds folds of another summary")

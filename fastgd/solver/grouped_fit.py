"""`GroupedFit`: the fitted models of many groups, in arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import display
from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data import keys
from fastgd.data.arrays import as_array
from fastgd.data.frames import by_name, places
from fastgd.engine.blocks import Floats
from fastgd.solver.groups import GroupedSummary
from fastgd.solver.results import FitResult

if TYPE_CHECKING:
    from pandas import DataFrame

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupedFit(Mapping[Any, FitResult]):
    """The fits of all groups. `gradient_descent` of a `GroupedSummary` makes it.

    It is a mapping: `fit[key]` is the `FitResult` of a group with its histories, fitted anew when it is asked
    for; it agrees with the arrays to rounding. The arrays are in the order of the keys.

    Attributes
    ----------
    w : ndarray (groups, d), or (groups,) if X had shape (n,)
    intercept : ndarray (groups,)
    cost : ndarray (groups,)
        The last cost, including penalties.
    converged, diverged : ndarray (groups,) of bool
        As in `FitResult`.
    n_epochs, n_samples : ndarray (groups,) of int
    is_determined : ndarray (groups,) of bool
        Whether the rows of a group determine all its weights. If not, they are too few, or columns are
        combinations of others there; without a penalty the weights then stay near w0 where nothing decides.
    feature_names : tuple of str
    """

    w: Floats
    intercept: Floats
    cost: Floats
    converged: Flags
    diverged: Flags
    n_epochs: NDArray[np.int64]
    n_samples: NDArray[np.int64]
    is_determined: Flags
    feature_names: tuple[str, ...]
    _grouped: GroupedSummary = field(repr=False)
    _fit_one: Callable[[Any], FitResult] = field(repr=False)

    def __getitem__(self, key: Any) -> FitResult:
        self._grouped.place(key)  # raises the error
        return self._fit_one(key)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._grouped)

    def __len__(self) -> int:
        return len(self._grouped)

    def __contains__(self, key: Any) -> bool:
        return key in self._grouped

    @property
    def _weights(self) -> Floats:
        """w as (groups, d)."""
        return self.w.reshape(len(self), -1)

    @property
    def _names(self) -> tuple[str, ...]:
        return self.feature_names or (("w",) if self.w.ndim == 1 else places(self.w.shape[1]))

    @property
    def _outcome(self) -> str:
        parts = [
            display.count(len(self), "group"),
            display.count(self._weights.shape[1], "weight"),
            f"{np.count_nonzero(self.converged)} converged",
        ]
        if few := np.count_nonzero(~self.is_determined):
            parts.append(f"{few} not determined by their rows")
        if diverged := np.count_nonzero(self.diverged):
            parts.append(f"{diverged} diverged")
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"GroupedFit({self._outcome})"

    def _repr_html_(self) -> str:
        table = np.column_stack([self.intercept, self._weights, self.cost])[: display.MOST_ROWS]
        shown = [
            (display.text(key), *map(display.number, numbers))
            for key, numbers in zip(self, table.tolist(), strict=False)
        ]
        rest = [()] * (len(self) - len(shown))  # counted, not shown
        header = ("group", "intercept", *self._names, "cost")
        return display.table(f"GroupedFit: {self._outcome}", header, [*shown, *rest])

    def to_frame(self) -> DataFrame:
        """A pandas data frame with a row for each group: weights by name, and the other arrays.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed: pip install pandas.
        """
        pandas = display.pandas_for("to_frame()")
        named = list(self)
        is_several = isinstance(named[0], tuple)
        index = pandas.MultiIndex.from_tuples(named) if is_several else pandas.Index(named)
        frame = pandas.DataFrame(self._weights, index=index, columns=list(self._names))
        others = "intercept", "cost", "converged", "n_epochs", "n_samples", "is_determined"
        for name in others:
            frame.insert(frame.shape[1], name, getattr(self, name), allow_duplicates=True)
        return frame

    def predict(self, X: ArrayLike, by: Any) -> Floats:
        """Predictions ŷ = x·w + intercept, each row by the model of its group.

        Parameters
        ----------
        X : array (n,), array (n, d) or table
        by : array (n,), str, or list of these
            The key of each row, as in `summarize_groups`.

        Returns
        -------
        ndarray (n,)

        Raises
        ------
        InvalidDataError
            If a row has the key of no group.
        """
        X, parts = keys.split_table(X, by)
        values = as_array("X", by_name("X", X, self.feature_names))
        expected = self.w.shape[1:]
        if values.ndim != 1 + len(expected) or values.shape[1:] != expected:
            shape = "(n,)" if not expected else f"(n, {expected[0]})"
            raise InvalidDataError(f"has shape {values.shape}; it must be {shape}", what="X")
        groups = keys.encode(parts, len(values))
        known = self._grouped.places
        place = np.array([known.get(key, -1) for key in groups.keys], np.int64)
        of_row = place[groups.codes - groups.lowest]
        if (is_unknown := of_row < 0).any():
            row = int(is_unknown.argmax())
            key = keys.shown(groups.keys[int(groups.codes[row]) - groups.lowest])
            raise InvalidDataError(
                f"is {key}, which is no group of the fit", what="by", remedy="leave such rows out",
                at=RowPlace("", row),
            )  # fmt: skip
        scores = values.reshape(len(values), -1) * self._weights[of_row]
        return np.asarray(np.sum(scores, axis=1) + self.intercept[of_row])

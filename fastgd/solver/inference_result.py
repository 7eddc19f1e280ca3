"""`Inference`: estimates with their standard errors, tests and intervals, as arrays and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastgd import display
from fastgd.engine.blocks import Floats
from fastgd.wording import printable


@dataclass(frozen=True, eq=False, kw_only=True)
class Inference:
    """Least squares with standard errors, tests and intervals. `fastgd.inference` makes it.

    Arrays have an entry for each column, and one more at the end for an intercept (k entries). Entries of
    aliased columns are NaN.

    Attributes
    ----------
    names : tuple of str
        The names of the columns ("0", "1", … if they have none), then "intercept".
    estimates, standard_errors, t, p : ndarray (k,)
        Weights and intercept, their standard errors, estimate/error, and two-sided p-values.
    intervals : ndarray (k, 2)
        Confidence intervals.
    covariance : ndarray (k, k)
        The covariance of the estimates.
    r_squared, adjusted_r_squared : float
        1 − Σ s r²/Σ s (y − ȳ)², with y² in the place of (y − ȳ)² without an intercept; and the same per
        degree of freedom.
    residual_std : float
        √(Σ s r²/df_residual), in units of y.
    f, f_p : float
        The F statistic of all coefficients but the intercept being 0, with k − 1 (k without an intercept) and
        df degrees of freedom, and its p-value. For other than classical errors a Wald test. NaN if the
        covariance has too low a rank for it.
    vif : ndarray (k,)
        Variance inflation factors, 1/(1 − R²) of a column regressed on the others; NaN for the intercept.
    condition_number : float
        The condition number of X with columns of length 1, about their means with an intercept. It does not
        depend on units. 1 means orthogonal columns.
    n_samples : int
        The number of rows of weight above 0.
    df : float
        The degrees of freedom of t, p, intervals and F: df_residual, or the number of clusters or of groups
        less one.
    df_residual : float
        n − rank, with Σ s in the place of n for frequency weights.
    aliased : tuple of str
        Columns that are linear combinations of columns before them, and of the intercept.
    cov_type, weights : str
    confidence_level : float
    """

    names: tuple[str, ...]
    estimates: Floats
    standard_errors: Floats
    t: Floats
    p: Floats
    intervals: Floats
    covariance: Floats
    r_squared: float
    adjusted_r_squared: float
    residual_std: float
    f: float
    f_p: float
    vif: Floats
    condition_number: float
    n_samples: int
    df: float
    df_residual: float
    aliased: tuple[str, ...]
    cov_type: str
    weights: str
    confidence_level: float

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def to_dict(self) -> dict[str, Any]:
        """All attributes by name.

        Returns
        -------
        dict
            Arrays, numbers, text and tuples of text.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_frame(self) -> Any:
        """The coefficients as a pandas data frame, with names as its index.

        Returns
        -------
        pandas.DataFrame
            Columns estimate, standard_error, t, p, lower, upper and vif.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed: pip install pandas.
        """
        lower, upper = self.intervals.T
        columns = {
            "estimate": self.estimates, "standard_error": self.standard_errors, "t": self.t, "p": self.p,
            "lower": lower, "upper": upper, "vif": self.vif,
        }  # fmt: skip
        return display.pandas_for("to_frame()").DataFrame(columns, index=list(self.names))

    def __repr__(self) -> str:
        shown = f"{display.count(len(self.names), 'coefficient')}, R² {display.number(self.r_squared)}"
        return f"Inference({display.count(self.n_samples, 'sample')}, {shown}, {self.cov_type})"

    def __str__(self) -> str:
        header, rows = self._table()
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if j == 0 else cell.rjust(width)
                for j, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in (header, *rows)
        ]
        return "\n".join([self._caption, "", *(line.rstrip() for line in lines), "", *self._summary()])

    def _repr_html_(self) -> str:
        header, rows = self._table()
        return display.table("; ".join([self._caption, *self._summary()]), header, rows)

    @property
    def _caption(self) -> str:
        weighted = ", frequency weights" if self.weights == "frequency" else ""
        samples = display.count(self.n_samples, "sample")
        return f"Least squares of {samples}{weighted}, standard errors: {self.cov_type}"

    def _table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """The header and the rows of the table of coefficients."""
        level = f"{display.number(100.0 * self.confidence_level)} %"
        header = ("", "estimate", "std. error", "t", "p", f"{level} from", "to")
        numbers = zip(self.estimates, self.standard_errors, self.t, self.p, self.intervals, strict=True)
        rows: list[Sequence[str]] = []
        for name, (estimate, error, t, p, (lower, upper)) in zip(self.names, numbers, strict=True):
            ends = f"{lower:.5g}", f"{upper:.5g}"
            rows.append((printable(name), f"{estimate:.6g}", f"{error:.4g}", f"{t:.4g}", f"{p:.3g}", *ends))
        return header, rows

    def _summary(self) -> list[str]:
        lines = [
            f"R² {display.number(self.r_squared)}, adjusted {display.number(self.adjusted_r_squared)}, "
            f"residual standard deviation {display.number(self.residual_std)} "
            f"on {display.number(self.df_residual)} degrees of freedom",
            f"F {self.f:.4g}, p {self.f_p:.3g}; t and F with {display.number(self.df)} degrees of freedom",
            f"condition number {self.condition_number:.4g}, largest VIF {self._largest_vif:.4g}",
        ]
        if self.aliased:
            lines.append(f"aliased, without estimates: {', '.join(map(printable, self.aliased))}")
        return lines

    @property
    def _largest_vif(self) -> float:
        return float(np.nanmax(self.vif, initial=1.0))

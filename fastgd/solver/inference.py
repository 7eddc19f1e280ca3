"""`fastgd.inference`: least squares with standard errors, from a summary or one more pass over the rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import callers, checks, display
from fastgd.checks import InvalidDataError
from fastgd.data.chunks import Source
from fastgd.data.dataset import Dataset
from fastgd.data.frames import places
from fastgd.engine import threads
from fastgd.engine.blocks import Floats
from fastgd.public import public
from fastgd.solver import blas, linalg, sandwich, summarize
from fastgd.solver.clusters import Codes, codes_of, taken
from fastgd.solver.folds import Folds
from fastgd.solver.inference_result import Inference
from fastgd.solver.inputs import as_dataset, check_weights
from fastgd.solver.least_squares import LeastSquares, independent
from fastgd.solver.linalg import EPS
from fastgd.solver.results import FitResult
from fastgd.solver.summarized import Summarized
from fastgd.solver.summary import Summary
from fastgd.wording import column_text

COV_TYPES = ("classical", "HC0", "HC1", "HC3", "cluster", "jackknife")
NEED_NO_ROWS = ("classical", "jackknife")
GROUPS, LEAST_GROUPS = 64, 10
"""Groups of rows for the jackknife, and the fewest."""
LEAST_SHARE = 1e-3
"""The relative error of a residual sum of squares from which on it is warned of."""
OF_SUMMARIES = 1e4
"""A larger error, as a multiple of the squares of rounding errors of y, comes from a sum of summaries."""


@public
def inference(
    X: ArrayLike | Source | Summary,
    y: ArrayLike | None = None,
    *,
    fit_intercept: bool = False,
    sample_weight: ArrayLike | None = None,
    weights: str = "analytic",
    cov_type: str = "classical",
    clusters: ArrayLike | str | None = None,
    confidence_level: float = 0.95,
    n_threads: int | None = None,
) -> Inference:
    """Least squares with standard errors, t tests, confidence intervals, R² and F.

    w and b minimise Σ s (y − x·w − b)². With z = [x, 1], A = Σ s z zᵀ, residuals r and k = rank(A), the
    covariance of the estimates is

    - "classical": σ² A⁻¹ with σ² = Σ s r²/(n − k);
    - "HC0", "HC1", "HC3": A⁻¹ (Σ s² r² z zᵀ) A⁻¹, for errors of unequal variance. HC1 is HC0 times n/(n − k),
      and HC3 has r/(1 − h) in the place of r, with the leverage h = s zᵀ A⁻¹ z;
    - "cluster": G/(G − 1)·(n − 1)/(n − k)·A⁻¹ (Σ u uᵀ) A⁻¹, with u = Σ s r z over one of G clusters;
    - "jackknife": (K − 1)/K Σ (θₖ − θ̄)(θₖ − θ̄)ᵀ, where θₖ are the estimates without group k of K.

    There are no penalties and no other losses: estimates with penalties are biased, and these formulas are
    wrong for them.

    Parameters
    ----------
    X, y, sample_weight, n_threads
        As in `gradient_descent`, or X is a Summary. A Summary has no rows, so it has classical errors only,
        and jackknife errors if it was made with `folds`.
    fit_intercept : bool, default False
    weights : {"analytic", "frequency"}, default "analytic"
        What sample weights mean. "analytic": the variance of a row is σ²/s, and n is the number of rows of
        weight above 0. "frequency": a row stands for s equal rows, and n is Σ s.
    cov_type : {"classical", "HC0", "HC1", "HC3", "cluster", "jackknife"}, default "classical"
    clusters : array (n,) or str, optional
        With cov_type="cluster", the label of each row's cluster, of any type; or the name of a column of a
        data frame, which is then no column of X. Errors of rows in one cluster may depend on each other.
    confidence_level : float, default 0.95
        Of the intervals.

    Returns
    -------
    Inference
        `print` shows a table. t, intervals and F have n − k degrees of freedom, G − 1 for clusters and K − 1
        for the jackknife. Columns that are linear combinations of columns before them, or constant beside an
        intercept, are named as aliased, and their entries are NaN.

    Raises
    ------
    InvalidDataError
        If the data cannot be used, if n − k is not positive, if a row has leverage 1 (HC3), or if there are
        fewer than two clusters or ten groups.
    ModuleNotFoundError
        If SciPy is not installed: pip install 'fastgd[stats]'.

    Notes
    -----
    The pass of `summarize`, and one more for HC and cluster. The jackknife has K = 64 groups, or as many as
    there are rows: the folds of `summarize(X, y, folds=K)`, whose rows should be in no special order.
    Clusters take memory for G·k numbers. statsmodels' OLS and WLS with `use_t=True` give the same numbers.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.inference([1.0, 2.0, 3.0, 4.0], [2.1, 3.9, 6.2, 7.8], fit_intercept=True)
    >>> result
    Inference(4 samples, 2 coefficients, R² 0.995661, classical)
    >>> [round(error, 4) for error in result.standard_errors.tolist()]
    [0.0906, 0.248]
    """
    special = _special_functions()
    fit_intercept = checks.flag("fit_intercept", fit_intercept)
    checks.choice("weights", weights, ("analytic", "frequency"))
    checks.choice("cov_type", cov_type, COV_TYPES)
    if not 0.0 < (level := checks.number("confidence_level", confidence_level)) < 1.0:
        raise ValueError(f"confidence_level must be between 0 and 1, not {display.value(confidence_level)}")
    if (clusters is None) == (cov_type == "cluster"):
        raise ValueError('clusters and cov_type="cluster" go together: give both, or neither')
    if isinstance(X, FitResult):
        raise TypeError("X is a FitResult, which holds no rows: pass X and y of the fit, or their summary")
    if isinstance(X, Summary) and cov_type not in NEED_NO_ROWS:
        Summarized(X).refuse(f'cov_type="{cov_type}"')
    X, labels = taken(X, clusters)
    rows = as_dataset(X, y, sample_weight)
    n_threads = threads.checked_threads(n_threads)
    summary = _summary(rows, cov_type, n_threads)
    codes = None if labels is None else _codes(labels, rows)
    design = _Design(rows, summary, fit_intercept, weights == "frequency", n_threads)
    covariance, df = design.covariance(cov_type, codes)
    numbers = design.numbers(covariance, df, level, cov_type == "classical", special)
    return Inference(cov_type=cov_type, weights=weights, confidence_level=level, **numbers)


def of_summary(summary: Summary, has_intercept: bool) -> Inference:
    """Classical errors of a summary. Without SciPy p and intervals are NaN."""
    try:
        special = _special_functions()
    except ModuleNotFoundError:
        special = None
    level = 0.95
    design = _Design(Summarized(summary), summary, has_intercept, False, None)
    numbers = design.numbers(*design.covariance("classical", None), level, True, special)
    return Inference(cov_type="classical", weights="analytic", confidence_level=level, **numbers)


def _special_functions() -> Any:
    """SciPy's distribution functions."""
    try:
        from scipy import special
    except ImportError as error:
        raise ModuleNotFoundError("inference needs SciPy: pip install 'fastgd[stats]'") from error
    return special


def _summary(rows: Dataset, cov_type: str, n_threads: int | None) -> Summary:
    """The summary of the rows, with groups for the jackknife."""
    if isinstance(rows, Summarized):
        return rows.summary
    if cov_type not in NEED_NO_ROWS:
        rows.refuse_reads(f'cov_type="{cov_type}"')
    check_weights(rows)
    folds = None
    if cov_type == "jackknife":
        folds = rows.n if rows.has_at_most(GROUPS) else GROUPS
        _check_groups(folds, "rows")
    return summarize.of_rows(rows, n_threads, None if folds is None else Folds.of(folds, rows))[0]


def _check_groups(n_groups: int, what: str) -> None:
    if n_groups < LEAST_GROUPS:
        raise InvalidDataError(
            f'cov_type="jackknife" needs {LEAST_GROUPS} groups of rows and there are {n_groups} {what}'
            + ("" if what == "rows" else f": summarize with folds={GROUPS}")
        )


def _codes(labels: Any, rows: Dataset) -> tuple[Codes, int]:
    codes, n_clusters = codes_of(labels, rows.n)
    _check_clusters(n_clusters)
    return codes, n_clusters


def _check_clusters(n_clusters: int) -> None:
    if n_clusters < 2:
        raise InvalidDataError(
            "holds one cluster, and two are needed", what="clusters", remedy='use cov_type="HC1"'
        )


class _Design:
    """The least squares of some rows, on the columns that are independent."""

    def __init__(
        self, rows: Dataset, summary: Summary, has_intercept: bool, are_copies: bool, n_threads: int | None
    ):
        self._rows, self._are_copies, self._n_threads = rows, are_copies, n_threads
        self._n_samples, self._n_features = summary.n_samples, summary.n_features
        places_of_all = ("w",) if summary.is_scalar else places(summary.n_features)
        self._columns = summary.feature_names or places_of_all
        self._kept = independent(summary.products, has_intercept)
        self._groups = [fold.products for fold in summary.folds if fold.n_samples]
        self._mean = summary.products.mean if has_intercept else np.zeros(self._n_features)
        products = summary.products
        if len(self._kept) < self._n_features:
            products = products.of_columns(self._kept)
            self._groups = [group.of_columns(self._kept) for group in self._groups]
        self._products = products
        self._fit = LeastSquares.of(products, has_intercept).refined(rows, self._kept)
        if are_copies and summary.is_scaled:
            callers.warn(
                "the weights of the summary were multiplied by a number, so their sum is no number of rows: "
                "degrees of freedom and standard errors depend on that number",
                RuntimeWarning,
            )
        self._n = summary.total_weight if are_copies else float(summary.n_samples)
        self._df = self._n - self._fit.size
        if not self._df > 0.0:
            size = display.count(self._fit.size, "coefficient")
            raise InvalidDataError(
                f"{display.number(self._n)} rows leave no degrees of freedom for {size}; more rows are needed"
            )
        self._warn_of_digits()

    def _warn_of_digits(self) -> None:
        """Warn if summation of summaries has left few digits of the residuals."""
        fit = self._fit
        if fit.error > max(LEAST_SHARE * fit.squares, OF_SUMMARIES * EPS**2 * self._products.squares_of_y):
            digits = max(0.0, math.log10(fit.squares / fit.error)) if fit.squares else 0.0
            callers.warn(
                f"the summary has {digits:.0f} digits of the residual sum of squares: it is far below those "
                "of its parts",
                RuntimeWarning,
            )

    # Covariances ------------------------------------------------------------------------------------------

    def covariance(self, cov_type: str, codes: tuple[Codes, int] | None) -> tuple[Floats, float]:
        """The covariance of the estimates, and the degrees of freedom of their t."""
        fit, n, df = self._fit, self._n, self._df
        if cov_type == "jackknife":
            return self._jackknife()
        root, U = fit.root(), fit.root_of_coefficients()
        if cov_type == "classical":
            with blas.one_thread():
                return fit.squares / df * (U.T @ U), df
        factor = n / df if cov_type == "HC1" else 1.0
        if codes is not None:
            middle, n_clusters = sandwich.of_clusters(self._rows, self._scored(None), *codes)
            _check_clusters(n_clusters)
            factor = n_clusters / (n_clusters - 1) * (n - 1) / df
            df = n_clusters - 1.0
        else:
            scored = self._scored(root if cov_type == "HC3" else None)
            middle = sandwich.of_rows(self._rows, scored, self._n_threads)
        kept = self._places()
        with blas.one_thread():
            covariance = U.T @ (root @ middle[np.ix_(kept, kept)] @ root.T) @ U
        return factor * 0.5 * (covariance + covariance.T), df

    def _places(self) -> list[int]:
        """The places of the estimates among the coefficients of all columns."""
        return [*self._kept, *([self._n_features] if self._fit.has_intercept else [])]

    def _scored(self, root: Floats | None) -> sandwich.Scored:
        """What scores need, for all columns of the rows."""
        kept, size = self._places(), self._n_features + self._fit.has_intercept
        theta, R = np.zeros(size), np.zeros((0 if root is None else len(root), size))
        theta[kept] = self._fit.theta_of_design
        if root is not None:
            R[:, kept] = root
        return sandwich.Scored(self._mean, theta, R, self._are_copies)

    def _jackknife(self) -> tuple[Floats, float]:
        """The covariance from the estimates without one group, for each group."""
        whole, has_intercept = self._products, self._fit.has_intercept
        _check_groups(len(self._groups), "folds with rows")
        groups = [group.about(whole.x_ref, whole.y_ref, whole.w_ref) for group in self._groups]
        before, after = [groups[0]], [groups[-1]]
        for group in groups[1:-1]:
            before.append(before[-1].joined(group, whole))
        for group in groups[-2:0:-1]:
            after.append(group.joined(after[-1], whole))
        pairs = zip(before, after[-2::-1], strict=False)
        others = [after[-1], *(a.joined(b, whole) for a, b in pairs), before[-1]]
        thetas = []
        for number, products in enumerate(others):
            fit = LeastSquares.of(products, has_intercept)
            if (rank := fit.factor.rank) < len(self._kept):
                column = self._columns[self._kept[int(fit.factor.order[rank])]]
                raise InvalidDataError(
                    f"without group {number} of {len(groups)}, {column_text(column)} depends on others: "
                    'the jackknife has no estimate there; use cov_type="HC1"'
                )
            thetas.append(fit.theta)
        moved = np.array(thetas)
        moved -= moved.mean(axis=0)
        with blas.one_thread():
            return (len(groups) - 1) / len(groups) * (moved.T @ moved), len(groups) - 1.0

    # Numbers ----------------------------------------------------------------------------------------------

    def numbers(
        self, covariance: Floats, df: float, level: float, is_classical: bool, special: Any
    ) -> dict[str, Any]:
        """The fields of `Inference`. Without `special` p and intervals are NaN."""
        fit, p, d = self._fit, self._products, self._n_features
        total = p.y_squares if fit.has_intercept else p.squares_of_y
        estimates, errors = fit.theta, np.sqrt(np.maximum(np.diag(covariance), 0.0))
        half = p_of_t = np.full(len(errors), np.nan)
        p_of_f = math.nan
        names = self._columns + ("intercept",) * fit.has_intercept
        with np.errstate(divide="ignore", invalid="ignore"):
            t = estimates / errors
            r_squared = 1.0 - float(np.float64(fit.squares) / total)
            f = self._f(covariance, fit.explained(total) if is_classical else None)
        n_slopes = len(fit.w)
        if special is not None:
            half = special.stdtrit(df, 0.5 + 0.5 * level) * errors
            p_of_t = 2.0 * special.stdtr(df, -np.abs(t))
            p_of_f = float(special.fdtrc(n_slopes, df, f)) if n_slopes else math.nan
        return dict(
            names=names,
            estimates=self._of_all(estimates),
            standard_errors=self._of_all(errors),
            t=self._of_all(t),
            p=self._of_all(p_of_t),
            intervals=np.stack([self._of_all(estimates - half), self._of_all(estimates + half)], axis=1),
            covariance=self._table_of_all(covariance),
            r_squared=r_squared,
            adjusted_r_squared=1.0 - (self._n - fit.has_intercept) / self._df * (1.0 - r_squared),
            residual_std=math.sqrt(fit.squares / self._df),
            f=f,
            f_p=p_of_f,
            vif=self._of_all(np.append(fit.inflation(), [math.nan] * fit.has_intercept)),
            condition_number=fit.condition_number(),
            n_samples=self._n_samples,
            df=df,
            df_residual=self._df,
            aliased=tuple(self._columns[j] for j in range(d) if j not in set(self._kept)),
        )

    def _f(self, covariance: Floats, explained: float | None) -> float:
        """The F statistic of all weights being 0, from the classical share or as a Wald test."""
        fit, size = self._fit, len(self._fit.w)
        if not size:
            return math.nan
        if explained is not None:
            return float(np.float64(explained) / (size * (fit.squares / self._df)))
        factor = linalg.factor(covariance[:size, :size])
        if factor.rank < size:
            return math.nan
        return float(np.sum(fit.w * factor.solve(fit.w))) / size

    def _of_all(self, values: Floats) -> Floats:
        """An entry for each column. Aliased ones are NaN."""
        out = np.full(self._n_features + self._fit.has_intercept, np.nan)
        out[self._places()] = values
        return out

    def _table_of_all(self, values: Floats) -> Floats:
        out = np.full((self._n_features + self._fit.has_intercept,) * 2, np.nan)
        out[np.ix_(self._places(), self._places())] = values
        return out

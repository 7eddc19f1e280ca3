"""`fastgd.cross_validate`: the costs of many penalties on held-out folds, from one read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastgd import checks, display
from fastgd.checks import InvalidDataError
from fastgd.data.arrays import as_array
from fastgd.data.backend import resolve
from fastgd.data.chunks import Source
from fastgd.engine.blocks import Floats
from fastgd.public import public
from fastgd.solver import penalty_paths
from fastgd.solver.fit import fit
from fastgd.solver.held_out import cross
from fastgd.solver.objective import as_rule
from fastgd.solver.options import ConvergenceWarning, Options, Start
from fastgd.solver.results import FitResult
from fastgd.solver.summarize import read
from fastgd.solver.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDS = 5
MOST_EPOCHS = 10_000
Penalty = float | ArrayLike | Literal["auto"]


class Penalties(NamedTuple):
    """The penalties l1 Σ|w| + (l2/2) Σ w² of a fit."""

    l1: float
    l2: float


@dataclass(frozen=True, slots=True, eq=False)
class CVResult:
    """The costs of penalties on held-out folds, and the fits of all rows.

    Attributes
    ----------
    l1, l2 : ndarray (n_l1,), (n_l2,)
        The penalties, in the given order.
    costs : ndarray (n_l1, n_l2, n_folds)
        The mean squared error of each fold (its weighted mean if the rows have weights), for the optimum of
        the rows of the other folds. Penalties are not added.
    mean : ndarray (n_l1, n_l2)
        The mean over the folds. All folds count alike, as in scikit-learn.
    standard_error : ndarray (n_l1, n_l2)
        The standard deviation over the folds, with n_folds − 1, divided by √n_folds.
    best : (l1, l2)
        The penalties with the least mean.
    best_one_se : (l1, l2)
        The strongest penalties whose mean is at most one standard error above the least: the largest l1, and
        of these the largest l2.
    best_fit : FitResult
        The fit of all rows with the penalties `best`.
    w : ndarray (n_l1, n_l2, d)
        The weights of the optima of all rows; (n_l1, n_l2) if X has shape (n,).
    intercept : ndarray (n_l1, n_l2)
    """

    l1: Floats
    l2: Floats
    costs: Floats
    w: Floats
    intercept: Floats
    best_fit: FitResult

    @property
    def mean(self) -> Floats:
        return np.asarray(np.mean(self.costs, axis=2))

    @property
    def standard_error(self) -> Floats:
        n_folds = self.costs.shape[2]
        return np.asarray(np.std(self.costs, axis=2, ddof=1) / np.sqrt(n_folds))

    @property
    def best(self) -> Penalties:
        return self._at(least(self.mean))

    @property
    def best_one_se(self) -> Penalties:
        mean, best = self.mean, least(self.mean)
        near = np.argwhere(mean <= mean[best] + self.standard_error[best])
        return self._at(max(near.tolist(), key=lambda at: self._at((at[0], at[1]))))

    def _at(self, place: Any) -> Penalties:
        return Penalties(float(self.l1[place[0]]), float(self.l2[place[1]]))

    def __repr__(self) -> str:
        mean, best = self.mean, least(self.mean)
        sizes = " × ".join(f"{len(values)} {name}" for name, values in (("l1", self.l1), ("l2", self.l2)))
        return (
            f"CVResult({sizes}, {display.count(self.costs.shape[2], 'fold')}, best at "
            f"l1={display.number(self.best.l1)}, l2={display.number(self.best.l2)}: "
            f"cost {mean[best]:.3g} ± {self.standard_error[best]:.2g})"
        )

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the mean cost against the penalty with matplotlib, and return the axes.

        Bars are standard errors. Lines mark `best` and `best_one_se`. For several values of both penalties,
        each l2 has its curve against l1.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        matplotlib axes

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed: pip install 'fastgd[plot]'.
        """
        from fastgd.plots.cross_validation import plot_cross_validation

        return plot_cross_validation(self, ax)


@public
def cross_validate(
    X: ArrayLike | Source | Summary,
    y: ArrayLike | None = None,
    *,
    folds: int | ArrayLike = FOLDS,
    l1: Penalty = 0.0,
    l2: Penalty = 0.0,
    fit_intercept: bool = False,
    standardize: bool = False,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> CVResult:
    """Compare penalties of squared errors by cross-validation, from one read.

    For each (l1, l2) of the grid and each fold, w and b are the optimum of the rows of the other folds,

        (1/Σ s) Σ s (x·w + b − y)² + l1 Σ|w| + (l2/2) Σ w²,

    and their cost (1/Σ s) Σ s (x·w + b − y)² on the fold counts.

    Parameters
    ----------
    X, y, fit_intercept, sample_weight, n_threads
        As in `gradient_descent`. X may be a Summary made with `folds=`.
    folds : int or array (n,) of int, default 5
        As in `summarize`: a number of folds, or the fold of each row from 0. A Summary has its own.
    l1, l2 : float, array (n_l1,) or (n_l2,), or "auto", default 0.0
        The penalties; the grid is their product. "auto" is 100 penalties: for l1 from the least one that
        leaves no weight down to 1e-3 of it, for l2 from the largest eigenvalue of the Hessian down to 1e-3 of
        the smallest.
    standardize : bool, default False
        Fit `best_fit` in standardized columns. No optimum and no cost depends on it.

    Returns
    -------
    CVResult

    Raises
    ------
    InvalidDataError
        If X or y cannot be used, or a fold or the rows beside it have no row of weight above 0.

    Notes
    -----
    A read, as in `summarize`; the rest takes no rows. The optima of all l2 of a fold come from one
    eigendecomposition. Those with l1 come from coordinate descent and solutions on the weights that are not
    0, from the strongest penalty to the weakest (Friedman, Hastie and Tibshirani, Journal of Statistical
    Software 33(1), 2010). Costs agree with those of the rows to 1e-9 of the larger of the cost and
    1e-12·mean(y²); if columns are nearly dependent, to eps times the condition number of XᵀX in like units
    (1e-4 at 1e12). That is the rounding of the tables: their exact optima are no better. If the optimum is
    not unique, w is the shortest without l1.

    Examples
    --------
    >>> import fastgd
    >>> X, y, _ = fastgd.make_linear(1000, 20, noise=3.0, seed=1)
    >>> cv = fastgd.cross_validate(X, y, l2=[0.01, 0.1, 1.0, 10.0])
    >>> cv.best
    Penalties(l1=0.0, l2=0.01)
    """
    resolve("numba")
    fit_intercept = checks.flag("fit_intercept", fit_intercept)
    standardize = checks.flag("standardize", standardize)
    grids = [_penalties("l1", l1), _penalties("l2", l2)]
    summary, n_passes = with_folds(X, y, folds, sample_weight, n_threads)
    automatic = penalty_paths.automatic_l1, penalty_paths.automatic_l2
    firsts, seconds = (
        make(summary.products, fit_intercept) if grid is None else grid
        for grid, make in zip(grids, automatic, strict=True)
    )
    shape = len(firsts), len(seconds)
    # Each l2 has a path from the largest l1 down.
    order = np.lexsort([-np.repeat(firsts, shape[1]), np.tile(seconds, shape[0])])
    pairs = np.repeat(firsts, shape[1])[order], np.tile(seconds, shape[0])[order]
    crossed = cross(summary, *pairs, fit_intercept, n_threads)
    costs, w, intercept = (np.empty_like(values) for values in crossed)
    costs[order], w[order], intercept[order] = crossed
    k = int(np.argmin(np.mean(costs, axis=1)))
    best = Penalties(float(firsts[k // shape[1]]), float(seconds[k % shape[1]]))
    start = Start(w[k, 0] if summary.is_scalar else w[k], float(intercept[k]))
    best_fit = fit_at(summary, best, start, fit_intercept, standardize, n_threads)
    best_fit.n_passes += n_passes
    w = w.reshape(shape) if summary.is_scalar else w.reshape(*shape, -1)
    return CVResult(firsts, seconds, costs.reshape(*shape, -1), w, intercept.reshape(shape), best_fit)


def least(mean: Floats) -> tuple[int, int]:
    """The place of the least mean."""
    i, j = np.unravel_index(int(np.argmin(mean)), mean.shape)
    return int(i), int(j)


def with_folds(
    X: Any, y: Any, folds: Any, sample_weight: Any, n_threads: int | None, progress: bool = False
) -> tuple[Summary, int]:
    """The summary of the rows and their folds, and the passes that it took."""
    if not isinstance(X, Summary):
        return read(X, y, sample_weight, folds, n_threads=n_threads, progress=progress)
    if y is not None or sample_weight is not None:
        what = "y" if y is not None else "sample_weight"
        raise TypeError(f"a Summary has targets and weights of its own: leave {what} out")
    if not X.folds:
        raise InvalidDataError("the summary has no folds: make it with fastgd.summarize(X, y, folds=5)")
    if np.ndim(folds) or folds not in (FOLDS, len(X.folds)):
        raise InvalidDataError(f"the summary has {len(X.folds)} folds of its own: leave folds out")
    return X, 0


def _penalties(name: str, value: Any) -> Floats | None:
    """The penalties as an array, or None for "auto"."""
    if isinstance(value, str) and value == "auto":
        return None
    if np.ndim(value) == 0:
        return np.array([checks.not_negative(name, value)])
    values = as_array(name, value).astype(np.float64)
    if values.ndim != 1 or not len(values):
        raise InvalidDataError(f"has shape {values.shape}; it must be a number or (n,)", what=name)
    return np.array([checks.not_negative(f"{name}[{i}]", one) for i, one in enumerate(values.tolist())])


def fit_at(
    summary: Summary,
    penalties: Penalties,
    start: Start,
    fit_intercept: bool,
    standardize: bool,
    n_threads: int | None,
    warning: type[ConvergenceWarning] = ConvergenceWarning,
) -> FitResult:
    """The fit of all rows, which starts at the optimum."""
    objective: dict[str, Any] = dict(
        loss="squared_error", l1=penalties.l1, l2=penalties.l2, fit_intercept=fit_intercept,
        standardize=standardize or penalties.l1 > 0.0,  # with l1 there is no metric of the curvature
        precondition="auto",
    )  # fmt: skip
    options = Options(
        w0=start, learning_rate="auto", n_epochs=MOST_EPOCHS, tol="auto", patience=5,
        validation_fraction=None, callback=None, method="auto", history="costs", on_divergence="raise",
        backend="auto", n_threads=n_threads, warning=warning,
    )  # fmt: skip
    return fit("gradient_descent", summary, None, None, objective, as_rule(0.0, True), options)

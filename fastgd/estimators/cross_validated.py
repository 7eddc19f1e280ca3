"""GDRegressorCV: linear regression with the penalty that cross-validation chooses."""

from __future__ import annotations

import numbers
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.model_selection import check_cv
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from fastgd import display
from fastgd.checks import InvalidDataError
from fastgd.data.chunks import Source
from fastgd.data.frames import NamedArray
from fastgd.engine.blocks import Floats
from fastgd.estimators.inputs import as_matrix, as_weights, like
from fastgd.estimators.linear import EstimatorConvergenceWarning, Linear
from fastgd.solver import penalty_paths
from fastgd.solver.cross_validation import FOLDS, Penalties, fit_at, with_folds
from fastgd.solver.held_out import Crossed, cross
from fastgd.solver.options import Start
from fastgd.solver.summary import Summary

ONE_READ = "the folds share one read, so each row is in one test set and in all other training sets"


class GDRegressorCV(RegressorMixin, Linear):
    """Linear regression with an l1 and l2 penalty that cross-validation chooses, from one read.

    It minimises (1/(2 Σ s)) Σ s (x·w + b − y)² + alpha·(l1_ratio Σ|w| + (1 − l1_ratio)/2 Σ w²) for the alpha
    and l1_ratio with the least mean squared error on held-out folds. alpha is that of `GDRegressor`,
    `LassoCV` and `ElasticNetCV`. `RidgeCV` has alpha times the number of rows.

    Parameters
    ----------
    alphas : int or array (n_alphas,), default 100
        The alphas, or the number of automatic ones. They reach from the least alpha that leaves no weight
        down to eps times it; without l1 from the largest eigenvalue of the covariance down to eps times the
        smallest.
    l1_ratio : float or list of float, default 0.0
        The share of l1, from 0 (ridge regression) to 1 (lasso). A list is compared like the alphas.
    eps : float, default 1e-3
        See alphas.
    cv : int, splitter, iterable of (train, test), or None
        As in scikit-learn: a number k stands for KFold(k), and None for 5. Each row must be in one test set,
        and in all other training sets. For a source (`fastgd.chunks`, `fastgd.read_table`) a number, for the
        folds of `fastgd.summarize`; a `fastgd.Summary` has its own folds.
    fit_intercept : bool, default True
    standardize : bool, default True
        Fit in centred columns of variance 1. The result and the penalty refer to the weights of X.
    n_jobs : int, optional
        The largest number of threads. None and -1 stand for the number of processors.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        The chosen ones.
    alphas_ : ndarray (n_alphas,), or (n_ratios, n_alphas)
        The alphas, from large to small. They have two axes if they are automatic and l1_ratio is a list.
    mse_path_ : ndarray (n_alphas, n_folds), or (n_ratios, n_alphas, n_folds)
        The mean squared error of each fold, weighted if the rows are. All folds count alike in the choice.
    coef_ : ndarray (d,)
    intercept_ : NumPy scalar
        The fit to all rows with the chosen penalty.
    n_iter_ : int
        The number of epochs of this fit.
    result_ : FitResult
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.estimators import GDRegressorCV
    >>> X, y, _ = fastgd.make_linear(1000, 20, noise=3.0, seed=1)
    >>> model = GDRegressorCV(l1_ratio=1.0).fit(X, y)
    >>> model.mse_path_.shape, round(model.alpha_, 4)
    ((100, 5), 0.0083)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alphas": [Interval(numbers.Integral, 1, None, closed="left"), "array-like"],
        "l1_ratio": [Interval(numbers.Real, 0, 1, closed="both"), "array-like"],
        "eps": [Interval(numbers.Real, 0, 1, closed="neither")],
        "cv": ["cv_object"],
        **{name: Linear._parameter_constraints[name] for name in ("fit_intercept", "standardize", "n_jobs")},
    }

    def __init__(
        self,
        *,
        alphas: Any = 100,
        l1_ratio: Any = 0.0,
        eps: float = 1e-3,
        cv: Any = None,
        fit_intercept: bool = True,
        standardize: bool = True,
        n_jobs: int | None = None,
    ):
        self._set(locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Choose the penalty, and fit to X (n, d) and y (n,). sample_weight is (n,) or a number.

        X may be a source (`fastgd.chunks`, `fastgd.read_table`) or a `fastgd.Summary` with folds, which have
        their own targets and weights.
        """
        X, y = self._checked_data(X, y, reset=True)
        summary, n_passes = with_folds(X, y, self._folds(X, y), as_weights(sample_weight, X), self._threads())
        ratios = np.atleast_1d(np.asarray(self.l1_ratio, np.float64))
        if ratios.ndim > 1 or not len(ratios) or not ((ratios >= 0.0) & (ratios <= 1.0)).all():
            raise ValueError(f"l1_ratio must be from 0 to 1, or a list of such, not {display.value(ratios)}")
        alphas = np.stack([self._alphas(summary, ratio) for ratio in ratios])
        found = [self._crossed(summary, *pair) for pair in zip(alphas, ratios, strict=True)]
        costs = np.stack([one.costs for one in found])
        i, j = np.unravel_index(int(np.argmin(np.mean(costs, axis=2))), costs.shape[:2])
        self.alpha_, self.l1_ratio_ = float(alphas[i, j]), float(ratios[i])
        is_grid = np.ndim(self.l1_ratio) > 0
        self.alphas_ = alphas if is_grid and np.ndim(self.alphas) == 0 else alphas[0]
        self.mse_path_ = costs if is_grid else costs[0]
        penalties = self._penalties(alphas[i, j : j + 1], ratios[i])
        result = fit_at(
            summary, Penalties(*(float(penalty[0]) for penalty in penalties)),
            Start(found[i].w[j], float(found[i].intercept[j])), self.fit_intercept, self.standardize,
            self._threads(), EstimatorConvergenceWarning,
        )  # fmt: skip
        result.n_passes += n_passes
        result._rows = None  # a model does not keep the data that it was fitted to
        self.result_ = result
        self.coef_ = like(X, np.atleast_1d(result.w))
        self.intercept_ = like(X, np.array([result.intercept]))[0]
        self.n_iter_ = result.n_epochs
        return self

    def predict(self, X: Any) -> Floats:
        """Predictions ŷ = X·coef_ + intercept_ (n,) in X's dtype."""
        check_is_fitted(self)
        X = as_matrix(self, X, reset=False)
        return like(X, self._scores(X, self.coef_, self.intercept_))

    def _penalties(self, alphas: Floats, ratio: float) -> tuple[Floats, Floats]:
        """fastgd's l1 and l2, which does not halve squared errors."""
        return 2.0 * alphas * ratio, 2.0 * alphas * (1.0 - ratio)

    def _alphas(self, summary: Summary, ratio: float) -> Floats:
        """The alphas, from large to small."""
        if np.ndim(self.alphas):
            alphas = np.sort(np.asarray(self.alphas, np.float64))[::-1]
            if alphas.ndim > 1 or not len(alphas) or not (np.isfinite(alphas) & (alphas >= 0.0)).all():
                raise ValueError(f"alphas must be finite and not negative, not {display.value(self.alphas)}")
            return alphas
        options = summary.products, self.fit_intercept, int(self.alphas), self.eps
        if ratio:
            return penalty_paths.automatic_l1(*options) / (2.0 * ratio)
        return penalty_paths.automatic_l2(*options) / 2.0

    def _crossed(self, summary: Summary, alphas: Floats, ratio: float) -> Crossed:
        return cross(summary, *self._penalties(alphas, ratio), self.fit_intercept, self._threads())

    def _folds(self, X: Any, y: Any) -> Any:
        """The fold of each row, or the number of folds."""
        if isinstance(X, (Source, Summary)):
            if self.cv is None or isinstance(self.cv, numbers.Integral):
                return FOLDS if self.cv is None else int(self.cv)
            raise ValueError(f"cv of a {type(X).__name__} must be a number of folds")
        values = X.values if isinstance(X, NamedArray) else X
        return numbers_of([*check_cv(self.cv).split(values, y)], len(values))


def numbers_of(splits: list[tuple[Any, Any]], n: int) -> NDArray[np.intp]:
    """The test set of each row. Other splits than those of n rows into test sets are refused."""
    tests = [np.arange(n)[test] for _, test in splits]
    times = np.bincount(np.concatenate(tests), minlength=n)
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise InvalidDataError(
            f"cv has row {row} in {display.count(int(times[row]), 'test set')}: {ONE_READ}"
        )
    folds = np.empty(n, np.intp)
    for k, rows in enumerate(tests):
        folds[rows] = k
    for k, (train, _) in enumerate(splits):
        others, kept = np.arange(n)[train], np.zeros(n, np.bool_)
        kept[others] = True
        if np.count_nonzero(kept) < len(others) or not np.array_equal(kept, folds != k):
            raise InvalidDataError(
                f"cv has a training set {k} that is not the rows outside test set {k}: {ONE_READ}"
            )
    return folds

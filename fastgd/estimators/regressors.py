"""GDRegressor and SGDRegressor."""

from __future__ import annotations

import numbers
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from fastgd import losses
from fastgd.api import gradient_descent
from fastgd.engine.blocks import Floats
from fastgd.estimators.additive import Additive
from fastgd.estimators.inputs import as_matrix, as_weights, like
from fastgd.estimators.linear import Linear, Stochastic
from fastgd.solver.inputs import has_targets
from fastgd.solver.objective import as_objective
from fastgd.solver.planner import MOST_COLUMNS
from fastgd.solver.preconditioning import suits
from fastgd.solver.results import FitResult
from fastgd.solver.summary import Summary
from fastgd.solver.targets import MultiTargetFit


class _Regressor(RegressorMixin, Linear):
    coef_: Any
    intercept_: Any
    summary_: Any
    _parameter_constraints: ClassVar[dict[str, Any]] = Linear._parameter_constraints | {
        "loss": [StrOptions(set(losses.names(of_classes=False))), HasMethods(["value", "slope"])],
        "epsilon": [Interval(numbers.Real, 0, None, closed="neither")],
        "quantile": [Interval(numbers.Real, 0, 1, closed="neither")],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
    ) -> Self:
        """Fit to X (n, d) and y (n,), for squared errors also (n, k).

        sample_weight, (n,) or a number, multiplies the loss of each sample. The fit starts at coef_init,
        (d,) or (1, d), and intercept_init, a number or (1,). The default is 0, or the end of the last fit
        with warm_start. Pass both as keywords, since scikit-learn puts them before sample_weight. X may be a
        source (`fastgd.chunks`, `fastgd.read_table`) or, for squared errors, a `fastgd.Summary`, which have
        their own targets and weights.
        """
        before = getattr(self, "result_", None) if self.warm_start else None
        X, y = self._checked_data(X, y, reset=before is None)
        if hasattr(self, "summary_"):
            del self.summary_
        sample_weight = as_weights(sample_weight, X)
        if has_targets(y) and not (coef_init is None and intercept_init is None):
            raise ValueError("coef_init and intercept_init begin the fit of one target: leave them out")
        if before is not None and isinstance(before, MultiTargetFit) != has_targets(y):
            raise ValueError(
                "y has one dimension and that of the last fit had two, or the other way round: warm_start "
                "goes on from a fit of the same targets"
            )
        (begin,) = self._starts(coef_init, intercept_init, None if before is None else [before], 1)
        if begin is None and self._starts_at_least_squares():
            start = self._least_squares(X, y, sample_weight)
            result = self._fitted(X, y, sample_weight, start)
            result.n_passes += start.n_passes
            return self._keep(X, result)
        summaries: list[Summary] | None = [] if self._keeps_summary() else None
        result = self._fitted(X, y, sample_weight, begin, summaries=summaries)
        if summaries:
            self.summary_ = tuple(summaries) if has_targets(y) else summaries[0]
        return self._keep(X, result)

    def _keeps_summary(self) -> bool:
        """Whether a fit keeps the summary of its rows, for `partial_fit`."""
        return False

    def _starts_at_least_squares(self) -> bool:
        """Whether a fit without a start of its own begins at the least-squares weights."""
        loss = self._loss()
        if self._solver == "sgd" or not loss.predicts_y or isinstance(loss, losses.SquaredError):
            return False
        d, objective = self.n_features_in_, as_objective(**self._translated()[0], has_weights=False)
        # Descent in the metric of a sample begins at the sample's optimum.
        rate = self._rate(1.0)
        is_near = bool(self.precondition) and suits(
            objective, self._rule(), d, isinstance(rate, str), self.early_stopping
        )
        return not (is_near or d > MOST_COLUMNS or self.early_stopping)

    def _least_squares(self, X: Any, y: Any, weights: Any) -> FitResult:
        """The start for other losses. Their slopes are bounded, so a start at zero may take many epochs."""
        result = gradient_descent(
            X, y, fit_intercept=self.fit_intercept, standardize=self.standardize, sample_weight=weights,
            precondition="auto", n_epochs=1000, history=None, n_threads=self._threads(),
        )  # fmt: skip
        return replace(result, _state=None)

    def _keep(self, X: Any, result: FitResult) -> Self:
        self.result_ = result
        if isinstance(result, MultiTargetFit):
            self.coef_ = like(X, np.ascontiguousarray(np.atleast_2d(result.w).T))
            self.intercept_ = like(X, result.intercept)
        else:
            self.coef_ = like(X, np.atleast_1d(result.w))
            intercept = like(X, np.array([result.intercept]))
            self.intercept_ = intercept if self._solver == "sgd" else intercept[0]
        self.n_iter_ = int(np.max(result.n_epochs))
        self.history_ = self._costs(result)
        return self

    def predict(self, X: Any) -> Floats:
        """Predictions ŷ = X·coef_ + intercept_ in X's dtype, or their exponentials for a log link.

        (n,), or (n, k) for k targets.
        """
        check_is_fitted(self)
        X = as_matrix(self, X, reset=False)
        models = zip(np.atleast_2d(self.coef_), np.ravel(self.intercept_), strict=True)
        columns = [self._scores(X, w, intercept) for w, intercept in models]
        scores = columns[0] if self.coef_.ndim == 1 else np.column_stack(columns)
        return like(X, self._loss().predictions(scores))


class GDRegressor(Additive, _Regressor):
    """Linear regression by full-batch gradient descent.

    It minimises (1/Σ s) Σ s·loss(x·w + b, y) + alpha·(l1_ratio Σ|w| + (1 − l1_ratio)/2 Σ w²).

    Parameters
    ----------
    loss : str or a loss object, default "squared_error"
        "squared_error" is r²/2. "huber" is r²/2 for |r| up to epsilon, and linear beyond. The others are
        "quantile", "epsilon_insensitive", and "poisson", which predicts exp(x·w + b) as PoissonRegressor
        does. A loss object is described in `fastgd.losses`.
        "quantile" and "epsilon_insensitive", and "huber" without preconditioning, start from least squares,
        if X has at most 1024 columns and early_stopping is False. Its passes count in `result_.n_passes`.
    penalty : {"l2", "l1", "elasticnet"} or None, default "l2"
    alpha : float, default 0.0
        Strength of the penalty. The default is least squares.
    l1_ratio : float or None, default 0.15
        The share of l1 if penalty="elasticnet". Other penalties ignore it.
    fit_intercept : bool, default True
    standardize : bool, default True
        Descend in centred columns of variance 1. The result and the penalty refer to the weights of X.
    precondition : bool or "auto", default "auto"
        Descend in the metric of the curvature: XᵀX/n + alpha of the centred columns for squared errors, the
        Hessian at the optimum of a sample for other smooth losses, where the fit then starts. "quantile" and
        "epsilon_insensitive" keep the rows near a kink: see `fastgd.gradient_descent`. A few epochs reach the
        optimum, even if columns are nearly dependent. nesterov is then not used. "auto" is True without
        momentum, early stopping and a given eta0 or learning_rate, for smooth losses also without l1. If
        columns are linearly dependent, the weights of standardized columns have the smallest norm.
    max_iter : int, default 10_000
        The largest number of epochs. For squared errors all epochs run on statistics from one pass.
    tol : float, "auto" or None, default "auto"
        Stop after n_iter_no_change epochs in which the norm of the gradient is at most tol times the first
        one. "auto" is 0 on statistics (until w has all its digits) and 1e-6 otherwise.
    learning_rate : {"constant", "invscaling"}, default "constant"
        The rate of epoch k: eta0, or eta0/(k + 1)^power_t.
    eta0 : float or "auto", default "auto"
        "auto" computes a safe rate from the data.
    power_t : float, default 0.5
    momentum : float, default 0.0
    nesterov : bool, default True
        With momentum=0 the momentum grows from epoch to epoch, and restarts if it overshoots.
    epsilon : float, default 1.35
        The residual, in units of y, at which "huber" becomes linear, or up to which "epsilon_insensitive" is
        0.
    quantile : float, default 0.5
        The quantile of the loss "quantile".
    early_stopping : bool, default False
        Hold rows out, and stop when their loss has not fallen for n_iter_no_change epochs.
    validation_fraction : float, default 0.1
        The share of rows that early_stopping holds out.
    n_iter_no_change : int, default 5
    warm_start : bool, default False
        Start `fit` at the end of the last fit.
    n_jobs : int, optional
        The largest number of threads. None and -1 stand for the number of processors. Results have the same
        bits for any number.

    Attributes
    ----------
    coef_ : ndarray (d,), or (k, d) if y has shape (n, k)
        In X's dtype, float32 or float64, like `intercept_` and predictions.
    intercept_ : NumPy scalar, or ndarray (k,)
    n_iter_ : int
        The number of epochs, of several targets the largest.
    history_ : ndarray (n_iter_ + 1,)
        The objective at the start and after each epoch.
    result_ : FitResult, or MultiTargetFit if y has shape (n, k)
        Status, passes, rates and more.
    summary_ : Summary, or tuple of k
        The summary of the rows of all calls, of each target. It is there for squared errors without early
        stopping and up to 1024 columns.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from fastgd.estimators import GDRegressor
    >>> model = GDRegressor().fit([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0])
    >>> round(float(model.coef_[0]), 12), round(float(model.intercept_), 12)
    (2.0, 1.0)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = _Regressor._parameter_constraints | {
        "precondition": ["boolean", StrOptions({"auto"})],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = True,
        precondition: bool | str = "auto",
        max_iter: int = 10_000,
        tol: Any = "auto",
        learning_rate: str = "constant",
        eta0: Any = "auto",
        power_t: float = 0.5,
        momentum: float = 0.0,
        nesterov: bool = True,
        epsilon: float = 1.35,
        quantile: float = 0.5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ):
        self._set(locals())


class SGDRegressor(Stochastic, _Regressor):
    """Linear regression by stochastic gradient descent.

    The weight of a sample multiplies its step. So weight 2 is not the same as two steps, and with an l2
    penalty a sample of weight 0 still shrinks w. Therefore scikit-learn's check that weights equal repeated
    rows does not pass. All its other checks pass.

    Parameters
    ----------
    alpha : float, default 1e-4
        Strength of the penalty.
    standardize : bool, default True
        As in `GDRegressor`. `partial_fit` uses the means and deviations of all rows so far, and translates
        the weights of earlier calls to them.
    max_iter : int, default 1000
    tol : float, "auto" or None, default 1e-3
        Stop when the objective has not fallen below its lowest value by more than this fraction for
        n_iter_no_change epochs. The objective takes one more pass for each epoch. "auto" is 1e-6.
    learning_rate : {"invscaling", "constant", "adaptive", "optimal"}, default "invscaling"
        The rate of all steps of epoch k. "invscaling" is eta0/(k + 1)^power_t. "constant" is eta0. "adaptive"
        is eta0, divided by 5 each time a stopping rule would end the fit, until it is below 1e-6. "optimal"
        is the mean of 1/(alpha (t0 + t)) over the steps t of the epoch, with scikit-learn's t0.
    eta0 : float or "auto", default "auto"
        "auto" is 1/(L √(2 n)) for n steps in an epoch. L is the usual curvature of the loss times the mean of
        ‖x̃‖², where x̃ is a standardized row with a 1 for the intercept. It is at most half the rate at which
        every single step is stable. In `partial_fit` n is the number of all rows so far. "poisson" has no
        "auto".
    power_t : float, default 0.5
    shuffle : {True, "blocks", False}, default True
        The new order of each epoch: of all rows, of blocks of up to 4096 rows (much faster), or none.
    batch_size : int, default 1
        Rows of a step.
    average : bool, int or float, default False
        With averaging, coef_ is the mean of the weights after each step: after all steps (True), from this
        step on (int, counted from 1 as in scikit-learn), or over this last share of the steps (float below
        1).
    random_state : int, RandomState or None
        Seeds the shuffling.
    loss, penalty, l1_ratio, fit_intercept, momentum, nesterov, epsilon, quantile, early_stopping, \
validation_fraction, n_iter_no_change, warm_start, n_jobs
        As in `GDRegressor`. nesterov=True requires momentum > 0, and is not the default.

    Attributes
    ----------
    coef_ : ndarray (d,)
    intercept_ : ndarray (1,)
    n_iter_, history_, result_, n_features_in_, feature_names_in_
        As in `GDRegressor`. history_ is None if the objective was not computed.

    Examples
    --------
    >>> from fastgd.estimators import SGDRegressor
    >>> X, y = [[1.0], [2.0], [3.0]] * 50, [3.0, 5.0, 7.0] * 50
    >>> model = SGDRegressor(alpha=0.0, random_state=0).fit(X, y)
    >>> round(float(model.coef_[0]), 3)
    2.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = (
        _Regressor._parameter_constraints | Stochastic._parameter_constraints
    )

    def __init__(
        self,
        loss: Any = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = True,
        max_iter: int = 1000,
        tol: Any = 1e-3,
        shuffle: Any = True,
        epsilon: float = 0.1,
        quantile: float = 0.5,
        random_state: Any = None,
        learning_rate: str = "invscaling",
        eta0: Any = "auto",
        power_t: float = 0.5,
        momentum: float = 0.0,
        nesterov: bool = False,
        batch_size: int = 1,
        average: Any = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ):
        self._set(locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Run one epoch over these rows, from the end of the last call.

        Means, deviations and the automatic rate are those of all rows so far.
        """
        before = getattr(self, "result_", None)
        X, y = self._checked_data(X, y, reset=before is None, is_part=True)
        result = self._fitted(X, y, as_weights(sample_weight, X), before, is_part=True)
        return self._keep(X, result)

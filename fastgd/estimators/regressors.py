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
from fastgd.estimators.inputs import as_matrix, as_weights, like
from fastgd.estimators.linear import Linear, Stochastic
from fastgd.solver.planner import MOST_COLUMNS
from fastgd.solver.results import FitResult


class _Regressor(RegressorMixin, Linear):
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
        """Fit the model to X (n, d) and y (n,); sample_weight, (n,) or one number, scales each sample's loss.

        coef_init, (d,) or (1, d), and intercept_init, a number or (1,), are where the fit begins; without
        them it begins at 0, or with warm_start where the last fit ended. Pass them as keywords: scikit-learn
        has them before sample_weight. A source in place of X (`fastgd.chunks`, `fastgd.read_table`) has
        targets and weights of its own.
        """
        before = getattr(self, "result_", None) if self.warm_start else None
        X, y = self._checked_data(X, y, reset=before is None)
        sample_weight = as_weights(sample_weight, X)
        (begin,) = self._starts(coef_init, intercept_init, None if before is None else [before], 1)
        loss = self._loss()
        is_served = loss.predicts_y and not isinstance(loss, losses.SquaredError)
        is_wide = self.n_features_in_ > MOST_COLUMNS
        starts_at_zero = self._solver == "sgd" or not is_served or is_wide or self.early_stopping
        if begin is None and not starts_at_zero:
            start = self._least_squares(X, y, sample_weight)
            result = self._fitted(X, y, sample_weight, start)
            result.n_passes += start.n_passes
            return self._keep(X, result)
        return self._keep(X, self._fitted(X, y, sample_weight, begin))

    def _least_squares(self, X: Any, y: Any, weights: Any) -> FitResult:
        """Where other losses start: bounded slopes would take many epochs from zero to a y far off."""
        result = gradient_descent(
            X, y, fit_intercept=self.fit_intercept, standardize=self.standardize, sample_weight=weights,
            precondition="auto", n_epochs=1000, history=None, n_threads=self._threads(),
        )  # fmt: skip
        return replace(result, _state=None)

    def _keep(self, X: Any, result: FitResult) -> Self:
        self.result_ = result
        self.coef_ = like(X, np.atleast_1d(result.w))
        intercept = like(X, np.array([result.intercept]))
        self.intercept_ = intercept if self._solver == "sgd" else intercept[0]
        self.n_iter_ = result.n_epochs
        self.history_ = self._costs(result)
        return self

    def predict(self, X: Any) -> Floats:
        """ŷ = X·coef_ + intercept_, or its exponential for a log link, (n,), in X's dtype."""
        check_is_fitted(self)
        X = as_matrix(self, X, reset=False)
        scores = self._scores(X, self.coef_, np.ravel(self.intercept_)[0])
        return like(X, self._loss().predictions(scores))


class GDRegressor(_Regressor):
    """Linear regression by full-batch gradient descent, with the history of its cost.

    Minimises (1/Σ s) Σ s·loss(x·w + b, y) + alpha·(l1_ratio Σ|w| + (1 − l1_ratio)/2 Σ w²).

    Parameters
    ----------
    loss : str or a loss object, default "squared_error"
        A name of `fastgd.losses` whose y are not classes: "squared_error" is r²/2; "huber" r²/2 up to
        |r| = epsilon and linear beyond; "quantile"; "epsilon_insensitive"; "poisson", whose predictions are
        exp(x·w + b) as those of PoissonRegressor. Or a loss of your own (see `fastgd.losses`).
        Others than the first that predict y itself start from least squares (up to 1024 columns, and without
        early_stopping: held-out rows must not have been seen), which counts in `result_.n_passes`.
    penalty : {"l2", "l1", "elasticnet"} or None, default "l2"
    alpha : float, default 0.0
        Strength of the penalty (0: least squares).
    l1_ratio : float or None, default 0.15
        The share of l1 under penalty="elasticnet"; None with other penalties only.
    fit_intercept : bool, default True
    standardize : bool, default True
        Descend in centred columns of variance 1. The result, and what is penalised, are w of X as it is.
    precondition : bool or "auto", default "auto"
        Descend in the metric XᵀX/n + alpha of the centred columns, in which an epoch or two lead to the
        optimum, also where columns are nearly dependent. "auto" does so for squared errors without l1,
        momentum, early stopping and an eta0 of your own. Columns that are sums of others get the weights of
        least norm in units of their deviations.
    max_iter : int, default 10_000
        Epochs at most. Of squared errors they cost next to nothing: all run on statistics made by one read.
    tol : float, "auto" or None, default "auto"
        Stop when the gradient's norm has been at most tol times the first for n_iter_no_change epochs.
        "auto" is 0 on statistics (until w has all its digits) and 1e-6 otherwise.
    learning_rate : {"constant", "invscaling"}, default "constant"
        eta0, or eta0/(k + 1)^power_t in epoch k.
    eta0 : float or "auto", default "auto"
        "auto" is safe for the data.
    power_t : float, default 0.5
    momentum : float, default 0.0
    nesterov : bool, default True
        With momentum=0 its momentum grows by itself, and starts anew where it overshoots.
    epsilon : float, default 1.35
        Where "huber" becomes linear, and below which "epsilon_insensitive" is 0, in units of y.
    quantile : float, default 0.5
        The number of the loss "quantile".
    early_stopping : bool, default False
        Stop when the loss of held-out rows (validation_fraction of all) has not fallen for n_iter_no_change
        epochs.
    validation_fraction : float, default 0.1
    n_iter_no_change : int, default 5
    warm_start : bool, default False
        `fit` goes on where the last one ended.
    n_jobs : int, optional
        Threads at most; as many as there are processors by default and with -1. No bit of the result
        depends on it.

    Attributes
    ----------
    coef_ : ndarray (d,)
        In X's dtype, float32 or float64, as `intercept_` and predictions are.
    intercept_ : NumPy scalar
    n_iter_ : int
        Epochs done.
    history_ : ndarray (n_iter_ + 1,)
        The objective at the start and after each epoch.
    result_ : FitResult
        Everything else: status, reads of the data, rates.
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
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.precondition = precondition
        self.max_iter = max_iter
        self.tol = tol
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.momentum = momentum
        self.nesterov = nesterov
        self.epsilon = epsilon
        self.quantile = quantile
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.n_jobs = n_jobs


class SGDRegressor(Stochastic, _Regressor):
    """Linear regression by stochastic gradient descent, row by row or batch by batch.

    A sample's weight scales its step: weight 2 is not two steps, and weight 0 still decays w under l2. So no
    method whose result depends on the order of the rows can pass scikit-learn's check that weights equal
    repeated rows; all its other checks pass.

    Parameters
    ----------
    alpha : float, default 1e-4
        Strength of the penalty.
    standardize : bool, default True
        As in `GDRegressor`. In `partial_fit` the means and deviations are those of all rows so far: the
        weights are re-expressed from call to call, and the model stays the same.
    max_iter : int, default 1000
    tol : float, "auto" or None, default 1e-3
        Stop when n_iter_no_change epochs in a row have not brought the objective below its lowest value by
        more than this part of it (a read of the data for each epoch's objective); "auto" is 1e-6.
    learning_rate : {"invscaling", "constant", "adaptive", "optimal"}, default "invscaling"
        A rate for each epoch k, the same for all its steps. "invscaling": eta0/(k + 1)^power_t. "constant":
        eta0. "adaptive": eta0, divided by 5 each time a stopping rule would end the fit, until it is below
        1e-6. "optimal": the mean over the epoch's steps t of 1/(alpha (t0 + t)), t0 as in scikit-learn.
    eta0 : float or "auto", default "auto"
        "auto" is 1/(L √(2 n)) for n steps an epoch, L the usual curvature of the loss times the mean of
        ‖x̃‖² (x̃ a row as the descent sees it, with a 1 for the intercept), and at most half the rate below
        which every single step is stable. In `partial_fit` n counts all rows so far, and this rate does not
        depend on the number of calls. "poisson" has no "auto": pass a number.
    power_t : float, default 0.5
    shuffle : {True, "blocks", False}, default True
        Each epoch: all rows in a new order; the blocks of 4096 rows (fewer of wide ones), much cheaper; or
        not.
    batch_size : int, default 1
        Rows of a step.
    average : bool, int or float, default False
        coef_ is the mean of the weights after each step (True), from this step on (int, counted from 1 as
        in scikit-learn), or of the last share of them (float below 1).
    random_state : int, RandomState or None
        Of the shuffling.
    loss, penalty, l1_ratio, fit_intercept, momentum, nesterov, epsilon, quantile, early_stopping, \
validation_fraction, n_iter_no_change, warm_start, n_jobs
        As in `GDRegressor`; nesterov is False by default and needs a momentum.

    Attributes
    ----------
    coef_ : ndarray (d,)
    intercept_ : ndarray (1,)
    n_iter_, history_, result_, n_features_in_, feature_names_in_
        As in `GDRegressor`; history_ is None where the objective was not followed.

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
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.epsilon = epsilon
        self.quantile = quantile
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.momentum = momentum
        self.nesterov = nesterov
        self.batch_size = batch_size
        self.average = average
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these rows, from where the last call ended; means, deviations and rate follow."""
        before = getattr(self, "result_", None)
        X, y = self._checked_data(X, y, reset=before is None, is_part=True)
        result = self._fitted(X, y, as_weights(sample_weight, X), before, is_part=True)
        return self._keep(X, result)

"""The scikit-learn face: GDRegressor, GDClassifier, SGDRegressor, SGDClassifier.

Parameters have scikit-learn's names and meanings. Its objective halves squared errors,

    (1/Σ s) Σ s·loss + alpha·(l1_ratio Σ|w| + (1 − l1_ratio)/2 Σ w²),    loss = r²/2 (squared_error, huber),

and fastgd's does not: `_translated` is where one becomes the other.
"""

from __future__ import annotations

import numbers
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
    from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning
    from sklearn.utils import check_random_state, column_or_1d
    from sklearn.utils._param_validation import Interval, StrOptions
    from sklearn.utils.class_weight import compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "fastgd.estimators needs scikit-learn: pip install 'fastgd[sklearn]'"
    ) from missing

from fastgd import losses
from fastgd.engine import Floats
from fastgd.fitting import Options, fit
from fastgd.functions import forward
from fastgd.objective import as_rule
from fastgd.results import ConvergenceWarning, FitResult
from fastgd.schedules import LearningRate, TimesAuto


class EstimatorConvergenceWarning(ConvergenceWarning, SklearnConvergenceWarning):
    """max_iter ran out before tol was reached, or few digits are to be expected: fastgd's and scikit-learn's."""


_HALVED = {"squared_error": losses.SquaredError, "huber": losses.Huber}
"""The losses of which scikit-learn's are the half."""


class _Linear(BaseEstimator):
    """What the four share; the parameters that a class has of its own are in its `__init__`."""

    _solver = "gradient_descent"
    _parameter_constraints: dict[str, Any] = {
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(numbers.Real, 0, None, closed="left")],
        "l1_ratio": [Interval(numbers.Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "standardize": ["boolean"],
        "max_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "tol": [Interval(numbers.Real, 0, None, closed="left"), StrOptions({"auto"}), None],
        "learning_rate": [StrOptions({"constant", "invscaling"})],
        "eta0": [Interval(numbers.Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "power_t": [Interval(numbers.Real, None, None, closed="neither")],
        "momentum": [Interval(numbers.Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(numbers.Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(numbers.Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "n_jobs": [Interval(numbers.Integral, 1, None, closed="left"), None],
    }

    def _data(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
        """X and y as they are, but for shape, type and names; what is not finite the fit itself finds."""
        is_regressor = isinstance(self, RegressorMixin)
        X, y = validate_data(self, X, y, reset=reset, y_numeric=is_regressor, ensure_all_finite=False)
        return X, y

    def _translated(self) -> tuple[dict[str, Any], float]:
        """The objective in fastgd's terms, and what turns its cost into scikit-learn's."""
        loss: Any = self._loss()
        half = 0.5 if isinstance(loss, tuple(_HALVED.values())) else 1.0
        ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio, None: 0.0}[self.penalty]
        alpha = 0.0 if self.penalty is None else self.alpha / half
        goal = dict(
            loss=loss, l1=alpha * ratio, l2=alpha * (1.0 - ratio), fit_intercept=self.fit_intercept,
            standardize=self.standardize,
        )  # fmt: skip
        return goal, half

    def _rate(self, half: float, eta0: Any) -> LearningRate:
        """A rate for each epoch: eta0, or eta0/(k + 1)^power_t in epoch k."""
        power = 0.0 if self.learning_rate == "constant" else float(self.power_t)
        if eta0 == "auto":
            return "auto" if power == 0.0 else TimesAuto(lambda epoch: (epoch + 1.0) ** -power)
        rate = half * float(eta0)
        return rate if power == 0.0 else lambda epoch: rate * (epoch + 1.0) ** -power

    def _fitted(self, X: Any, y: Any, weights: Any, before: FitResult | None, **changed: Any) -> FitResult:
        """One model, from where `before` ended."""
        goal, half = self._translated()
        is_sgd = self._solver == "sgd"
        rule = as_rule(self.momentum, self.nesterov, *((self.batch_size, self.average) if is_sgd else ()))
        how: dict[str, Any] = dict(
            w0=before, learning_rate=self._rate(half, self.eta0), n_epochs=self.max_iter, tol=self.tol,
            patience=self.n_iter_no_change,
            validation_fraction=self.validation_fraction if self.early_stopping else None,
            callback=None, method="auto", history="costs", on_divergence="raise", backend="auto",
            n_threads=self.n_jobs, warning=EstimatorConvergenceWarning,
        )  # fmt: skip
        if is_sgd:
            how |= dict(shuffle=self.shuffle, seed=self._seed(before))
        goal["sample_weight"] = weights
        return fit(self._solver, X, y, goal, rule, Options(**(how | changed)))

    def _seed(self, before: FitResult | None) -> int | None:
        if self.shuffle is False or (before is not None and before.seed is not None):
            return None
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _costs(self, result: FitResult) -> Floats | None:
        history = result.cost_history
        return None if history is None else history * self._translated()[1]

    def _scores(self, X: Any, w: Floats, intercept: float) -> Floats:
        return np.asarray(forward(X, w, intercept=float(intercept), n_threads=self.n_jobs))


class _Regressor(RegressorMixin, _Linear):
    _parameter_constraints = _Linear._parameter_constraints | {
        "loss": [StrOptions({"squared_error", "huber", "quantile"}), callable, object],
        "epsilon": [Interval(numbers.Real, 0, None, closed="neither")],
        "quantile": [Interval(numbers.Real, 0, 1, closed="neither")],
    }

    def _loss(self) -> Any:
        if self.loss == "huber":
            return losses.Huber(float(self.epsilon))
        return losses.Quantile(float(self.quantile)) if self.loss == "quantile" else self.loss

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model to X (n, d) and y (n,); sample_weight (n,) scales each sample's loss."""
        before = getattr(self, "result_", None) if self.warm_start else None
        X, y = self._data(X, y, reset=True)
        return self._keep(self._fitted(X, y, sample_weight, before))

    def _keep(self, result: FitResult) -> Self:
        self.result_ = result
        self.coef_ = np.atleast_1d(result.w)
        self.intercept_ = np.array([result.intercept]) if self._solver == "sgd" else result.intercept
        self.n_iter_ = result.n_epochs
        self.history_ = self._costs(result)
        return self

    def predict(self, X: Any) -> Floats:
        """ŷ = X·coef_ + intercept_, (n,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite=False)
        return self._scores(X, self.coef_, np.ravel(self.intercept_)[0])


class _Classifier(ClassifierMixin, _Linear):
    _parameter_constraints = _Linear._parameter_constraints | {
        "loss": [StrOptions({"log_loss"})],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def _loss(self) -> Any:
        return self.loss

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to X (n, d) and labels y (n,), one class against the rest where there are more than two."""
        before = getattr(self, "results_", None) if self.warm_start else None
        X, y = self._data(X, y, reset=True)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y holds one class only, {classes[0]!r}; {type(self).__name__} needs samples of two or more classes"
            )
        if before is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(f"y holds the classes {classes}, and the warm start {self.classes_}; they must agree")
        self.classes_ = classes
        return self._fit_all(X, codes, sample_weight, before)

    def _fit_all(self, X: Any, codes: Any, sample_weight: Any, before: Any, **changed: Any) -> Self:
        """A model a class, or one for two classes; `codes` are places in classes_."""
        n_models = 1 if len(self.classes_) == 2 else len(self.classes_)
        weights = self._weights(codes, sample_weight)
        results = []
        for k in range(n_models):
            target = (codes == (1 if n_models == 1 else k)).astype(np.float64)
            results.append(self._fitted(X, target, weights, before[k] if before else None, **changed))
        self.results_ = results
        self.coef_ = np.array([np.atleast_1d(result.w) for result in results])
        self.intercept_ = np.array([result.intercept for result in results])
        self.n_iter_ = max(result.n_epochs for result in results)
        costs = [self._costs(result) for result in results]
        self.history_ = costs[0] if n_models == 1 else costs
        return self

    def _weights(self, codes: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        classes = np.arange(len(self.classes_))
        given = self.class_weight
        if isinstance(given, dict):
            labels = {label: place for place, label in enumerate(self.classes_.tolist())}
            given = {labels[label]: value for label, value in given.items() if label in labels}
        each = compute_class_weight(given, classes=classes, y=codes)[codes]
        return each if sample_weight is None else each * np.asarray(sample_weight, dtype=np.float64)

    def decision_function(self, X: Any) -> Floats:
        """Scores X·coef_ᵀ + intercept_: (n,) for two classes, else (n, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite=False)
        scores = [self._scores(X, w, b) for w, b in zip(self.coef_, self.intercept_, strict=True)]
        return scores[0] if len(scores) == 1 else np.column_stack(scores)

    def predict(self, X: Any) -> Any:
        """The class with the highest score, (n,)."""
        scores = self.decision_function(X)
        return self.classes_[scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0.0).astype(int)]

    def predict_proba(self, X: Any) -> Floats:
        """1/(1 + exp(−score)), (n, n_classes); of more than two classes scaled so that a row adds up to 1."""
        scores = self.decision_function(X)
        e = np.exp(-np.abs(scores))
        share = np.where(scores >= 0.0, 1.0, e) / (1.0 + e)
        if scores.ndim == 1:
            rest = np.where(scores >= 0.0, e, 1.0) / (1.0 + e)
            return np.column_stack([rest, share])
        total = share.sum(axis=1, keepdims=True)
        even = total == 0.0  # every class is ruled out to the last bit
        return np.where(even, 1.0 / scores.shape[1], share / np.where(even, 1.0, total))

    def predict_log_proba(self, X: Any) -> Floats:
        """ln of `predict_proba`."""
        return np.log(self.predict_proba(X))


class _Stochastic(_Linear):
    """What SGD has beside: the order of the rows, batches, averaging, and `partial_fit`."""

    _solver = "sgd"
    _parameter_constraints: dict[str, Any] = {
        "shuffle": ["boolean", StrOptions({"blocks"})],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "average": ["boolean", Interval(numbers.Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def _once(self, before: FitResult | None) -> dict[str, Any]:
        """One pass, without stopping rules; a rate that is found from the first rows is kept for the others."""
        changed: dict[str, Any] = dict(n_epochs=1, tol=None, validation_fraction=None, w0=before)
        if self.eta0 == "auto" and before is not None:
            changed["learning_rate"] = self._rate(1.0, before._first_rate)
        return changed


class GDRegressor(_Regressor):
    """Linear regression by full-batch gradient descent, with the history of its cost.

    Minimises (1/Σ s) Σ s·loss(x·w + b, y) + alpha·(l1_ratio Σ|w| + (1 − l1_ratio)/2 Σ w²).

    Parameters
    ----------
    loss : {"squared_error", "huber", "quantile"} or a loss object, default "squared_error"
        r²/2; r²/2 up to |r| = epsilon and linear beyond; the pinball loss of `quantile`; or a loss of your own
        (see `fastgd.losses`).
    penalty : {"l2", "l1", "elasticnet"} or None, default "l2"
    alpha : float, default 0.0
        Strength of the penalty (0: least squares).
    l1_ratio : float, default 0.15
        The share of l1 under penalty="elasticnet".
    fit_intercept : bool, default True
    standardize : bool, default True
        Descend in centred columns of variance 1. The result, and what is penalised, are w of X as it is.
    max_iter : int, default 10_000
        Epochs at most. Of squared errors they cost next to nothing: all run on statistics made by one read.
    tol : float, "auto" or None, default "auto"
        Stop when the gradient's norm has been at most tol times the first for n_iter_no_change epochs. "auto" is
        0 on statistics (until w has all its digits) and 1e-6 otherwise.
    learning_rate : {"constant", "invscaling"}, default "constant"
        eta0, or eta0/(k + 1)^power_t in epoch k.
    eta0 : float or "auto", default "auto"
        "auto" is safe for the data.
    power_t : float, default 0.5
    momentum : float, default 0.0
    nesterov : bool, default True
        With momentum=0 its momentum grows by itself, and starts anew where it overshoots.
    epsilon : float, default 1.35
        Where huber becomes linear, in units of y.
    quantile : float, default 0.5
    early_stopping : bool, default False
        Stop when the loss of held-out rows (validation_fraction of all) has not fallen for n_iter_no_change epochs.
    validation_fraction : float, default 0.1
    n_iter_no_change : int, default 5
    warm_start : bool, default False
        `fit` goes on where the last one ended.
    n_jobs : int, optional
        Threads at most; as many as there are processors by default. No bit of the result depends on it.

    Attributes
    ----------
    coef_ : ndarray (d,)
    intercept_ : float
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
    >>> round(float(model.coef_[0]), 12), round(model.intercept_, 12)
    (2.0, 1.0)
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = True,
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


class GDClassifier(_Classifier):
    """Logistic regression by full-batch gradient descent, binary or one class against the rest.

    Parameters
    ----------
    loss : {"log_loss"}
    alpha : float, default 1e-4
        Strength of the penalty, as in SGDClassifier; LogisticRegression's C is 1/(alpha n).
    class_weight : dict, "balanced" or None
        Weights of the classes, multiplied with sample_weight.
    max_iter : int, default 1000
        Epochs at most, a read of the data each.
    penalty, l1_ratio, fit_intercept, standardize, tol, learning_rate, eta0, power_t, momentum, nesterov, \
early_stopping, validation_fraction, n_iter_no_change, warm_start, n_jobs
        As in `GDRegressor`.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
    coef_ : ndarray (1, d) or (n_classes, d)
    intercept_ : ndarray (1,) or (n_classes,)
    n_iter_ : int
        Epochs of the model that took most.
    history_ : ndarray, or a list with one a class
        The objective at the start and after each epoch.
    results_ : list of FitResult
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> from fastgd.estimators import GDClassifier
    >>> model = GDClassifier().fit([[0.0], [1.0], [3.0], [4.0]], ["a", "a", "b", "b"])
    >>> model.predict([[0.5], [3.5]]).tolist()
    ['a', 'b']
    """

    def __init__(
        self,
        loss: str = "log_loss",
        *,
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = True,
        max_iter: int = 1000,
        tol: Any = "auto",
        learning_rate: str = "constant",
        eta0: Any = "auto",
        power_t: float = 0.5,
        momentum: float = 0.0,
        nesterov: bool = True,
        class_weight: Any = None,
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
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.momentum = momentum
        self.nesterov = nesterov
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.n_jobs = n_jobs


class SGDRegressor(_Stochastic, _Regressor):
    """Linear regression by stochastic gradient descent, row by row or batch by batch.

    A sample's weight scales its step: weight 2 is not two steps, and weight 0 still decays w under l2. So no
    method whose result depends on the order of the rows can pass scikit-learn's check that weights equal
    repeated rows; all its other checks pass.

    Parameters
    ----------
    alpha : float, default 1e-4
        Strength of the penalty.
    standardize : bool, default True
        As in `GDRegressor`; `partial_fit` takes means and deviations anew from the rows of each call.
    max_iter : int, default 1000
    tol : float, "auto" or None, default 1e-3
        Stop when an epoch has changed the objective by at most this part of it, n_iter_no_change times in a row
        (a read of the data for each epoch's objective); "auto" is 1e-6.
    learning_rate : {"invscaling", "constant"}, default "invscaling"
        A rate for each epoch k, the same for all its steps: eta0/(k + 1)^power_t, or eta0.
    eta0 : float or "auto", default "auto"
        "auto" is half the rate below which every single step is stable.
    power_t : float, default 0.5
    shuffle : {True, "blocks", False}, default True
        Each epoch: all rows in a new order; the blocks of 4096 rows (fewer of wide ones), much cheaper; or not.
    batch_size : int, default 1
        Rows of a step.
    average : bool, int or float, default False
        coef_ is the mean of the weights after each step (True), from this step on (int), or of the last share of
        them (float below 1).
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
    >>> model = SGDRegressor(alpha=0.0, random_state=0).fit([[1.0], [2.0], [3.0]] * 50, [3.0, 5.0, 7.0] * 50)
    >>> round(float(model.coef_[0]), 3)
    2.0
    """

    _parameter_constraints = _Regressor._parameter_constraints | _Stochastic._parameter_constraints

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
        """One epoch over these rows, from where the last call ended."""
        before = getattr(self, "result_", None)
        X, y = self._data(X, y, reset=before is None)
        result = self._fitted(X, y, sample_weight, before, **self._once(before))
        return self._keep(result)


class SGDClassifier(_Stochastic, _Classifier):
    """Logistic regression by stochastic gradient descent, binary or one class against the rest.

    Weights scale steps, as in `SGDRegressor`, with the same consequence for scikit-learn's checks.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        As in `GDClassifier`.
    loss, penalty, alpha, l1_ratio, fit_intercept, standardize, max_iter, tol, shuffle, random_state, \
learning_rate, eta0, power_t, momentum, nesterov, batch_size, average, early_stopping, validation_fraction, \
n_iter_no_change, warm_start, n_jobs
        As in `SGDRegressor`; the loss is "log_loss".

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, history_, results_, n_features_in_, feature_names_in_
        As in `GDClassifier`.

    Examples
    --------
    >>> from fastgd.estimators import SGDClassifier
    >>> model = SGDClassifier(random_state=0).fit([[0.0], [1.0], [3.0], [4.0]] * 50, ["a", "a", "b", "b"] * 50)
    >>> model.predict([[0.5], [3.5]]).tolist()
    ['a', 'b']
    """

    _parameter_constraints = _Classifier._parameter_constraints | _Stochastic._parameter_constraints

    def __init__(
        self,
        loss: str = "log_loss",
        *,
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = True,
        max_iter: int = 1000,
        tol: Any = 1e-3,
        shuffle: Any = True,
        random_state: Any = None,
        learning_rate: str = "invscaling",
        eta0: Any = "auto",
        power_t: float = 0.5,
        momentum: float = 0.0,
        nesterov: bool = False,
        batch_size: int = 1,
        average: Any = False,
        class_weight: Any = None,
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
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.momentum = momentum
        self.nesterov = nesterov
        self.batch_size = batch_size
        self.average = average
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over these rows, from where the last call ended; the first call names all classes."""
        before = getattr(self, "results_", None)
        X, y = self._data(X, y, reset=before is None)
        y = column_or_1d(y, warn=True)
        if before is None:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit")
            self.classes_ = np.unique(classes)
            if len(self.classes_) < 2:
                raise ValueError(f"classes holds one class only, {self.classes_[0]!r}; two or more are needed")
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes={classes!r} is not the same as on the last call to partial_fit: {self.classes_}")
        codes = np.searchsorted(self.classes_, y)
        known = self.classes_[np.minimum(codes, len(self.classes_) - 1)] == y
        if not np.all(known):
            raise ValueError(f"y[{int(np.argmin(known))}] is {y[np.argmin(known)]!r}, which is not among the classes")
        self._fit_all(X, codes, sample_weight, before, **self._once(before and before[0]))
        return self

"""The base classes of the estimators. They translate scikit-learn's parameters and objective to fastgd's.

scikit-learn's objective halves squared errors:

    (1/Σ s) Σ s·loss + alpha·(l1_ratio Σ|w| + (1 − l1_ratio)/2 Σ w²),    loss = r²/2 (squared_error, huber),

fastgd's does not. The factor is `Loss.scikit_learn`, and `_translated` applies it.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._param_validation import Options as Among
from sklearn.utils.validation import validate_data

from fastgd import losses
from fastgd.data.chunks import Source
from fastgd.engine.blocks import Floats
from fastgd.estimators.inputs import as_matrix, as_start, as_targets, check_source
from fastgd.functions import forward
from fastgd.public import public
from fastgd.schedules import LearningRate, OfSteps, TimesAuto
from fastgd.solver.fit import fit
from fastgd.solver.objective import UpdateRule, as_rule
from fastgd.solver.options import ConvergenceWarning, Options, Report, Start
from fastgd.solver.results import FitResult
from fastgd.solver.summary import Summary
from fastgd.wording import Words


class EstimatorConvergenceWarning(ConvergenceWarning, SklearnConvergenceWarning):
    """max_iter was reached before tol, or the result has few digits. A warning of fastgd and scikit-learn."""


Before = FitResult | Start | None
"""The start of a fit: the end of an earlier fit, given weights, or zero."""


CALLED = "__init__", "fit", "partial_fit", "predict", "predict_proba", "decision_function", "score"
"""Methods that users call."""


class Linear(BaseEstimator):
    """The base class of all estimators. The parameters are those of scikit-learn's SGD estimators."""

    loss: Any
    penalty: str | None
    alpha: float
    l1_ratio: float
    fit_intercept: bool
    standardize: bool
    precondition: bool | str
    max_iter: int
    tol: Any
    learning_rate: str
    eta0: Any
    power_t: float
    momentum: float
    nesterov: bool
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    warm_start: bool
    n_jobs: int | None
    _solver: Literal["gradient_descent", "sgd"] = "gradient_descent"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(numbers.Real, 0, None, closed="left")],
        "l1_ratio": [Interval(numbers.Real, 0, 1, closed="both"), None],
        "fit_intercept": ["boolean"],
        "standardize": ["boolean"],
        "max_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "tol": [Interval(numbers.Real, 0, None, closed="left"), StrOptions({"auto"}), None],
        "learning_rate": [StrOptions({"constant", "invscaling"})],
        "eta0": [Interval(numbers.Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "power_t": [Interval(numbers.Real, 0, None, closed="left")],
        "momentum": [Interval(numbers.Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(numbers.Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(numbers.Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "n_jobs": [
            Interval(numbers.Integral, 1, None, closed="left"),
            Among(numbers.Integral, {-1}),
            None,
        ],
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the constructor and the methods of fastgd's estimators public functions."""
        super().__init_subclass__(**kwargs)
        for name in CALLED:
            method = vars(cls).get(name)
            if inspect.isfunction(method) and cls.__module__.startswith("fastgd."):
                setattr(cls, name, public(method))

    def _set(self, parameters: dict[str, Any]) -> None:
        """Store the arguments of `__init__` under their names, as scikit-learn expects."""
        for name, value in parameters.items():
            if name != "self":
                setattr(self, name, value)

    @classmethod
    @functools.cache
    def _get_param_names(cls) -> list[str]:
        """Cache the names. scikit-learn reads the signature in every fit, longer than it checks X."""
        return list(super()._get_param_names())

    def _checked_data(self, X: Any, y: Any, *, reset: bool, is_part: bool = False) -> tuple[Any, Any]:
        """Check the shapes and names of X and y. The fit finds numbers that are not finite."""
        if isinstance(X, (Source, Summary)):
            if is_part and isinstance(X, Source):
                raise TypeError(f"partial_fit takes arrays; {X.name} goes to fit")
            d, columns = (X.d, X.columns) if isinstance(X, Source) else (X.n_features, X.feature_names)
            if not reset:
                check_source(self, d, columns)
                return X, y
            self.n_features_in_ = d
            if columns:
                self.feature_names_in_ = np.array(columns, dtype=object)
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            return X, y
        if y is None:
            return validate_data(self, X, y)  # raises the error that y is needed
        return as_matrix(self, X, reset=reset), as_targets(y, may_be_several=self._takes_several_targets())

    def _takes_several_targets(self) -> bool:
        return False

    @property
    def _names(self) -> tuple[str, ...]:
        """The names of the columns of the fit."""
        result = getattr(self, "result_", None) or getattr(self, "results_", (None,))[0]
        return () if result is None else result.feature_names

    def _validate_params(self) -> None:
        with np.printoptions(legacy="1.25"):  # messages show NumPy scalars as Python numbers
            super()._validate_params()

    def _loss(self) -> losses.Loss:
        """The loss with its parameters, which are parameters of the estimator; or the user's own loss."""
        if not isinstance(self.loss, str):
            return losses.as_loss(self.loss)
        loss = losses.NAMED[self.loss]
        fields = {name: float(getattr(self, parameter)) for name, parameter in loss.in_estimators.items()}
        return losses.as_loss(loss._replace(**fields))

    def _translated(self) -> tuple[dict[str, Any], float]:
        """The objective of fastgd, and the factor from its cost to scikit-learn's."""
        loss: Any = self._loss()
        half = loss.scikit_learn
        if self.penalty == "elasticnet" and self.l1_ratio is None:
            raise ValueError('penalty="elasticnet" needs an l1_ratio from 0 to 1, not None')
        ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio, None: 0.0}[self.penalty]
        alpha = 0.0 if self.penalty is None else self.alpha / half
        objective: dict[str, Any] = dict(
            loss=loss, l1=alpha * ratio, l2=alpha * (1.0 - ratio), fit_intercept=self.fit_intercept,
            standardize=self.standardize,
        )  # fmt: skip
        if self._solver == "gradient_descent":
            objective["precondition"] = self.precondition
        return objective, half

    def _rate(self, half: float) -> LearningRate:
        """A rate for each epoch: eta0, or eta0/(k + 1)^power_t in epoch k."""
        power = float(self.power_t) if self.learning_rate == "invscaling" else 0.0
        if isinstance(self.eta0, str):
            is_steady = self._solver == "sgd"
            if power == 0.0 and not is_steady:
                return "auto"
            return TimesAuto(lambda epoch: (epoch + 1.0) ** -power, is_steady)
        rate = half * float(self.eta0)
        return rate if power == 0.0 else lambda epoch: rate * (epoch + 1.0) ** -power

    def _sgd_options(self, before: Before, is_part: bool) -> dict[str, Any]:
        """Options that only SGD has."""
        return {}

    def _starts(
        self, coef_init: Any, intercept_init: Any, before: list[FitResult] | None, n_models: int
    ) -> list[Before]:
        """The start of each model: the end of `before`, unless coef_init or intercept_init replace it."""
        if coef_init is None and intercept_init is None:
            return [None] * n_models if before is None else list(before)
        if before is None:
            coef, intercepts = np.zeros((n_models, self.n_features_in_)), np.zeros(n_models)
        else:
            coef = np.array([np.atleast_1d(result.w) for result in before])
            intercepts = np.array([result.intercept for result in before])
        if coef_init is not None:
            coef = as_start("coef_init", coef_init, coef.shape)
        if intercept_init is not None:
            intercepts = as_start("intercept_init", intercept_init, intercepts.shape)
            if intercepts.any() and not self.fit_intercept:
                raise ValueError("fit_intercept=False fits no intercept: leave intercept_init out")
        return [Start(w, float(b)) for w, b in zip(coef, intercepts, strict=True)]

    def _rule(self) -> UpdateRule:
        return as_rule(self.momentum, self.nesterov)

    def _fitted(
        self,
        X: Any,
        y: Any,
        weights: Any,
        before: Before,
        *,
        is_part: bool = False,
        reports: list[Report] | None = None,
        summaries: list[Summary] | None = None,
    ) -> FitResult:
        """Fit one model that starts at `before`. A part of the data gets one epoch without stopping rules.
        `summaries` gets the summary of the rows."""
        objective, half = self._translated()
        options: dict[str, Any] = dict(
            w0=before, learning_rate=self._rate(half), n_epochs=self.max_iter, tol=self.tol,
            patience=self.n_iter_no_change,
            validation_fraction=self.validation_fraction if self.early_stopping else None,
            callback=None, method="auto", history="costs", on_divergence="raise", backend="auto",
            n_threads=self._threads(), warning=EstimatorConvergenceWarning,
            words=self._words(objective, half), reports=reports, summaries=summaries,
        )  # fmt: skip
        options |= self._sgd_options(before, is_part)
        return self._run(X, y, weights, objective, Options(**options))

    def _run(self, X: Any, y: Any, weights: Any, objective: dict[str, Any], options: Options) -> FitResult:
        result = fit(self._solver, X, y, weights, objective, self._rule(), options)
        result._rows = None  # a model does not keep the data that it was fitted to
        return result

    def _words(self, objective: dict[str, Any], half: float) -> Words:
        """scikit-learn's names of the options that fastgd's messages mention."""
        has_l2 = self.penalty == "l2" or (self.penalty == "elasticnet" and self.l1_ratio < 1.0)
        penalty = "alpha" if has_l2 else 'penalty="l2" with an alpha'
        unit = self.alpha / objective["l2"] if objective["l2"] else 1.0
        names = {"n_epochs": "max_iter", "learning_rate": "eta0", "l2": penalty}
        return Words(names, 1.0 / half, unit, self._solver == "sgd")

    def _threads(self) -> int | None:
        return None if self.n_jobs == -1 else self.n_jobs

    def _costs(self, result: FitResult) -> Floats | None:
        history = result.cost_history
        return None if history is None else history * self._translated()[1]

    def _scores(self, X: Any, w: Floats, intercept: float) -> Floats:
        return np.asarray(forward(X, w, intercept=float(intercept), n_threads=self._threads()))


class Stochastic(Linear):
    """The base class of the SGD estimators: the order of the rows, batches, averaging and `partial_fit`."""

    shuffle: Any
    random_state: Any
    batch_size: int
    average: Any
    _solver = "sgd"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "optimal"})],
        "shuffle": ["boolean", StrOptions({"blocks"})],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "average": ["boolean", Interval(numbers.Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def _rate(self, half: float) -> LearningRate:
        """A rate for each epoch; see `SGDRegressor`."""
        if self.learning_rate == "optimal":
            remedy = 'pass learning_rate="invscaling" or a larger alpha'
            return OfSteps(functools.partial(_optimal, half, self._optimal_alpha()), remedy)
        return super()._rate(half)

    def _optimal_alpha(self) -> float:
        if not self.alpha:
            raise ValueError(
                'learning_rate="optimal" takes its rates from alpha, which is 0: pass an alpha above 0, or '
                'learning_rate="invscaling"'
            )
        return float(self.alpha)

    def _sgd_options(self, before: Before, is_part: bool) -> dict[str, Any]:
        is_adaptive = self.learning_rate == "adaptive"
        options: dict[str, Any] = dict(shuffle=self.shuffle, seed=self._seed(before), is_adaptive=is_adaptive)
        if not is_part:
            return options
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True holds rows out, but partial_fit learns from all its rows: "
                "pass early_stopping=False, or call fit"
            )
        options |= dict(n_epochs=1, tol=None, validation_fraction=None, is_part=True)
        if isinstance(self.eta0, str) and self.learning_rate != "optimal":
            # The automatic rate depends on the number of rows, not on the number of calls.
            options |= dict(learning_rate=TimesAuto(lambda _: 1.0, is_steady=True))
        return options

    def _rule(self) -> UpdateRule:
        """The update rule. scikit-learn counts the first averaged step from 1."""
        average = self.average
        if isinstance(average, numbers.Integral) and not isinstance(average, (bool, np.bool_)):
            average = int(average) - 1
        return as_rule(self.momentum, self.nesterov, self.batch_size, average)

    def _seed(self, before: Before) -> int | None:
        if self.shuffle is False or (isinstance(before, FitResult) and before.seed is not None):
            return None
        return int(check_random_state(self.random_state).randint(2**31 - 1))


def _optimal(half: float, alpha: float, before: int, n_steps: int) -> float:
    """scikit-learn's rate "optimal": the mean of 1/(alpha (t0 + t)) over the steps t of an epoch.

    t0 = 1/(alpha·typical), where typical = alpha^(−1/4) estimates the size of a weight (L. Bottou,
    "Stochastic gradient descent tricks", 2012).
    """
    t = alpha**0.25 / alpha + before
    return half * math.log1p(n_steps / t) / (alpha * n_steps)
